"""The fields of a spec and their rules, as marshmallow schemas, which also document them.

Pure: no Flask, no MongoDB. The rules are those of the template table in the documentation (``docs/templates.md``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import marshmallow as ma
from marshmallow import fields, validate

from flask_worker_templates._defaults import LICENSE_TYPES

from .extra import ExtraFields
from .fields import (
    NAME_PATTERN,
    WORD_PATTERN,
    Choice,
    Extra,
    Labels,
    Lines,
    NullableNested,
    Price,
    StrictBoolean,
    StrictInteger,
    Text,
    choice_validator,
    extra_field,
)

Spec = dict[str, Any]
"""A spec in normal form: defaults filled, types fixed, keys in the order of ``FIELDS``, labels sorted."""

_NAME: dict[str, Any] = {
    "min": 1,
    "max": 100,
    "pattern": NAME_PATTERN,
    "rule": "Must be printable characters, with no white space at either end.",
}
_NO_MAPPING = {"type": "Must be a mapping (in JSON, an object)."}


class Rules:
    """What an app may set up of the rules of a spec; `rules.SpecRules` applies them."""

    license_types: tuple[str, ...]
    license_default: str | None
    extra: ExtraFields


class WorkerTemplateCapacitySchema(ma.Schema):
    """What one machine has."""

    error_messages = _NO_MAPPING

    class Meta:
        """Strict: an unknown field is an error."""

        unknown = ma.RAISE

    cpu_cores = StrictInteger(1, 10_000, required=True, metadata={"description": "Processor cores.", "example": 48})
    memory_gb = StrictInteger(1, 1_000_000, required=True, metadata={"description": "Memory, in GB.", "example": 192})
    storage_gb = StrictInteger(
        1, 100_000_000, required=True, metadata={"description": "Storage, in GB.", "example": 500}
    )


class WorkerTemplatePortRangeSchema(ma.Schema):
    """The ports that a machine of this template opens, both ends included."""

    error_messages = _NO_MAPPING

    class Meta:
        """Strict: an unknown field is an error."""

        unknown = ma.RAISE

    start = StrictInteger(1, 65_535, load_default=2000, metadata={"description": "First port.", "example": 2000})
    end = StrictInteger(1, 65_535, load_default=9999, metadata={"description": "Last port.", "example": 9999})

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
    max_nodes = StrictInteger(
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
    startup_time_minutes = StrictInteger(
        0,
        10_080,
        load_default=20,
        metadata={"description": "Minutes that a machine takes to start.", "example": 20},
    )
    port_range = fields.Nested(
        WorkerTemplatePortRangeSchema(),
        load_default=lambda: {"start": 2000, "end": 9999},
        # The defaults are those of its fields: generators of clients cannot read one of an object.
        metadata={"description": "Ports that a machine opens."},
    )
    enabled = StrictBoolean(
        load_default=True, metadata={"description": "Whether workers may claim it.", "example": True}
    )
    cost_per_hour_usd = Price(
        allow_none=True,
        load_default=None,
        validate=validate.Range(min=0),
        metadata={
            "description": "Price of one machine, in US dollars per hour; null if unknown.",
            "example": 3.96,
        },
    )
    labels = Labels(
        load_default=dict,
        metadata={"description": "Free key and value pairs.", "default": {}, "example": {"team": "qa"}},
    )
    max_claims = StrictInteger(
        1,
        10_000,
        allow_none=True,
        load_default=None,
        metadata={
            "description": "Maximum number of workers that may claim it at the same time; null for no limit.",
            "example": 50,
        },
    )
    deprecation = NullableNested(
        WorkerTemplateDeprecationSchema(),
        metadata={"description": "Set for a template that no worker should claim any more; null otherwise."},
    )
    extra = Extra(
        load_default=dict,
        metadata={"description": "Fields of the app's own.", "default": {}, "additionalProperties": False},
    )

    def __init__(self, rules: Rules | None = None, **kw: Any) -> None:
        super().__init__(**kw)
        if rules is not None:
            self.apply(rules)

    def apply(self, rules: Rules) -> None:
        """Give the fields that an app may set up the app's rules."""
        license_type = self.fields["license_type"]
        license_type.validators = [choice_validator(rules.license_types)]
        if rules.license_default is not None:
            license_type.required = False
            license_type.load_default = rules.license_default
        self.fields["extra"] = self.load_fields["extra"] = self.dump_fields["extra"] = extra_field(rules.extra)


_schema = WorkerTemplateSpecSchema()

SERVER_OWNED = ("id", "revision", "is_seeded", "created_at", "updated_at")
"""Fields of a template that the server sets; a spec has none of them."""

FIELDS = tuple(_schema.fields)
"""Names of the fields of a spec, in the order of the normal form."""

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
