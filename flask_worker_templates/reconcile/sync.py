"""Sync: bring what the definition files changed into the database, and keep what people changed there.

What is to be done is decided by `compare`, `outcome` and `plan`; here it is read and carried out. Every write is
conditional on the revision that the plan saw, so that a plan which was overtaken overwrites nothing. Nothing is kept
about a sync that is under way: each template is one command of the store, and a process that dies half-way leaves the
rest to the next sync.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from flask_worker_templates.errors import (
    NameTaken,
    RevisionMismatch,
    SyncRefused,
    TemplateInUse,
    TemplateKeepsChanging,
    TemplateNotFound,
)
from flask_worker_templates.model.records import Managed, Origin, Seed
from flask_worker_templates.model.scope import ALL
from flask_worker_templates.store.store import Guard, Progress, Store

from .compare import State
from .exported import kept_beside
from .options import SyncOptions
from .outcome import Action
from .ownership import Ownership
from .plan import Obstacle, Step, SyncPlan, make_plan, too_many_deletions
from .within_scope import hidden_names, shown_files

log = logging.getLogger("flask_worker_templates")

Status = Literal["applied", "stale", "in_use", "invalid", "blocked", "unknown", "not_tried"]

_ROUNDS = 5
"""How often a sync at start that others overtook looks again."""
_CHUNK = 2000
"""The most templates that are created at a time; what an interruption leaves unknown is one such part."""


@dataclass(frozen=True, slots=True)
class SyncChange:
    """What became of one planned change.

    Attributes:
        name: of the template.
        action: ``create``, ``update``, ``rebase`` or ``delete``.
        status: ``applied``; ``stale``, where the template had changed since the plan was made; ``in_use``, where it
            could not be deleted; ``invalid``, where what the database holds makes no valid template; ``blocked`` by a
            document that is no template; ``not_tried`` or ``unknown``, where the sync was interrupted before it or in
            the middle of it. But for the last, nothing was written about it unless it was applied.
        message: why it was not applied; empty if it was.
        revision: of the template afterwards; None if it was created, deleted or not changed.
    """

    name: str
    action: Action
    status: Status
    message: str = ""
    revision: int | None = None


@dataclass(frozen=True, slots=True)
class SyncResult:
    """What a sync did.

    Attributes:
        changes: what became of each planned change.
        forgotten: names of deleted templates whose entries are gone from the files, which is noted now.
    """

    changes: tuple[SyncChange, ...]
    forgotten: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every planned change was applied, and nothing was in the way of one."""
        return all(change.status == "applied" for change in self.changes)

    def to_dict(self) -> dict[str, Any]:
        """Return the sync document without the plan, for JSON."""
        from .sync_document import result_document

        return result_document(self)


@dataclass(frozen=True, slots=True)
class _By:
    """Who makes a change, and why."""

    actor: str
    message: str | None


def plan_sync(
    store: Store,
    ownership: Ownership,
    options: SyncOptions | None = None,
    *,
    guard: Guard | None = None,
    recreate_renamed: bool = True,
) -> SyncPlan:
    """Compare the files with the database and return what a sync would do. Writes nothing.

    Args:
        store: what holds the templates.
        ownership: valid definition files, and the set that they belong to.
        options: what a person decided.
        guard: asked for each template that would be deleted; raises `TemplateInUse`.
        recreate_renamed: whether an entry whose template was renamed in the database is created again.

    Raises:
        DuplicateNames: if the collection holds several templates of one name.
        DatabaseUnavailable: if MongoDB does not do its part within the time limit.
    """
    whole = store.within(ALL)
    stored = stored_templates(whole)
    there = {template.spec["name"] for template in stored}
    absent = [name for name in ownership.names if name not in there]
    deletions = whole.deletions(absent, ownership.file_set) if absent else {}
    forget = [
        one
        for one in whole.open_deletions(ownership.file_set)
        if one.name not in ownership.names and one.exported_name not in ownership.names
    ]
    files, hidden = ownership.files, set[str]()
    if not store.scope.everything:
        deleted = {**{one.name: one for one in forget}, **deletions}
        inside = store.insiders(one.template_id for one in deleted.values())
        hidden = hidden_names([entry.spec for entry in files.entries], stored, deleted, store.scope, inside)
        left = tuple(entry for entry in files.entries if entry.spec["name"] not in hidden)
        ownership = replace(ownership, files=replace(files, entries=left))
    plan = make_plan(
        ownership,
        [template for template in stored if template.spec["name"] not in hidden],
        {name: deletion for name, deletion in deletions.items() if name not in hidden},
        options or SyncOptions(),
        forget=[one for one in forget if one.name not in hidden],
        recreate_renamed=recreate_renamed,
        blocked=whole.blocked(),
    )
    if not store.scope.everything:
        plan = replace(plan, files=shown_files(files, hidden))
    if plan.refusals:  # what may not begin is not looked into any further
        return plan
    plan = replace(plan, steps=tuple(_kept_if_in_use(store, step, guard) for step in plan.steps))
    return plan.refused(too_many_deletions(plan))


def stored_templates(store: Store) -> list[Managed]:
    """Return every template as the database holds it, in today's normal form."""
    return [
        replace(
            one,
            spec=store.rules.today(one.spec),
            base=None if one.base is None else store.rules.today(one.base),
        )
        for one in store.managed()
    ]


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

    Templates are created first and deleted last. What is created from a file is ``seeded`` in the audit trail, what is
    changed ``synced``, what is deleted ``deleted``, each by `actor`.

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
    files = plan.ownership.files
    if (by_action.get("delete") or plan.forget) and not files.is_current():
        raise SyncRefused(["The definition files have changed since they were read: try again."], conflict=True)
    yield from _hindered(plan)
    if not plan.writes:
        return
    store.prepare()
    if plan.forget:
        store.forget(plan.forget)
    by = _By(actor, message)
    yield from _create(store, plan, by_action.get("create", []), by, progress)
    writes: tuple[tuple[Action, _Write], ...] = (("update", _update), ("rebase", _update), ("delete", _delete(guard)))
    for action, write in writes:
        steps = by_action.get(action, [])
        if action == "delete" and steps and not files.is_current():
            for step in steps:
                yield SyncChange(step.drift.name, action, "stale", "The definition files changed meanwhile.")
            return
        for step in steps:
            change = _tried(store, plan, step, by, write)
            if progress is not None:
                progress(1)
            yield change


def unfinished(plan: SyncPlan, done: Sequence[SyncChange]) -> Iterator[SyncChange]:
    """Yield the planned changes of which nothing was heard, because the sync was interrupted."""
    known = {change.name for change in done}
    left = [step for step in plan.changes if step.drift.name not in known]
    order: tuple[Action, ...] = ("create", "update", "rebase", "delete")
    left.sort(key=lambda step: order.index(step.outcome.action))
    creating = sum(step.outcome.action == "create" for step in left[:_CHUNK])
    for number, step in enumerate(left):
        status: Status = "unknown" if number < max(creating, 1) else "not_tried"
        message = {
            "unknown": "The sync was interrupted, perhaps in the middle of this change.",
            "not_tried": "The sync was interrupted before this change.",
        }[status]
        yield SyncChange(step.drift.name, step.outcome.action, status, message)


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
        log.warning("Worker templates kept changing while they were synced; the next start goes on.")
    for step in plan.steps:
        if step.drift.state is State.CONFLICT:
            fields = ", ".join(field.path for field in step.drift.fields if field.resolution == "conflict")
            log.warning(
                "The worker template %r was not synced: file and database both changed %s.", step.drift.name, fields
            )
        elif step.reason:
            log.warning("A worker template was not synced: %s", step.reason)


def _kept_if_in_use(store: Store, step: Step, guard: Guard | None) -> Step:
    if step.outcome.action != "delete" or step.drift.stored is None:
        return step
    template_id = step.drift.stored.id
    try:
        store.check_unclaimed(template_id, step.drift.name)
        if guard is not None:
            guard(store.get(template_id), None)
    except TemplateInUse as error:
        return step.kept("in_use", str(error))
    except TemplateNotFound:
        pass  # deleted by someone else just now: the write will find that out too
    return step


def _hindered(plan: SyncPlan) -> Iterator[SyncChange]:
    for step in plan.hindered:
        obstacle: Obstacle | None = step.obstacle
        if obstacle is not None and step.hindered is not None:
            yield SyncChange(step.drift.name, step.hindered, obstacle, step.reason)


def _create(
    store: Store, plan: SyncPlan, steps: Sequence[Step], by: _By, progress: Progress | None
) -> Iterator[SyncChange]:
    for start in range(0, len(steps), _CHUNK):
        chunk = steps[start : start + _CHUNK]
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
    except (RevisionMismatch, TemplateNotFound, NameTaken, TemplateKeepsChanging):
        return SyncChange(name, action, "stale", f"Worker template {name!r} was changed or deleted meanwhile.")
    except TemplateInUse as error:
        return SyncChange(name, action, "in_use", str(error))


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
