"""The commands that change fields of one or many templates: ``set``, ``label``, ``enable`` and their like."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import click

from flask_worker_templates.errors import InvalidParameters
from flask_worker_templates.runtime.app_state import current_state

from .assignments import label_patch_of, patch_of, split_assignments, split_labels
from .changes import message_option
from .completion import complete_names, complete_targets
from .output import described, examples
from .update import Targets, Update, targeted_command, targeted_without_message, update_command


@click.command("set")
@click.argument("arguments", nargs=-1, required=True, metavar="NAME... FIELD=VALUE...", shell_complete=complete_targets)
@update_command
@examples(
    "flask worker-templates set gpu-nightly max_nodes=30 capacity.memory_gb=256",
    'flask worker-templates set small large cost_per_hour_usd= -m "New prices"',
)
def set_fields(arguments: tuple[str, ...], update: Update) -> int:
    """Set fields of one or many templates.

    FIELD is a dotted path, such as capacity.cpu_cores; FIELD= brings its default back.
    """
    names, assignments = split_assignments(arguments)
    if not names or not assignments:
        raise click.UsageError("Give at least one NAME and one FIELD=VALUE.")
    return update.patch_each(names, spec_patch(assignments))


@click.command("label")
@click.argument(
    "arguments", nargs=-1, required=True, metavar="[NAME]... KEY=VALUE|KEY-...", shell_complete=complete_names
)
@targeted_command
@examples(
    "flask worker-templates label gpu-nightly stage=prod owner-",
    'flask worker-templates label -l team=qa stage=prod -m "Goes live"',
)
def label(arguments: tuple[str, ...], targets: Targets, update: Update) -> int:
    """Set labels (KEY=VALUE) and remove them (KEY-).

    On the templates that are named, on those that the filters let through, or on --all. For filters and --all it says
    which templates these are, and asks.
    """
    names, labels = split_labels(arguments)
    if not labels:
        raise click.UsageError("Give at least one KEY=VALUE or KEY-.")
    patch = patch_of_typed(label_patch_of, labels)
    return targets.patch(names, patch, update, f"set {' '.join(labels)} on")


def spec_patch(typed: Sequence[str]) -> dict[str, Any]:
    """Return the patch that ``field=value`` arguments mean by the rules of the app.

    Raises:
        UsageError: with everything that is wrong with them.
    """
    return patch_of_typed(partial(patch_of, rules=current_state().rules), list(typed))


def patch_of_typed(read: Callable[[list[str]], dict[str, Any]], typed: list[str]) -> dict[str, Any]:
    """Return the patch that arguments mean.

    Raises:
        UsageError: with everything that is wrong with them.
    """
    try:
        return read(typed)
    except InvalidParameters as error:
        raise click.UsageError("\n".join(f"{path}: {text}" for path, text in error.flat())) from None


def _switch(name: str, patch: dict[str, Any], about: str) -> click.Command:
    @click.command(name)
    @click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete_names)
    @targeted_command
    @examples(f"flask worker-templates {name} gpu-nightly", f"flask worker-templates {name} -l team=qa")
    @described(about)
    def switch(names: tuple[str, ...], targets: Targets, update: Update) -> int:
        return targets.patch(names, patch, update, name)

    return switch


enable = _switch("enable", {"enabled": True}, "Let workers claim templates again.")
disable = _switch("disable", {"enabled": False}, "Stop new claims of templates; existing claims stay.")
undeprecate = _switch("undeprecate", {"deprecation": None}, "Remove the deprecation of templates.")


@click.command("deprecate")
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete_names)
@click.option("--message", "reason", required=True, metavar="TEXT", help="Why it should not be used any more.")
@click.option("--replaced-by", metavar="NAME", shell_complete=complete_names, help="The template to use instead.")
@message_option("-m", help="Why you do this, for the history.")
@targeted_without_message
@examples('flask worker-templates deprecate m4 --message "Too old" --replaced-by m5')
def deprecate(names: tuple[str, ...], reason: str, replaced_by: str | None, targets: Targets, update: Update) -> int:
    """Deprecate templates: no more workers may claim them, and those that do go on."""
    patch = {"deprecation": {"message": reason, "replaced_by": replaced_by}}
    return targets.patch(names, patch, update, "deprecate")
