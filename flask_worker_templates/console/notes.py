"""The messages after an action. They are made of the URL that the action led to, since a host may have no session."""

from __future__ import annotations

from flask import request

from flask_worker_templates.model.template import Template

from .page import Note, PageContext, Undo


def note_of(template: Template) -> tuple[Note, ...]:  # noqa: PLR0911  # a table
    """Return the message about what was just done to a template."""
    done, number = request.args.get("done"), request.args.get("n", "")
    back = {"revision": str(template.revision - 1)} if template.revision > 1 else {}
    undo = Undo("Undo", PageContext.url("revert_template", template_id=template.id), back) if back else None
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
        case "released":
            return (Note("The claim is released."),)
        case "restored":
            return (Note(f"{template.name} is back, with its history."),)
    return ()
