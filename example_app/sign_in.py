"""Signing in by the link that the app prints, changing the role, and signing out."""

from __future__ import annotations

import hmac
import re

from flask import Blueprint, Flask, abort, current_app, redirect, render_template, request, session, url_for
from flask_login import login_user, logout_user
from werkzeug.wrappers import Response

from .access import ADMIN, VIEWER, User
from .keys import Keys

blueprint = Blueprint("sign_in", __name__)

_OWN_PATH = re.compile(r"/(?![/\\])[!-~]*")
"""A path of this app: `//host` and `/\\host` lead elsewhere."""

Answer = Response | str | tuple[str, int]


def install(app: Flask, keys: Keys) -> None:
    """Add the pages to an app."""
    app.extensions["sign_in_key"] = keys.link
    app.register_blueprint(blueprint)


@blueprint.get("/sign-in")
def page() -> Answer:
    """Sign in by the link, whose token is exchanged for a session; without a token, say where the link is."""
    token = request.args.get("token")
    return render_template("sign_in.html") if token is None else _sign_in(token)


@blueprint.post("/sign-in")
def paste() -> Answer:
    """Sign in by the token that somebody typed."""
    return _sign_in(request.form.get("token", ""))


def _sign_in(token: str) -> Answer:
    if not hmac.compare_digest(token.encode(errors="replace"), current_app.extensions["sign_in_key"].encode()):
        return render_template("sign_in.html", wrong=True), 403
    session.clear()
    session["owner"] = True
    login_user(User(ADMIN))
    target = request.args.get("next", "")
    # Away from the address that holds the token.
    return redirect(target if _OWN_PATH.fullmatch(target) else url_for("pages.fleet"), 303)


@blueprint.post("/role")
def change_role() -> Response:
    """See the app as somebody with another role does; for those alone who came by the link."""
    role = request.form.get("role")
    if not session.get("owner") or role not in (ADMIN, VIEWER):
        abort(403)
    login_user(User(role))
    return redirect(url_for("pages.fleet"), 303)


@blueprint.post("/sign-out")
def sign_out() -> Response:
    """End the session."""
    logout_user()
    session.clear()
    return redirect(url_for("sign_in.page"), 303)
