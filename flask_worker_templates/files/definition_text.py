"""Definition files made from specs: entry by entry, so that none need be there as a whole.

The templates of a fleet differ in their names and share most other values. So the text of a field is remembered by its
value: to make an entry takes a fifth of the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal

from flask_worker_templates.model.rules import STANDARD, SpecRules
from flask_worker_templates.model.spec import DEFAULTS, FIELDS, Spec

from .dump import YAML
from .scalars import json_text, string

Kind = Literal["yaml", "json"]

_DISTINCT = ("name", "description")  # the first fields, hardly ever the same twice
_MOST, _LONGEST = 4096, 256  # texts that are remembered of one field, and characters of one
_NOTHING: Any = None, None


def definition_file(specs: Iterable[Spec], kind: Kind, rules: SpecRules = STANDARD) -> str:
    """Return a definition file with these templates, in their order; the same text for the same specs."""
    return "".join(definition_pieces(specs, kind, rules))


def definition_pieces(specs: Iterable[Spec], kind: Kind, rules: SpecRules = STANDARD) -> Iterator[str]:
    """Yield the text of a definition file piece by piece."""
    return pieces_of(map(EntryTexts(kind, rules).entry, specs), kind)


def pieces_of(entries: Iterable[str], kind: Kind) -> Iterator[str]:
    """Yield the text of a definition file of which the entries are given."""
    opening, between, end, none = _FORMS[kind]
    before = opening
    for entry in entries:
        yield before + entry
        before = between
    yield none if before == opening else end


_FORMS: Mapping[Kind, tuple[str, str, str, str]] = {
    "yaml": ("templates:\n", "\n\n", "\n", "templates: []\n"),
    "json": ('{\n  "templates": [\n', ",\n", "\n  ]\n}\n", '{\n  "templates": []\n}\n'),
}
"""What stands before the first template, between two, and after the last one; and instead of all, if there is none."""


class EntryTexts:
    """Makes the entries of one definition file.

    Args:
        kind: of the file.
        rules: those of the app.
        in_form: given a field and a value of it, returns the value to be written. What it raises, `entry` raises.
    """

    def __init__(
        self, kind: Kind, rules: SpecRules = STANDARD, in_form: Callable[[str, Any], Any] = lambda name, value: value
    ) -> None:
        self._rules = rules
        self._in_form = in_form
        self._pair = _json_pair if kind == "json" else _yaml_pair
        self._opening, self._between, self._end = _ENTRIES[kind]
        # By field and value: the type of the value, because 1, 1.0 and True are the same key, and its text.
        self._known: dict[str, dict[Any, tuple[Any, str | None]]] = {
            name: {} for name in FIELDS if name not in (*_DISTINCT, "extra")
        }

    def entry(self, spec: Spec) -> str:
        """Return the text of an entry that means a spec, with the fields left out that hold their defaults."""
        texts = [self._text(name, spec[name]) for name in _DISTINCT]
        for name, known in self._known.items():
            value = spec[name]
            kind: Any = type(value)
            key = value
            if kind is dict:
                key, kind = tuple(value.items()), tuple(map(type, value.values()))
            of, text = known.get(key, _NOTHING)
            if of is None or of != kind:
                text = self._text(name, value)
                if text is None or len(text) <= _LONGEST:
                    if len(known) >= _MOST:
                        known.clear()
                    known[key] = kind, text
            texts.append(text)
        texts.append(self._text("extra", spec["extra"]))
        return self._opening + self._between.join([text for text in texts if text is not None]) + self._end

    def _text(self, name: str, value: Any) -> str | None:
        """Return the text of a field, None for one that is left out."""
        value = self._in_form(name, value)
        if name == "extra":
            value = self._rules.extra.declaration(value)
        if name in DEFAULTS and value == DEFAULTS[name]:
            return None
        return self._pair(name, value)


_ENTRIES: Mapping[Kind, tuple[str, str, str]] = {
    "yaml": ("  - ", "\n    ", ""),
    "json": ("    {\n      ", ",\n      ", "\n    }"),
}
"""What stands before the first field, between two, and after the last one."""


def _yaml_pair(name: str, value: Any) -> str:
    if type(value) is str and "\n" not in value:  # the name, most of all
        return f"{name}: {string(value, flow=False)}"
    first, *others = YAML.lines({name: value}, 2)
    return "\n".join([first, *("    " + line if line else "" for line in others)])


def _json_pair(name: str, value: Any) -> str:
    if isinstance(value, str):  # told first, because an indented one takes ten times as long
        return f'"{name}": {json_text(value)}'
    return f'"{name}": {json_text(value, 2)}'.replace("\n", "\n      ")
