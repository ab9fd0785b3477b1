"""The command ``export``: the database as a definition file, or back into the definition files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click
from click.core import ParameterSource

from flask_worker_templates.errors import ExportRefused
from flask_worker_templates.files.load import FileSet
from flask_worker_templates.reconcile.export import (
    VERSION,
    FileExport,
    count_changes,
    export_to_files,
    unified_diff,
    write_export,
)
from flask_worker_templates.reconcile.export_text import TextExport
from flask_worker_templates.runtime.app_state import current_state

from . import terminal
from .long_text import held_back, print_pieces
from .output import (
    CONFLICT,
    DRIFT,
    ERROR,
    OK,
    chosen_files,
    command,
    config_option,
    examples,
    output_option,
    print_error,
    print_json,
    warn,
)


@click.command("export")
@click.option("--write", is_flag=True, help="Write the database's values into the definition files.")
@click.option("--dry-run", is_flag=True, help="With --write: show the changes as a unified diff, and write nothing.")
@click.option(
    "--add",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="PATH",
    help="With --write: append templates that are in no definition file to this one.",
)
@click.option(
    "--max-remove",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    help="With --write: maximum number of entries to remove because their templates are not in the database.",
)
@config_option
@output_option("yaml", "json")
@command
@examples("flask worker-templates export > fleet.yaml", "flask worker-templates export --write --dry-run")
def export(*, write: bool, dry_run: bool, add: Path | None, max_remove: int, paths: tuple[str, ...], kind: str) -> int:
    """Print all templates of the database as a definition file, sorted by name.

    With --write, change the definition files so that they match the database, and keep their comments, order
    and layout: templates that were edited are updated, those that are not in the database are removed, and those that
    were removed from a file, but are still in the database, are put back. Templates of other file sets are left alone.

    Exit codes: 0 done, 1 error, 3 there is something to write (with --dry-run), 4 a file was changed at the same time,
    or something was left out, 5 database not reachable. With 1, and with 4 if a file was changed, nothing was written,
    unless the message names the files that were.
    """
    state = current_state()
    if not write:
        limited = click.get_current_context().get_parameter_source("max_remove") is not ParameterSource.DEFAULT
        if dry_run or add is not None or limited or paths:
            raise click.UsageError("--dry-run, --add, --max-remove and --config are for --write.")
        exported = TextExport(state.store, "json" if kind == "json" else "yaml")
        print_pieces(held_back(exported.pieces()), utf8=True)
        for warning in exported.warnings:
            warn(warning)
        return _left_out(exported.left_out)
    try:
        files = chosen_files(state, paths)
        done = export_to_files(
            state.store,
            state.ownership(files),
            add_to=_found(add, files) if add else None,
            max_remove=max_remove,
        )
        if not dry_run:
            write_export(state.store, done)
    except ExportRefused as error:
        print_error(error, kind)
        return CONFLICT if error.conflict else ERROR
    if kind == "json":
        print_json(_document(done, dry_run))
    else:
        _print(done, dry_run)
        for warning in done.warnings:
            warn(warning)
    code = _left_out(done.left_out)
    return DRIFT if dry_run and done.changes else code


def _left_out(reasons: Mapping[str, str]) -> int:
    """Say what was left out and why, and return the exit code."""
    for reason in reasons.values():
        terminal.echo(f"Left out: {reason}", err=True)
    return CONFLICT if reasons else OK


def _found(path: Path, files: FileSet) -> Path:
    """Return the real path of a definition file that was named as the commands name it, or from where we are."""
    return next((file.real_path for file in files.files if file.path == str(path)), path.resolve())


def _document(done: FileExport, dry_run: bool) -> dict[str, object]:
    return {
        "version": VERSION,
        "dry_run": dry_run,
        "files": [{**content.to_dict(), "diff": "".join(unified_diff(content))} for content in done.contents],
        "left_out": [{"name": name, "reason": reason} for name, reason in done.left_out.items()],
        "warnings": list(done.warnings),
    }


def _print(done: FileExport, dry_run: bool) -> None:
    """Print what was changed, for people: with a dry run the diff, which `git apply` takes."""
    for content in done.contents:
        if dry_run:
            _print_diff("".join(unified_diff(content)))
        for change in content.edit.changes:
            details = ", ".join(change.fields) or change.note
            if change.action == "renamed":
                details = change.note
            more = f"  ({details})" if details else ""
            terminal.echo(f"{change.action:<8}  {change.name}  in {content.path}{more}", err=dry_run)
    counts = [f"{number} {action}" for action, number in count_changes(done.contents).items()]
    verb = "Would be" if dry_run else "Done"
    terminal.echo(f"{verb}: {', '.join(counts)}." if counts else "The files and the database agree.", err=True)


def _print_diff(text: str) -> None:
    if terminal.is_terminal():
        terminal.echo(text.rstrip("\n"))
    else:
        click.echo(text.encode(), nl=False)  # in the encoding of the file
