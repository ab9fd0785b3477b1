"""Claiming and releasing. Claims stand in the template's own document, and change no revision.

A claim and a deletion are each one command on one document, so that there is no window between a check and an act. The
commands themselves tell live claims from expired ones, by the clock of the database server.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask_worker_templates.errors import (
    InvalidParameters,
    TemplateDeprecated,
    TemplateDisabled,
    TemplateFull,
    TemplateNotFound,
)
from flask_worker_templates.model.claim import KEEP_TTL, Claim, ClaimOutcome, KeepTtl

from .claim_list import claim_shown
from .claim_loop import Seen, check_sound, write_claims
from .claim_rules import CLAIMS
from .clock import path_of_claim, renews_as_it_claims, update_and_return
from .connection import Collections, Document
from .loop import Guard
from .part import Part
from .presented import PRESENTED
from .queries import scope_conditions
from .recheck import recheck
from .stored_claims import claim_of
from .stored_types import Malformed

RENEWED = "renewed"
"""The field of a stored claim that tells a renewed one from a new one to the command that may have done either."""


@dataclass(frozen=True, slots=True)
class _Wish:
    """What a worker asks for."""

    worker_id: str
    actor: str
    ttl: int | KeepTtl | None
    revision: int | None

    def unmet(self) -> dict[str, Any]:
        """Return the condition on this worker's claim that a renewal would change something."""
        own: dict[str, Any] = {"worker_id": self.worker_id}
        if isinstance(self.ttl, int):
            return own
        if self.revision is None:
            return {**own, "ttl_seconds": {"$ne": None}}
        return {**own, "$or": [{"ttl_seconds": {"$ne": None}}, {"revision": {"$ne": self.revision}}]}

    def is_met_by(self, claim: Document) -> bool:
        """Return whether a renewal of this worker's claim would change nothing."""
        met = claim.get("ttl_seconds") is None and self.revision in {None, claim.get("revision")}
        return met and not isinstance(self.ttl, int)

    def renewal(self) -> dict[str, Any]:
        """Return the fields of the claim that a renewal sets, except its time."""
        values: dict[str, Any] = {}
        if not isinstance(self.ttl, KeepTtl):
            values["ttl_seconds"] = self.ttl
        if self.revision is not None:
            values["revision"] = self.revision
        return values


class Claims(Part):
    """The part of the store that makes and ends claims."""

    def claim(
        self,
        template_id: str,
        worker_id: str,
        *,
        actor: str,
        ttl: int | KeepTtl | None = KEEP_TTL,
        revision: int | None = None,
        guard: Guard | None = None,
    ) -> tuple[Claim, ClaimOutcome]:
        """Register a worker's use of a template, or renew its lease.

        Args:
            template_id: which one.
            worker_id: of whom.
            actor: who makes the claim.
            ttl: how many seconds the lease holds; None for no end. By default a lease keeps the time that it has, and
                a new claim has no end.
            revision: of the template that the worker runs; by default the present one for a new claim, and for a
                renewal what was said before.
            guard: raises where the template may not be claimed.

        Raises:
            TemplateNotFound: if there is none with this id.
            TemplateDisabled, TemplateDeprecated, TemplateFull: if it takes no new claim, and the worker has no live
                one.
            InvalidParameters: if the template never had the stated revision.
            TemplateKeepsChanging: if the guard would have to be asked too often.
        """
        wish = _Wish(worker_id, actor, ttl, revision)
        projection = {**PRESENTED, "claims": {"$elemMatch": {"worker_id": worker_id}}}

        def write(db: Collections, seen: Seen) -> tuple[Claim, ClaimOutcome, Document] | None:
            granted = self._grant(db, seen, wish, projection)
            if granted is None:
                return None
            document, outcome = granted
            now = document.get("now") if outcome == "unchanged" else None  # live a moment ago
            claim = claim_shown(db, document, now, self._rules, self._scope)
            db.known_claims.note(template_id, claim)
            return claim, outcome, document

        claim, outcome, document = write_claims(
            self._access, template_id, worker_id, write, scope=self._scope, guard=guard
        )
        if outcome == "made":
            self._tell_claim("claimed", claim, document, actor)
        return claim, outcome

    def _grant(
        self, db: Collections, seen: Seen, wish: _Wish, projection: Document
    ) -> tuple[Document, ClaimOutcome] | None:
        """Make or renew a claim, or find it as it is wished; None where it is to be tried again.

        Args:
            db: where.
            seen: the template.
            wish: what the worker asks for.
            projection: of the document to return.
        """
        recheck(db, seen.key["_id"])  # what is no template is never changed
        if seen.document is not None and any(wish.is_met_by(claim) for claim in seen.document.get("claims", ())):
            return seen.document, "unchanged"  # as was just read
        for claim in self._claims_to_renew(db, seen, wish, projection):
            if done := self._renew(db, seen.key, wish, claim, projection):
                break
        else:
            done = self._claim(db, seen.key, wish, projection)
        if done is None:
            return None if seen.is_known else self._unchanged(db, seen.key, wish)
        self._check_claimed(db, *done, wish.worker_id)
        return done

    def _claim(
        self, db: Collections, key: Document, wish: _Wish, projection: Document
    ) -> tuple[Document, ClaimOutcome] | None:
        """Make a new claim, or renew the one that there is: in one command, which decides."""
        renewable = {"claims": {"$elemMatch": wish.unmet()}, "$expr": self._rules.live_of(db, wish.worker_id)}
        new = {"$and": self._rules.open_to(db, wish.worker_id)}
        conditions = [key, *self._conditions(wish), {"$or": [renewable, new]}]
        now = self._rules.clock.now(db)
        ttl = wish.ttl if isinstance(wish.ttl, int) else None
        claim = {
            "worker_id": wish.worker_id,
            "actor": {"$literal": wish.actor},
            "claimed_at": now,
            "revision": "$revision" if wish.revision is None else {"$literal": wish.revision},
            "ttl_seconds": {"$literal": ttl},
            "renewed_at": {"$literal": None} if ttl is None else now,
        }
        renewal = {
            "renewed_at": now,
            RENEWED: {"$literal": True},
            **{field: {"$literal": value} for field, value in wish.renewal().items()},
        }
        update = self._rules.with_claim(db, wish.worker_id, claim, renewal)
        found = update_and_return(db, {"_id": key["_id"], "$and": conditions}, update, projection)
        if found is None:
            return None
        return found, "renewed" if any(one.get(RENEWED) for one in found.get("claims", ())) else "made"

    def _claims_to_renew(self, db: Collections, seen: Seen, wish: _Wish, projection: Document) -> Sequence[Claim]:
        """Return the claim that the worker seems to have: to renew that is cheaper among thousands of claims."""
        document, template_id = seen.document, seen.key["_id"]
        if document is None:
            if renews_as_it_claims(db):
                return db.known_claims.of(template_id, wish.worker_id)
            document = db.templates_guarded.find_one({"_id": template_id}, projection)
        stored = [claim for claim in (document or {}).get("claims") or () if not wish.is_met_by(claim)]
        try:
            return [claim_of(claim) for claim in stored]
        except Malformed:  # the command that follows tells
            return ()

    def _renew(
        self, db: Collections, key: Document, wish: _Wish, claim: Claim, projection: Document
    ) -> tuple[Document, ClaimOutcome] | None:
        """Renew a claim that the worker is believed to have, if it has one of that length, renewed then or later.

        With what is known of it, the server need not look at the claims of others.
        """
        own: Document = {"worker_id": wish.worker_id, "ttl_seconds": claim.ttl_seconds}
        held: Document = {**key, "claims": {"$elemMatch": own}}
        if claim.renewed_at is not None and claim.expires_at is not None:
            own["renewed_at"] = {"$gte": claim.renewed_at.replace(tzinfo=None)}
            held["$expr"] = {"$lt": [self._rules.clock.now(db), claim.expires_at.replace(tzinfo=None)]}
        if conditions := self._conditions(wish):
            held["$and"] = conditions
        path, filters = path_of_claim(db, wish.worker_id)
        values = {f"{path}.{field}": value for field, value in wish.renewal().items()}
        update = self._rules.clock.stamp(db, f"{path}.renewed_at", values)
        found = update_and_return(db, held, update, projection, filters)
        return None if found is None else (found, "renewed")

    def _conditions(self, wish: _Wish) -> list[Document]:
        stated = [] if wish.revision is None else [{"revision": {"$gte": wish.revision}}]
        return [*scope_conditions(self._scope), *stated]

    def _unchanged(self, db: Collections, key: Document, wish: _Wish) -> tuple[Document, ClaimOutcome] | None:
        """Return the claim where there is nothing to do, or None where it is to be tried again; else say why not."""
        own = {"$filter": {"input": CLAIMS, "as": "one", "cond": {"$eq": ["$$one.worker_id", wish.worker_id]}}}
        shown = {
            **PRESENTED,
            "claims": {"$cond": [{"$isArray": "$claims"}, own, "$claims"]},
            "live": {"$size": self._rules.live(db)},
            "now": self._rules.clock.now(db),
        }
        found = list(
            db.templates_guarded.aggregate([{"$match": self._inside({"_id": key["_id"]})}, {"$project": shown}])
        )
        if not found:
            raise TemplateNotFound(key["_id"])
        document = found[0]
        check_sound(db, document)
        if document["revision"] != key.get("revision", document["revision"]):
            return None
        if wish.revision is not None and wish.revision > document["revision"]:
            raise InvalidParameters({"revision": [f"The template has no revision {wish.revision}."]})
        if any(not claim_of(claim, document["now"]).expired for claim in document["claims"]):
            return (document, "unchanged") if wish.is_met_by(document["claims"][0]) else None
        if not document["enabled"]:
            raise TemplateDisabled(document["name"])
        if (deprecation := document.get("deprecation")) is not None:
            raise TemplateDeprecated(document["name"], deprecation["message"], deprecation.get("replaced_by"))
        limit = min(document.get("max_claims") or self._rules.bound, self._rules.bound)
        if document["live"] >= limit:
            raise TemplateFull(document["name"], document["live"], limit)
        return None

    def release(self, template_id: str, worker_id: str, *, actor: str, guard: Guard | None = None) -> bool:
        """End a worker's use of a template.

        Returns:
            Whether there was a claim to end, even if it had expired.

        Raises:
            TemplateNotFound: if there is none with this id.
            TemplateKeepsChanging: if the guard would have to be asked too often.
        """
        projection = {**PRESENTED, "claims": {"$elemMatch": {"worker_id": worker_id}}}

        def write(db: Collections, seen: Seen) -> tuple[Document | None] | None:
            recheck(db, template_id)  # what is no template is never changed
            db.known_claims.forget(template_id, worker_id)
            ended = db.templates_guarded.find_one_and_update(
                self._inside({**seen.key, "claims": {"$elemMatch": {"worker_id": worker_id}}}),
                {"$pull": {"claims": {"worker_id": worker_id}}},
                projection,
            )
            if ended is not None:
                return (ended,)
            if seen.is_known:
                return None
            found = db.templates_guarded.find_one(self._inside({"_id": template_id}), projection)
            if found is None:
                raise TemplateNotFound(template_id)
            check_sound(db, found)
            return None if found.get("claims") else (None,)

        (document,) = write_claims(self._access, template_id, worker_id, write, scope=self._scope, guard=guard)
        if document is None:
            return False
        self._tell_claim("released", claim_of(document["claims"][0], None), document, actor)
        return True

    def _check_claimed(self, db: Collections, document: Document, outcome: ClaimOutcome, worker_id: str) -> None:
        """Take a new claim back that was made on what is no template, and is not listed as none yet."""
        try:
            check_sound(db, document)
        except TemplateNotFound:
            if outcome == "made":
                own = {"claims": {"worker_id": worker_id}}
                db.templates_guarded.update_one({"_id": document["_id"]}, {"$pull": own})
            raise
