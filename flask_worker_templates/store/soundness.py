"""Whether a document of the database is a template at all. All else that reads takes only the parts it needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .stored_events import check_event
from .stored_form import base_of, from_stored, is_placeholder, owned_by_template, source_of
from .stored_types import (
    Malformed,
    Placeholder,
    below,
    mapping,
    missing,
)


def check_template(document: Mapping[str, Any]) -> None:
    """Look at everything of a document but its claims.

    Raises:
        Malformed: if it is no template.
    """
    if is_placeholder(document.get("name")):
        raise Placeholder("", "is being restored")
    from_stored(document)
    owned = owned_by_template(document)
    base_of(document)
    source_of(document)
    if "last_event" not in document:
        raise missing("last_event")
    with below("last_event"):
        event = mapping(document["last_event"], "")
        check_event(event)
        if event["template_id"] != owned["_id"] or event["revision"] != owned["revision"]:
            raise Malformed("", "is that of another revision or another template")
