"""Operations are said where they are defined, and what only the document needs is loaded with the document."""

from __future__ import annotations

import subprocess
import sys
import uuid

import pytest
from flask import Flask
from werkzeug.routing import BaseConverter

from flask_worker_templates import WorkerTemplates
from flask_worker_templates.http.blueprint import VIEWS
from flask_worker_templates.http.operation import operations_of
from tests.support.apps import AppFactory
from tests.support.backends import mongomock_only
from tests.support.calls import URL, create, one
from tests.support.openapi_document import operations, own_document

SERVING = """
import sys
from flask import Flask
from flask_worker_templates import WorkerTemplates
app = Flask("host")
WorkerTemplates(app)
for url in ("/api/v1/templates/x", "/api/v1/docs"):
    app.test_client().get(url)
print(sorted(name for name in sys.modules if name.startswith("flask_worker_templates.http.openapi")))
app.test_client().get("/api/v1/docs/openapi.json")
print(sorted(name for name in sys.modules if name.startswith("flask_worker_templates.http.openapi")))
"""


def test_the_operations_are_the_routes_and_the_document() -> None:
    app = Flask("host")
    WorkerTemplates(app)
    described = [operation for views in VIEWS for operation, _ in operations_of(views)]
    rules = [rule for rule in app.url_map.iter_rules() if rule.endpoint.startswith("worker-templates.")]
    assert {(operation.method, URL + operation.path) for operation in described} == {
        (method, rule.rule) for rule in rules for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert sorted(operation.operation_id for operation in described) == sorted(
        described["operationId"] for _, _, described in operations(own_document())
    )


def test_a_process_that_serves_does_not_load_what_only_the_document_needs() -> None:
    done = subprocess.run([sys.executable, "-c", SERVING], capture_output=True, text=True, check=True)
    before, after = done.stdout.splitlines()
    assert before == "[]"
    assert "flask_worker_templates.http.openapi_schemas" in after


class Odd(BaseConverter):
    """A converter that a host puts in the place of Werkzeug's: it takes and makes values of a type of its own."""

    regex = "[0-9]+"

    def to_python(self, value: str) -> int:
        return int(value)

    def to_url(self, value: object) -> str:
        return f"{value:d}"


@mongomock_only
@pytest.mark.parametrize("replaced", ["uuid", "string", "default"])
def test_a_host_may_replace_any_of_werkzeugs_converters(make_app: AppFactory, replaced: str) -> None:
    app = Flask("plain_host")
    app.config.update(make_app.config())
    app.url_map.converters[replaced] = Odd
    WorkerTemplates(app)
    client = app.test_client()
    template = create(client)  # it answers with a Location
    assert client.get(one(template)).status_code == 200
    assert client.put(one(template, "/claims/i-1")).status_code == 201
    assert client.get("/api/v1/docs").status_code == 200
    with client.get("/api/v1/docs/assets/docs.js") as asset:
        assert asset.status_code == 200


@mongomock_only
def test_an_id_may_be_written_in_upper_case(make_app: AppFactory) -> None:
    client = make_app().test_client()
    template = create(client)
    assert client.get(f"{URL}/{template['id'].upper()}").get_json() == template
    assert client.get(f"{URL}/{uuid.UUID(template['id']).hex}").status_code == 404
