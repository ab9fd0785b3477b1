"""The REST API in an app: its blueprint, in the host's Api or in one of the extension's own."""

from __future__ import annotations

import copy
import logging
from threading import Lock
from typing import TYPE_CHECKING, Any

from flask import Blueprint as FlaskBlueprint
from flask import Flask, Response, request
from flask_smorest import Api, Blueprint
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from flask_worker_templates._version import __version__
from flask_worker_templates.errors import SettingsError, WorkerTemplatesError

from .converters import install_converters
from .operation import operations_of
from .responses import HEADERS, Problem, problem_response
from .swagger_ui import docs_blueprint
from .views import TemplateViews
from .views_base import NAME, Views
from .views_claims import ClaimViews
from .views_files import FileViews
from .views_history import HistoryViews

if TYPE_CHECKING:
    from apispec import APISpec

    from flask_worker_templates.runtime.app_state import AppState
    from flask_worker_templates.settings import Settings

log = logging.getLogger("flask_worker_templates")
CONFIG_PREFIX = "WORKER_TEMPLATES_"
OPENAPI_VERSION = "3.0.3"

VIEWS: tuple[type[Views], ...] = (TemplateViews, HistoryViews, ClaimViews, FileViews)
"""The classes whose methods are the operations of the API, in the order of the OpenAPI document."""


class DocumentedBlueprint(Blueprint):  # type: ignore[misc]
    """A blueprint that describes its operations as `operation` has it, instead of from flask-smorest's decorators."""

    def add_url_rule(self, rule: str, endpoint: str | None = None, view: Any = None, **options: Any) -> None:
        """Add a route as Flask does, without the description that flask-smorest would make of it."""
        FlaskBlueprint.add_url_rule(self, rule, endpoint, view, **options)

    def register_views_in_doc(self, api: Any, app: Flask, spec: APISpec, *, name: str, parameters: Any) -> None:
        """Add the operations to the OpenAPI document of the Api that the blueprint joins."""
        # A process that starts loads what it serves; what only the document needs comes with the document.
        from .openapi import describe

        describe(spec, app, name, VIEWS)


class OwnApi(Api):  # type: ignore[misc]
    """An Api of the extension's own, for hosts that have none. Its document is made when it is first asked for."""

    def __init__(self, app: Flask, **options: Any) -> None:
        self._document: Any = None
        self._undescribed: list[DocumentedBlueprint] = []
        self._lock = Lock()
        super().__init__(app, **options)

    @property
    def spec(self) -> Any:
        """The OpenAPI document, as apispec keeps it."""
        with self._lock:
            while self._undescribed:
                blueprint = self._undescribed.pop()
                blueprint.register_views_in_doc(self, self._app, self._document, name=blueprint.name, parameters=None)
                self._document.tag({"name": blueprint.name, "description": blueprint.description})
            return self._document

    @spec.setter
    def spec(self, document: Any) -> None:
        if document is not None:
            # apispec writes into its options, which are the host's own setting, and may be another app's as well.
            document.options = copy.deepcopy(document.options)
        self._document = document

    def register_blueprint(self, blueprint: DocumentedBlueprint) -> None:
        """Register the routes now, and describe them later."""
        self._app.register_blueprint(blueprint)
        self._undescribed.append(blueprint)

    def _register_error_handlers(self) -> None:
        """Do nothing: flask-smorest would turn the host's own error pages into JSON. The blueprint has handlers."""

    def _register_responses(self) -> None:
        """Do nothing: every response is described, and none refers to flask-smorest's."""

    _register_etag_headers = _register_pagination_header = _register_responses


def install_api(app: Flask, state: AppState, api: Any) -> None:
    """Add the routes to an app, in the host's Api if there is one, else in one of the extension's own."""
    if api is None:
        # The host's plain one first, then whichever it made first.
        apis = app.extensions.get("flask-smorest", {}).get("apis", {})
        found = apis.get("") or next(iter(apis.values()), None)
        api = found["ext_obj"] if found else None
    _check_docs_url(state.settings)
    install_converters(app)
    blueprint = _blueprint(state)
    if api is not None:
        api.register_blueprint(blueprint)
        return
    own = OwnApi(
        app,
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


def _blueprint(state: AppState) -> Blueprint:
    blueprint = DocumentedBlueprint(
        NAME,
        __name__,
        url_prefix=state.settings.url_prefix,
        description="Definitions of the machines to launch.",
    )
    for views in VIEWS:
        for operation, view in operations_of(views(state)):
            options: dict[str, Any] = {"methods": [operation.method], "strict_slashes": False}
            blueprint.add_url_rule(operation.path, view.__name__, view, **options)
    gate = Gate(state)
    blueprint.before_app_request(gate.misdirected)
    blueprint.before_request(gate.ready)
    blueprint.after_request(_after)
    for kind in (HTTPException, WorkerTemplatesError, Problem):
        blueprint.register_error_handler(kind, problem_response)
    return blueprint


class Gate:
    """What stands before the views of one app."""

    def __init__(self, state: AppState) -> None:
        self._state = state

    def misdirected(self) -> Response | None:
        """Answer for URLs below the prefix that are none of ours, and for methods that they do not have, as JSON.

        Flask belongs these to no blueprint, so that they would get the host's error pages.
        """
        error = request.routing_exception
        if not isinstance(error, NotFound | MethodNotAllowed):
            return None
        prefix = self._state.settings.url_prefix
        if request.path != prefix and not request.path.startswith(prefix + "/"):
            return None
        if isinstance(error, NotFound):
            # The usual mistakes are a name in the place of the id, and a worker id that is a path.
            found_by = "A template is at its id (a UUID); the list finds it by ?name=."
            return Problem(404, f"There is nothing at this URL. {found_by} A worker id holds no slash.").response()
        return problem_response(error)

    def ready(self) -> None:
        """Wait until this process is ready."""
        if request.method != "OPTIONS":  # which Flask answers from the routes alone
            self._state.readiness.ensure()


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
