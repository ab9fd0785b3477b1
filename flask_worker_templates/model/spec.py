"""The spec: the part of a template that people edit, its leaves and its changes.

Pure: no Flask, no MongoDB. Its fields are those of `schema`, its rules in an app those of `rules`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_worker_templates._defaults import LICENSE_TYPES

from .extra_values import same
from .merge_patch import merge_patch
from .rules import normalize, patched
from .schema import DEFAULTS, DIVIDED, FIELDS, FREE_KEYS, NESTED, Spec, WorkerTemplateSpecSchema

__all__ = [
    "DEFAULTS",
    "DIVIDED",
    "FIELDS",
    "FREE_KEYS",
    "LICENSE_TYPES",
    "NESTED",
    "Spec",
    "WorkerTemplateSpecSchema",
    "changes",
    "flatten",
    "merge_patch",
    "normalize",
    "patched",
    "same",
    "unflatten",
]


def flatten(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return the leaves of a spec by dotted path: one for each label (``labels.team``) and each key of ``extra``."""
    leaves: dict[str, Any] = {}
    for name, value in spec.items():
        if name in DIVIDED:
            leaves.update((f"{name}.{key}", inner) for key, inner in value.items())
        else:
            leaves[name] = value
    return leaves


def unflatten(leaves: Mapping[str, Any]) -> Spec:
    """Return the spec that has these leaves, with its keys in the order of the normal form.

    The result is in normal form if the leaves came from specs in normal form, but it may break a rule that spans
    fields (``port_range``, the number of labels): use `normalize` where that can be.
    """
    spec: Spec = {name: {} if name in DIVIDED else None for name in FIELDS}
    for path, value in leaves.items():
        # A label key may hold dots: only the first one divides.
        name, dot, key = path.partition(".")
        if dot:
            spec[name][key] = value
        else:
            spec[name] = value
    for name in DIVIDED.intersection(NESTED):
        spec[name] = {key: spec[name][key] for key in NESTED[name] if key in spec[name]}
    spec["labels"] = dict(sorted(spec["labels"].items()))
    return spec


def changes(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the leaves that differ, as ``{"field": path, "from": value, "to": value}``, in the order of the spec.

    A leaf that was not there has no ``from``; one that is gone has no ``to``. Without `before` there are none:
    the first revision of a template changed nothing.
    """
    if before is None:
        return []
    old, new = flatten(before), flatten(after)
    listed: list[dict[str, Any]] = []
    for path in [*old, *(path for path in new if path not in old)]:
        if path in old and path in new and same(old[path], new[path]):
            continue
        change: dict[str, Any] = {"field": path}
        if path in old:
            change["from"] = old[path]
        if path in new:
            change["to"] = new[path]
        listed.append(change)
    return listed
