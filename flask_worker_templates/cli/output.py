"""What every command shares: the option that says how it prints, its app context, its errors and its exit code.

With ``-o json`` the document is the only thing on standard output, whatever the exit code; what is for people goes to
standard error. On a terminal there are headings, colours, ages and a pager; in a pipe there are none of them.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from flask.cli import with_appcontext

from flask_worker_templates.errors import InvalidFiles, WorkerTemplatesError
from flask_worker_templates.model.template import Page
from flask_worker_templates.runtime.app_state import AppState
from flask_worker_templates.store.leaving import end_at_once

from . import terminal
from .collector import rare_collections
from .error_document import error_document
from .exit_codes import CONFLICT, DRIFT, ERROR, OK, UNAVAILABLE, USAGE, exit_code
from .json_text import json_pieces
from .long_text import print_pieces
from .streams import is_own_process, tolerant_streams
from .table import Column, laid_out, tab_separated

if TYPE_CHECKING:  # reading files is not for every command
    from flask_worker_templates.files.load import FileSet

__all__ = ["CONFLICT", "DRIFT", "ERROR", "OK", "UNAVAILABLE", "USAGE"]

VERSION = 1
"""Of every document. One changes its version where a program that reads the old form would be misled."""

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

_OWN_PROCESS = f"{__name__}.own_process"
_OLD_NAMES = {"text": "table", "table": "text"}


def output_option(*kinds: str) -> Callable[[F], F]:
    """Add ``-o`` to a command, and its old name, which is hidden. The first kind is the default."""
    # What is for people was called text everywhere.
    old = {kind: now for kind, now in _OLD_NAMES.items() if kind not in kinds and now in kinds}

    def add(function: F) -> F:
        function = click.option(
            "--format",
            "old_kind",
            type=click.Choice([*kinds, *old]),
            callback=lambda context, option, value: old.get(value, value),
            hidden=True,
        )(function)
        return click.option(
            "-o",
            "--output",
            "kind",
            type=click.Choice(kinds),
            default=kinds[0],
            show_default=True,
            help="Output format.",
        )(function)

    return add


format_option = output_option("text", "json")
config_option = click.option(
    "--config",
    "paths",
    multiple=True,
    metavar="PATH",
    type=click.Path(),
    help="Definition file, directory or glob instead of WORKER_TEMPLATES_CONFIG_PATH. Repeatable.",
)


def command(function: Callable[..., int | None]) -> Callable[..., None]:
    """Give a command its app context and its exit code: what it returns, or what its exception means."""

    @functools.wraps(function)
    @with_appcontext
    def run(*, old_kind: str | None = None, **arguments: Any) -> None:
        if old_kind is not None:
            arguments["kind"] = old_kind
        kind = arguments.get("kind", "text")
        if is_own_process():
            end_at_once()
            click.get_current_context().meta[_OWN_PROCESS] = True
        with tolerant_streams(), rare_collections():
            try:
                code = function(**arguments) or OK
            except WorkerTemplatesError as error:
                code = exit_code(error)
                print_error(error, kind)
            except (KeyboardInterrupt, click.Abort):
                code = ERROR
                print_error(Interrupted("Interrupted."), kind)
        # What went well does not end the program: it may be a step of a command of the host's (`ctx.invoke`).
        if code != OK:
            sys.exit(code)

    return run


def examples(*lines: str) -> Callable[[F], F]:
    """Add examples to the help of a command, each as it is typed."""

    def add(function: F) -> F:
        heading = "Example" if len(lines) == 1 else "Examples"
        shown = "\n".join(f"  {line}" for line in lines)
        function.__doc__ = f"{inspect.cleandoc(function.__doc__ or '')}\n\n\b\n{heading}:\n{shown}"
        return function

    return add


def described(text: str) -> Callable[[F], F]:
    """Give a function the help of its command, where that is made."""

    def add(function: F) -> F:
        function.__doc__ = text
        return function

    return add


class Interrupted(WorkerTemplatesError):
    """Somebody ended the command with Ctrl-C."""


def print_json(value: Any) -> None:
    """Print a JSON document on standard output; an iterator in it stands for a list, which is never held as a whole."""
    print_pieces(json_lines(value))


def json_lines(value: Any) -> Iterator[str]:
    """Yield the text of a JSON document for standard output, and a line end."""
    # Escaped where the output could not hold it: the document is printed whatever the encoding is.
    yield from json_pieces(value, only_ascii=not terminal.takes_utf8(sys.stdout))
    yield "\n"


def print_error(error: WorkerTemplatesError, kind: str) -> None:
    """Print an error: as JSON on standard output, else for people on standard error."""
    if kind == "json":
        print_json(error_document(error))
    elif isinstance(error, InvalidFiles):
        terminal.echo(str(error), err=True)
    else:
        say(f"{terminal.styled('Error', 'bad', err=True)}: {error}")


def say(text: str) -> None:
    """Tell people something beside the result, on standard error."""
    terminal.echo(text, err=True)


def warn(text: str) -> None:
    """Warn people, on standard error."""
    say(f"{terminal.styled('Warning', 'careful', err=True)}: {text}")


def print_table(columns: Sequence[Column[T]], items: Sequence[T]) -> None:
    """Print a table: for people if they read it on a terminal, else for programs."""
    if not terminal.is_terminal():
        terminal.page_out(tab_separated(columns, items))
    elif items:
        ellipsis = "…" if terminal.takes_utf8(sys.stdout) else "~"
        lines, hidden = laid_out(columns, items, terminal.width(), terminal.styled, ellipsis=ellipsis)
        terminal.page_out(lines)
        if hidden:
            say(f"Not shown, because the terminal is too narrow: {', '.join(hidden).lower()}.")


def chosen_files(state: AppState, paths: Sequence[str], *, pipes: bool = False) -> FileSet:
    """Read the definition files of a command line, which are relative to the working directory, or the configured."""
    own_process = _OWN_PROCESS in click.get_current_context().meta
    return state.read_files(paths, root=Path.cwd() if paths else None, pipes=pipes, own_process=own_process)


@contextmanager
def progress(length: int, label: str) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on standard error while a command works, if that is a terminal."""
    if not terminal.is_terminal(sys.stderr):
        yield lambda count: None
        return
    with ExitStack() as stack:
        bars: list[Any] = []

        def advance(count: int) -> None:
            if not bars:  # where there is nothing to do, there is no bar
                bars.append(stack.enter_context(click.progressbar(length=length, label=label, file=sys.stderr)))
            bars[0].update(count)

        yield advance


def all_items(read: Callable[[int], Page[Any]]) -> list[Any]:
    """Return the items of all pages."""
    return list(each_item(read))


def each_item(read: Callable[[int], Page[T]]) -> Iterator[T]:
    """Yield the items of all pages."""
    number = 1
    while True:
        page = read(number)
        yield from page
        if len(page) < page.page_size:
            return
        number += 1


def counted(things: Sequence[Any] | int, noun: str) -> str:
    """Return how many things there are, such as ``2 templates``."""
    count = things if isinstance(things, int) else len(things)
    return f"{count} {noun}{'' if count == 1 else 's'}"


def listed(names: Iterable[str], most: int = 5) -> str:
    """Return the first few of some names, such as ``'a', 'b' and 3 more``."""
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(repr(name) for name in names[:most]) + more
