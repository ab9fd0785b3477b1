"""Deleting templates that no worker claims, by the protocol of `commit` and in the loop of `loop`."""

from __future__ import annotations

from functools import partial

from flask_worker_templates.errors import TemplateInUse
from flask_worker_templates.model.spec import Spec
from flask_worker_templates.model.template import Template

from .claim_list import live_claims
from .commit import ensure_event, new_event, read_guarded, remove, take_turn, withdraw, write_intent
from .connection import Collections, Document
from .loop import Guard, Precondition, write_on_condition
from .part import Part
from .stored_form import Found

_SHOWN_CLAIMS = 5


class Deletions(Part):
    """The part of the store that deletes templates."""

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

        def write(db: Collections, found: Found, _: Spec | None) -> tuple[Found, Document] | None:
            intent = self._remove(db, found, partial(new_event, actor=actor, message=message, pruned=pruned))
            return None if intent is None else (found, intent)

        deleted, event = write_on_condition(
            self._access,
            read=partial(read_guarded, template_id=template_id),
            decide=lambda found: None,
            write=write,
            scope=self._scope,
            allowed=allowed,
            guard=guard,
        )
        self._tell(event, deleted.document)
        return deleted.template

    def _remove(self, db: Collections, found: Found, event_of: partial[Document]) -> Document | None:
        """Announce the deletion and carry it out; return its event, or None where another writer was faster."""
        document = found.document
        unclaimed = self._rules.unclaimed(db)
        turn = take_turn(db, document, unclaimed)
        if turn is None:
            claimed, shown = live_claims(db, document["_id"], self._rules, _SHOWN_CLAIMS)
            if claimed:
                workers = [claim["worker_id"] for claim in shown]
                raise TemplateInUse(document["name"], claims=claimed, workers=workers)
            return None
        ensure_event(db, document, self._copied)
        intent = event_of(
            document["_id"],
            document["revision"] + 1,
            found.spec,
            action="deleted",
            deleted=document,
            turn=turn,
            managed=document.get("base") is not None,
            after=document["last_event"],
        )
        if not write_intent(db, intent):
            return None
        if remove(db, document, turn, unclaimed):
            return intent
        withdraw(db, intent)
        return None
