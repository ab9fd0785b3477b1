"""The app's own API: workers as JSON, for programs that send a bearer token."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from flask import Blueprint, Response, jsonify, request
from marshmallow import fields
from werkzeug.exceptions import Forbidden, Unauthorized

from flask_worker_templates import (
    ClaimRefused,
    DatabaseUnavailable,
    InvalidParameters,
    NotReady,
    TemplateNotFound,
    WorkerTemplatesError,
)

from .access import check_admin, check_known, csrf
from .fleet import NothingFits, Worker, launch_by_name, launch_by_needs, stop

blueprint = Blueprint("api", __name__, url_prefix="/workers")
csrf.exempt(blueprint)  # its bodies are JSON, and DELETE needs a preflight: no form of another site can send either
blueprint.before_request(check_known)


class LaunchSchema(ma.Schema):
    """The body of a launch: the name of a template, or what the worker needs."""

    template = fields.String()
    cpu_cores = fields.Integer(strict=True)
    memory_gb = fields.Integer(strict=True)
    storage_gb = fields.Integer(strict=True)
    nodes = fields.Integer(strict=True)
    license_type = fields.String()
    ami = fields.String()
    extra = fields.Dict(keys=fields.String())


@blueprint.get("")
def list_workers() -> Response:
    """List the workers."""
    return jsonify([worker.to_dict() for worker in Worker.objects])


@blueprint.post("")
def launch_worker() -> tuple[Response, int]:
    """Launch a worker."""
    check_admin()
    asked: dict[str, Any] = LaunchSchema().load(request.get_json())
    name = asked.pop("template", None)
    worker = launch_by_name(name) if name is not None else launch_by_needs(asked)
    return jsonify(worker.to_dict()), 201


@blueprint.delete("/<worker_id>")
def stop_worker(worker_id: str) -> tuple[str, int]:
    """Stop a worker."""
    check_admin()
    stop(Worker.objects.get(id=worker_id))
    return "", 204


@blueprint.errorhandler(Unauthorized)
@blueprint.errorhandler(Forbidden)
def _refused(error: Unauthorized | Forbidden) -> Response:
    response = jsonify(error=error.description)
    return Response(response.data, error.code, dict(error.get_headers()) | dict(response.headers))


@blueprint.errorhandler(Worker.DoesNotExist)
def _no_worker(error: Exception) -> tuple[Response, int]:
    return jsonify(error="There is no such worker."), 404


@blueprint.errorhandler(ma.ValidationError)
def _bad_body(error: ma.ValidationError) -> tuple[Response, int]:
    return jsonify(error="The body has errors.", fields=error.messages), 422


@blueprint.errorhandler(NothingFits)
def _nothing_fits(error: NothingFits) -> tuple[Response, int]:
    return jsonify(error=str(error), reasons=error.reasons), 409


@blueprint.errorhandler(WorkerTemplatesError)
def _template_problem(error: Exception) -> tuple[Response, int]:
    match error:
        case TemplateNotFound():
            code = 404
        case ClaimRefused():
            code = 409
        case InvalidParameters():
            code = 422
        case NotReady() | DatabaseUnavailable():
            code = 503
        case _:
            raise error
    return jsonify(error=str(error)), code
