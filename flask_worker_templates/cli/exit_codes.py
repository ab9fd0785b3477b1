"""The exit codes that a pipeline can branch on, and which error means which."""

from __future__ import annotations

from flask_worker_templates.errors import (
    ClaimRefused,
    DatabaseUnavailable,
    NameTaken,
    RestoreRefused,
    RevisionMismatch,
    TemplateInUse,
    TemplateKeepsChanging,
    WorkerTemplatesError,
)

OK, ERROR, USAGE, DRIFT, CONFLICT, UNAVAILABLE = range(6)
"""`USAGE` is Click's own. The highest of several is the worst."""

_CONFLICTS = (NameTaken, RestoreRefused, RevisionMismatch, ClaimRefused, TemplateInUse, TemplateKeepsChanging)


def exit_code(error: WorkerTemplatesError) -> int:
    """Return the exit code that an error means."""
    if isinstance(error, DatabaseUnavailable):
        return UNAVAILABLE
    return CONFLICT if isinstance(error, _CONFLICTS) else ERROR
