"""The command ``select``: which templates fit."""

from __future__ import annotations

from typing import Any

import click

from flask_worker_templates.errors import InvalidParameters
from flask_worker_templates.runtime.app_state import current_state

from . import terminal
from .filter_options import select_options, usage_error
from .list_templates import print_definitions
from .output import VERSION, command, counted, examples, output_option, print_json, print_table, say
from .template_table import columns


@click.command("select")
@select_options
@click.option("--explain", is_flag=True, help="Also say why each other template does not fit.")
@output_option("table", "wide", "name", "json", "yaml")
@command
@examples(
    "flask worker-templates select --cpu-cores 16 --nodes 50 -o name",
)
def select(filters: dict[str, Any], explain: bool, kind: str) -> int:
    """List the enabled templates that fit, the cheapest first.

    Exit codes: 0 if one fits, 1 if none does.
    """
    state = current_state()
    try:
        fits = state.store.select(state.rules.select_parameters(filters), explain=explain)
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
