"""A second look at one document that is listed as no template."""

from __future__ import annotations

from .connection import Collections


def recheck(db: Collections, template_id: str) -> None:
    """Look at a whole document, its claims too, if it is listed as no template; else send no command.

    Raises:
        TemplateNotFound: if it is none.
    """
    if not db.census.suspects(template_id):
        return
    found = db.templates.find_one({"_id": template_id})
    if found is not None:
        db.census.sound_template(found, template_id, claims=True)
    db.census.forget(template_id)
