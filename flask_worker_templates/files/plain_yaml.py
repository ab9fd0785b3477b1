"""The YAML that most definition files are written in, read line by line, in a fraction of the time of libyaml's events.

That is: mappings and lists in block style, a key and its value on one line. What a line says is known from the first
line that says the same; of a fleet most lines come again and again. Everything else is not judged here: a text that has
it (a value of several lines, an anchor, a fault) is read by `parse_yaml` as a whole.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any

from .parsed import MAX_DEPTH, MAX_KEYS, MAX_NODES, Parsed
from .scalars import resolve

# Tabs, line breaks of other kinds, what no YAML may hold, and the byte order mark.
_UNUSUAL = re.compile("[^\n -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_KEY = re.compile(r"( *)(- +)?([A-Za-z_$][\w./$-]*):(?: +(.*))?", re.ASCII)
_ITEM = re.compile(r"( *)- +(.*)")
_NOTHING = re.compile(" *(?:#.*)?")
_QUOTED = re.compile(r"""(?:"([^"\\]*)"|'([^']*)')(?: +#.*| *)""")
_PLAIN_START = re.compile(r"[\w./+(~]|-[\w.]")

_MAX_LINES = MAX_NODES // 2
_MAX_REMEMBERED = 50_000
"""Lines of which is remembered what they say."""
_MAX_EXACT = 1_000
"""Lines of which only libyaml can tell what they say. If there are more, it reads the whole text at less cost."""
_MAX_EXACT_LENGTH = 1_000
"""Characters of such a line."""
_MAX_LEVELS = MAX_DEPTH // 2
"""Levels of lines, and levels within one line."""

_Line = tuple[int, int, str | None, Any, object]
"""The column of the dash, -1 for none; that of the key; the key, None for an item without one; the value; and what is
to be done about it: `_BEGINS`, `_COPIED` or None."""

_BEGINS = object()
"""Nothing stands behind the key: its value may begin in the next line."""
_COPIED = object()
"""The value is a container, and each line has one of its own; given as how to copy it, what, and its size."""

_BLANK: _Line = (-1, -1, None, None, None)
_START: _Line = (-1, -2, None, None, None)
_IN_LIST = -3
"""No column: whatever comes next is looked at closely."""


class _Unusual(Exception):  # it ends the reading here, and `parse_yaml` reads the text
    """The text has something that is not read here."""


def read_plain(text: str, exact: Callable[[str], Parsed]) -> Parsed | None:
    """Return what a text says if it is written as most are, and has no fault; else None.

    Args:
        text: the text of the file, without a byte order mark.
        exact: reads a YAML document, whatever is in it.
    """
    if text.count("\n") > _MAX_LINES or _UNUSUAL.search(text):
        return None
    try:
        return _Reader(exact).read(text)
    except _Unusual:
        return None


class _Reader:
    def __init__(self, exact: Callable[[str], Parsed]) -> None:
        self._exact = exact
        self._exact_lines = 0
        self._lines: dict[str, _Line] = {"": _BLANK, "---": _START}
        self._keys: dict[str, str] = {}
        self._scalars: dict[str, Any] = {}
        self._has_started = False
        self._nodes = 0  # keys and values, and more rather than less
        self._parsed = Parsed(value={}, complete=True)
        # The column of each container, itself, and whether it is a list; from the outermost to the innermost.
        self._open: list[tuple[int, Any, bool]] = [(0, self._parsed.value, False)]

    def read(self, text: str) -> Parsed:
        """Return what the text says.

        Raises:
            _Unusual: if it is not for this reader.
        """
        lines = text.split("\n")
        known = self._lines
        inner: Any = self._parsed.value
        column = 0
        empty: str | None = None  # the last key, if nothing stands behind it
        for number, line in enumerate(lines, 1):
            found = known.get(line) or self._line(line)
            dash, at, key, value, sign = found
            if at != column or dash >= 0:  # else it is the next key of the same mapping, as most are
                if key is None and dash < 0:
                    if found is _START:
                        self._start()
                    continue
                inner = self._item(dash, at, key, empty, number) if dash >= 0 else self._mapping(at, empty)
                empty = None
                if key is None:
                    inner.append(self._copied(value) if sign is _COPIED else value)
                    column = _IN_LIST
                    continue
                column = at
            if key in inner:
                raise _Unusual
            if sign is None:
                inner[key] = value
                empty = None
            elif sign is _COPIED:
                inner[key] = self._copied(value)
                empty = None
            else:
                inner[key] = None
                empty = key
        self._close(-1)
        if not self._parsed.value or self._nodes + 2 * len(lines) > MAX_NODES:
            raise _Unusual
        return self._parsed

    def _start(self) -> None:
        if self._has_started or self._parsed.value:
            raise _Unusual  # a second document
        self._has_started = True

    # Containers

    def _mapping(self, at: int, empty: str | None) -> dict[str, Any]:
        """Return the mapping that a key in this column belongs to."""
        if self._close(at, also_list=True):
            empty = None
        column, container, is_list = self._open[-1]
        if column == at and not is_list:
            return container  # type: ignore[no-any-return]
        if empty is None:
            raise _Unusual
        mapping: dict[str, Any] = {}
        container[empty] = mapping
        self._begin(at, mapping, is_list=False)
        return mapping

    def _item(self, dash: int, at: int, key: str | None, empty: str | None, number: int) -> Any:
        """Return what is to be filled by an item: a new mapping, or the list if the item is no mapping."""
        if self._close(dash):
            empty = None
        column, container, is_list = self._open[-1]
        items: list[Any] = container
        if not is_list:
            if empty is None:
                raise _Unusual
            items = container[empty] = []
            self._begin(dash, items, is_list=True)
            self._parsed.lines[id(items)] = []
        elif column != dash:
            raise _Unusual
        self._parsed.lines[id(items)].append(number)
        if key is None:
            return items
        mapping: dict[str, Any] = {}
        items.append(mapping)
        self._begin(at, mapping, is_list=False)
        return mapping

    def _begin(self, column: int, container: Any, *, is_list: bool) -> None:
        self._open.append((column, container, is_list))
        self._nodes += 2
        if len(self._open) > _MAX_LEVELS:
            raise _Unusual

    def _close(self, at: int, *, also_list: bool = False) -> bool:
        """Leave the containers that end before a column, and a list that ends at it; return whether there are any."""
        before = len(self._open)
        while self._open:
            column, container, is_list = self._open[-1]
            if column < at or (column == at and not (is_list and also_list)):
                break
            if len(container) > MAX_KEYS and not is_list:
                raise _Unusual
            self._open.pop()
        return len(self._open) < before

    def _copied(self, written: tuple[Callable[[Any], Any], Any, int]) -> Any:
        make, value, size = written
        self._nodes += size
        return make(value)

    # Lines

    def _line(self, line: str) -> _Line:
        """Return what a line says that is not known yet."""
        if found := _KEY.fullmatch(line):
            before, dash, key, rest = found.groups()
            at = len(before) + len(dash or "")
            if not at and rest and rest[0] in "{[":
                raise _Unusual  # it may be the list of templates, of which the lines are wanted
            value, sign = self._meaning(rest or "")
            says: _Line = (len(before) if dash else -1, at, self._key(key), value, sign)
        elif found := _ITEM.fullmatch(line):
            value, sign = self._meaning(found[2])
            if sign is _BEGINS:
                raise _Unusual
            says = (len(found[1]), -1, None, value, sign)
        elif _NOTHING.fullmatch(line):
            says = _BLANK
        else:
            raise _Unusual
        if len(self._lines) < _MAX_REMEMBERED:
            self._lines[line] = says
        return says

    def _key(self, text: str) -> str:
        if text not in self._keys:
            if resolve(text) != (text, None):
                raise _Unusual
            self._keys[text] = text
        return self._keys[text]

    def _meaning(self, rest: str) -> tuple[Any, object]:
        """Return the value that the rest of a line is, and what is to be done about it."""
        first = rest[:1]
        if not first or first == "#":
            return None, _BEGINS
        if first in "\"'" and (found := _QUOTED.fullmatch(rest)):
            return found[1] if first == '"' else found[2], None
        if first in "\"'{[":
            return self._exactly(rest)
        text = rest.partition(" #")[0].rstrip(" ")
        if text in self._scalars:
            return self._scalars[text], None
        if not _PLAIN_START.match(text) or ": " in text or text.endswith(":"):
            raise _Unusual
        value, refusal = resolve(text)
        if refusal is not None:
            raise _Unusual
        self._scalars[text] = value
        return value, None

    def _exactly(self, rest: str) -> tuple[Any, object]:
        """Return what something in quotes or brackets is that ends in its line."""
        self._exact_lines += 1
        if self._exact_lines > _MAX_EXACT or len(rest) > _MAX_EXACT_LENGTH:
            raise _Unusual
        if "&" in rest or rest.count("[") + rest.count("{") > _MAX_LEVELS:
            raise _Unusual
        read = self._exact(rest)
        value: Any = read.value
        # A quoted string that is a key makes a mapping where it stands alone, and is an error behind another key.
        expected: type[Any] = {"{": dict, "[": list}.get(rest[0], str)
        if not read.complete or read.problems or not isinstance(value, expected):
            raise _Unusual
        if isinstance(value, str):
            return value, None
        inner = value.values() if isinstance(value, dict) else value
        flat = not any(isinstance(one, dict | list) for one in inner)
        return (copy.copy if flat else copy.deepcopy, value, 2 * len(rest)), _COPIED
