"""What one template must be: its states from revision 1 on, and who claims it. No database, no code of the store."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from flask_worker_templates.errors import (
    InvalidParameters,
    TemplateDeprecated,
    TemplateDisabled,
    TemplateFull,
    TemplateNotFound,
)
from flask_worker_templates.model.claim import ClaimOutcome, KeepTtl
from flask_worker_templates.model.spec import Spec


@dataclass(frozen=True)
class Lease:
    """A claim; without a ttl it has no end."""

    ttl: int | None
    renewed_at: datetime
    revision: int

    def is_live(self, now: datetime) -> bool:
        """Whether it counts."""
        return self.ttl is None or now < self.renewed_at + timedelta(seconds=self.ttl)


@dataclass
class TemplateModel:
    """One template.

    Attributes:
        bound: the most claims that it keeps, whatever its spec says.
        events: action, actor and spec of each revision and deletion.
        claims: by their workers, also those that have ended and were not taken away yet.
    """

    bound: int
    events: list[tuple[str, str, Spec]] = field(default_factory=list)
    claims: dict[str, Lease] = field(default_factory=dict)

    @property
    def live(self) -> bool:
        """Whether it is there."""
        return self.events[-1][0] != "deleted"

    @property
    def spec(self) -> Spec:
        """Its present spec, or the last one."""
        return self.events[-1][2]

    @property
    def revision(self) -> int:
        """Its present revision, or that of its deletion."""
        return len(self.events)

    @property
    def limit(self) -> int:
        """The most live claims that it may have."""
        return min(self.spec["max_claims"] or self.bound, self.bound)

    def live_claims(self, now: datetime) -> set[str]:
        """The workers whose claims count."""
        return {worker for worker, lease in self.claims.items() if lease.is_live(now)}

    def change(self, action: str, actor: str, spec: Spec) -> None:
        """Take a change over."""
        self.events.append((action, actor, spec))
        if action == "deleted":
            self.claims = {}

    def claim(
        self, worker: str, ttl: int | KeepTtl | None, revision: int | None, now: datetime
    ) -> ClaimOutcome | type[Exception]:
        """Return what becomes of a worker's wish, as an outcome or as what is raised; take the claim over."""
        if not self.live:
            return TemplateNotFound
        if revision is not None and revision > self.revision:
            return InvalidParameters
        own = self.claims.get(worker)
        if own is not None and own.is_live(now):
            return self._renew(worker, own, ttl, revision, now)
        live = self.live_claims(now)
        if (refusal := self._refusal(len(live))) is not None:
            return refusal
        if len(self.claims) >= self.limit:  # its place is that of one that has ended
            self.claims = {other: lease for other, lease in self.claims.items() if other in live}
        self.claims.pop(worker, None)
        self.claims[worker] = Lease(None if isinstance(ttl, KeepTtl) else ttl, now, revision or self.revision)
        return "made"

    def _refusal(self, live: int) -> type[Exception] | None:
        if not self.spec["enabled"]:
            return TemplateDisabled
        if self.spec["deprecation"] is not None:
            return TemplateDeprecated
        return TemplateFull if live >= self.limit else None

    def _renew(
        self, worker: str, own: Lease, ttl: int | KeepTtl | None, revision: int | None, now: datetime
    ) -> ClaimOutcome:
        wanted = replace(own, revision=revision or own.revision, ttl=own.ttl if isinstance(ttl, KeepTtl) else ttl)
        if wanted == own and own.ttl is None:
            return "unchanged"
        self.claims[worker] = replace(wanted, renewed_at=now)
        return "renewed"

    def release(self, worker: str) -> bool:
        """Return whether there was a claim; end it."""
        return self.claims.pop(worker, None) is not None
