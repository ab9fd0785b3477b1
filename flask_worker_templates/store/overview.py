"""What a list of templates says beside each: its claims, and what is known of its definition file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask_worker_templates.model.claim import ClaimCount
from flask_worker_templates.model.records import Managed

from .claim_list import changed_since
from .claim_rules import CLAIMS
from .connection import Document
from .part import Part
from .presented import PRESENTED
from .queries import all_of, scope_conditions
from .stored_form import managed_of
from .stored_types import Malformed

# No names that a field of a document has.
_ALL, _LIVE, _OTHER = "number of claims", "number of live claims", "revisions of live claims"


@dataclass(frozen=True, slots=True)
class Overview:
    """What a list says beside one template.

    Attributes:
        managed: the template, and what its definition file held when it was last applied.
        claims: how many there are.
        outdated: how many of the live ones run a revision since which a field changed that matters to a machine.
    """

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
            live = self._rules.live(db)
            older = {"$filter": {"input": live, "as": "claim", "cond": {"$ne": ["$$claim.revision", "$revision"]}}}
            shown: dict[str, Any] = {
                **PRESENTED,
                **dict.fromkeys(("base", "source", "file_set", "exported"), 1),
                _ALL: {"$size": CLAIMS},
                _LIVE: {"$size": live},
                _OTHER: {"$map": {"input": older, "as": "claim", "in": "$$claim.revision"}},
            }
            query = all_of([{"_id": {"$in": list(template_ids)}}, *scope_conditions(self._scope)])
            pipeline = [{"$match": query}, {"$project": shown}]
            found: dict[str, Document] = {row["_id"]: row for row in db.templates_guarded.aggregate(pipeline)}
            pairs = {(one, revision) for one, row in found.items() for revision in _older(row)}
            changed = changed_since(db, pairs, found, self._rules, self._scope) if pairs else {}
        overviews: dict[str, Overview] = {}
        for one, row in found.items():
            try:
                managed = managed_of(row)
            except Malformed:
                continue
            outdated = sum(bool(changed.get((one, revision))) for revision in _older(row))
            overviews[one] = Overview(managed, ClaimCount(row[_LIVE], row[_ALL] - row[_LIVE]), outdated)
        return overviews


def _older(row: Document) -> list[int]:
    return [revision for revision in row[_OTHER] if isinstance(revision, int) and revision != row["revision"]]
