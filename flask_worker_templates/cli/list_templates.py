"""The command ``list``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import click

from flask_worker_templates.errors import InvalidParameters
from flask_worker_templates.files.definition_text import definition_pieces
from flask_worker_templates.model.claim import Claim
from flask_worker_templates.model.claim_parameters import claims_parameters
from flask_worker_templates.model.parameters import MAX_PAGE_SIZE
from flask_worker_templates.model.template import Template
from flask_worker_templates.runtime.app_state import current_state
from flask_worker_templates.store.store import Store
from flask_worker_templates.store.whole_reads import BATCH

from . import terminal
from .filter_options import SORTS, filter_options, usage_error
from .find_templates import find_all
from .long_text import held_back, print_pieces
from .output import VERSION, all_items, command, counted, examples, json_lines, output_option, print_table, say
from .table import tab_separated
from .template_table import columns


@click.command("list")
@filter_options
@click.option(
    "--sort",
    type=click.Choice(SORTS),
    default="name",
    metavar="FIELD",
    help="Sort order: name, updated_at, cost_per_hour_usd, …; -name for descending.",
)
@click.option("--outdated", is_flag=True, help="Only templates with workers that run an earlier revision.")
@output_option("table", "wide", "name", "json", "yaml")
@command
@examples(
    "flask worker-templates list --enabled --label team=qa --sort -updated_at",
    "flask worker-templates list --min-cpu-cores 16 -o name",
)
def list_templates(filters: dict[str, Any], sort: str, outdated: bool, kind: str) -> None:
    """List the templates, all of them or those that the filters let through."""
    store = current_state().store
    try:
        found = find_all(store, {**filters, "sort": sort})
        if outdated:
            behind = {claim.template_id for claim in outdated_claims(store)}
            found = (template for template in found if template.id in behind)
        print_templates(store, found, kind)
    except InvalidParameters as error:
        raise usage_error(error) from None


def outdated_claims(store: Store) -> list[Claim]:
    """Return the live claims of all templates that run an earlier version.

    Raises:
        InvalidParameters: if there are too many claims to look at.
    """
    asked = {"outdated": True, "expired": False, "page_size": MAX_PAGE_SIZE}
    return all_items(lambda page: store.all_claims(claims_parameters({**asked, "page": page})))


def print_templates(store: Store, found: Iterator[Template], kind: str) -> None:
    """Print templates in one of the ways that the list knows; nothing, if they cannot all be read.

    Only a table on a terminal needs them all at once, for the widths of its columns.
    """
    if kind == "json":
        document = {"version": VERSION, "templates": (template.to_dict() for template in found)}
        print_pieces(held_back(json_lines(document)))
    elif kind == "yaml":
        print_definitions(found)
    elif kind == "name":
        print_pieces(held_back(f"{terminal.visible(template.name)}\n" for template in found))
    elif terminal.is_terminal():
        listed = list(found)
        counts = store.claim_counts([template.id for template in listed])
        print_table(columns(counts, wide=kind == "wide"), listed)
        _say_how_many(len(listed))
    else:
        _print_lines(store, found, wide=kind == "wide")


def _print_lines(store: Store, found: Iterator[Template], *, wide: bool) -> None:
    number = 0

    def lines() -> Iterator[str]:
        nonlocal number
        while batch := list(islice(found, BATCH)):
            number += len(batch)
            counts = store.claim_counts([template.id for template in batch])
            for line in tab_separated(columns(counts, wide=wide), batch):
                yield f"{terminal.visible(line)}\n"

    print_pieces(held_back(lines()))
    _say_how_many(number)


def _say_how_many(number: int) -> None:
    say(f"{counted(number, 'template')}." if number else "There are no templates.")


def print_definitions(found: Iterable[Template]) -> None:
    """Print templates as a definition file, which is UTF-8 whatever the terminal is."""
    specs = (template.spec for template in found)
    print_pieces(held_back(definition_pieces(specs, "yaml", current_state().rules)), utf8=True)
