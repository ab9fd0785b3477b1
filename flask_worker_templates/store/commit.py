"""Every write of MongoDB, by a protocol that needs no transactions and survives a kill between any two commands.

- A template's document carries ``last_event``, the event of its current revision. One conditional command on that
  document (``{_id, revision: r}``) is the commit point of a change; nothing before it counts, nothing after it is
  needed.
- Before it, the event of revision r is made sure to be in the events collection; after it, the event of r + 1 is
  copied there. A process that dies in between leaves a copy undone, which the next writer does.
- A deletion cannot carry its event in the document it removes. It takes a turn: a number that the document counts up
  (``deletion_turn``). It writes the event under that number, as an intent, over those of earlier turns only, and then
  removes the document with one command that demands that the turn is still its own. So whoever removes the document
  has written the event last. An intent whose deletion did not happen is void, because its revision is beyond the
  document's.

So of the events in the collection, only a deletion may be void, and only while its template lives: every other event
was committed before it was copied there.

Every event has a random ``token``, which tells two events of the same key apart: a committed one and an intent, or the
intents of two who delete at once.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.errors import BulkWriteError, DuplicateKeyError, PyMongoError

from flask_worker_templates.errors import TemplateNotFound
from flask_worker_templates.model.records import Origin
from flask_worker_templates.model.spec import Spec
from flask_worker_templates.model.template import Action

from .adapter import is_real
from .audit import event_id
from .connection import Collections, Document
from .decoding import CHECKED, decoded
from .loop import attempts
from .raw_reads import find_raw
from .recheck import recheck
from .stored_form import stored_at_top, to_stored

log = logging.getLogger("flask_worker_templates")

_DUPLICATE_KEY = 11000


class Copied:
    """The events that this process has just copied to the events collection, so that it need not look for them.

    Only what the server has confirmed is here: an event that is merely seen there may still be lost with a server that
    is killed. And only for a minute: a restored backup may be without the event, and this process live on.
    """

    SECONDS = 60.0
    MAX = 1000

    def __init__(self) -> None:
        self._times: OrderedDict[str, float] = OrderedDict()

    def add(self, event: Document) -> None:
        """Keep in mind that an event was copied, and confirmed."""
        self._times[event["token"]] = time.monotonic()
        if len(self._times) > self.MAX:
            self._times.popitem(last=False)

    def __contains__(self, event: Document) -> bool:
        return time.monotonic() - self._times.get(event["token"], -self.SECONDS) < self.SECONDS


MAX_AHEAD = timedelta(minutes=5)
"""How far an event may be ahead of this host's clock and still be followed in time by the next event."""


def now() -> datetime:
    """Return the time as naive UTC in milliseconds, which is what MongoDB keeps: it is read as it was written."""
    moment = datetime.now(UTC).replace(tzinfo=None)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _token() -> str:
    # Unique among processes and hosts, as a UUID is, and a tenth of its cost, which counts when thousands are seeded.
    return str(ObjectId())


def new_event(
    template_id: str,
    revision: int,
    spec: Spec,
    *,
    actor: str,
    action: Action,
    managed: bool,
    message: str | None = None,
    after: Document | None = None,
    reverted_to: int | None = None,
    pruned: bool = False,
    deleted: Document | None = None,
    turn: int | None = None,
) -> Document:
    """Return the event of a change of a template.

    Args:
        template_id: of the template.
        revision: that the change makes.
        spec: after the change.
        actor: who.
        action: what the audit trail calls it.
        managed: whether the template has a base, and so belongs to a definition file.
        message: why.
        after: the event of the revision before.
        reverted_to: for a revert, the revision that it goes back to.
        pruned: for a deletion, whether it is a prune.
        deleted: for a deletion, the document: what it alone knows is kept, for those who restore the template.
        turn: for a deletion, its turn.
    """
    event: Document = {
        "_id": event_id(template_id, revision),
        "template_id": template_id,
        "revision": revision,
        "name": spec["name"],
        "action": action,
        "actor": actor,
        "at": _time_after(after),
        "message": message,
        "managed": managed,
        "token": _token(),
        "spec": to_stored(spec),
    }
    if action == "reverted":
        event["reverted_to"] = reverted_to
    if deleted is not None:
        event |= {**_kept(deleted, managed=managed and not pruned), "pruned": pruned, "turn": turn}
    return event


def _kept(document: Document, *, managed: bool) -> Document:
    """Return what the event of a deletion keeps of the document."""
    kept = {key: document[key] for key in KEPT_BY_DELETION if key in document}
    if managed and kept.get("file_set") is not None:
        kept["open_in"] = kept["file_set"]  # until a sync finds the entry gone, see `origins`
    return kept


def _time_after(event: Document | None) -> datetime:
    """Return the time of an event, which is later than that of the event before it.

    Even if that is of the same millisecond, or of a host whose clock is a little ahead: the trail is ordered by time,
    and a change must not stand before the one it was made to. But the times of a host whose clock is far ahead are not
    carried on: only its own events are wrong.
    """
    at = now()
    if event is not None and event["at"] - at <= MAX_AHEAD:
        at = max(at, event["at"] + timedelta(milliseconds=1))
    return at


KEPT_BY_DELETION = ("base", "source", "file_set", "exported", "is_seeded", "created_at")
"""Fields of a template's document that the event of its deletion keeps."""


def new_document(
    spec: Spec, *, actor: str, action: Action, message: str | None = None, origin: Origin | None = None
) -> Document:
    """Return the document of a new template; the arguments are those of `Store.create`."""
    template_id = str(uuid.uuid4())
    base = None if origin is None else origin.base
    event = new_event(template_id, 1, spec, actor=actor, action=action, message=message, managed=base is not None)
    return {
        "_id": template_id,
        **stored_at_top(event["spec"]),
        "revision": 1,
        "is_seeded": action == "seeded",
        "created_at": event["at"],
        "updated_at": event["at"],
        "source": None if origin is None else origin.source,
        "file_set": None if origin is None else origin.file_set,
        # The base of a seeded template is its spec: stored once more, but made once.
        "base": event["spec"] if base is spec else None if base is None else to_stored(base),
        "claims": [],
        "last_event": event,
    }


def read_guarded(db: Collections, template_id: str) -> Document:
    """Read a template for a write: from the primary, what a majority has; without its claims, which may be many.

    Raises:
        TemplateNotFound: if there is none with this id.
    """
    found = find_raw(db.templates_guarded, {"_id": template_id}, CHECKED, limit=1)
    if not found:
        raise TemplateNotFound(template_id)
    recheck(db, template_id)
    return db.census.sound_template(decoded(found[0]), template_id)  # what is no template is never changed


def insert_new(db: Collections, documents: Sequence[Document]) -> list[Document]:
    """Insert new templates and then their events; return those whose names were free."""
    unconfirmed: BulkWriteError | None = None
    lost: set[int] = set()
    try:
        db.templates_guarded.insert_many(documents, ordered=False)
    except BulkWriteError as error:
        lost = _duplicates(error)
        unconfirmed = error if error.details.get("writeConcernErrors") else None
    created = [document for index, document in enumerate(documents) if index not in lost]
    if not created:
        return []
    failure = _insert_events(db, created)
    if unconfirmed is not None:
        # The templates were written, but not every member that had to confirm it did. The events are a later write; if
        # that one is confirmed, all that is left to ask is whether a new primary has lost the templates meanwhile.
        ids = [document["_id"] for document in created]
        if failure or db.templates_guarded.count_documents({"_id": {"$in": ids}}) < len(ids):
            raise unconfirmed
    elif failure:
        log.warning(
            "The events of %d new templates are not all in the events collection: %.500s", len(created), failure
        )
    return created


def _insert_events(db: Collections, created: Sequence[Document]) -> PyMongoError | None:
    """Copy the events of new templates; return what failed, except for those that the next writer copied first."""
    try:
        db.events_guarded.insert_many([document["last_event"] for document in created], ordered=False)
    except BulkWriteError as error:
        others = [fault for fault in error.details["writeErrors"] if fault["code"] != _DUPLICATE_KEY]
        return error if others or error.details.get("writeConcernErrors") else None
    except PyMongoError as error:
        return error
    return None


def commit(
    db: Collections, document: Document, fields: Mapping[str, Any], also: Mapping[str, Any] | None = None
) -> bool:
    """Change a document if it is at the revision that was read, and return whether it was.

    With another condition in `also`, it is still found by its id.
    """
    key = {"_id": document["_id"], "revision": document["revision"], **(also or {})}
    by_id = "_id_" if also and is_real(db.templates_guarded) else None
    return bool(db.templates_guarded.update_one(key, {"$set": fields}, hint=by_id).matched_count)


def is_copied(db: Collections, document: Document, copied: Copied) -> bool:
    """Return whether the event of a template's revision is in the events collection."""
    event = document["last_event"]
    if event in copied:
        return True
    there = db.events_guarded.find_one({"_id": event["_id"]}, {"token": 1})
    return there is not None and there["token"] == event["token"]


def ensure_event(db: Collections, document: Document, copied: Copied) -> None:
    """Make sure that the event of a template's revision is in the events collection.

    A revision is committed once, so there is one true event for its key, and writing it is right at any time.
    """
    if not is_copied(db, document, copied):
        _put(db, document["last_event"])


def copy_event(db: Collections, event: Document, copied: Copied) -> None:
    """Copy the event of a change that is committed to the events collection."""
    try:
        try:
            db.events_guarded.insert_one(event)
        except DuplicateKeyError:
            _put(db, event)  # over the intent of a deletion that came too late, or what the next writer has copied
    except PyMongoError as error:
        # The change is committed and its event is in the document: it stands, and the next writer copies it.
        log.warning("The event %s is not in the events collection yet: %.500s", event["_id"], error)
    else:
        copied.add(event)


def take_turn(db: Collections, document: Document, unclaimed: Mapping[str, Any]) -> int | None:
    """Take the next turn of those who would delete a template.

    Args:
        db: where.
        document: the template, as it was read.
        unclaimed: the condition that no worker claims it.

    Returns:
        The number of the turn; None if the template is claimed, or not at the revision that was read any more.
    """
    key = {"_id": document["_id"], "revision": document["revision"], **unclaimed}
    counted = {"$inc": {"deletion_turn": 1}}
    found = db.templates_guarded.find_one_and_update(
        key, counted, projection={"deletion_turn": 1}, return_document=ReturnDocument.AFTER
    )
    return None if found is None else found["deletion_turn"]


def write_intent(db: Collections, intent: Document) -> bool:
    """Write the intent of a deletion, over those of earlier turns.

    Returns:
        False, and nothing is written, where there is the intent of a later turn, or the event of a change.
    """
    earlier = {"_id": intent["_id"], "action": "deleted", "turn": {"$not": {"$gte": intent["turn"]}}}
    try:
        db.events_guarded.replace_one(earlier, intent, upsert=True)
    except DuplicateKeyError:
        return False
    return True


def remove(db: Collections, document: Document, turn: int, unclaimed: Mapping[str, Any]) -> bool:
    """Remove a template if it is as it was read, unclaimed, and the turn still the last one; return whether it was.

    There is no window between "is it claimed?" and the deletion: both are this one command.
    """
    key = {"_id": document["_id"], "revision": document["revision"], "deletion_turn": turn, **unclaimed}
    return bool(db.templates_guarded.delete_one(key).deleted_count)


def withdraw(db: Collections, intent: Document) -> None:
    """Take back the intent of a deletion that did not happen; left behind, it would be void all the same."""
    db.events_guarded.delete_one({"_id": intent["_id"], "token": intent["token"]})


def _put(db: Collections, event: Document) -> None:
    for _ in attempts():
        try:
            db.events_guarded.replace_one({"_id": event["_id"]}, event, upsert=True)
        except DuplicateKeyError:
            continue  # two upserts of one key at once: one of them inserts, and now there is something to replace
        return


def _duplicates(error: BulkWriteError) -> set[int]:
    """Return the positions of the documents whose key exists already; raise where another write went wrong."""
    faults = error.details["writeErrors"]
    if any(fault["code"] != _DUPLICATE_KEY for fault in faults):
        raise error
    return {fault["index"] for fault in faults}
