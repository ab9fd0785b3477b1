"""The command ``show``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import click

from flask_worker_templates.files.definition_text import definition_file
from flask_worker_templates.files.parsed import printable
from flask_worker_templates.model.ages import age
from flask_worker_templates.model.parameters import Paging
from flask_worker_templates.model.spec import flatten
from flask_worker_templates.model.template import Event, Template, rfc3339
from flask_worker_templates.runtime.app_state import current_state

from . import terminal
from .completion import complete_names
from .find_templates import find, find_id
from .list_templates import print_definitions
from .output import VERSION, command, examples, listed, output_option, print_json
from .template_table import state_meaning, state_of
from .where_from import WhereFrom, where_from

_SHOWN_CLAIMS = 5


@click.command("show")
@click.argument("name", shell_complete=complete_names)
@click.option("--revision", type=click.IntRange(min=1), metavar="N", help="Show it as it was at this revision.")
@output_option("table", "wide", "name", "json", "yaml")
@command
@examples(
    "flask worker-templates show gpu-nightly",
    "flask worker-templates show gpu-nightly --revision 3 -o yaml",
)
def show(name: str, revision: int | None, kind: str) -> None:
    """Show one template: its fields, its state, its claims, and how it differs from its file.

    NAME is a name or an id. With -o yaml it is a definition file.
    """
    state = current_state()
    if revision is not None:
        _print_revision(state.store.revision(find_id(state.store, name)[0], revision), kind)
        return
    template = find(state.store, name)
    if kind == "yaml":
        print_definitions([template])
        return
    if kind == "name":
        terminal.echo(template.name)
        return
    claims = state.store.claims(template.id, Paging(1, _SHOWN_CLAIMS))
    workers = [claim.worker_id for claim in claims]
    file = where_from(state, template)
    if kind == "json":
        print_json(
            {
                "version": VERSION,
                "template": template.to_dict(),
                "state": state_of(template),
                "claims": {"total": claims.total, "workers": workers},
                "file": file.item,
                "file_problem": file.problem or None,
            }
        )
    else:
        _print_lines(_lines(template, claims.total, workers, file, exact=kind == "wide"))


Line = tuple[str, str, terminal.Meaning | None]


def _lines(template: Template, claimed: int, workers: list[str], file: WhereFrom, *, exact: bool) -> Iterator[Line]:
    yield from _spec_lines(template.spec)
    yield "state", state_of(template), state_meaning(template)
    limit = template.max_claims
    said = f"{claimed} of {limit}" if limit is not None else str(claimed)
    yield "claims", said + (f" ({listed(workers, _SHOWN_CLAIMS)})" if workers else ""), None
    drifts = file.item is not None and file.item["state"] not in ("in_sync", "unmanaged")
    yield "file", file.text, "careful" if drifts or file.item is None else None
    yield "seeded", "yes" if template.is_seeded else "no", None
    yield "revision", str(template.revision), None
    yield "created", _when(template.created_at, exact), None
    yield "changed", _when(template.updated_at, exact), None
    yield "id", template.id, None


def _when(moment: datetime, exact: bool) -> str:
    return age(moment) if terminal.is_terminal() and not exact else rfc3339(moment)


def _spec_lines(spec: dict[str, Any]) -> Iterator[Line]:
    for path, value in flatten(spec).items():
        text = value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)
        yield path, text, None


def _print_lines(lines: Iterator[Line]) -> None:
    """Print names and values: in two columns on a terminal, else divided by tabs."""
    rows = [(name, printable(value), meaning) for name, value, meaning in lines]
    if not terminal.is_terminal():
        terminal.page_out(f"{name}\t{value}" for name, value, _ in rows)
        return
    width = max(len(name) for name, _, _ in rows)
    terminal.page_out(
        f"{terminal.styled(name.ljust(width), 'head')}  {terminal.styled(value, meaning)}".rstrip()
        for name, value, meaning in rows
    )


def _print_revision(event: Event, kind: str) -> None:
    if kind == "json":
        print_json({"version": VERSION, "event": event.to_dict()})
    elif kind == "yaml":
        click.echo(definition_file([event.spec], "yaml").encode(), nl=False)
    elif kind == "name":
        terminal.echo(event.name)
    else:
        lines: list[Line] = [
            *_spec_lines(event.spec),
            ("revision", str(event.revision), None),
            ("action", event.action, None),
            ("actor", event.actor, None),
            ("at", _when(event.at, kind == "wide"), None),
        ]
        _print_lines(iter(lines))
