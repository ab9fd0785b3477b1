"""Specs as the text of a definition file: YAML that a YAML 1.1 reader understands as it is meant, or JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any, Literal, Protocol

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode
from yaml.representer import SafeRepresenter

from flask_worker_templates.model.spec import DEFAULTS, FIELDS, Spec

Kind = Literal["yaml", "json"]


def declaration(spec: Spec) -> dict[str, Any]:
    """Return an entry that means this spec, with the fields left out that hold their defaults."""
    return {name: spec[name] for name in FIELDS if name not in DEFAULTS or spec[name] != DEFAULTS[name]}


def definition_file(specs: Iterable[Spec], kind: Kind) -> str:
    """Return a definition file with these templates, in their order; the same text for the same specs."""
    entries = [declaration(spec) for spec in specs]
    if kind == "json":
        return json.dumps({"templates": entries}, indent=2, ensure_ascii=False) + "\n"
    if not entries:
        return "templates: []\n"
    blocks = ("\n".join(item_lines(YAML.lines(entry, 2), "  ")) for entry in entries)
    return "templates:\n" + "\n\n".join(blocks) + "\n"


def item_lines(lines: list[str], indent: str) -> list[str]:
    """Return the lines of a mapping as those of an item of a block list whose dashes stand after `indent`."""
    return [f"{indent}{'  ' if number else '- '}{line}" for number, line in enumerate(lines)]


class Syntax(Protocol):
    """How values are written in YAML, or in JSON."""

    def scalar(self, value: Any, style: str, *, flow: bool) -> str:
        """Return a scalar on one line.

        Args:
            value: what it shall mean.
            style: the quotes to use, if they are needed or it is a text; empty for none.
            flow: whether it stands between brackets.
        """

    def inline(self, value: Any) -> str:
        """Return a value on one line, as it can stand between brackets."""


class _Yaml:
    def scalar(self, value: Any, style: str, *, flow: bool) -> str:
        node = _represented(value)
        if isinstance(node, ScalarNode) and isinstance(value, str) and style:
            node.style = style
        # Within a mapping, or a list in brackets, because what needs quotes there needs none alone.
        if flow:
            return _serialized(yaml.SequenceNode("tag:yaml.org,2002:seq", [node], flow_style=True))[1:-1]
        return _serialized(_mapping_node([(_represented("k"), node)])).removeprefix("k: ")

    def inline(self, value: Any) -> str:
        # In a list, which itself is in brackets, so that a scalar is quoted where it must be.
        return _serialized(_represented([value], flow=True))[1:-1]

    def lines(self, mapping: Mapping[str, Any], step: int) -> list[str]:
        """Return the lines of a block mapping, not indented; its inner mappings are indented by `step`."""
        return _serialized(_represented(mapping), step).split("\n")


class _Json:
    def scalar(self, value: Any, style: str, *, flow: bool) -> str:
        return self.inline(value)

    def inline(self, value: Any) -> str:
        return json.dumps(value, ensure_ascii=False)

    def indented(self, value: Any, step: str) -> str:
        """Return a value on several lines, which `step` indents."""
        return json.dumps(value, ensure_ascii=False, indent=step)


YAML = _Yaml()
JSON = _Json()


def _represented(value: Any, *, flow: bool = False) -> Node:
    representer: Any = SafeRepresenter(default_flow_style=flow, sort_keys=False)
    node: Node = representer.represent_data(value)
    return node


def _mapping_node(pairs: list[tuple[Node, Node]]) -> MappingNode:
    return MappingNode("tag:yaml.org,2002:map", pairs, flow_style=False)


def _serialized(node: Node, step: int = 2) -> str:
    # The width: each scalar stays on one line, however long.
    text: str = yaml.serialize(node, Dumper=yaml.SafeDumper, indent=step, width=sys.maxsize, allow_unicode=True)
    return text.removesuffix("\n")
