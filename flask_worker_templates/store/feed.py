"""The audit trail for those who follow it: every event once, in an order that never changes any more.

Time gives no such order. An event is committed under the time of the host that made it, whose clock may be behind, and
may be copied to the events collection long after. So whoever follows the trail writes down in which order events became
known, in the log: a collection of entries numbered 1, 2, 3, … without a gap. What is committed late gets the next
number, whatever its time.

- An entry is only ever inserted, at the number after the last one. Two who do so at once collide on the number, and one
  of them begins again. So no gap is ever filled later: who has read up to an entry has read all before it.
- An event is in the log once: there is a unique index on it. That it is there is then marked in the event, and in the
  template's document where it stands too, which is how those that are not are found. A mark that was lost does no harm.
- A cursor names an entry by its event and a random key. It says nothing of how many entries there are, of which the
  reader may see only a part.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from pymongo.errors import BulkWriteError

from flask_worker_templates.errors import InvalidParameters, TemplateNotFound
from flask_worker_templates.model.scope import Scope
from flask_worker_templates.model.template import Event, Page

from . import audit
from .commit import Copied, ensure_event
from .connection import Collections, Document
from .decoding import CHECKED
from .loop import attempts
from .queries import all_of, scope_conditions, trail_conditions, without
from .scoped_events import CHUNK, Insiders, events_within, taken

_DUPLICATE_KEY = 11000
START = frozenset({"", "start"})
"""The cursors that stand before the first event."""


def follow(collections: Collections, asked: Mapping[str, Any], scope: Scope) -> Page[Event]:
    """Return the next events after a cursor, and the cursor after them.

    Args:
        collections: where from.
        asked: parameters as `parameters.TrailSchema` loads them, with `after`.
        scope: what may be seen.

    Raises:
        InvalidParameters: if the cursor is none that was ever given out.
    """
    size, conditions = asked["page_size"], trail_conditions(dict(asked))
    conditions += scope_conditions(scope, "spec.")
    insiders = Insiders(collections, scope)
    number, cursor = _number(collections, asked["after"]), asked["after"]
    at_once = CHUNK if conditions else size
    shown: list[Document] = []
    while len(shown) < size:
        log = collections.log.find({"_id": {"$gt": number}}).sort([("_id", 1)]).batch_size(at_once + 1)
        entries = list(log.limit(at_once))
        if not entries:
            if not _write_down(collections):
                break
            continue
        query = all_of([{"_id": {"$in": [entry["event"] for entry in entries]}}, *conditions])
        rows = collections.events_guarded.find(query).batch_size(at_once + 1)
        found = {event["_id"]: event for event in collections.census.sound_events(rows)}
        there = insiders.among([event["template_id"] for event in found.values()])
        for entry in entries:
            number, event = entry["_id"], found.get(entry["event"])
            inside = event is not None and event["template_id"] in there
            # A cursor that moved on past what is outside would say that something happened there.
            if inside or scope.everything:
                cursor = _cursor(entry)
            if event is not None and inside:
                shown.append(event)
                if len(shown) == size:
                    break
    events = events_within(collections, shown, scope)
    return Page(events, len(events), 1, size, exact=False, cursor=cursor or "start")


def _cursor(entry: Document) -> str:
    return base64.urlsafe_b64encode(f"{entry['event']}.{entry['key']}".encode()).decode().rstrip("=")


def _number(collections: Collections, cursor: str) -> int:
    if cursor in START:
        return 0
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        event, _, key = base64.b64decode(padded, altchars="-_", validate=True).decode().rpartition(".")
    except (binascii.Error, ValueError):
        event = key = ""
    entry = collections.log.find_one({"event": {"$eq": event}})
    if entry is None or not secrets.compare_digest(entry["key"].encode(), key.encode()):
        raise InvalidParameters({"after": ["Not a cursor of this trail. Begin again with after=start."]})
    return int(entry["_id"])


def _write_down(collections: Collections) -> bool:
    """Write the oldest events that are not in the log to its end; return whether there were any."""
    for _ in attempts():
        unlogged = _unlogged(collections)
        if not unlogged:
            return False
        newest = collections.log.find_one({}, sort=[("_id", -1)])
        first = (newest["_id"] if newest else 0) + 1
        entries = [
            {"_id": first + offset, "event": event["_id"], "key": secrets.token_urlsafe(9)}
            for offset, event in enumerate(unlogged)
        ]
        try:
            collections.log.insert_many(entries, ordered=True)
        except BulkWriteError as error:
            # Somebody else was faster, or has written one of them down and died before it was marked.
            if {fault["code"] for fault in error.details["writeErrors"]} != {_DUPLICATE_KEY}:
                raise
        ids = [event["_id"] for event in unlogged]
        logged = [entry["event"] for entry in collections.log.find({"event": {"$in": ids}})]
        if logged:
            _mark(collections, logged)
            return True
    raise AssertionError  # pragma: no cover  # attempts never ends by itself


def _mark(collections: Collections, event_ids: list[str]) -> None:
    these = {"$in": event_ids}
    collections.events_guarded.update_many({"_id": these}, {"$set": {"logged": True}})
    ids = {"_id": {"$in": [event_id.rpartition(":")[0] for event_id in event_ids]}, "last_event._id": these}
    templates = all_of([ids, *without(collections.census.templates())])
    collections.templates_guarded.update_many(templates, {"$set": {"last_event.logged": True}})


def _unlogged(collections: Collections) -> list[Document]:
    """Return the oldest events that are not in the log, copied to the events collection where they were not there."""
    query = all_of([{"logged": None}, *without(collections.census.events())])
    rows = collections.events_guarded.find(query).sort([("at", 1), ("_id", 1)]).batch_size(CHUNK)
    recorded: list[Document] = []
    chunk, following = taken(rows, None)
    while chunk and len(recorded) < CHUNK:
        recorded += audit.without_void(collections.census.sound_events(chunk), collections.templates_guarded)
        chunk, following = taken(rows, following) if following else ([], None)
    found = {event["_id"]: event for event in [*_pending(collections), *recorded]}
    oldest = _in_order(collections, sorted(found.values(), key=audit.order_of)[:CHUNK])
    copied = {event["_id"] for event in recorded}
    for event in oldest:
        if event["_id"] in found and event["_id"] not in copied:
            ensure_event(collections, {"last_event": event}, Copied())
    return oldest


def _pending(collections: Collections) -> Iterator[Document]:
    """Yield the last events of templates that are not in the log; a document that is no template is left alone."""
    query = all_of([{"last_event.logged": None}, *without(collections.census.templates())])
    for document in collections.templates_guarded.find(query, CHECKED).sort([("updated_at", 1)]).limit(CHUNK):
        with suppress(TemplateNotFound):
            event: Document = collections.census.sound_template(document, "")["last_event"]
            yield event


def _in_order(collections: Collections, oldest: list[Document]) -> list[Document]:
    """Return events with those that come before them in their templates, by time, and each template's by revision.

    The time of a template's change may be before that of the change before it, where that one's clock was far ahead.
    """
    found = {event["_id"]: event for event in oldest}
    asked: set[str] = set()
    while before := {_before(event) for event in found.values() if event["revision"] > 1} - found.keys() - asked:
        asked |= before
        rows = collections.events_guarded.find({"_id": {"$in": list(before)}, "logged": None})
        sound = collections.census.sound_events(rows)
        found |= {event["_id"]: event for event in audit.without_void(sound, collections.templates_guarded)}
    by_template: dict[str, list[Document]] = {}
    for event in sorted(found.values(), key=lambda event: int(event["revision"]), reverse=True):
        by_template.setdefault(event["template_id"], []).append(event)
    return [by_template[event["template_id"]].pop() for event in sorted(found.values(), key=audit.order_of)]


def _before(event: Document) -> str:
    return audit.event_id(event["template_id"], event["revision"] - 1)
