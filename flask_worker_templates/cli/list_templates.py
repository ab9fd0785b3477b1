"""The command ``list``."""

from __future__ import annotations

from typing import Any

import click

from flask_worker_templates.errors import InvalidParameters
from flask_worker_templates.files.dump import definition_file
from flask_worker_templates.model.template import Template
from flask_worker_templates.runtime.app_state import current_state

from .filter_options import SORTS, filter_options, usage_error
from .find_templates import find_all
from .output import VERSION, command, counted, examples, output_option, print_json, print_table, say
from .template_table import columns


@click.command("list")
@filter_options
@click.option(
    "--sort",
    type=click.Choice(SORTS),
    default="name",
    metavar="FIELD",
    help="Order: name, updated_at, cost_per_hour_usd, …; -name turns it around.",
)
@output_option("table", "wide", "name", "json", "yaml")
@command
@examples(
    "flask worker-templates list --enabled --label team=qa --sort -updated_at",
    "flask worker-templates list --min-cpu-cores 16 -o name",
)
def list_templates(filters: dict[str, Any], sort: str, kind: str) -> None:
    """List the templates, all of them or those that the filters let through."""
    try:
        found = find_all(current_state().store, {**filters, "sort": sort})
    except InvalidParameters as error:
        raise usage_error(error) from None
    print_templates(found, kind)


def print_templates(found: list[Template], kind: str) -> None:
    """Print templates in one of the ways that the list knows."""
    if kind == "json":
        print_json({"version": VERSION, "templates": [template.to_dict() for template in found]})
    elif kind == "yaml":
        print_definitions(found)
    elif kind == "name":
        for template in found:
            click.echo(template.name)
    else:
        print_table(columns(wide=kind == "wide"), found)
        say(f"{counted(found, 'template')}." if found else "There are no templates.")


def print_definitions(found: list[Template]) -> None:
    """Print templates as a definition file, which is UTF-8 whatever the terminal is."""
    click.echo(definition_file((template.spec for template in found), "yaml").encode(), nl=False)
