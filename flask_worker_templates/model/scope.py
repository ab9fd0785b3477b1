"""The scope: the part of all templates that one request may see and touch.

Pure: it is read from what the host's hook returns, and asked whether a spec is inside. The query that MongoDB gets for
the same question is made in ``store/queries.py``; a law in the tests holds the two together.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from .fields import LABEL_KEY_PATTERN
from .schema import Spec

_EXACT = ("license_type", "instance_type", "name")
_KEYS = "label, license_type, instance_type, name, name_prefix and extra.KEY"
_EXTRA = re.compile(r"extra\.([A-Za-z_][A-Za-z0-9_-]{0,62})\Z")
_LABEL = re.compile(LABEL_KEY_PATTERN.removeprefix("^").removesuffix("$") + "=")
_RULE = "The scope hook must return a mapping, a list of mappings, or flask_worker_templates.ALL"


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that a spec must have.

    Attributes:
        field: ``label``, ``license_type``, ``instance_type``, ``name``, ``name_prefix`` or ``extra.KEY``.
        value: a string, for a label ``key=value``; for ``extra.KEY`` also a number or a boolean.
    """

    field: str
    value: str | int | float | bool

    def holds(self, spec: Spec) -> bool:
        """Return whether a spec in normal form has it."""
        if self.field == "label":
            key, _, value = str(self.value).partition("=")
            return bool(spec["labels"].get(key) == value)
        if self.field == "name_prefix":
            return bool(spec["name"].startswith(self.value))
        if self.field.startswith("extra."):
            return _same(spec.get("extra", {}).get(self.field.removeprefix("extra.")), self.value)
        return bool(spec[self.field] == self.value)


@dataclass(frozen=True, slots=True)
class Scope:
    """All templates, or those that fulfil every condition of one of the alternatives.

    Attributes:
        alternatives: None for all templates; else one or several, each of one condition or several.
    """

    alternatives: tuple[tuple[Condition, ...], ...] | None

    @property
    def everything(self) -> bool:
        """Whether every template is inside."""
        return self.alternatives is None

    def contains(self, spec: Spec) -> bool:
        """Return whether a spec in normal form is inside."""
        if self.alternatives is None:
            return True
        return any(all(condition.holds(spec) for condition in every) for every in self.alternatives)


ALL = Scope(None)
"""The scope that holds every template."""


def scope_of(answer: object) -> Scope:
    """Return the scope that the host's hook means.

    Strict, because a mistake here would show what must stay hidden: an answer that is empty, unknown or None is an
    error of the host, and nothing is shown.

    Raises:
        TypeError: if it is none that a scope hook may give.
    """
    if answer == ALL:
        return ALL
    if isinstance(answer, Mapping):
        return Scope((_alternative(answer),))
    if not isinstance(answer, list | tuple):
        raise TypeError(f"{_RULE}, not {type(answer).__name__}.")
    if not answer:
        raise TypeError(f"{_RULE}. An empty list allows nothing and hides a mistake: use a label that no template has.")
    return Scope(tuple(_alternative(one) for one in answer))


def _alternative(answer: object) -> tuple[Condition, ...]:
    if not isinstance(answer, Mapping):
        raise TypeError(f"{_RULE}; its list holds {type(answer).__name__}.")
    if not answer:
        raise TypeError(f"{_RULE}. A mapping without a condition would hold every template: return ALL if you mean it.")
    return tuple(condition for key, value in answer.items() for condition in _conditions(key, value))


def _conditions(key: object, value: object) -> list[Condition]:
    if key == "label":
        values = value if isinstance(value, list | tuple) else [value]
        if not values:
            raise TypeError("The scope hook returned an empty list of labels: name one, or leave the key out.")
        return [Condition(key, _label(one)) for one in values]
    if key in _EXACT or key == "name_prefix":
        return [Condition(str(key), _string(str(key), value))]
    if isinstance(key, str) and _EXTRA.match(key):
        return [Condition(key, _scalar(key, value))]
    raise TypeError(f"The scope hook returned the unknown key {key!r}; the keys are {_KEYS}.")


def _label(value: object) -> str:
    label = _string("label", value)
    if not _LABEL.match(label):
        raise TypeError(f"The scope hook returned the label {label!r}, which must be key=value.")
    return label


def _string(key: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError(f"The scope hook returned {value!r} for {key!r}, which must be a string that is not empty.")
    return unicodedata.normalize("NFC", value)  # as specs have it


def _scalar(key: str, value: object) -> str | int | float | bool:
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise TypeError(f"The scope hook returned {value!r} for {key!r}, which must be a string, a number or a boolean.")


def _same(stored: object, wanted: object) -> bool:
    # As JSON compares them: true is not 1, and 1.0 is.
    return isinstance(stored, bool) is isinstance(wanted, bool) and stored == wanted
