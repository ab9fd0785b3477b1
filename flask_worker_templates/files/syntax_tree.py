"""Where each part of a definition file's text stands, by offset, so that one part can be replaced and the rest kept.

For texts that the readers have accepted, and only to edit them: what a text means is the business of `yaml_reader` and
`json_reader`.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import yaml
from yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from .parse_json import TOKEN
from .scalars import LOADER, resolve

BREAKS = "\n\r\x85\u2028\u2029"
"""What ends a line in YAML 1.1."""

_ANCHOR = re.compile(r"&[\w-]+")
_SPACE = re.compile(f"(?:[ \t{BREAKS}]|#[^{BREAKS}]*)*")


@dataclass(slots=True, eq=False)
class Node:
    """A key or a value of a text.

    Attributes:
        kind: what it is; an alias is a node of its own.
        start: offset of its first character, after an anchor.
        end: offset after its last character, without trailing comments and blank lines.
        outer_start: offset with the anchor.
        style: of a scalar: the empty text if plain, else its first character.
        value: of a scalar, as its text is to be understood.
        flow: whether a mapping or a list is written in brackets.
        anchor: the name of its anchor; of an alias, the name that it refers to.
        target: of an alias, what it stands for.
        items: of a list.
        pairs: of a mapping.
    """

    kind: Literal["scalar", "mapping", "sequence", "alias"]
    start: int
    end: int
    outer_start: int
    style: str = ""
    value: str = ""
    flow: bool = False
    anchor: str | None = None
    target: Node | None = None
    items: list[Node] = field(default_factory=list)
    pairs: list[tuple[Node, Node]] = field(default_factory=list)

    @property
    def key(self) -> str:
        """What it says as a key of a mapping."""
        return (self.target or self).value

    @property
    def merges(self) -> bool:
        """Whether it is the key ``<<`` of a merge."""
        return self.kind == "scalar" and self.value == "<<" and not self.style and self.anchor is None

    def own(self, key: str) -> tuple[Node, Node] | None:
        """Return the pair of a mapping that has this key; none that is merged into it."""
        return next((pair for pair in self.pairs if pair[0].key == key and not pair[0].merges), None)

    def walk(self) -> Iterator[Node]:
        """Yield the node and everything in it, in the order of the text."""
        yield self
        for inner in itertools.chain(self.items, itertools.chain.from_iterable(self.pairs)):
            yield from inner.walk()

    def content(self) -> Any:
        """Return what the node means, with aliases and merges carried out."""
        if self.target is not None:
            return self.target.content()
        if self.kind == "sequence":
            return [item.content() for item in self.items]
        if self.kind == "scalar":
            return self.value if self.style else resolve(self.value)[0]
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key, value in self.pairs:
            if key.merges:
                sources = value.content()
                for source in sources if isinstance(sources, list) else [sources]:
                    merged = {**source, **merged}
            else:
                own[key.key] = value.content()
        return {**merged, **own}


def skip_space(text: str, offset: int) -> int:
    """Return the offset of the next character that is not white space and in no comment."""
    found = _SPACE.match(text, offset)
    return found.end() if found else offset


def locate_yaml(text: str) -> Node:
    """Return the tree of a valid YAML text with one document that holds something."""
    events = yaml.parse(text, Loader=LOADER)
    next(events), next(events)  # the starts of the stream and of the document
    return _YamlTree(text, events).node(next(events))


class _YamlTree:
    def __init__(self, text: str, events: Iterator[Any]) -> None:
        self._text = text
        self._events = events
        self._anchors: dict[str, Node] = {}

    def node(self, event: Any) -> Node:
        """Return the node that begins with `event`, its events read to the end."""
        start, end = event.start_mark.index, event.end_mark.index
        if isinstance(event, AliasEvent):
            target = self._anchors[event.anchor or ""]
            return Node("alias", start, end, start, anchor=event.anchor, target=target)
        inner = start
        if event.anchor is not None and (found := _ANCHOR.match(self._text, start)):
            # Nothing may be written after the anchor: then the node ends there.
            inner = min(skip_space(self._text, found.end()), end) if isinstance(event, ScalarEvent) else found.end()
        if isinstance(event, ScalarEvent):
            style = event.style or ""
            if style in ("|", ">"):
                end = inner + len(self._text[inner:end].rstrip(BREAKS + " \t"))
            node = Node("scalar", inner, end, start, style=style, value=event.value)
        elif isinstance(event, SequenceStartEvent):
            node = Node("sequence", inner, end, start, flow=bool(event.flow_style))
        else:
            node = Node("mapping", inner, end, start, flow=bool(event.flow_style))
        node.anchor = event.anchor
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        if not isinstance(event, ScalarEvent):
            node.start = skip_space(self._text, inner)
            self._fill(node, is_mapping=isinstance(event, MappingStartEvent))
        return node

    def _fill(self, node: Node, *, is_mapping: bool) -> None:
        for event in self._events:
            if isinstance(event, MappingEndEvent | SequenceEndEvent):
                if node.flow:
                    mark: Any = event.end_mark
                    node.end = mark.index
                return
            inner = self.node(event)
            if is_mapping:
                value = self.node(next(self._events))
                node.pairs.append((inner, value))
                inner = value if value.end > inner.end else inner
            else:
                node.items.append(inner)
            # The end of a block comes only with the next token, after comments and blank lines.
            node.end = inner.end


def locate_json(text: str) -> Node:
    """Return the tree of a valid JSON text."""
    tokens = TOKEN.finditer(text)
    return _json_node(next(tokens), tokens)


def _json_node(token: re.Match[str], tokens: Iterator[re.Match[str]]) -> Node:
    start, end = token.span()
    first = token.group()[0]
    if first == '"':
        text = token.group()
        return Node("scalar", start, end, start, style=first, value=json.loads(text) if "\\" in text else text[1:-1])
    if first not in "[{":
        return Node("scalar", start, end, start, value=token.group())
    node = Node("sequence" if first == "[" else "mapping", start, end, start, flow=True)
    for inner in tokens:
        if inner.group() in ("]", "}"):
            node.end = inner.end()
            break
        item = _json_node(inner, tokens)
        if first == "{":
            node.pairs.append((item, _json_node(next(tokens), tokens)))
        else:
            node.items.append(item)
    return node
