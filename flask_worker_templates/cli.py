"""The commands: parse, call, print, and an exit code that a pipeline can branch on.

With ``--format json`` the document is the only thing on standard output, whatever the exit code; what is for people
goes to standard error.
"""

from __future__ import annotations

import functools
import io
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import click
from flask.cli import AppGroup, with_appcontext

from .error_document import error_document
from .errors import DatabaseUnavailable, InvalidFiles, TemplateNotFound, WorkerTemplatesError
from .files import FileSet
from .json_schema import DOCUMENTS, document_schema
from .query import MOST_PAGE_SIZE, Window, list_parameters, trail_parameters
from .seeding import SeedResult
from .state import AppState, current_state
from .template import Event, Page, rfc3339

OK, ERROR, USAGE, DRIFT, CONFLICT, UNAVAILABLE = range(6)
"""Exit codes; `USAGE` is Click's own."""

format_option = click.option(
    "--format",
    "kind",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Output format.",
)
config_option = click.option(
    "--config",
    "paths",
    multiple=True,
    metavar="PATH",
    help="Definition file, directory or glob instead of WORKER_TEMPLATES_CONFIG_PATH. Repeatable.",
)


def print_json(value: Any) -> None:
    """Print a JSON document on standard output."""
    # Escaped where the output could not hold it: the document is printed whatever the encoding is.
    click.echo(json.dumps(value, indent=2, ensure_ascii=not _is_utf8(sys.stdout)))


def escape_what_cannot_be_printed() -> None:
    """Let the output escape what its encoding does not have, where it would fail, perhaps after a write."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and not _is_utf8(stream):
            stream.reconfigure(errors="backslashreplace")


def _is_utf8(stream: TextIO) -> bool:
    return (stream.encoding or "").lower().replace("-", "") == "utf8"


def command(function: Callable[..., int | None]) -> Callable[..., None]:
    """Give a command its app context and its exit code: what it returns, or what its exception means."""

    @functools.wraps(function)
    @with_appcontext
    def run(**arguments: Any) -> None:
        escape_what_cannot_be_printed()
        try:
            code = function(**arguments) or OK
        except WorkerTemplatesError as error:
            code = UNAVAILABLE if isinstance(error, DatabaseUnavailable) else ERROR
            print_error(error, arguments.get("kind", "text"))
        sys.exit(code)

    return run


def print_error(error: WorkerTemplatesError, kind: str) -> None:
    """Print an error: as JSON on standard output, else for people on standard error."""
    if kind == "json":
        print_json(error_document(error))
    else:
        click.echo(f"Error: {error}" if not isinstance(error, InvalidFiles) else str(error), err=True)


def read_files(state: AppState, paths: Sequence[str]) -> FileSet:
    """Read the definition files of a command line, which are relative to the working directory, or the configured."""
    return state.read_files(paths, root=Path.cwd()) if paths else state.read_files()


@contextmanager
def progress(length: int, label: str) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on standard error while a command works, if that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda count: None
        return
    with click.progressbar(length=length, label=label, file=sys.stderr) as bar:
        yield bar.update


@click.command("seed-templates")
@config_option
@click.option("--dry-run", is_flag=True, help="Say what would be created, and write nothing.")
@format_option
@command
def seed_templates(paths: tuple[str, ...], dry_run: bool, kind: str) -> None:
    """Create the worker templates of the definition files that are missing from the database.

    What is in the database is never changed. Exit codes: 0 done, 1 error, 5 database not reachable.
    """
    state = current_state()
    files = read_files(state, paths)
    if not dry_run:
        state.store.prepare()
    with progress(len(files.entries), "Seeding") as advance:
        result = state.seed(files, dry_run=dry_run, progress=advance, log_warnings=False)
    for warning in result.warnings:
        click.echo(f"Warning: {warning}", err=True)
    if kind == "json":
        print_json(result.to_dict())
    else:
        _print_seeding(result)


def _print_seeding(result: SeedResult) -> None:
    for name in result.created:
        click.echo(f"{'would create' if result.dry_run else 'created'}  {name}")
    for deletion in result.respected:
        click.echo(f"deleted  {deletion.name}  (by {deletion.actor} at {rfc3339(deletion.at)}; stays deleted)")
    verb = "would be created" if result.dry_run else "created"
    click.echo(f"{len(result.created)} {verb}, {result.existing} there already.")


worker_templates = AppGroup("worker-templates", help="Look at and manage the worker templates.")


@worker_templates.command("list", with_appcontext=False)
@format_option
@command
def list_templates(kind: str) -> None:
    """List the templates."""
    store = current_state().store
    pages = _all(lambda page: store.page(list_parameters({"page": page, "page_size": MOST_PAGE_SIZE})))
    if kind == "json":
        print_json([template.to_dict() for template in pages])
        return
    rows = [
        (
            template.name,
            template.license_type,
            template.instance_type,
            f"{template.capacity.cpu_cores} cores",
            f"{template.capacity.memory_gb} GB",
            f"{template.max_nodes} nodes",
            "enabled" if template.enabled else "disabled",
            "seeded" if template.is_seeded else "",
            f"revision {template.revision}",
        )
        for template in pages
    ]
    _print_table(rows)
    click.echo(f"{counted(rows, 'template')}." if rows else "There are no templates.", err=True)


@worker_templates.command("show", with_appcontext=False)
@click.argument("name")
@format_option
@command
def show(name: str, kind: str) -> None:
    """Show one template."""
    template = current_state().store.get_by_name(name).to_dict()
    if kind == "json":
        print_json(template)
        return
    for key, value in template.items():
        if isinstance(value, dict):
            value = ", ".join(f"{inner}={one}" for inner, one in value.items())  # noqa: PLW2901
        click.echo(f"{key:22}{'' if value is None else value}".rstrip())


@worker_templates.command("history", with_appcontext=False)
@click.argument("name")
@click.option("--limit", type=click.IntRange(1, MOST_PAGE_SIZE), default=20, show_default=True, help="Most entries.")
@format_option
@command
def history(name: str, limit: int, kind: str) -> None:
    """Show the changes of one template, newest first; also of one that was deleted."""
    store = current_state().store
    try:
        template_id = store.get_by_name(name).id
    except TemplateNotFound:
        last = store.trail(trail_parameters({"name": name, "page_size": 1}))
        if not last:
            raise
        template_id = last[0].template_id
    events = store.history(template_id, Window(1, limit))
    if kind == "json":
        print_json([event.to_dict() for event in events])
        return
    for event in events:
        _print_event(event)
    if events.total > len(events):
        click.echo(f"({events.total - len(events)} earlier; --limit shows more)", err=True)


def _print_event(event: Event) -> None:
    click.echo(f"{event.revision:>4}  {rfc3339(event.at)}  {event.action:<9} {event.actor}")
    for change in event.changes:
        before, after = (
            json.dumps(change[key], ensure_ascii=False) if key in change else "–" for key in ("from", "to")
        )
        click.echo(f"      {change['field']}: {before} → {after}")


@worker_templates.command("claims", with_appcontext=False)
@click.argument("name")
@format_option
@command
def claims(name: str, kind: str) -> None:
    """List the workers that claim a template, longest first."""
    store = current_state().store
    template_id = store.get_by_name(name).id
    found = _all(lambda page: store.claims(template_id, Window(page, MOST_PAGE_SIZE)))
    if kind == "json":
        print_json([claim.to_dict() for claim in found])
        return
    rows = [(claim.worker_id, rfc3339(claim.claimed_at), claim.actor) for claim in found]
    _print_table(rows)
    click.echo(f"{counted(rows, 'claim')}." if rows else "No worker claims it.", err=True)


validity_format_option = click.option(
    "--format",
    "kind",
    type=click.Choice(["text", "json", "github"]),
    default="text",
    show_default=True,
    help="Output format; github prints annotations.",
)


@worker_templates.command("validate", with_appcontext=False)
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@validity_format_option
@command
def validate(paths: tuple[str, ...], kind: str) -> int:
    """Check definition files, without a database.

    Exit codes: 0 valid, 1 not. Every fault is printed as path:line:column: field: message.
    """
    state = current_state()
    return report_validity(lambda: read_files(state, paths), kind, root=Path.cwd() if paths else state.root)


def report_validity(read: Callable[[], FileSet], kind: str, *, root: Path) -> int:
    """Print whether definition files are valid, with every fault.

    Args:
        read: reads them.
        kind: ``text``, ``json`` or ``github``.
        root: the directory that relative paths of the files start from.

    Returns:
        The exit code.
    """
    try:
        files = read()
    except InvalidFiles as error:
        if kind == "github":
            _annotate(error, root)
        else:
            print_error(error, kind)
        return ERROR
    if kind == "json":
        templates = Counter(entry.path for entry in files.entries)
        print_json(
            {
                "files": [{"path": file.path, "templates": templates[file.path]} for file in files.files],
                "faults": [],
                "warnings": list(files.warnings),
            }
        )
    else:
        for warning in files.warnings:
            click.echo(
                f"::warning ::{_data(warning)}" if kind == "github" else f"Warning: {warning}",
                err=kind == "text",
            )
        valid = f"Valid: {counted(files.entries, 'template')} in {counted(files.files, 'file')}."
        click.echo(valid, err=kind == "github")
    return OK


# GitHub's workflow commands: https://docs.github.com/actions/reference/workflow-commands-for-github-actions


def _annotate(error: InvalidFiles, root: Path) -> None:
    for fault in error.faults:
        place = [f"file={_property(_in_workspace(fault.path, root))}"]
        place += [f"line={fault.line}"] if fault.line else []
        place += [f"col={fault.column}"] if fault.column else []
        text = f"{fault.field}: {fault.message}" if fault.field else fault.message
        click.echo(f"::error {','.join(place)}::{_data(text)}")


def _in_workspace(path: str, root: Path) -> str:
    """Return a path as annotations need it: relative to the checkout, of which the app may be a part."""
    workspace = os.path.normpath(Path(os.environ.get("GITHUB_WORKSPACE") or Path.cwd()).absolute())
    absolute = Path(os.path.normpath(root.absolute() / path))
    return str(absolute.relative_to(workspace) if absolute.is_relative_to(workspace) else absolute)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


@worker_templates.command("json-schema", with_appcontext=False)
@click.argument("document", type=click.Choice(DOCUMENTS), default="definition-file")
@click.option("--format", type=click.Choice(["text", "json"]), expose_value=False, help="JSON in any case.")
def json_schema(document: str) -> None:
    """Print the JSON Schema of a definition file, by which editors complete and check it.

    Or that of the JSON documents of `diff`, of `diff --out` (plan), of `sync`, and of what ends with an error.
    """
    print_json(document_schema(document))


def _all(read: Callable[[int], Page[Any]]) -> list[Any]:
    """Return the items of all pages."""
    items: list[Any] = []
    number = 1
    while True:
        page = read(number)
        items += page.items
        if len(page) < page.page_size:
            return items
        number += 1


def counted(things: Sequence[Any], noun: str) -> str:
    """Return how many things there are, such as ``2 templates``."""
    return f"{len(things)} {noun}{'' if len(things) == 1 else 's'}"


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
