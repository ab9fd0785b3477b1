"""The MongoDB queries that parameters mean.

A value is only ever compared: it becomes an operand in a query that is written here, never an operator.
"""

from __future__ import annotations

from typing import Any

from flask_worker_templates.model.parameters import LONGEST_NAME, SORTS


def order(sort: str) -> list[tuple[str, int]]:
    """Return the total order that a `sort` parameter means, for MongoDB."""
    direction = -1 if sort.startswith("-") else 1
    field = SORTS[sort.removeprefix("-")]
    # Names are unique: nothing is left to be decided by the id, and the index on names serves both ways.
    return [(field, direction)] if field == "name" else [(field, direction), ("_id", direction)]


def conditions(asked: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the MongoDB conditions that loaded list parameters mean, without `ami`, which needs the database."""
    found: list[dict[str, Any]] = [
        {key: {"$eq": asked[key]}} for key in ("name", "instance_type", "enabled", "is_seeded") if key in asked
    ]
    if "name_prefix" in asked:
        # A range, which the index on names serves. Nothing that begins so is beyond its end: no name is longer.
        last = asked["name_prefix"] + "\U0010ffff" * LONGEST_NAME
        found.append({"name": {"$gte": asked["name_prefix"], "$lte": last}})
    if "license_type" in asked:
        found.append({"license_type": {"$in": asked["license_type"]}})
    if "label" in asked:
        found.append({"labels": {"$all": asked["label"]}})
    minima = {
        "min_cpu_cores": "capacity.cpu_cores",
        "min_memory_gb": "capacity.memory_gb",
        "min_storage_gb": "capacity.storage_gb",
        "min_nodes": "max_nodes",
    }
    found.extend({field: {"$gte": asked[key]}} for key, field in minima.items() if key in asked)
    return found


def trail_conditions(asked: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the MongoDB conditions on events that loaded trail parameters mean."""
    found: list[dict[str, Any]] = [{key: {"$eq": asked[key]}} for key in ("actor", "action", "name") if key in asked]
    if "since" in asked:
        found.append({"at": {"$gte": asked["since"]}})
    if "until" in asked:
        found.append({"at": {"$lt": asked["until"]}})
    return found


def all_of(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Return one query that asks for all conditions."""
    if not found:
        return {}
    return found[0] if len(found) == 1 else {"$and": found}
