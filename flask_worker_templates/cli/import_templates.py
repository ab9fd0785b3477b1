"""The command ``import``: take over what others wrote."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from flask_worker_templates.errors import DatabaseUnavailable, InvalidParameters, NameTaken
from flask_worker_templates.files.parse_yaml import parse_yaml
from flask_worker_templates.reconcile.takeover import Given, Shape, Takeover, from_files, plan_takeover
from flask_worker_templates.runtime.app_state import AppState, current_state

from . import terminal
from .changes import confirmed, message_option, yes_option
from .exit_codes import ERROR, OK, exit_code
from .filter_options import usage_error
from .output import VERSION, command, counted, examples, format_option, print_json, progress, say


@click.command("import")
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path())
@click.option("--collection", metavar="NAME", help="Import the documents of this MongoDB collection instead.")
@click.option(
    "--map", "maps", multiple=True, metavar="OLD=NEW", help="A field that has another name in the source. Repeatable."
)
@click.option(
    "--default", "defaults", multiple=True, metavar="FIELD=VALUE", help="Value for a field that is missing. Repeatable."
)
@click.option("--ignore", "ignored", multiple=True, metavar="FIELD", help="Leave a field out. Repeatable.")
@click.option("--dry-run", is_flag=True, help="Say what would be created, and write nothing.")
@yes_option
@message_option(help="Why, for the history. By default where each comes from.")
@format_option
@command
@examples(
    "flask worker-templates import old/ --map ami_name_pattern=ami_pattern \\",
    "  --default license_type=PERSONAL --ignore id --dry-run",
)
def import_(
    *,
    paths: tuple[str, ...],
    collection: str | None,
    maps: tuple[str, ...],
    defaults: tuple[str, ...],
    ignored: tuple[str, ...],
    dry_run: bool,
    yes: bool,
    message: str | None,
    kind: str,
) -> int:
    """Create templates from what others wrote: one bare template per file, or an old collection.

    The source is not changed. What does not fit is named with the reason, and is not created in part. Names that are
    present already are left alone.

    Exit codes: 0 done, 1 something does not fit or was not confirmed, 5 database not reachable.
    """
    if bool(paths) == bool(collection):
        raise click.UsageError("Give either a PATH or --collection.")
    shape = Shape(dict(_pair(one) for one in maps), {key: _value(text) for key, text in map(_pair, defaults)}, ignored)
    state = current_state()
    found = _documents(state, collection) if collection else from_files(paths, root=Path.cwd())
    try:
        plan = plan_takeover(found, shape, state.rules, state.store.names())
    except InvalidParameters as error:
        raise usage_error(error) from None
    if kind == "text":
        _show(plan)
    created: list[str] = []
    present = list(plan.present)
    code = ERROR if plan.unfit else OK
    if plan.creates and not dry_run:
        if confirmed(f"Create {counted(plan.creates, 'template')}?", yes=yes):
            code = max(code, _create(state, plan, message, created, present))
        else:
            code = ERROR
    if kind == "json":
        print_json(_report(plan, created, present))
    else:
        say(f"{len(created)} created, {len(present)} already present, {len(plan.unfit)} do not fit.")
    return code


def _report(plan: Takeover, created: list[str], present: list[str]) -> dict[str, Any]:
    return {
        "version": VERSION,
        "planned": [spec["name"] for spec, _ in plan.creates],
        "created": created,
        "present": present,
        "unfit": [{"origin": origin, "reasons": list(reasons)} for origin, reasons in plan.unfit],
    }


def _documents(state: AppState, collection: str) -> Iterator[Given]:
    return (Given(f"{collection}, document {key}", data) for key, data in state.store.foreign(collection))


def _create(state: AppState, plan: Takeover, message: str | None, created: list[str], present: list[str]) -> int:
    """Create what was planned, note what was created and what was there by then, and return the exit code."""
    try:
        state.store.make_indexes()
        with progress(len(plan.creates), "Importing") as advance:
            for spec, origin in plan.creates:
                why = message or f"Imported from {origin}."[:500]
                try:
                    state.store.create(spec, actor=state.hooks.actor(), message=why)
                except NameTaken:
                    present.append(spec["name"])  # somebody was faster
                else:
                    created.append(spec["name"])
                advance(1)
    except KeyboardInterrupt:
        say("\nInterrupted. What was created until now stays. Run import again to finish.")
        return ERROR
    except DatabaseUnavailable as error:
        say(f"{terminal.styled('Error', 'bad', err=True)}: {error}")
        say("What was created until now stays. Run import again to finish.")
        return exit_code(error)
    return OK


def _show(plan: Takeover) -> None:
    for spec, origin in plan.creates:
        terminal.echo(f"{terminal.styled('create', 'good')}   {spec['name']}  (from {origin})")
    for name in plan.present:
        terminal.echo(f"present  {name}")
    for origin, reasons in plan.unfit:
        terminal.echo(f"{terminal.styled('unfit', 'bad')}    {origin}")
        _show_reasons(reasons)


def _show_reasons(reasons: Sequence[str]) -> None:
    for reason in reasons:
        terminal.echo(f"         {reason}")


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key or not value:
        raise click.UsageError(f"{text!r} is not of the form FIELD=VALUE.")
    return key, value


def _value(text: str) -> Any:
    parsed = parse_yaml(text)
    return text if parsed.problems or parsed.value is None else parsed.value
