"""JSON text to plain values, strict, bounded and with positions.

The standard library's parser decides what is JSON, and makes the values: 10,000 templates are read in 0.5 s, where a
builder of our own took 1.0 s. It knows no positions, so that those of a text in which something is wrong are found in a
second pass, over its tokens.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import re
from typing import Any

from .parsed import (
    MAX_DEPTH,
    MAX_KEYS,
    MAX_NODES,
    TOO_DEEP,
    Parsed,
    Place,
    Stop,
    is_bounded,
    position_at,
    printable,
    shown,
    too_large,
)

# Possessive, so that a long string costs no memory for backtracking. Commas and colons say nothing new.
TOKEN = re.compile(r'[\[\]{}]|"[^"\\]*+(?:\\.[^"\\]*+)*+"|[^\s,:"\[\]{}]++')
_MAX_NUMBER_LENGTH = 400
_WORDS = frozenset({"true", "false", "null"})
_SPACE = re.compile(r"[ \t\n\r]*")


def parse_json(text: str, *, locate: bool = False) -> Parsed:
    """Read one JSON value.

    Args:
        text: the text of the file, without a byte order mark.
        locate: whether to record the place of every key and value, which costs time and memory.

    Returns:
        The value; what was refused is in `problems`. Nothing is raised, whatever the text.
    """
    parsed = Parsed()
    with contextlib.suppress(Stop):
        try:
            # Numbers stay texts here: converting a long one takes quadratic time, and Python refuses 4,300 digits.
            json.loads(text, parse_int=str, parse_float=str, parse_constant=str, object_pairs_hook=len)
            reader = _Reader(text, parsed)
            value = reader.value()
            if locate or reader.doubtful:
                _Places(text, parsed).note(value)
        except json.JSONDecodeError as error:
            parsed.fail(error.lineno, error.colno, f"Not valid JSON: {printable(error.msg)}.")
        except RecursionError:
            # What was read until then is valid, and deeper than is allowed.
            _check_bounds(text, parsed)
        else:
            parsed.value, parsed.complete = value, True
    return parsed


class _Reader:
    """Makes the value of a text that is known to be JSON.

    Attributes:
        doubtful: whether something may be refused; what and where, the tree of the text tells.
    """

    def __init__(self, text: str, parsed: Parsed) -> None:
        self.doubtful = False
        self._text = text
        self._parsed = parsed
        self._decode = json.JSONDecoder(
            parse_int=self._number,
            parse_float=self._number,
            parse_constant=self._number,
            object_pairs_hook=self._object,
        ).raw_decode

    def value(self) -> Any:
        """Return the value.

        Raises:
            Stop: if it is larger or deeper than is allowed.
        """
        text = self._text
        # So many signs are between keys and values at least: most texts need not be counted any closer.
        if sum(map(text.count, ",:[{")) >= MAX_NODES:
            _check_bounds(text, self._parsed)
        start = self._after_space(0)
        value = self._root(start) if text[start] == "{" else self._decode(text, start)[0]
        if self.doubtful or _depth(value) > MAX_DEPTH:
            _check_bounds(text, self._parsed)
        return value

    def _root(self, start: int) -> dict[str, Any]:
        """Return the object at the root, whose lists are read item by item, for their lines."""
        pairs: list[tuple[str, Any]] = []
        at = self._after_space(start + 1)
        while self._text[at] != "}":
            key, at = self._decode(self._text, at)
            at = self._after_space(self._after_space(at) + 1)  # the colon
            value, at = self._list(at) if self._text[at] == "[" else self._decode(self._text, at)
            pairs.append((key, value))
            at = self._after_comma(at)
        return self._object(pairs)

    def _list(self, start: int) -> tuple[list[Any], int]:
        items: list[Any] = []
        lines = self._parsed.lines[id(items)] = []
        line, counted = 1, 0
        at = self._after_space(start + 1)
        while self._text[at] != "]":
            line, counted = line + self._text.count("\n", counted, at), at
            lines.append(line)
            item, at = self._decode(self._text, at)
            items.append(item)
            at = self._after_comma(at)
        return items, at + 1

    def _after_space(self, at: int) -> int:
        return _SPACE.match(self._text, at).end()  # type: ignore[union-attr]  # it matches nothing too

    def _after_comma(self, at: int) -> int:
        at = self._after_space(at)
        return self._after_space(at + 1) if self._text[at] == "," else at

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):  # the first of the same keys counts
            self.doubtful = True
            found = dict(reversed(pairs))
        if len(found) > MAX_KEYS:
            self.doubtful = True
        return found

    def _number(self, text: str) -> Any:
        number = _number_of(text)
        if number is None:
            self.doubtful = True
            return text
        return number


def _number_of(text: str) -> int | float | None:
    """Return a number, or None for one that is not finite, or is whole and larger than 64 bits."""
    if len(text) > _MAX_NUMBER_LENGTH:
        return None
    number = int(text) if text.lstrip("-").isdigit() else float(text)  # NaN and the infinities are such too
    return number if is_bounded(number) else None


def _depth(value: Any) -> int:
    level = [value]
    for depth in itertools.count():
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return depth + isinstance(value, dict | list)
    raise AssertionError  # pragma: no cover  # a value has an end


def _check_bounds(text: str, parsed: Parsed) -> None:
    """Look at a text that may be too large or too deep, without making anything of it.

    Raises:
        Stop: if it is, with the place as its problem.
    """
    opened: list[tuple[re.Match[str], int]] = []
    inside = 0  # keys and values of the innermost object or list
    for number, token in enumerate(TOKEN.finditer(text)):
        if number >= MAX_NODES:
            parsed.fail(None, None, f"More than {MAX_NODES:,} keys and values: split the file.")
        first = token.group()[0]
        if first in "]}":
            start, outer = opened.pop()
            if first == "}" and inside > 2 * MAX_KEYS:
                parsed.fail(*position_at(text, start.start()), f"More than {MAX_KEYS:,} keys in one object.")
            inside = outer
            continue
        inside += 1
        if first in "[{":
            opened.append((token, inside))
            inside = 0
            if len(opened) > MAX_DEPTH:
                parsed.fail(*position_at(text, token.start()), TOO_DEEP)


class _Places:
    """Notes the place of each part of a value, and what is wrong with it."""

    def __init__(self, text: str, parsed: Parsed) -> None:
        self._parsed = parsed
        self._text = text
        self._tokens = TOKEN.finditer(text)
        # Where the last position asked for was: counting each from the start would take quadratic time, and a table
        # of all line breaks could be larger than the text.
        self._offset = 0
        self._line = 1
        self._line_start = 0

    def note(self, value: Any) -> None:
        """Note those of the whole value."""
        self._note(next(self._tokens), value)

    def _note(self, token: re.Match[str], value: Any) -> None:
        """Note those of the value that begins with a token; the value is None for one that was dropped."""
        text = token.group()
        if text == "{":
            self._note_members(value)
        elif text == "[":
            self._note_items(value)
        elif text[0] != '"' and text not in _WORDS and _number_of(text) is None:
            self._parsed.note(*self._position(token), too_large(text))

    def _note_members(self, value: Any) -> None:
        members = value if isinstance(value, dict) else None
        places = self._parsed.new_places(value) if members is not None else {}
        while (token := next(self._tokens)).group() != "}":
            text, start = token.group(), next(self._tokens)
            key = json.loads(text) if "\\" in text else text[1:-1]
            twice = key in places
            self._note(start, None if twice or members is None else members[key])
            if twice:
                message = f"The key {shown(key)} is a duplicate in this object: remove one of them."
                self._parsed.note(*self._position(token), message)
            else:
                places[key] = Place(*self._position(token), *self._position(start), None)

    def _note_items(self, value: Any) -> None:
        items = value if isinstance(value, list) else None
        places = self._parsed.new_places(value) if items is not None else {}
        for number in itertools.count():
            if (token := next(self._tokens)).group() == "]":
                return
            position = self._position(token)
            self._note(token, items[number] if items is not None else None)
            places[number] = Place(*position, *position, None)

    def _position(self, token: re.Match[str]) -> tuple[int, int]:
        offset = token.start()
        if offset >= self._offset:
            breaks = self._text.count("\n", self._offset, offset)
        else:
            breaks = -self._text.count("\n", offset, self._offset)
        if breaks:
            self._line += breaks
            self._line_start = self._text.rfind("\n", 0, offset) + 1
        self._offset = offset
        return self._line, offset - self._line_start + 1
