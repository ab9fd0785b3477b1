"""Sync: bring what the definition files changed into the database, and keep what people changed there.

What is to be done is decided by `compare`, `outcome` and `plan`; here it is read and carried out. Every write is
conditional on the revision that the plan saw, so that a plan which was overtaken overwrites nothing. Nothing is kept
about a sync that is under way: each template is one command of the store, and a process that dies half-way leaves the
rest to the next sync.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from flask_worker_templates.errors import (
    NameTaken,
    RestoreRefused,
    RevisionMismatch,
    SyncRefused,
    TemplateInUse,
    TemplateKeepsChanging,
    TemplateNotFound,
)
from flask_worker_templates.model.records import Origin, Seed
from flask_worker_templates.store.store import Guard, Progress, Store

from .compare import State
from .exported import kept_beside
from .outcome import Action
from .ownership import Ownership
from .plan import SyncPlan
from .step import Obstacle, Step
from .sync_plan import plan_sync
from .sync_result import CHUNK, SyncChange, SyncResult

log = logging.getLogger("flask_worker_templates")


_ROUNDS = 5
"""How often a sync at start that others overtook looks again."""


@dataclass(frozen=True, slots=True)
class _By:
    """Who makes a change, and why."""

    actor: str
    message: str | None


def apply(
    store: Store,
    plan: SyncPlan,
    *,
    actor: str,
    message: str | None = None,
    guard: Guard | None = None,
    progress: Progress | None = None,
) -> SyncResult:
    """Carry out a plan: all of it, or what others have not overtaken meanwhile.

    The arguments and errors are those of `carry_out`.
    """
    done = tuple(carry_out(store, plan, actor=actor, message=message, guard=guard, progress=progress))
    return SyncResult(done, tuple(one.name for one in plan.forget))


def carry_out(
    store: Store,
    plan: SyncPlan,
    *,
    actor: str,
    message: str | None = None,
    guard: Guard | None = None,
    progress: Progress | None = None,
) -> Iterator[SyncChange]:
    """Carry out a plan, and yield what became of each change as soon as that is known.

    Templates are created first and deleted last. What is created from a file is ``seeded`` in the audit trail, what was
    deleted and comes back ``restored``, what is changed ``synced``, what is deleted ``deleted``, each by `actor`.

    Args:
        store: where to.
        plan: from `plan_sync`.
        actor: who.
        message: why.
        guard: asked again before a template is deleted; raises `TemplateInUse`.
        progress: told how many templates were just dealt with.

    Raises:
        SyncRefused: if something forbids it; nothing was written.
        DuplicateNames: if the collection holds several templates of one name.
        DatabaseUnavailable: if MongoDB does not do its part. What was done until then stays; a sync goes on from there.
    """
    plan.check()
    by_action: dict[Action, list[Step]] = {}
    for step in plan.changes:
        by_action.setdefault(step.outcome.action, []).append(step)
    if (by_action.get("delete") or plan.forget) and not plan.ownership.files.is_current():
        raise SyncRefused(["The definition files have changed since they were read: try again."], conflict=True)
    yield from _hindered(plan)
    if not plan.writes:
        return
    store.make_indexes()
    if plan.forget:
        store.forget(plan.forget)
    by = _By(actor, message)
    creating = by_action.pop("create", [])
    by_action["create"] = [step for step in creating if step.drift.deletion is not None]
    yield from _create(store, plan, [step for step in creating if step.drift.deletion is None], by, progress)
    ways: dict[Action, _Write] = {"create": _restore, "update": _update, "rebase": _update, "delete": _delete(guard)}
    for action, write in ways.items():
        yield from _each(store, plan, by_action.get(action, []), by, write, progress=progress)


def sync_at_start(store: Store, ownership: Ownership, *, actor: str) -> None:
    """Apply what the files changed and nobody edited; any number of processes may do this at once.

    Templates in conflict are left alone and named in the log.

    Raises:
        DuplicateNames: if the collection holds several templates of one name.
        DatabaseUnavailable: if MongoDB does not do its part within the time limit.
    """
    for _ in range(_ROUNDS):
        plan = plan_sync(store, ownership)
        result = apply(store, plan.safe_part(), actor=actor)
        for change in result.changes:
            if change.status == "applied" and change.action == "update":
                log.info("Synced the worker template %r with its file: revision %s.", change.name, change.revision)
        if result.complete:
            break
    else:
        log.warning("Worker templates kept changing during the sync; the next start continues.")
    for step in plan.steps:
        if step.drift.state is State.CONFLICT:
            fields = ", ".join(field.path for field in step.drift.fields if field.resolution == "conflict")
            log.warning(
                "The worker template %r was not synced: file and database both changed %s.", step.drift.name, fields
            )
        elif step.reason:
            log.warning("A worker template was not synced: %s", step.reason)


def _each(
    store: Store, plan: SyncPlan, steps: Sequence[Step], by: _By, write: _Write, *, progress: Progress | None
) -> Iterator[SyncChange]:
    if steps and steps[0].outcome.action == "delete" and not plan.ownership.files.is_current():
        for step in steps:
            yield SyncChange(step.drift.name, "delete", "stale", "The definition files changed meanwhile.")
        return
    for step in steps:
        change = _tried(store, plan, step, by, write)
        if progress is not None:
            progress(1)
        yield change


def _hindered(plan: SyncPlan) -> Iterator[SyncChange]:
    for step in plan.hindered:
        obstacle: Obstacle | None = step.obstacle
        if obstacle is not None and step.hindered is not None:
            yield SyncChange(step.drift.name, step.hindered, obstacle, step.reason)


def _create(
    store: Store, plan: SyncPlan, steps: Sequence[Step], by: _By, progress: Progress | None
) -> Iterator[SyncChange]:
    for start in range(0, len(steps), CHUNK):
        chunk = steps[start : start + CHUNK]
        seeds = [
            Seed(step.outcome.spec, plan.ownership.source_of(step.drift.declared.path), plan.ownership.file_set)
            for step in chunk
            if step.outcome.spec is not None and step.drift.declared is not None
        ]
        created = set(store.create_missing(seeds, actor=by.actor, message=by.message, progress=progress))
        for step in chunk:
            name = step.drift.name
            if name in created:
                yield SyncChange(name, "create", "applied")
            else:
                yield SyncChange(name, "create", "stale", f"A worker template named {name!r} was created meanwhile.")


_Write = Callable[[Store, SyncPlan, Step, _By], int | None]


def _tried(store: Store, plan: SyncPlan, step: Step, by: _By, write: _Write) -> SyncChange:
    name, action = step.drift.name, step.outcome.action
    try:
        return SyncChange(name, action, "applied", revision=write(store, plan, step, by))
    except (RevisionMismatch, TemplateNotFound, NameTaken, RestoreRefused, TemplateKeepsChanging):
        return SyncChange(name, action, "stale", f"Worker template {name!r} was changed or deleted meanwhile.")
    except TemplateInUse as error:
        return SyncChange(name, action, "in_use", str(error))


def _restore(store: Store, plan: SyncPlan, step: Step, by: _By) -> int | None:
    deletion, declared = step.drift.deletion, step.drift.declared
    assert deletion is not None  # noqa: S101  # what is restored was deleted
    assert declared is not None  # noqa: S101  # and its entry is there still
    origin = Origin(step.outcome.base, plan.ownership.source_of(declared.path), plan.ownership.file_set)
    return store.restore(
        deletion.template_id,
        actor=by.actor,
        message=by.message,
        spec=step.outcome.spec,
        origin=origin,
        deletion=deletion.event_id,
    ).revision


def _update(store: Store, plan: SyncPlan, step: Step, by: _By) -> int | None:
    stored, declared, spec, base = step.drift.stored, step.drift.declared, step.outcome.spec, step.outcome.base
    assert stored is not None  # noqa: S101  # what is updated is in the database
    assert spec is not None  # noqa: S101
    exported = stored.exported
    if exported is not None and exported.file_set != plan.ownership.file_set:
        exported = None  # what another set was told is of no use to this one
    source = stored.source if declared is None else plan.ownership.source_of(declared.path)
    origin = Origin(base, source, plan.ownership.file_set, kept_beside(exported, base))
    return store.update(
        stored.id,
        lambda current: current if step.outcome.action == "rebase" else store.rules.keeping(spec, current),
        actor=by.actor,
        message=by.message,
        action="synced",
        allowed=lambda current: current == stored.revision,
        origin=origin,
    ).revision


def _delete(guard: Guard | None) -> _Write:
    def delete(store: Store, plan: SyncPlan, step: Step, by: _By) -> None:
        stored = step.drift.stored
        assert stored is not None  # noqa: S101  # what is deleted is in the database
        store.delete(
            stored.id,
            actor=by.actor,
            message=by.message,
            pruned=True,
            allowed=lambda current: current == stored.revision,
            guard=guard,
        )

    return delete
