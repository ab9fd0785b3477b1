"""The sync document: what a sync did, and the plan that it carried out."""

from __future__ import annotations

from typing import Any, get_args

import marshmallow as ma
from marshmallow import fields

from .diff_document import WorkerTemplateDriftSchema, diff_document, streamed_diff
from .outcome import Action
from .plan import SyncPlan
from .sync_result import Status, SyncChange, SyncResult

VERSION = 1
"""Of the sync document. It changes where a program that reads the old form would be misled."""


class WorkerTemplateSyncChangeSchema(ma.Schema):
    """What became of one planned change."""

    name = fields.String(required=True, metadata={"example": "gpu-nightly"})
    action = fields.String(
        required=True,
        validate=ma.validate.OneOf([action for action in get_args(Action) if action not in ("none", "refuse")]),
        metadata={"description": "What was planned.", "example": "update"},
    )
    status = fields.String(
        required=True,
        validate=ma.validate.OneOf(get_args(Status)),
        metadata={
            "description": (
                "`applied`; or why not: `stale` (it changed meanwhile), `in_use` by workers, `invalid` values in the "
                "database, `blocked` by a document that is no template, `not_tried` or `unknown` after an interruption."
            ),
            "example": "applied",
        },
    )
    message = fields.String(required=True, metadata={"description": "Why it was not applied; empty if it was."})
    revision = fields.Integer(
        required=True,
        allow_none=True,
        metadata={
            "description": "Revision of the template afterwards; null if it was created, deleted or not changed."
        },
    )


class WorkerTemplateSyncSchema(ma.Schema):
    """What a sync did."""

    version = fields.Integer(
        required=True,
        validate=ma.validate.OneOf([VERSION]),
        metadata={"description": "Version of this document format."},
    )
    complete = fields.Boolean(
        required=True, metadata={"description": "Whether every planned change was applied, and nothing was in the way."}
    )
    changes = fields.List(fields.Nested(WorkerTemplateSyncChangeSchema()), required=True)
    forgotten = fields.List(
        fields.String(),
        required=True,
        metadata={
            "description": "Deleted templates whose entries were removed from the files; the sync recorded that."
        },
    )
    diff = fields.Nested(
        WorkerTemplateDriftSchema(),
        required=True,
        metadata={"description": "The state of all templates before the sync."},
    )


def result_document(result: SyncResult) -> dict[str, Any]:
    """Return the sync document without the plan, for JSON."""
    return {
        "version": VERSION,
        "complete": result.complete,
        "changes": [_change_item(change) for change in result.changes],
        "forgotten": list(result.forgotten),
    }


def sync_document(result: SyncResult, plan: SyncPlan, *, show_sources: bool = True) -> dict[str, Any]:
    """Return the sync document, for JSON.

    Args:
        result: what was done.
        plan: what was to be done.
        show_sources: whether to say of a template which file it came from if that file is not among those read.
    """
    return {**result_document(result), "diff": diff_document(plan, show_sources=show_sources)}


def streamed_sync(result: SyncResult, plan: SyncPlan, *, complete: bool) -> dict[str, Any]:
    """Return the sync document with iterators over its changes and templates, which are never held as lists.

    Args:
        result: what was done.
        plan: what was to be done.
        complete: whether all was done, which is known better than from the result.
    """
    return {
        "version": VERSION,
        "complete": complete,
        "changes": map(_change_item, result.changes),
        "forgotten": list(result.forgotten),
        "diff": streamed_diff(plan),
    }


def _change_item(change: SyncChange) -> dict[str, Any]:
    return {
        "name": change.name,
        "action": change.action,
        "status": change.status,
        "message": change.message,
        "revision": change.revision,
    }
