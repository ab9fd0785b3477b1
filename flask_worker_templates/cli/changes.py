"""The commands that show the audit trail."""

from __future__ import annotations

import json

import click

from flask_worker_templates.errors import TemplateNotFound
from flask_worker_templates.model.parameters import MOST_PAGE_SIZE, Window, trail_parameters
from flask_worker_templates.model.template import Event, rfc3339
from flask_worker_templates.runtime.app_state import current_state

from .output import command, format_option, print_json


@click.command("history")
@click.argument("name")
@click.option("--limit", type=click.IntRange(1, MOST_PAGE_SIZE), default=20, show_default=True, help="Most entries.")
@format_option
@command
def history(name: str, limit: int, kind: str) -> None:
    """Show the changes of one template, newest first; also of one that was deleted."""
    store = current_state().store
    try:
        template_id = store.get_by_name(name).id
    except TemplateNotFound:
        last = store.trail(trail_parameters({"name": name, "page_size": 1}))
        if not last:
            raise
        template_id = last[0].template_id
    events = store.history(template_id, Window(1, limit))
    if kind == "json":
        print_json([event.to_dict() for event in events])
        return
    for event in events:
        _print_event(event)
    if events.total > len(events):
        click.echo(f"({events.total - len(events)} earlier; --limit shows more)", err=True)


def _print_event(event: Event) -> None:
    click.echo(f"{event.revision:>4}  {rfc3339(event.at)}  {event.action:<9} {event.actor}")
    for change in event.changes:
        before, after = (
            json.dumps(change[key], ensure_ascii=False) if key in change else "–" for key in ("from", "to")
        )
        click.echo(f"      {change['field']}: {before} → {after}")
