"""The command ``list``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import click

from flask_worker_templates.errors import InvalidParameters
from flask_worker_templates.files.dump import definition_file
from flask_worker_templates.model.claim import Claim
from flask_worker_templates.model.claim_parameters import claims_parameters
from flask_worker_templates.model.parameters import MAX_PAGE_SIZE
from flask_worker_templates.model.template import Template
from flask_worker_templates.runtime.app_state import current_state
from flask_worker_templates.store.store import Store

from . import terminal
from .filter_options import SORTS, filter_options, usage_error
from .find_templates import find_all
from .output import VERSION, all_items, command, counted, examples, output_option, print_json, print_table, say
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
            found = [template for template in found if template.id in behind]
    except InvalidParameters as error:
        raise usage_error(error) from None
    print_templates(found, kind)


def outdated_claims(store: Store) -> list[Claim]:
    """Return the live claims of all templates that run an earlier version.

    Raises:
        InvalidParameters: if there are too many claims to look at.
    """
    asked = {"outdated": True, "expired": False, "page_size": MAX_PAGE_SIZE}
    return all_items(lambda page: store.all_claims(claims_parameters({**asked, "page": page})))


def print_templates(found: list[Template], kind: str) -> None:
    """Print templates in one of the ways that the list knows."""
    if kind == "json":
        print_json({"version": VERSION, "templates": [template.to_dict() for template in found]})
    elif kind == "yaml":
        print_definitions(found)
    elif kind == "name":
        for template in found:
            terminal.echo(template.name)
    else:
        counts = current_state().store.claim_counts([template.id for template in found])
        print_table(columns(counts, wide=kind == "wide"), found)
        say(f"{counted(found, 'template')}." if found else "There are no templates.")


def print_definitions(found: Iterable[Template]) -> None:
    """Print templates as a definition file, which is UTF-8 whatever the terminal is."""
    click.echo(definition_file((template.spec for template in found), "yaml", current_state().rules).encode(), nl=False)
