"""Who may carry out a plan: the host's authorizer, asked about each change before the first write."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from flask_worker_templates.model.spec import Spec
from flask_worker_templates.model.template import Template, spec_values
from flask_worker_templates.settings import Settings
from flask_worker_templates.store.store import Store

from .hooks import Hooks

if TYPE_CHECKING:
    from flask_worker_templates.reconcile.plan import SyncPlan


def authorize_changes(hooks: Hooks, settings: Settings, store: Store, plan: SyncPlan) -> None:
    """Authorise each change of a plan: the template as it is, and as it would be.

    Each write holds for the revision that the plan saw, so that a template that moves meanwhile is left alone.

    Raises:
        NotAllowed: if one of them is not allowed.
    """
    if hooks.authorizer is None:
        return
    for step in plan.steps:
        if not step.writes:
            continue
        before = None
        if step.drift.stored is not None:
            before = store.get(step.drift.stored.id)
        elif step.drift.deletion is not None:  # a deleted one that comes back is judged by its last state
            before = store.last_state(step.drift.deletion.template_id)
        if before is not None:
            hooks.authorize("sync", before, settings)
        if step.outcome.spec is None:
            continue
        after = _new_template(step.outcome.spec) if before is None else before.with_spec(step.outcome.spec)
        if after != before:
            hooks.authorize("sync", after, settings)


def _new_template(spec: Spec) -> Template:
    """Return a template as a sync would create it, to ask about."""
    at = datetime.now(UTC)
    return Template(id=str(uuid.uuid4()), **spec_values(spec), revision=1, is_seeded=True, created_at=at, updated_at=at)
