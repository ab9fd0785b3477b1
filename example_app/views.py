"""The app's own routes: a page, JSON, a health check, and error pages. The worker templates leave them as they are."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from flask import Blueprint, Flask, Response, jsonify, make_response, render_template, request
from marshmallow import fields
from pymongo.errors import PyMongoError
from werkzeug.exceptions import HTTPException, ServiceUnavailable

from flask_worker_templates import (
    DatabaseUnavailable,
    InvalidParameters,
    NotReady,
    TemplateDisabled,
    TemplateNotFound,
    WorkerTemplatesError,
)

from .access import ADMIN, auth
from .fleet import NothingFits, Worker, launch_by_name, launch_by_needs, stop, templates

blueprint = Blueprint("fleet", __name__)


class LaunchSchema(ma.Schema):
    """The body of a launch: the name of a template, or what the worker needs."""

    template = fields.String()
    cpu_cores = fields.Integer(strict=True)
    memory_gb = fields.Integer(strict=True)
    storage_gb = fields.Integer(strict=True)
    nodes = fields.Integer(strict=True)
    license_type = fields.String()
    ami = fields.String()


@blueprint.get("/")
def page() -> str:
    """Show what runs."""
    return render_template("index.html", workers=Worker.objects)


@blueprint.get("/workers")
@auth.login_required  # type: ignore[untyped-decorator]
def list_workers() -> Response:
    """List the workers."""
    return jsonify([worker.to_dict() for worker in Worker.objects])


@blueprint.post("/workers")
@auth.login_required(role=ADMIN)  # type: ignore[untyped-decorator]
def launch_worker() -> tuple[Response, int]:
    """Launch a worker."""
    asked: dict[str, Any] = LaunchSchema().load(request.get_json())
    name = asked.pop("template", None)
    worker = launch_by_name(name) if name is not None else launch_by_needs(asked)
    return jsonify(worker.to_dict()), 201


@blueprint.delete("/workers/<worker_id>")
@auth.login_required(role=ADMIN)  # type: ignore[untyped-decorator]
def stop_worker(worker_id: str) -> tuple[str, int]:
    """Stop a worker."""
    stop(Worker.objects.get(id=worker_id))
    return "", 204


@blueprint.get("/healthz")
def health() -> tuple[Response, int]:
    """Say whether this process can serve; asks nobody, so that it answers at once."""
    status = templates.status()
    return jsonify(worker_templates=status.state), 200 if status.ok else 503


@blueprint.errorhandler(Worker.DoesNotExist)
def _no_worker(error: Exception) -> tuple[Response, int]:
    return jsonify(error="There is no such worker."), 404


@blueprint.errorhandler(ma.ValidationError)
def _bad_body(error: ma.ValidationError) -> tuple[Response, int]:
    return jsonify(error="The body has errors.", fields=error.messages), 422


@blueprint.errorhandler(NothingFits)
@blueprint.errorhandler(WorkerTemplatesError)
def _template_problem(error: Exception) -> tuple[Response, int]:
    match error:
        case TemplateNotFound() | NothingFits():
            code = 404
        case TemplateDisabled():
            code = 409
        case InvalidParameters():
            code = 422
        case NotReady() | DatabaseUnavailable():
            code = 503
        case _:
            raise error
    return jsonify(error=str(error)), code


def add_error_page(app: Flask) -> None:
    """Give the app an error page of its own."""

    @app.errorhandler(PyMongoError)
    def no_database(error: PyMongoError) -> Response:
        app.logger.error("The database does not do its part: %s", error)
        return error_page(ServiceUnavailable("The database is not available. Try again in a moment."))

    @app.errorhandler(HTTPException)
    def error_page(error: HTTPException) -> Response:
        return make_response(render_template("error.html", error=error), error.code or 500)
