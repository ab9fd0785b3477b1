"""How the text of a definition file is laid out: its lines, columns and blank lines, and whose each comment is."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence

from flask_worker_templates.model.spec import FIELDS, NESTED

from .syntax_tree import BREAKS

_BREAK = re.compile(f"\r\n|[{BREAKS}]")
_INDENT = re.compile("[ \t]*")
_KNOWN = "|".join({*FIELDS, *(key for keys in NESTED.values() for key in keys)})
_FIELD_IN_COMMENT = re.compile(rf"[ \t]*#[ \t]*(?:{_KNOWN}):(?=[{BREAKS}\s]|$)")


class Layout:
    """Where the lines of a text begin, and what they look like. A line is told by the offset of its first character."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._starts = [0, *(found.end() for found in _BREAK.finditer(text))]

    def start(self, offset: int) -> int:
        """Return the line of an offset."""
        return self._starts[bisect_right(self._starts, offset) - 1]

    def next(self, offset: int) -> int:
        """Return the line after that of an offset: the end of the text, if there is none."""
        number = bisect_right(self._starts, offset)
        return self._starts[number] if number < len(self._starts) else len(self.text)

    def column(self, offset: int) -> int:
        """Return how many characters stand before an offset on its line."""
        return offset - self.start(offset)

    def indent(self, offset: int) -> str:
        """Return the white space that the line of an offset begins with."""
        found = _INDENT.match(self.text, self.start(offset))
        return found.group() if found else ""

    def head(self, offset: int) -> int:
        """Return the offset of the first character of the line of an offset that is not white space."""
        return self.start(offset) + len(self.indent(offset))

    def leads(self, offset: int) -> bool:
        """Tell whether a member between brackets is the first on its line, with a comma before it or without."""
        return not self.text[self.head(offset) : offset].strip(" \t,")

    def comment_column(self, line: int) -> int:
        """Return the column of the comment on a line that holds nothing else, -1 if there is none."""
        head = self.head(line)
        return head - line if self.text[head : head + 1] == "#" else -1

    def is_blank(self, line: int) -> bool:
        """Tell whether a line holds white space only."""
        return line < len(self.text) and not self.text[line : self.next(line)].strip(" \t" + BREAKS)

    def after_blank_lines(self, line: int) -> int:
        """Return the first line from this one on that is not blank."""
        while self.is_blank(line):
            line = self.next(line)
        return line

    def before_blank_lines(self, line: int) -> int:
        """Return the first of the blank lines directly above a line, or the line itself."""
        while line and self.is_blank(above := self.start(line - 1)):
            line = above
        return line

    def comments_above(self, line: int, floor: int) -> int:
        """Return the first of the lines of comments directly above a line, not above `floor`, or the line itself."""
        while line > floor and self.comment_column(above := self.start(line - 1)) >= 0:
            line = above
        return line


class Block:
    """The members of a block list or mapping, with the lines that belong to each: its own, and comments.

    A comment directly above a member is its own, whatever the column; but one that is deeper than the members and
    directly below another member belongs to that one. Where the first member has such a comment above it, which can be
    nobody else's, the author writes comments so: then deeper ones are of the member below them, unless they hold a
    field that is commented out.

    Args:
        layout: of the text.
        spans: where each member begins and ends.
        column: of the members.
        opening: an offset on the last line before the first member.
    """

    def __init__(self, layout: Layout, spans: Sequence[tuple[int, int]], column: int, opening: int) -> None:
        self._layout = layout
        self._spans = spans
        self._column = column
        self._opening = layout.next(opening)
        first = layout.start(spans[0][0])
        line = layout.comments_above(first, self._opening)
        self._has_deep_headings = False
        while line < first:
            self._has_deep_headings |= layout.comment_column(line) > column
            line = layout.next(line)

    def first_line(self, number: int) -> int:
        """Return the first line of a member, that of its first comment."""
        floor = self.last_line(number - 1) if number else self._opening
        return self._layout.comments_above(self._layout.start(self._spans[number][0]), floor)

    def last_line(self, number: int) -> int:
        """Return the line after the last one of a member."""
        layout = self._layout
        is_last = number + 1 == len(self._spans)
        stop = len(layout.text) if is_last else layout.start(self._spans[number + 1][0])
        line = layout.next(self._spans[number][1])
        while line < stop and layout.comment_column(line) > self._column:
            if self._has_deep_headings and not is_last and not _FIELD_IN_COMMENT.match(layout.text, line):
                break
            line = layout.next(line)
        return line

    def cuts(self, numbers: Sequence[int]) -> list[tuple[int, int]]:
        """Return what goes with members that are removed.

        The blank lines between what stays are those that were before what goes, or none at the end.
        """
        count = len(self._spans)
        last_kept = max(set(range(count)) - set(numbers), default=-1)
        cuts: list[tuple[int, int]] = []
        for number in numbers:
            start, end = self.first_line(number), self.last_line(number)
            if number == last_kept + 1:
                start = self._layout.before_blank_lines(start)
            if number + 1 < count:
                end = self._layout.after_blank_lines(end)
            cuts.append((start, end))
        return cuts
