"""What can be asked of claims: the parameters of their list, what a worker says with one, and its id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import marshmallow as ma

from flask_worker_templates.errors import InvalidParameters

from .claim import KEEP_TTL, MAX_TTL_SECONDS, MIN_TTL_SECONDS
from .fields import Pattern, StrictInteger, Text
from .parameters import MAX_NAME_LENGTH, PageSchema, load_parameters
from .query_fields import QueryBoolean


class ClaimsSchema(PageSchema):
    """The parameters of the list of all claims."""

    worker_id = Text(max=200, metadata={"description": "Claims of exactly this worker."})
    template = Text(max=MAX_NAME_LENGTH, metadata={"description": "Claims of the template of exactly this name."})
    outdated = QueryBoolean(
        metadata={
            "description": "Only claims of an earlier revision since which a field that matters to a machine has "
            "changed, or only the others."
        }
    )
    expired = QueryBoolean(metadata={"description": "Only leases that have ended, or only live claims."})


class WorkerTemplateClaimRequestSchema(ma.Schema):
    """What a worker says with a claim; all of it is optional."""

    class Meta:
        """Strict: an unknown field is an error."""

        unknown = ma.RAISE

    ttl_seconds = StrictInteger(
        MIN_TTL_SECONDS,
        MAX_TTL_SECONDS,
        allow_none=True,
        metadata={
            "description": "Seconds after which the claim ends unless it is renewed; null for no end. Without it a "
            "lease keeps the time that it has, and a new claim has no end.",
            "example": 300,
        },
    )
    revision = StrictInteger(
        1,
        2**31 - 1,
        metadata={"description": "The revision that the worker runs; by default the present one.", "example": 3},
    )


_claims = ClaimsSchema()


_claim = WorkerTemplateClaimRequestSchema()


def claims_parameters(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Load the parameters of the list of all claims.

    Raises:
        InvalidParameters: as `load_parameters`.
    """
    return load_parameters(_claims, asked)


def claim_parameters(asked: Any) -> dict[str, Any]:
    """Load what a worker says with a claim: `ttl` (with `KEEP_TTL` for nothing) and `revision` (or None).

    Raises:
        InvalidParameters: as `load_parameters`.
    """
    loaded = load_parameters(_claim, asked)
    return {"ttl": loaded.get("ttl_seconds", KEEP_TTL), "revision": loaded.get("revision")}


WORKER_ID_PATTERN = "^(?!\\.{1,2}$)[A-Za-z0-9._:@+=,-]{1,200}$"


_worker_id = Pattern(WORKER_ID_PATTERN, "A worker id is 1–200 characters of A-Z a-z 0-9 . _ : @ + = , -.")


def worker_id_of(value: str) -> str:
    """Return a worker id that has the form of one.

    Raises:
        InvalidParameters: if it has not.
    """
    try:
        return _worker_id(value)
    except ma.ValidationError as error:
        raise InvalidParameters({"worker_id": error.messages}) from None
