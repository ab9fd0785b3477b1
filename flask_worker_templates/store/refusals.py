"""Which of MongoDB's errors it would answer with again, and what to do then."""

from __future__ import annotations

from pymongo.errors import (
    BulkWriteError,
    OperationFailure,
    PyMongoError,
)

from .scan import EVENTS as EVENTS  # noqa: PLC0414  # exported
from .scan import TEMPLATES as TEMPLATES  # noqa: PLC0414


def refusal_of(error: PyMongoError) -> str | None:
    """Return why MongoDB would refuse the same again, or None where it might not."""
    code = error.code if isinstance(error, OperationFailure) else None
    if isinstance(error, BulkWriteError) and error.details.get("writeErrors"):
        code = error.details["writeErrors"][0].get("code")
    return _REFUSALS.get(code) if code is not None else None


TOO_LARGE = (
    "the document of the template would be larger than MongoDB allows (16 MB). Release claims that are not needed."
)


_REFUSALS = {
    10334: TOO_LARGE,
    17419: TOO_LARGE,
    17420: TOO_LARGE,
    121: "a validation rule of the collection does not allow it. Ask who runs the database.",
}
"""Codes of MongoDB's errors that are no passing ones."""
