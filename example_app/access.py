"""Who is asking, and what they may do: in the app's own routes and in the worker templates alike.

People have a session, which the link that the app prints begins. Programs send a bearer token.
"""

from __future__ import annotations

import hmac

from flask import Flask, Request, Response, abort, redirect, request, url_for
from flask_login import LoginManager, UserMixin, current_user
from flask_wtf import CSRFProtect
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.wrappers import Response as WerkzeugResponse

from flask_worker_templates import Template, WorkerTemplates

from .keys import Keys

ADMIN, VIEWER = "admin", "viewer"

csrf = CSRFProtect()


class User(UserMixin):  # type: ignore[misc]
    """Whoever has a role. In this small app there is one user for each."""

    def __init__(self, role: str) -> None:
        self.id = role


def is_admin() -> bool:
    """Return whether the one who asks is an admin."""
    return bool(current_user.is_authenticated and current_user.get_id() == ADMIN)


def check_admin() -> None:
    """Refuse everybody else."""
    if not is_admin():
        abort(403, "Only an admin may do this.")


def check_known() -> None:
    """Refuse those who are not signed in and send no token, in the way of an API."""
    if not current_user.is_authenticated:
        abort(401, "This needs a token.", www_authenticate=WWWAuthenticate("bearer", {"realm": "fleet"}))


def protect(app: Flask, templates: WorkerTemplates, keys: Keys) -> None:
    """Have Flask-Login know each request's user, and let the worker templates ask who it is."""
    app.secret_key = keys.session
    csrf.init_app(app)  # for the forms; the worker templates exempt their API, whose bodies are JSON, by themselves
    login = LoginManager(app)

    @login.user_loader  # type: ignore[untyped-decorator]
    def of_session(role: str) -> User | None:
        # A token that is sent counts for more: whoever gives Swagger UI a viewer's token means to be a viewer.
        return User(role) if role in (ADMIN, VIEWER) and request.authorization is None else None

    @login.request_loader  # type: ignore[untyped-decorator]
    def of_token(request: Request) -> User | None:
        given = request.authorization
        if given is not None and given.type == "bearer" and given.token:
            for role, token in ((ADMIN, keys.admin), (VIEWER, keys.viewer)):
                if hmac.compare_digest(given.token.encode(), token.encode()):
                    return User(role)
        return None

    @login.unauthorized_handler  # type: ignore[untyped-decorator]
    def lead_to_sign_in() -> WerkzeugResponse:
        if "HX-Request" in request.headers:  # a part of a page that refreshes itself: the whole page has to go there
            return Response(headers={"HX-Redirect": url_for("sign_in.page")})
        return redirect(url_for("sign_in.page", next=request.full_path.removesuffix("?")))

    @templates.authorizer
    def may(action: str, template: Template | None) -> bool:
        check_known()
        return action == "read" or is_admin()

    @templates.actor_loader
    def actor() -> str:
        return current_user.get_id() or "anonymous"
