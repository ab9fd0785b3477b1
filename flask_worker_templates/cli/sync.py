"""The commands ``diff`` and ``sync``: what differs between files and database, and bringing it together."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from flask_worker_templates.errors import DatabaseUnavailable, InvalidPlan
from flask_worker_templates.files.paths import Unusable, is_meant, read_bytes
from flask_worker_templates.model.spec import flatten
from flask_worker_templates.model.template import rfc3339
from flask_worker_templates.reconcile.compare import ABSENT, State
from flask_worker_templates.reconcile.plan import ON_CONFLICT, WITHOUT_DRIFT, Step, SyncOptions, SyncPlan, shown
from flask_worker_templates.reconcile.plan_document import ReviewedPlan, read_plan
from flask_worker_templates.reconcile.sync import SyncResult, apply, plan_sync
from flask_worker_templates.runtime.app_state import DEFAULT_CONFIG_PATH, AppState, current_state

from .output import (
    CONFLICT,
    DRIFT,
    ERROR,
    OK,
    command,
    config_option,
    counted,
    format_option,
    print_json,
    progress,
    read_files,
)

DECISIONS = frozenset(field.name for field in dataclasses.fields(SyncOptions))
F = TypeVar("F", bound=Callable[..., Any])


def _decisions(function: F) -> F:
    """Add the options by which a person decides what a sync does not decide by itself."""
    for option in (
        click.option(
            "--restore", multiple=True, metavar="NAME", help="Create this deleted template again. Repeatable."
        ),
        click.option(
            "--adopt",
            multiple=True,
            metavar="NAME",
            help="Put this template, which does not come from the entry of its name, under its management. Repeatable.",
        ),
        click.option(
            "--max-delete",
            type=click.IntRange(min=0, max=1_000_000),
            default=1,
            show_default=True,
            help="The most templates that --prune may delete.",
        ),
        click.option("--prune", is_flag=True, help="Delete templates that came from a file and are in none any more."),
        click.option(
            "--on-conflict",
            type=click.Choice(ON_CONFLICT),
            help="Whose value a field gets that both sides changed; skip leaves such templates as they are.",
        ),
    ):
        function = option(function)
    return function


@click.command("diff")
@config_option
@_decisions
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), metavar="PLAN", help="Write the plan here.")
@format_option
@command
def diff(paths: tuple[str, ...], out: Path | None, kind: str, **decisions: Any) -> int:
    """Show what differs between definition files and database, and what a sync would do. Changes neither.

    The options are those of sync, and say what that sync would be asked to do.

    Exit codes: 0 no drift, 3 drift, 1 error, 5 database not reachable. With --out also 4 (or 1): a sync would be
    refused, and no plan is written.
    """
    state = current_state()
    if out is not None:
        _refuse_definition_file(state, paths, out)
    plan = _plan(state, paths, SyncOptions(**decisions))
    print_diff(plan, kind)
    if out is None:
        _foretell(plan)
        return _drift(plan)
    if plan.refusals:
        click.echo(f"No plan is written to {out}, because sync would be refused.", err=True)
        return _refused(plan)
    try:
        out.write_text(json.dumps(plan.plan_document(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        click.echo(f"Error: the plan cannot be written to {out}: {error.strerror}.", err=True)
        return ERROR
    click.echo(f"The plan is in {out}. Apply it with: flask worker-templates sync {out}", err=True)
    return _drift(plan)


@click.command("sync")
@click.argument("reviewed", type=click.Path(dir_okay=False, path_type=Path), required=False, metavar="[PLAN]")
@config_option
@_decisions
@click.option("--dry-run", is_flag=True, help="Do what diff does: show the plan, and write nothing.")
@click.option("--yes", is_flag=True, help="Do not ask. Needed where there is no terminal to ask on.")
@format_option
@command
def sync(reviewed: Path | None, paths: tuple[str, ...], dry_run: bool, yes: bool, kind: str, **decisions: Any) -> int:
    """Apply what the definition files changed, and keep what was changed in the database.

    With PLAN, apply exactly what `diff --out PLAN` wrote there, or nothing if a file or a template has moved since.

    Exit codes: 0 done, 1 error, 3 drift (with --dry-run), 4 conflict, 5 database not reachable. With 4 nothing was
    written, or all but what others changed at the same time; the output says which.
    """
    if not (dry_run or yes or sys.stdin.isatty()):
        raise click.UsageError("There is no terminal to ask on: give --yes to apply without a question, or --dry-run.")
    state = current_state()
    if reviewed is None:
        plan = _plan(state, paths, SyncOptions(**decisions))
    else:
        _refuse_decisions()
        record = _read_plan(reviewed)
        plan = _plan(state, paths, record.options)
        plan = plan.refused(record.moved(plan))
    if dry_run:
        print_diff(plan, kind)
        if reviewed is not None and plan.refusals:
            return _refused(plan)
        _foretell(plan)
        return _drift(plan)
    return _carry_out(state, plan, yes=yes, kind=kind)


def _plan(state: AppState, paths: Sequence[str], options: SyncOptions) -> SyncPlan:
    return plan_sync(state.store, read_files(state, paths), options, guard=state.hooks.check_usage)


def _refuse_definition_file(state: AppState, paths: Sequence[str], out: Path) -> None:
    # A plan there would replace definitions, or the next start would read it as some.
    configured = state.settings.config_path or (DEFAULT_CONFIG_PATH,)
    if is_meant(out, configured, root=state.root) or is_meant(out, paths, root=Path.cwd()):
        raise click.UsageError(f"--out: {out} is where definition files are read. Write the plan to another place.")


def _read_plan(path: Path) -> ReviewedPlan:
    try:
        return read_plan(read_bytes(path.resolve()).decode())
    except Unusable as error:
        raise InvalidPlan([f"{path}: {error}"]) from None
    except UnicodeDecodeError:
        raise InvalidPlan([f"{path}: It is not UTF-8."]) from None


def _refuse_decisions() -> None:
    context = click.get_current_context()
    for parameter in context.command.params:
        name = parameter.name or ""
        if name in DECISIONS and context.get_parameter_source(name) is not ParameterSource.DEFAULT:
            raise click.UsageError(f"{parameter.opts[0]} is part of the plan: make another one with diff --out.")


def _carry_out(state: AppState, plan: SyncPlan, *, yes: bool, kind: str) -> int:
    if kind == "text" or not yes:
        print_diff(plan, "text", err=kind == "json")
    result, code = SyncResult(()), OK
    if plan.refusals:
        code = _refused(plan)
    elif not plan.changes:
        click.echo("Nothing to do.", err=True)
    elif yes or _confirmed(plan):
        result = _apply(state, plan)
        code = OK if result.complete else CONFLICT
    else:
        click.echo("Nothing was written.", err=True)
        code = ERROR
    if kind == "json":
        print_json({**result.to_dict(), "complete": code == OK, "diff": plan.to_dict()})
    else:
        _print_result(result)
    return code


def _confirmed(plan: SyncPlan) -> bool:
    try:
        return click.confirm(f"Apply {counted(plan.changes, 'change')}?", err=True)
    except click.Abort:  # Ctrl-C or Ctrl-D is a no, after which the document is printed as after any other
        click.echo(err=True)
        return False


def _apply(state: AppState, plan: SyncPlan) -> SyncResult:
    try:
        with progress(len(plan.changes), "Syncing") as advance:
            return apply(
                state.store,
                plan,
                actor=state.hooks.actor(),
                guard=state.hooks.check_usage,
                progress=advance,
            )
    except DatabaseUnavailable:
        click.echo("What was applied until now stays. Run sync again to finish.", err=True)
        raise


def _refused(plan: SyncPlan) -> int:
    """Say why a sync may not begin, and return the exit code."""
    for refusal in plan.refusals:
        click.echo(f"Refused: {refusal.message}", err=True)
    return CONFLICT if all(refusal.conflict for refusal in plan.refusals) else ERROR


def _foretell(plan: SyncPlan) -> None:
    """Say why a sync would be refused, where none was asked for."""
    for refusal in plan.refusals:
        click.echo(f"Sync would be refused: {refusal.message}", err=True)


def _drift(plan: SyncPlan) -> int:
    return DRIFT if plan.has_drift else OK


def print_diff(plan: SyncPlan, kind: str, *, err: bool = False) -> None:
    """Print how every template stands and what a sync would do.

    Args:
        plan: what to print.
        kind: ``json``, or ``text``, which leaves out what is in sync.
        err: print it on standard error.
    """
    if kind == "json":
        print_json(plan.to_dict())
        return
    for warning in plan.warnings:
        click.echo(f"Warning: {warning}", err=True)
    for step in plan.steps:
        if step.writes or step.drift.state not in WITHOUT_DRIFT:
            _print_step(step, err)
    counts = [f"{count} {state}" for state, count in plan.counts().items() if count]
    click.echo(f"{'Drift' if plan.has_drift else 'No drift'}: {', '.join(counts) or 'no templates'}.", err=err)


_ACTIONS = {
    "create": "sync creates it",
    "update": "sync updates it",
    "rebase": "sync notes what the file holds now, and changes nothing",
    "delete": "sync deletes it",
    "refuse": "sync is refused: decide with --on-conflict",
}
_KEPT = {
    State.EDITED: "sync keeps what the database holds",
    State.CONFLICT: "sync skips it",
    State.ORPHANED: "in no file any more; sync keeps it, --prune deletes it",
    State.DELETED: "sync leaves it deleted, --restore creates it again",
    State.COLLISION: "never came from the files' entry; sync keeps it, --adopt puts it under their management",
}


def _print_step(step: Step, err: bool) -> None:
    drift = step.drift
    where = []
    if drift.declared is not None:
        where.append(f"{drift.declared.path}:{drift.declared.line}")
    if drift.stored is not None:
        where.append(f"revision {drift.stored.revision}")
        if drift.stored.base is not None and drift.stored.base["name"] != drift.name:
            where.append(f"renamed from {drift.stored.base['name']}")
    if drift.deletion is not None:
        where.append(f"deleted by {drift.deletion.actor} at {rfc3339(drift.deletion.at)}")
    what = _ACTIONS.get(step.outcome.action) or _KEPT[drift.state]
    click.echo(f"{drift.state:<12}  {drift.name}  ({', '.join(where)}): {what}", err=err)
    after = flatten(step.outcome.spec or {})
    for field in drift.fields:
        result = "undecided" if step.outcome.action == "refuse" else shown(after.get(field.path, ABSENT))
        click.echo(
            f"    {field.path}: file {shown(field.file)}, database {shown(field.database)}, "
            f"last applied {shown(field.base)} → after sync {result}",
            err=err,
        )


_DONE = {"create": "created", "update": "updated", "rebase": "rebased", "delete": "deleted"}


def _print_result(result: SyncResult) -> None:
    for change in result.changes:
        if change.status == "applied":
            revision = f"  (revision {change.revision})" if change.action == "update" else ""
            click.echo(f"{_DONE[change.action]:<8}  {change.name}{revision}")
        else:
            click.echo(f"Not applied: {change.message} Run diff to see how it stands now.", err=True)
