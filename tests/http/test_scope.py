"""The scope hook over HTTP: the cases that people meet first. The law over all routes: `tests/laws/test_scope.py`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import abort, request
from flask.testing import FlaskClient

from flask_worker_templates import ALL
from tests.support.apps import AppFactory
from tests.support.backends import mongomock_only
from tests.support.calls import URL, create, names, one, pagination, problem
from tests.support.hosts import host
from tests.support.specs import spec

RED, BLUE = {"labels": {"team": "red"}}, {"labels": {"team": "blue"}}


@pytest.fixture
def client(make_app: AppFactory) -> FlaskClient:
    """Who sends X-Team sees that team alone; who does not, everything."""
    app, templates = host(make_app)

    @templates.scope
    def scope() -> Any:
        team = request.headers.get("X-Team")
        return {"label": f"team={team}"} if team else ALL

    return app.test_client()


AS_RED = {"X-Team": "red"}


def test_what_is_outside_is_not_there(client: FlaskClient) -> None:
    red, blue = create(client, "red", **RED), create(client, "blue", **BLUE)
    listed = client.get(URL, headers=AS_RED)
    assert names(listed) == ["red"]
    assert pagination(listed)["total"] == 1
    assert client.get(one(red), headers=AS_RED).get_json() == red
    for tail in ("", "/history", "/claims"):
        problem(client.get(one(blue, tail), headers=AS_RED), 404)
    assert [event["name"] for event in client.get(URL + "/history", headers=AS_RED).get_json()] == ["red"]
    for answer in (
        client.put(one(blue), json=spec("blue", **RED), headers=AS_RED),
        client.patch(one(blue), json={"max_nodes": 1}, headers=AS_RED),
        client.delete(one(blue), headers=AS_RED),
        client.post(one(blue, "/revert"), json={"revision": 1}, headers=AS_RED),
        client.put(one(blue, "/claims/w"), headers=AS_RED),
        client.delete(one(blue, "/claims/w"), headers=AS_RED),
    ):
        problem(answer, 404)
    assert client.get(one(blue)).get_json() == blue


def test_nothing_is_created_outside_or_moved_there(client: FlaskClient) -> None:
    problem(client.post(URL, json=spec("x", **BLUE), headers=AS_RED), 403)
    problem(client.post(URL, json=spec("x"), headers=AS_RED), 403)
    red = client.post(URL, json=spec("x", **RED), headers=AS_RED).get_json()
    problem(client.patch(one(red), json=BLUE, headers=AS_RED), 403)
    problem(client.put(one(red), json=spec("x"), headers=AS_RED), 403)
    assert client.get(one(red)).get_json() == red


def test_a_name_that_is_taken_outside_is_told_without_its_id(client: FlaskClient) -> None:
    blue, red = create(client, "taken", **BLUE), create(client, "mine", **RED)
    for answer in (
        client.post(URL, json=spec("taken", **RED), headers=AS_RED),
        client.patch(one(red), json={"name": "taken"}, headers=AS_RED),
    ):
        assert problem(answer, 409)["errors"] == {"name": "taken"}
    assert problem(client.post(URL, json=spec("taken")), 409)["errors"] == {"name": "taken", "id": blue["id"]}


def test_a_change_that_came_from_outside_does_not_say_from_what(client: FlaskClient) -> None:
    moved = create(client, "moved", labels={"team": "blue", "secret": "s3"}, description="s3")
    client.patch(one(moved), json={"description": "open", "labels": {"team": "red", "secret": None}})
    history = client.get(one(moved, "/history"), headers=AS_RED)
    assert pagination(history)["total"] == 1
    (event,) = history.get_json()
    changed = [{"field": "description", "to": "open"}, {"field": "labels.team", "to": "red"}]
    assert event["changes"] == changed
    assert "s3" not in history.text
    problem(client.post(one(moved, "/revert"), json={"revision": 1}, headers=AS_RED), 404)
    assert client.get(URL + "/history", headers=AS_RED).get_json() == [event]


def test_the_trail_has_right_pages_and_leaves_out_its_totals(client: FlaskClient) -> None:
    for number in range(5):
        create(client, f"red-{number}", **RED)
        create(client, f"blue-{number}", **BLUE)
    pages = [client.get(f"{URL}/history?page_size=2&page={page}", headers=AS_RED) for page in (1, 2, 3)]
    shown = [event["name"] for page in pages for event in page.get_json()]
    assert shown == [f"red-{number}" for number in (4, 3, 2, 1, 0)]
    assert json.loads(pages[0].headers["X-Pagination"]) == {"first_page": 1, "page": 1, "next_page": 2}
    assert pagination(pages[2]) == {
        "total": 5, "total_pages": 3, "first_page": 1, "last_page": 3, "page": 3, "previous_page": 2
    }  # fmt: skip


def test_drift_leaves_names_outside_out_whole(make_app: AppFactory) -> None:
    app, templates = host(make_app, templates=[spec("red", **RED), spec("blue", **BLUE), spec("was-blue", **BLUE)])
    templates.scope(lambda: {"label": "team=red"} if request.headers.get("X-Team") else ALL)
    client = app.test_client()
    (moved,) = client.get(f"{URL}?name=was-blue").get_json()
    client.patch(one(moved), json=RED)
    drift = client.get(URL + "/drift", headers=AS_RED).get_json()
    assert [item["name"] for item in drift["templates"]] == ["red"]
    assert sum(drift["summary"].values()) == 1
    assert len(client.get(URL + "/drift").get_json()["templates"]) == 3


@mongomock_only
@pytest.mark.parametrize("answer", [None, {}, [], {"team": "red"}, True, "ALL"])
def test_a_scope_that_is_none_is_an_error_that_shows_nothing(make_app: AppFactory, answer: Any) -> None:
    app, templates = host(make_app, PROPAGATE_EXCEPTIONS=False)
    with app.app_context():
        template = templates.create(spec("secret"))
    templates.scope(lambda: answer)
    client = app.test_client()
    for url in (URL, URL + "/history", URL + "/drift", f"{URL}/{template.id}", f"{URL}/{template.id}/history"):
        shown = client.get(url)
        assert shown.status_code == 500
        assert "secret" not in shown.text
    assert client.patch(f"{URL}/{template.id}", json={"max_nodes": 1}).status_code == 500


@mongomock_only
def test_the_scope_is_asked_once_a_request_and_may_refuse_it(make_app: AppFactory) -> None:
    app, templates = host(make_app)
    asked: list[str] = []

    @templates.scope
    def scope() -> Any:
        asked.append(request.path)
        if request.headers.get("X-Team") == "nobody":
            abort(401)
        return ALL

    client = app.test_client()
    template = create(client)
    asked.clear()
    with app.app_context():  # which both requests share
        client.patch(one(template), json={"max_nodes": 1})
        client.get(one(template, "/history"))
    assert asked == [one(template), one(template, "/history")]
    problem(client.get(URL, headers={"X-Team": "nobody"}), 401)


@mongomock_only
def test_the_python_api_and_seeding_have_no_scope(make_app: AppFactory) -> None:
    app, templates = host(make_app, templates=[spec("seeded")])
    templates.scope(lambda: {"label": "team=red"})

    @app.get("/of-the-host")
    def of_the_host() -> Any:
        return [template.name for template in templates.list()]

    assert app.test_client().get("/of-the-host").get_json() == ["seeded"]
    assert app.test_client().get(URL).get_json() == []


def test_the_trail_is_followed_by_a_header(client: FlaskClient) -> None:
    create(client, "one", **RED)
    first = client.get(URL + "/history?after=start")
    assert [event["name"] for event in first.get_json()] == ["one"]
    assert "X-Pagination" not in first.headers
    cursor = first.headers["X-Next-Cursor"]
    create(client, "two", **RED)
    following = client.get(URL + "/history", query_string={"after": cursor})
    assert [event["name"] for event in following.get_json()] == ["two"]
    problem(client.get(URL + "/history?after=nonsense"), 422, "query.after")
    problem(client.get(URL + "/history?after=start&page=2"), 422, "query.page")


@pytest.mark.parametrize(
    ("asked", "found"), [("since=2001-01-01", 1), ("until=2001-01-01", 0), ("since=2999-12-31", 0)]
)
def test_the_trail_is_bounded_by_dates(client: FlaskClient, asked: str, found: int) -> None:
    create(client)
    assert len(client.get(f"{URL}/history?{asked}").get_json()) == found


@mongomock_only
@pytest.mark.parametrize("date", ["2001-1-1", "20010101", "2001-02-30", "2001-W01-1", "2001-01-01T00:00:00"])
def test_what_is_no_date_and_no_time_is_refused(client: FlaskClient, date: str) -> None:
    problem(client.get(f"{URL}/history?since={date}"), 422, "query.since")
