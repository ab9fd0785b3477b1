"""What the OpenAPI document says of plans and syncs, and what reads their bodies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import marshmallow as ma
from marshmallow import fields

from flask_worker_templates.errors import InvalidParameters
from flask_worker_templates.model.fields import Choice, Pattern, StrictBoolean, StrictInteger
from flask_worker_templates.model.parameters import PageSchema
from flask_worker_templates.reconcile.compare import State
from flask_worker_templates.reconcile.diff_document import SHA256_PATTERN, WorkerTemplateDriftSchema
from flask_worker_templates.reconcile.options import ON_CONFLICT, SIDES
from flask_worker_templates.reconcile.plan_document import MAX_DELETIONS
from flask_worker_templates.reconcile.sync_document import WorkerTemplateSyncSchema

from .openapi_schemas import DRIFT_EXAMPLE

__all__ = ["WorkerTemplateSyncSchema"]

DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
OPTIONS_EXAMPLE: dict[str, Any] = {"choices": {"gpu-nightly": {"max_nodes": "file"}}}
SYNC_BODY_EXAMPLE: dict[str, Any] = {**OPTIONS_EXAMPLE, "digest": DIGEST}
PLAN_EXAMPLE: dict[str, Any] = {**DRIFT_EXAMPLE, "digest": DIGEST}
SYNC_EXAMPLE: dict[str, Any] = {
    "version": 1,
    "complete": True,
    "changes": [{"name": "gpu-nightly", "action": "update", "status": "applied", "message": "", "revision": 4}],
    "forgotten": [],
    "diff": DRIFT_EXAMPLE,
}


class WorkerTemplateDriftQuerySchema(PageSchema):
    """The parameters of the drift."""

    state = fields.List(
        Choice([state.value for state in State]), metadata={"description": "Only templates in one of these states."}
    )


_drift_query = WorkerTemplateDriftQuerySchema()


def drift_parameters(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Load the parameters of the drift.

    Raises:
        InvalidParameters: if one is unknown or has a value that it cannot take.
    """
    try:
        loaded: dict[str, Any] = _drift_query.load(asked)
    except ma.ValidationError as error:
        raise InvalidParameters(error.messages_dict) from None
    return loaded


class WorkerTemplatePlanOptionsSchema(ma.Schema):
    """What is decided about what a sync does not decide by itself. All of it may be left out."""

    class Meta:
        """Strict: an unknown field is an error."""

        unknown = ma.RAISE

    on_conflict = Choice(
        ON_CONFLICT,
        allow_none=True,
        metadata={
            "description": (
                "Which value wins where both sides changed a field; `skip` leaves those templates as they are; null "
                "refuses."
            )
        },
    )
    prune = StrictBoolean(
        metadata={"description": "Delete templates of this file set whose entries were removed from the files."}
    )
    max_delete = StrictInteger(
        0,
        MAX_DELETIONS,
        metadata={"description": "Maximum number of templates that `prune` may delete; 1 if left out."},
    )
    prune_any_source = StrictBoolean(
        metadata={"description": "Also prune templates from files other than the given ones."}
    )
    adopt = fields.List(
        fields.String(), metadata={"description": "Names of templates in collision to connect with their file entries."}
    )
    restore = fields.List(fields.String(), metadata={"description": "Names of deleted templates to bring back."})
    # Under another name inside: marshmallow has an `only` of its own.
    only_ = fields.List(
        fields.String(),
        data_key="only",
        allow_none=True,
        metadata={"description": "Names of the templates that it is about; all if left out or null."},
    )
    choices = fields.Dict(
        keys=fields.String(),
        values=fields.Dict(keys=fields.String(), values=Choice(SIDES)),
        metadata={"description": "Which value wins for single fields in conflict: by template, then by dotted path."},
    )


class WorkerTemplateSyncOptionsSchema(WorkerTemplatePlanOptionsSchema):
    """The options of a plan, and its digest."""

    digest = fields.String(
        required=True,
        validate=Pattern(SHA256_PATTERN, "Must be 64 hexadecimal digits."),
        metadata={
            "description": "Digest of the plan that was made with the same options.",
            "pattern": SHA256_PATTERN,
            "example": DIGEST,
        },
    )


class WorkerTemplatePlanSchema(WorkerTemplateDriftSchema):
    """What a sync would do, and what forbids it."""

    digest = fields.String(
        required=True,
        metadata={"description": "Digest of the plan; `sync` takes it to apply exactly this plan.", "example": DIGEST},
    )
