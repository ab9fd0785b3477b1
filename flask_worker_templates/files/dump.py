"""Values as the text of a definition file: JSON, or YAML that means the same to readers of YAML 1.1 and of YAML 1.2."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

from flask_worker_templates.model.rules import STANDARD, SpecRules
from flask_worker_templates.model.spec import DEFAULTS, FIELDS, Spec

from .scalars import is_literal, json_text, string


def declaration(spec: Spec, rules: SpecRules = STANDARD) -> dict[str, Any]:
    """Return an entry that means this spec, with the fields left out that hold their defaults."""
    spec = {**spec, "extra": rules.extra.declaration(spec["extra"])}
    return {name: spec[name] for name in FIELDS if name not in DEFAULTS or spec[name] != DEFAULTS[name]}


def item_lines(lines: list[str], indent: str) -> list[str]:
    """Return the lines of a mapping as those of an item of a block list whose dashes stand after `indent`."""
    return [f"{indent}{'  ' if number else '- '}{line}" if line else "" for number, line in enumerate(lines)]


class Syntax(Protocol):
    """How values are written in YAML, or in JSON."""

    def scalar(self, value: Any, style: str, *, flow: bool) -> str:
        """Return a scalar on one line.

        Args:
            value: what it shall mean.
            style: the quotes to use, if they are needed or it is a string; empty for none.
            flow: whether it stands between brackets.
        """

    def inline(self, value: Any, style: str = "") -> str:
        """Return a value on one line, as it can stand between brackets; `style` is that of the strings in it."""


class _Yaml:
    def scalar(self, value: Any, style: str, *, flow: bool) -> str:
        if isinstance(value, str):
            return string(value, style, flow=flow)
        if type(value) is int:
            return str(value)
        text = json.dumps(value)
        # Only with a point is it a number in YAML 1.1.
        return text.replace("e", ".0e") if isinstance(value, float) and "." not in text else text

    def inline(self, value: Any, style: str = "") -> str:
        if isinstance(value, Mapping):
            pairs = (f"{self.inline(key, style)}: {self.inline(inner, style)}" for key, inner in value.items())
            return "{" + ", ".join(pairs) + "}"
        if isinstance(value, list | tuple):
            return "[" + ", ".join(self.inline(inner, style) for inner in value) + "]"
        return self.scalar(value, style, flow=True)

    def lines(self, mapping: Mapping[str, Any], step: int) -> list[str]:
        """Return the lines of a block mapping, not indented; what is in it is indented by `step`."""
        lines: list[str] = []
        for key, value in mapping.items():
            head = self.scalar(key, "", flow=False) + ":"
            if type(value) is int or (type(value) is str and "\n" not in value):  # most, and so told first
                lines.append(f"{head} {self.scalar(value, '', flow=False)}")
                continue
            inner: list[str] = []
            if isinstance(value, Mapping) and value:
                inner = self.lines(value, step)
            elif isinstance(value, list | tuple) and value:
                inner = [line for item in value for line in self._item(item, step)]
            elif isinstance(value, str) and is_literal(value):
                head, inner = f"{head} |-", value.split("\n")
            else:
                # Empty brackets, and scalars.
                text = self.inline(value) if isinstance(value, Mapping | list | tuple) else ""
                head = f"{head} {text or self.scalar(value, '', flow=False)}"
            lines += [head, *(" " * step + line if line else "" for line in inner)]
        return lines

    def _item(self, value: Any, step: int) -> list[str]:
        if isinstance(value, Mapping) and value:
            return item_lines(self.lines(value, step), "")
        return [f"- {self.inline(value)}"]


class _Json:
    def scalar(self, value: Any, style: str, *, flow: bool) -> str:
        return self.inline(value)

    def inline(self, value: Any, style: str = "") -> str:
        return json_text(value)

    def indented(self, value: Any, step: str) -> str:
        """Return a value on several lines, which `step` indents."""
        return json_text(value, step)


YAML = _Yaml()
JSON = _Json()
