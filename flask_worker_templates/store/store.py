"""Every read and every write of MongoDB: one method for each thing that is done to templates.

The writes follow `protocol`, and histories are read by `trail`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC
from functools import partial
from typing import Any

import bson
from pymongo.errors import DuplicateKeyError

from flask_worker_templates.errors import (
    DuplicateNames,
    NameTaken,
    RevisionMismatch,
    TemplateDisabled,
    TemplateInUse,
    TemplateNotFound,
)
from flask_worker_templates.model.parameters import Window
from flask_worker_templates.model.records import Deletion, Managed, Seed
from flask_worker_templates.model.spec import Spec, ami_matches
from flask_worker_templates.model.template import Claim, Event, Page, Template

from . import audit
from .commit import (
    Copied,
    announce,
    attempts,
    commit,
    confirm,
    copy_event,
    ensure_event,
    insert_new,
    new_document,
    new_event,
    now,
    read_guarded,
    withdraw,
)
from .connection import Collections, DatabaseAccess, Document, find_raw
from .indexes import duplicate_names, ensure_indexes
from .queries import all_of, conditions, order
from .stored_form import PRESENTED, claim_of, from_stored, present_raw, template_of, to_stored

Precondition = Callable[[int], bool]
"""Given the current revision, whether the change may be made (If-Match)."""

Guard = Callable[[Template], None]
"""Given the current template, raises where the change is not allowed. The host's code: it takes its own time."""

Observer = Callable[[Document, Document], None]
"""Told of every change after its write: the event, and the document after it (for a deletion, before it)."""

Progress = Callable[[int], None]
"""Told how many items were just dealt with."""

_SHOWN_CLAIMS = 5
_CHUNK = 1000  # documents in one insert


class _Keep:
    """The value for "leave the base as it is", which None (no base) cannot say."""


KEEP = _Keep()


class _Moved(Exception):  # becomes another attempt
    """The template is not at the revision any more that the guard has passed."""


class Store:
    """The templates and their audit trail in one database.

    Every method raises `DatabaseUnavailable` where MongoDB does not do its part within the time limit.

    Args:
        access: the way to the database.
        observer: told of every change after its write.
    """

    def __init__(self, access: DatabaseAccess, observer: Observer | None = None) -> None:
        self._access = access
        self._observer = observer
        self._copied = Copied()

    # Reading

    def get(self, template_id: str) -> Template:
        """Return a template.

        Raises:
            TemplateNotFound: if there is none with this id.
        """
        return self._read({"_id": template_id}, template_id)

    def get_by_name(self, name: str) -> Template:
        """Return the template of a name.

        Raises:
            TemplateNotFound: if there is none with this name.
        """
        return self._read({"name": {"$eq": name}}, name)

    def get_raw(self, template_id: str) -> tuple[int, bytes]:
        """Return a template's revision and its JSON.

        Raises:
            TemplateNotFound: if there is none with this id.
        """
        with self._access.operation() as db:
            found = find_raw(db, {"_id": template_id}, PRESENTED, limit=1)
        if not found:
            raise TemplateNotFound(template_id)
        return present_raw(found[0])

    def page(self, asked: Mapping[str, Any]) -> Page[Template]:
        """Return one page of the templates.

        Args:
            asked: parameters as `query.ListSchema` loads them.
        """
        page = self._page(asked)
        items = tuple(template_of(bson.decode(raw)) for raw in page)
        return Page(items, page.total, page.page, page.page_size)

    def page_raw(self, asked: Mapping[str, Any]) -> Page[bytes]:
        """Return one page of the templates, each as JSON."""
        page = self._page(asked)
        return Page(tuple([present_raw(raw)[1] for raw in page]), page.total, page.page, page.page_size)

    def _page(self, asked: Mapping[str, Any]) -> Page[bytes]:
        """Return one page of the templates as BSON; counted only where the page and the one after it do not tell."""
        window = Window(asked["page"], asked["page_size"])
        with self._access.operation() as db:
            query = _query(db, asked)
            # One more than the page holds: it says whether this page is the last one.
            found = find_raw(db, query, PRESENTED, sort=order(asked["sort"]), skip=window.skip, limit=window.size + 1)
            if len(found) <= window.size and (found or window.page == 1):
                total = window.skip + len(found)
            else:
                total = db.templates.count_documents(query) if query else db.templates.estimated_document_count()
                # What was found counts, whatever a count of a moment later or the server's own says of it.
                total = max(total, window.skip + len(found)) if found else min(total, window.skip)
        return Page(tuple(found[: window.size]), total, window.page, window.size)

    def select(self, asked: Mapping[str, Any]) -> list[Template]:
        """Return the enabled templates that fit, cheapest first, unknown prices last, ties by name.

        Args:
            asked: parameters of the list, without paging and order.
        """
        with self._access.operation() as db:
            query = _query(db, {**asked, "enabled": True})
            found = [template_of(document) for document in db.templates.find(query, PRESENTED)]
        return sorted(found, key=lambda t: (t.cost_per_hour_usd is None, t.cost_per_hour_usd or 0.0, t.name))

    def history(self, template_id: str, window: Window) -> Page[Event]:
        """Return the events of one template, newest first; also of one that was deleted.

        Raises:
            TemplateNotFound: if there never was such a template.
        """
        with self._access.operation() as db:
            return audit.history(db, template_id, window)

    def trail(self, asked: Mapping[str, Any]) -> Page[Event]:
        """Return the events of all templates, newest first.

        Args:
            asked: parameters as `query.TrailSchema` loads them.
        """
        with self._access.operation() as db:
            return audit.trail(db, asked)

    def claims(self, template_id: str, window: Window) -> Page[Claim]:
        """Return the claims of a template, oldest first.

        Raises:
            TemplateNotFound: if there is none with this id.
        """
        with self._access.operation() as db:
            total, shown = _claims(db, template_id, window)
        return Page(tuple(claim_of(claim) for claim in shown), total, window.page, window.size)

    def names(self) -> set[str]:
        """Return the names of all templates."""
        with self._access.operation() as db:
            return _names(db)

    def managed(self) -> Iterator[Managed]:
        """Return every template with its base, for the drift comparison; ordered by name.

        Raises:
            DuplicateNames: if several templates have one name, so that no entry of a file is that of one of them.
        """
        projection = {**PRESENTED, "base": 1, "source": 1}
        with self._access.operation() as db:
            found = list(db.templates_guarded.find({}, projection).sort([("name", 1)]))
            if len({document["name"] for document in found}) < len(found):  # the unique index was dropped
                raise DuplicateNames(duplicate_names(db.templates), db.templates.name)
        for document in found:
            base = document["base"]
            yield Managed(
                document["_id"],
                document["revision"],
                from_stored(document),
                None if base is None else from_stored(base),
                document["source"],
            )

    def deletions(self, names: Sequence[str]) -> dict[str, Deletion]:
        """Return, by name, the newest deletion of a template that came from a file, among names that are free."""
        with self._access.operation() as db:
            found = audit.deletions(db, names)
        return {
            name: Deletion(name, event["template_id"], event["actor"], event["at"].replace(tzinfo=UTC))
            for name, event in found.items()
        }

    # Writing

    def prepare(self) -> None:
        """Make sure that the indexes are there; where they are, nothing is written.

        Raises:
            DuplicateNames: if the collection holds several templates of one name.
        """
        with self._access.operation() as db:
            ensure_indexes(db)

    def create(
        self,
        spec: Spec,
        *,
        actor: str,
        action: str = "created",
        base: Spec | None = None,
        source: str | None = None,
    ) -> Template:
        """Create a template from a spec in normal form.

        Raises:
            NameTaken: if a template of this name exists.
        """
        with self._access.operation() as db:
            document = new_document(spec, actor=actor, action=action, base=base, source=source)
            try:
                db.templates_guarded.insert_one(document)
            except DuplicateKeyError:
                raise _name_taken(db, spec["name"]) from None
            copy_event(db, document["last_event"], self._copied)
        self._tell(document)
        return template_of(document)

    def create_missing(self, seeds: Sequence[Seed], *, actor: str, progress: Progress | None = None) -> list[str]:
        """Create templates whose names are free, and return the names of those that this call created.

        Who else creates the same at the same time does no harm: each name is created once, by one of them.
        """
        chunks = [seeds[start : start + _CHUNK] for start in range(0, len(seeds), _CHUNK)]
        created: list[str] = []
        # Two chunks at a time, so that this process makes the documents of one while the server writes those of the
        # other. One alone, which is what most have, needs no thread, and none is started.
        with ThreadPoolExecutor(max_workers=2) as pool:
            insert = pool.map if len(chunks) > 1 else map
            for chunk, won in zip(chunks, insert(partial(self._insert, actor), chunks), strict=True):
                for document in won:
                    self._tell(document)
                created += [document["name"] for document in won]
                if progress is not None:
                    progress(len(chunk))
        return created

    def _insert(self, actor: str, seeds: Sequence[Seed]) -> list[Document]:
        documents = [
            new_document(seed.spec, actor=actor, action="seeded", base=seed.spec, source=seed.source) for seed in seeds
        ]
        with self._access.operation() as db:  # a time limit for each chunk, however many there are
            return insert_new(db, documents)

    def update(
        self,
        template_id: str,
        change: Callable[[Spec], Spec],
        *,
        actor: str,
        action: str = "updated",
        allowed: Precondition | None = None,
        guard: Guard | None = None,
        base: Spec | _Keep | None = KEEP,
        source: str | None = None,
    ) -> Template:
        """Change a template's spec; a change that changes nothing writes nothing and keeps the revision.

        Args:
            template_id: which one.
            change: given the current spec, returns the new one in normal form. Called again on the new state where
                another writer was faster.
            actor: who.
            action: what the audit trail calls it.
            allowed: whether the change may be made to a revision; also holds after a lost race.
            guard: raises where the change may not be made to the template as it is.
            base: the new base, for changes that come from a file; with a spec that does not differ, the base alone
                is written, which is no change of the template.
            source: display path of the file that the base came from.

        Raises:
            TemplateNotFound: if there is none with this id.
            RevisionMismatch: if `allowed` says no.
            NameTaken: if the new name belongs to another template.
        """
        if guard is not None:
            update = partial(self.update, template_id, change, actor=actor, action=action, base=base, source=source)
            return self._guarded(template_id, guard, allowed, update)
        with self._access.operation() as db:
            for _ in attempts():
                document = read_guarded(db, template_id)
                revision = document["revision"]
                _check(document, allowed)
                before = from_stored(document)
                spec = change(before)
                fields: dict[str, Any] = {}
                if not isinstance(base, _Keep):
                    fields = {"base": None if base is None else to_stored(base), "source": source}
                    if all(document[key] == value for key, value in fields.items()):
                        fields = {}
                if spec == before:
                    if not fields or commit(db, document, fields):
                        return template_of(document)
                    continue
                ensure_event(db, document, self._copied)
                event = new_event(
                    template_id,
                    revision + 1,
                    spec,
                    actor=actor,
                    action=action,
                    managed=fields.get("base", document["base"]) is not None,
                    after=document["last_event"],
                )
                fields |= event["spec"]
                fields |= {"revision": revision + 1, "updated_at": event["at"], "last_event": event}
                try:
                    committed = commit(db, document, fields)
                except DuplicateKeyError:
                    raise _name_taken(db, spec["name"]) from None
                if committed:
                    copy_event(db, event, self._copied)
                    break
        document |= fields
        self._tell(document)
        return template_of(document)

    def revert(
        self,
        template_id: str,
        revision: int,
        *,
        actor: str,
        allowed: Precondition | None = None,
        guard: Guard | None = None,
    ) -> Template:
        """Make a new revision with the spec of an earlier one.

        Raises:
            RevisionNotFound: if the template never had that revision.
            TemplateNotFound, RevisionMismatch, NameTaken: as `update`.
        """
        with self._access.operation() as db:
            past = audit.spec_at(db, read_guarded(db, template_id), revision)
        return self.update(template_id, lambda spec: past, actor=actor, action="reverted", allowed=allowed, guard=guard)

    def delete(
        self, template_id: str, *, actor: str, allowed: Precondition | None = None, guard: Guard | None = None
    ) -> Template:
        """Delete a template that no worker claims, and return it as it was.

        Raises:
            TemplateNotFound: if there is none with this id.
            RevisionMismatch: if `allowed` says no.
            TemplateInUse: if workers claim it, or `guard` says so.
        """
        if guard is not None:
            return self._guarded(template_id, guard, allowed, partial(self.delete, template_id, actor=actor))
        with self._access.operation() as db:
            for _ in attempts():
                document = read_guarded(db, template_id)
                _check(document, allowed)
                claimed, shown = _claims(db, template_id, Window(1, _SHOWN_CLAIMS))
                if claimed:
                    workers = [claim["worker_id"] for claim in shown]
                    raise TemplateInUse(document["name"], claims=claimed, workers=workers)
                ensure_event(db, document, self._copied)
                intent = new_event(
                    template_id,
                    document["revision"] + 1,
                    from_stored(document),
                    actor=actor,
                    action="deleted",
                    managed=document["base"] is not None,
                    after=document["last_event"],
                )
                replaced = announce(db, document, intent)
                if replaced is False:
                    continue
                # No window between "is it claimed?" and the deletion: both are this one command.
                key = {"_id": template_id, "revision": document["revision"], "claims": []}
                if db.templates_guarded.delete_one(key).deleted_count:
                    confirm(db, intent)
                    break
                withdraw(db, intent, replaced)
        self._tell(document, intent)
        return template_of(document)

    def claim(self, template_id: str, worker_id: str, *, actor: str) -> tuple[Claim, bool]:
        """Register a worker's use of a template; once for each worker, however often it is called.

        Returns:
            The claim, and whether this call made it.

        Raises:
            TemplateNotFound: if there is none with this id.
            TemplateDisabled: if it is disabled, and the worker does not claim it yet.
        """
        claim = {"worker_id": worker_id, "actor": actor, "claimed_at": now()}
        free = {"_id": template_id, "enabled": True, "claims.worker_id": {"$ne": worker_id}}
        with self._access.operation() as db:
            for _ in attempts():
                if db.templates_guarded.update_one(free, {"$push": {"claims": claim}}).matched_count:
                    return claim_of(claim), True
                document = db.templates_guarded.find_one(
                    {"_id": template_id},
                    {"name": 1, "enabled": 1, "claims": {"$elemMatch": {"worker_id": worker_id}}},
                )
                if document is None:
                    raise TemplateNotFound(template_id)
                if document.get("claims"):
                    return claim_of(document["claims"][0]), False
                if not document["enabled"]:
                    raise TemplateDisabled(document["name"])
        raise AssertionError  # pragma: no cover  # attempts never ends by itself

    def release(self, template_id: str, worker_id: str) -> bool:
        """End a worker's use of a template.

        Returns:
            Whether there was a claim to end.

        Raises:
            TemplateNotFound: if there is none with this id.
        """
        with self._access.operation() as db:
            held = {"_id": template_id, "claims.worker_id": worker_id}
            if db.templates_guarded.update_one(held, {"$pull": {"claims": {"worker_id": worker_id}}}).matched_count:
                return True
            if db.templates_guarded.find_one({"_id": template_id}, {"_id": 1}) is None:
                raise TemplateNotFound(template_id)
            return False

    def _guarded(
        self, template_id: str, guard: Guard, allowed: Precondition | None, write: Callable[..., Template]
    ) -> Template:
        """Ask the guard, then write to the revision that it has passed; again where another writer was faster.

        It is asked outside of an operation, whose time limit would hold for what the host's code asks of MongoDB, and
        which would take a failure there for one of its own.
        """
        for _ in attempts():
            with self._access.operation() as db:
                document = read_guarded(db, template_id)
            guard(template_of(document))
            with suppress(_Moved):
                return write(allowed=_still(document["revision"], allowed))
        raise AssertionError  # pragma: no cover  # attempts never ends by itself

    def _read(self, query: Mapping[str, Any], key: str) -> Template:
        with self._access.operation() as db:
            document = db.templates.find_one(query, PRESENTED)
        if document is None:
            raise TemplateNotFound(key)
        return template_of(document)

    def _tell(self, document: Document, event: Document | None = None) -> None:
        if self._observer is not None:
            self._observer(event or document["last_event"], document)


def _still(passed: int, allowed: Precondition | None) -> Precondition:
    def still_allowed(revision: int) -> bool:
        if revision != passed:
            raise _Moved
        return allowed is None or allowed(revision)

    return still_allowed


def _check(document: Document, allowed: Precondition | None) -> None:
    if allowed is not None and not allowed(document["revision"]):
        raise RevisionMismatch(document["_id"], document["revision"])


def _query(db: Collections, asked: Mapping[str, Any]) -> dict[str, Any]:
    found = conditions(dict(asked))
    if "ami" in asked:
        # Patterns are matched here, not in the server, so that none is ever read as a regular expression. The
        # distinct ones come from their index.
        patterns = [pattern for pattern in db.templates.distinct("ami_pattern") if ami_matches(pattern, asked["ami"])]
        found.append({"ami_pattern": {"$in": patterns}})
    return all_of(found)


def _claims(db: Collections, template_id: str, window: Window) -> tuple[int, Collection[Document]]:
    pipeline: list[dict[str, Any]] = [
        {"$match": {"_id": template_id}},
        {
            "$project": {
                "total": {"$size": "$claims"},
                "shown": {"$slice": ["$claims", window.skip, window.size]},
            }
        },
    ]
    for row in db.templates_guarded.aggregate(pipeline):
        return row["total"], row["shown"]
    raise TemplateNotFound(template_id)


def _names(db: Collections) -> set[str]:
    # The condition makes the server answer from the index on names alone.
    query, projection = {"name": {"$gte": ""}}, {"name": 1, "_id": 0}
    return {document["name"] for document in db.templates_guarded.find(query, projection)}


def _name_taken(db: Collections, name: str) -> NameTaken:
    holder = db.templates_guarded.find_one({"name": name}, {"_id": 1})
    return NameTaken(name, holder["_id"] if holder else None)
