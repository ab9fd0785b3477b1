"""The words in which operations describe themselves in the OpenAPI document. Loaded only when a document is made."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar

import marshmallow as ma
from werkzeug.http import HTTP_STATUS_CODES
from werkzeug.routing import Rule

from flask_worker_templates.model.claim_parameters import WORKER_ID_PATTERN
from flask_worker_templates.model.documents import ID
from flask_worker_templates.model.nullable import spell_null
from flask_worker_templates.model.parameters import WriteSchema
from flask_worker_templates.model.rules import SpecRules
from flask_worker_templates.model.spec import WorkerTemplateSpecSchema
from flask_worker_templates.reconcile.diff_document import WorkerTemplateDriftSchema

from . import openapi_schemas, sync_schemas
from .operation import Description, operations_of
from .responses import JSON

if TYPE_CHECKING:
    from apispec import APISpec
    from flask import Flask

    from .views_base import Views

_ETAG = {"ETag": {"description": "The revision, quoted.", "schema": {"type": "string", "example": '"3"'}}}
_LOCATION = {"Location": {"description": "URL of the new template.", "schema": {"type": "string"}}}
_PAGINATION = {
    "X-Pagination": {
        "description": (
            "JSON with `total`, `total_pages`, `page`, `first_page`, `last_page`, `previous_page` and `next_page`."
        ),
        "schema": {"type": "string", "example": '{"total": 2, "total_pages": 1, "page": 1}'},
    }
}
_NEXT_CURSOR = {
    "X-Next-Cursor": {
        "description": "With `after`, in the place of `X-Pagination`: what to ask for next.",
        "required": False,
        "schema": {"type": "string"},
    }
}
_RETRY_AFTER = {"Retry-After": {"description": "Seconds.", "schema": {"type": "string", "example": "5"}}}

_PROBLEMS = {
    400: "The body is not valid JSON.",
    401: "The caller is not logged in. The app decides that, and its answer may have another form.",
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
_ALWAYS = (401, 403, 503)
"""What every operation may answer."""

_CAPITAL = re.compile("[A-Z]")

ETAG_PATTERN = r'^(\*|(W/)?"[!#-~]*"(, *(W/)?"[!#-~]*")*)$'

_TEMPLATE_ID = {
    "in": "path",
    "name": "template_id",
    "description": "Id of the template.",
    "schema": {"type": "string", "format": "uuid"},
    "example": ID["example"],
}
_REVISION = {
    "in": "path",
    "name": "revision",
    "description": "A revision of the template.",
    "schema": {"type": "integer", "minimum": 1},
    "example": 1,
}
_WORKER_ID = {
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


class AppSchemas:
    """The schemas of `openapi_schemas`, and its examples as the rules of an app allow them."""

    def __init__(self, rules: SpecRules) -> None:
        self._rules = rules

    def __getattr__(self, name: str) -> Any:
        found = getattr(openapi_schemas, name)
        return openapi_schemas.adapted(found, self._rules) if name.endswith("_EXAMPLE") else found


class Doc:
    """What the descriptions of operations are made of.

    Args:
        rules: those of the app that is described.
    """

    def __init__(self, rules: SpecRules) -> None:
        self.rules = rules
        self.schemas: Any = AppSchemas(rules)

    sync: ClassVar[Any] = sync_schemas
    """Schemas and examples of plans and syncs: a module."""
    WorkerTemplateDriftSchema = WorkerTemplateDriftSchema

    ETAG: ClassVar = _ETAG
    LOCATION: ClassVar = _LOCATION
    PAGINATION: ClassVar = _PAGINATION
    MESSAGE: ClassVar[Any] = {"in": "query", "schema": WriteSchema()}
    IF_MATCH: ClassVar = _tags_header("If-Match", 'Do it only at this revision, such as `"3"`.')
    IF_NONE_MATCH: ClassVar = _tags_header("If-None-Match", "Answer 304 if the template is at this revision.")

    BODY_PROBLEMS = (400, 413, 415, 422)
    """Of every operation that has a body."""
    CHANGE_PROBLEMS = (404, 409, 412, 428)
    """Of every operation that changes a template."""

    @staticmethod
    def operation(
        answers: Mapping[int, dict[str, Any]],
        problems: tuple[int, ...] = (),
        *,
        parameters: tuple[dict[str, Any], ...] = (),
        request_body: dict[str, Any] | None = None,
    ) -> Description:
        """Return the description of an operation.

        Args:
            answers: successful responses by status code.
            problems: error status codes, besides 401, 403 and 503, which every operation has.
            parameters: query and header parameters.
            request_body: as `body` describes it.
        """
        responses: dict[str, Any] = {str(code): described for code, described in answers.items()}
        for code in sorted({*problems, *_ALWAYS}):
            responses[str(code)] = _problem(code)
        described: Description = {"responses": responses}
        if parameters:
            described["parameters"] = list(parameters)
        if request_body:
            described["requestBody"] = request_body
        return described

    @staticmethod
    def query(schema: ma.Schema) -> dict[str, Any]:
        """Return the description of the parameters of a query string."""
        return {"in": "query", "schema": schema}

    @staticmethod
    def body(schema: ma.Schema | dict[str, Any], example: Any, *content_types: str) -> dict[str, Any]:
        """Return the description of a request body."""
        content = {"schema": schema, "example": example}
        return {"required": True, "content": {kind: dict(content) for kind in content_types or (JSON,)}}

    def spec_body(self) -> dict[str, Any]:
        """Return the description of a request body that is a spec."""
        return self.body(WorkerTemplateSpecSchema(), self.schemas.SPEC_EXAMPLE)

    @staticmethod
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

    def template(self, description: str = "The template.", headers: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the description of a response that shows a template."""
        schema, example = openapi_schemas.WorkerTemplateSchema(), self.schemas.TEMPLATE_EXAMPLE
        return self.answer(description, schema, example, headers or self.ETAG)

    def events(self, *, followed: bool = False) -> dict[str, Any]:
        """Return the description of a response that shows a page of events."""
        schema, example = openapi_schemas.WorkerTemplateEventSchema(many=True), [self.schemas.EVENT_EXAMPLE]
        return self.answer("The events.", schema, example, self.PAGINATION | (_NEXT_CURSOR if followed else {}))


def _problem(code: int) -> dict[str, Any]:
    example = {"code": code, "status": HTTP_STATUS_CODES[code], "message": _PROBLEMS[code]}
    headers = _RETRY_AFTER if code == HTTPStatus.SERVICE_UNAVAILABLE else None
    return Doc.answer(_PROBLEMS[code], openapi_schemas.WorkerTemplateProblemSchema(), example, headers)


def _summary(operation_id: str, docstring: str | None) -> str:
    if docstring:
        return docstring.splitlines()[0]
    # `python -OO` leaves no docstring.
    return _CAPITAL.sub(lambda found: f" {found[0].lower()}", operation_id).capitalize() + "."


def add_operations(
    spec: APISpec, app: Flask, name: str, views: Iterable[type[Views]], spec_rules: SpecRules, *, tag: str | None = None
) -> None:
    """Add operations to an OpenAPI document.

    Args:
        spec: the document.
        app: the app that has the routes.
        name: of the blueprint.
        views: the classes whose methods are the operations.
        spec_rules: those of a spec in this app.
        tag: the one of all operations; by default each has the one of its class.
    """
    doc = Doc(spec_rules)
    of_the_host = set(spec.components.schemas)
    # First, so that each later mention of these classes refers to what this app's rules make of them.
    for component, schema in openapi_schemas.of_spec(spec_rules).items():
        spec.components.schema(component, schema=schema)
    rules = {rule.endpoint: rule for rule in app.url_map.iter_rules()}
    for kind, operation, view in ((one, *found) for one in views for found in operations_of(one)):
        rule = rules[f"{name}.{view.__name__}"]
        described = {
            "operationId": operation.operation_id,
            "summary": _summary(operation.operation_id, view.__doc__),
            "tags": [tag or kind.TAG],
            **operation.describe(doc),
        }
        spec.path(
            rule=Rule(rule.rule),  # without the host, which is no part of a path
            operations={operation.method.lower(): described},
            parameters=[one for one in (_TEMPLATE_ID, _WORKER_ID, _REVISION) if f":{one['name']}>" in rule.rule],
        )
    if spec.openapi_version.minor > 0:
        for component, described in spec.components.schemas.items():
            if component not in of_the_host:
                spell_null(described)
