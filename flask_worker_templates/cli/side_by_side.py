"""Two values of each field beside each other, where there is room; else below each other. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from flask_worker_templates.files.parsed import printable

from .field_changes import Change, value_text
from .table import Style, text_width

_MIN_ROOM = 60
_GAP = "  "


def side_by_side(changes: Sequence[Change], heads: tuple[str, str], room: int, style: Style) -> Iterator[str]:
    """Yield the lines that show changes to people; nothing of a value is cut off.

    Args:
        changes: as the history has them: ``field``, ``from`` and ``to``.
        heads: what the two sides are.
        room: columns of the terminal.
        style: gives a text a colour.
    """
    field_width = max([len("FIELD"), *(text_width(change["field"]) for change in changes)])
    each = (room - field_width - 2 * len(_GAP)) // 2
    if room < _MIN_ROOM or each < field_width // 2:
        yield from _below(changes, heads, style)
        return
    rows = [(change["field"], _text(change, "from"), _text(change, "to")) for change in changes]
    needed = max([text_width(heads[0]), *(text_width(row[1]) for row in rows)])
    left = min(each, needed)
    right = room - field_width - left - 2 * len(_GAP)
    yield _GAP.join(style(_padded(text, w), "head") for text, w in (("FIELD", field_width), (heads[0], left))) + (
        _GAP + style(heads[1], "head")
    )
    for path, before, after in rows:
        befores, afters = _wrapped(before, left), _wrapped(after, right)
        for n in range(max(len(befores), len(afters))):
            old = befores[n] if n < len(befores) else ""
            new = afters[n] if n < len(afters) else ""
            yield _GAP.join(
                (
                    _padded(path if n == 0 else "", field_width),
                    style(_padded(old, left), "removed"),
                    style(new, "added"),
                )
            ).rstrip()


def _below(changes: Sequence[Change], heads: tuple[str, str], style: Style) -> Iterator[str]:
    yield style(f"- {heads[0]}", "removed")
    yield style(f"+ {heads[1]}", "added")
    for change in changes:
        yield change["field"]
        if "from" in change:
            yield style(f"  - {_text(change, 'from')}", "removed")
        if "to" in change:
            yield style(f"  + {_text(change, 'to')}", "added")


def _text(change: Change, side: Literal["from", "to"]) -> str:
    return printable(value_text(change, side))


def _padded(text: str, width: int) -> str:
    return text + " " * (width - text_width(text))


def _wrapped(text: str, width: int) -> list[str]:
    lines, line, room = [], "", width
    for char in text:
        room -= text_width(char)
        if room < 0:
            lines.append(line)
            line, room = "", width - text_width(char)
        line += char
    return [*lines, line]
