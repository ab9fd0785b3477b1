"""Conditional requests (RFC 9110, section 13)."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.apps import AppFactory
from tests.support.calls import URL, create, one, problem, snapshot
from tests.support.specs import spec

AT_2 = ['"2"', 'W/"2"', '"1", "2"', '"1","2"', 'W/"7" , W/"2"', "*", ' "2" ', '"1",,"2"', ', "2",', '"a,b", "2"']
NOT_AT_2 = ['"1"', 'W/"1"', '"1", "3"', '"02"', '""', '"22"', '"é"', '"1,2"']
MALFORMED = [
    "2",
    '"2 "',
    "'2'",
    '"2',
    '2"',
    '"2" "3"',
    'w/"2"',
    "W/2",
    "",
    ",",
    '*, "2"',
    '"2", *',
    '"a\\"b" x',
    "\u00e9",
]


def change(client: FlaskClient, how: str, template: dict[str, str], header: str, value: str) -> TestResponse:
    headers = {header: value}
    if how == "PUT":
        return client.put(one(template), json=spec(template["name"], max_nodes=3), headers=headers)
    if how == "PATCH":
        return client.patch(one(template), json={"max_nodes": 3}, headers=headers)
    if how == "DELETE":
        return client.delete(one(template), headers=headers)
    return client.post(one(template, "/revert"), json={"revision": 1}, headers=headers)


WAYS = pytest.mark.parametrize("how", ["PUT", "PATCH", "DELETE", "revert"])


@pytest.fixture
def at_2(client: FlaskClient) -> dict[str, str]:
    template = create(client)
    changed: dict[str, str] = client.patch(one(template), json={"max_nodes": 2}).get_json()
    return changed


def test_the_etag_is_the_revision_from_every_call(client: FlaskClient) -> None:
    created = client.post(URL, json=spec())
    url = created.headers["Location"]
    assert created.headers["ETag"] == client.get(url).headers["ETag"] == client.head(url).headers["ETag"] == '"1"'
    assert client.put(url, json=spec(max_nodes=5)).headers["ETag"] == '"2"'
    assert client.patch(url, json={"max_nodes": 6}).headers["ETag"] == '"3"'
    assert client.post(url + "/revert", json={"revision": 1}).headers["ETag"] == '"4"'
    assert client.get(url).headers["ETag"] == '"4"'


@WAYS
def test_a_change_is_made_where_if_match_names_the_revision(client: FlaskClient, how: str) -> None:
    for number, value in enumerate(AT_2):
        template = create(client, f"t{number}")
        client.patch(one(template), json={"max_nodes": 2})
        assert change(client, how, template, "If-Match", value).status_code in {200, 204}, value


@WAYS
def test_a_change_is_refused_where_if_match_names_another(client: FlaskClient, at_2: dict[str, str], how: str) -> None:
    before = snapshot(client)
    for value in NOT_AT_2:
        answer = change(client, how, at_2, "If-Match", value)
        assert problem(answer, 412)["errors"] == {"revision": 2}, value
        assert answer.headers["ETag"] == '"2"'
    assert snapshot(client) == before


@WAYS
@pytest.mark.parametrize("header", ["If-Match", "If-None-Match"])
def test_a_malformed_header_is_named(client: FlaskClient, at_2: dict[str, str], how: str, header: str) -> None:
    before = snapshot(client)
    for value in MALFORMED:
        problem(change(client, how, at_2, header, value), 422, f"headers.{header}")
    assert snapshot(client) == before


@WAYS
def test_if_none_match_on_a_change(client: FlaskClient, at_2: dict[str, str], how: str) -> None:
    before = snapshot(client)
    for value in AT_2:
        problem(change(client, how, at_2, "If-None-Match", value), 412)
    assert snapshot(client) == before
    assert change(client, how, at_2, "If-None-Match", '"1"').status_code in {200, 204}


def test_the_message_of_a_412_holds_for_every_condition(client: FlaskClient, at_2: dict[str, str]) -> None:
    for answer in (
        client.patch(one(at_2), json={"max_nodes": 3}, headers={"If-Match": '"1"'}),
        client.patch(one(at_2), json={"max_nodes": 3}, headers={"If-None-Match": '"2"'}),
        client.get(one(at_2), headers={"If-Match": '"1"'}),
    ):
        assert problem(answer, 412)["message"] == (
            f"Worker template {at_2['id']!r} is at revision 2, which the given condition does not allow: "
            "read it again before you repeat the request."
        )


def test_several_headers_of_one_name_are_one_list(client: FlaskClient, at_2: dict[str, str]) -> None:
    headers = [("If-Match", '"1"'), ("If-Match", '"2"')]
    assert client.patch(one(at_2), json={"max_nodes": 3}, headers=headers).status_code == 200


def test_get_is_304_where_the_client_has_the_revision(client: FlaskClient, at_2: dict[str, str]) -> None:
    for value in AT_2:
        for answer in (
            client.get(one(at_2), headers={"If-None-Match": value}),
            client.head(one(at_2), headers={"If-None-Match": value}),
        ):
            assert answer.status_code == 304, value
            assert answer.headers["ETag"] == '"2"'
            assert answer.data == b""


def test_get_is_whole_where_the_client_has_another(client: FlaskClient, at_2: dict[str, str]) -> None:
    for value in NOT_AT_2:
        answer = client.get(one(at_2), headers={"If-None-Match": value})
        assert (answer.status_code, answer.get_json()) == (200, at_2), value


def test_get_honours_if_match(client: FlaskClient, at_2: dict[str, str]) -> None:
    assert client.get(one(at_2), headers={"If-Match": 'W/"2"'}).status_code == 200
    problem(client.get(one(at_2), headers={"If-Match": '"1"'}), 412, "revision")
    # If-Match is looked at first.
    problem(client.get(one(at_2), headers={"If-Match": '"1"', "If-None-Match": '"2"'}), 412)
    for header in ("If-Match", "If-None-Match"):
        problem(client.get(one(at_2), headers={header: "2"}), 422, f"headers.{header}")
    problem(client.get(one(at_2), headers={"If-Match": '"1"', "If-None-Match": "2"}), 422, "headers.If-None-Match")


def test_no_state_leaks_into_the_next_request(client: FlaskClient, at_2: dict[str, str]) -> None:
    with client.application.app_context():  # one app context around several requests, as some test suites have it
        assert client.get(one(at_2), headers={"If-None-Match": '"2"'}).status_code == 304
        assert client.get(one(at_2)).status_code == 200
        problem(client.get(URL, query_string="page=0"), 422)
        assert client.get(URL).headers.get("ETag") is None


@WAYS
def test_a_missing_header_is_428_where_it_is_required(make_app: AppFactory, how: str) -> None:
    client = make_app(WORKER_TEMPLATES_REQUIRE_IF_MATCH=True).test_client()
    template = create(client)
    before = snapshot(client)
    problem(change(client, how, template, "X-Nothing", ""), 428)
    problem(change(client, how, template, "If-None-Match", '"7"'), 428)
    assert snapshot(client) == before
    assert change(client, how, template, "If-Match", '"1"').status_code in {200, 204}


def test_creating_and_claiming_need_no_if_match(make_app: AppFactory) -> None:
    client = make_app(WORKER_TEMPLATES_REQUIRE_IF_MATCH=True).test_client()
    template = create(client)
    assert client.put(one(template, "/claims/w")).status_code == 201
    assert client.delete(one(template, "/claims/w")).status_code == 204


def test_claims_do_not_change_the_etag(client: FlaskClient) -> None:
    template = create(client)
    client.put(one(template, "/claims/w"))
    assert client.get(one(template), headers={"If-None-Match": '"1"'}).status_code == 304
