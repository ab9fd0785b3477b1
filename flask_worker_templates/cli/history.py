"""The commands ``history`` and ``log``: what was changed, by whom and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click

from flask_worker_templates.errors import InvalidParameters
from flask_worker_templates.files.parsed import printable
from flask_worker_templates.model.ages import moment_of
from flask_worker_templates.model.parameters import (
    MAX_PAGE_SIZE,
    Paging,
    TrailSchema,
    trail_parameters,
)
from flask_worker_templates.model.records import Comparison
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
    type=click.IntRange(min=1),
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

    NAME is a name or an id; also of a template that was deleted or renamed.
    """
    store = current_state().store
    template_id, now_called = find_id(store, name)
    if now_called is not None:
        say(f"{name!r} is called {now_called!r} now.")
    if pair is not None:
        _print_comparison(store.compare(template_id, *pair), kind)
        return
    events = _newest(lambda page, size: store.history(template_id, Paging(page, size)), limit)
    _print(events, kind, names=False)
    if kind != "json":
        _say_of_others(store, name, template_id)


_TIMES = "Must be a date (2026-11-01), a time with its offset (2026-11-01T12:00:00Z), or how long ago (7d, 12h)."


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
    store = current_state().store
    try:
        trail_parameters(asked)
    except InvalidParameters as error:
        times: dict[str, Any] = {key: [_TIMES] for key in ("since", "until") if key in error.errors}
        raise usage_error(InvalidParameters({**error.errors, **times})) from None
    events = _newest(
        lambda page, size: store.trail(trail_parameters({**asked, "page": page, "page_size": size})),
        limit,
    )
    _print(events, kind, names=True)


def _newest(read: Callable[[int, int], Page[Event]], limit: int) -> Page[Event]:
    """Return the newest events, from as many pages as it takes.

    Args:
        read: returns a page, given its number and its size.
        limit: maximum number of events.
    """
    size = min(limit, MAX_PAGE_SIZE)
    page = read(1, size)
    events = list(page)
    while len(page) >= size and len(events) < limit:
        page = read(page.page + 1, size)
        events += page
    return Page(tuple(events[:limit]), max(page.total, len(events)), 1, limit)


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


def _print_comparison(comparison: Comparison, kind: str) -> None:
    if kind == "json":
        print_json({"version": VERSION, **comparison.to_dict()})
    elif not comparison.changes:
        say("They are the same.")
    elif terminal.is_terminal():
        heads = (f"revision {comparison.before}", f"revision {comparison.after}")
        terminal.page_out(side_by_side(comparison.changes, heads, terminal.width(), terminal.styled))
    else:
        terminal.page_out(_for_programs(change) for change in comparison.changes)


def _for_programs(change: Mapping[str, Any]) -> str:
    return "\t".join(map(printable, (change["field"], value_text(change, "from"), value_text(change, "to"))))
