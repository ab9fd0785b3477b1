"""The API of an app with fields and licence types of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import marshmallow as ma
import pytest
from flask import Flask
from flask.testing import FlaskClient
from marshmallow import fields
from openapi_spec_validator import validate
from pymongo.database import Database

from flask_worker_templates import WorkerTemplates
from flask_worker_templates.errors import InvalidFiles, InvalidParameters, SettingsError
from tests.support.apps import AppFactory
from tests.support.backends import mongod_only
from tests.support.calls import URL, create, names, one, problem, snapshot
from tests.support.openapi_document import component, document_of, operation
from tests.support.own_fields import GpuFields
from tests.support.specs import spec

Raw = Database[dict[str, Any]]


@pytest.fixture
def farm(make_app: AppFactory) -> FlaskClient:
    """A client of an app with fields of its own."""
    return make_app(extra=GpuFields).test_client()


def test_what_is_written_is_shown_in_normal_form(farm: FlaskClient) -> None:
    made = create(farm, extra={"zone": "eu-1", "gpu": {"model": "A10"}})
    assert made["extra"] == {"gpu_count": 0, "zone": "eu-1", "gpu": {"model": "A10", "count": 1}}
    assert farm.get(one(made)).get_json() == made
    assert farm.get(URL).get_json() == [made]
    component(document_of(farm.application), "WorkerTemplate").validate(made)


def test_errors_are_located(farm: FlaskClient) -> None:
    answer = farm.post(URL, json=spec(extra={"gpu": {"count": "4"}, "spto": True}))
    problem(answer, 422, "json.extra.gpu.count", "json.extra.gpu.model", "json.extra.spto")
    checked = farm.post(URL + "/validate", json=spec(extra={"gpu_count": -1})).get_json()
    assert list(checked["errors"]["extra"]) == ["gpu_count"]


def test_each_top_level_key_is_one_leaf(farm: FlaskClient) -> None:
    made = create(farm, extra={"zone": "eu-1", "gpu": {"model": "A10"}})
    farm.patch(one(made), json={"extra": {"zone": None, "gpu": {"count": 2}, "spot": True}})
    newest = farm.get(one(made, "/history")).get_json()[0]
    assert newest["changes"] == [
        {"field": "extra.zone", "from": "eu-1"},
        {"field": "extra.gpu", "from": {"model": "A10", "count": 1}, "to": {"model": "A10", "count": 2}},
        {"field": "extra.spot", "to": True},
    ]
    back = farm.post(one(made, "/revert"), json={"revision": 1}).get_json()
    assert back["extra"] == made["extra"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("extra.gpu_count=4", ["four"]),
        ("extra.gpu_count=4&extra.gpu_count=2", ["four", "two"]),
        ("extra.gpu_count=0", ["none", "older"]),
        ("extra.gpu_count=0&extra.zone=us-1", ["none"]),
        ("extra.zone=eu-1", ["four"]),
        ("extra.spot=true", ["two"]),
        ("extra.ratio=0.5", ["four"]),
        ("extra.ratio=null", ["two"]),
        ("extra.ratio=1e0", ["none"]),
        ("extra.user_data=%24where", ["none"]),
        ("extra.zone=mars", []),
    ],
)
def test_filters(farm: FlaskClient, database: Raw, query: str, found: list[str]) -> None:
    create(farm, "four", extra={"gpu_count": 4, "zone": "eu-1", "ratio": 0.5})
    create(farm, "two", extra={"gpu_count": 2, "spot": True, "ratio": None})
    create(farm, "none", extra={"zone": "us-1", "ratio": 1, "user_data": "$where"})
    create(farm, "older")
    database["worker_templates"].update_one({"name": "older"}, {"$unset": {"extra": "", "extra_values": ""}})
    assert names(farm.get(f"{URL}?{query}")) == found


@pytest.mark.parametrize(
    "query",
    ["extra.gpu_count=x", "extra.gpu_count=1.5", "extra.spot=yes", "extra.gpu=1", "extra.colour=red", "extra=1"],
)
def test_filters_that_cannot_be(farm: FlaskClient, query: str) -> None:
    answer = problem(farm.get(f"{URL}?{query}"), 422)
    assert list(answer["errors"]["query"]) == [query.partition("=")[0]]


@mongod_only
def test_one_index_serves_the_filters(farm: FlaskClient, database: Raw) -> None:
    for number in range(30):
        create(farm, f"t{number}", extra={"gpu_count": number % 16, "zone": "eu-1"})
    query = {"extra_values": {"$in": ["gpu_count=4"]}}
    stats = database["worker_templates"].find(query).explain()["executionStats"]
    assert stats["totalDocsExamined"] == stats["nReturned"] == 2
    assert "extra_values" in {index["name"] for index in database["worker_templates"].list_indexes()}


def test_the_index_follows_every_change(farm: FlaskClient, database: Raw) -> None:
    made = create(farm, extra={"gpu_count": 4})
    for change, found in ((5, "gpu_count=5"), (None, "gpu_count=0")):
        farm.patch(one(made), json={"extra": {"gpu_count": change}})
        assert database["worker_templates"].distinct("extra_values") == [found]
    farm.post(one(made, "/revert"), json={"revision": 1})
    assert database["worker_templates"].distinct("extra_values") == ["gpu_count=4"]


def test_a_validator_that_raises_something_else_is_an_error_of_the_app_and_nothing_is_written(
    make_app: AppFactory,
) -> None:
    def broken(_: Any) -> None:
        raise LookupError("no such table")

    app = make_app(extra=ma.Schema.from_dict({"zone": fields.String(validate=broken)}))
    app.config["PROPAGATE_EXCEPTIONS"] = False
    client = app.test_client()
    before = snapshot(client)
    assert client.post(URL, json=spec(extra={"zone": "eu-1"})).status_code == 500
    assert client.post(URL, json=spec()).status_code == 201
    assert len(client.get(URL).get_json()) == len(before[0]) + 1


def test_a_key_that_is_not_declared_any_more(make_app: AppFactory) -> None:
    before = create(make_app(extra=GpuFields).test_client(), extra={"gpu_count": 4, "zone": "eu-1"})
    narrower = make_app(extra=ma.Schema.from_dict({"zone": fields.String(), "tier": fields.String(load_default="a")}))
    client = narrower.test_client()
    assert client.get(one(before)).get_json() == before
    edited = client.patch(one(before), json={"max_nodes": 3}).get_json()
    assert edited["extra"] == {"zone": "eu-1", "tier": "a", "gpu_count": 4}
    put = {key: value for key, value in edited.items() if key in spec(max_nodes=3, extra=1)}
    assert client.put(one(before), json=put).get_json() == edited
    problem(client.patch(one(before), json={"extra": {"gpu_count": 5}}), 422, "json.extra.gpu_count")
    problem(client.post(URL, json=spec("new", extra={"gpu_count": 4})), 422, "json.extra.gpu_count")
    gone = client.patch(one(before), json={"extra": {"gpu_count": None}}).get_json()
    assert gone["extra"] == {"zone": "eu-1", "tier": "a"}


def test_the_document_of_an_app_with_fields_of_its_own(farm: FlaskClient) -> None:
    document = document_of(farm.application)
    validate(document)
    parameters = {one["name"]: one for one in operation(document, "listWorkerTemplates")["parameters"]}
    assert parameters["extra.gpu_count"]["schema"] == {"type": "array", "items": {"type": "integer", "nullable": True}}
    assert "extra.gpu" not in parameters
    body = component(document, "WorkerTemplateSpec")
    for extra, valid in (({}, True), ({"gpu_count": 4}, True), ({"gpu_count": "4"}, False), ({"zone": "mars"}, False)):
        assert body.is_valid(spec(extra=extra)) is valid
    assert component(document, "WorkerTemplatePatch").is_valid({"extra": {"zone": None, "gpu": None}})
    example = operation(document, "createWorkerTemplate")["requestBody"]["content"]["application/json"]["example"]
    assert farm.post(URL, json=example).status_code == 201
    assert example["extra"] == {"gpu_count": 0, "zone": "eu-1"}


def test_two_apps_in_one_process_have_their_own_rules(make_app: AppFactory) -> None:
    basic = make_app(WORKER_TEMPLATES_LICENSE_TYPES=["BASIC", "PRO"], WORKER_TEMPLATES_LICENSE_DEFAULT="BASIC")
    plain, gpu = make_app().test_client(), make_app(extra=GpuFields).test_client()
    client = basic.test_client()
    without = {key: value for key, value in spec("one").items() if key != "license_type"}
    made = client.post(URL, json=without).get_json()
    assert made["license_type"] == "BASIC"
    problem(plain.post(URL, json={**without, "name": "two"}), 422, "json.license_type")
    problem(client.post(URL, json=spec("two")), 422, "json.license_type")
    problem(plain.get(f"{URL}?license_type=BASIC"), 422)
    assert names(client.get(f"{URL}?license_type=BASIC")) == ["one"]
    problem(client.post(URL, json={**without, "extra": {"zone": "eu-1"}}), 422, "json.extra.zone")
    assert gpu.post(URL, json=spec("three", extra={"zone": "eu-1"})).status_code == 201
    documents = [document_of(app) for app in (basic, plain.application, gpu.application)]
    types = [
        document["components"]["schemas"]["WorkerTemplateSpec"]["properties"]["license_type"] for document in documents
    ]
    assert [one["enum"] for one in types] == [["BASIC", "PRO"], *[["PERSONAL", "ENTERPRISE", "EVALUATION"]] * 2]
    required = [document["components"]["schemas"]["WorkerTemplateSpec"]["required"] for document in documents]
    assert ["license_type" in one for one in required] == [False, True, True]
    example = operation(documents[0], "createWorkerTemplate")["requestBody"]["content"]["application/json"]["example"]
    assert example["license_type"] == "BASIC"


@pytest.mark.parametrize(
    ("before", "after", "field"),
    [
        ({}, {"WORKER_TEMPLATES_LICENSE_TYPES": ["BASIC"]}, "license_type"),
        ({}, {"extra": ma.Schema.from_dict({"zone": fields.String(required=True)})}, "extra.zone"),
        ({"extra": GpuFields}, {"extra": ma.Schema.from_dict({"gpu_count": fields.String()})}, "extra.gpu_count"),
    ],
    ids=str,
)
def test_what_todays_rules_forbid_is_named_by_the_status(
    make_app: AppFactory, before: dict[str, Any], after: dict[str, Any], field: str
) -> None:
    made = create(make_app(**before).test_client())
    app = make_app(**after)
    assert app.test_client().get(one(made)).get_json() == made
    [warning] = app.extensions["worker_templates"].status().warnings
    assert f"break the rules: {field}: " in warning


def test_a_licence_type_that_was_retired_is_shown_and_an_edit_must_leave_it(make_app: AppFactory) -> None:
    made = create(make_app().test_client(), license_type="EVALUATION")
    client = make_app(WORKER_TEMPLATES_LICENSE_TYPES=["PERSONAL"]).test_client()
    assert client.get(one(made)).get_json() == made
    answer = client.patch(one(made), json={"max_nodes": 3})
    assert 'stored value "EVALUATION"' in problem(answer, 422, "json.license_type")["errors"]["json"]["license_type"][0]
    assert client.patch(one(made), json={"max_nodes": 3, "license_type": "PERSONAL"}).status_code == 200
    answer = client.post(one(made, "/revert"), json={"revision": 1})
    assert 'stored value "EVALUATION"' in problem(answer, 422, "json.license_type")["errors"]["json"]["license_type"][0]


def test_a_schema_that_cannot_work_is_refused_by_init_app(make_app: AppFactory) -> None:
    with pytest.raises(SettingsError, match=r"extra[.]a b:"):
        make_app(extra=ma.Schema.from_dict({"a b": fields.String()}))


# Files


def test_files_are_read_by_the_apps_rules_with_the_place_of_each_fault(make_app: AppFactory, tmp_path: Path) -> None:
    text = """\
templates:
  - name: gpu
    instance_type: g5.xlarge
    capacity: {cpu_cores: 4, memory_gb: 16, storage_gb: 100}
    license_type: BASIC
    extra:
      zone: mars
      gpu:
        modle: A10
        count: "4"
      gpu_cuont: 2
"""
    path = tmp_path / "gpu.yaml"
    path.write_text(text)
    app = make_app(extra=GpuFields, WORKER_TEMPLATES_CONFIG_PATH=str(path), WORKER_TEMPLATES_LICENSE_TYPES=["BASIC"])
    templates = app.extensions["worker_templates"]
    with pytest.raises(InvalidFiles) as caught:
        templates.read_files()
    places = [str(fault).removeprefix(f"{path}:").removeprefix("gpu.yaml:") for fault in caught.value.faults]
    assert places == [
        "7:13: extra.zone: Must be one of: eu-1, us-1. Found 'mars'.",
        "8:7: extra.gpu.model: Required.",
        "9:9: extra.gpu.modle: Unknown field. Did you mean model?",
        "10:16: extra.gpu.count: Not a valid integer. Found '4'.",
        "11:7: extra.gpu_cuont: Unknown field. Did you mean gpu_count?",
    ]


def test_a_file_is_seeded_with_its_fields(make_app: AppFactory) -> None:
    client = make_app(extra=GpuFields, templates=[spec(extra={"zone": "eu-1"})]).test_client()
    assert client.get(URL).get_json()[0]["extra"] == {"gpu_count": 0, "zone": "eu-1"}
    assert client.get(URL + "/drift").get_json()["drift"] is False


# Python


def test_the_python_api_knows_them(make_app: AppFactory) -> None:
    app = Flask("farm")
    app.config.update(make_app.config())
    templates = WorkerTemplates(app, extra=GpuFields)
    with app.app_context():
        made = templates.create(spec(extra={"gpu": {"model": "A10"}}))
        assert made.extra == {"gpu_count": 0, "gpu": {"model": "A10", "count": 1}}
        made.to_dict()["extra"]["gpu"]["model"] = "x"
        assert templates.get(made.id).extra["gpu"]["model"] == "A10"
        assert templates.update(made.id, {"extra": {"gpu_count": 4}}).extra["gpu_count"] == 4
        assert [one.name for one in templates.list(extra={"gpu_count": 4})] == ["small"]
        assert [one.name for one in templates.list(extra={"gpu_count": [3, 4]})] == ["small"]
        assert [one.name for one in templates.select(extra={"gpu_count": 4})] == ["small"]
        with pytest.raises(InvalidParameters):
            templates.list(extra={"gpu_count": "four"})
        json.dumps(made.to_dict())
