"""How an operation describes itself in the OpenAPI document: one function that the routes call."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import marshmallow as ma
from werkzeug.http import HTTP_STATUS_CODES

from flask_worker_templates.model.parameters import WORKER_ID_PATTERN
from flask_worker_templates.reconcile.diff_document import ID

from .openapi_schemas import WorkerTemplateProblemSchema
from .responses import JSON

ETAG = {"ETag": {"description": "The revision, quoted.", "schema": {"type": "string", "example": '"3"'}}}
LOCATION = {"Location": {"description": "URL of the new template.", "schema": {"type": "string"}}}
PAGINATION = {
    "X-Pagination": {
        "description": (
            "JSON with `total`, `total_pages`, `page`, `first_page`, `last_page`, `previous_page` and `next_page`."
        ),
        "schema": {"type": "string", "example": '{"total": 2, "total_pages": 1, "page": 1}'},
    }
}
_RETRY_AFTER = {"Retry-After": {"description": "Seconds.", "schema": {"type": "string", "example": "5"}}}

_PROBLEMS = {
    400: "The body is not valid JSON.",
    403: "The caller may not do this.",
    404: "There is no such template.",
    409: "It conflicts with what is there: the name is taken, the template is in use or disabled.",
    412: "The template is not at a revision that If-Match and If-None-Match allow.",
    413: "The body is too large.",
    415: "The body is not of a content type that is read here.",
    422: "Fields, parameters or headers have errors; `errors` holds each by its place.",
    428: "An If-Match header is required.",
    503: "The database is not available, or seeding has not succeeded yet.",
}

ETAG_PATTERN = r'^(\*|(W/)?"[!#-~]*"(, *(W/)?"[!#-~]*")*)$'

TEMPLATE_ID = {
    "in": "path",
    "name": "template_id",
    "description": "Id of the template.",
    "schema": {"type": "string", "format": "uuid"},
    "example": ID["example"],
}
WORKER_ID = {
    "in": "path",
    "name": "worker_id",
    "description": "Id of the worker, as the host knows it.",
    "schema": {"type": "string", "pattern": WORKER_ID_PATTERN},
    "example": "i-0abc123",
}


def _tags_header(name: str, meaning: str) -> dict[str, Any]:
    return {
        "in": "header",
        "name": name,
        "description": meaning,
        "required": False,
        "schema": {"type": "string", "pattern": ETAG_PATTERN},
    }


IF_MATCH = _tags_header("If-Match", 'Do it only at this revision, such as `"3"`.')
IF_NONE_MATCH = _tags_header("If-None-Match", "Answer 304 if the template is at this revision.")


def body(schema: ma.Schema | dict[str, Any], example: Any, *content_types: str) -> dict[str, Any]:
    """Return the description of a request body."""
    content = {"schema": schema, "example": example}
    return {"required": True, "content": {kind: dict(content) for kind in content_types or (JSON,)}}


def answer(
    description: str,
    schema: ma.Schema | dict[str, Any] | None = None,
    example: Any = None,
    headers: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the description of a response."""
    described: dict[str, Any] = {"description": description}
    if schema is not None:
        described["content"] = {JSON: {"schema": schema, "example": example}}
    if headers:
        described["headers"] = dict(headers)
    return described


def operation(
    operation_id: str,
    answers: Mapping[int, dict[str, Any]],
    problems: tuple[int, ...] = (),
    *,
    parameters: tuple[dict[str, Any], ...] = (),
    request_body: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the description of an operation, without its summary, which is the view's docstring.

    Args:
        operation_id: unique name, of which client generators make a function's name.
        answers: successful responses by status code.
        problems: error status codes, besides 403 and 503, which every operation has.
        parameters: query and header parameters.
        request_body: as `body` describes it.
    """
    responses: dict[str, Any] = {str(code): described for code, described in answers.items()}
    for code in sorted({*problems, 403, 503}):
        example = {"code": code, "status": HTTP_STATUS_CODES[code], "message": _PROBLEMS[code]}
        headers = _RETRY_AFTER if code == HTTPStatus.SERVICE_UNAVAILABLE else None
        responses[str(code)] = answer(_PROBLEMS[code], WorkerTemplateProblemSchema(), example, headers)
    described: dict[str, Any] = {"operationId": operation_id, "responses": responses}
    if parameters:
        described["parameters"] = list(parameters)
    if request_body:
        described["requestBody"] = request_body
    return described
