"""The indexes of the collections, made once before the first write."""

from __future__ import annotations

from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError, OperationFailure

from flask_worker_templates.errors import DuplicateNames

from .connection import NAMESPACE_NOT_FOUND, Collections, Document

UNIQUE_NAME = "name_unique"

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


def ensure_indexes(collections: Collections) -> None:
    """Make the indexes that are missing; where none is, nothing is written.

    Raises:
        DuplicateNames: if the collection already holds several templates of one name.
    """
    try:
        _ensure(collections.templates_guarded, _TEMPLATES)
    except DuplicateKeyError as error:
        raise DuplicateNames(duplicate_names(collections.templates), collections.templates.name) from error
    _ensure(collections.events_guarded, _EVENTS)
    _ensure(collections.log, _LOG)


def _ensure(collection: Collection[Document], wanted: tuple[IndexModel, ...]) -> None:
    try:
        present = {index["name"] for index in collection.list_indexes()}
    except OperationFailure as error:
        if error.code != NAMESPACE_NOT_FOUND:  # a collection that is not there yet
            raise
        present = set()
    missing = [model for model in wanted if model.document["name"] not in present]
    if missing:
        collection.create_indexes(missing)


def duplicate_names(collection: Collection[Document]) -> dict[str, int]:
    """Return the names that several templates have, sorted, each with how many have it.

    At most one more than `DuplicateNames` lists, which tells it that there are more.
    """
    pipeline: list[dict[str, Any]] = [
        {"$group": {"_id": "$name", "count": {"$sum": 1}}},
        {"$match": {"count": {"$gt": 1}}},
        {"$sort": {"_id": 1}},
        {"$limit": DuplicateNames.MOST + 1},
    ]
    return {str(row["_id"]): row["count"] for row in collection.aggregate(pipeline, allowDiskUse=True)}
