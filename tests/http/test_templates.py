"""Creating, reading, replacing, patching and deleting one template over HTTP."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask.testing import FlaskClient
from pymongo.database import Database

from tests.support.apps import AppFactory
from tests.support.backends import new_database
from tests.support.calls import NOWHERE, URL, create, names, one, problem, snapshot
from tests.support.specs import spec

FULL: dict[str, Any] = {
    "name": "Läb “one” <b>& $where",
    "description": "two\u2028lines, and \U0001f680",
    "instance_type": "m5zn.metal",
    "capacity": {"cpu_cores": 48, "memory_gb": 192, "storage_gb": 500},
    "license_type": "ENTERPRISE",
    "max_nodes": 500,
    "ami_pattern": "CML-2.9.*",
    "startup_time_minutes": 0,
    "port_range": {"start": 1, "end": 65535},
    "enabled": False,
    "cost_per_hour_usd": 3.96,
    "labels": {"a.b/c": "x=y", "team": ""},
    "max_claims": 3,
    "deprecation": {"message": "Out of support", "replaced_by": "another"},
    "extra": {},
}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def test_create_answers_with_the_template_its_url_and_its_etag(client: FlaskClient) -> None:
    answer = client.post(URL, json=FULL)
    assert answer.status_code == 201
    template = answer.get_json()
    assert {key: template[key] for key in FULL} == FULL
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", template["id"])
    assert template["revision"] == 1
    assert template["is_seeded"] is False
    assert TIME.fullmatch(template["created_at"])
    assert template["updated_at"] == template["created_at"]
    assert answer.headers["Location"] == f"{URL}/{template['id']}"
    assert answer.headers["ETag"] == '"1"'
    assert client.get(answer.headers["Location"]).get_json() == template


def test_create_fills_the_defaults_in(client: FlaskClient) -> None:
    template = create(client)
    assert template["description"] == ""
    assert template["max_nodes"] == 20
    assert template["ami_pattern"] == "*"
    assert template["startup_time_minutes"] == 20
    assert template["port_range"] == {"start": 2000, "end": 9999}
    assert template["enabled"] is True
    assert template["cost_per_hour_usd"] is None
    assert template["labels"] == {}
    assert (template["max_claims"], template["deprecation"], template["extra"]) == (None, None, {})


def test_fields_are_shown_in_the_order_of_the_contract(client: FlaskClient) -> None:
    shuffled = dict(reversed(FULL.items()))
    assert list(client.post(URL, json=shuffled).get_json()) == [
        "id",
        *FULL,
        "revision",
        "is_seeded",
        "created_at",
        "updated_at",
    ]


def test_fields_of_the_server_are_refused_in_a_body(client: FlaskClient) -> None:
    template = create(client)
    before = snapshot(client)
    own = ["id", "revision", "is_seeded", "created_at", "updated_at", "base", "_id", "claims"]
    for method, url in (("POST", URL), ("PUT", one(template)), ("PATCH", one(template))):
        answer = client.open(url, method=method, json=spec("other", **dict.fromkeys(own, 1)))
        problem(answer, 422, *(f"json.{field}" for field in own))
    assert snapshot(client) == before


def test_every_error_of_a_body_is_reported_at_once(client: FlaskClient) -> None:
    body = {
        "name": " x",
        "instance_type": 5,
        "capacity": {"cpu_cores": True, "memory_gb": "8", "disk": 1},
        "license_type": "personal",
        "max_nodes": 3.9,
        "port_range": {"start": 5, "end": 4},
        "labels": {"a b": "x", "c": 1},
        "colour": "red",
    }
    places = (
        "name instance_type capacity.cpu_cores capacity.memory_gb capacity.disk capacity.storage_gb license_type "
        "max_nodes port_range.start colour"
    )
    found = problem(client.post(URL, json=body), 422, *(f"json.{place}" for place in places.split()))
    assert set(found["errors"]["json"]["labels"]) == {"a b", "c"}
    assert snapshot(client) == ([], [])


def test_whole_numbers_may_be_written_with_a_point(client: FlaskClient) -> None:
    template = create(client, max_nodes=7.0)
    assert template["max_nodes"] == 7
    assert isinstance(template["max_nodes"], int)


def test_a_body_that_is_no_object_is_refused(client: FlaskClient) -> None:
    template = create(client)
    before = snapshot(client)
    for body in ("null", "[]", '"x"', "1", "true", '[{"name": "x"}]'):
        for method, url in (
            ("POST", URL),
            ("PUT", one(template)),
            ("PATCH", one(template)),
            ("POST", one(template, "/revert")),
        ):
            answer = client.open(url, method=method, data=body, content_type="application/json")
            problem(answer, 422, "json._schema")
    assert snapshot(client) == before


def test_a_taken_name_is_a_conflict_that_names_the_holder(client: FlaskClient) -> None:
    holder, other = create(client, "a"), create(client, "b")
    before = snapshot(client)
    for answer in (
        client.post(URL, json=spec("a")),
        client.put(one(other), json=spec("a")),
        client.patch(one(other), json={"name": "a"}),
    ):
        assert problem(answer, 409)["errors"] == {"name": "a", "id": holder["id"]}
    assert snapshot(client) == before


def test_names_are_told_apart_by_case_but_not_by_how_letters_are_composed(client: FlaskClient) -> None:
    for name in ("lab", "Lab", "e\u0301"):
        create(client, name)
    assert client.post(URL, json=spec("\u00e9")).status_code == 409
    assert names(client.get(URL)) == ["Lab", "lab", "\u00e9"]


def test_put_replaces_the_whole_spec_and_resets_what_is_left_out(client: FlaskClient) -> None:
    template = client.post(URL, json=FULL).get_json()
    answer = client.put(one(template), json=spec("renamed"))
    assert answer.status_code == 200
    assert answer.headers["ETag"] == '"2"'
    changed = answer.get_json()
    assert changed["name"] == "renamed"
    assert changed["labels"] == {}
    assert changed["enabled"] is True
    assert changed["id"] == template["id"]
    assert changed["created_at"] == template["created_at"]
    assert changed["updated_at"] >= template["updated_at"]
    assert client.get(one(template)).get_json() == changed


@pytest.mark.parametrize("content_type", ["application/merge-patch+json", "application/json"])
def test_patch_changes_what_it_names_and_nothing_else(client: FlaskClient, content_type: str) -> None:
    template = client.post(URL, json=FULL).get_json()
    patch = '{"max_nodes": null, "capacity": {"cpu_cores": 96}, "labels": {"team": null, "new": "1"}}'
    answer = client.patch(one(template), data=patch, content_type=content_type)
    assert answer.status_code == 200
    assert answer.headers["ETag"] == '"2"'
    changed = answer.get_json()
    assert changed["max_nodes"] == 20
    assert changed["capacity"] == {"cpu_cores": 96, "memory_gb": 192, "storage_gb": 500}
    assert changed["labels"] == {"a.b/c": "x=y", "new": "1"}
    untouched = set(FULL) - {"max_nodes", "capacity", "labels"}
    assert {key: changed[key] for key in untouched} == {key: FULL[key] for key in untouched}


def test_patch_cannot_take_what_has_no_default(client: FlaskClient) -> None:
    template = create(client)
    before = snapshot(client)
    patch = {"name": None, "capacity": {"cpu_cores": None}, "license_type": None}
    answer = client.patch(one(template), json=patch)
    problem(answer, 422, "json.name", "json.capacity.cpu_cores", "json.license_type")
    problem(client.patch(one(template), json={"capacity": None}), 422, "json.capacity")
    assert snapshot(client) == before


def test_patch_refuses_unknown_fields_even_as_null(client: FlaskClient) -> None:
    template = create(client)
    before = snapshot(client)
    patch = {"colour": None, "revision": 5, "capacity": {"disks": None}, "max_nodes": 0}
    answer = client.patch(one(template), json=patch)
    problem(answer, 422, "json.colour", "json.revision", "json.capacity.disks", "json.max_nodes")
    assert snapshot(client) == before


def test_a_change_that_changes_nothing_keeps_the_revision_and_writes_nothing(client: FlaskClient) -> None:
    template = create(client)
    before = snapshot(client)
    for answer in (
        client.put(one(template), json=spec()),
        client.patch(one(template), json={}),
        client.patch(one(template), json={"max_nodes": 20.0}),
        client.post(one(template, "/revert"), json={"revision": 1}),
    ):
        assert answer.status_code == 200
        assert answer.headers["ETag"] == '"1"'
        assert answer.get_json() == template
    assert snapshot(client) == before


def test_delete_removes_it_once(client: FlaskClient) -> None:
    template = create(client)
    assert client.delete(one(template)).status_code == 204
    problem(client.get(one(template)), 404)
    problem(client.delete(one(template)), 404)
    assert names(client.get(URL)) == []
    assert create(client)["id"] != template["id"]


def test_an_id_is_read_in_either_case(client: FlaskClient) -> None:
    template = create(client)
    assert client.get(f"{URL}/{template['id'].upper()}").get_json() == template


def test_unknown_ids_are_404_whatever_is_sent_along(client: FlaskClient) -> None:
    for method, tail, body in (
        ("GET", "", None),
        ("PUT", "", spec()),
        ("PATCH", "", {}),
        ("DELETE", "", None),
        ("POST", "/revert", {"revision": 1}),
        ("GET", "/history", None),
        ("GET", "/claims", None),
        ("PUT", "/claims/w", None),
        ("DELETE", "/claims/w", None),
    ):
        answer = client.open(f"{URL}/{NOWHERE}{tail}", method=method, json=body, headers={"If-Match": "*"})
        assert NOWHERE in problem(answer, 404)["message"]


def test_seeded_templates_say_so_and_can_be_edited(make_app: AppFactory) -> None:
    client = make_app(templates=[spec("seeded")]).test_client()
    [template] = client.get(URL).get_json()
    assert template["is_seeded"] is True
    edited = client.patch(one(template), json={"max_nodes": 1}).get_json()
    assert (edited["is_seeded"], edited["revision"]) == (True, 2)

    restarted = make_app(templates=[spec("seeded")]).test_client()
    assert restarted.get(URL).get_json() == [edited]


def test_nothing_of_the_storage_is_shown(client: FlaskClient, database: Database[dict[str, Any]]) -> None:
    template = create(client, labels={"team": "qa"})
    client.put(one(template, "/claims/w1"))
    stored = database["worker_templates"].find_one()
    assert stored is not None
    hidden = {"_id", "base", "source", "claims", "last_event"}
    assert hidden <= set(stored)
    assert not hidden & set(client.get(one(template)).get_json())
    assert not hidden & set(client.get(URL).get_json()[0])


def test_head_answers_as_get_without_the_body(client: FlaskClient) -> None:
    template = create(client)
    for tail in ("", f"/{template['id']}", "/history", f"/{template['id']}/history", f"/{template['id']}/claims"):
        got, head = client.get(URL + tail), client.head(URL + tail)
        assert head.status_code == 200
        assert head.data == b""
        assert {k: v for k, v in head.headers if k != "Date"} == {k: v for k, v in got.headers if k != "Date"}
        assert head.content_length == len(got.data)
    assert client.head(f"{URL}/{NOWHERE}").status_code == 404


@new_database
def test_options_tells_the_methods_without_touching_the_database(
    client: FlaskClient, database: Database[dict[str, Any]]
) -> None:
    for tail, methods in (
        ("", {"GET", "HEAD", "OPTIONS", "POST"}),
        (f"/{NOWHERE}", {"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "PUT"}),
        ("/history", {"GET", "HEAD", "OPTIONS"}),
        (f"/{NOWHERE}/revert", {"OPTIONS", "POST"}),
        (f"/{NOWHERE}/claims/w", {"DELETE", "OPTIONS", "PUT"}),
    ):
        answer = client.options(URL + tail)
        assert answer.status_code == 200
        assert methods <= set(answer.allow)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "private, no-cache"
    assert database.list_collection_names() == []


@pytest.mark.parametrize("url", [URL, URL + "/"])
def test_the_collection_answers_with_and_without_a_slash(client: FlaskClient, url: str) -> None:
    assert client.post(url, json=spec()).status_code == 201
    assert names(client.get(url)) == ["small"]
