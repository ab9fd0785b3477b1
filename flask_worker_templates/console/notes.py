"""The messages after an action. They are made of the URL that the action led to, since a host may have no session."""

from __future__ import annotations

from collections.abc import Iterator

from flask import request

from flask_worker_templates.model.template import Template

from .door import Door
from .page import Note, PageContext, Undo, onward
from .undo import Done, packed, undo_of

TAKEN_BACK = Note("It is as it was before.")


def note_of(door: Door, template: Template) -> tuple[Note, ...]:  # noqa: PLR0911  # a table
    """Return the message about what was just done to a template."""
    done, number = request.args.get("done"), request.args.get("n", "")
    here = onward("template", template_id=template.id)
    may = template.revision > 1 and door.may("update", template)
    undo = undo_of(packed([Done(template.id, template.revision)]), here) if may else None
    match done:
        case "created":
            return (Note(f"{template.name} is created."),)
        case "saved":
            return (Note(f"{template.name} is saved as revision {template.revision}.", undo=undo),)
        case "unchanged":
            return (Note("Nothing was different, so nothing was saved.", "warn"),)
        case "enabled" | "disabled":
            return (Note(f"{template.name} is {done}.", undo=undo),)
        case "reverted" if number.isdigit():
            return (Note(f"{template.name} has the values of revision {int(number)} again.", undo=undo),)
        case "undone":
            return (TAKEN_BACK,)
        case "released" | "claimed":
            return tuple(note_of_claim(door, template, here))
        case "restored":
            return (Note(f"{template.name} is back, with its history."),)
    return ()


def note_of_claim(door: Door, template: Template, back: str) -> Iterator[Note]:
    """Yield the message about a claim that was just released, or claimed again.

    Args:
        door: to ask whether it may be claimed again.
        template: the claimed one.
        back: where the undo leads to.
    """
    arguments = request.args
    worker, done = arguments.get("worker", ""), arguments.get("done")
    if done == "claimed":
        yield Note(f"{worker} claims {template.name} again.")
    elif done == "released" and worker:
        fields = {"worker_id": worker, "back": back}
        fields |= {
            field: arguments[key] for key, field in (("n", "revision"), ("ttl", "ttl_seconds")) if key in arguments
        }
        undo = Undo("Undo", PageContext.url("claim_again", template_id=template.id), fields)
        may = "n" in arguments and door.may("claim", template)
        yield Note(f"{worker} does not claim {template.name} any more.", undo=undo if may else None)
    elif done == "released":
        yield Note("There was no such claim any more.", "warn")
