"""The writes of the Python API."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .errors import InvalidParameters
from .model.claim import Claim
from .model.claim_parameters import claim_parameters, worker_id_of
from .model.parameters import message_of
from .model.spec import Spec
from .model.template import Template
from .store.store import Precondition

if TYPE_CHECKING:
    pass

from .python_api import PythonApi, id_of


class PythonWrites(PythonApi):
    """The part of `WorkerTemplates` that changes templates and claims."""

    def create(self, spec: Mapping[str, Any], *, actor: str | None = None, message: str | None = None) -> Template:
        """Create a template.

        Args:
            spec: as a definition file or a POST holds it.
            actor: who; by default the actor of the request.
            message: why, at most 500 characters; the audit trail keeps it.

        Raises:
            InvalidSpec: with every error of the spec.
            InvalidParameters: if the message is too long or holds control characters.
            NameTaken: if a template of this name exists.
        """
        why = message_of(message)
        state = self._ready()
        return state.store.create(state.rules.normalize(spec), actor=self._hooks.actor(actor), message=why)

    def replace(
        self,
        template_id: str | uuid.UUID,
        spec: Mapping[str, Any],
        *,
        if_revision: int | None = None,
        actor: str | None = None,
        message: str | None = None,
    ) -> Template:
        """Replace the whole spec of a template, as PUT does. Arguments and errors are those of `update`."""
        change = self._ready().rules.replacement(spec)
        return self._change(template_id, change, if_revision, actor, message)

    def update(
        self,
        template_id: str | uuid.UUID,
        changes: Mapping[str, Any],
        *,
        if_revision: int | None = None,
        actor: str | None = None,
        message: str | None = None,
    ) -> Template:
        """Change some fields of a template, as PATCH does (JSON Merge Patch, RFC 7396).

        Args:
            template_id: which template.
            changes: the fields to change; None brings the default of a field back, or removes a label.
            if_revision: change it only if it is at this revision. Without it the change is made to whatever is there.
            actor: who; by default the actor of the request.
            message: why, at most 500 characters; the audit trail keeps it.

        Raises:
            TemplateNotFound: if there is none with this id.
            InvalidSpec: with every error of the result.
            InvalidParameters: if the message is too long or holds control characters.
            RevisionMismatch: if it is not at `if_revision`.
            NameTaken: if the new name belongs to another template.
        """
        rules = self._ready().rules
        return self._change(template_id, lambda current: rules.patched(current, changes), if_revision, actor, message)

    def revert(
        self,
        template_id: str | uuid.UUID,
        revision: int,
        *,
        if_revision: int | None = None,
        actor: str | None = None,
        message: str | None = None,
    ) -> Template:
        """Make a new revision with the spec of an earlier one.

        Raises:
            TemplateNotFound, RevisionNotFound: if there is no such template or revision.
            InvalidParameters: if `revision` is no number, or the message is too long or holds control characters.
            RevisionMismatch: if it is not at `if_revision`.
            NameTaken: if its name of then belongs to another template.
        """
        if not isinstance(revision, int) or isinstance(revision, bool):
            raise InvalidParameters({"revision": ["Not a valid integer."]})
        return self._ready().store.revert(
            id_of(template_id),
            revision,
            actor=self._hooks.actor(actor),
            message=message_of(message),
            allowed=_only(if_revision),
        )

    def delete(
        self,
        template_id: str | uuid.UUID,
        *,
        if_revision: int | None = None,
        actor: str | None = None,
        message: str | None = None,
    ) -> Template:
        """Delete a template that is not in use, and return it as it was.

        Raises:
            InvalidParameters: if the message is too long or holds control characters.
            TemplateNotFound: if there is none with this id.
            RevisionMismatch: if it is not at `if_revision`.
            TemplateInUse: if workers claim it, or the host's usage check says so.
        """
        return self._ready().store.delete(
            id_of(template_id),
            actor=self._hooks.actor(actor),
            message=message_of(message),
            allowed=_only(if_revision),
            guard=self._hooks.usage_guard,
        )

    def restore(
        self, template_id: str | uuid.UUID, *, actor: str | None = None, message: str | None = None
    ) -> Template:
        """Bring a deleted template back, under its id and with its history.

        Raises:
            TemplateNotFound: if there never was such a template.
            RestoreRefused: if it is not deleted, or others restored it at the same time.
            NameTaken: if its name belongs to another template by now.
            InvalidParameters: if the message is too long or holds control characters.
        """
        why = message_of(message)
        return self._ready().store.restore(id_of(template_id), actor=self._hooks.actor(actor), message=why)

    def claim(
        self,
        template_id: str | uuid.UUID,
        worker_id: str,
        *,
        ttl_seconds: int | None = None,
        endless: bool = False,
        revision: int | None = None,
        actor: str | None = None,
    ) -> Claim:
        """Register a worker's use of a template, which then cannot be deleted, or renew its lease.

        Args:
            template_id: which template.
            worker_id: of whom.
            ttl_seconds: how long the lease holds, from 10 to 604,800 seconds. Without it a lease keeps the time that
                it has, and a new claim has no end.
            endless: take the end of a lease away.
            revision: of the template that the worker runs; by default the present one.
            actor: who; by default the actor of the request.

        Raises:
            TemplateNotFound: if there is none with this id.
            TemplateDisabled, TemplateDeprecated, TemplateFull: if it takes no new claim, and the worker has none.
            InvalidParameters: if an argument has a value that it cannot take.
        """
        asked: dict[str, Any] = {} if revision is None else {"revision": revision}
        if endless or ttl_seconds is not None:
            asked["ttl_seconds"] = ttl_seconds
        if endless and ttl_seconds is not None:
            raise InvalidParameters({"endless": ["Must not be given together with ttl_seconds."]})
        worker = worker_id_of(worker_id)
        return self._ready().store.claim(
            id_of(template_id), worker, actor=self._hooks.actor(actor), **claim_parameters(asked)
        )[0]

    def release(self, template_id: str | uuid.UUID, worker_id: str, *, actor: str | None = None) -> bool:
        """End a worker's use of a template, and return whether there was a claim to end.

        Raises:
            TemplateNotFound: if there is none with this id.
            InvalidParameters: if the worker id has a form that it cannot have.
        """
        worker = worker_id_of(worker_id)
        return self._ready().store.release(id_of(template_id), worker, actor=self._hooks.actor(actor))

    def _change(
        self,
        template_id: str | uuid.UUID,
        change: Callable[[Spec], Spec],
        if_revision: int | None,
        actor: str | None,
        message: str | None,
    ) -> Template:
        return self._ready().store.update(
            id_of(template_id),
            change,
            actor=self._hooks.actor(actor),
            message=message_of(message),
            allowed=_only(if_revision),
        )


def _only(revision: int | None) -> Precondition | None:
    return None if revision is None else lambda current: current == revision
