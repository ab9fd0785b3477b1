"""The diff document: how every template stands between definition files and database, and what a sync would do.

The schemas are for its documentation; the plan document has them too, for what it shares with this one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any, get_args

import marshmallow as ma
from marshmallow import fields

from flask_worker_templates.files.load import SourceFile
from flask_worker_templates.model.documents import ID, REVISION, TIME
from flask_worker_templates.model.fields import Pattern, StrictInteger
from flask_worker_templates.model.records import ABSENT
from flask_worker_templates.model.spec import flatten
from flask_worker_templates.model.template import rfc3339

from .compare import Resolution, State
from .outcome import Action
from .step import Obstacle, Step

if TYPE_CHECKING:
    from .plan import SyncPlan

VERSION = 1
"""Of the diff document. It changes where a program that reads the old form would be misled."""

SHA256_PATTERN = "^[0-9a-f]{64}$"


class WorkerTemplateDriftFileSchema(ma.Schema):
    """A definition file that was compared."""

    path = fields.String(
        required=True, metadata={"description": "As it was configured.", "example": "config/worker_templates.yaml"}
    )
    sha256 = fields.String(
        required=True,
        validate=Pattern(SHA256_PATTERN, "Must be 64 hexadecimal digits."),
        metadata={"description": "SHA-256 of its bytes.", "pattern": SHA256_PATTERN},
    )


class WorkerTemplateDriftFieldSchema(ma.Schema):
    """One leaf on which the file and the database differ. A value is left out where the leaf is not there."""

    field = fields.String(required=True, metadata={"description": "Dotted path.", "example": "capacity.cpu_cores"})
    resolution = fields.String(
        required=True,
        validate=ma.validate.OneOf(get_args(Resolution)),
        metadata={"description": "Which side a sync takes without asking; `conflict` where a person must decide."},
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
        metadata={"description": "Its state.", "example": "file_changed"},
    )
    action = fields.String(
        required=True,
        validate=ma.validate.OneOf(get_args(Action)),
        metadata={
            "description": (
                "What a sync would do: `rebase` notes which file holds it, and what that holds now, and changes "
                "nothing else; `refuse` means that no sync begins before a person has decided."
            ),
            "example": "update",
        },
    )
    id = fields.String(
        required=True, allow_none=True, metadata={**ID, "description": "UUID; null if not in the database."}
    )
    revision = StrictInteger(1, None, required=True, allow_none=True, metadata=REVISION)
    path = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The definition file; null if in none.", "example": "config/worker_templates.yaml"},
    )
    line = StrictInteger(
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
    file_set = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The set of definition files that it belongs to; null if to none.", "example": None},
    )
    renamed_from = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The entry that it came from, if that has another name."},
    )
    renamed_to = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The name that this entry's template has in the database, if that is another one."},
    )
    deleted_by = fields.String(
        required=True, allow_none=True, metadata={"description": "Who deleted it, if it is deleted."}
    )
    deleted_at = fields.String(
        required=True, allow_none=True, metadata={"description": "When it was deleted, UTC.", **TIME}
    )
    obstacle = fields.String(
        required=True,
        allow_none=True,
        validate=ma.validate.OneOf([*get_args(Obstacle), None]),
        metadata={
            "description": (
                "Why a sync leaves it as it is, and goes on with the rest: `in_use` by workers, `invalid` values in "
                "the database, or `blocked` by a document that is no template."
            ),
        },
    )
    reason = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The same in a sentence; null if nothing is in the way."},
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
        required=True,
        validate=ma.validate.OneOf([VERSION]),
        metadata={"description": "Version of this document format."},
    )
    drift = fields.Boolean(
        required=True,
        metadata={"description": "Whether any template is in a state other than in_sync and unmanaged."},
    )
    summary = fields.Nested(WorkerTemplateDriftSummarySchema(), required=True)
    file_set = fields.String(
        required=True, metadata={"description": "The name of the set of definition files.", "example": "default"}
    )
    files = fields.List(fields.Nested(WorkerTemplateDriftFileSchema()), required=True)
    warnings = fields.List(fields.String(), required=True)
    refusals = fields.List(
        fields.String(), required=True, metadata={"description": "Why a sync would not begin, in sentences."}
    )
    forget = fields.List(
        fields.String(),
        required=True,
        metadata={
            "description": (
                "Names of deleted templates whose entries were removed from the files: a sync records that, so a new "
                "entry with that name is a new template. This is not drift."
            )
        },
    )
    templates = fields.List(
        fields.Nested(WorkerTemplateDriftItemSchema()), required=True, metadata={"description": "Sorted by name."}
    )


def diff_document(plan: SyncPlan, *, show_sources: bool = True, steps: Sequence[Step] | None = None) -> dict[str, Any]:
    """Return the diff document of a plan, for JSON.

    Args:
        plan: what to write down.
        show_sources: whether to say of a template which file it came from if that file is not among those read.
        steps: the templates to show, instead of all.
    """
    return {
        "version": VERSION,
        "drift": plan.has_drift,
        "summary": plan.counts(),
        "file_set": plan.ownership.file_set,
        "files": file_items(plan.files),
        "warnings": list(plan.warnings),
        "refusals": [refusal.message for refusal in plan.refusals],
        "forget": [deletion.name for deletion in plan.forget],
        "templates": [
            template_item(step, None if show_sources else plan.ownership.sources)
            for step in (plan.steps if steps is None else steps)
        ],
    }


def streamed_diff(plan: SyncPlan) -> dict[str, Any]:
    """Return the diff document of a plan with an iterator over its templates, so that they are never held as a list."""
    return {**diff_document(plan, steps=()), "templates": map(template_item, plan.steps)}


def file_items(files: Iterable[SourceFile]) -> list[dict[str, str]]:
    """Return the files of a document."""
    return [{"path": file.path, "sha256": file.sha256} for file in files]


def template_item(step: Step, shown_sources: Collection[str] | None = None) -> dict[str, Any]:
    """Return what a document says about one template.

    Args:
        step: the template, and what a sync makes of it.
        shown_sources: the sources that may be named; None for all.
    """
    drift = step.drift
    declared, stored, deletion = drift.declared, drift.stored, drift.deletion
    source = stored.source if stored else None
    return {
        "name": drift.name,
        "state": drift.state.value,
        "action": step.outcome.action,
        "id": stored.id if stored else None,
        "revision": stored.revision if stored else None,
        "path": declared.path if declared else None,
        "line": declared.line if declared else None,
        "source": source if shown_sources is None or source in shown_sources else None,
        "file_set": stored.file_set if stored else None,
        "renamed_from": drift.renamed_from,
        "renamed_to": drift.renamed_to,
        "deleted_by": deletion.actor if deletion else None,
        "deleted_at": rfc3339(deletion.at) if deletion else None,
        "obstacle": step.obstacle,
        "reason": step.reason or None,
        "fields": _field_items(step),
    }


def _field_items(step: Step) -> list[dict[str, Any]]:
    after = flatten(step.outcome.spec or {})
    listed: list[dict[str, Any]] = []
    for field in step.drift.fields:
        values = {
            "base": field.base,
            "file": field.file,
            "database": field.database,
            "result": after.get(field.path, ABSENT),
        }
        present = {key: value for key, value in values.items() if value is not ABSENT}
        listed.append({"field": field.path, "resolution": field.resolution, **present})
    return listed
