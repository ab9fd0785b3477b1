"""What there is to print on: a terminal with its size and colours, or a pipe.

Colour is never alone: it repeats what a word beside it says. Everything for people is printed by `echo`, because names,
messages and whatever else is stored may hold what a terminal takes for a command.
"""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from collections.abc import Iterable
from typing import Any, Literal, TextIO

import click

from flask_worker_templates.model.printable import printable

Meaning = Literal["good", "careful", "bad", "added", "removed", "quiet", "head"]

_STYLES: dict[Meaning, dict[str, Any]] = {
    "good": {"fg": "green"},
    "careful": {"fg": "yellow"},
    "bad": {"fg": "red"},
    "added": {"fg": "green"},
    "removed": {"fg": "red"},
    "quiet": {"dim": True},
    "head": {"bold": True},
}


_ESCAPE = f"\0{secrets.token_hex(8)}\0"
"""Stands for the escape character of our own styles until it is printed. Nothing that is stored can hold it."""


def echo(text: str = "", *, err: bool = False) -> None:
    """Print a text of one or more lines; nothing in it controls the terminal, except its styles."""
    click.echo(_printed(text), err=err)


def _printed(text: str) -> str:
    return "\x1b".join(visible(part) for part in text.split(_ESCAPE))


def visible(text: str) -> str:
    """Return a text of one or more lines with what is not printable escaped."""
    return text if text.isprintable() else "".join(char if char in "\n\t" else printable(char) for char in text)


def is_terminal(stream: TextIO | None = None) -> bool:
    """Tell whether a person reads what is printed, by default on standard output."""
    stream = sys.stdout if stream is None else stream
    return stream.isatty()


def has_colours(stream: TextIO | None = None) -> bool:
    """Tell whether colours are wanted: on a terminal that has them, unless ``NO_COLOR`` is set."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def styled(text: str, meaning: Meaning | None, *, err: bool = False) -> str:
    """Return a text in the colour of its meaning, where there are colours."""
    if meaning is None or not has_colours(sys.stderr if err else sys.stdout):
        return text
    return click.style(visible(text), **_STYLES[meaning]).replace("\x1b", _ESCAPE)


def width() -> int:
    """Return the columns of the terminal; ``COLUMNS`` holds."""
    return shutil.get_terminal_size().columns


def height() -> int:
    """Return the lines of the terminal; ``LINES`` holds."""
    return shutil.get_terminal_size().lines


def takes_utf8(stream: TextIO) -> bool:
    """Tell whether a stream takes every character."""
    return (stream.encoding or "").lower().replace("-", "") == "utf8"


def page_out(lines: Iterable[str]) -> None:
    """Print lines on standard output; with a pager if that is a terminal, and they are more than fit on it."""
    if not is_terminal():
        for line in lines:
            echo(line)
        return
    listed = list(lines)
    if sum(line.count("\n") + 1 for line in listed) < height():
        for line in listed:
            echo(line)
    else:
        click.echo_via_pager("\n".join(map(_printed, listed)))
