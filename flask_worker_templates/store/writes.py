"""Creating, changing and deleting templates, by the protocol of `commit` and in the loop of `loop`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from pymongo.errors import DuplicateKeyError

from flask_worker_templates.errors import NameTaken, RevisionNotFound, TemplateInUse
from flask_worker_templates.model.records import Origin, Seed
from flask_worker_templates.model.spec import Spec
from flask_worker_templates.model.template import Action, Template

from . import audit
from .claim_list import live_claims
from .commit import (
    announce,
    commit,
    copy_event,
    ensure_event,
    insert_new,
    new_document,
    new_event,
    read_guarded,
    remove,
    take_turn,
    withdraw,
)
from .connection import Collections, Document
from .decoding import CHECKED
from .loop import Guard, Precondition, check_inside, write_on_condition
from .part import Part
from .queries import same_name
from .soundness import check_template
from .stored_form import from_stored, keeping_unknown, nfc, origin_fields, stored_at_top, template_of
from .stored_types import Malformed

Progress = Callable[[int], None]
"""Told how many items were just dealt with."""

_SHOWN_CLAIMS = 5
_CHUNK = 1000  # documents in one insert


class Writes(Part):
    """The part of the store that changes templates."""

    def create(
        self,
        spec: Spec,
        *,
        actor: str,
        action: Action = "created",
        message: str | None = None,
        origin: Origin | None = None,
        guard: Callable[[Template], None] | None = None,
    ) -> Template:
        """Create a template from a spec in normal form.

        Args:
            spec: of the template.
            actor: who.
            action: what the audit trail calls it.
            message: why.
            origin: where it comes from, if that is a file.
            guard: given the template that would be created, raises where it may not be.

        Raises:
            NameTaken: if a template of this name exists.
            NotAllowed: if it would be outside the scope.
        """
        check_inside(self._scope, spec)
        document = new_document(spec, actor=actor, action=action, message=message, origin=origin)
        if guard is not None:
            guard(template_of(document))
        with self._access.operation() as db:
            if db.census.spellings(spec["name"]):  # the unique index tells the forms of one name apart
                raise self._name_taken(db, spec["name"])
            try:
                db.templates_guarded.insert_one(document)
            except DuplicateKeyError:
                raise self._name_taken(db, spec["name"]) from None
            copy_event(db, document["last_event"], self._copied)
        self._tell(document["last_event"], document)
        return template_of(document)

    def create_missing(
        self, seeds: Sequence[Seed], *, actor: str, message: str | None = None, progress: Progress | None = None
    ) -> list[str]:
        """Create templates whose names are free, and return the names of those that this call created.

        Who else creates the same at the same time does no harm: each name is created once, by one of them.
        """
        chunks = [seeds[start : start + _CHUNK] for start in range(0, len(seeds), _CHUNK)]
        created: list[str] = []
        # Two chunks at a time, so that this process makes the documents of one while the server writes those of the
        # other. One alone, which is what most have, needs no thread, and none is started.
        with ThreadPoolExecutor(max_workers=2) as pool:
            insert = pool.map if len(chunks) > 1 else map
            for chunk, won in zip(chunks, insert(partial(self._insert, actor, message), chunks), strict=True):
                for document in won:
                    self._tell(document["last_event"], document)
                created += [document["name"] for document in won]
                if progress is not None:
                    progress(len(chunk))
        return created

    def _insert(self, actor: str, message: str | None, seeds: Sequence[Seed]) -> list[Document]:
        documents = [
            new_document(
                seed.spec,
                actor=actor,
                action="seeded",
                message=message,
                origin=Origin(seed.spec, seed.source, seed.file_set),
            )
            for seed in seeds
        ]
        for seed in seeds:
            check_inside(self._scope, seed.spec)
        with self._access.operation() as db:  # a time limit for each chunk, however many there are
            return insert_new(db, documents)

    def update(
        self,
        template_id: str,
        change: Callable[[Spec], Spec],
        *,
        actor: str,
        action: Action = "updated",
        message: str | None = None,
        allowed: Precondition | None = None,
        guard: Guard | None = None,
        origin: Origin | None = None,
    ) -> Template:
        """Change a template's spec; a change that changes nothing writes nothing and keeps the revision.

        Args:
            template_id: which one.
            change: given the current spec, returns the new one in normal form. Called again on the new state where
                another writer was faster.
            actor: who.
            action: what the audit trail calls it.
            message: why.
            allowed: whether the change may be made to a revision; also holds after a lost race.
            guard: raises where the change may not be made to the template as it is.
            origin: where the template comes from now, for changes that come from a file; with a spec that does not
                differ, this alone is written, which is no change of the template.

        Raises:
            TemplateNotFound: if there is none with this id.
            RevisionMismatch: if `allowed` says no.
            NameTaken: if the new name belongs to another template.
            NotAllowed: if it would be outside the scope.
            TemplateKeepsChanging: if the guard would have to be asked too often.
        """
        rebase = {} if origin is None else origin_fields(origin)
        event = partial(new_event, actor=actor, action=action, message=message)
        return self._change(
            partial(read_guarded, template_id=template_id),
            lambda document: change(from_stored(document)),
            event,
            rebase=rebase,
            allowed=allowed,
            guard=guard,
        )

    def revert(
        self,
        template_id: str,
        revision: int,
        *,
        actor: str,
        message: str | None = None,
        allowed: Precondition | None = None,
        guard: Guard | None = None,
    ) -> Template:
        """Make a new revision with the spec of an earlier one.

        Raises:
            RevisionNotFound: if the template never had that revision.
            InvalidSpec: if today's rules forbid a value that it had then.
            TemplateNotFound, RevisionMismatch, NameTaken, TemplateKeepsChanging: as `update`.
        """
        past: Spec | None = None

        def read(db: Collections) -> Document:
            nonlocal past
            document = read_guarded(db, template_id)
            past = audit.spec_at(db, document, revision)
            return document

        def decide(document: Document) -> Spec:
            if past is None or not self._scope.contains(past):
                raise RevisionNotFound(template_id, revision)
            return self.rules.revived(past)

        event = partial(new_event, actor=actor, action="reverted", message=message, reverted_to=revision)
        return self._change(read, decide, event, allowed=allowed, guard=guard)

    def _change(
        self,
        read: Callable[[Collections], Document],
        decide: Callable[[Document], Spec],
        event_of: Callable[..., Document],
        *,
        rebase: dict[str, Any] | None = None,
        allowed: Precondition | None,
        guard: Guard | None,
    ) -> Template:
        def write(db: Collections, document: Document, spec: Spec | None) -> tuple[Document, Document | None] | None:
            assert spec is not None  # noqa: S101  # a change decides on one
            fields = rebase or {}
            if all(document.get(key) == value for key, value in fields.items()):
                fields = {}
            if spec == from_stored(document):
                return (document, None) if not fields or commit(db, document, fields) else None
            ensure_event(db, document, self._copied)
            if spec["name"] != nfc(document["name"]) and db.census.spellings(spec["name"]):
                raise self._name_taken(db, spec["name"])
            managed = fields.get("base", document.get("base")) is not None
            revision = document["revision"] + 1
            event = event_of(document["_id"], revision, spec, managed=managed, after=document["last_event"])
            fields = fields | stored_at_top(keeping_unknown(document, event["spec"]))
            fields |= {"revision": revision, "updated_at": event["at"], "last_event": event}
            try:
                committed = commit(db, document, fields)
            except DuplicateKeyError:
                raise self._name_taken(db, spec["name"]) from None
            if not committed:
                return None
            copy_event(db, event, self._copied)
            return document | fields, event

        document, event = write_on_condition(
            self._access, read=read, decide=decide, write=write, scope=self._scope, allowed=allowed, guard=guard
        )
        if event is not None:
            self._tell(event, document)
        return template_of(document)

    def delete(
        self,
        template_id: str,
        *,
        actor: str,
        message: str | None = None,
        pruned: bool = False,
        allowed: Precondition | None = None,
        guard: Guard | None = None,
    ) -> Template:
        """Delete a template that no worker claims, and return it as it was.

        Args:
            template_id: which one.
            actor: who.
            message: why.
            pruned: whether it goes because its entry is gone from the files.
            allowed: whether a revision may be deleted.
            guard: raises where the template may not be deleted.

        Raises:
            TemplateNotFound: if there is none with this id.
            RevisionMismatch: if `allowed` says no.
            TemplateInUse: if workers claim it, or `guard` says so.
            TemplateKeepsChanging: if the guard would have to be asked too often.
        """

        def write(db: Collections, document: Document, _: Spec | None) -> tuple[Document, Document] | None:
            unclaimed = self._rules.unclaimed(db)
            turn = take_turn(db, document, unclaimed)
            if turn is None:
                claimed, shown = live_claims(db, template_id, self._rules, _SHOWN_CLAIMS)
                if claimed:
                    workers = [claim["worker_id"] for claim in shown]
                    raise TemplateInUse(document["name"], claims=claimed, workers=workers)
                return None
            ensure_event(db, document, self._copied)
            intent = new_event(
                template_id,
                document["revision"] + 1,
                from_stored(document),
                actor=actor,
                action="deleted",
                message=message,
                pruned=pruned,
                deleted=document,
                turn=turn,
                managed=document.get("base") is not None,
                after=document["last_event"],
            )
            if not announce(db, intent):
                return None
            if remove(db, document, turn, unclaimed):
                return document, intent
            withdraw(db, intent)
            return None

        document, event = write_on_condition(
            self._access,
            read=partial(read_guarded, template_id=template_id),
            decide=lambda document: None,
            write=write,
            scope=self._scope,
            allowed=allowed,
            guard=guard,
        )
        self._tell(event, document)
        return template_of(document)

    def _name_taken(self, db: Collections, name: str) -> NameTaken:
        # That it is taken cannot be hidden; by which template can.
        holder = db.templates_guarded.find_one({"name": same_name(db.census.spellings(name), name)}, CHECKED)
        if holder is None:
            return NameTaken(name, None)
        try:
            check_template(holder)
        except Malformed as error:
            return NameTaken(name, None, blocked=str(error))
        return NameTaken(name, holder["_id"] if self._scope.contains(from_stored(holder)) else None)
