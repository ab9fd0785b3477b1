"""The names of templates, of which each is had once: whose a name is that cannot be had."""

from __future__ import annotations

from flask_worker_templates.errors import NameTaken
from flask_worker_templates.model.scope import Scope

from .connection import Collections
from .decoding import CHECKED
from .queries import same_name
from .soundness import check_template
from .stored_form import from_stored
from .stored_types import Malformed


def name_taken(db: Collections, name: str, scope: Scope) -> NameTaken:
    """Return the error that says whose a name is, as far as a scope lets it be seen."""
    # That it is taken cannot be hidden; by which template can.
    holder = db.templates_guarded.find_one({"name": same_name(db.census.spellings(name), name)}, CHECKED)
    if holder is None:
        return NameTaken(name, None)
    try:
        check_template(holder)
    except Malformed as error:
        return NameTaken(name, None, blocked=str(error))
    return NameTaken(name, holder["_id"] if scope.contains(from_stored(holder)) else None)
