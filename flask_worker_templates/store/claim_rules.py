"""When a claim is live, and what a template's document must be for another: expressions of MongoDB."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from flask_worker_templates.model.claim import MAX_CLAIMS

from .clock import Clock, claim_of_worker, is_date
from .connection import Collections

COSMETIC = ("description", "labels", "cost_per_hour_usd", "enabled", "max_claims", "deprecation")
"""Fields of a spec that do not matter to a machine, where no setting says others."""

CLAIMS: dict[str, Any] = {"$cond": [{"$isArray": "$claims"}, "$claims", []]}
"""The expression for the claims; for none where a document that is no template holds something else."""

_WORKERS = {"$cond": [{"$isArray": "$claims"}, "$claims.worker_id", []]}

_MIN = float("-inf")  # what is no number is less


@dataclass(frozen=True, slots=True)
class ClaimRules:
    """What holds for the claims of one app.

    Attributes:
        bound: the most claims that a template keeps, whatever its own `max_claims` says.
        cosmetic: fields of a spec whose change makes no claim outdated.
        clock: that leases run by.
    """

    bound: int = MAX_CLAIMS
    cosmetic: Sequence[str] = COSMETIC
    clock: Clock = field(default_factory=Clock)

    def matters(self, path: str) -> bool:
        """Return whether a change of this leaf of a spec matters to a machine."""
        return not any(path == one or path.startswith(f"{one}.") for one in self.cosmetic)

    def live(self, db: Collections, claims: Any = CLAIMS) -> dict[str, Any]:
        """Return the expression for the live ones of some claims, by default of all."""
        return {"$filter": {"input": claims, "as": "claim", "cond": _is_live(db, "$$claim", self.clock.now(db))}}

    def live_of(self, db: Collections, worker_id: str) -> dict[str, Any]:
        """Return the expression for whether the claim of a worker, which has one, is live."""
        claim = claim_of_worker(db, worker_id)
        return {"$let": {"vars": {"claim": claim}, "in": _is_live(db, "$$claim", self.clock.now(db))}}

    def limit(self) -> dict[str, Any]:
        """Return the expression for the most live claims that a template may have."""
        own = {"$ifNull": ["$max_claims", self.bound]}
        return {"$cond": [{"$lt": [own, self.bound]}, own, self.bound]}

    def unclaimed(self, db: Collections) -> dict[str, Any]:
        """Return the condition that a template has no live claim."""
        return {"$expr": {"$eq": [self.live(db), []]}}

    def open_to(self, db: Collections, worker_id: str) -> list[dict[str, Any]]:
        """Return the conditions that a template takes a new claim of a worker."""
        none_yet = {"claims.worker_id": {"$ne": worker_id}}
        room = {"$lt": [{"$size": CLAIMS}, self.limit()]}  # the usual case, told without looking at the claims
        return [
            {"enabled": True, "deprecation": None, "$expr": {"$isArray": "$claims"}},
            {"$or": [none_yet, {"$expr": {"$eq": [self.live_of(db, worker_id), False]}}]},
            {"$expr": {"$or": [room, {"$lt": [{"$size": self.live(db)}, self.limit()]}]}},
        ]

    def with_claim(
        self, db: Collections, worker_id: str, claim: dict[str, Any], renewal: dict[str, Any]
    ) -> list[dict[str, Any]]:
        """Return the update that adds a claim, or renews the live one that the worker has.

        It takes expired claims away where a new one finds the limit reached with them.

        Args:
            db: where.
            worker_id: of whom.
            claim: the new claim.
            renewal: the fields that a renewal sets.
        """
        is_own = {"$eq": ["$$claim.worker_id", worker_id]}
        has_one = {"$in": [worker_id, _WORKERS]}
        full = {"$gte": [{"$size": CLAIMS}, self.limit()]}
        room = {"$lt": [{"$size": CLAIMS}, self.limit()]}
        others = {"$ne": ["$$claim.worker_id", worker_id]}
        stays = {"$and": [others, {"$or": [room, _is_live(db, "$$claim", self.clock.now(db))]}]}
        kept = {
            "$cond": [{"$or": [full, has_one]}, {"$filter": {"input": CLAIMS, "as": "claim", "cond": stays}}, CLAIMS]
        }
        # A list that is mapped, because mongomock takes an object in a list for a constant.
        added = {"$map": {"input": [0], "as": "nothing", "in": claim}}
        renewed = {"$cond": [is_own, {"$mergeObjects": ["$$claim", renewal]}, "$$claim"]}
        return [
            {
                "$set": {
                    "claims": {
                        "$cond": [
                            {"$and": [has_one, self.live_of(db, worker_id)]},
                            {"$map": {"input": CLAIMS, "as": "claim", "in": renewed}},
                            {"$concatArrays": [kept, added]},
                        ]
                    }
                }
            }
        ]


def _is_live(db: Collections, claim: str, now: Any) -> dict[str, Any]:
    ttl, renewed_at = f"{claim}.ttl_seconds", f"{claim}.renewed_at"
    # A lease that is none (by hand, damaged) never ends: it must not stop the whole command.
    is_lease = {"$and": [{"$isNumber": ttl}, {"$gte": [ttl, _MIN]}, is_date(db, renewed_at)]}
    # By subtraction: mongomock cannot add to a time.
    runs = {"$lt": [{"$subtract": [now, renewed_at]}, {"$multiply": [ttl, 1000]}]}
    return {"$cond": [is_lease, runs, True]}
