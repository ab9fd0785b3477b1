"""The command ``select``: which templates fit."""

from __future__ import annotations

from typing import Any

import click

from flask_worker_templates.errors import InvalidParameters
from flask_worker_templates.runtime.app_state import current_state

from . import terminal
from .filter_options import usage_error
from .list_templates import print_definitions
from .output import VERSION, command, counted, examples, output_option, print_json, print_table, say
from .template_table import columns


@click.command("select")
@click.option("--cpu-cores", metavar="N", help="The cores that are needed.")
@click.option("--memory-gb", metavar="N", help="The memory that is needed, in GB.")
@click.option("--storage-gb", metavar="N", help="The storage that is needed, in GB.")
@click.option("--nodes", metavar="N", help="The nodes that are needed.")
@click.option("--license-type", metavar="TEXT", help="Exactly this licence type.")
@click.option("--ami", metavar="TEXT", help="Name of the machine image that must match.")
@click.option("-l", "--label", multiple=True, metavar="KEY=VALUE", help="A label that is needed. Repeatable.")
@click.option(
    "--extra",
    multiple=True,
    metavar="KEY=VALUE",
    help="Value of a custom field. Repeatable: any of the values of one field.",
)
@click.option("--explain", is_flag=True, help="Also say why each other template does not fit.")
@output_option("table", "wide", "name", "json", "yaml")
@command
@examples(
    "flask worker-templates select --cpu-cores 16 --nodes 50 -o name",
)
def select(kind: str, **needs: Any) -> int:
    """List the enabled templates that fit, the cheapest first.

    Exit codes: 0 if one fits, 1 if none does.
    """
    state = current_state()
    asked = {name: value for name, value in needs.items() if value}
    if "license_type" in asked:
        asked["license_type"] = [asked["license_type"]]
    if "label" in asked:
        asked["label"] = list(asked["label"])
    for assignment in asked.pop("extra", ()):
        key, _, value = assignment.partition("=")
        asked.setdefault(f"extra.{key}", []).append(value)
    try:
        parameters = state.rules.select_parameters(asked)
        fits = state.store.select(parameters, explain=parameters.pop("explain"))
    except InvalidParameters as error:
        raise usage_error(error) from None
    if kind == "json":
        print_json({"version": VERSION, **fits.to_dict()})
    elif kind == "yaml":
        print_definitions(fits)
    elif kind == "name":
        for template in fits:
            terminal.echo(template.name)
    else:
        counts = state.store.claim_counts([template.id for template in fits])
        print_table(columns(counts, wide=kind == "wide"), fits)
        say(f"{counted(fits, 'template')} {'fits' if len(fits) == 1 else 'fit'}." if fits else "No template fits.")
        for other in fits.others:
            say(f"{other.template.name}: {' '.join(other.reasons)}")
    return 0 if fits else 1
