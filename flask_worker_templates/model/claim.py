"""A claim: a worker's registered use of a template, for ever or as a lease that ends unless it is renewed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from .template import rfc3339

MIN_TTL_SECONDS = 10
MAX_TTL_SECONDS = 604_800
MAX_CLAIMS = 10_000
"""The most claims that a template can have, whatever its own `max_claims` says."""

ClaimOutcome = Literal["made", "renewed", "unchanged"]
"""What became of a worker's wish for a claim."""


class KeepTtl:
    """The value for "the time that the lease has", which None (no end) cannot say."""


KEEP_TTL = KeepTtl()


@dataclass(frozen=True, slots=True)
class ClaimCount:
    """How many claims a template has.

    Attributes:
        live: those that count.
        expired: leases that have ended and were not taken away yet.
    """

    live: int = 0
    expired: int = 0


@dataclass(frozen=True, slots=True)
class Claim:
    """A worker's registered use of a template, as it was when it was read.

    Attributes:
        revision: of the template that the worker runs; None in claims of older versions.
        ttl_seconds: how long a lease holds after each renewal; None for a claim without an end.
        renewed_at: when a lease was made or last renewed; None for a claim without an end.
        expires_at: when a lease ends; None for a claim without an end.
        expired: whether it has ended. An expired claim does not count; it is shown until something takes it away.
        changed: paths of the fields that matter to a machine and have changed since `revision`.
        template_id: in the list of all claims, of the claimed template; else None.
        template_name: its name, likewise.
    """

    worker_id: str
    actor: str
    claimed_at: datetime
    revision: int | None = None
    ttl_seconds: int | None = None
    renewed_at: datetime | None = None
    expires_at: datetime | None = None
    expired: bool = False
    changed: Sequence[str] = ()
    template_id: str | None = None
    template_name: str | None = None

    @property
    def outdated(self) -> bool:
        """Whether a field that matters to a machine has changed since the revision that the worker runs."""
        return bool(self.changed)

    def to_dict(self) -> dict[str, Any]:
        """Return the claim as the API shows it."""
        shown: dict[str, Any] = {
            "worker_id": self.worker_id,
            "actor": self.actor,
            "claimed_at": rfc3339(self.claimed_at),
            "revision": self.revision,
            "ttl_seconds": self.ttl_seconds,
            "expires_at": None if self.expires_at is None else rfc3339(self.expires_at),
            "renewed_at": None if self.renewed_at is None else rfc3339(self.renewed_at),
            "expired": self.expired,
            "outdated": self.outdated,
            "changed": list(self.changed),
        }
        if self.template_id is not None:
            shown |= {"template_id": self.template_id, "template_name": self.template_name}
        return shown
