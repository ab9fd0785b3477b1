"""The spec: the part of a template that people edit, its rules, and its normal form.

Pure: no Flask, no MongoDB. The rules are those of the template table in the documentation (``docs/templates.md``).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import marshmallow as ma
from marshmallow import fields, validate

from flask_worker_templates.errors import InvalidSpec

from .fields import NAME_PATTERN, WORD_PATTERN, Choice, Extra, Flag, Labels, Lines, NullableNested, Price, Text, Whole

Spec = dict[str, Any]
"""A spec in normal form: defaults filled, types fixed, keys in the order of ``FIELDS``, labels sorted."""

LICENSE_TYPES = ("PERSONAL", "ENTERPRISE", "EVALUATION")

_NAME: dict[str, Any] = {
    "min": 1,
    "max": 100,
    "pattern": NAME_PATTERN,
    "rule": "Must be printable characters, with no white space at either end.",
}
_NO_MAPPING = {"type": "Must be a mapping (in JSON, an object)."}


class WorkerTemplateCapacitySchema(ma.Schema):
    """What one machine has."""

    error_messages = _NO_MAPPING

    class Meta:
        """Strict: an unknown field is an error."""

        unknown = ma.RAISE

    cpu_cores = Whole(1, 10_000, required=True, metadata={"description": "Processor cores.", "example": 48})
    memory_gb = Whole(1, 1_000_000, required=True, metadata={"description": "Memory, in GB.", "example": 192})
    storage_gb = Whole(1, 100_000_000, required=True, metadata={"description": "Storage, in GB.", "example": 500})


class WorkerTemplatePortRangeSchema(ma.Schema):
    """The ports that a machine of this template opens, both ends included."""

    error_messages = _NO_MAPPING

    class Meta:
        """Strict: an unknown field is an error."""

        unknown = ma.RAISE

    start = Whole(1, 65_535, load_default=2000, metadata={"description": "First port.", "example": 2000})
    end = Whole(1, 65_535, load_default=9999, metadata={"description": "Last port.", "example": 9999})

    @ma.validates_schema
    def _in_order(self, data: dict[str, int], **kw: Any) -> None:
        if data["start"] > data["end"]:
            raise ma.ValidationError(f"Must not be above end ({data['end']}).", "start")


class WorkerTemplateDeprecationSchema(ma.Schema):
    """Why a template should not be used any more, and what to use instead."""

    error_messages = _NO_MAPPING

    class Meta:
        """Strict: an unknown field is an error."""

        unknown = ma.RAISE

    message = Text(
        required=True, min=1, max=500, metadata={"description": "Why, for people.", "example": "Out of support in May"}
    )
    replaced_by = Text(
        allow_none=True,
        load_default=None,
        **_NAME,
        metadata={"description": "Name of the template to use instead.", "example": "personal-large"},
    )


class WorkerTemplateSpecSchema(ma.Schema):
    """The editable part of a template: what a file entry, a POST and a PUT hold."""

    error_messages = _NO_MAPPING

    class Meta:
        """Strict: an unknown field is an error."""

        unknown = ma.RAISE

    name = Text(required=True, **_NAME, metadata={"description": "Unique name.", "example": "personal-standard"})
    description = Lines(
        max=1000, load_default="", metadata={"description": "For people.", "example": "Small personal labs"}
    )
    instance_type = Text(
        required=True,
        min=1,
        max=64,
        pattern=WORD_PATTERN,
        rule="Must be printable characters without white space.",
        metadata={"description": "Machine type of the cloud provider.", "example": "m5zn.metal"},
    )
    capacity = fields.Nested(
        WorkerTemplateCapacitySchema(), required=True, metadata={"description": "What one machine has."}
    )
    license_type = Choice(
        LICENSE_TYPES,
        required=True,
        metadata={"description": "Licence that the machine runs under.", "example": "PERSONAL"},
    )
    max_nodes = Whole(
        1, 100_000, load_default=20, metadata={"description": "Nodes that the licence allows.", "example": 20}
    )
    ami_pattern = Text(
        min=1,
        max=256,
        load_default="*",
        metadata={
            "description": "EC2 name wildcard of the machine images: `*` any run of characters, `?` one character.",
            "example": "CML-2.9.*",
        },
    )
    startup_time_minutes = Whole(
        0,
        10_080,
        load_default=20,
        metadata={"description": "Time a machine takes to start, in minutes.", "example": 20},
    )
    port_range = fields.Nested(
        WorkerTemplatePortRangeSchema(),
        load_default=lambda: {"start": 2000, "end": 9999},
        # The defaults are those of its fields: generators of clients cannot read one of an object.
        metadata={"description": "Ports that a machine opens."},
    )
    enabled = Flag(load_default=True, metadata={"description": "Whether workers may claim it.", "example": True})
    cost_per_hour_usd = Price(
        allow_none=True,
        load_default=None,
        validate=validate.Range(min=0),
        metadata={
            "description": "Price of one machine, in US dollars an hour; null where unknown.",
            "example": 3.96,
        },
    )
    labels = Labels(
        load_default=dict,
        metadata={"description": "Free key and value pairs.", "default": {}, "example": {"team": "qa"}},
    )
    max_claims = Whole(
        1,
        10_000,
        allow_none=True,
        load_default=None,
        metadata={"description": "The most workers that may claim it at a time; null for no limit.", "example": 50},
    )
    deprecation = NullableNested(
        WorkerTemplateDeprecationSchema(),
        metadata={"description": "Set for a template that no worker should claim any more; null otherwise."},
    )
    extra = Extra(
        load_default=dict,
        metadata={"description": "Fields of the app's own.", "default": {}, "additionalProperties": False},
    )


_schema = WorkerTemplateSpecSchema()

FIELDS = tuple(_schema.fields)
"""Names of the fields of a spec, in the order of the normal form."""

_KEYS = frozenset(FIELDS)
_DISTINCT = ("name", "description")  # hardly ever the same twice
_SMALL = 4  # keys of a mapping that is remembered: what anybody sends for a check must not fill the memory
NESTED = {name: tuple(it.schema.fields) for name, it in _schema.fields.items() if isinstance(it, fields.Nested)}
"""Names of the fields that have fields of their own, with their names, in the order of the normal form."""

FREE_KEYS = ("labels", "extra")
"""Fields whose keys are no fields of the spec."""

DIVIDED = frozenset({"capacity", "port_range", *FREE_KEYS})
"""Fields each of whose keys is a leaf. A deprecation is one leaf: its parts mean nothing without each other."""

DEFAULTS: Mapping[str, Any] = {
    name: it.load_default() if callable(it.load_default) else it.load_default
    for name, it in _schema.fields.items()
    if not it.required
}
"""What a field means where a spec leaves it out."""


def normalize(data: Any) -> Spec:
    """Return the normal form of a spec.

    Args:
        data: a mapping as read from a file, a request body or Python.

    Raises:
        InvalidSpec: with every error of the spec and its path.
    """
    try:
        return _load_by_field(data)
    except (ma.ValidationError, TypeError, KeyError):
        pass  # something is wrong or unusual: the whole schema says all of it
    try:
        loaded = _schema.load(data)
    except ma.ValidationError as error:
        raise InvalidSpec(error.messages_dict) from None
    return {name: loaded[name] for name in FIELDS}


def _load_by_field(data: Any) -> Spec:
    """Load a spec field by field, remembering what the schema's fields made of values seen before.

    A fleet's templates differ in their names and share most other values, so that thousands of them are loaded in a
    third of the time that the whole schema takes.

    Raises:
        ValidationError, TypeError, KeyError: if the whole schema must look at it.
    """
    if type(data) is not dict or not _KEYS.issuperset(data):
        raise TypeError
    spec: Spec = {}
    for name, field in _schema.fields.items():
        value = data.get(name, ma.missing)
        if type(value) is dict and len(value) <= _SMALL:
            # With the types, because 1, 1.0 and True are the same key. Copied, because the caller may change it.
            items = tuple((key, type(inner), inner) for key, inner in value.items())
            spec[name] = dict(_remembered(name, "dict", items))
        elif name in _DISTINCT or value is ma.missing or type(value) is dict:
            spec[name] = field.deserialize(value)
        else:
            spec[name] = _remembered(name, type(value).__name__, value)
    return spec


@functools.lru_cache(maxsize=4096)
def _remembered(name: str, kind: str, value: Any) -> Any:
    if kind == "dict":
        value = {key: inner for key, _, inner in value}
    return _schema.fields[name].deserialize(value)


def valid_part_normalized(spec: Spec) -> Spec:
    """Return a stored spec in today's normal form; a value that breaks today's rules stands as it is."""
    try:
        return normalize(spec)
    except InvalidSpec:
        return {name: _normalized_or_same(name, value) for name, value in spec.items()}


def _normalized_or_same(name: str, value: Any) -> Any:
    try:
        return _schema.fields[name].deserialize(value)
    except (ma.ValidationError, KeyError):
        return value


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
        if path in old and path in new and old[path] == new[path]:
            continue
        change: dict[str, Any] = {"field": path}
        if path in old:
            change["from"] = old[path]
        if path in new:
            change["to"] = new[path]
        listed.append(change)
    return listed


def merge_patch(target: Any, patch: Any) -> Any:
    """Return `target` with a JSON Merge Patch applied (RFC 7396, section 2); neither argument is changed."""
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def patched(spec: Spec, patch: Any) -> Spec:
    """Return the normal form of `spec` with a merge patch applied; ``null`` brings a field's default back.

    Raises:
        InvalidSpec: if the result breaks a rule, or the patch names a field that there is not, even as null.
    """
    if not isinstance(patch, Mapping):
        raise InvalidSpec({"_schema": ["Invalid input type: a merge patch is an object."]})
    result = merge_patch(spec, patch)
    # A null takes a field away, also one that there is not; put back, that one is an error among the others.
    result |= {key: None for key in patch if key not in FIELDS}
    for name, known in NESTED.items():
        if isinstance(patch.get(name), Mapping):
            result[name] |= {key: None for key in patch[name] if key not in known}
    return normalize(result)
