"""What the database knows of definition files: where each template comes from, and which of them were deleted."""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC
from itertools import takewhile
from typing import Any, TypeVar

from flask_worker_templates.errors import DuplicateNames, TemplateInUse
from flask_worker_templates.model.fields import nfc
from flask_worker_templates.model.records import Deletion, Exported, Managed
from flask_worker_templates.model.spec import Spec

from .adapter import Projection, update_each
from .audit import without_void
from .claim_list import live_claims
from .commit import now
from .connection import Collections, Document
from .decoding import decode, decoded
from .indexes import duplicate_names
from .likely import ManagedReader
from .part import Part
from .presented import PRESENTED
from .queries import all_of, without
from .raw_reads import find_raw
from .scoped_events import Insiders
from .stored_form import from_stored, owned_by_template, stored_exported
from .stored_types import Malformed

T = TypeVar("T")

_CHUNK = 5000  # names or ids in one query; a query must stay far below MongoDB's 16 MB
_SHOWN_CLAIMS = 5
BATCH = 1000
"""The most templates that are read at a time."""
_PROJECTION = Projection({**PRESENTED, "base": 1, "source": 1, "file_set": 1, "exported": 1})


class Origins(Part):
    """The part of the store that serves the comparison with definition files."""

    def managed(self, likely: Mapping[str, Spec] | None = None) -> Iterator[Managed]:
        """Yield every template with its base, for the drift comparison; ordered by name.

        They are read in batches, each within the time limit, so that there may be any number of them.

        Args:
            likely: by their names, specs in normal form that the templates and their bases are likely to be; such a
                one is then the object given.

        Raises:
            DuplicateNames: if several templates have one name, so that no entry of a file is that of one of them.
        """
        return self._all(_PROJECTION, ManagedReader(likely or {}), lambda one: one.spec)

    def specs(self) -> Iterator[Spec]:
        """Yield the spec of every template, as `managed`."""
        return self._all(PRESENTED, _spec_of, lambda spec: spec)

    def _all(self, projection: Projection, read: Callable[[bytes], T], spec_of: Callable[[T], Spec]) -> Iterator[T]:
        with self._access.operation() as db:
            db.census.look(db, events=False)
            absent = without(db.census.templates())
        before: str | None = None
        last, done = None, list[Any]()  # the name that was read last, and the ids of all that was read of it
        while True:
            with self._access.operation() as db:
                query = self._inside(all_of([*([] if last is None else [{"name": {"$gte": last}}]), *absent]))
                size = BATCH + len(done)
                batch = find_raw(db.templates_guarded, query, projection, sort=[("name", 1)], limit=size)
                sound = _sound(db, _beyond(batch, last, done), read)
                names = [before, *(spec_of(one)["name"] for one in sound)]
                if any(map(operator.eq, names, names[1:])):  # the unique index was dropped
                    raise DuplicateNames(duplicate_names(db.templates), db.templates.name)
            yield from sound
            if len(batch) < size:
                return
            before, (last, done) = names[-1], _position(batch)

    def has_other_spellings(self) -> bool:
        """Tell whether a name is stored that is not in NFC, so that the order of names is not that of their NFC."""
        with self._access.operation() as db:
            beyond = self._inside({"name": {"$regex": "[^\\x00-\\x7f]"}})
            return any(nfc(found["name"]) != found["name"] for found in db.templates_guarded.find(beyond, {"name": 1}))

    def renamed(self, names: Sequence[str]) -> list[Managed]:
        """Return the templates that came from entries of these names and have another name now; ordered by name."""
        found: dict[str, Managed] = {}
        with self._access.operation() as db:
            for chunk in _chunks(names):
                for field in ("base.name", "exported.name"):
                    query = self._inside({field: {"$in": chunk}})
                    sound = _sound(db, find_raw(db.templates_guarded, query, _PROJECTION), ManagedReader({}))
                    found |= {one.id: one for one in sound}
        renamed = [one for one in found.values() if one.spec["name"] not in set(names)]
        return sorted(renamed, key=lambda one: str(one.spec["name"]))

    def deletions(self, names: Sequence[str], file_set: str) -> dict[str, Deletion]:
        """Return, by the name of its entry, the newest deletion of a template that came from a file.

        Args:
            names: of entries whose names no template has.
            file_set: the set of the entries. A deletion that knows none counts for every set.
        """
        newest: dict[str, Deletion] = {}
        with self._access.operation() as db:
            for chunk in _chunks(names):
                found: list[Document] = []
                for field in ("base.name", "exported.name"):
                    found += _sound_events(db, {field: {"$in": chunk}, "action": "deleted", "managed": True})
                # An older version did not keep the base: then the name that the template had must do.
                old = {"name": {"$in": chunk}, "action": "deleted", "managed": True, "base": {"$exists": False}}
                found += _sound_events(db, old)
                for deletion in self._inside_ones(db, found):
                    if deletion.file_set in (None, file_set):
                        newest[deletion.exported_name or deletion.name] = deletion
                        newest[deletion.name] = deletion
        return {name: newest[name] for name in names if name in newest}

    def open_deletions(self, file_set: str) -> list[Deletion]:
        """Return the deletions by people of templates of a set, except those that were forgotten."""
        with self._access.operation() as db:
            return self._inside_ones(db, _sound_events(db, {"open_in": file_set}))

    def check_unclaimed(self, template_id: str, name: str) -> None:
        """Return if no live claim keeps a template from being deleted.

        Raises:
            TemplateNotFound: if there is none with this id.
            TemplateInUse: if workers claim it.
        """
        with self._access.operation() as db:
            total, shown = live_claims(db, template_id, self._rules, _SHOWN_CLAIMS)
        if total:
            raise TemplateInUse(name, claims=total, workers=[claim["worker_id"] for claim in shown])

    def forget(self, deletions: Collection[Deletion]) -> None:
        """Mark deletions whose entries are gone from the files: a new entry of such a name is new."""
        with self._access.operation() as db:
            for chunk in _chunks([deletion.event_id for deletion in deletions]):
                mark = {"$unset": {"open_in": ""}, "$set": {"forgotten_at": now()}}
                db.events_guarded.update_many({"_id": {"$in": chunk}, "open_in": {"$exists": True}}, mark)

    def note_exported(self, notes: Mapping[str, Exported | None]) -> None:
        """Write into templates what an export writes of them into files; no event, no revision.

        Args:
            notes: by the id of the template.
        """
        updates = [
            (
                {"_id": template_id, "restoring": {"$exists": False}},
                {"$set": {"exported": None if exported is None else stored_exported(exported)}},
            )
            for template_id, exported in notes.items()
        ]
        for start in range(0, len(updates), BATCH):
            with self._access.operation() as db:
                update_each(db.templates_guarded, updates[start : start + BATCH])

    def _inside_ones(self, db: Collections, events: Sequence[Document]) -> list[Deletion]:
        """Return the deletions inside the scope that happened and were not undone since, oldest first."""
        found = list(_that_hold(db, events))
        if self._scope.everything:
            return found
        inside = Insiders(db, self._scope).among(deletion.template_id for deletion in found)
        return [deletion for deletion in found if deletion.template_id in inside]


def _beyond(batch: Iterable[bytes], last: str | None, done: Collection[Any]) -> Iterator[bytes]:
    """Yield the documents of a batch that were not in the one before it."""
    looking = bool(done)
    for raw in batch:
        if looking:  # only at the first ones, which have the name that was read last
            document = decoded(raw)
            if document.get("_id") in done:
                continue
            looking = document.get("name") == last
        yield raw


def _position(batch: Sequence[bytes]) -> tuple[str, list[Any]]:
    """Return where a reading in the order of names goes on: from which name, and the ids of what was read of it."""
    last = decoded(batch[-1]).get("name")
    if not isinstance(last, str):  # no template has such a name; those that come before all strings were among these
        return "", []
    alike = takewhile(lambda document: document.get("name") == last, map(decoded, reversed(batch)))
    return last, [document["_id"] for document in alike]


def _chunks(items: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(items), _CHUNK):
        yield list(items[start : start + _CHUNK])


def _spec_of(raw: bytes) -> Spec:
    document = decode(raw)
    owned_by_template(document)  # what lacks these is no template
    return from_stored(document)


def _sound(db: Collections, documents: Iterable[bytes], read: Callable[[bytes], T]) -> list[T]:
    """Return what is read of each template; what is none is kept in mind, and left out."""
    found: list[T] = []
    for raw in documents:
        try:
            found.append(read(raw))
        except Malformed as error:
            db.census.met_template(decoded(raw), error)
    return found


def _sound_events(db: Collections, query: Document) -> list[Document]:
    return db.census.sound_events(db.events_guarded.find(all_of([query, *without(db.census.events())])))


def _that_hold(db: Collections, events: Sequence[Document]) -> Iterator[Deletion]:
    events = without_void(events, db.templates_guarded)
    ids = list({event["template_id"] for event in events})
    restored = {
        event["template_id"]: event["revision"]
        for chunk in _chunks(ids)
        for event in db.events_guarded.find(
            {"template_id": {"$in": chunk}, "action": "restored"}, {"template_id": 1, "revision": 1}
        ).sort([("template_id", 1), ("revision", 1)])
    }
    for event in sorted(events, key=lambda event: (event["at"], event["_id"])):
        if event["revision"] > restored.get(event["template_id"], 0):
            at, file_set = event["at"], event.get("file_set")
            yield Deletion(
                name=_name_in(event.get("base")) or event["name"],
                template_id=event["template_id"],
                actor=event["actor"],
                at=at if at.tzinfo else at.replace(tzinfo=UTC),
                event_id=event["_id"],
                file_set=file_set if isinstance(file_set, str) else None,
                exported_name=_name_in(event.get("exported")),
                ended=bool(event.get("pruned")) or "forgotten_at" in event,
            )


def _name_in(stored: Any) -> str | None:
    name = stored.get("name") if isinstance(stored, Mapping) else None
    return name if isinstance(name, str) else None
