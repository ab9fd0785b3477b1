"""The audit trail as a scope shows it.

An event is inside where its own spec and the state of its template are: the present one, or the last one of a template
that is gone. What was before an event may be outside all the same; then its changes do not say from what.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flask_worker_templates.model.parameters import Paging
from flask_worker_templates.model.scope import Scope
from flask_worker_templates.model.template import Event, Page

from . import audit
from .connection import Collections, Document
from .events import events_of, whole_spec
from .queries import all_of, scope_conditions, trail_conditions, without

CHUNK = 500
"""Events that are looked at together."""


def history_within(collections: Collections, state: audit.LastState, paging: Paging, scope: Scope) -> Page[Event]:
    """Return the events of one template up to a state, which is inside, that are inside too, newest first."""
    last = state.event
    before = {"template_id": state.template.id, "revision": {"$lt": last["revision"]}}
    query = all_of([before, *scope_conditions(scope, "spec.")])
    # The last one stands in the template's document, and may not be copied to the events yet.
    newest = [last] if scope.contains(whole_spec(collections, last)) else []
    shown = newest[paging.skip :]
    skip, limit = max(paging.skip - len(newest), 0), paging.size - len(shown)
    while True:
        bad = collections.census.events()
        sound = all_of([query, *without(bad)])
        cursor = collections.events.find(sound).sort([("revision", -1)]).batch_size(limit + 2)
        found = list(cursor.skip(skip).limit(max(limit, 1)))
        events = collections.census.sound_events(found)
        if len(events) == len(found) or len(collections.census.events()) == len(bad):
            break
    total = len(newest) + collections.events.count_documents(sound)
    shown += events[: max(limit, 0)]
    return Page(events_within(collections, shown, scope), total, paging.page, paging.size)


def trail_within(collections: Collections, asked: Mapping[str, Any], scope: Scope) -> Page[Event]:
    """Return the events of all templates that are inside, newest first; how many there are is left open.

    Args:
        collections: where from.
        asked: parameters as `parameters.TrailSchema` loads them.
        scope: what may be seen.
    """
    paging = Paging(asked["page"], asked["page_size"])
    conditions = trail_conditions(dict(asked))
    insiders = Insiders(collections, scope)
    query = all_of([*conditions, *scope_conditions(scope, "spec."), *without(collections.census.events())])
    kept: list[Document] = []
    passed = 0  # events inside that come before the page
    previous: Document | None = None
    rows = collections.events.find(query).sort([("at", -1), ("_id", -1)]).batch_size(CHUNK)
    chunk, following = taken(rows, None)
    while True:
        shown = audit.without_void(collections.census.sound_events(chunk), collections.templates)
        bound = chunk[-1] if following else None
        shown += audit.unrecorded(collections, conditions, shown, previous, bound, scope)
        shown.sort(key=audit.order_of, reverse=True)
        there = insiders.among([event["template_id"] for event in shown])
        inside = [event for event in shown if event["template_id"] in there]
        late = max(paging.skip - passed, 0)
        passed += len(inside[:late])
        kept += inside[late:]
        if following is None or len(kept) > paging.size:
            break
        previous = chunk[-1]
        chunk, following = taken(rows, following)
    page, more = kept[: paging.size], len(kept) > paging.size
    total = passed + len(kept)
    return Page(events_within(collections, page, scope), total, paging.page, paging.size, exact=not more)


class Insiders:
    """Which templates are inside a scope by their present state, or by their last one if they are gone."""

    def __init__(self, collections: Collections, scope: Scope) -> None:
        self._collections = collections
        self._scope = scope
        self._known: dict[str, bool] = {}

    def among(self, template_ids: Iterable[str]) -> set[str]:
        """Return those of some templates that are inside; each is looked up once."""
        ids = set(template_ids)
        if self._scope.everything:
            return ids
        if unknown := [one for one in ids if one not in self._known]:
            inside = self._inside(unknown)
            self._known |= {one: one in inside for one in unknown}
        return {one for one in ids if self._known[one]}

    def _inside(self, ids: list[str]) -> set[str]:
        db, these = self._collections, {"_id": {"$in": ids}}
        query = all_of([these, *scope_conditions(self._scope)])
        inside = {document["_id"] for document in db.templates.find(query, {"_id": 1})}
        rest = [one for one in ids if one not in inside]
        if not rest:
            return inside
        there = {"_id": {"$in": rest}, "restoring": {"$exists": False}}
        alive = {document["_id"] for document in db.templates.find(there, {"_id": 1})}
        if gone := [one for one in rest if one not in alive]:
            found = db.events.find({"template_id": {"$in": gone}, "action": "deleted"}).sort([("revision", 1)])
            last = {event["template_id"]: event for event in db.census.sound_events(found)}
            inside |= {one for one, event in last.items() if self._scope.contains(whole_spec(db, event))}
        return inside


def events_within(collections: Collections, shown: Sequence[Document], scope: Scope) -> tuple[Event, ...]:
    """Return events with their changes, which say from what only where that is inside."""
    return events_of(collections, shown, audit.predecessors(collections, shown), scope)


def taken(rows: Any, first: Document | None) -> tuple[list[Document], Document | None]:
    """Return the next events of a cursor, and the one after them, which tells that there are more."""
    chunk = [] if first is None else [first]
    for row in rows:
        if len(chunk) == CHUNK:
            return chunk, row
        chunk.append(row)
    return chunk, None
