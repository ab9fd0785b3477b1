"""What the commands print, and the exit codes that a pipeline can branch on.

With ``--format json`` the document is the only thing on standard output, whatever the exit code; what is for people
goes to standard error.
"""

from __future__ import annotations

import functools
import io
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import click
from flask.cli import with_appcontext

from flask_worker_templates.errors import DatabaseUnavailable, InvalidFiles, WorkerTemplatesError
from flask_worker_templates.files.load import FileSet
from flask_worker_templates.model.template import Page
from flask_worker_templates.runtime.app_state import AppState

from .error_document import error_document

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


def all_items(read: Callable[[int], Page[Any]]) -> list[Any]:
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


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows with their columns aligned."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
