"""Reading the audit trail by the rules of the write protocol (see `commit`).

The events collection alone is not the truth. The event of a live template's current revision is the one in its own
document (``last_event``); events beyond that revision are void: deletions that were announced but did not happen. Where
there is no document any more, the events say all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pymongo.collection import Collection

from flask_worker_templates.errors import TemplateNotFound
from flask_worker_templates.model.parameters import Paging
from flask_worker_templates.model.scope import ALL, Scope
from flask_worker_templates.model.spec import Spec
from flask_worker_templates.model.template import Event, Page, Template

from .connection import Collections, Document
from .decoding import CHECKED
from .events import events_of, whole_spec
from .queries import all_of, scope_conditions, trail_conditions, without
from .stored_events import event_spec, is_event
from .stored_form import from_stored, is_placeholder, template_of, to_stored


def event_id(template_id: str, revision: int) -> str:
    """Return the key of an event."""
    return f"{template_id}:{revision}"


@dataclass(frozen=True, slots=True)
class LastState:
    """The present state of a template, or the last one of a template that is gone.

    Attributes:
        event: of its present revision, or of its deletion.
        template: it, as it is or was.
    """

    event: Document
    template: Template


def last_state(db: Collections, template_id: str) -> LastState:
    """Return the present or the last state of a template.

    Raises:
        TemplateNotFound: if there never was such a template, or a document has this id that is none.
    """
    document = db.templates.find_one({"_id": template_id}, CHECKED)
    if document is not None and not is_placeholder(document.get("name")):
        document = db.census.sound_template(document, template_id)
        return LastState(document["last_event"], template_of(document))
    event = _newest_event(db, template_id)
    if event is None:
        raise TemplateNotFound(template_id)
    # Of a deletion that an older version wrote, the times are not known.
    known = {"is_seeded": event.get("is_seeded", False), "created_at": event.get("created_at", event["at"])}
    deleted = {**to_stored(whole_spec(db, event)), **known, "_id": template_id}
    return LastState(event, template_of({**deleted, "revision": event["revision"], "updated_at": event["at"]}))


def events_up_to(db: Collections, last: LastState, paging: Paging) -> Page[Event]:
    """Return the events of one template up to a state, newest first."""
    template_id, total = last.template.id, last.event["revision"]  # revisions run from 1 without a gap
    if db.census.has_bad_events(template_id):
        return _history_with_gaps(db, last.event, paging)
    high = total - paging.skip
    low = high - paging.size  # its predecessor, for the changes of the oldest one shown
    query = {"template_id": template_id, "revision": {"$gte": low, "$lte": high}}
    found = db.events.find(query).batch_size(paging.size + 2)
    by_revision = {event["revision"]: event for event in db.census.sound_events(found)}
    if db.census.has_bad_events(template_id):
        return _history_with_gaps(db, last.event, paging)
    if high >= total:
        by_revision[total] = last.event
    shown = [by_revision[n] for n in range(high, max(low, 0), -1) if n in by_revision]
    return Page(events_of(db, shown, by_revision.values()), total, paging.page, paging.size)


def _history_with_gaps(db: Collections, last: Document, paging: Paging) -> Page[Event]:
    """Return the events of a template among whose documents some are none: all are read, to count the others."""
    query = {"template_id": last["template_id"], "revision": {"$gte": 1, "$lt": last["revision"]}}
    found = [last, *db.census.sound_events(db.events.find(query).sort([("revision", -1)]))]
    shown = found[paging.skip : paging.skip + paging.size]
    return Page(events_of(db, shown, found), len(found), paging.page, paging.size)


def spec_at(db: Collections, document: Mapping[str, Any], revision: int) -> Spec | None:
    """Return the spec that a live template had at a revision, or None if it has not been there.

    Fields that the event of then lacks are those of now: who wrote it did not know them, and did not change them.
    """
    present = from_stored(document)
    if revision >= document["revision"]:
        return present if revision == document["revision"] else None
    event = db.events_guarded.find_one({"_id": event_id(document["_id"], revision)})
    if event is None or not db.census.sound_events([event]):
        return None
    return {**present, **event_spec(event)}


def trail(db: Collections, asked: Mapping[str, Any]) -> Page[Event]:
    """Return the events of all templates, newest first.

    Args:
        db: where from.
        asked: parameters as `parameters.TrailSchema` loads them.
    """
    db.census.look_again(db)
    paging = Paging(asked["page"], asked["page_size"])
    conditions = trail_conditions(dict(asked))
    # One before the page, to know which stretch of time it covers, and one after it, to know whether it is the last.
    before = min(paging.skip, 1)
    while True:
        bad = db.census.events()
        query = all_of([*conditions, *without(bad)])
        most = paging.size + before + 1
        cursor = db.events.find(query).sort([("at", -1), ("_id", -1)]).batch_size(most + 1)
        found = list(cursor.skip(paging.skip - before).limit(most))
        rows = db.census.sound_events(found)
        if len(rows) == len(found) or len(db.census.events()) == len(bad):
            break
    previous = rows[0] if before and rows else None
    page, following = rows[before : before + paging.size], rows[before + paging.size :]
    if before and not page:
        return Page((), _count(db, query, bad), paging.page, paging.size)

    shown = without_void(page, db.templates)
    # What stands between two pages belongs to the later one; the last page takes all that is left.
    shown += unrecorded(db, conditions, shown, previous, page[-1] if following else None)
    shown.sort(key=order_of, reverse=True)

    total = paging.skip + len(shown) if not following else _count(db, query, bad)
    events = events_of(db, shown, predecessors(db, shown))
    return Page(events, max(total, paging.skip + len(page)), paging.page, paging.size)


def predecessors(db: Collections, shown: Sequence[Document]) -> list[Document]:
    """Return the events that come right before others, of the same templates."""
    keys = [event_id(event["template_id"], event["revision"] - 1) for event in shown if event["revision"] > 1]
    return db.census.sound_events(db.events.find({"_id": {"$in": keys}}).batch_size(len(keys) + 1))


def _newest_event(db: Collections, template_id: str) -> Document | None:
    while True:
        bad = db.census.events()
        query = all_of([{"template_id": template_id}, *without(bad)])
        found = db.events.find_one(query, sort=[("revision", -1)])
        if found is None or db.census.sound_events([found]):
            return found
        if len(db.census.events()) == len(bad):  # the maximum that is remembered
            return None


def without_void(events: Sequence[Document], templates: Collection[Document]) -> list[Document]:
    """Return the events but the deletions that did not happen: those of templates that live."""
    doubtful = {event["template_id"] for event in events if event["action"] == "deleted"}
    if not doubtful:
        return list(events)
    found = templates.find({"_id": {"$in": list(doubtful)}, "restoring": {"$exists": False}}, {"revision": 1})
    revisions = {document["_id"]: document.get("revision") for document in found}
    return [event for event in events if event["action"] != "deleted" or not _is_void(event, revisions)]


def _is_void(deletion: Document, revisions: Mapping[str, Any]) -> bool:
    """Tell whether a deletion did not happen: its template lives, and was not restored after it."""
    revision = revisions.get(deletion["template_id"], 0)
    return not isinstance(revision, int) or 0 < revision <= deletion["revision"]


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
    found = collections.templates.find(all_of(query), {"last_event": 1}).sort([("updated_at", -1)])
    for document in found.batch_size(len(shown) + 100):  # as a rule, their templates and few more
        event: Document = document.get("last_event", {})
        if not is_event(event):  # the document is no template
            continue
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


def _count(db: Collections, query: dict[str, Any], bad: Sequence[Any]) -> int:
    if query != all_of(without(bad)):
        return db.events.count_documents(query)
    all_of_them = db.events.estimated_document_count()
    return all_of_them - (db.events.count_documents({"_id": {"$in": list(bad)}}) if bad else 0)
