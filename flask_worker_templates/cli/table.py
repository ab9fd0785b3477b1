"""Rows as columns: aligned and cut to a terminal's width for people, separated by tabs for programs.

Pure: what is known of the terminal is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from flask_worker_templates.files.parsed import printable

from .terminal import Meaning

T = TypeVar("T")
Style = Callable[[str, Meaning | None], str]

_GAP = "  "


@dataclass(frozen=True)
class Column(Generic[T]):
    """One column of a table.

    Attributes:
        head: its heading.
        shown: the cell of an item, for people.
        exact: the cell of an item, for programs; the same by default.
        meaning: what a cell's colour says.
        right: whether cells end at the right: numbers.
        narrowest: the least width that it may be cut to; None if it is never cut.
        rank: 0 for a column that is always shown; of the others the one of the highest rank makes room first.
    """

    head: str
    shown: Callable[[T], str]
    exact: Callable[[T], str] | None = None
    meaning: Callable[[T], Meaning | None] | None = None
    right: bool = False
    narrowest: int | None = None
    rank: int = 0


def tab_separated(columns: Sequence[Column[T]], items: Sequence[T]) -> Iterator[str]:
    """Yield a line for each item: no heading, nothing cut, one tab between two cells."""
    for item in items:
        yield "\t".join(printable((column.exact or column.shown)(item)) for column in columns)


def laid_out(
    columns: Sequence[Column[T]], items: Sequence[T], room: int, style: Style, *, ellipsis: str = "…"
) -> tuple[list[str], list[str]]:
    """Return the lines of a table that fits into `room`, and the headings of the columns that do not fit."""
    cells = [[printable(column.shown(item)) for item in items] for column in columns]
    heads = [column.head for column in columns]
    widths = [max(map(text_width, [head, *column])) for head, column in zip(heads, cells, strict=True)]
    kept, widths = _fitted(columns, widths, room)
    lines = [_line([style(_padded(heads[n], widths[n], columns[n].right, ellipsis), "head") for n in kept])]
    for row, item in enumerate(items):
        shown = []
        for n in kept:
            meaning = columns[n].meaning
            cell = _padded(cells[n][row], widths[n], columns[n].right, ellipsis)
            shown.append(style(cell, meaning(item)) if meaning else cell)
        lines.append(_line(shown))
    return lines, [head for n, head in enumerate(heads) if n not in kept]


def _fitted(columns: Sequence[Column[T]], wanted: Sequence[int], room: int) -> tuple[list[int], list[int]]:
    """Return the columns that are shown, by number, and the width of each column."""
    widths = list(wanted)
    kept = list(range(len(columns)))

    def excess() -> int:
        return sum(widths[n] for n in kept) + len(_GAP) * (len(kept) - 1) - room

    def narrowest(n: int) -> int:
        least = columns[n].narrowest
        return widths[n] if least is None else min(least, widths[n])

    while excess() - sum(widths[n] - narrowest(n) for n in kept) > 0:
        ranked = [n for n in kept if columns[n].rank]
        if not ranked:
            break
        kept.remove(max(ranked, key=lambda n: columns[n].rank))
    while excess() > 0:
        # The widest gives way first, until it is as wide as the next one.
        n = max(kept, key=lambda n: widths[n] - narrowest(n))
        if widths[n] == narrowest(n):
            break
        widths[n] -= 1
    return kept, widths


def _line(cells: Sequence[str]) -> str:
    return _GAP.join(cells).rstrip()


def _padded(text: str, width: int, right: bool, ellipsis: str) -> str:
    text = cut(text, width, ellipsis)
    blank = " " * (width - text_width(text))
    return blank + text if right else text + blank


def cut(text: str, width: int, ellipsis: str = "…") -> str:
    """Return a text that is no wider than `width` cells of a terminal, with an ellipsis for what was cut off."""
    if text_width(text) <= width:
        return text
    kept, room = "", width - text_width(ellipsis)
    for char in text:
        room -= text_width(char)
        if room < 0:
            break
        kept += char
    return kept + ellipsis


def text_width(text: str) -> int:
    """Return how many cells of a terminal a text takes: Chinese characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    from wcwidth import wcswidth

    return max(wcswidth(text), 0)
