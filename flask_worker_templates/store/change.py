"""Changing templates, by the protocol of `commit` and in the loop of `loop`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from pymongo.errors import DuplicateKeyError

from flask_worker_templates.errors import RevisionNotFound
from flask_worker_templates.model.fields import nfc
from flask_worker_templates.model.records import Origin
from flask_worker_templates.model.spec import Spec, same
from flask_worker_templates.model.template import Action, Template

from . import audit
from .commit import commit, copy_event, ensure_event, is_copied, new_event, read_guarded
from .connection import Collections, Document
from .known import Known, unchanged
from .loop import Guard, Precondition, write_on_condition
from .names import name_taken
from .part import Part
from .stored_form import Found, keeping_unknown, origin_fields, stored_at_top


class Changes(Part):
    """The part of the store that changes the specs of templates."""

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
            lambda found: change(found.spec),
            event,
            rebase=rebase,
            allowed=allowed,
            guard=guard,
            named=template_id if origin is None else None,
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

        def decide(found: Found) -> Spec:
            if past is None or not self._scope.contains(past):
                raise RevisionNotFound(template_id, revision)
            return self.rules.revived(past)

        event = partial(new_event, actor=actor, action="reverted", message=message, reverted_to=revision)
        return self._change(read, decide, event, allowed=allowed, guard=guard)

    def _change(
        self,
        read: Callable[[Collections], Document],
        decide: Callable[[Found], Spec],
        event_of: Callable[..., Document],
        *,
        rebase: dict[str, Any] | None = None,
        allowed: Precondition | None,
        guard: Guard | None,
        named: str | None = None,
    ) -> Template:
        """Make a change; of the template of the id `named`, without reading it where it is remembered."""
        written, event = write_on_condition(
            self._access,
            read=read,
            decide=decide,
            write=partial(self._write_change, event_of=event_of, rebase=rebase or {}),
            scope=self._scope,
            allowed=allowed,
            guard=guard,
            remembered=None if named is None or allowed is None else partial(Known.take, template_id=named),
        )
        if event is not None:
            self._tell(event, written.document)
        return written.template

    def _write_change(
        self,
        db: Collections,
        found: Found,
        spec: Spec | None,
        *,
        event_of: Callable[..., Document],
        rebase: dict[str, Any],
    ) -> tuple[Found, Document | None] | None:
        """Commit a change if the document is as it was found; return it as it is then, and the event.

        There is no event where nothing changes.
        """
        assert spec is not None  # noqa: S101  # a change decides on one
        document = found.document
        fields = {} if all(same(document.get(key), value) for key, value in rebase.items()) else rebase
        if same(spec, found.spec):
            if found.is_known:  # nothing would be written that could find it otherwise
                return None
            return (found, None) if not fields or commit(db, document, fields) else None
        if not found.is_known:
            ensure_event(db, document, self._copied)
        elif not is_copied(db, document, self._copied):
            # A revision that was seen, and may have been rolled back since, is no reason to write its event.
            return None
        if spec["name"] != nfc(document["name"]) and db.census.spellings(spec["name"]):
            if found.is_known:
                return None
            raise name_taken(db, spec["name"], self._scope)
        managed = fields.get("base", document.get("base")) is not None
        revision = document["revision"] + 1
        event = event_of(document["_id"], revision, spec, managed=managed, after=document["last_event"])
        fields = fields | stored_at_top(keeping_unknown(document, event["spec"]))
        fields |= {"revision": revision, "updated_at": event["at"], "last_event": event}
        try:
            committed = commit(db, document, fields, unchanged(document) if found.is_known else None)
        except DuplicateKeyError:
            raise name_taken(db, spec["name"], self._scope) from None
        if not committed:
            return None
        copy_event(db, event, self._copied)
        written = document | fields
        db.known.note_written(written)
        return Found(written, spec), event
