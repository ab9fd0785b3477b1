"""The app's pages for people, its health check and its error pages."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Flask, Response, flash, jsonify, make_response, redirect, render_template, request, url_for
from flask_login import login_required
from pymongo.errors import PyMongoError
from werkzeug.exceptions import HTTPException, SecurityError, ServiceUnavailable
from werkzeug.wrappers import Response as WerkzeugResponse

from flask_worker_templates import Claim, DatabaseUnavailable, InvalidParameters, NotReady

from .access import check_admin, is_admin
from .fleet import LEASE_SECONDS, NothingFits, Worker, claims_by_worker, kill, launch_by_needs, stop, templates

blueprint = Blueprint("pages", __name__)

_CONSOLE = "worker-templates-console"

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def install(app: Flask) -> None:
    """Add the pages to an app, and what all of its pages share."""
    app.register_blueprint(blueprint)

    @app.context_processor
    def shared() -> dict[str, Any]:
        return {"is_admin": is_admin(), "asset": lambda name: url_for(f"{_CONSOLE}.static", filename=name)}

    @app.after_request
    def secure(response: Response) -> Response:
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)  # the console and Swagger UI have policies of their own
        return response

    @app.errorhandler(DatabaseUnavailable)
    @app.errorhandler(NotReady)
    @app.errorhandler(PyMongoError)
    def not_available(error: Exception) -> Response:
        app.logger.error("A page cannot be shown: %s", error)
        return error_page(ServiceUnavailable("The database is not available. Try again in a moment."))

    @app.errorhandler(HTTPException)
    def error_page(error: HTTPException) -> Response:
        if isinstance(error, SecurityError):  # of a host that is none of TRUSTED_HOSTS: a link to it would be wrong
            return Response(error.description, error.code, mimetype="text/plain")
        return make_response(render_template("error.html", error=error), error.code or 500)


@blueprint.get("/")
@login_required  # type: ignore[untyped-decorator]
def fleet() -> str:
    """Show the workers, and how each holds its template; to htmx, the part of the page that refreshes itself."""
    return _fleet("workers.html" if "HX-Request" in request.headers else "fleet.html")


def _fleet(page: str = "fleet.html", **values: Any) -> str:
    claims = claims_by_worker()
    rows = [(worker, claims.get(worker.id), _seconds_left(claims.get(worker.id))) for worker in Worker.objects]
    return render_template(page, rows=rows, lease_seconds=LEASE_SECONDS, form=request.form, **values)


def _seconds_left(claim: Claim | None) -> int:
    if claim is None or claim.expires_at is None:
        return 0
    return max(0, math.ceil((claim.expires_at - datetime.now(UTC)).total_seconds()))


@blueprint.post("/launch")
@login_required  # type: ignore[untyped-decorator]
def launch() -> WerkzeugResponse | tuple[str, int]:
    """Launch a worker from the cheapest template that fits."""
    check_admin()
    given = {name: value for name, value in request.form.items() if value and name != "csrf_token"}
    extra = {name.removeprefix("extra."): given.pop(name) for name in list(given) if name.startswith("extra.")}
    try:
        worker = launch_by_needs({**given, "extra": extra})
    except NothingFits as error:
        return _fleet(reasons=error.reasons), 409
    except InvalidParameters as error:
        return _fleet(errors=error.errors), 422
    flash(f"{worker.id} is launched from {worker.template_name}, the cheapest template that fits.")
    return redirect(url_for("pages.fleet"), 303)


@blueprint.post("/workers/<worker_id>/stop")
@login_required  # type: ignore[untyped-decorator]
def stop_worker(worker_id: str) -> WerkzeugResponse:
    """Stop a worker, which releases its claim."""
    check_admin()
    stop(Worker.objects.get(id=worker_id))
    flash(f"{worker_id} is stopped, and its claim is released.")
    return redirect(url_for("pages.fleet"), 303)


@blueprint.post("/workers/<worker_id>/kill")
@login_required  # type: ignore[untyped-decorator]
def kill_worker(worker_id: str) -> WerkzeugResponse:
    """Let a worker's machine die."""
    check_admin()
    kill(Worker.objects.get(id=worker_id))
    flash(f"{worker_id} is dead. Its lease ends in {LEASE_SECONDS} seconds at most.")
    return redirect(url_for("pages.fleet"), 303)


@blueprint.get("/healthz")
def health() -> tuple[Response, int]:
    """Say whether this process can serve; asks nobody, so that it answers at once."""
    status = templates.status()
    return jsonify(worker_templates=status.state), 200 if status.ok else 503


@blueprint.errorhandler(Worker.DoesNotExist)
def _no_worker(error: Exception) -> WerkzeugResponse:
    flash("There is no such worker any more.")
    return redirect(url_for("pages.fleet"), 303)
