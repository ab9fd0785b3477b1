"""The stored form of a claim, which stands in its template's document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from flask_worker_templates.model.claim import Claim

from .stored_types import (
    Reader,
    array,
    mapping,
    missing,
    moment,
    optional,
    read_fields,
    revision,
    text,
    whole,
)

_CLAIM: dict[str, Reader] = {"worker_id": text, "actor": text, "claimed_at": moment}


_LEASE: dict[str, Reader] = {
    "revision": optional(revision),
    "ttl_seconds": optional(whole),
    "renewed_at": optional(moment),
}


def claim_of(stored: Any, now: datetime | None = None, changed: Sequence[str] = ()) -> Claim:
    """Return the claim that a template's document holds.

    Args:
        stored: as it is stored.
        now: the time by the clock of leases; None if the claim is known to be live, or it does not matter.
        changed: the fields that make it outdated.

    Raises:
        Malformed: if it is none.
    """
    found = mapping(stored, "claims")
    # Claims of older versions lack the others.
    lease = {name: read(found[name], f"claims.{name}") for name, read in _LEASE.items() if name in found}
    ttl, renewed_at = lease.get("ttl_seconds"), lease.get("renewed_at")
    expires_at = None if ttl is None or renewed_at is None else _after(renewed_at, ttl)
    return Claim(
        **read_fields(_CLAIM, found, "claims."),
        revision=lease.get("revision"),
        ttl_seconds=ttl,
        renewed_at=None if expires_at is None else renewed_at,
        expires_at=expires_at,
        expired=expires_at is not None and now is not None and expires_at <= moment(now, "now"),
        changed=tuple(changed),
    )


def _after(moment: datetime, seconds: int) -> datetime | None:
    try:
        return moment + timedelta(seconds=seconds)
    except OverflowError:  # no end that anyone lives to see
        return None


def check_claims(document: Mapping[str, Any]) -> None:
    """Look at the claims of a document.

    Raises:
        Malformed: if they are none.
    """
    if "claims" not in document:
        raise missing("claims")
    for claim in array(document["claims"], "claims"):
        claim_of(claim)
