"""The console in an app: its blueprint, its errors as pages, and what holds before and after every page."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, cast
from urllib.parse import quote, urlsplit

from flask import Blueprint, Flask, Response, current_app, redirect, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as WerkzeugResponse

from flask_worker_templates.errors import (
    ClaimRefused,
    DatabaseRefused,
    DatabaseUnavailable,
    DuplicateNames,
    InvalidInput,
    NameTaken,
    NotAllowed,
    NotReady,
    RestoreRefused,
    RevisionMismatch,
    RevisionNotFound,
    SyncRefused,
    TemplateInUse,
    TemplateKeepsChanging,
    TemplateNotFound,
    WorkerTemplatesError,
)

from .assets import send_asset
from .claims_page import ClaimsPage
from .drift_pages import DriftPages
from .edit_pages import EditPages
from .guard import from_another_site, secure
from .list_pages import ListPages
from .page import NAME, THEME_COOKIE, THEMES, back_to, render
from .template_pages import TemplatePages
from .trail_pages import TrailPages
from .undo import UndoPages

if TYPE_CHECKING:
    from flask_worker_templates.runtime.app_state import AppState

log = logging.getLogger("flask_worker_templates")

_SAFE = ("GET", "HEAD", "OPTIONS")
_YEAR = 365 * 24 * 3600


def install_console(app: Flask, state: AppState) -> None:
    """Add the pages to an app, unless the settings switch them off or the host has a route at their prefix."""
    if state.settings.console == "off":
        return
    prefix = state.settings.console_url_prefix
    taken = [
        rule.rule for rule in app.url_map.iter_rules() if rule.rule == prefix or rule.rule.startswith(prefix + "/")
    ]
    if taken:
        log.warning(
            "The console of the worker templates is not added: the app has the route %s already. "
            "Set WORKER_TEMPLATES_CONSOLE_URL_PREFIX to another path, or WORKER_TEMPLATES_CONSOLE to 'off'.",
            taken[0],
        )
        return
    app.register_blueprint(_blueprint(state))


def _blueprint(state: AppState) -> Blueprint:
    blueprint = Blueprint(
        NAME,
        __name__,
        url_prefix=state.settings.console_url_prefix,
        template_folder="templates",
    )
    for pages in (ListPages, EditPages, TemplatePages, DriftPages, TrailPages, ClaimsPage, UndoPages):
        for route in pages(state).routes():
            endpoint = route.view.__name__
            blueprint.add_url_rule(route.path, endpoint, route.view, methods=[route.method], strict_slashes=False)
    blueprint.add_url_rule("/static/<path:filename>", "static", send_asset)
    blueprint.add_url_rule("/theme", "choose_theme", choose_theme, methods=["POST"])

    @blueprint.before_request
    def before() -> None:
        if request.endpoint == f"{NAME}.static":
            return
        if request.method not in _SAFE and from_another_site(request):
            raise NotAllowed("This was sent by a page of another site. Open the console itself, and try again there.")
        state.readiness.ensure()

    @blueprint.after_request
    def after(response: Response) -> Response:
        if request.endpoint == f"{NAME}.static" and request.args.get("v"):
            response.headers["Cache-Control"] = f"public, max-age={_YEAR}, immutable"
        return secure(response)

    def failed(error: Exception) -> WerkzeugResponse | tuple[str, int] | tuple[str, int, dict[str, str]]:
        return _failed(error, state)

    for kind in (HTTPException, WorkerTemplatesError):
        blueprint.register_error_handler(kind, failed)
    return blueprint


def choose_theme() -> WerkzeugResponse:
    """Remember the colour scheme that was chosen."""
    answer = redirect(back_to(request.form.get("back", ""), "../"), 303)
    theme = request.form.get("theme", "")
    if theme in THEMES:
        answer.set_cookie(THEME_COOKIE, theme, max_age=_YEAR, samesite="Lax", httponly=True, secure=request.is_secure)
    return answer


def _failed(error: Exception, state: AppState) -> WerkzeugResponse | tuple[str, int] | tuple[str, int, dict[str, str]]:
    """Return the page of an error."""
    headers: dict[str, str] = {}
    if isinstance(error, HTTPException):
        if error.response is not None:
            return cast("Response", error.response)
        code, words = error.code or 500, error.description or ""
        if code == 401 and state.settings.login_url and "HX-Request" not in request.headers:  # noqa: PLR2004
            separator = "&" if "?" in state.settings.login_url else "?"
            return redirect(f"{state.settings.login_url}{separator}next={quote(_page_to_return_to())}", 303)
        headers = {name: value for name, value in error.get_headers() if name == "WWW-Authenticate"}
    elif isinstance(error, NotAllowed):
        code, words = 403, str(error)
    elif isinstance(error, TemplateNotFound | RevisionNotFound):
        code, words = 404, str(error)
    elif isinstance(error, InvalidInput):
        code, words = 422, str(error)
    elif isinstance(error, _CONFLICTS):
        code, words = 409, str(error)
    elif isinstance(error, DatabaseUnavailable | NotReady):
        code, words = 503, str(error)
        if error.retry_after:
            headers = {"Retry-After": str(error.retry_after)}
    else:
        raise error
    title, advice = _TITLES.get(code, "Something went wrong"), _ADVICE.get(code, "")
    return render("error", "", code=code, words=words, title=title, advice=advice), code, headers


def _can_be_opened() -> bool:
    """Return whether the URL of a form is a page too."""
    adapter = current_app.create_url_adapter(request)
    return adapter is not None and adapter.test(request.path, "GET")


def _page_to_return_to() -> str:
    """Return the page that a sign-in leads back to: this one, or that of the form that was sent."""
    path = request.script_root + request.path
    if request.method in _SAFE:
        path = request.script_root + request.full_path.removesuffix("?")
    elif not _can_be_opened():
        sent_from = urlsplit(request.headers.get("Referer", ""))
        same = sent_from.netloc == request.host
        path = back_to(f"{sent_from.path}?{sent_from.query}".removesuffix("?") if same else "", "")
    elif request.query_string:
        path += "?" + request.query_string.decode("latin-1")
    return path


_CONFLICTS = (
    ClaimRefused,
    DatabaseRefused,
    DuplicateNames,
    NameTaken,
    RestoreRefused,
    RevisionMismatch,
    SyncRefused,
    TemplateInUse,
    TemplateKeepsChanging,
)
_ADVICE = {
    400: "Nothing was changed. If the page was open for a long time, go back, load it again and send the form again.",
    409: "Nothing was changed.",
    422: "Nothing was changed. Go back and correct it.",
}
_TITLES = {
    400: "The form could not be read",
    401: "Sign in first",
    403: "This is not allowed",
    404: "There is no such page",
    405: "There is no such page",
    409: "This is not possible as things stand",
    413: "That is too large",
    422: "A value is not valid",
    503: "Not available right now",
}
