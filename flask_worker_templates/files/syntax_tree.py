"""Where each part of a definition file's text stands, by offset, so that one part can be replaced and the rest kept.

Of texts that are valid, and only to edit them: what a text means is the business of `parse_yaml` and `parse_json`. One
tree for both syntaxes. The values have no use for it: to build it takes five times as long as to read them.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import yaml
from yaml.events import AliasEvent, CollectionEndEvent, MappingStartEvent, NodeEvent, ScalarEvent

from .parse_json import TOKEN
from .scalars import LOADER, resolve

BREAKS = "\n\r\x85\u2028\u2029"
"""What ends a line in YAML 1.1."""

_ALWAYS_WHOLE = 10
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
    items: Sequence[Node] = ()
    pairs: Sequence[tuple[Node, Node]] = ()

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


def locate_yaml(text: str, whole: Collection[int] | None = None) -> Node:
    """Return the tree of a valid YAML text with one document that holds something.

    Args:
        text: the text.
        whole: the numbers of the items of a list at the top level of which all parts are needed; None for all. Of
            others it may be told only where they stand. But the first few, which show how a file is written, are
            always whole, and so are those that have to do with an anchor, and those between brackets.
    """
    return _Tree(text, _yaml_steps(text), whole).root()


def locate_json(text: str, whole: Collection[int] | None = None) -> Node:
    """Return the tree of a valid JSON text; `whole` as in `locate_yaml`, but for the brackets."""
    return _Tree(text, _json_steps(text), whole, is_json=True).root()


class _Step(NamedTuple):
    """One step through a text: a scalar, an alias, the start of a mapping or of a sequence, or the end of either."""

    kind: Literal["scalar", "alias", "mapping", "sequence", "end"]
    start: int
    end: int
    style: str = ""
    value: str = ""
    flow: bool = True
    anchor: str | None = None


def _yaml_steps(text: str) -> Iterator[_Step]:
    for event in yaml.parse(text, Loader=LOADER):
        if not isinstance(event, NodeEvent | CollectionEndEvent):
            continue  # where the stream and its document begin and end
        marks: Any = event
        start, end = marks.start_mark.index, marks.end_mark.index
        if isinstance(event, CollectionEndEvent):
            yield _Step("end", start, end)
        elif isinstance(event, ScalarEvent):
            yield _Step("scalar", start, end, event.style or "", event.value, anchor=event.anchor)
        elif isinstance(event, AliasEvent):
            yield _Step("alias", start, end, anchor=event.anchor)
        else:
            is_mapping = isinstance(event, MappingStartEvent)
            flow = bool(marks.flow_style)
            yield _Step("mapping" if is_mapping else "sequence", start, end, flow=flow, anchor=event.anchor)


def _json_steps(text: str) -> Iterator[_Step]:
    for token in TOKEN.finditer(text):
        start, end = token.span()
        said = token.group()
        first = said[0]
        if first == '"':
            yield _Step("scalar", start, end, first, json.loads(said) if "\\" in said else said[1:-1])
        elif first in "]}":
            yield _Step("end", start, end)
        elif first in "[{":
            yield _Step("mapping" if first == "{" else "sequence", start, end)
        else:
            yield _Step("scalar", start, end, value=said)


class _Tree:
    """Builds the tree of a text of either syntax, step by step."""

    def __init__(
        self, text: str, steps: Iterator[_Step], whole: Collection[int] | None, *, is_json: bool = False
    ) -> None:
        self._text = text
        self._steps = steps
        self._whole = whole
        self._is_json = is_json
        self._anchors: dict[str, Node] = {}
        self._shared = 0  # anchors and aliases so far

    def root(self) -> Node:
        """Return the whole tree."""
        return self._node(next(self._steps), 0)

    def _node(self, step: _Step, depth: int) -> Node:
        """Return the node that begins with a step, its steps taken to the end."""
        kind, start, end, style, value, flow, anchor = step
        self._shared += anchor is not None
        if kind == "alias":
            return Node("alias", start, end, start, anchor=anchor, target=self._anchors[anchor or ""])
        inner = start
        if anchor is not None and (found := _ANCHOR.match(self._text, start)):
            # Nothing may be written after the anchor: then the node ends there.
            inner = min(skip_space(self._text, found.end()), end) if kind == "scalar" else found.end()
        if kind == "scalar":
            if style in ("|", ">"):
                end = inner + len(self._text[inner:end].rstrip(BREAKS + " \t"))
            node = Node("scalar", inner, end, start, style, value, anchor=anchor)
        else:
            assert kind != "end"  # noqa: S101  # no node begins with one
            node = Node(kind, skip_space(self._text, inner), end, start, flow=flow, anchor=anchor)
        if anchor is not None:
            self._anchors[anchor] = node
        if kind != "scalar":
            self._fill(node, depth)
        return node

    def _fill(self, node: Node, depth: int) -> None:
        items: list[Node] = []
        pairs: list[tuple[Node, Node]] = []
        node.items, node.pairs = items, pairs
        for step in self._steps:
            if step.kind == "end":
                if node.flow:
                    node.end = step.end
                return
            shared = self._shared
            inner = self._node(step, depth + 1)
            if node.kind == "mapping":
                value = self._node(next(self._steps), depth + 1)
                pairs.append((inner, value))
                inner = value if value.end > inner.end else inner
            else:
                if self._may_be_spared(node, depth, len(items)) and self._shared == shared:
                    inner = Node(inner.kind, inner.start, inner.end, inner.start, flow=inner.flow)
                items.append(inner)
            # The end of a block comes only with the next token, after comments and blank lines.
            node.end = inner.end

    def _may_be_spared(self, node: Node, depth: int, number: int) -> bool:
        """Whether of an item of a list only its place is needed, unless something refers to what is in it."""
        if self._whole is None or depth != 1 or number < _ALWAYS_WHOLE or number in self._whole:
            return False
        return self._is_json or not (node.flow or node.anchor)
