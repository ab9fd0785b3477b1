"""The REST API in an app: its blueprint, in the host's Api or in one of the extension's own."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING, Any

from flask import Blueprint as FlaskBlueprint
from flask import Flask, Response
from flask_smorest import Api, Blueprint
from werkzeug.exceptions import HTTPException

from flask_worker_templates._version import __version__
from flask_worker_templates.errors import WorkerTemplatesError

from .responses import HEADERS, Problem, problem_response
from .swagger_ui import docs_blueprint
from .views import NAME, Views

if TYPE_CHECKING:
    from apispec import APISpec

    from flask_worker_templates.runtime.app_state import AppState

log = logging.getLogger("flask_worker_templates")
CONFIG_PREFIX = "WORKER_TEMPLATES_"
OPENAPI_VERSION = "3.0.3"


class DocumentedBlueprint(Blueprint):  # type: ignore[misc]
    """A blueprint that describes its operations as `operations` has it, instead of from decorators of its views."""

    def add_url_rule(self, rule: str, endpoint: str | None = None, view: Any = None, **options: Any) -> None:
        """Add a route as Flask does, without the description that flask-smorest would make of it."""
        FlaskBlueprint.add_url_rule(self, rule, endpoint, view, **options)

    def register_views_in_doc(self, api: Any, app: Flask, spec: APISpec, *, name: str, parameters: Any) -> None:
        """Add the operations to the OpenAPI document of the Api that the blueprint joins."""
        # A process that starts loads what it serves; what only the document needs comes with the document.
        from .operations import describe

        describe(spec, app, name)


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
    views = Views(state)
    one = "/<uuid:template_id>"
    claim = one + "/claims/<string:worker_id>"
    claims = one + "/claims"
    for rule, method, view in (
        ("", "GET", views.list_templates),
        ("", "POST", views.create_template),
        ("/history", "GET", views.list_events),
        ("/drift", "GET", views.get_drift),
        ("/validate", "POST", views.validate_template),
        (one, "GET", views.get_template),
        (one, "PUT", views.replace_template),
        (one, "PATCH", views.update_template),
        (one, "DELETE", views.delete_template),
        (one + "/history", "GET", views.get_history),
        (one + "/revert", "POST", views.revert_template),
        (claims, "GET", views.list_claims),
        (claim, "PUT", views.claim_template),
        (claim, "DELETE", views.release_template),
    ):
        blueprint.add_url_rule(rule, view.__name__, _plain(view), methods=[method], strict_slashes=False)
    blueprint.before_app_request(views.misdirected)
    blueprint.before_request(views.before)
    blueprint.after_request(_after)
    for kind in (HTTPException, WorkerTemplatesError, Problem):
        blueprint.register_error_handler(kind, problem_response)
    return blueprint


def _plain(view: Callable[..., Response]) -> Callable[..., Response]:
    # Flask's converter makes UUIDs; the store's ids are strings.
    def function(**arguments: Any) -> Response:
        return view(**{name: str(value) for name, value in arguments.items()})

    function.__name__, function.__doc__ = view.__name__, view.__doc__
    return function


def _after(response: Response) -> Response:
    if "X-Content-Type-Options" not in response.headers:  # Flask's answer to OPTIONS, or that of a hook of the host
        for name, value in HEADERS:
            response.headers.setdefault(name, value)
    return response
