"""Entries of a YAML file that stand alone: their lines can be read and edited as a file of their own.

Of a large file a few entries are edited. To find the place of each part of the whole text would take longer than all
the rest, and more memory.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence

_DASH = re.compile(" *-[ \t]")
_ANCHOR_OR_ALIAS = re.compile(r"(?<![^\s\[\]{},:])[&*]\S")


def places(text: str, lines: Sequence[int]) -> list[tuple[int, int]]:
    """Return where the lines of each entry begin and end.

    Args:
        text: YAML, valid.
        lines: the line of each entry, from 1, in the order of the text.
    """
    # YAML allows no other character at which only Python ends a line.
    starts = [0, *itertools.accumulate(map(len, text.splitlines(keepends=True)))]
    begins = [starts[line - 1] for line in lines]
    return list(itertools.pairwise([*begins, len(text)]))


def standalone(text: str, lines: Sequence[int], numbers: Iterable[int]) -> list[tuple[int, int, int]]:
    """Return entries that may stand alone, each with its number and its place.

    Whether one does, only reading its lines can tell. But nothing elsewhere refers to what is in them.

    Args:
        text: YAML, valid.
        lines: the line of each entry, from 1, in the order of the text.
        numbers: of the entries that are asked for, from 0.
    """
    found = places(text, lines)
    return [
        (number, *found[number])
        for number in numbers
        if _DASH.match(text, found[number][0]) and not _ANCHOR_OR_ALIAS.search(text, *found[number])
    ]
