"""What the OpenAPI document says of the API: its schemas, its errors and its examples. For documentation only.

Responses are made by `store.presented.present` and its like, not by dumping these; a property test holds the two equal.
The classes carry the prefix that their components get, because these live beside the host's own.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import marshmallow as ma
from marshmallow import fields

from flask_worker_templates.model.documents import (
    ID,
    TIME,
    WorkerTemplateClaimSchema,
    WorkerTemplateComparisonSchema,
    WorkerTemplateEventSchema,
    WorkerTemplateListedClaimSchema,
    WorkerTemplateSchema,
    WorkerTemplateSelectionSchema,
)
from flask_worker_templates.model.fields import TEXT_PATTERN, Labels, StrictInteger
from flask_worker_templates.model.rules import SpecRules, normalize
from flask_worker_templates.model.schema import (
    WorkerTemplateCapacitySchema,
    WorkerTemplateDeprecationSchema,
    WorkerTemplatePortRangeSchema,
    WorkerTemplateSpecSchema,
)
from flask_worker_templates.reconcile.compare import State

# What the descriptions of the operations take from here.
__all__ = [
    "CLAIM_EXAMPLE",
    "COMPARISON_EXAMPLE",
    "DRIFT_EXAMPLE",
    "EVENT_EXAMPLE",
    "LISTED_CLAIM_EXAMPLE",
    "PATCH_EXAMPLE",
    "SELECTION_EXAMPLE",
    "SPEC_EXAMPLE",
    "TEMPLATE_EXAMPLE",
    "VALIDATION_EXAMPLE",
    "WorkerTemplateCapacityPatchSchema",
    "WorkerTemplateClaimSchema",
    "WorkerTemplateComparisonSchema",
    "WorkerTemplateDeprecationPatchSchema",
    "WorkerTemplateEventSchema",
    "WorkerTemplateListedClaimSchema",
    "WorkerTemplatePatchSchema",
    "WorkerTemplatePortRangePatchSchema",
    "WorkerTemplateProblemSchema",
    "WorkerTemplateRestoreSchema",
    "WorkerTemplateRevertSchema",
    "WorkerTemplateSchema",
    "WorkerTemplateSelectionSchema",
    "WorkerTemplateValidationSchema",
    "adapted",
    "of_spec",
]

SPEC_EXAMPLE: dict[str, Any] = {
    "name": "gpu-nightly",
    "description": "Nightly GPU regression labs",
    "instance_type": "g5.12xlarge",
    "capacity": {"cpu_cores": 48, "memory_gb": 192, "storage_gb": 500},
    "license_type": "ENTERPRISE",
    "max_nodes": 100,
    "ami_pattern": "CML-2.9.*",
    "cost_per_hour_usd": 5.67,
    "labels": {"team": "qa"},
}
TEMPLATE_EXAMPLE: dict[str, Any] = {
    "id": ID["example"],
    **normalize(SPEC_EXAMPLE),
    "revision": 3,
    "is_seeded": False,
    "created_at": "2026-01-30T09:00:00.000Z",
    "updated_at": TIME["example"],
}
EVENT_EXAMPLE: dict[str, Any] = {
    "template_id": ID["example"],
    "name": SPEC_EXAMPLE["name"],
    "revision": 3,
    "action": "updated",
    "actor": "alice",
    "at": TIME["example"],
    "message": "More nodes for the nightly labs",
    "changes": [{"field": "max_nodes", "from": 20, "to": 100}],
    "spec": normalize(SPEC_EXAMPLE),
}
DRIFT_EXAMPLE: dict[str, Any] = {
    "version": 1,
    "drift": True,
    "summary": {state.value: int(state is State.FILE_CHANGED) for state in State},
    "files": [
        {
            "path": "config/worker_templates.yaml",
            "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        }
    ],
    "file_set": "default",
    "warnings": [],
    "refusals": [],
    "forget": [],
    "templates": [
        {
            "name": SPEC_EXAMPLE["name"],
            "state": "file_changed",
            "action": "update",
            "id": ID["example"],
            "revision": 3,
            "path": "config/worker_templates.yaml",
            "line": 4,
            "source": "config/worker_templates.yaml",
            "file_set": "default",
            "renamed_from": None,
            "renamed_to": None,
            "deleted_by": None,
            "deleted_at": None,
            "obstacle": None,
            "reason": None,
            "fields": [
                {
                    "field": "max_nodes",
                    "resolution": "file",
                    "base": 20,
                    "file": 100,
                    "database": 20,
                    "result": 100,
                }
            ],
        }
    ],
}
VALIDATION_EXAMPLE: dict[str, Any] = {"valid": True, "errors": {}, "spec": normalize(SPEC_EXAMPLE)}
CLAIM_EXAMPLE: dict[str, Any] = {
    "worker_id": "i-0abc123",
    "actor": "fleet",
    "claimed_at": TIME["example"],
    "revision": 2,
    "ttl_seconds": 300,
    "expires_at": "2026-01-31T12:05:00.000Z",
    "renewed_at": TIME["example"],
    "expired": False,
    "outdated": True,
    "changed": ["max_nodes"],
}
COMPARISON_EXAMPLE: dict[str, Any] = {"from": 2, "to": 3, "changes": EVENT_EXAMPLE["changes"]}
LISTED_CLAIM_EXAMPLE: dict[str, Any] = {
    **CLAIM_EXAMPLE,
    "template_id": ID["example"],
    "template_name": SPEC_EXAMPLE["name"],
}
SELECTION_EXAMPLE: dict[str, Any] = {
    "fits": [
        {
            "template": TEMPLATE_EXAMPLE,
            "excess": {"cpu_cores": 32, "memory_gb": 128, "storage_gb": 0, "nodes": 50},
        }
    ],
    "others": [],
}
PATCH_EXAMPLE: dict[str, Any] = {"max_nodes": 200, "labels": {"team": None, "owner": "ops"}}


def adapted(example: Any, rules: SpecRules) -> Any:
    """Return an example with a licence type and fields of its own that the rules of an app allow."""
    if isinstance(example, list):
        return [adapted(one, rules) for one in example]
    if not isinstance(example, Mapping):
        return copy.deepcopy(example)
    fitting = {key: adapted(value, rules) for key, value in example.items()}
    if fitting.get("license_type") not in (None, *rules.license_types):
        fitting["license_type"] = rules.license_types[0]
    if "capacity" in fitting and "name" in fitting and (extra := rules.extra.example()):
        fitting["extra"] = extra
    return fitting


def _all_optional(schema: ma.Schema) -> None:
    for field in schema.fields.values():
        # What has a default can be brought back to it; a nested schema says so itself.
        if field.load_default is not ma.missing or isinstance(field, fields.Dict):
            field.allow_none = True
        field.required = False
        field.load_default = ma.missing
        # What is left out of a patch stays as it is: it has no default.
        field.metadata = {key: value for key, value in field.metadata.items() if key != "default"}


class WorkerTemplateCapacityPatchSchema(WorkerTemplateCapacitySchema):
    """Changes of a capacity; what is left out stays."""

    def __init__(self, **kw: Any) -> None:
        super().__init__(**kw)
        _all_optional(self)


class WorkerTemplatePortRangePatchSchema(WorkerTemplatePortRangeSchema):
    """Changes of a port range; null brings the default back."""

    def __init__(self, **kw: Any) -> None:
        super().__init__(**kw)
        _all_optional(self)


class WorkerTemplateDeprecationPatchSchema(WorkerTemplateDeprecationSchema):
    """Changes of a deprecation; what is left out stays."""

    def __init__(self, **kw: Any) -> None:
        super().__init__(**kw)
        _all_optional(self)


class WorkerTemplatePatchSchema(WorkerTemplateSpecSchema):
    """A JSON Merge Patch (RFC 7396) of a spec: what is left out stays, null brings the default back."""

    capacity = fields.Nested(WorkerTemplateCapacityPatchSchema(), metadata={"description": "What one machine has."})
    # `nullable` as metadata: for `allow_none` of a nested schema apispec writes "this schema or any object".
    port_range = fields.Nested(
        WorkerTemplatePortRangePatchSchema(),
        metadata={"description": "Ports that a machine opens.", "nullable": True},
    )
    deprecation = fields.Nested(  # type: ignore[assignment]
        WorkerTemplateDeprecationPatchSchema(),
        metadata={"description": "Why it should not be used any more; null if it may be.", "nullable": True},
    )
    labels = fields.Dict(  # type: ignore[assignment]
        values=fields.String(allow_none=True, metadata={"maxLength": Labels.MAX_VALUE_LENGTH, "pattern": TEXT_PATTERN}),
        metadata={"description": "Labels to set; null removes one.", "example": {"team": None, "owner": "ops"}},
    )

    def __init__(self, rules: SpecRules | None = None, **kw: Any) -> None:
        super().__init__(rules, **kw)
        if rules is not None and rules.extra.schema is not None:
            self.fields["extra"] = fields.Nested(
                _extra_patch(rules.extra.schema), metadata={"description": _EXTRA_PATCH, "nullable": True}
            )
        _all_optional(self)


_EXTRA_PATCH = "Fields of the app's own to change; null brings a default back, or removes a field."


def _extra_patch(declared: ma.Schema) -> ma.Schema:
    changed = {}
    for name, field in declared.fields.items():
        one = copy.copy(field)
        one.required, one.load_default = False, ma.missing
        one.allow_none = not isinstance(field, fields.Nested)
        if isinstance(field, fields.Nested):
            one.metadata = {**field.metadata, "nullable": True}
        changed[name] = one
    return ma.Schema.from_dict(changed, name="WorkerTemplateExtraPatchSchema")()


def of_spec(rules: SpecRules) -> dict[str, ma.Schema]:
    """Return the schemas that the rules of an app change, by the names of their components."""
    return {
        "WorkerTemplateSpec": WorkerTemplateSpecSchema(rules),
        "WorkerTemplate": WorkerTemplateSchema(rules),
        "WorkerTemplatePatch": WorkerTemplatePatchSchema(rules),
    }


class WorkerTemplateRevertSchema(ma.Schema):
    """Which revision to go back to."""

    class Meta:
        """Strict: an unknown field is an error."""

        unknown = ma.RAISE

    revision = StrictInteger(
        1, 2**31 - 1, required=True, metadata={"description": "An earlier revision.", "example": 1}
    )


class WorkerTemplateRestoreSchema(ma.Schema):
    """What a restore takes: an empty object. A form of another site cannot send one."""

    class Meta:
        """Strict: an unknown field is an error."""

        unknown = ma.RAISE


class WorkerTemplateValidationSchema(ma.Schema):
    """What is wrong with a spec, or its normal form."""

    valid = fields.Boolean(required=True)
    errors = fields.Dict(required=True, metadata={"description": "Messages by field; empty if it is valid."})
    spec = fields.Nested(
        WorkerTemplateSpecSchema(),
        required=True,
        allow_none=True,
        metadata={"description": "The spec with its defaults; null if it is not valid."},
    )


class WorkerTemplateProblemSchema(ma.Schema):
    """An error."""

    code = fields.Integer(required=True, metadata={"description": "HTTP status code.", "example": 404})
    status = fields.String(required=True, metadata={"description": "Name of the status.", "example": "Not Found"})
    message = fields.String(metadata={"description": "What is wrong and what to do."})
    errors = fields.Dict(metadata={"description": "Details, by field."})
