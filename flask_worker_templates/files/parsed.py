"""What the YAML and the JSON reader have in common: their result, where its parts stand, and their limits.

Lines and columns are 1-based and count characters, as editors do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, NoReturn

from flask_worker_templates.model.printable import printable as printable  # noqa: PLC0414  # also found here

MAX_DEPTH = 20
"""Levels of nesting; a definition file needs four."""
TOO_DEEP = f"Nested more than {MAX_DEPTH} levels deep."
MAX_NODES = 1_000_000
"""Keys and values of one file, with every alias counted as what it stands for."""
MAX_KEYS = 1_000
"""Keys of one mapping."""
MAX_FAULTS = 1_000
"""Faults that are listed; reading stops there, so that a hostile file costs neither time nor memory."""

MAX_INTEGER = 2**63 - 1
"""No field takes a larger whole number, and MongoDB holds none."""

_MAX_SHOWN_LENGTH = 60


class Place(NamedTuple):
    """Where a member of a mapping or of a list stands; in a list the key is the value."""

    key_line: int
    key_column: int
    line: int
    column: int
    text: str | None
    """What was written, for a plain (unquoted) YAML scalar."""


@dataclass(frozen=True, slots=True)
class ParseProblem:
    """Something that the reader of a syntax refuses."""

    line: int | None
    column: int | None
    message: str


@dataclass(slots=True)
class Parsed:
    """The value of a text, with the places of its parts.

    Containers are told apart by ``id()``: equal ones stand at different places, an alias is the same again.
    """

    value: Any = None
    problems: list[ParseProblem] = field(default_factory=list)
    complete: bool = False
    """Whether the text was read to its end; `value` is None otherwise."""
    lines: dict[int, list[int]] = field(default_factory=dict)
    """For each list, the line of each of its items."""
    places: dict[int, dict[str | int, Place]] = field(default_factory=dict)
    """For each container, the place of each member; filled only where places were asked for."""

    def note(self, line: int | None, column: int | None, message: str) -> None:
        """Record a problem that reading can go on after. Only the first of one place counts: others follow from it.

        Raises:
            Stop: when there are too many of them.
        """
        if self.problems and (self.problems[-1].line, self.problems[-1].column) == (line, column):
            return
        self.problems.append(ParseProblem(line, column, message))
        if len(self.problems) >= MAX_FAULTS:
            raise Stop

    def fail(self, line: int | None, column: int | None, message: str) -> NoReturn:
        """Record a problem that ends the reading.

        Raises:
            Stop: always.
        """
        self.problems.append(ParseProblem(line, column, message))
        raise Stop

    def new_places(self, container: object) -> dict[str | int, Place]:
        """Return the places of a new container, to be filled."""
        # Always new ones: the id may have belonged to a container that was dropped.
        places: dict[str | int, Place] = {}
        self.places[id(container)] = places
        return places

    def find(self, path: Sequence[str | int]) -> tuple[Place, Any, bool]:
        """Return the place and the value at a path, and whether it is there.

        For a path that is not there, the place and the value are those of the innermost container that is.
        """
        place = Place(1, 1, 1, 1, None)
        value = self.value
        for part in path:
            # Only containers: the id of anything else may have been that of a container that was dropped.
            known = self.places.get(id(value)) if isinstance(value, dict | list) else None
            inner = known.get(part) if known is not None else None
            if inner is None:
                return place, value, False
            place, value = inner, value[part]
        return place, value, True


class Stop(Exception):  # it ends the reading, the problems are the error
    """Reading cannot go on; the problems say why. Never leaves the readers."""


def shown(value: object) -> str:
    """Return a value as it can stand in a message: short, on one line, nothing unprintable in it."""
    if isinstance(value, str):
        return printable(repr(value[:_MAX_SHOWN_LENGTH])) + ("…" if len(value) > _MAX_SHOWN_LENGTH else "")
    return describe(value)


def describe(value: object) -> str:
    """Return what a value other than a string is, such as ``null`` or ``the boolean false``."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"the boolean {str(value).lower()}"
    if isinstance(value, int | float):
        return f"the number {value!r}"
    return "a mapping" if isinstance(value, dict) else "a list"


def is_bounded(number: float) -> bool:
    """Tell whether a number is finite and, if whole, fits into 64 bits."""
    return -MAX_INTEGER - 1 <= number <= MAX_INTEGER if isinstance(number, int) else math.isfinite(number)


def too_large(text: str) -> str:
    """Return the message for a number that is not bounded."""
    return f"{shown(text)} is not a finite number of a usable size: correct it, or quote it to mean the string."


def position_at(text: str, offset: int) -> tuple[int, int]:
    """Return the line and the column of an offset."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)
