"""Templates, events and claims as they are shown, in the API's answers and in the commands' documents: their schemas.

What is shown is made by `store.presented.present` and its like, not by dumping these; tests hold the two equal. The
classes have the names that their components get in the OpenAPI document, where they stand beside the host's own.
"""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from marshmallow import fields

from .claim_parameters import WORKER_ID_PATTERN
from .rules import SpecRules
from .schema import (
    WorkerTemplateSpecSchema,
)
from .template import ACTIONS

TIME = {"format": "date-time", "example": "2026-01-31T12:00:00.000Z"}


ID = {"format": "uuid", "example": "0b0e6a3e-7a0c-4f0f-9a53-5a0b8f4b2d10"}


REVISION = {"description": "1 at creation, one more with every change; the ETag.", "minimum": 1, "example": 3}


class WorkerTemplateSchema(WorkerTemplateSpecSchema):
    """A template as the API shows it."""

    class Meta:
        """Clients must accept fields that a later version adds."""

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
        required=True,
        allow_none=True,
        metadata={"description": "Why; null if no message was given.", "example": "Too few nodes"},
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


class WorkerTemplateComparisonSchema(ma.Schema):
    """What differs between two revisions."""

    from_ = fields.Integer(required=True, data_key="from", metadata={"description": "One revision.", "example": 2})
    to = fields.Integer(required=True, metadata={"description": "The other one.", "example": 3})
    changes = fields.List(fields.Nested(WorkerTemplateChangeSchema()), required=True)
