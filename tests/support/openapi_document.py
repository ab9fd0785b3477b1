"""The OpenAPI document as the tests use it: its operations, and its schemas as JSON Schema."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from typing import Any

from flask import Flask
from jsonschema import Draft202012Validator

from flask_worker_templates import WorkerTemplates

DOCUMENT = "/api/v1/docs/openapi.json"
METHODS = ("get", "put", "post", "delete", "patch", "head", "options", "trace")


def document_of(app: Flask) -> dict[str, Any]:
    """The document that the app serves."""
    answer = app.test_client().get(DOCUMENT)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.get_json()
    return document


def own_document() -> dict[str, Any]:
    """The document of an app that has no API of its own; it needs no database."""
    document: dict[str, Any] = json.loads(_own_document())  # each test has its own, faster than by `copy.deepcopy`
    return document


@functools.cache
def _own_document() -> str:
    app = Flask("plain_host")
    WorkerTemplates(app)
    return json.dumps(document_of(app))


def operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield the path, the method and the description of every operation."""
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield path, method, item[method]


def operation(document: Mapping[str, Any], operation_id: str) -> dict[str, Any]:
    """The description of one operation."""
    return next(found for _, _, found in operations(document) if found["operationId"] == operation_id)


def validator(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Draft202012Validator:
    """A validator of a schema of the document; formats are checked."""
    components = {"components": {"schemas": _schemas(json.dumps(document["components"]["schemas"]))}}
    return Draft202012Validator(
        {**components, **_json_schema(schema)}, format_checker=Draft202012Validator.FORMAT_CHECKER
    )


@functools.lru_cache(maxsize=4)
def _schemas(text: str) -> Any:
    return _json_schema(json.loads(text))


def component(document: Mapping[str, Any], name: str) -> Draft202012Validator:
    """A validator of a component of the document."""
    return validator(document, {"$ref": f"#/components/schemas/{name}"})


def _json_schema(schema: Any) -> Any:
    # OpenAPI 3.0 says `nullable` where JSON Schema has the type null.
    if isinstance(schema, list):
        return [_json_schema(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    plain = {key: _json_schema(value) for key, value in schema.items() if key != "nullable"}
    return {"anyOf": [plain, {"type": "null"}]} if schema.get("nullable") is True else plain
