"""Which templates a command is about: NAME is a name or an id, of one that is there or that was deleted."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from flask_worker_templates.errors import RestoreRefused, TemplateNotFound
from flask_worker_templates.model.parameters import Paging, trail_parameters
from flask_worker_templates.model.template import Event, Template
from flask_worker_templates.store.store import Store


def find(store: Store, key: str) -> Template:
    """Return the template of a name or an id; a name counts first.

    Raises:
        TemplateNotFound: if there is none.
    """
    try:
        return store.get_by_name(key)
    except TemplateNotFound:
        template_id = as_id(key)
        if template_id is None:
            raise
    try:
        return store.get(template_id)
    except TemplateNotFound:
        raise TemplateNotFound(key) from None


def find_all(store: Store, filters: Mapping[str, Any]) -> Iterator[Template]:
    """Return the templates that filters let through, as the list orders them; they are read as they are taken.

    Raises:
        InvalidParameters: if a filter has a value that it cannot take; also when the first one is taken.
    """
    return store.each(store.rules.list_parameters(filters))


def find_id(store: Store, key: str) -> tuple[str, str | None]:
    """Return the id of a template that is there or once was, and the name that it has by now, if that is another.

    A name is that of the template that has it, else of the last one that had it.

    Raises:
        TemplateNotFound: if there never was such a template.
    """
    try:
        return find(store, key).id, None
    except TemplateNotFound:
        template_id = as_id(key)
        if template_id is not None and _newest_event(store, template_id) is not None:
            return template_id, None
        had_it = store.trail(trail_parameters({"name": key, "page_size": 1}))
        if not had_it:
            raise
    template_id = had_it[0].template_id
    newest = _newest_event(store, template_id)
    return template_id, newest.name if newest is not None and newest.name != key else None


def find_deletion(store: Store, key: str) -> Event:
    """Return the deletion of a template: the last one under a name, or that of an id.

    Raises:
        RestoreRefused: if there is such a template, and none of them was deleted.
        TemplateNotFound: if there never was such a template.
    """
    template_id = as_id(key)
    if template_id is not None:
        event = _newest_event(store, template_id)
        if event is not None and event.action == "deleted":
            return event
    deletions = store.trail(trail_parameters({"name": key, "action": "deleted", "page_size": 1}))
    if not deletions:
        raise RestoreRefused(find(store, key).id, "is not deleted")
    return deletions[0]


def _newest_event(store: Store, template_id: str) -> Event | None:
    try:
        return next(iter(store.history(template_id, Paging(1, 1))), None)
    except TemplateNotFound:
        return None


def as_id(key: str) -> str | None:
    """Return a key as an id is written, or None if it cannot be one."""
    try:
        return str(uuid.UUID(key))
    except ValueError:
        return None
