"""The MongoDB queries that parameters mean.

A value is only ever compared: it becomes an operand in a query that is written here, never an operator.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from flask_worker_templates.errors import InvalidParameters
from flask_worker_templates.model.image_name import ImageName
from flask_worker_templates.model.parameters import MAX_NAME_LENGTH, SORTS
from flask_worker_templates.model.query_fields import ExtraCondition
from flask_worker_templates.model.scope import Condition, Scope
from flask_worker_templates.model.spec import DEFAULTS

from .connection import Collections
from .stored_form import EXTRA_VALUES


def order(sort: str) -> list[tuple[str, int]]:
    """Return the total order that a `sort` parameter means, for MongoDB."""
    direction = -1 if sort.startswith("-") else 1
    field = SORTS[sort.removeprefix("-")]
    # Names are unique: nothing is left to be decided by the id, and the index on names serves both ways.
    return [(field, direction)] if field == "name" else [(field, direction), ("_id", direction)]


def conditions(asked: dict[str, Any], spellings: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return the MongoDB conditions that loaded list parameters mean, without `ami`, which needs the database.

    Args:
        asked: the parameters.
        spellings: the stored names, not in NFC, that the asked name means too.
    """
    found: list[dict[str, Any]] = [{key: {"$eq": asked[key]}} for key in ("instance_type", "is_seeded") if key in asked]
    if "name" in asked:
        found.append({"name": same_name(spellings, asked["name"])})
    if "enabled" in asked:
        # A document that lacks a field has its default.
        found.append({"enabled": {"$in": [True, None]} if asked["enabled"] else {"$eq": False}})
    if "name_prefix" in asked:
        found.append({"name": _begins(asked["name_prefix"])})
    if "license_type" in asked:
        found.append({"license_type": {"$in": asked["license_type"]}})
    if "label" in asked:
        found.append({"labels": {"$all": asked["label"]}})
    if "deprecated" in asked:
        found.append({"deprecation": {"$ne": None} if asked["deprecated"] else None})
    if "q" in asked:
        # The one parameter that no index serves: the text may be anywhere in a value.
        anywhere = {"$regex": re.escape(asked["q"]), "$options": "i"}
        found.append({"$or": [{field: anywhere} for field in ("name", "description", "instance_type", "labels")]})
    found.extend(_extra(condition) for condition in asked.get("extra", {}).values())
    minima = {
        "min_cpu_cores": "capacity.cpu_cores",
        "min_memory_gb": "capacity.memory_gb",
        "min_storage_gb": "capacity.storage_gb",
        "min_nodes": "max_nodes",
    }
    for key, field in minima.items():
        if key in asked:
            least = {field: {"$gte": asked[key]}}
            found.append({"$or": [least, {field: None}]} if asked[key] <= DEFAULTS.get(field, -1) else least)
    return found


def matching_patterns(db: Collections, image: str, within: list[dict[str, Any]]) -> list[str]:
    """Return the distinct AMI patterns that match an image name.

    They are matched here, not in the server, so that none is ever read as a regular expression. Anybody who may create
    a template writes patterns, so there is a bound on what is read of them.

    Args:
        db: where from.
        image: the name of a machine image.
        within: conditions that the patterns' templates must meet.

    Raises:
        InvalidParameters: if there are more than is read.
    """
    match = [{"$match": all_of(within)}] if within else []
    # The order lets the server step from one pattern to the next in their index.
    rows = db.templates.aggregate([*match, {"$sort": {"ami_pattern": 1}}, {"$group": {"_id": "$ami_pattern"}}])
    patterns: list[str] = []
    characters = 0
    for row in rows:
        # Where the field is missing it has its default; what is no string is no pattern, and its document no template.
        pattern = DEFAULTS["ami_pattern"] if row["_id"] is None else row["_id"]
        if not isinstance(pattern, str):
            continue
        characters += len(pattern)
        if characters > MAX_PATTERN_CHARACTERS:
            raise InvalidParameters({"ami": [_TOO_MANY_PATTERNS]})
        patterns.append(pattern)
    return ImageName(image).matched_by(patterns)


MAX_PATTERN_CHARACTERS = 2_000_000
"""Characters of all distinct patterns together that are matched against one image: half a second of work."""
_TOO_MANY_PATTERNS = (
    f"The templates have too many different ami_pattern values to search: more than {MAX_PATTERN_CHARACTERS:,} "
    "characters in all. Delete templates whose patterns are not needed."
)


def _extra(condition: ExtraCondition) -> dict[str, Any]:
    among = {EXTRA_VALUES: {"$in": list(condition.values)}}
    if not condition.or_absent:
        return among
    absent = {EXTRA_VALUES: {"$not": {"$regex": f"^{re.escape(condition.key)}="}}}
    return {"$or": [among, absent]}


def trail_conditions(asked: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the MongoDB conditions on events that loaded trail parameters mean."""
    found: list[dict[str, Any]] = [{key: {"$eq": asked[key]}} for key in ("actor", "action", "name") if key in asked]
    if "since" in asked:
        found.append({"at": {"$gte": asked["since"]}})
    if "until" in asked:
        found.append({"at": {"$lt": asked["until"]}})
    return found


def scope_conditions(scope: Scope, prefix: str = "") -> list[dict[str, Any]]:
    """Return the MongoDB conditions that hold for exactly the stored specs that a scope contains.

    Args:
        scope: what may be seen.
        prefix: where the spec stands in the document: ``""`` for a template, ``"spec."`` for an event.
    """
    if scope.alternatives is None:
        return []
    every = [all_of([_condition(one, prefix) for one in alternative]) for alternative in scope.alternatives]
    return [every[0] if len(every) == 1 else {"$or": every}]


def _condition(condition: Condition, prefix: str) -> dict[str, Any]:
    if condition.field == "label":
        return {f"{prefix}labels": {"$eq": condition.value}}
    if condition.field == "name_prefix":
        return {f"{prefix}name": _begins(str(condition.value))}
    if condition.field.startswith("extra."):
        # With its type, and not as an element of a list: only the value itself counts, as in JSON.
        kind = (
            "bool" if isinstance(condition.value, bool) else "string" if isinstance(condition.value, str) else "number"
        )
        field = prefix + condition.field
        return {"$and": [{field: {"$eq": condition.value, "$type": kind}}, {field: {"$not": {"$type": "array"}}}]}
    return {prefix + condition.field: {"$eq": condition.value}}


def _begins(prefix: str) -> dict[str, Any]:
    # A range, which the index on names serves. Nothing that begins so is beyond its end: no name is longer.
    return {"$gte": prefix, "$lte": prefix + "\U0010ffff" * MAX_NAME_LENGTH}


def without(ids: Sequence[Any]) -> list[dict[str, Any]]:
    """Return the condition that leaves documents out, or none where there are none."""
    # Not $nin, which a query planner may take for a reason to read the index on ids.
    return [{"$nor": [{"_id": {"$in": list(ids)}}]}] if ids else []


def same_name(spellings: Sequence[str], name: str) -> dict[str, Any]:
    """Return the operand that finds a name in any of its Unicode forms.

    Args:
        spellings: the stored names of the same NFC form, as far as they are not in NFC.
        name: as asked for.
    """
    names = sorted({name, unicodedata.normalize("NFC", name), *spellings})
    return {"$in": names} if len(names) > 1 else {"$eq": name}


def all_of(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Return one query that asks for all conditions."""
    found = [condition for condition in found if condition]
    if not found:
        return {}
    return found[0] if len(found) == 1 else {"$and": found}
