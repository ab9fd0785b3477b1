"""Events as values, from the documents that hold them.

A process of an older version writes events without the fields that it does not know, while the template keeps them. So
a field that an event lacks is unchanged by it: its value is the one that the events before it say, or the default.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flask_worker_templates.model.scope import ALL, Scope
from flask_worker_templates.model.spec import DEFAULTS, FIELDS, Spec, changes
from flask_worker_templates.model.template import Event

from .connection import Collections, Document
from .stored_events import event_spec, is_event, owned_by_event
from .stored_types import Malformed

_LOOK_BACK = 100
"""The most revisions that are looked back for a field that an event lacks."""


def events_of(
    db: Collections, shown: Sequence[Document], others: Iterable[Document], scope: Scope = ALL
) -> tuple[Event, ...]:
    """Return the events that sound documents hold.

    Args:
        db: where what they lack is looked up.
        shown: the documents.
        others: sound documents of their predecessors, where they are not among them.
        scope: a change from outside of it does not say from what.
    """
    known = {(event["template_id"], event["revision"]): event for event in [*others, *shown]}
    specs = _whole_specs(db, known)
    return tuple(_event(event, specs, scope) for event in shown)


_Key = tuple[str, int]


def _event(stored: Mapping[str, Any], specs: Mapping[_Key, Spec], scope: Scope) -> Event:
    key = stored["template_id"], stored["revision"]
    spec, before = specs[key], specs.get((key[0], key[1] - 1))
    changed = changes(before, spec)
    if before is not None and not scope.contains(before):
        # Not even the names of labels that are gone: they were out there.
        changed = [{"field": one["field"], "to": one["to"]} for one in changed if "to" in one]
    return Event(**owned_by_event(stored), spec=spec, changes=changed)


def whole_spec(db: Collections, stored: Document) -> Spec:
    """Return the spec after one event, with the fields that it lacks."""
    key = (stored["template_id"], stored["revision"])
    return _whole_specs(db, {key: stored})[key]


def _whole_specs(db: Collections, known: Mapping[_Key, Document]) -> dict[_Key, Spec]:
    """Return the spec after each event. Who asks for the changes between two gives both."""
    specs = {key: event_spec(event) for key, event in known.items()}
    lacking = {key for key, spec in specs.items() if len(spec) < len(FIELDS)}
    if not lacking:
        return specs
    earlier = _earlier(db, {key for key in lacking if (key[0], key[1] - 1) not in specs and key[1] > 1})
    for key in sorted(lacking, key=lambda key: key[1]):  # from the oldest: each has what the one before it has
        before = specs.get((key[0], key[1] - 1)) or earlier.get(key, {})
        own = specs[key]
        specs[key] = {
            name: own[name] if name in own else before[name] if name in before else copy.copy(DEFAULTS[name])
            for name in FIELDS
        }
    return specs


def _earlier(db: Collections, keys: Iterable[_Key]) -> dict[_Key, Spec]:
    """Return, by event, the newest value before it of each field that not all versions know."""
    wanted = list(keys)
    if not wanted:
        return {}
    newest_field = FIELDS[-1]  # fields are added at the end, so that who knows it knows all
    ranges = [
        {
            "template_id": template_id,
            "revision": {"$lt": revision, "$gte": revision - _LOOK_BACK},
            f"spec.{newest_field}": {"$exists": True},
        }
        for template_id, revision in wanted
    ]
    by_template: dict[str, list[Document]] = defaultdict(list)
    for event in db.events.find({"$or": ranges}):
        by_template[event["template_id"]].append(event)
    found: dict[_Key, Spec] = {}
    for template_id, revision in wanted:
        before: Spec = {}
        sound = [event for event in by_template[template_id] if is_event(event)]
        for event in sorted(sound, key=lambda event: event["revision"], reverse=True):
            if event["revision"] < revision:
                try:
                    before = {**event_spec(event), **before}
                except Malformed:
                    continue
        found[template_id, revision] = before
    return found
