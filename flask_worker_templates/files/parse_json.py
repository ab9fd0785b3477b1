"""JSON text to plain values, strict, bounded and with positions.

The standard library's parser decides what is JSON. It knows no positions, so that a second pass over the
tokens builds the value.
"""

from __future__ import annotations

import json
import re
from itertools import islice
from typing import Any

from .parsed import (
    MAX_DEPTH,
    MAX_KEYS,
    MAX_NODES,
    TOO_DEEP,
    Parsed,
    Place,
    Problem,
    Stop,
    is_bounded,
    printable,
    shown,
    too_large,
)

# Possessive, so that a long string costs no memory for backtracking. Commas and colons say nothing new.
TOKEN = re.compile(r'[\[\]{}]|"[^"\\]*+(?:\\.[^"\\]*+)*+"|[^\s,:"\[\]{}]++')
_WORDS: dict[str, Any] = {"true": True, "false": False, "null": None}
_LONGEST_NUMBER = 400


def read_json(text: str, *, locate: bool = False) -> Parsed:
    """Read one JSON value.

    Args:
        text: the text of the file, without a byte order mark.
        locate: whether to record the place of every key and value, which costs time and memory.

    Returns:
        The value; what was refused is in `problems`. Nothing is raised, whatever the text.
    """
    parsed = Parsed()
    try:
        # Numbers stay texts: converting a long one takes quadratic time, and Python refuses 4,300 digits.
        json.loads(text, parse_int=str, parse_float=str, parse_constant=str, object_pairs_hook=_nothing)
    except json.JSONDecodeError as error:
        message = f"Not valid JSON: {printable(error.msg)}."
        parsed.problems.append(Problem(error.lineno, error.colno, message))
        return parsed
    except RecursionError:
        # What was read until then is valid, and deeper than the builder goes, which knows the place.
        pass
    try:
        parsed.value = _Builder(text, parsed, locate=locate).document()
        parsed.complete = True
    except Stop:
        pass
    return parsed


def _nothing(_pairs: list[tuple[str, Any]]) -> None:
    return None


class _Builder:
    """Builds the value by recursive descent, which `MAX_DEPTH` bounds."""

    def __init__(self, text: str, parsed: Parsed, *, locate: bool) -> None:
        self._parsed = parsed
        self._locate = locate
        self._tokens = islice(TOKEN.finditer(text), MAX_NODES)
        self._text = text
        # Where the last position asked for was: counting each from the start would take quadratic time, and a table
        # of all line breaks could be larger than the text.
        self._offset = 0
        self._line = 1
        self._line_start = 0

    def document(self) -> Any:
        """Return the value of the text."""
        try:
            return self._value(next(self._tokens), 1)
        except StopIteration:
            self._parsed.fail(None, None, f"More than {MAX_NODES:,} keys and values: split the file.")

    def _value(self, token: re.Match[str], depth: int) -> Any:
        text = token.group()
        if text[0] == '"':
            return json.loads(text) if "\\" in text else text[1:-1]
        if text in ("{", "["):
            if depth > MAX_DEPTH:
                self._parsed.fail(*self._position(token), TOO_DEEP)
            return self._object(token, depth) if text == "{" else self._array(depth)
        if text in _WORDS:
            return _WORDS[text]
        # NaN, Infinity and -Infinity come here too, which the standard library takes for numbers.
        number: float = json.loads(text) if len(text) <= _LONGEST_NUMBER else float("inf")
        if not is_bounded(number):
            self._parsed.note(*self._position(token), too_large(text))
            return text
        return number

    def _object(self, start: re.Match[str], depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        places = self._parsed.new_places(result) if self._locate else None
        while (token := next(self._tokens)).group() != "}":
            key = self._value(token, depth)
            value_token = next(self._tokens)
            value = self._value(value_token, depth + 1)
            if key in result:
                message = f"The key {shown(key)} twice in one object: remove one of them."
                self._parsed.note(*self._position(token), message)
                continue
            result[key] = value
            if places is not None:
                places[key] = Place(*self._position(token), *self._position(value_token), None)
        if len(result) > MAX_KEYS:
            self._parsed.fail(*self._position(start), f"More than {MAX_KEYS:,} keys in one object.")
        return result

    def _array(self, depth: int) -> list[Any]:
        result: list[Any] = []
        lines: list[int] = []
        self._parsed.lines[id(result)] = lines
        places = self._parsed.new_places(result) if self._locate else None
        while (token := next(self._tokens)).group() != "]":
            position = self._position(token)
            value = self._value(token, depth + 1)
            lines.append(position[0])
            if places is not None:
                places[len(result)] = Place(*position, *position, None)
            result.append(value)
        return result

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
