"""The commands ``diff`` and ``sync``: what differs between files and database, and bringing it together."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from flask_worker_templates.errors import DatabaseUnavailable, InvalidPlan
from flask_worker_templates.files.paths import Unusable, is_meant, read_bytes
from flask_worker_templates.files.replace import write_private
from flask_worker_templates.reconcile.options import ON_CONFLICT, SyncOptions
from flask_worker_templates.reconcile.plan import SyncPlan
from flask_worker_templates.reconcile.plan_document import MAX_DELETIONS, ReviewedPlan, plan_document, read_plan
from flask_worker_templates.reconcile.step import Refusal
from flask_worker_templates.reconcile.sync import carry_out
from flask_worker_templates.reconcile.sync_document import streamed_sync
from flask_worker_templates.reconcile.sync_result import SyncChange, SyncResult, unfinished
from flask_worker_templates.runtime.app_state import DEFAULT_CONFIG_PATH, AppState, current_state

from . import terminal
from .changes import message_option
from .diff_text import print_diff
from .output import (
    CONFLICT,
    DRIFT,
    ERROR,
    OK,
    chosen_files,
    command,
    config_option,
    counted,
    examples,
    format_option,
    print_json,
    progress,
)
from .settle_conflicts import settled

_ALLOWED_AGAIN = frozenset({"prune", "max_delete", "prune_any_source"})
"""Options that are said again for a plan that deletes: a file that came from elsewhere must not say them alone."""
DECISIONS = frozenset(field.name for field in dataclasses.fields(SyncOptions)) - _ALLOWED_AGAIN
F = TypeVar("F", bound=Callable[..., Any])


def _decisions(function: F) -> F:
    """Add the options by which a person decides what a sync does not decide by itself."""
    for option in (
        click.option("--restore", multiple=True, metavar="NAME", help="Bring this deleted template back. Repeatable."),
        click.option(
            "--adopt",
            multiple=True,
            metavar="NAME",
            help="Connect this template with the file entry of its name, which it was not created from. Repeatable.",
        ),
        click.option(
            "--max-delete",
            type=click.IntRange(min=0, max=MAX_DELETIONS),
            default=1,
            show_default=True,
            help="Maximum number of templates that --prune may delete.",
        ),
        click.option(
            "--prune-any-source",
            is_flag=True,
            help="Let --prune also delete templates from files other than the given ones.",
        ),
        click.option(
            "--prune", is_flag=True, help="Delete templates of this file set whose entries were removed from the files."
        ),
        click.option(
            "--on-conflict",
            type=click.Choice(ON_CONFLICT),
            help="Which value wins where both sides changed a field; skip leaves those templates as they are.",
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
@examples("flask worker-templates diff", "flask worker-templates diff --prune --out plan.json")
def diff(paths: tuple[str, ...], out: Path | None, kind: str, **decisions: Any) -> int:
    """Show what differs between definition files and database, and what a sync would do. Changes neither.

    The options are those of sync, and say what that sync would be asked to do.

    Exit codes: 0 no drift, 3 drift, 1 error, 5 database not reachable. With --out: 3 if the plan has changes, else 0;
    and 4 (or 1) if a sync would be refused, and no plan is written.
    """
    state = current_state()
    if out is not None:
        _refuse_definition_file(state, paths, out)
    plan = state.plan(chosen_files(state, paths), SyncOptions(**decisions))
    print_diff(plan, kind)
    if out is None:
        _foretell(plan)
        return DRIFT if plan.has_drift else OK
    if plan.refusals:
        terminal.echo(f"No plan is written to {out}, because sync would be refused.", err=True)
        return _refused(plan)
    try:
        write_private(out, (json.dumps(plan_document(plan), indent=2, ensure_ascii=False) + "\n").encode())
    except OSError as error:
        terminal.echo(f"Error: the plan cannot be written to {out}: {error.strerror}.", err=True)
        return ERROR
    if not plan.writes:
        terminal.echo(f"The plan in {out} has no changes: there is nothing to apply.", err=True)
        return OK
    terminal.echo(f"The plan is in {out}. Apply it with: flask worker-templates sync {out}", err=True)
    return DRIFT


@click.command("sync")
@click.argument("reviewed", type=click.Path(dir_okay=False, path_type=Path), required=False, metavar="[PLAN]")
@config_option
@_decisions
@click.option("--dry-run", is_flag=True, help="Do what diff does: show the plan, and write nothing.")
@click.option("-i", "--interactive", is_flag=True, help="Ask about each conflict, field by field, and apply the rest.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask. Required without a terminal.")
@message_option()
@format_option
@command
@examples(
    "flask worker-templates sync -i",
    "flask worker-templates sync --yes --on-conflict skip",
    "flask worker-templates sync plan.json",
)
def sync(
    *,
    reviewed: Path | None,
    paths: tuple[str, ...],
    dry_run: bool,
    interactive: bool,
    yes: bool,
    message: str | None,
    kind: str,
    **decisions: Any,
) -> int:
    """Apply what the definition files changed, and keep what was changed in the database.

    With PLAN, apply exactly what `diff --out PLAN` wrote there, or nothing if a file or a template has moved since. A
    plan that deletes needs --prune and --max-delete again.

    Exit codes: 0 done, 1 error, 3 drift (with --dry-run), 4 conflict, 5 database not reachable. With 4 nothing was
    written, or all but what is in use, or what others changed at the same time; the output says which.
    """
    if not (dry_run or yes or sys.stdin.isatty()):
        raise click.UsageError("There is no terminal to ask on. Give --yes to apply without asking, or --dry-run.")
    if interactive and (reviewed is not None or not sys.stdin.isatty()):
        raise click.UsageError("--interactive needs a terminal, and no PLAN.")
    state = current_state()
    if reviewed is None:
        files, options = chosen_files(state, paths), SyncOptions(**decisions)
        plan = state.plan(files, options)
        if interactive:
            plan = state.plan(files, settled(plan, options))
    else:
        _refuse_decisions()
        record = _read_plan(reviewed)
        plan = record.part_of(state.plan(chosen_files(state, paths), record.options))
        plan = plan.refused(_not_allowed_again(record, **decisions))
    if dry_run:
        print_diff(plan, kind)
        if reviewed is not None and plan.refusals:
            return _refused(plan)
        _foretell(plan)
        return DRIFT if plan.has_drift else OK
    return _carry_out(state, plan, yes=yes, message=message, kind=kind)


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


def _not_allowed_again(
    record: ReviewedPlan, *, prune: bool, max_delete: int, prune_any_source: bool, **_: Any
) -> Iterator[Refusal]:
    """Yield why a plan may not delete: the command line has to allow it, and not the file alone."""
    if record.deletes and not (prune and max_delete >= record.deletes):
        count = "1 template" if record.deletes == 1 else f"{record.deletes} templates"
        yield Refusal(f"The plan deletes {count}: confirm with --prune --max-delete {record.deletes}.", conflict=False)
    if record.deletes and record.options.prune_any_source and not prune_any_source:
        yield Refusal("The plan prunes templates of any source: confirm with --prune-any-source.", conflict=False)


def _carry_out(state: AppState, plan: SyncPlan, *, yes: bool, message: str | None, kind: str) -> int:
    if kind == "text" or not yes:
        print_diff(plan, "text", err=kind == "json")
    result, code = SyncResult(()), OK
    if plan.refusals:
        code = _refused(plan)
    elif not (plan.writes or plan.hindered):
        terminal.echo("Nothing to do.", err=True)
    elif yes or _confirmed(plan):
        result, interrupted = _apply(state, plan, message)
        code = ERROR if interrupted else OK if result.complete else CONFLICT
    else:
        terminal.echo("Nothing was written.", err=True)
        code = ERROR
    if kind == "json":
        print_json(streamed_sync(result, plan, complete=code == OK))
    else:
        _print_result(result)
    return code


def _confirmed(plan: SyncPlan) -> bool:
    changes = [step for step in plan.steps if step.changes]
    if not changes:  # no template is changed: there is nothing to ask about
        return True
    doomed = [step for step in changes if step.outcome.action == "delete"]
    sources = [f"{step.drift.name} from {step.drift.stored.source}" for step in doomed if step.drift.stored]
    deletions = f" ({counted(doomed, 'deletion')}: {', '.join(sources)})" if doomed else ""
    try:
        return click.confirm(terminal.visible(f"Apply {counted(changes, 'change')}{deletions}?"), err=True)
    except click.Abort:  # Ctrl-C or Ctrl-D is a no, after which the document is printed as after any other
        terminal.echo(err=True)
        return False


def _apply(state: AppState, plan: SyncPlan, message: str | None) -> tuple[SyncResult, bool]:
    """Carry out the plan; return what was done, and whether Ctrl-C ended it."""
    done: list[SyncChange] = []
    forgotten = tuple(deletion.name for deletion in plan.forget)
    try:
        with progress(len(plan.changes), "Syncing") as advance:
            changes = carry_out(
                state.store,
                plan,
                actor=state.hooks.actor(),
                message=message,
                guard=state.hooks.check_usage,
                progress=advance,
            )
            for change in changes:
                done.append(change)  # what is done so far counts if it is interrupted
    except KeyboardInterrupt:
        terminal.echo("\nInterrupted. What was applied until now stays. Run sync again to finish.", err=True)
        return SyncResult((*done, *unfinished(plan, done)), forgotten if done else ()), True
    except DatabaseUnavailable:
        terminal.echo("What was applied until now stays. Run sync again to finish.", err=True)
        raise
    return SyncResult(tuple(done), forgotten), False


def _refused(plan: SyncPlan) -> int:
    """Say why a sync may not begin, and return the exit code."""
    for refusal in plan.refusals:
        terminal.echo(f"Refused: {refusal.message}", err=True)
    return CONFLICT if all(refusal.conflict for refusal in plan.refusals) else ERROR


def _foretell(plan: SyncPlan) -> None:
    """Say why a sync would be refused, where none was asked for."""
    for refusal in plan.refusals:
        terminal.echo(f"Sync would be refused: {refusal.message}", err=True)


_DONE = {"create": "created", "update": "updated", "rebase": "rebased", "delete": "deleted"}


def _print_result(result: SyncResult) -> None:
    for change in result.changes:
        if change.status == "applied":
            revision = f"  (revision {change.revision})" if change.action == "update" else ""
            terminal.echo(f"{_DONE[change.action]:<8}  {change.name}{revision}")
        else:
            terminal.echo(f"Not applied ({change.action} {change.name}): {change.message}", err=True)
