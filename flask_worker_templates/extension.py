"""`WorkerTemplates`: the extension as its host sees it.

Here are ``init_app`` and the host's hooks; the Python API is in `python_reads`, `python_writes` and `python_files`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import marshmallow as ma
from flask import Flask

from .cli.install import install_commands
from .console.blueprint import install_console
from .http.blueprint import install_api
from .model.extra import ExtraFields
from .runtime.app_state import EXTENSION, AppState
from .runtime.commands import watch_commands
from .runtime.hooks import ActorLoader, Authorizer, Hooks, ScopeHook, UsageCheck, synchronous
from .runtime.startup import Status

if TYPE_CHECKING:
    pass

from .python_files import PythonFiles
from .python_reads import PythonReads
from .python_writes import PythonWrites

AuthorizerT = TypeVar("AuthorizerT", bound=Authorizer)
ActorLoaderT = TypeVar("ActorLoaderT", bound=ActorLoader)
UsageCheckT = TypeVar("UsageCheckT", bound=UsageCheck)
ScopeT = TypeVar("ScopeT", bound=ScopeHook)


class WorkerTemplates(PythonReads, PythonWrites, PythonFiles):
    """Worker templates for a Flask app.

    Args:
        app: the app, or None to call `init_app` later; one object may serve several apps.
        api: a ``flask_smorest.Api`` of the host to join. Without it the app's own Api is joined if there is one,
            else the extension makes one for itself.
        extra: a marshmallow schema (a class or an instance) of the fields that the app adds to a template.

    The methods of the Python API work on the current app, and so need an app context, as a request has one. They
    raise `NotReady` if the app could not be prepared, `DatabaseUnavailable` if MongoDB does not do its part, and
    RuntimeError for an app that was not given to `init_app` of this very object.
    """

    def __init__(
        self, app: Flask | None = None, *, api: Any = None, extra: ma.Schema | type[ma.Schema] | None = None
    ) -> None:
        self._hooks = Hooks()
        self._extra = extra
        if app is not None:
            self.init_app(app, api=api)

    def init_app(self, app: Flask, *, api: Any = None) -> None:
        """Add the routes, the commands and the settings to an app. Does no database and no file I/O.

        Args:
            app: the app.
            api: a ``flask_smorest.Api`` of the host to join.

        Raises:
            SettingsError: if a ``WORKER_TEMPLATES_*`` key is unknown or has a value that it cannot take, or if
                the schema of `extra` cannot work; it names the field.
            RuntimeError: if the app has the extension already.
        """
        if EXTENSION in app.extensions:
            raise RuntimeError("This app has the worker templates extension already: call init_app once for each app.")
        state = AppState.of(app, self._hooks, ExtraFields(self._extra))
        install_api(app, state, api)
        install_console(app, state)
        install_commands(app)
        app.extensions[EXTENSION] = state
        watch_commands(app)

    # The host's hooks

    def authorizer(self, function: AuthorizerT) -> AuthorizerT:
        """Register ``fn(action, template_or_none) -> bool``.

        The action is ``read``, ``create``, ``update``, ``delete``, ``claim`` or ``sync``. Only True allows. A response
        that is returned refuses, and is sent. Any other answer that is true is a TypeError.
        """
        self._hooks.authorizer = synchronous(function, "authorizer")
        return function

    def actor_loader(self, function: ActorLoaderT) -> ActorLoaderT:
        """Register ``fn() -> str``, which says who makes the current request."""
        self._hooks.actor_loader = synchronous(function, "actor loader")
        return function

    def usage_check(self, function: UsageCheckT) -> UsageCheckT:
        """Register ``fn(template) -> int | str``, asked before a deletion besides the claims.

        A number above zero or a string that is not empty says that the template is in use; None is like 0.
        """
        self._hooks.usage_check = synchronous(function, "usage check")
        return function

    def scope(self, function: ScopeT) -> ScopeT:
        """Register ``fn()``, which says what the current request may see and touch; outside it, nothing is there.

        It returns a mapping of conditions that must all hold, a list of mappings (any of them), or
        ``flask_worker_templates.ALL``. The keys are ``label`` (``"team=red"``, or a list: all of them),
        ``license_type``, ``instance_type``, ``name``, ``name_prefix`` and ``extra.KEY``. Anything else, None, an empty
        mapping and an empty list included, is a TypeError, and nothing is shown.

        It holds for the HTTP API alone: the Python API, the commands and seeding see everything.
        """
        self._hooks.scope = synchronous(function, "scope hook")
        return function

    def status(self) -> Status:
        """Return the state of the extension in this process, for a health check; it does not ask the database."""
        return self._state().status()
