"""Swagger UI without the internet: its files come from a package, and its page runs under a strict content policy."""

from __future__ import annotations

import functools
import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, current_app, render_template_string, request, send_from_directory, url_for

from .converters import ASSET, answer_for_any_host, host_options
from .responses import HEADERS, Problem, handle_errors, json_response

if TYPE_CHECKING:
    from flask_worker_templates.runtime.app_state import AppState

NAME = "worker-templates-docs"

_FROM_SWAGGER_UI = ("swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png")
_OWN = ("docs.js",)

# No inline script, nothing from elsewhere. Swagger UI sets style attributes, which only 'unsafe-inline' allows.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>{{ title }}</title>
  <link rel="stylesheet" href="{{ asset("swagger-ui.css") }}">
  <link rel="icon" href="{{ asset("favicon-32x32.png") }}">
</head>
<body>
  <div id="swagger-ui"></div>
  <script src="{{ asset("swagger-ui-bundle.js") }}"></script>
  <script src="{{ asset("docs.js") }}" data-document="{{ document }}"></script>
</body>
</html>
"""


def docs_blueprint(state: AppState, api: Any) -> Blueprint:
    """Return the blueprint that serves Swagger UI and the OpenAPI document of the extension's own Api."""
    blueprint = Blueprint(NAME, __name__, url_prefix=state.settings.docs_url_prefix)
    views = DocsViews(state, api)
    for rule, view in (("", views.page), ("/openapi.json", views.document), (f"/assets/{ASSET}", views.asset)):
        blueprint.add_url_rule(rule, view.__name__, view, strict_slashes=False, **host_options(state.app))
    answer_for_any_host(state.app, blueprint)
    blueprint.before_request(views.authorize)
    blueprint.after_request(_secure)
    handle_errors(blueprint)
    return blueprint


class DocsViews:
    """The views of one app's documentation."""

    def __init__(self, state: AppState, api: Any) -> None:
        self._state = state
        self._api = api

    def authorize(self) -> None:
        """Ask the host's authorizer where the settings say so."""
        if self._state.settings.docs == "read":
            self._state.hooks.authorize("read", None, self._state.settings)

    def page(self) -> Response:
        """Show Swagger UI."""
        page = render_template_string(
            _PAGE,
            title=self._state.settings.api_title,
            document=url_for(f"{NAME}.document"),
            asset=lambda name: url_for(f"{NAME}.asset", name=name),
        )
        return current_app.response_class(page, content_type="text/html; charset=utf-8")

    def document(self) -> Response:
        """Show the OpenAPI document."""
        document = {**self._api.spec.to_dict()}  # a copy: apispec keeps what it returns
        if request.script_root:  # the app is mounted below a path that its own routes do not show
            document.setdefault("servers", [{"url": request.script_root}])
        return json_response(json.dumps(document).encode())

    def asset(self, name: str) -> Response:
        """Send one of the page's files."""
        if name in _OWN:
            return send_from_directory(Path(__file__).parent / "static", name)
        if name in _FROM_SWAGGER_UI:
            return send_from_directory(_swagger_ui(), name)
        raise Problem(404, "There is no such file.")


@functools.cache
def _swagger_ui() -> Path:
    # Found, not imported: importing it looks its version up among all installed packages, and its files are enough.
    found = importlib.util.find_spec("flask_swagger_ui")
    if found is None or found.origin is None:
        raise Problem(404, "The package flask-swagger-ui is not installed.")
    return Path(found.origin).parent / "dist"


def _secure(response: Response) -> Response:
    response.headers.update(_HEADERS)
    for name, value in HEADERS:
        response.headers[name] = value
    return response
