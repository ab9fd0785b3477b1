"""The commands ``create`` and ``copy``."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import click

from flask_worker_templates.errors import InvalidSpec
from flask_worker_templates.model.spec import Spec, merge_patch
from flask_worker_templates.runtime.app_state import AppState, current_state

from .changes import Change, change_output_option, message_option, try_each
from .completion import complete_assignments, complete_names
from .find_templates import find
from .output import command, examples
from .set_fields import spec_patch
from .typed_specs import parse_specs, read_source

set_option = click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="FIELD=VALUE",
    shell_complete=complete_assignments,
    help="Set a field, by its dotted path. Repeatable.",
)


@click.command("create")
@click.argument("name", required=False)
@click.option(
    "-f", "--file", "source", type=click.Path(dir_okay=False, allow_dash=True), help="File, or - for standard input."
)
@set_option
@message_option()
@change_output_option
@command
@examples(
    "flask worker-templates create gpu-nightly --set instance_type=g5.12xlarge \\",
    "  --set capacity.cpu_cores=48 --set capacity.memory_gb=192 \\",
    "  --set capacity.storage_gb=500 --set license_type=ENTERPRISE",
    "flask worker-templates show gpu-nightly -o yaml > gpu.yaml",
    "flask worker-templates create -f gpu.yaml",
)
def create(name: str | None, source: str | None, assignments: tuple[str, ...], message: str | None, kind: str) -> int:
    """Create one template by its fields, or those that a file holds.

    The file is YAML or JSON: a template, a list of them, or a definition file. If one of them is not valid, none is
    created. They are templates of the database: no file manages them.
    """
    if (source is None) == (name is None):
        raise click.UsageError("Give either a NAME, with --set for its fields, or --file.")
    if source is None:
        specs = [current_state().rules.normalize(merge_patch({"name": name}, spec_patch(assignments)))]
    elif assignments:
        raise click.UsageError("--set is for a NAME, not for --file.")
    else:
        specs = parse_specs(*read_source(source))
    state = current_state()
    by_name = {spec["name"]: spec for spec in specs}
    if len(by_name) < len(specs):
        twice = sorted({spec["name"] for spec in specs if [one["name"] for one in specs].count(spec["name"]) > 1})
        raise InvalidSpec({"name": [f"Duplicate: {', '.join(twice)}."]})
    state.store.make_indexes()
    return try_each(list(by_name), _creator(state, by_name, message), kind=kind, doing="Creating")


def _creator(state: AppState, specs: Mapping[str, Spec], message: str | None) -> Callable[[str], Change]:

    def write(name: str) -> Change:
        created = state.store.create(specs[name], actor=state.hooks.actor(), message=message)
        return Change.of(None, created, status="created")

    return write


@click.command("copy")
@click.argument("name", shell_complete=complete_names)
@click.argument("new")
@set_option
@message_option()
@change_output_option
@command
@examples(
    "flask worker-templates copy gpu-nightly gpu-weekly --set max_nodes=50",
)
def copy(name: str, new: str, assignments: tuple[str, ...], message: str | None, kind: str) -> int:
    """Create a template like another one, under a new name."""
    state = current_state()
    template = find(state.store, name)
    spec = state.rules.normalize(merge_patch(template.spec, {**spec_patch(assignments), "name": new}))
    return try_each([new], _creator(state, {new: spec}, message), kind=kind)
