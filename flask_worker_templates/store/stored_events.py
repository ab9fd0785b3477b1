"""The stored form of an event: what it has to be, and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_worker_templates.model.spec import Spec

from .stored_form import from_stored
from .stored_types import (
    Malformed,
    Reader,
    below,
    flag,
    mapping,
    missing,
    moment,
    optional,
    read_fields,
    revision,
    text,
)

_EVENT: dict[str, Reader] = {
    "_id": text,
    "template_id": text,
    "revision": revision,
    "name": text,
    "action": text,
    "actor": text,
    "at": moment,
    "token": text,
}


_EVENT_OPTIONAL: dict[str, Reader] = {
    "message": optional(text),
    "reverted_to": optional(revision),
    "pruned": flag,
    "managed": flag,
}


def check_event(stored: Mapping[str, Any]) -> None:
    """Look at everything of an event.

    Raises:
        Malformed: if it is none.
    """
    read_fields(_EVENT, stored)
    for name, read in _EVENT_OPTIONAL.items():
        if name in stored:
            read(stored[name], name)
    event_spec(stored)


def is_event(stored: Any) -> bool:
    """Tell whether a value is an event."""
    try:
        check_event(mapping(stored, ""))
    except Malformed:
        return False
    return True


def event_spec(stored: Mapping[str, Any]) -> Spec:
    """Return the spec after an event, without the fields that who wrote it did not know: those are unchanged.

    Raises:
        Malformed: if it holds none.
    """
    if "spec" not in stored:
        raise missing("spec")
    with below("spec"):
        spec = mapping(stored["spec"], "")
        return {name: value for name, value in from_stored(spec).items() if name in spec}


def owned_by_event(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a sound event says besides its spec, as arguments of `Event`."""
    return {
        "template_id": stored["template_id"],
        "name": stored["name"],
        "revision": int(stored["revision"]),
        "action": stored["action"],
        "actor": stored["actor"],
        "at": moment(stored["at"], "at"),
        "message": stored.get("message"),
        "reverted_to": stored.get("reverted_to"),
        "pruned": stored.get("pruned", False),
    }
