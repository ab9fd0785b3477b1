"""How the pages come to templates: the same hooks and the same store as the API."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from flask import request
from werkzeug.exceptions import HTTPException

from flask_worker_templates.errors import InvalidParameters, NotAllowed, TemplateNotFound
from flask_worker_templates.model.template import Template
from flask_worker_templates.store.store import Store

if TYPE_CHECKING:
    from flask_worker_templates.runtime.app_state import AppState
    from flask_worker_templates.runtime.hooks import Permission

MAX_MESSAGE = 500


class Door:
    """What the pages of one app share."""

    def __init__(self, state: AppState) -> None:
        self.state = state
        self.settings = state.settings
        self.hooks = state.hooks

    @property
    def store(self) -> Store:
        """The store within the scope of the current request; the pages use no other."""
        return self.state.request_store

    def authorize(self, action: Permission, template: Template | None = None) -> None:
        """Return if the current request may do this.

        Raises:
            NotAllowed: if not.
        """
        self.hooks.authorize(action, template, self.settings)

    def may(self, action: Permission, template: Template | None = None) -> bool:
        """Return whether a button for this is shown: whether the authorizer would allow it."""
        with suppress(NotAllowed, HTTPException):
            self.authorize(action, template)
            return True
        return False

    def readable(self, template_id: str) -> Template:
        """Return a template that the current request may read.

        Raises:
            TemplateNotFound: if there is none.
            NotAllowed: if it may not be read.
        """
        try:
            template = self.store.get(template_id)
        except TemplateNotFound:
            self.authorize("read")
            raise
        self.authorize("read", template)
        return template

    def reading(self, template: Template) -> None:
        """Guard what is read of a template besides itself: it may have become forbidden since it was read."""
        self.authorize("read", template)

    def guard(self, action: Permission, template: Template, after: Template | None) -> None:
        """Ask the authorizer about a change: about the template as it is, and as it would be where that differs."""
        self.authorize(action, template)
        if after is not None and after is not template:
            self.authorize(action, after)

    def updating(self, template: Template, after: Template | None) -> None:
        """Guard an update."""
        self.guard("update", template, after)

    def deleting(self, template: Template, after: Template | None) -> None:
        """Guard a deletion: the authorizer, then the host's own count of users."""
        self.guard("delete", template, after)
        if self.hooks.usage_guard is not None:
            self.hooks.usage_guard(template, after)

    def actor(self) -> str:
        """Return who makes the current request."""
        return self.hooks.actor()

    def message(self) -> str | None:
        """Return the reason that was typed, or None.

        Raises:
            InvalidParameters: if it is too long.
        """
        text = request.form.get("message", "").strip().replace("\r\n", "\n")
        if len(text) > MAX_MESSAGE:
            raise InvalidParameters({"message": [f"Must not be longer than {MAX_MESSAGE} characters."]})
        return text or None


def number_of(name: str, text: str | None, default: int) -> int:
    """Return the number of a revision that a form or a query string holds, or the default where it is left empty.

    Raises:
        InvalidParameters: if it is none.
    """
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 9:  # noqa: PLR2004  # far above any revision
        raise InvalidParameters({name: ["Must be the number of a revision."]})
    return int(text)
