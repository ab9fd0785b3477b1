"""The filters above a list, made from the parameters of the API: one that is added there appears here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import marshmallow as ma
from marshmallow import fields, validate

_LABELS = {
    "q": "Search",
    "name": "Name",
    "name_prefix": "Name starts with",
    "license_type": "Licence",
    "instance_type": "Instance type",
    "enabled": "Enabled",
    "is_seeded": "From a file",
    "deprecated": "Deprecated",
    "label": "Label",
    "ami": "Fits this image",
    "min_cpu_cores": "Cores, minimum",
    "min_memory_gb": "Memory (GB), minimum",
    "min_storage_gb": "Storage (GB), minimum",
    "min_nodes": "Nodes, minimum",
}
_PLACEHOLDERS = {"label": "team=qa", "ami": "CML-2.9.1", "instance_type": "m5zn.metal"}
_NOT_SHOWN = frozenset({"page", "page_size", "sort", "name"})


@dataclass(frozen=True, slots=True)
class Filter:
    """One filter, named as the API's parameter."""

    name: str
    label: str
    type: str = "search"
    placeholder: str = ""
    choices: Sequence[tuple[str, str]] = ()

    @property
    def often(self) -> bool:
        """Whether it is shown at once: the search, and what is chosen from a few."""
        return self.name == "q" or bool(self.choices)


def filters(schema: ma.Schema, labels: Mapping[str, str] = _LABELS) -> tuple[Filter, ...]:
    """Return a filter for each parameter of a list, ``q`` first."""
    listed = [
        _filter(name, field, labels.get(name, name)) for name, field in schema.fields.items() if name not in _NOT_SHOWN
    ]
    return tuple(sorted(listed, key=lambda one: one.name != "q"))


def _filter(name: str, field: fields.Field[object], label: str) -> Filter:
    inner = field.inner if isinstance(field, fields.List) else field
    if isinstance(inner, fields.Boolean):
        return Filter(name, label, choices=(("true", "yes"), ("false", "no")))
    for one in inner.validators:
        if isinstance(one, validate.OneOf):
            return Filter(name, label, choices=tuple((str(choice), str(choice)) for choice in one.choices))
    # No input of the type "number": it drops what was typed where that is none, and the answer could not show it.
    return Filter(
        name, label, "numeric" if isinstance(inner, fields.Integer) else "search", _PLACEHOLDERS.get(name, "")
    )
