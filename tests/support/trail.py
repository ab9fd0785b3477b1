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
    alive = {found["_id"]: found for found in database[TEMPLATES].find()}
    for template_id, found in alive.items():
        events = {**by_template.get(template_id, {}), found["revision"]: found["last_event"]}
        assert sorted(number for number in events if number <= found["revision"]) == [*range(1, found["revision"] + 1)]
        assert from_stored(events[found["revision"]]["spec"]) == from_stored(found)
    for template_id, events in by_template.items():
        if template_id not in alive:
            assert sorted(events) == [*range(1, len(events) + 1)]
            assert events[len(events)]["action"] == "deleted"
