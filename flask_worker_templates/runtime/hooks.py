"""What the host decides: who may do what, who acts, and what else counts as use of a template."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from flask import current_app, has_request_context, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from flask_worker_templates.errors import NotAllowed, TemplateInUse
from flask_worker_templates.model.scope import ALL, Scope, scope_of
from flask_worker_templates.model.template import Template
from flask_worker_templates.settings import Settings
from flask_worker_templates.store.loop import Guard

from .commands import in_command

Permission = Literal["read", "create", "update", "delete", "claim", "sync"]
"""What the authorizer is asked for."""

Authorizer = Callable[[Permission, Template | None], bool | Response]
ActorLoader = Callable[[], str]
UsageCheck = Callable[[Template], int | str | None]

ScopeHook = Callable[[], "Mapping[str, Any] | Sequence[Mapping[str, Any]] | Scope"]

ANONYMOUS = "anonymous"
MAX_ACTOR_LENGTH = 256
_SCOPE = "flask_worker_templates.scope"

F = TypeVar("F", bound=Callable[..., Any])


def synchronous(function: F, hook: str) -> F:
    """Return a function that a host registers, if it can be one.

    Raises:
        TypeError: if it is an ``async def`` function.
    """
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None)):  # noqa: B004
        raise TypeError(
            f"The {hook} must not be an async function: it is called where nothing awaits it, so that its answer would "
            "always be a coroutine, and never what it returns."
        )
    return function


@dataclass(slots=True)
class Hooks:
    """The functions that the host registered."""

    authorizer: Authorizer | None = None
    actor_loader: ActorLoader | None = None
    usage_check: UsageCheck | None = None
    scope: ScopeHook | None = None

    def request_scope(self) -> Scope:
        """Return what the current request may see and touch; the hook is asked once a request.

        Raises:
            TypeError: if the host's hook gives what is no scope.
        """
        if self.scope is None:
            return ALL
        # With the request itself: what belongs to the app context may be shared by requests inside an outer one.
        asked: tuple[Hooks, Scope] | None = request.environ.get(_SCOPE)
        if asked is None or asked[0] is not self:
            asked = request.environ[_SCOPE] = self, scope_of(self.scope())
        return asked[1]

    def authorize(self, action: Permission, template: Template | None, settings: Settings) -> None:
        """Return if the current request may do this.

        Args:
            action: what the request wants to do.
            template: the template it is about, or None where it is about none or many.
            settings: those of the app.

        Raises:
            NotAllowed: if not.
            HTTPException: with the host's own response, if the authorizer returned one: it refuses.
            TypeError: if the authorizer returned something else that is merely true.
        """
        if self.authorizer is not None:
            answer = self.authorizer(action, template)
            if isinstance(answer, Response):  # such as a login decorator gives
                raise HTTPException(response=answer)
            if answer and answer is not True:
                # A tuple or "denied" is true as well: it must not open what was meant to stay shut.
                raise TypeError(
                    f"The authorizer must return True, False or a response that refuses, not {type(answer).__name__}."
                )
            if not answer:
                # Without its name, which is not for those who may not read it.
                which = "this worker template" if template else "worker templates"
                raise NotAllowed(f"You are not allowed to {action} {which}.")
            return
        allowed = settings.anonymous or ("write" if current_app.debug or current_app.testing else "read")
        if allowed == "none" or (allowed == "read" and action != "read"):
            kind = "Reading" if action == "read" else "Writing"
            raise NotAllowed(
                f"{kind} worker templates is not allowed: this app has no authorizer. Its developer can "
                "register a function with @templates.authorizer, or set WORKER_TEMPLATES_ANONYMOUS."
            )

    def actor(self, given: str | None = None) -> str:
        """Return who acts now: the given one, else what the host's hook says, else ``cli:<os user>`` in a command."""
        loaded = given is None and has_request_context()
        if loaded:
            given = self.actor_loader() if self.actor_loader else None
        elif given is None and in_command():
            given = f"cli:{_os_user()}"
        # One line of bounded length, whatever it was made from, be it the number of a user: it ends in logs and
        # terminals.
        text = "" if given is None else str(given)
        clean = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
        if loaded and _is_ours(clean):
            clean = f"user:{clean}"
        return clean[:MAX_ACTOR_LENGTH] or ANONYMOUS

    @property
    def usage_guard(self) -> Guard | None:
        """`check_usage`, or None where there is nothing to ask."""
        return None if self.usage_check is None else self.check_usage

    def check_usage(self, template: Template, _: Template | None = None) -> None:
        """Ask the host's usage check, if there is one; a guard of the store for deletions.

        Raises:
            TemplateInUse: if it gives a number above zero, or a reason.
            TypeError: if it gives something else.
        """
        answer: object = self.usage_check(template) if self.usage_check is not None else 0
        if not isinstance(answer, int | str | None):
            raise TypeError(f"The usage check must return a number or a reason, not {type(answer).__name__}.")
        if isinstance(answer, int):
            answer = "" if answer <= 0 else "1 worker uses it" if answer == 1 else f"{answer} workers use it"
        if answer:
            raise TemplateInUse(template.name, reason=answer.rstrip("."))


def _is_ours(actor: str) -> bool:
    """Return whether an actor is, or looks like, one that the extension itself writes."""
    seen = actor.strip().casefold()
    return seen == "seeder" or seen.startswith("cli:")


def _os_user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run under a user id that has no name
        return "unknown"
