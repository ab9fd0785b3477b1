"""The OpenAPI document: complete, consistent with itself, and alike in a host's own Api."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

import marshmallow as ma
import pytest
from flask import Flask
from flask_smorest import Api, Blueprint
from jsonschema import ValidationError
from openapi_spec_validator import validate

from flask_worker_templates import WorkerTemplates
from tests.support.calls import NOWHERE, URL
from tests.support.openapi_document import component, document_of, operations, own_document, validator


def contents(described: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every content of an operation: of its request and of its responses."""
    yield from described.get("requestBody", {}).get("content", {}).items()
    for response in described["responses"].values():
        yield from response.get("content", {}).items()


def test_it_is_valid_openapi() -> None:
    validate(own_document())


def test_every_operation_says_all_that_a_client_needs() -> None:
    document = own_document()
    ids: list[str] = []
    used: set[str] = set()
    for path, method, described in operations(document):
        ids.append(described["operationId"])
        assert re.fullmatch(r"[a-z][A-Za-z]+", described["operationId"])
        assert described["summary"].endswith("."), path
        assert len(described["tags"]) == 1
        used.update(described["tags"])
        assert "default" not in described["responses"], "a response for everything says nothing"
        assert {"401", "403", "503"} <= set(described["responses"])
        assert ("requestBody" in described) == (method in {"post", "patch", "put"})
        for content_type, content in contents(described):
            assert "json" in content_type
            assert content["schema"]
            assert "example" in content
    assert len(ids) == len(set(ids)) >= 12
    tags = [tag["name"] for tag in document["tags"]]
    assert tags == ["Templates", "History", "Claims", "Files"]
    assert used == set(tags)


def test_every_parameter_is_described_and_typed() -> None:
    document = own_document()
    for path, item in document["paths"].items():
        listed = [*item.get("parameters", ())]
        for _, _, described in operations({"paths": {path: item}}):
            listed += described.get("parameters", ())
        for parameter in listed:
            assert parameter["description"], (path, parameter["name"])
            assert parameter["schema"]["type"]
            assert parameter["required"] is (parameter["in"] == "path" or parameter["name"] == "from")
        in_path = {parameter["name"] for parameter in listed if parameter["in"] == "path"}
        assert in_path == set(re.findall(r"{(\w+)}", path))


def test_every_example_is_valid_by_its_schema() -> None:
    document = own_document()
    for _, _, described in operations(document):
        for _, content in contents(described):
            validator(document, content["schema"]).validate(content["example"])


def test_the_examples_of_fields_are_valid_by_their_schemas() -> None:
    document = own_document()
    checked = 0
    for schema in document["components"]["schemas"].values():
        for field in schema["properties"].values():
            for key in {"example", "default"} & set(field):
                validator(document, field).validate(field[key])
                checked += 1
    assert checked > 30


def test_no_component_is_left_over() -> None:
    document = own_document()
    used = set(re.findall(r"#/components/(\w+)/(\w+)", str(document)))
    there = {(kind, name) for kind, named in document["components"].items() for name in named}
    assert used == there
    assert all(name.startswith("WorkerTemplate") for _, name in there)


@pytest.mark.parametrize(
    ("patch", "valid"),
    [
        ({}, True),
        ({"max_nodes": None, "labels": {"team": None}, "port_range": None, "cost_per_hour_usd": None}, True),
        ({"capacity": {"cpu_cores": 1}, "port_range": {"start": None}}, True),
        ({"capacity": None}, False),
        ({"capacity": {"cpu_cores": None}}, False),
        ({"capacity": {"disks": 1}}, False),
        ({"port_range": {"start": "80"}}, False),
        ({"name": None}, False),
        ({"license_type": None}, False),
        ({"colour": "red"}, False),
        ({"labels": {"team": 1}}, False),
        ({"max_claims": None, "deprecation": None, "extra": {}}, True),
        ({"deprecation": {"message": "old"}}, True),
        ({"deprecation": {"replaced_by": None}}, True),
        ({"deprecation": {"message": None}}, False),
        ({"deprecation": "old"}, False),
        ({"extra": {"gpu_count": 4}}, False),
    ],
)
def test_the_schema_of_a_patch_says_what_is_taken(patch: Any, valid: bool) -> None:
    found = component(own_document(), "WorkerTemplatePatch")
    if valid:
        found.validate(patch)
    else:
        with pytest.raises(ValidationError):
            found.validate(patch)


def test_the_title_and_more_can_be_set() -> None:
    app = Flask("plain_host")
    app.config.update(
        WORKER_TEMPLATES_API_TITLE="Fleet <templates>",
        WORKER_TEMPLATES_API_SPEC_OPTIONS={
            "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
            "security": [{"token": []}],
            "servers": [{"url": "https://fleet.example"}],
        },
    )
    WorkerTemplates(app)
    document = document_of(app)
    validate(document)
    assert document["info"]["title"] == "Fleet <templates>"
    assert document["security"] == [{"token": []}]
    assert document["servers"] == [{"url": "https://fleet.example"}]
    page = app.test_client().get("/api/v1/docs")
    assert "<title>Fleet &lt;templates&gt;</title>" in page.text


def test_two_apps_may_share_their_options() -> None:
    options = {
        "info": {"description": "Shared."},
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }
    before = copy.deepcopy(options)
    apps = []
    for title in ("First", "Second"):
        app = Flask(title)
        app.config.update(WORKER_TEMPLATES_API_TITLE=title, WORKER_TEMPLATES_API_SPEC_OPTIONS=options)
        WorkerTemplates(app)
        apps.append(app)
    for app in apps:
        assert document_of(app)["info"]["title"] == app.name
        assert document_of(app)["info"]["description"] == "Shared."
    assert options == before


def test_the_prefixes_can_be_set() -> None:
    app = Flask("plain_host")
    app.config.update(WORKER_TEMPLATES_URL_PREFIX="/fleet/wt", WORKER_TEMPLATES_DOCS_URL_PREFIX="/fleet/docs")
    WorkerTemplates(app)
    client = app.test_client()
    assert "/fleet/wt/{template_id}" in client.get("/fleet/docs/openapi.json").get_json()["paths"]
    assert 'href="/fleet/docs/assets/swagger-ui.css"' in client.get("/fleet/docs").text
    assert client.get("/fleet/wt/nonsense").get_json()["code"] == 404
    assert client.get(URL).mimetype == "text/html"


@pytest.mark.parametrize("version", ["3.0.2", "3.0.3", "3.1.0"])
def test_on_a_hosts_api_it_is_the_same_beside_the_hosts_own(version: str) -> None:
    class SpecSchema(ma.Schema):
        colour = ma.fields.String()

    class TemplateSchema(ma.Schema):
        spec = ma.fields.Nested(SpecSchema)

    class CapacitySchema(ma.Schema):
        litres = ma.fields.Integer()

    app = Flask("smorest_host")
    app.config.update(API_TITLE="Host", API_VERSION="7", OPENAPI_VERSION=version)
    api = Api(app)
    blueprint = Blueprint("host", "host", url_prefix="/host")

    @blueprint.get("/things")  # type: ignore[untyped-decorator]
    @blueprint.response(200, TemplateSchema(many=True))  # type: ignore[untyped-decorator]
    def things() -> list[Any]:
        """List the host's things."""
        return []

    @blueprint.post("/things")  # type: ignore[untyped-decorator]
    @blueprint.arguments(CapacitySchema)  # type: ignore[untyped-decorator]
    @blueprint.response(201, TemplateSchema)  # type: ignore[untyped-decorator]
    def make(data: Any) -> Any:
        """Make one of the host's things."""
        return {}

    api.register_blueprint(blueprint)
    before = copy.deepcopy(api.spec.to_dict())  # apispec keeps what it returns
    WorkerTemplates(app)
    document = copy.deepcopy(api.spec.to_dict())
    validate(document)

    for path in before["paths"]:
        assert document["paths"][path] == before["paths"][path]
    for kind, named in before["components"].items():
        for name, described in named.items():
            assert document["components"][kind][name] == described
    added = set(document["components"]["schemas"]) - set(before["components"]["schemas"])
    assert added == set(own_document()["components"]["schemas"])
    ours = {path: item for path, item in document["paths"].items() if path.startswith(URL)}
    assert set(ours) == set(own_document()["paths"])
    # The host's document has groups of its own: ours are one among them.
    assert {str(described.pop("tags")) for _, _, described in operations({"paths": ours})} == {"['worker-templates']"}
    patch = document["components"]["schemas"]["WorkerTemplatePatch"]["properties"]
    for name in ("deprecation", "port_range"):
        if version == "3.1.0":
            assert {"type": "null"} in patch[name]["anyOf"]
        else:
            assert patch[name]["nullable"] is True
    assert ("'nullable':" in str(document)) is (version != "3.1.0")
    if version == "3.0.3":
        own = own_document()
        for _, _, described in operations(own):
            del described["tags"]
        assert ours == own["paths"]
    assert app.test_client().get("/api/v1/docs").status_code == 404  # the host's own settings hold


@pytest.mark.parametrize(
    ("config", "introduction"),
    [
        ({}, "If the app asks who you are, sign in to it first."),
        ({"LOGIN_URL": "/login"}, "If the answer is 401, [sign in](</login>) first."),
        ({"API_SPEC_OPTIONS": {"info": {"description": "Ours."}}}, "Ours."),
    ],
)
def test_the_introduction_says_how_to_begin(config: dict[str, Any], introduction: str) -> None:
    app = Flask("plain_host")
    app.config.update({f"WORKER_TEMPLATES_{key}": value for key, value in config.items()})
    WorkerTemplates(app)
    assert document_of(app)["info"]["description"].strip().endswith(introduction)


def test_below_a_mount_point_everything_points_below_it() -> None:
    app = Flask("plain_host")
    WorkerTemplates(app)
    client = app.test_client()
    mounted: dict[str, Any] = {"environ_overrides": {"SCRIPT_NAME": "/fleet"}}
    page = client.get("/api/v1/docs", **mounted).text
    assert 'src="/fleet/api/v1/docs/assets/docs.js" data-document="/fleet/api/v1/docs/openapi.json"' in page
    document = client.get("/api/v1/docs/openapi.json", **mounted).get_json()
    assert document["servers"] == [{"url": "/fleet"}]
    assert "servers" not in client.get("/api/v1/docs/openapi.json").get_json()
    answer = client.get(f"{URL}/nonsense/{NOWHERE}", **mounted)
    assert answer.get_json()["code"] == 404
