"""YAML text to plain values, as PyYAML's safe loader resolves them, but strict, bounded and with positions.

Built on the events of libyaml (of PyYAML's own parser where libyaml is missing): the safe loader itself keeps
the last of duplicate keys, overflows the C stack on deep nesting, and forgets where things stood.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import Any, NoReturn

import yaml
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)
from yaml.reader import ReaderError

from .parsed import (
    MAX_DEPTH,
    MAX_KEYS,
    MAX_NODES,
    TOO_DEEP,
    Parsed,
    ParseProblem,
    Place,
    Stop,
    describe,
    position_at,
    printable,
    shown,
)
from .scalars import LOADER, NON_PRINTABLE, resolve

# libyaml compares each %TAG directive with all before it: as many as fit into a file would take minutes.
_TAG_DIRECTIVE = re.compile(r"^%TAG\b", re.MULTILINE)
_MAX_TAG_DIRECTIVES = 100

_MERGE = object()
_OPEN = object()

_HINTS = {
    "alias": 'quote a string that begins with "*"',
    "anchor": 'quote a string that begins with "&"',
    "cannot start": "indent with spaces, not tabs; quote a string that begins with a special character",
    "mapping values are not allowed": 'quote a string that holds ": ", and check the indentation',
    "expected": "check the indentation, the brackets and the quotes, here and in the lines before",
}


def parse_yaml(text: str, *, locate: bool = False) -> Parsed:
    """Read one YAML document.

    Args:
        text: the text of the file, without a byte order mark.
        locate: whether to record the place of every key and value, which costs time and memory.

    Returns:
        Values of JSON's types only; what was refused is in `problems`. Nothing is raised, whatever the text.
    """
    parsed = Parsed()
    loader = None
    try:
        if next(islice(_TAG_DIRECTIVE.finditer(text), _MAX_TAG_DIRECTIVES, None), None):
            parsed.fail(1, 1, "Too many %TAG directives: remove them, tags are not allowed.")
        loader = LOADER(text)
        parsed.value = _Builder(loader, parsed, locate=locate).document()
        parsed.complete = True
    except Stop:
        pass
    except ReaderError:
        _note_unprintable(text, parsed)
    except yaml.MarkedYAMLError as error:
        _note_syntax(error, parsed)
    except (yaml.YAMLError, ValueError, OverflowError):
        # ValueError, OverflowError: PyYAML's own parser converts numbers in directives and escapes unchecked.
        parsed.problems.append(ParseProblem(None, None, "Not valid YAML."))
    finally:
        if loader is not None:
            loader.dispose()
    return parsed


class _Builder:
    """Builds the value of one document by recursive descent, which `MAX_DEPTH` bounds."""

    def __init__(self, loader: Any, parsed: Parsed, *, locate: bool) -> None:
        self._parsed = parsed
        self._locate = locate
        # Counting in C: the events of a file are many, and nothing else bounds a file full of tiny ones.
        self._events = islice(iter(loader.get_event, None), MAX_NODES)
        self._size = 0
        # Most texts come again and again, keys most of all. Only keys are here that resolve to themselves.
        self._keys: dict[str, str] = {}
        self._plain: dict[str, Any] = {}
        # Of each anchor: the value, its size, and the text it was written as.
        self._anchors: dict[str, tuple[Any, int, str | None]] = {}

    def document(self) -> Any:
        """Return the value of the only document, None if there is none."""
        events = self._events
        try:
            next(events)  # the start of the stream
            if isinstance(next(events), StreamEndEvent):
                return None
            value = self._node(next(events), 1)
            event = self._after_document()
            while isinstance(event, DocumentStartEvent):
                # A mark at the end, with nothing behind it, begins no document that anybody means.
                content = next(events)
                if not _is_nothing(content):
                    break
                event = self._after_document()
        except StopIteration:
            self._parsed.fail(None, None, f"More than {MAX_NODES:,} keys and values: split the file.")
        if not isinstance(event, StreamEndEvent):
            self._fail(event, "A second document: put all templates under one `templates` key.")
        return value

    def _after_document(self) -> Any:
        event = next(self._events)
        while isinstance(event, DocumentEndEvent):
            event = next(self._events)
        return event

    def _node(self, event: Any, depth: int) -> Any:
        """Return the value that begins with `event`; read its events to the end."""
        kind = event.__class__
        if kind is ScalarEvent:
            if event.tag is not None:
                self._refuse_tag(event)
            text = event.value
            if event.style:
                value = text
            elif text in self._plain:
                value = self._plain[text]
            else:
                value = self._resolve(event)
            if event.anchor is not None:
                self._anchor(event, value, 1)
            return value
        if kind is AliasEvent:
            return self._alias(event)
        if depth > MAX_DEPTH:
            self._fail(event, TOO_DEEP)
        if event.tag is not None:
            self._refuse_tag(event)
        if event.anchor is None:
            return self._mapping(event, depth) if kind is MappingStartEvent else self._sequence(depth)
        before = self._size
        self._anchor(event, _OPEN, 0)
        value = self._mapping(event, depth) if kind is MappingStartEvent else self._sequence(depth)
        self._anchors[event.anchor] = (value, self._size - before, None)
        return value

    def _mapping(self, start: Any, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        sources: list[dict[str, Any]] = []
        places = self._parsed.new_places(result) if self._locate else None
        keys, events, node = self._keys, self._events, self._node
        for event in events:
            kind = event.__class__
            if kind is MappingEndEvent:
                break
            plain = kind is ScalarEvent and event.anchor is None and event.tag is None
            key = (keys.get(event.value) if plain else None) or self._key(event)
            value_event = next(events)
            value = node(value_event, depth + 1)
            if key is _MERGE:
                if sources:
                    self._note(event, "The key << is a duplicate in this mapping: write <<: [*first, *second].")
                sources += self._merge_sources(value_event, value)
            elif key in result:
                self._note(event, f"The key {shown(key)} is a duplicate in this mapping: remove one of them.")
            else:
                result[key] = value
                if places is not None:
                    places[key] = self._place(event, value_event)
        for source in sources:
            self._merge(result, source)
        if len(result) > MAX_KEYS:
            self._fail(start, f"More than {MAX_KEYS:,} keys in one mapping.")
        self._size += 1 + 2 * len(result)
        return result

    def _merge(self, result: dict[str, Any], source: dict[str, Any]) -> None:
        """Add what a source of `<<` has more."""
        places, from_places = (self._parsed.places.get(id(it), {}) for it in (result, source))
        for key, value in source.items():
            if key not in result:
                result[key] = value
                if self._locate:
                    places[key] = from_places[key]

    def _sequence(self, depth: int) -> list[Any]:
        result: list[Any] = []
        lines: list[int] = []
        self._parsed.lines[id(result)] = lines
        places = self._parsed.new_places(result) if self._locate else None
        for event in self._events:
            if event.__class__ is SequenceEndEvent:
                break
            lines.append(event.start_mark.line + 1)
            value = self._node(event, depth + 1)
            if places is not None:
                places[len(result)] = self._place(event, event)
            result.append(value)
        self._size += 1 + len(result)
        return result

    def _key(self, event: Any) -> Any:
        """Return a key that is not known yet: a string, or the sign of a merge."""
        if not isinstance(event, ScalarEvent | AliasEvent):
            self._fail(event, "A key that is a mapping or a list: a key must be a string.")
        if isinstance(event, AliasEvent):
            key = self._alias(event)
            if isinstance(key, str):
                return key
            self._note(event, f"A key that is {describe(key)}: a key must be a string.")
            return shown(key)
        text = event.value
        if event.tag is not None:
            self._refuse_tag(event)
        elif text == "<<" and not event.style and event.anchor is None:
            return _MERGE
        if event.anchor is not None:
            self._anchor(event, text, 1)
        meaning, refusal = (text, None) if event.style else resolve(text)
        if refusal is not None:
            self._note(event, refusal)
        elif not isinstance(meaning, str):
            self._note(event, f"The key {shown(text)} is {describe(meaning)} to YAML: quote it.")
        elif not event.style and event.tag is None and event.anchor is None:
            self._keys[text] = text
        return text

    def _resolve(self, event: Any) -> Any:
        """Return the value of a plain scalar that is not known yet."""
        value, refusal = resolve(event.value)
        if refusal is None:
            self._plain[event.value] = value
        else:
            self._note(event, refusal)
        return value

    def _anchor(self, event: Any, value: Any, size: int) -> None:
        name = event.anchor
        if name in self._anchors:
            self._note(event, f"The anchor {shown(name)} is a duplicate: give each one a name of its own.")
        text = event.value if event.__class__ is ScalarEvent and not event.style else None
        self._anchors[name] = (value, size, text)

    def _alias(self, event: Any) -> Any:
        name = event.anchor
        value, size, _ = self._anchors.get(name, (None, 0, None))
        if name not in self._anchors:
            quoted = shown(f"*{name}")
            self._note(
                event, f"There is no anchor {shown(name)} before this alias. To mean the string, write {quoted}."
            )
        elif value is _OPEN:
            self._note(event, f"The alias {shown(name)} refers to the value that contains it.")
            return None
        self._size += size
        if self._size > MAX_NODES:
            self._fail(event, f"The aliases stand for more than {MAX_NODES:,} keys and values.")
        return value

    def _merge_sources(self, event: Any, value: Any) -> list[dict[str, Any]]:
        sources = value if isinstance(value, list) else [value]
        if not all(isinstance(source, dict) for source in sources):
            self._note(event, "Only a mapping, or a list of mappings, can be merged by <<.")
            return []
        return sources

    def _refuse_tag(self, event: Any) -> None:
        self._note(event, f"The tag {shown(event.tag)}: tags are not allowed, remove it.")

    def _place(self, key: Any, value: Any) -> Place:
        text = None
        if isinstance(value, AliasEvent):
            text = self._anchors.get(value.anchor or "", (None, 0, None))[2]
        elif isinstance(value, ScalarEvent) and not value.style:
            text = value.value
        return Place(*_position(key.start_mark), *_position(value.start_mark), text)

    def _note(self, event: Any, message: str) -> None:
        self._parsed.note(*_position(event.start_mark), message)

    def _fail(self, event: Any, message: str) -> NoReturn:
        self._parsed.fail(*_position(event.start_mark), message)


def _is_nothing(event: Any) -> bool:
    return isinstance(event, ScalarEvent) and not (event.value or event.style or event.anchor or event.tag)


def _position(mark: Any) -> tuple[int, int]:
    return mark.line + 1, mark.column + 1


def _note_syntax(error: yaml.MarkedYAMLError, parsed: Parsed) -> None:
    what = f"{error.context or ''} {error.problem or ''}".strip() or "unknown"
    hint = next((hint for word, hint in _HINTS.items() if word in what), "correct the YAML here")
    # libyaml is one character too far where the sign of an alias or an anchor is followed by nothing usable.
    mark = error.context_mark if "scanning an a" in what else error.problem_mark or error.context_mark
    line, column = _position(mark) if mark is not None else (None, None)
    if error.context and error.context_mark is not None and error.context_mark.line + 1 != line:
        what = f"{error.context} that begins in line {error.context_mark.line + 1}, {error.problem}"
    # libyaml, since 0.2.6, counts the brackets of a whole line before it tells of the first of them.
    message = TOO_DEEP if "nesting depth" in what else f"Not valid YAML: {printable(what)}; {hint}."
    parsed.problems.append(ParseProblem(line, column, message))


def _note_unprintable(text: str, parsed: Parsed) -> None:
    # libyaml tells the offset in bytes, which may differ. It refuses the same characters as PyYAML's own reader.
    found = NON_PRINTABLE.search(text)
    offset = found.start() if found else 0
    line, column = position_at(text, offset)
    message = f"Not valid YAML: the character {shown(text[offset])} is not allowed here."
    parsed.problems.append(ParseProblem(line, column, message))
