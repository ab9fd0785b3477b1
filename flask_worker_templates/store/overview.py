"""What a list of templates says beside each: its claims, and what is known of its definition file."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask_worker_templates.model.claim import ClaimCount
from flask_worker_templates.model.records import Managed

from .adapter import raw_bytes
from .claim_list import changed_since
from .claim_rules import CLAIMS
from .decoding import decode
from .part import Part
from .presented import MAX_REMEMBERED, PRESENTED
from .queries import all_of, scope_conditions
from .stored_form import managed_of
from .stored_types import Malformed

# No names that a field of a document has.
_ALL, _LIVE, _OTHER = "number of claims", "number of live claims", "revisions of live claims"


@dataclass(frozen=True, slots=True)
class Overview:
    """What a list says beside one template.

    Attributes:
        seen: the bytes of all that was read of it; equal where nothing of it changed.
        managed: the template, and what its definition file held when it was last applied.
        claims: how many there are.
        outdated: how many of the live ones run a revision since which a field changed that matters to a machine.
    """

    seen: bytes
    managed: Managed
    claims: ClaimCount
    outdated: int = 0


class Overviews(Part):
    """The part of the store that serves lists of templates."""

    def overviews(self, template_ids: Sequence[str]) -> dict[str, Overview]:
        """Return what a list says beside some templates; those that there are not are left out.

        One query, and one more where claims run older revisions.

        Args:
            template_ids: of one page of a list.
        """
        with self._access.operation() as db:
            # First by the revision: few run another, and whether a claim is live takes the server longer to tell.
            other = {"$filter": {"input": CLAIMS, "as": "claim", "cond": {"$ne": ["$$claim.revision", "$revision"]}}}
            shown: dict[str, Any] = {
                **PRESENTED,
                **dict.fromkeys(("base", "source", "file_set", "exported"), 1),
                _ALL: {"$size": CLAIMS},
                _LIVE: {"$size": self._rules.live(db)},
                _OTHER: {"$map": {"input": self._rules.live(db, other), "as": "claim", "in": "$$claim.revision"}},
            }
            query = all_of([{"_id": {"$in": list(template_ids)}}, *scope_conditions(self._scope)])
            pipeline = [{"$match": query}, {"$project": shown}]
            read = [_read(raw_bytes(row)) for row in db.templates_raw.aggregate(pipeline)]
            found = {one.managed.id: one for one in read if one is not None}
            pairs = {(key, revision) for key, one in found.items() for revision in one.older}
            documents = {key: decode(one.seen) for key, one in found.items() if one.older}
            changed = changed_since(db, pairs, documents, self._rules, self._scope) if pairs else {}
        return {
            key: Overview(
                one.seen,
                one.managed,
                one.claims,
                sum(bool(changed.get((key, revision))) for revision in one.older),
            )
            for key, one in found.items()
        }


@dataclass(frozen=True, slots=True)
class _Read:
    """What the bytes of one template say; `older` are the revisions of its claims that are not the present one."""

    seen: bytes
    managed: Managed
    claims: ClaimCount
    older: tuple[int, ...]


def _read(raw: bytes) -> _Read | None:
    """Return what is read of one template, or None where it is none. Remembered by its bytes, as `present_raw` does."""
    return _remembered(raw) if len(raw) <= MAX_REMEMBERED else _decoded(raw)


def _decoded(raw: bytes) -> _Read | None:
    try:
        row = decode(raw)
        managed = managed_of(row)
    except Malformed:
        return None
    older = (one for one in row[_OTHER] if isinstance(one, int) and one != row["revision"])
    return _Read(raw, managed, ClaimCount(row[_LIVE], row[_ALL] - row[_LIVE]), tuple(older))


_remembered = functools.lru_cache(maxsize=2048)(_decoded)
