"""The two collections read without the package's own readers."""

from __future__ import annotations

from typing import Any

from pymongo.database import Database

from flask_worker_templates.store.connection import EVENTS, TEMPLATES
from flask_worker_templates.store.stored_form import from_stored

Documents = Database[dict[str, Any]]


def contents(database: Documents) -> dict[str, list[dict[str, Any]]]:
    """All documents of both collections, in the order of their keys."""
    return {name: list(database[name].find().sort("_id")) for name in (TEMPLATES, EVENTS)}


def check_trail(database: Documents) -> None:
    """The invariants of the audit trail, read without the package's own reader."""
    by_template: dict[str, dict[int, dict[str, Any]]] = {}
    for event in database[EVENTS].find():
        by_template.setdefault(event["template_id"], {})[event["revision"]] = event
    # A placeholder holds the place of a template for a restore that has not happened.
    placed = {"restoring": {"$exists": True}}
    alive = {found["_id"]: found for found in database[TEMPLATES].find({"$nor": [placed]})}
    for template_id, found in alive.items():
        events = {**by_template.get(template_id, {}), found["revision"]: found["last_event"]}
        committed = {number: event for number, event in events.items() if number <= found["revision"]}
        _check_connected(committed)
        assert committed[found["revision"]]["action"] != "deleted"
        assert from_stored(committed[found["revision"]]["spec"]) == from_stored(found)
    for template_id, events in by_template.items():
        if template_id not in alive:
            _check_connected(events)
            assert events[len(events)]["action"] == "deleted"


def _check_connected(events: dict[int, dict[str, Any]]) -> None:
    """Every revision from the first on, and what comes after a deletion, and that alone, is a restore."""
    assert sorted(events) == [*range(1, len(events) + 1)]
    for number in range(1, len(events)):
        earlier, later = events[number]["action"], events[number + 1]["action"]
        assert (earlier == "deleted") is (later == "restored"), (earlier, later)
