"""The clock that leases run by: the database server's, so that the clocks of the hosts do not matter.

mongomock has no clock, and lacks some operators; what stands in for them is here and nowhere else. A test that moves
the clock gives one of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo import ReturnDocument
from pymongo.collection import Collection

from .commit import now
from .connection import Collections, Document


@dataclass(frozen=True, slots=True)
class Clock:
    """The clock of leases.

    Attributes:
        read: returns the time as naive UTC; None for the server's clock.
    """

    read: Callable[[], datetime] | None = None

    def now(self, db: Collections) -> Any:
        """Return the expression for the time."""
        if self.read is not None:
            return self.read()
        return "$$NOW" if _is_server(db) else now()

    def stamp(self, db: Collections, field: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the update that sets a field to the time, and others to their values."""
        moment = self.now(db)
        if isinstance(moment, datetime):
            return {"$set": {**values, field: moment}}
        return {"$currentDate": {field: True}, **({"$set": dict(values)} if values else {})}


def claim_of_worker(db: Collections, worker_id: str) -> dict[str, Any]:
    """Return the expression for the claim of a worker that is known to have one."""
    if _is_server(db):  # three times as fast among thousands of claims
        place = {"$indexOfArray": ["$claims.worker_id", worker_id]}
        return {"$cond": [{"$isArray": "$claims"}, {"$arrayElemAt": ["$claims", place]}, None]}
    own = {"$filter": {"input": "$claims", "as": "one", "cond": {"$eq": ["$$one.worker_id", worker_id]}}}
    return {"$arrayElemAt": [own, 0]}


def is_date(db: Collections, path: str) -> dict[str, Any]:
    """Return the expression for whether a field is a date."""
    if _is_server(db):
        return {"$eq": [{"$type": path}, "date"]}
    return {"$ne": [{"$ifNull": [path, None]}, None]}  # mongomock does not tell types


def renews_as_it_claims(db: Collections) -> bool:
    """Return whether one command can renew a claim or make a new one; mongomock merges no objects."""
    return _is_server(db)


def path_of_claim(db: Collections, worker_id: str) -> tuple[str, list[dict[str, Any]] | None]:
    """Return the path of a worker's claim for an update, and the array filters that it needs.

    By a filter and not by position: what else the query says of arrays would say which position is meant, too.
    """
    if _is_server(db):
        return "claims.$[own]", [{"own.worker_id": worker_id}]
    return "claims.$", None  # mongomock takes the position from the condition on this very array


def update_and_return(
    db: Collections,
    key: Mapping[str, Any],
    update: Any,
    projection: Mapping[str, Any],
    array_filters: list[dict[str, Any]] | None = None,
) -> Document | None:
    """Update a template and return it, as it is then, in one command; None where nothing matches."""
    if _is_server(db):
        return db.templates_guarded.find_one_and_update(
            key,
            update,
            projection=projection,
            return_document=ReturnDocument.AFTER,
            array_filters=array_filters,
            hint="_id_",  # whatever else is said of it
        )
    # mongomock's own updates the wrong element of an array.
    if not db.templates_guarded.update_one(key, update).matched_count:
        return None
    return db.templates_guarded.find_one({"_id": key["_id"]}, projection)


def _is_server(db: Collections) -> bool:
    return isinstance(db.templates, Collection)
