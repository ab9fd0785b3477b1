"""The REST API in an app: its blueprint, in the host's Api or in one of the extension's own."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Flask, Response
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from flask_worker_templates._version import __version__
from flask_worker_templates.errors import SettingsError, WorkerTemplatesError

from . import csrf
from .converters import answer_for_any_host, host_options, install_converters
from .introduction import introduction
from .operation import operations_of
from .requests import current_request
from .responses import HEADERS, Problem, handle_errors, problem_response
from .smorest import DocumentedBlueprint, OwnApi, hosts_api
from .swagger_ui import docs_blueprint
from .views import TemplateViews
from .views_base import NAME, Views
from .views_claims import ClaimViews
from .views_files import FileViews
from .views_history import HistoryViews
from .views_sync import SyncViews

if TYPE_CHECKING:
    from flask_worker_templates.runtime.app_state import AppState
    from flask_worker_templates.settings import Settings

CONFIG_PREFIX = "WORKER_TEMPLATES_"
OPENAPI_VERSION = "3.0.3"

VIEWS: tuple[type[Views], ...] = (TemplateViews, HistoryViews, ClaimViews, FileViews, SyncViews)
"""The classes whose methods are the operations of the API, in the order of the OpenAPI document."""


def install_api(app: Flask, state: AppState, api: Any) -> None:
    """Add the routes to an app, in the host's Api if there is one, else in one of the extension's own."""
    api = hosts_api(app, api)
    _check_docs_url(state.settings)
    install_converters(app)
    blueprint = _blueprint(state)
    if api is not None:
        api.register_blueprint(blueprint)
        return
    own = OwnApi(
        app,
        introduction=introduction(state.settings.login_url),
        config_prefix=CONFIG_PREFIX,
        spec_kwargs={
            "title": state.settings.api_title,
            "version": __version__,
            "openapi_version": OPENAPI_VERSION,
        },
    )
    own.register_blueprint(blueprint)
    if state.settings.docs != "off":
        app.register_blueprint(docs_blueprint(state, own))


def _blueprint(state: AppState) -> DocumentedBlueprint:
    blueprint = DocumentedBlueprint(
        NAME,
        __name__,
        views=VIEWS,
        rules=state.rules,
        url_prefix=state.settings.url_prefix,
        description="Definitions of the machines to launch.",
    )
    for views in VIEWS:
        for operation, view in operations_of(views(state)):
            options = {"methods": [operation.method], "strict_slashes": False, **host_options(state.app)}
            answering = _answering(view, state.readiness.ensure)
            blueprint.add_url_rule(operation.path, view.__name__, answering, **options)
    answer_for_any_host(state.app, blueprint)
    csrf.exempt(state.app, blueprint)
    blueprint.before_app_request(Gate(state, blueprint).misdirected)
    blueprint.after_request(_after)
    handle_errors(blueprint)
    return blueprint


def _answering(view: Callable[..., Response], ready: Callable[[], None]) -> Callable[..., Response]:
    """Have a view wait until this process is ready, and answer its errors itself.

    The host's handler of a status code would go before the blueprint's.
    """

    @functools.wraps(view)
    def function(**arguments: str) -> Response:
        try:
            ready()
            return view(**arguments)
        except (HTTPException, WorkerTemplatesError, Problem) as error:
            return problem_response(error)

    return function


class Gate:
    """What stands before all views of one app."""

    def __init__(self, state: AppState, blueprint: Blueprint) -> None:
        self._state = state
        self._blueprint = blueprint
        self._is_exempt = False

    def misdirected(self) -> Response | None:
        """Answer for URLs below the prefix that are none of ours, and for methods that they do not have, as JSON.

        Flask belongs these to no blueprint, so that they would get the host's error pages.
        """
        if not self._is_exempt:
            # The host may have protected itself after `init_app`; that hook comes after this one then.
            csrf.exempt(self._state.app, self._blueprint)
            self._is_exempt = True
        prefix, asked = self._state.settings.url_prefix, current_request()
        path = asked.path
        if path != prefix and not path.startswith(prefix + "/"):
            return None
        error = asked.routing_exception
        if error is None:
            rule = asked.url_rule.rule if asked.url_rule else prefix
            # A route of the host below our prefix is meant; one that takes whatever is left over is not.
            return None if rule == prefix or rule.startswith(prefix + "/") else _nothing_there()
        if isinstance(error, NotFound):
            return _nothing_there()
        return problem_response(error) if isinstance(error, MethodNotAllowed) else None


def _nothing_there() -> Response:
    # The usual mistakes are a name in the place of the id, and a worker id that is a path.
    found_by = "Use the id of a template (a UUID); to find it by its name, list with ?name=."
    return Problem(404, f"There is nothing at this URL. {found_by} A worker id holds no slash.").response()


def _check_docs_url(settings: Settings) -> None:
    """Refuse a URL of Swagger UI at which there is a route of the API.

    Raises:
        SettingsError: if there is one.
    """
    routes = {settings.url_prefix + operation.path for views in VIEWS for operation, _ in operations_of(views)}
    ours = {settings.docs_url_prefix, settings.docs_url_prefix + "/openapi.json"}
    if settings.docs != "off" and not routes.isdisjoint(ours):
        raise SettingsError(
            f"WORKER_TEMPLATES_DOCS_URL_PREFIX must be a path at which there is no other route, not "
            f"{settings.docs_url_prefix!r} where WORKER_TEMPLATES_URL_PREFIX is {settings.url_prefix!r}"
        )


def _after(response: Response) -> Response:
    if "X-Content-Type-Options" not in response.headers:  # Flask's answer to OPTIONS, or that of a hook of the host
        for name, value in HEADERS:
            response.headers.setdefault(name, value)
    return response
