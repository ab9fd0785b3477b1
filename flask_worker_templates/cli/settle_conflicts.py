"""Asking about each conflict of a sync: whose value a field gets, or that the template is left as it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import click

from flask_worker_templates.reconcile.compare import FieldDrift, Side
from flask_worker_templates.reconcile.options import SyncOptions
from flask_worker_templates.reconcile.plan import SyncPlan, leaf_text

from . import terminal
from .output import counted, say

_ANSWERS: dict[str, Side] = {"f": "file", "d": "db"}


def settled(plan: SyncPlan, options: SyncOptions) -> SyncOptions:
    """Return the options with an answer to each conflict that they leave open.

    Args:
        plan: that has the conflicts.
        options: what was decided before.

    Raises:
        Abort: on Ctrl-C and Ctrl-D.
    """
    undecided = [step for step in plan.steps if step.outcome.action == "refuse"]
    if not undecided:
        return options
    say(f"{counted(undecided, 'template')} in conflict: changed both in the file and in the database.")
    choices = {name: dict(chosen) for name, chosen in options.choices.items()}
    for step in undecided:
        name = step.drift.name
        open_fields = [
            field
            for field in step.drift.fields
            if field.resolution == "conflict" and field.path not in choices.get(name, {})
        ]
        chosen = dict(_answers(name, open_fields))
        if len(chosen) == len(open_fields):
            choices[name] = {**choices.get(name, {}), **chosen}
    # Those that were skipped are left as they are, and the rest of the sync goes on.
    return replace(options, choices=choices, on_conflict=options.on_conflict or "skip")


def _answers(name: str, fields: list[FieldDrift]) -> Iterator[tuple[str, Side]]:
    """Yield whose value each field gets; nothing more once the template is to be skipped."""
    say(terminal.styled(name, "head", err=True))
    for field in fields:
        say(
            f"  {field.path}: file {leaf_text(field.file)}, database {leaf_text(field.database)}, "
            f"last applied {leaf_text(field.base)}"
        )
        answer = click.prompt(
            "  Take the value of the [f]ile, of the [d]atabase, or [s]kip the template",
            type=click.Choice([*_ANSWERS, "s"]),
            show_choices=False,
            err=True,
        )
        if answer == "s":
            return
        yield field.path, _ANSWERS[answer]
