"""The indexes of the collections, made once before the first write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError, OperationFailure

from flask_worker_templates.errors import DuplicateNames

from .connection import NAMESPACE_NOT_FOUND, Collections, Document
from .stored_form import EXTRA_VALUES

UNIQUE_NAME = "name_unique"
CLAIMED = "claimed_names"
"""The index on the names of the templates that have claims."""

IS_CLAIMED: dict[str, Any] = {"claims.worker_id": {"$exists": True}}
"""The condition that a template has claims."""

_TEMPLATES = (
    IndexModel([("name", ASCENDING)], name=UNIQUE_NAME, unique=True),
    # One for each order and each exact filter that a list can ask for and that tells many templates apart.
    IndexModel([("updated_at", ASCENDING), ("_id", ASCENDING)], name="updated_at"),
    IndexModel([("created_at", ASCENDING), ("_id", ASCENDING)], name="created_at"),
    IndexModel([("cost_per_hour_usd", ASCENDING), ("_id", ASCENDING)], name="cost_per_hour_usd"),
    IndexModel([("instance_type", ASCENDING), ("_id", ASCENDING)], name="instance_type"),
    IndexModel([("labels", ASCENDING)], name="labels"),
    IndexModel([("ami_pattern", ASCENDING)], name="ami_pattern"),
    # By these a renamed template is found, given the entry that it came from.
    IndexModel([("base.name", ASCENDING)], name="base_name", sparse=True),
    IndexModel([("exported.name", ASCENDING)], name="exported_name", sparse=True),
    # For `feed`: the last events that are not in the log.
    IndexModel([("last_event.logged", ASCENDING), ("updated_at", ASCENDING)], name="unlogged"),
    IndexModel([("claims.worker_id", ASCENDING)], name="claims_worker"),
    # With the id, since servers before 5.0 take one index for each key.
    IndexModel([("name", ASCENDING), ("_id", ASCENDING)], name=CLAIMED, partialFilterExpression=IS_CLAIMED),
    IndexModel([(EXTRA_VALUES, ASCENDING)], name=EXTRA_VALUES),
)
_EVENTS = (
    IndexModel([("template_id", ASCENDING), ("revision", DESCENDING)], name="template_revision"),
    IndexModel([("at", DESCENDING), ("_id", DESCENDING)], name="at"),
    IndexModel([("name", ASCENDING), ("at", DESCENDING), ("_id", DESCENDING)], name="name_at"),
    IndexModel([("actor", ASCENDING), ("at", DESCENDING), ("_id", DESCENDING)], name="actor_at"),
    IndexModel([("action", ASCENDING), ("at", DESCENDING), ("_id", DESCENDING)], name="action_at"),
    # Of deletions: by the name of the entry in its file, and those whose entries may still be there.
    IndexModel([("base.name", ASCENDING)], name="base_name", sparse=True),
    IndexModel([("exported.name", ASCENDING)], name="exported_name", sparse=True),
    IndexModel([("open_in", ASCENDING)], name="open_in", sparse=True),
    IndexModel([("logged", ASCENDING), ("at", ASCENDING), ("_id", ASCENDING)], name="unlogged"),
)
_LOG = (IndexModel([("event", ASCENDING)], name="event_unique", unique=True),)


SMALL = 10_000
"""Documents of a collection whose indexes are built while others wait."""


@dataclass(frozen=True, slots=True)
class Missing:
    """Indexes that are missing on a collection so large that building them takes long."""

    collection: Collection[Document]
    models: tuple[IndexModel, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(model.document["name"] for model in self.models)

    @property
    def is_needed(self) -> bool:
        """Whether nothing is right without them: those that keep something unique."""
        return any(model.document.get("unique") for model in self.models)


def ensure_indexes(collections: Collections) -> list[Missing]:
    """Make the indexes that are missing; where none is, nothing is written.

    Returns:
        Those that would take long; those without which nothing is right come first.

    Raises:
        DuplicateNames: if the collection already holds several templates of one name.
    """
    left: list[Missing] = []
    with _naming_duplicates(collections):
        left += _ensure(collections.templates_guarded, _TEMPLATES)
    left += _ensure(collections.events_guarded, _EVENTS)
    left += _ensure(collections.log, _LOG)
    return sorted(left, key=lambda missing: not missing.is_needed)


def build(collections: Collections, missing: Missing) -> None:
    """Build indexes, however long that takes.

    Raises:
        DuplicateNames: if the collection already holds several templates of one name.
    """
    with _naming_duplicates(collections):
        missing.collection.create_indexes(list(missing.models))


@contextmanager
def _naming_duplicates(collections: Collections) -> Iterator[None]:
    try:
        yield
    except DuplicateKeyError as error:
        raise DuplicateNames(duplicate_names(collections.templates), collections.templates.name) from error


def _ensure(collection: Collection[Document], wanted: tuple[IndexModel, ...]) -> list[Missing]:
    try:
        present = {index["name"] for index in collection.list_indexes()}
    except OperationFailure as error:
        if error.code != NAMESPACE_NOT_FOUND:  # a collection that is not there yet
            raise
        present = set()
    missing = [model for model in wanted if model.document["name"] not in present]
    if not missing:
        return []
    if present and collection.estimated_document_count() > SMALL:
        unique = tuple(model for model in missing if model.document.get("unique"))
        others = tuple(model for model in missing if not model.document.get("unique"))
        return [Missing(collection, models) for models in (unique, others) if models]
    collection.create_indexes(missing)
    return []


def duplicate_names(collection: Collection[Document]) -> dict[str, int]:
    """Return the names that several templates have, sorted, each with how many have it.

    At most one more than `DuplicateNames` lists, which tells it that there are more.
    """
    pipeline: list[dict[str, Any]] = [
        {"$group": {"_id": "$name", "count": {"$sum": 1}}},
        {"$match": {"count": {"$gt": 1}}},
        {"$sort": {"_id": 1}},
        {"$limit": DuplicateNames.MAX_LISTED + 1},
    ]
    return {str(row["_id"]): row["count"] for row in collection.aggregate(pipeline, allowDiskUse=True)}
