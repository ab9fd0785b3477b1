"""A text with edits that wait to be carried out at once."""

from __future__ import annotations

from dataclasses import dataclass, field

from .dump import JSON, YAML, Syntax
from .layout import Layout


class CannotEdit(Exception):  # becomes an ExportRefused, which is the error
    """The text is written in a way that cannot be edited safely; it says in which."""


@dataclass(slots=True)
class Draft:
    """Edits of one text that do not touch each other.

    Attributes:
        text: as it is.
        eol: what ends its lines.
        is_json: whether it is JSON, not YAML.
        edits: start, end and replacement of each edit.
    """

    text: str
    eol: str
    is_json: bool
    edits: list[tuple[int, int, str]] = field(default_factory=list)
    layout: Layout = field(init=False)
    syntax: Syntax = field(init=False)

    def __post_init__(self) -> None:
        self.layout = Layout(self.text)
        self.syntax = JSON if self.is_json else YAML

    def replace(self, start: int, end: int, text: str) -> None:
        """Put a text in the place of another."""
        self.edits.append((start, end, text))

    def insert(self, place: int, text: str) -> None:
        """Put a text before an offset."""
        self.edits.append((place, place, text))

    def cut(self, start: int, end: int) -> None:
        """Remove a text."""
        self.edits.append((start, end, ""))

    def result(self) -> str:
        """Return the text with the edits carried out.

        Raises:
            CannotEdit: if two of them touch the same place.
        """
        parts: list[str] = []
        position = 0
        for start, end, replacement in sorted(self.edits, key=lambda edit: edit[:2]):
            if start < position:
                raise CannotEdit("two changes touch the same place")
            parts += [self.text[position:start], replacement]
            position = end
        return "".join([*parts, self.text[position:]])
