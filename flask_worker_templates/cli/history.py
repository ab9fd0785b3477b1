"""The commands ``history`` and ``log``: what was changed, by whom and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from flask_worker_templates.errors import InvalidParameters, RevisionNotFound
from flask_worker_templates.files.parsed import printable
from flask_worker_templates.model.ages import moment_of
from flask_worker_templates.model.parameters import (
    MAX_PAGE_SIZE,
    Paging,
    TrailSchema,
    trail_parameters,
)
from flask_worker_templates.model.spec import changes
from flask_worker_templates.model.template import Event, Page
from flask_worker_templates.runtime.app_state import current_state
from flask_worker_templates.store.store import Store

from . import terminal
from .completion import complete_names
from .field_changes import value_text
from .filter_options import options_of, usage_error
from .find_templates import find_id
from .output import VERSION, command, examples, output_option, print_json, say
from .print_events import print_events
from .side_by_side import side_by_side

_limit_option = click.option(
    "--limit",
    type=click.IntRange(1, MAX_PAGE_SIZE),
    default=20,
    show_default=True,
    help="Maximum number of entries to show.",
)


@click.command("history")
@click.argument("name", shell_complete=complete_names)
@_limit_option
@click.option("--diff", "pair", type=(int, int), metavar="A B", help="Show what differs between two revisions.")
@output_option("table", "wide", "json")
@command
@examples(
    "flask worker-templates history gpu-nightly",
    "flask worker-templates history gpu-nightly --diff 3 7",
)
def history(name: str, limit: int, pair: tuple[int, int] | None, kind: str) -> None:
    """Show the changes of one template, newest first.

    NAME is a name or an id; also of a template that was deleted or is called otherwise now.
    """
    store = current_state().store
    template_id, now_called = find_id(store, name)
    if now_called is not None:
        say(f"{name!r} is called {now_called!r} now.")
    if pair is not None:
        _print_comparison(event_at(store, template_id, pair[0]), event_at(store, template_id, pair[1]), kind)
        return
    events = store.history(template_id, Paging(1, limit))
    _print(events, kind, names=False)
    if kind != "json":
        _say_of_others(store, name, template_id)


@click.command("log")
@options_of(TrailSchema())
@_limit_option
@output_option("table", "wide", "json")
@command
@examples(
    "flask worker-templates log --since 7d --actor ops-bot",
    "flask worker-templates log --action deleted --until 2026-11-01",
)
def log(filters: dict[str, Any], limit: int, kind: str) -> None:
    """Show the changes of all templates, newest first.

    --since and --until take a time (2026-11-01T12:00:00Z), a date (its first moment, in UTC) or how long ago (7d, 12h).
    """
    asked = {key: moment_of(value) if key in ("since", "until") else value for key, value in filters.items()}
    try:
        parameters = trail_parameters({**asked, "page_size": limit})
    except InvalidParameters as error:
        raise usage_error(error) from None
    _print(current_state().store.trail(parameters), kind, names=True)


def _print(events: Page[Event], kind: str, *, names: bool) -> None:
    if kind == "json":
        print_json(
            {"version": VERSION, "total": events.total, "events": [event.to_dict() for event in events]},
        )
        return
    print_events(events, wide=kind == "wide", names=names)
    if not events:
        say("No changes found.")
    elif events.total > len(events):
        say(f"({events.total - len(events)} earlier; --limit shows more)")


def _say_of_others(store: Store, name: str, template_id: str) -> None:
    """Say which other templates had the same name and were deleted: their histories are found by their ids."""
    deleted = store.trail(trail_parameters({"name": name, "action": "deleted", "page_size": MAX_PAGE_SIZE}))
    for other in dict.fromkeys(event.template_id for event in deleted if event.template_id != template_id):
        say(f"Another template of this name was deleted: history {other} shows its changes.")


def event_at(store: Store, template_id: str, revision: int) -> Event:
    """Return the event that made a revision.

    Raises:
        RevisionNotFound: if there is no such revision.
    """
    total = store.history(template_id, Paging(1, 1)).total
    if 1 <= revision <= total:
        for event in store.history(template_id, Paging(total - revision + 1, 1)):
            if event.revision == revision:
                return event
    raise RevisionNotFound(template_id, revision)


def _print_comparison(old: Event, new: Event, kind: str) -> None:
    differing: list[dict[str, Any]] = changes(old.spec, new.spec)
    if kind == "json":
        print_json({"version": VERSION, "from": old.revision, "to": new.revision, "changes": differing})
    elif not differing:
        say("They are the same.")
    elif terminal.is_terminal():
        heads = (f"revision {old.revision}", f"revision {new.revision}")
        terminal.page_out(side_by_side(differing, heads, terminal.width(), terminal.styled))
    else:
        terminal.page_out(_for_programs(change) for change in differing)


def _for_programs(change: Mapping[str, Any]) -> str:
    return "\t".join(map(printable, (change["field"], value_text(change, "from"), value_text(change, "to"))))
