"""The diff document, for its documentation: how every template stands between definition files and database."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import fields

from flask_worker_templates.model.fields import Pattern, Whole

from .compare import State

TIME = {"format": "date-time", "example": "2026-01-31T12:00:00.000Z"}
ID = {"format": "uuid", "example": "0b0e6a3e-7a0c-4f0f-9a53-5a0b8f4b2d10"}
SHA256_PATTERN = "^[0-9a-f]{64}$"
REVISION = {"description": "1 at creation, one more with every change; the ETag.", "minimum": 1, "example": 3}


class WorkerTemplateDriftFileSchema(ma.Schema):
    """A definition file that was compared."""

    path = fields.String(
        required=True, metadata={"description": "As it was configured.", "example": "config/worker_templates.yaml"}
    )
    sha256 = fields.String(
        required=True,
        validate=Pattern(SHA256_PATTERN, "Must be 64 hexadecimal digits."),
        metadata={"description": "Of its bytes.", "pattern": SHA256_PATTERN},
    )


class WorkerTemplateDriftFieldSchema(ma.Schema):
    """One leaf on which the file and the database differ. A value is left out where the leaf is not there."""

    field = fields.String(required=True, metadata={"description": "Dotted path.", "example": "capacity.cpu_cores"})
    resolution = fields.String(
        required=True,
        validate=ma.validate.OneOf(["file", "db", "conflict"]),
        metadata={"description": "Whose value a sync takes by itself; `conflict` where a person must decide."},
    )
    base = fields.Raw(allow_none=True, metadata={"description": "What was last applied from the file."})
    file = fields.Raw(allow_none=True, metadata={"description": "What the file holds."})
    database = fields.Raw(allow_none=True, metadata={"description": "What the database holds."})
    result = fields.Raw(allow_none=True, metadata={"description": "What the database would hold after a sync."})


class WorkerTemplateDriftItemSchema(ma.Schema):
    """How one template stands between the definition files and the database."""

    name = fields.String(required=True, metadata={"example": "gpu-nightly"})
    state = fields.String(
        required=True,
        validate=ma.validate.OneOf([state.value for state in State]),
        metadata={"description": "How it stands.", "example": "file_changed"},
    )
    action = fields.String(
        required=True,
        validate=ma.validate.OneOf(["none", "create", "update", "rebase", "delete", "refuse"]),
        metadata={
            "description": (
                "What a sync would do: `rebase` notes what the file holds now and changes nothing else; `refuse` "
                "means that no sync begins before a person has decided."
            ),
            "example": "update",
        },
    )
    id = fields.String(
        required=True, allow_none=True, metadata={**ID, "description": "UUID; null if not in the database."}
    )
    revision = Whole(1, None, required=True, allow_none=True, metadata=REVISION)
    path = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The definition file; null if in none.", "example": "config/worker_templates.yaml"},
    )
    line = Whole(
        1,
        None,
        required=True,
        allow_none=True,
        metadata={"description": "Where in that file it begins.", "example": 4},
    )
    source = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The definition file that was last applied to it.", "example": None},
    )
    renamed_from = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The name under which it came from the file, if that was another one."},
    )
    deleted_by = fields.String(
        required=True, allow_none=True, metadata={"description": "Who deleted it, if it is deleted."}
    )
    deleted_at = fields.String(
        required=True, allow_none=True, metadata={"description": "When it was deleted, UTC.", **TIME}
    )
    # Under another name inside: `fields` is what marshmallow calls its own.
    fields_ = fields.List(
        fields.Nested(WorkerTemplateDriftFieldSchema()),
        required=True,
        data_key="fields",
        metadata={"description": "Where file and database differ, if it is in both."},
    )


WorkerTemplateDriftSummarySchema = ma.Schema.from_dict(
    {state.value: fields.Integer(required=True, metadata={"minimum": 0}) for state in State},
    name="WorkerTemplateDriftSummarySchema",
)
"""How many templates are in each state."""


class WorkerTemplateDriftSchema(ma.Schema):
    """How every template stands between the definition files and the database."""

    version = fields.Integer(
        required=True, validate=ma.validate.OneOf([1]), metadata={"description": "Of this form of document."}
    )
    drift = fields.Boolean(
        required=True,
        metadata={"description": "Whether any template is in a state other than in_sync and unmanaged."},
    )
    summary = fields.Nested(WorkerTemplateDriftSummarySchema(), required=True)
    files = fields.List(fields.Nested(WorkerTemplateDriftFileSchema()), required=True)
    warnings = fields.List(fields.String(), required=True)
    refusals = fields.List(
        fields.String(), required=True, metadata={"description": "Why a sync would not begin, in sentences."}
    )
    templates = fields.List(
        fields.Nested(WorkerTemplateDriftItemSchema()), required=True, metadata={"description": "Sorted by name."}
    )
