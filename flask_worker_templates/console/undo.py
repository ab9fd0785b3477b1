"""Taking back what was done to several templates: each goes back to the revision before, or is restored.

A host may have no session, so that what was done is kept in the URL that an action leads to: the ids of the templates
and the revision that it left each at. A template that moved on since is not touched.
"""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from flask import redirect, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from flask_worker_templates.errors import (
    InvalidParameters,
    NotAllowed,
    RevisionMismatch,
    RevisionNotFound,
    TemplateNotFound,
    WorkerTemplatesError,
)
from flask_worker_templates.model.template import Template

from .door import Door
from .page import Note, PageContext, Undo, back_to, render, with_message
from .routes import Route

_BYTES = 20  # 16 of an id, 4 of a revision
_LONGEST = 3000  # characters; servers take URLs of 4,000
_NAMED = 3
_MOVED = "It was changed since. Look at its history."
REFUSED = "You are not allowed to change it."


@dataclass(frozen=True, slots=True)
class Done:
    """A template, and the revision that an action left it at; that of its deletion where it was deleted."""

    template_id: str
    revision: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of one of several templates."""

    name: str
    problem: str = ""
    done: Done | None = None
    refused: bool = False


def code_of(attempts: Iterable[Attempt]) -> int:
    """Return the status code of the page that says what became of several, not all of which could be changed."""
    return 403 if all(one.refused for one in attempts) else 409


def packed(done: Iterable[Done]) -> str:
    """Return what was done as the value of a parameter; empty if it is too much for a URL."""
    parts = bytearray()
    for one in done:
        try:
            parts += uuid.UUID(one.template_id).bytes + one.revision.to_bytes(4, "big")
        except (ValueError, OverflowError):  # no id of ours, or a revision that nobody reaches
            continue
    text = base64.urlsafe_b64encode(parts).rstrip(b"=").decode()
    return text if len(text) <= _LONGEST else ""


def unpacked(text: str) -> tuple[Done, ...]:
    """Return what `packed` wrote; nothing if it is something else."""
    try:
        parts = base64.urlsafe_b64decode(text.encode("ascii", "replace") + b"=" * (-len(text) % 4))
    except binascii.Error:
        return ()
    if not parts or len(parts) % _BYTES or len(text) > _LONGEST:
        return ()
    chunks = [parts[start : start + _BYTES] for start in range(0, len(parts), _BYTES)]
    return tuple(Done(str(uuid.UUID(bytes=one[:16])), int.from_bytes(one[16:], "big")) for one in chunks)


def undo_of(of: str, back: str) -> Undo | None:
    """Return the button that takes back what was done, or None where there is nothing to take back."""
    return Undo("Undo", PageContext.url("undo"), {"of": of, "back": back}) if unpacked(of) else None


class UndoPages(Door):
    """The action of the button."""

    def routes(self) -> Iterator[Route]:
        """Yield the routes."""
        yield Route("/undo", self.undo, "POST")

    def undo(self) -> Response | tuple[str, int]:
        """Take back what was done to some templates."""
        done = unpacked(request.form.get("of", ""))
        if not done:
            raise InvalidParameters({"of": ["This does not say what to take back."]})
        back = back_to(request.form.get("back", ""), PageContext.url("templates"))
        attempts = [self._undo_one(one) for one in done]
        if any(one.problem for one in attempts):
            page = render("attempts", "templates", heading="Not all is taken back", attempts=attempts, back=back)
            return page, code_of(attempts)
        return redirect(with_message(back, done="undone"), 303)

    def _undo_one(self, done: Done) -> Attempt:
        name = "A template"
        try:
            last = self.store.last_state(done.template_id)
            self.authorize("read", last)
            name = last.name
            self._take_back(done, last)
        except (NotAllowed, HTTPException):
            return Attempt(name, REFUSED, refused=True)
        except RevisionNotFound:
            return Attempt(name, "There is no revision to go back to.")
        except TemplateNotFound:
            return Attempt(name, "It is not there any more.")
        except WorkerTemplatesError as error:
            return Attempt(name, _MOVED if isinstance(error, RevisionMismatch) else str(error))
        return Attempt(name)

    def _take_back(self, done: Done, last: Template) -> None:
        event = self.store.revision(done.template_id, done.revision, guard=self.reading)
        if last.revision != done.revision:
            raise RevisionMismatch(done.template_id, last.revision)
        if event.action == "deleted":
            self.store.restore(done.template_id, actor=self.actor(), guard=self.updating)
            return
        self.store.revert(
            done.template_id,
            done.revision - 1,
            actor=self.actor(),
            allowed=lambda revision: revision == done.revision,
            guard=self.updating,
        )


def note_of_several(door: Door, done: str, of: str, back: str) -> Iterator[Note]:
    """Yield the message about what was just done to one or several templates of the list.

    Args:
        door: to look them up through.
        done: ``enabled``, ``disabled``, ``labelled`` or ``deleted``.
        of: what `packed` wrote.
        back: where the undo leads to.
    """
    which = unpacked(of)
    found = list(_last_states(door, which[:_NAMED])) if done in DONE else []
    if not found:
        return
    left = len(which) - len(found)
    names = ", ".join(last.name for last in found) + (f" and {left} more" if left else "")
    may = all(door.may("update", last) for last in found)
    verb = "is" if len(which) == 1 else "are"
    yield Note(f"{names} {verb} {done}.", undo=undo_of(of, back) if may else None)


DONE = frozenset({"enabled", "disabled", "labelled", "deleted"})
"""What can be done to several."""


def _last_states(door: Door, done: Sequence[Done]) -> Iterator[Template]:
    """Yield the templates that still are as the action left them."""
    for one in done:
        with suppress(TemplateNotFound):
            last = door.store.last_state(one.template_id)
            if last.revision == one.revision and door.may("read", last):
                yield last
