"""The document of a command that ends with an error, where programs read what it prints."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from marshmallow import fields

from flask_worker_templates.errors import InvalidFiles, WorkerTemplatesError
from flask_worker_templates.model.fields import StrictInteger

VERSION = 1
"""Of the document. It changes where a program that reads the old form would be misled."""


def error_document(error: WorkerTemplatesError) -> dict[str, Any]:
    """Return what an error is, for JSON."""
    described: dict[str, Any] = {
        "version": VERSION,
        "error": {"type": type(error).__name__, "message": str(error)},
    }
    if isinstance(error, InvalidFiles):
        described["faults"] = [
            {
                "path": fault.path,
                "line": fault.line,
                "column": fault.column,
                "field": fault.field,
                "message": fault.message,
            }
            for fault in error.faults
        ]
    return described


class ErrorTypeSchema(ma.Schema):
    """An error, for its documentation."""

    type = fields.String(
        required=True,
        metadata={"description": "Name of the exception in Python.", "example": "DatabaseUnavailable"},
    )
    message = fields.String(required=True, metadata={"description": "What is wrong and what to do."})


class FaultSchema(ma.Schema):
    """One thing that is wrong in a definition file, for its documentation."""

    path = fields.String(required=True, metadata={"description": "The definition file."})
    line = StrictInteger(
        1, None, required=True, allow_none=True, metadata={"description": "From 1; null if not known."}
    )
    column = StrictInteger(
        1, None, required=True, allow_none=True, metadata={"description": "From 1; null if not known."}
    )
    field = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "Dotted path; null if it is about more.", "example": "capacity.cpu_cores"},
    )
    message = fields.String(required=True)


class ErrorDocumentSchema(ma.Schema):
    """The document, for its documentation."""

    version = fields.Integer(
        required=True,
        validate=ma.validate.OneOf([VERSION]),
        metadata={"description": "Version of this document format."},
    )
    error = fields.Nested(ErrorTypeSchema(), required=True)
    faults = fields.List(
        fields.Nested(FaultSchema()),
        metadata={"description": "Every fault of every definition file; only if the error is InvalidFiles."},
    )
