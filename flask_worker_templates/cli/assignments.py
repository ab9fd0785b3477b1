"""What is typed as ``field=value`` and ``key-``, as merge patches of a spec. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from marshmallow import fields

from flask_worker_templates.errors import InvalidParameters
from flask_worker_templates.files.parse_yaml import parse_yaml
from flask_worker_templates.model.rules import STANDARD, SpecRules
from flask_worker_templates.model.spec import FIELDS
from flask_worker_templates.model.suggestions import unknown

_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)((?:\.[^=]+)?)=(.*)", re.DOTALL)
_LABEL = re.compile(r"([A-Za-z0-9._/-]{1,63})(?:=(.*)|-)", re.DOTALL)


def split_assignments(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Divide arguments into names of templates and assignments."""
    names: list[str] = []
    assignments: list[str] = []
    for argument in arguments:
        (assignments if _ASSIGNMENT.match(argument) else names).append(argument)
    return names, assignments


def patch_of(assignments: Iterable[str], rules: SpecRules = STANDARD) -> dict[str, Any]:
    """Return the merge patch that assignments mean; ``field=`` brings the default of a field back.

    Args:
        assignments: as they were typed.
        rules: of a spec in the app: they say which fields are strings.

    Raises:
        InvalidParameters: with everything that is no assignment to a field.
    """
    patch: dict[str, Any] = {}
    errors: dict[str, list[str]] = {}
    for assignment in assignments:
        found = _ASSIGNMENT.fullmatch(assignment)
        if found is None:
            errors[assignment] = ["Must be field=value."]
            continue
        name, inner, text = found[1], found[2][1:], found[3]
        if name not in FIELDS:
            errors[name] = [unknown(name, FIELDS)]
            continue
        # A label's key may hold dots: only the first one divides.
        keys = [name, *([inner] if name == "labels" else inner.split("."))] if inner else [name]
        place = patch
        for key in keys[:-1]:
            below = place.get(key)
            place[key] = place = below if isinstance(below, dict) else {}
        place[keys[-1]] = None if text == "" else _value(rules.schema.fields, keys, text)
    if errors:
        raise InvalidParameters(errors)
    return patch


def _value(known: Mapping[str, fields.Field[Any]], keys: Sequence[str], text: str) -> Any:
    field: Any = known[keys[0]]
    for key in keys[1:]:
        inner = getattr(field, "schema", None)
        if inner is not None:
            field = next((one for name, one in inner.fields.items() if (one.data_key or name) == key), None)
    if isinstance(field, fields.String) or (keys[0] == "labels" and len(keys) > 1):
        return text
    read = parse_yaml(text)
    return read.value if read.complete else text


def split_labels(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Divide arguments into names of templates and changes of labels."""
    names: list[str] = []
    labels: list[str] = []
    for argument in arguments:
        (labels if "=" in argument or argument.endswith("-") else names).append(argument)
    return names, labels


def label_patch_of(arguments: Iterable[str]) -> dict[str, Any]:
    """Return the merge patch that ``key=value`` and ``key-`` mean; the second takes a label away.

    Raises:
        InvalidParameters: with every argument that is neither.
    """
    labels: dict[str, str | None] = {}
    errors: dict[str, list[str]] = {}
    for argument in arguments:
        found = _LABEL.fullmatch(argument)
        if found is None:
            errors[argument] = ["Must be key=value, or key- to remove a label; a key has 1–63 of A-Z a-z 0-9 . _ / -."]
        else:
            labels[found[1]] = found[2]
    if errors:
        raise InvalidParameters(errors)
    return {"labels": labels}
