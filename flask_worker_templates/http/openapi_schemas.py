"""What the OpenAPI document says of the API: its schemas, its errors and its examples. For documentation only.

Responses are made by `template.present` and its like, not by dumping these; a property test holds the two equal.
The classes carry the prefix that their components get, because these live beside the host's own.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import marshmallow as ma
from marshmallow import fields

from flask_worker_templates.model.fields import TEXT_PATTERN, Labels, StrictInteger
from flask_worker_templates.model.parameters import WORKER_ID_PATTERN
from flask_worker_templates.model.rules import SpecRules, normalize
from flask_worker_templates.model.schema import (
    WorkerTemplateCapacitySchema,
    WorkerTemplateDeprecationSchema,
    WorkerTemplatePortRangeSchema,
    WorkerTemplateSpecSchema,
)
from flask_worker_templates.model.template import ACTIONS
from flask_worker_templates.reconcile.compare import State
from flask_worker_templates.reconcile.diff_document import ID, REVISION, TIME

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


class WorkerTemplateSchema(WorkerTemplateSpecSchema):
    """A template as the API shows it."""

    class Meta:
        """Clients must put up with fields that a later version adds."""

        unknown = ma.EXCLUDE

    id = fields.String(required=True, metadata={"description": "UUID of the template.", **ID})
    revision = fields.Integer(required=True, metadata=REVISION)
    is_seeded = fields.Boolean(required=True, metadata={"description": "Whether the seeder created it."})
    created_at = fields.String(required=True, metadata={"description": "UTC, with milliseconds.", **TIME})
    updated_at = fields.String(required=True, metadata={"description": "UTC, with milliseconds.", **TIME})

    def __init__(self, rules: SpecRules | None = None, **kw: Any) -> None:
        super().__init__(rules, **kw)
        for field in self.fields.values():
            field.required = True  # a response holds every field, defaults filled in


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


class WorkerTemplateChangeSchema(ma.Schema):
    """One field that a change changed."""

    field = fields.String(required=True, metadata={"description": "Dotted path.", "example": "capacity.cpu_cores"})
    # Any JSON value; not there where the field was not there.
    from_ = fields.Raw(data_key="from", metadata={"description": "Before; left out where there was none."})
    to = fields.Raw(metadata={"description": "After; left out where there is none."})


class WorkerTemplateEventSchema(ma.Schema):
    """One entry of the audit trail."""

    template_id = fields.String(required=True, metadata=ID)
    name = fields.String(required=True, metadata={"description": "Name after the change.", "example": "gpu-nightly"})
    revision = fields.Integer(required=True, metadata=REVISION)
    action = fields.String(
        required=True,
        validate=ma.validate.OneOf(ACTIONS),
        metadata={"example": "updated"},
    )
    actor = fields.String(required=True, metadata={"description": "Who.", "example": "alice"})
    at = fields.String(required=True, metadata={"description": "UTC, with milliseconds.", **TIME})
    message = fields.String(
        required=True, allow_none=True, metadata={"description": "Why, if it was said.", "example": "Too few nodes"}
    )
    changes = fields.List(fields.Nested(WorkerTemplateChangeSchema()), required=True)
    spec = fields.Nested(
        WorkerTemplateSpecSchema(), required=True, metadata={"description": "The spec after the change."}
    )
    reverted_to = fields.Integer(
        allow_none=True,
        metadata={"description": "Of `reverted` only: the revision gone back to; null if it is not known."},
    )
    pruned = fields.Boolean(
        metadata={"description": "Of `deleted` only: whether a sync deleted it because its file entry is gone."}
    )


class WorkerTemplateExcessSchema(ma.Schema):
    """By how much a template exceeds what was asked for."""

    cpu_cores = fields.Integer(required=True, metadata={"description": "Cores.", "example": 32})
    memory_gb = fields.Integer(required=True, metadata={"description": "Memory, in GB.", "example": 128})
    storage_gb = fields.Integer(required=True, metadata={"description": "Storage, in GB.", "example": 0})
    nodes = fields.Integer(required=True, metadata={"description": "Nodes.", "example": 50})


class WorkerTemplateFitSchema(ma.Schema):
    """A template that fits."""

    template = fields.Nested(WorkerTemplateSchema(), required=True)
    excess = fields.Nested(WorkerTemplateExcessSchema(), required=True)


class WorkerTemplateMisfitSchema(ma.Schema):
    """A template that does not fit."""

    template = fields.Nested(WorkerTemplateSchema(), required=True)
    reasons = fields.List(fields.String(), required=True, metadata={"description": "Each reason why not."})


class WorkerTemplateSelectionSchema(ma.Schema):
    """What fits, and with `explain` what does not."""

    fits = fields.List(fields.Nested(WorkerTemplateFitSchema()), required=True)
    others = fields.List(fields.Nested(WorkerTemplateMisfitSchema()), required=True)


class WorkerTemplateClaimSchema(ma.Schema):
    """A worker's registered use of a template."""

    worker_id = fields.String(required=True, metadata={"pattern": WORKER_ID_PATTERN, "example": "i-0abc123"})
    actor = fields.String(required=True, metadata={"description": "Who registered it.", "example": "fleet"})
    claimed_at = fields.String(required=True, metadata={"description": "UTC, with milliseconds.", **TIME})
    revision = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "The revision that the worker runs; null where an older version made the claim."},
    )
    ttl_seconds = fields.Integer(
        required=True, allow_none=True, metadata={"description": "How long a lease holds; null for no end."}
    )
    expires_at = fields.String(required=True, allow_none=True, metadata={"description": "When a lease ends.", **TIME})
    renewed_at = fields.String(
        required=True, allow_none=True, metadata={"description": "When a lease was made or last renewed.", **TIME}
    )
    expired = fields.Boolean(
        required=True, metadata={"description": "Whether the lease has ended; an expired claim does not count."}
    )
    outdated = fields.Boolean(
        required=True,
        metadata={"description": "Whether a field that matters to a machine has changed since the claim's revision."},
    )
    changed = fields.List(
        fields.String(), required=True, metadata={"description": "Paths of the fields that make it outdated."}
    )


class WorkerTemplateListedClaimSchema(WorkerTemplateClaimSchema):
    """A claim in the list of all claims."""

    template_id = fields.String(required=True, metadata=ID)
    template_name = fields.String(required=True, metadata={"example": "gpu-nightly"})


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


class WorkerTemplateComparisonSchema(ma.Schema):
    """What differs between two revisions."""

    from_ = fields.Integer(required=True, data_key="from", metadata={"description": "One revision.", "example": 2})
    to = fields.Integer(required=True, metadata={"description": "The other one.", "example": 3})
    changes = fields.List(fields.Nested(WorkerTemplateChangeSchema()), required=True)


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
