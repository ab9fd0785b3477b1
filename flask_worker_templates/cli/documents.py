"""The JSON documents of the commands, for their JSON Schemas. A program must accept keys that are added later."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import fields

from flask_worker_templates.model.documents import (
    ID,
    REVISION,
    TIME,
    WorkerTemplateChangeSchema,
    WorkerTemplateEventSchema,
    WorkerTemplateFitSchema,
    WorkerTemplateListedClaimSchema,
    WorkerTemplateMisfitSchema,
    WorkerTemplateSchema,
)
from flask_worker_templates.model.fields import StrictInteger
from flask_worker_templates.reconcile.diff_document import WorkerTemplateDriftItemSchema

from .error_document import ErrorTypeSchema, FaultSchema
from .output import VERSION


class DocumentSchema(ma.Schema):
    """What every document has."""

    version = fields.Integer(
        required=True,
        validate=ma.validate.OneOf([VERSION]),
        metadata={"description": "Version of this document format."},
    )


class EventSchema(WorkerTemplateEventSchema):
    """One entry of the audit trail. The spec of an old one may lack fields."""

    spec = fields.Dict(required=True, metadata={"description": "The spec after the change."})  # type: ignore[assignment]


class ListDocumentSchema(DocumentSchema):
    """What ``list`` prints."""

    templates = fields.List(fields.Nested(WorkerTemplateSchema()), required=True)


class ClaimCountSchema(ma.Schema):
    """How many workers claim a template, and the first few of them."""

    total = StrictInteger(0, None, required=True)
    workers = fields.List(fields.String(), required=True, metadata={"description": "Ids of the first few."})


class ShowDocumentSchema(DocumentSchema):
    """What ``show`` prints."""

    template = fields.Nested(WorkerTemplateSchema(), required=True)
    state = fields.String(required=True, validate=ma.validate.OneOf(["enabled", "disabled", "deprecated"]))
    claims = fields.Nested(ClaimCountSchema(), required=True)
    file = fields.Nested(
        WorkerTemplateDriftItemSchema(),
        required=True,
        allow_none=True,
        metadata={"description": "How it differs from the definition files; null if that is not known."},
    )
    file_problem = fields.String(
        required=True, allow_none=True, metadata={"description": "Why that is not known; null if it is."}
    )


class EventDocumentSchema(DocumentSchema):
    """What ``show --revision`` prints."""

    event = fields.Nested(EventSchema(), required=True)


class HistoryDocumentSchema(DocumentSchema):
    """What ``history`` and ``log`` print."""

    total = StrictInteger(0, None, required=True, metadata={"description": "How many there are, shown or not."})
    events = fields.List(fields.Nested(EventSchema()), required=True, metadata={"description": "Newest first."})


class CompareDocumentSchema(DocumentSchema):
    """What ``history --diff`` prints."""

    from_ = StrictInteger(1, None, required=True, data_key="from", metadata={"description": "The one revision."})
    to = StrictInteger(1, None, required=True, metadata={"description": "The other revision."})
    changes = fields.List(fields.Nested(WorkerTemplateChangeSchema()), required=True)


class ClaimsDocumentSchema(DocumentSchema):
    """What ``claims`` prints."""

    claims = fields.List(fields.Nested(WorkerTemplateListedClaimSchema()), required=True)


class SelectDocumentSchema(DocumentSchema):
    """What ``select`` prints."""

    fits = fields.List(fields.Nested(WorkerTemplateFitSchema()), required=True, metadata={"description": "Best first."})
    others = fields.List(
        fields.Nested(WorkerTemplateMisfitSchema()),
        required=True,
        metadata={"description": "Those that do not fit, if asked for."},
    )


class ResultSchema(ma.Schema):
    """What became of one template."""

    name = fields.String(required=True, metadata={"description": "Its name now; what was typed, if it was not found."})
    id = fields.String(required=True, allow_none=True, metadata=ID)
    worker_id = fields.String(
        required=True, allow_none=True, metadata={"description": "Whose claim it is about; null if about none."}
    )
    status = fields.String(
        required=True,
        validate=ma.validate.OneOf(
            [
                "created",
                "changed",
                "unchanged",
                "deleted",
                "restored",
                "claimed",
                "renewed",
                "released",
                "failed",
                "skipped",
            ]
        ),
        metadata={"description": "`skipped` was not tried, because an earlier failure holds for all."},
    )
    revision = fields.Integer(required=True, allow_none=True, metadata=REVISION)
    changes = fields.List(fields.Nested(WorkerTemplateChangeSchema()), required=True)
    error = fields.Nested(
        ErrorTypeSchema(), required=True, allow_none=True, metadata={"description": "Null if it did not fail."}
    )


class ChangeDocumentSchema(DocumentSchema):
    """What every command that changes templates or claims prints."""

    complete = fields.Boolean(required=True, metadata={"description": "Whether all was done."})
    results = fields.List(fields.Nested(ResultSchema()), required=True)


class DeletionSchema(ma.Schema):
    """Who deleted a template."""

    name = fields.String(required=True)
    deleted_by = fields.String(required=True)
    deleted_at = fields.String(required=True, metadata=TIME)


class RenamedSchema(ma.Schema):
    """An entry whose template has another name in the database."""

    name = fields.String(required=True, metadata={"description": "Name of the entry."})
    renamed_to = fields.String(required=True, metadata={"description": "Name of the template."})


class SeedDocumentSchema(DocumentSchema):
    """What ``seed-templates`` prints."""

    created = fields.List(fields.String(), required=True, metadata={"description": "Names."})
    existing = StrictInteger(0, None, required=True, metadata={"description": "How many were already present."})
    recreated = fields.List(
        fields.Nested(DeletionSchema()),
        required=True,
        metadata={"description": "Those of `created` that were deleted."},
    )
    respected = fields.List(
        fields.Nested(DeletionSchema()), required=True, metadata={"description": "Those that stay deleted."}
    )
    renamed = fields.List(
        fields.Nested(RenamedSchema()),
        required=True,
        metadata={"description": "Entries whose templates have another name in the database."},
    )
    warnings = fields.List(fields.String(), required=True)
    dry_run = fields.Boolean(required=True, metadata={"description": "Whether nothing was written."})


class ValidatedFileSchema(ma.Schema):
    """A definition file that was checked."""

    path = fields.String(required=True)
    templates = StrictInteger(0, None, required=True, metadata={"description": "How many it holds."})


class ValidateDocumentSchema(DocumentSchema):
    """What ``validate`` prints, if all is valid."""

    files = fields.List(fields.Nested(ValidatedFileSchema()), required=True)
    faults = fields.List(fields.Nested(FaultSchema()), required=True, metadata={"description": "None."})
    warnings = fields.List(fields.String(), required=True)


class UnfitSchema(ma.Schema):
    """Something that cannot be taken over."""

    origin = fields.String(required=True, metadata={"description": "Where it is."})
    reasons = fields.List(fields.String(), required=True)


class ImportDocumentSchema(DocumentSchema):
    """What ``import`` prints."""

    planned = fields.List(fields.String(), required=True, metadata={"description": "Names that would be created."})
    created = fields.List(fields.String(), required=True, metadata={"description": "Names that were created."})
    present = fields.List(fields.String(), required=True, metadata={"description": "Names that were there already."})
    unfit = fields.List(fields.Nested(UnfitSchema()), required=True)


class EntryChangeSchema(ma.Schema):
    """What an export changed in one entry of a definition file."""

    name = fields.String(required=True)
    action = fields.String(required=True, metadata={"description": "What was done.", "example": "updated"})
    # Under another name inside: `fields` is what marshmallow calls its own.
    fields_ = fields.List(
        fields.String(), required=True, data_key="fields", metadata={"description": "Dotted paths of what changed."}
    )
    note = fields.String(required=True, metadata={"description": "More about it, for people."})


class ExportedFileSchema(ma.Schema):
    """A definition file, and what an export changed in it."""

    path = fields.String(required=True)
    changed = fields.Boolean(required=True)
    changes = fields.List(fields.Nested(EntryChangeSchema()), required=True)
    diff = fields.String(required=True, metadata={"description": "Unified; empty if nothing changed."})


class LeftOutSchema(ma.Schema):
    """A template or an entry that an export leaves as it is."""

    name = fields.String(required=True)
    reason = fields.String(required=True)


class ExportDocumentSchema(DocumentSchema):
    """What ``export --write`` prints."""

    dry_run = fields.Boolean(required=True, metadata={"description": "Whether nothing was written."})
    files = fields.List(fields.Nested(ExportedFileSchema()), required=True)
    left_out = fields.List(
        fields.Nested(LeftOutSchema()), required=True, metadata={"description": "What was left as it is, and why."}
    )
    warnings = fields.List(
        fields.String(),
        metadata={"description": "What the files cannot hold: fields that the app no longer declares."},
    )


DOCUMENTS: dict[str, type[ma.Schema]] = {
    "list": ListDocumentSchema,
    "show": ShowDocumentSchema,
    "event": EventDocumentSchema,
    "history": HistoryDocumentSchema,
    "compare": CompareDocumentSchema,
    "claims": ClaimsDocumentSchema,
    "select": SelectDocumentSchema,
    "change": ChangeDocumentSchema,
    "seed": SeedDocumentSchema,
    "validate": ValidateDocumentSchema,
    "export": ExportDocumentSchema,
    "import": ImportDocumentSchema,
}
"""The documents by the names that ``json-schema`` knows them by."""
