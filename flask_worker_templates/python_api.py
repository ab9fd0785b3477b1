"""What the parts of the Python API share: the current app, and how arguments become what the store takes."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from .errors import TemplateNotFound
from .model.fields import is_utf8
from .runtime.app_state import AppState, current_state
from .runtime.hooks import Hooks

if TYPE_CHECKING:
    pass


class PythonApi:
    """A part of the Python API of `WorkerTemplates`."""

    _hooks: Hooks

    def _state(self) -> AppState:
        state = current_state()
        if state.hooks is not self._hooks:
            raise RuntimeError(
                f"This WorkerTemplates object does not belong to the current app ({state.app.name!r}): its authorizer "
                "and usage check are not the app's. Use the object whose init_app was called with this app."
            )
        return state

    def _ready(self) -> AppState:
        return self._state().ready()


def id_of(template_id: object) -> str:
    """Return the id of a template in the form that the store has it in.

    Raises:
        TemplateNotFound: if it cannot be one.
    """
    # A host may pass on what a client sent: a mapping would be a query operator.
    if isinstance(template_id, uuid.UUID | str) and is_utf8(text := str(template_id)):
        return text.lower()
    raise TemplateNotFound(str(template_id))
