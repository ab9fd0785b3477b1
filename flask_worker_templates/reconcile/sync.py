"""Sync: bring what the definition files changed into the database, and keep what people changed there.

What is to be done is decided by `drift` and `plan`; here it is read and carried out. Every write is conditional on the
revision that the plan saw, so that a plan which was overtaken overwrites nothing. Nothing is kept about a sync that is
under way: each template is one command of the store, and a process that dies half-way leaves the rest to the next sync.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import marshmallow as ma
from marshmallow import fields

from flask_worker_templates.errors import NameTaken, RevisionMismatch, TemplateInUse, TemplateNotFound
from flask_worker_templates.files.load import FileSet
from flask_worker_templates.model.parameters import Window
from flask_worker_templates.model.records import Seed
from flask_worker_templates.model.scope import ALL
from flask_worker_templates.store.store import Guard, Progress, Store

from .compare import State
from .diff_document import WorkerTemplateDriftSchema
from .plan import VERSION, Refusal, Step, SyncOptions, SyncPlan, make_plan
from .within_scope import hidden_names, shown_files

log = logging.getLogger("flask_worker_templates")

_ROUNDS = 5
"""A sync at start that others overtook looks again at most so often."""
_SHOWN_CLAIMS = 5


@dataclass(frozen=True, slots=True)
class SyncChange:
    """What became of one planned change.

    Attributes:
        name: of the template.
        action: ``create``, ``update``, ``rebase`` or ``delete``.
        status: ``applied``; ``stale``, where the template had changed since the plan was made; ``in_use``, where it
            could not be deleted. Nothing was written about it in the last two cases.
        message: why it was not applied; empty if it was.
        revision: of the template afterwards; None if it was created, deleted or not changed.
    """

    name: str
    action: str
    status: str
    message: str = ""
    revision: int | None = None


@dataclass(frozen=True, slots=True)
class SyncResult:
    """What a sync did."""

    changes: tuple[SyncChange, ...]

    @property
    def complete(self) -> bool:
        """Whether every planned change was applied."""
        return all(change.status == "applied" for change in self.changes)

    def to_dict(self) -> dict[str, Any]:
        """Return the result for JSON."""
        return {
            "version": VERSION,
            "complete": self.complete,
            "changes": [
                {
                    "name": change.name,
                    "action": change.action,
                    "status": change.status,
                    "message": change.message,
                    "revision": change.revision,
                }
                for change in self.changes
            ],
        }


class SyncChangeSchema(ma.Schema):
    """What became of one planned change."""

    name = fields.String(required=True)
    action = fields.String(required=True, validate=ma.validate.OneOf(["create", "update", "rebase", "delete"]))
    status = fields.String(required=True, validate=ma.validate.OneOf(["applied", "stale", "in_use"]))
    message = fields.String(required=True)
    revision = fields.Integer(required=True, allow_none=True)


class SyncResultSchema(ma.Schema):
    """The result document, for its documentation."""

    version = fields.Integer(required=True, validate=ma.validate.OneOf([VERSION]))
    complete = fields.Boolean(required=True)
    changes = fields.List(fields.Nested(SyncChangeSchema()), required=True)
    diff = fields.Nested(WorkerTemplateDriftSchema(), required=True)


def plan_sync(
    store: Store, files: FileSet, options: SyncOptions | None = None, *, guard: Guard | None = None
) -> SyncPlan:
    """Compare the files with the database and return what a sync would do. Writes nothing.

    Args:
        store: what holds the templates.
        files: valid definition files.
        options: what a person decided.
        guard: asked for each template that would be deleted; raises `TemplateInUse`.

    Raises:
        DuplicateNames: if the collection holds several templates of one name.
        DatabaseUnavailable: if MongoDB does not do its part within the time limit.
    """
    whole = store.within(ALL)
    stored = list(whole.managed())
    there = {template.spec["name"] for template in stored}
    absent = [entry.spec["name"] for entry in files.entries if entry.spec["name"] not in there]
    deletions = whole.deletions(absent) if absent else {}
    if store.scope.everything:
        plan = make_plan(files, stored, deletions, options or SyncOptions())
    else:
        specs = [entry.spec for entry in files.entries]
        inside = store.insiders(deletion.template_id for deletion in deletions.values())
        hidden = hidden_names(specs, stored, deletions, store.scope, inside)
        plan = make_plan(
            replace(files, entries=tuple(entry for entry in files.entries if entry.spec["name"] not in hidden)),
            [template for template in stored if template.spec["name"] not in hidden],
            {name: deletion for name, deletion in deletions.items() if name not in hidden},
            options or SyncOptions(),
        )
        plan = replace(plan, files=shown_files(files, hidden))
    if plan.refusals:  # a pruning that goes too far is not looked into any further
        return plan
    return plan.refused(_in_use(store, plan, guard))


def apply(
    store: Store, plan: SyncPlan, *, actor: str, guard: Guard | None = None, progress: Progress | None = None
) -> SyncResult:
    """Carry out a plan: all of it, or what others have not overtaken meanwhile.

    Templates are created first and deleted last. What is created from a file is ``seeded`` in the audit trail, what is
    changed ``synced``, what is deleted ``deleted``, each by `actor`.

    Args:
        store: where to.
        plan: from `plan_sync`.
        actor: who.
        guard: asked again before a template is deleted; raises `TemplateInUse`.
        progress: told how many templates were just dealt with.

    Raises:
        SyncRefused: if something forbids it; nothing was written.
        DuplicateNames: if the collection holds several templates of one name.
        DatabaseUnavailable: if MongoDB does not do its part. What was done until then stays; a sync goes on from there.
    """
    plan.check()
    done: list[SyncChange] = []
    if plan.changes:
        store.prepare()
        done += _create(store, [step for step in plan.changes if step.outcome.action == "create"], actor, progress)
        for action, write in (("update", _update), ("rebase", _update), ("delete", _delete(guard))):
            for step in plan.changes:
                if step.outcome.action == action:
                    done.append(_tried(store, step, actor, write))
                    if progress is not None:
                        progress(1)
    return SyncResult(tuple(done))


def sync_at_start(store: Store, files: FileSet, *, actor: str) -> None:
    """Apply what the files changed and nobody edited; any number of processes may do this at once.

    Templates in conflict are left alone and named in the log.

    Raises:
        DuplicateNames: if the collection holds several templates of one name.
        DatabaseUnavailable: if MongoDB does not do its part within the time limit.
    """
    for _ in range(_ROUNDS):
        plan = plan_sync(store, files)
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


def _in_use(store: Store, plan: SyncPlan, guard: Guard | None) -> Iterator[Refusal]:
    for step in plan.changes:
        if step.outcome.action != "delete" or step.drift.stored is None:
            continue
        template_id = step.drift.stored.id
        try:
            claims = store.claims(template_id, Window(1, _SHOWN_CLAIMS))
            if claims.total:
                workers = [claim.worker_id for claim in claims]
                raise TemplateInUse(step.drift.name, claims=claims.total, workers=workers)
            if guard is not None:
                guard(store.get(template_id), None)
        except TemplateInUse as error:
            yield Refusal(str(error), conflict=True)
        except TemplateNotFound:
            continue  # deleted by someone else just now: the write will find that out too


def _create(store: Store, steps: list[Step], actor: str, progress: Progress | None) -> Iterable[SyncChange]:
    seeds = [
        Seed(step.outcome.spec, step.drift.declared.path)
        for step in steps
        if step.outcome.spec is not None and step.drift.declared is not None
    ]
    created = set(store.create_missing(seeds, actor=actor, progress=progress)) if seeds else set()
    for step in steps:
        name = step.drift.name
        if name in created:
            yield SyncChange(name, "create", "applied")
        else:
            yield SyncChange(name, "create", "stale", f"A worker template named {name!r} was created meanwhile.")


_Write = Callable[[Store, Step, str], int | None]


def _tried(store: Store, step: Step, actor: str, write: _Write) -> SyncChange:
    name, action = step.drift.name, step.outcome.action
    try:
        return SyncChange(name, action, "applied", revision=write(store, step, actor))
    except (RevisionMismatch, TemplateNotFound, NameTaken):
        return SyncChange(name, action, "stale", f"Worker template {name!r} was changed or deleted meanwhile.")
    except TemplateInUse as error:
        return SyncChange(name, action, "in_use", str(error))


def _update(store: Store, step: Step, actor: str) -> int | None:
    stored, declared, spec = step.drift.stored, step.drift.declared, step.outcome.spec
    assert stored is not None  # noqa: S101  # what is updated is on both sides
    assert declared is not None  # noqa: S101
    assert spec is not None  # noqa: S101
    return store.update(
        stored.id,
        lambda current: spec,
        actor=actor,
        action="synced",
        allowed=lambda current: current == stored.revision,
        base=step.outcome.base,
        source=declared.path,
    ).revision


def _delete(guard: Guard | None) -> _Write:
    def delete(store: Store, step: Step, actor: str) -> None:
        stored = step.drift.stored
        assert stored is not None  # noqa: S101  # what is deleted is in the database
        store.delete(stored.id, actor=actor, allowed=lambda current: current == stored.revision, guard=guard)

    return delete
