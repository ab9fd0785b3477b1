"""Reading the audit trail by the rules of the write protocol (see `protocol`).

The events collection alone is not the truth. The event of a live template's current revision is the one in its own
document (``last_event``); events beyond that revision are void: deletions that were announced but did not happen. Where
there is no document any more, the events say all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC
from typing import Any

from pymongo.collection import Collection

from flask_worker_templates.errors import TemplateNotFound
from flask_worker_templates.model.parameters import Window
from flask_worker_templates.model.scope import ALL, Scope
from flask_worker_templates.model.spec import Spec, changes
from flask_worker_templates.model.template import Event, Page

from .connection import Collections, Document
from .queries import all_of, scope_conditions, trail_conditions
from .stored_form import from_stored


def event_id(template_id: str, revision: int) -> str:
    """Return the key of an event."""
    return f"{template_id}:{revision}"


def history(collections: Collections, template_id: str, window: Window) -> Page[Event]:
    """Return the events of one template, newest first; also of one that was deleted.

    Raises:
        TemplateNotFound: if there never was such a template.
    """
    last = last_event(collections, template_id)
    if last is None:
        raise TemplateNotFound(template_id)
    total = last["revision"]  # revisions run from 1 without a gap
    high = total - window.skip
    low = high - window.size  # its predecessor, for the changes of the oldest one shown
    found = collections.events.find({"template_id": template_id, "revision": {"$gte": low, "$lte": high}})
    by_revision = {event["revision"]: event for event in found}
    if high >= total:
        by_revision[total] = last
    shown = [by_revision[n] for n in range(high, max(low, 0), -1) if n in by_revision]
    return Page(events(shown, by_revision.values()), total, window.page, window.size)


def spec_at(collections: Collections, document: Mapping[str, Any], revision: int) -> Spec | None:
    """Return the spec that a live template had at a revision, or None if it has not been there."""
    if revision == document["revision"]:
        return from_stored(document)
    event = None
    if revision < document["revision"]:
        event = collections.events_guarded.find_one({"_id": event_id(document["_id"], revision)})
    return None if event is None else from_stored(event["spec"])


def trail(collections: Collections, asked: Mapping[str, Any]) -> Page[Event]:
    """Return the events of all templates, newest first.

    Args:
        collections: where from.
        asked: parameters as `query.TrailSchema` loads them.
    """
    window = Window(asked["page"], asked["page_size"])
    conditions = trail_conditions(dict(asked))
    query = all_of(conditions)
    # One before the page, to know which stretch of time it covers, and one after it, to know whether it is the last.
    before = min(window.skip, 1)
    cursor = collections.events.find(query).sort([("at", -1), ("_id", -1)])
    rows = list(cursor.skip(window.skip - before).limit(window.size + before + 1))
    previous = rows[0] if before and rows else None
    page, following = rows[before : before + window.size], rows[before + window.size :]
    if before and not page:
        return Page((), _count(collections, query), window.page, window.size)

    shown = without_void(page, collections.templates)
    # What stands between two pages belongs to the later one; the last page takes all that is left.
    shown += unrecorded(collections, conditions, shown, previous, page[-1] if following else None)
    shown.sort(key=order_of, reverse=True)

    keys = [event_id(event["template_id"], event["revision"] - 1) for event in shown if event["revision"] > 1]
    predecessors = list(collections.events.find({"_id": {"$in": keys}}))
    total = window.skip + len(shown) if not following else _count(collections, query)
    return Page(events(shown, predecessors), max(total, window.skip + len(page)), window.page, window.size)


def deletions(collections: Collections, names: Sequence[str]) -> dict[str, Document]:
    """Return, by name, the newest deletion of a managed template among these names."""
    newest: dict[str, Document] = {}
    for start in range(0, len(names), _CHUNK):
        query = {"name": {"$in": list(names[start : start + _CHUNK])}, "action": "deleted", "managed": True}
        found = list(collections.events_guarded.find(query).sort([("at", 1), ("_id", 1)]))
        # A void one is of a template that lives under another name by now. It must not hide a true one before it.
        for event in without_void(found, collections.templates_guarded):
            newest[event["name"]] = event
    return newest


_CHUNK = 5000  # names in one query; a query must stay far below MongoDB's 16 MB


def last_event(collections: Collections, template_id: str) -> Document | None:
    """Return the event of a template's present revision, or of its deletion; None where there never was one."""
    document = collections.templates.find_one({"_id": template_id}, {"last_event": 1})
    if document is not None:
        return dict(document["last_event"])
    return collections.events.find_one({"template_id": template_id}, sort=[("revision", -1)])


def without_void(events: Sequence[Document], templates: Collection[Document]) -> list[Document]:
    """Return the events but the deletions that did not happen: those of templates that live."""
    doubtful = {event["template_id"] for event in events if event["action"] == "deleted"}
    if not doubtful:
        return list(events)
    alive = {document["_id"] for document in templates.find({"_id": {"$in": list(doubtful)}}, {"_id": 1})}
    return [event for event in events if event["action"] != "deleted" or event["template_id"] not in alive]


def unrecorded(  # noqa: PLR0917  # they say one stretch of the trail together
    collections: Collections,
    conditions: list[dict[str, Any]],
    shown: list[Document],
    previous: Mapping[str, Any] | None,
    last: Mapping[str, Any] | None,
    scope: Scope = ALL,
) -> list[Document]:
    """Return the events of this stretch that stand only in their template's document.

    They are what a process left that was killed between the commit and the copy to the events collection; the next
    change of the template copies them. Until then the trail must show them all the same.
    """
    query = [
        {("updated_at" if field == "at" else f"last_event.{field}"): operand}
        for condition in conditions
        for field, operand in condition.items()
    ]
    query += scope_conditions(scope, "last_event.spec.")
    if previous is not None:
        query.append({"updated_at": {"$lte": previous["at"]}})
    if last is not None:
        query.append({"updated_at": {"$gte": last["at"]}})
    tokens = {event["token"] for event in shown}
    missing: dict[str, Document] = {}
    for document in collections.templates.find(all_of(query), {"last_event": 1}).sort([("updated_at", -1)]):
        event = document["last_event"]
        after_previous = previous is None or order_of(event) < order_of(previous)
        # As well as with: a deletion that did not happen may stand there, announced in the same millisecond.
        before_last = last is None or order_of(event) >= order_of(last)
        if event["token"] not in tokens and after_previous and before_last:
            missing[event["_id"]] = event
    if missing:
        recorded = collections.events.find({"_id": {"$in": list(missing)}}, {"token": 1})
        for event in recorded:
            if event["token"] == missing[event["_id"]]["token"]:
                del missing[event["_id"]]
    return list(missing.values())


def order_of(event: Mapping[str, Any]) -> tuple[Any, str]:
    """Return what the trail is ordered by."""
    return event["at"], event["_id"]


def _count(collections: Collections, query: dict[str, Any]) -> int:
    if query:
        return collections.events.count_documents(query)
    return collections.events.estimated_document_count()


def events(
    shown: Sequence[Mapping[str, Any]], others: Iterable[Mapping[str, Any]], scope: Scope = ALL
) -> tuple[Event, ...]:
    """Return events with their changes.

    Args:
        shown: the events.
        others: among them the predecessors.
        scope: a change from outside of it does not say from what.
    """
    known = {(event["template_id"], event["revision"]): event for event in [*others, *shown]}
    return tuple(_event(event, known.get((event["template_id"], event["revision"] - 1)), scope) for event in shown)


def _event(stored: Mapping[str, Any], predecessor: Mapping[str, Any] | None, scope: Scope) -> Event:
    spec = from_stored(stored["spec"])
    before = from_stored(predecessor["spec"]) if predecessor else None
    changed = changes(before, spec)
    if before is not None and not scope.contains(before):
        # Not even the names of labels that are gone: they were out there.
        changed = [{"field": one["field"], "to": one["to"]} for one in changed if "to" in one]
    return Event(
        template_id=stored["template_id"],
        name=stored["name"],
        revision=stored["revision"],
        action=stored["action"],
        actor=stored["actor"],
        at=stored["at"] if stored["at"].tzinfo else stored["at"].replace(tzinfo=UTC),
        spec=spec,
        changes=changed,
        message=stored.get("message"),
        reverted_to=stored.get("reverted_to"),
        pruned=stored.get("pruned", False),
    )
