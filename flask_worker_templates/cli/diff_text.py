"""How files and database differ, and what a sync would do about it, for people."""

from __future__ import annotations

from flask_worker_templates.model.records import ABSENT
from flask_worker_templates.model.spec import flatten
from flask_worker_templates.model.template import rfc3339
from flask_worker_templates.reconcile.compare import State
from flask_worker_templates.reconcile.diff_document import streamed_diff
from flask_worker_templates.reconcile.plan import WITHOUT_DRIFT, SyncPlan, leaf_text
from flask_worker_templates.reconcile.step import Step

from . import terminal
from .output import print_json, warn

_ACTIONS = {
    "create": "sync creates it",
    "update": "sync updates it",
    "rebase": "in sync; only the stored copy of the file entry is updated",
    "delete": "sync deletes it",
    "refuse": "sync is refused: decide with --on-conflict",
}
_KEPT = {
    State.EDITED: "sync keeps what the database holds",
    State.CONFLICT: "sync skips it",
    State.ORPHANED: "its entry is in no file; sync keeps it, --prune deletes it",
    State.DELETED: "sync leaves it deleted, --restore brings it back",
    State.COLLISION: "it was not created from this entry; sync keeps it, --adopt connects the two",
    State.MISSING: "sync leaves it alone",
}
_MEANINGS: dict[State, terminal.Meaning] = {
    State.MISSING: "good",
    State.FILE_CHANGED: "careful",
    State.EDITED: "careful",
    State.DIVERGED: "careful",
    State.CONFLICT: "bad",
    State.ORPHANED: "careful",
    State.DELETED: "careful",
    State.COLLISION: "bad",
    State.BLOCKED: "bad",
}


def print_diff(plan: SyncPlan, kind: str, *, err: bool = False) -> None:
    """Print how every template stands and what a sync would do.

    Args:
        plan: what to print.
        kind: ``json``, or ``text``, which leaves out what is in sync.
        err: print it on standard error.
    """
    if kind == "json":
        print_json(streamed_diff(plan))
        return
    for warning in plan.warnings:
        warn(warning)
    for step in plan.steps:
        if step.writes or step.drift.state not in WITHOUT_DRIFT or step.drift.renamed_from is not None:
            _print_step(step, plan.ownership.file_set, err)
    for deletion in plan.forget:
        terminal.echo(
            f"forget        {deletion.name}  (deleted by {deletion.actor} at {rfc3339(deletion.at)}): its entry is in "
            "no file; sync records that, so a new entry with this name is a new template",
            err=err,
        )
    counts = [f"{count} {state}" for state, count in plan.counts().items() if count]
    terminal.echo(f"{'Drift' if plan.has_drift else 'No drift'}: {', '.join(counts) or 'no templates'}.", err=err)


def _print_step(step: Step, file_set: str, err: bool) -> None:
    drift = step.drift
    what = step.reason or _ACTIONS.get(step.outcome.action) or _KEPT.get(drift.state, "sync keeps it")
    state = terminal.styled(f"{drift.state:<12}", _MEANINGS.get(drift.state), err=err)
    terminal.echo(f"{state}  {drift.name}  ({', '.join(_where(step, file_set))}): {what}", err=err)
    after = flatten(step.outcome.spec or {})
    for field in drift.fields:
        result = "undecided" if step.outcome.action == "refuse" else leaf_text(after.get(field.path, ABSENT))
        terminal.echo(
            f"    {field.path}: file {leaf_text(field.file)}, database {leaf_text(field.database)}, "
            f"last applied {leaf_text(field.base)} → after sync {result}",
            err=err,
        )


def _where(step: Step, file_set: str) -> list[str]:
    """Return where a template is, and where it comes from."""
    drift = step.drift
    where = []
    if drift.declared is not None:
        where.append(f"{drift.declared.path}:{drift.declared.line}")
    if drift.stored is not None:
        where.append(f"revision {drift.stored.revision}")
        if drift.declared is None and drift.stored.source is not None:
            where.append(f"from {drift.stored.source}")
        if drift.stored.file_set not in (None, file_set):
            where.append(f"of the file set {drift.stored.file_set}")
    if drift.renamed_from is not None:
        where.append(f"renamed from {drift.renamed_from}")
    if drift.renamed_to is not None:
        where.append(f"renamed to {drift.renamed_to} in the database")
    if drift.deletion is not None:
        where.append(f"deleted by {drift.deletion.actor} at {rfc3339(drift.deletion.at)}")
    return where
