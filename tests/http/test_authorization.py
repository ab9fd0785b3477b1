"""Who may do what: the host's authorizer, and what holds without one."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, Response, request
from flask.testing import FlaskClient
from pymongo.errors import AutoReconnect

from flask_worker_templates import Template, WorkerTemplates
from tests.support.apps import AppFactory
from tests.support.backends import mongomock_only
from tests.support.calls import NOWHERE, URL, create, names, one, problem, snapshot
from tests.support.hosts import host
from tests.support.specs import spec

CALLS: list[tuple[str, str, str, Any]] = [
    ("read", "GET", "", None),
    ("read", "GET", "/history", None),
    ("read", "GET", "/drift", None),
    ("read", "POST", "/validate", spec("new")),
    ("read", "GET", "/{id}", None),
    ("read", "GET", "/{id}/history", None),
    ("read", "GET", "/{id}/claims", None),
    ("read", "GET", "/{id}/revisions/1", None),
    ("read", "GET", "/{id}/compare?from=1", None),
    ("read", "GET", "/claims", None),
    ("read", "GET", "/select", None),
    ("create", "POST", "", spec("new")),
    ("update", "PUT", "/{id}", spec("small", max_nodes=7)),
    ("update", "PATCH", "/{id}", {"max_nodes": 8}),
    ("update", "POST", "/{id}/revert", {"revision": 1}),
    ("claim", "PUT", "/{id}/claims/w", None),
    ("claim", "DELETE", "/{id}/claims/w", None),
    ("delete", "DELETE", "/{id}", None),
]
WRITING = [call for call in CALLS if call[0] != "read"]


class Doorman:
    """An authorizer that lets some actions pass, and remembers what it was asked."""

    def __init__(self, templates: WorkerTemplates) -> None:
        self.lets = {"read", "create", "update", "delete", "claim"}
        self.asked: list[tuple[str, str | None]] = []
        templates.authorizer(self)

    def __call__(self, action: str, template: Template | None) -> bool:
        self.asked.append((action, template.name if template else None))
        return action in self.lets


@pytest.fixture
def guarded(make_app: AppFactory) -> tuple[FlaskClient, Doorman]:
    app, templates = host(make_app, TESTING=False)
    return app.test_client(), Doorman(templates)


@pytest.mark.parametrize(("action", "method", "path", "body"), CALLS)
def test_each_call_asks_for_its_action_and_nothing_happens_without(
    guarded: tuple[FlaskClient, Doorman], action: str, method: str, path: str, body: Any
) -> None:
    client, doorman = guarded
    template = create(client)
    client.put(one(template, "/claims/other"))
    before = snapshot(client), client.get(one(template, "/claims")).get_json()

    doorman.lets = {"read", "create", "update", "delete", "claim"} - {action}
    doorman.asked.clear()
    answer = client.open(URL + path.format(id=template["id"]), method=method, json=body)
    assert action in problem(answer, 403)["message"]
    assert doorman.asked == [(action, "small" if "{id}" in path else None)]  # and then no more

    doorman.lets = {"read"}
    assert (snapshot(client), client.get(one(template, "/claims")).get_json()) == before

    doorman.lets = {action, "read"}
    if action == "delete":
        doorman.lets.add("claim")
        client.delete(one(template, "/claims/other"))
    assert client.open(URL + path.format(id=template["id"]), method=method, json=body).status_code < 300


@pytest.mark.parametrize(("action", "method", "path", "body"), CALLS)
def test_who_may_not_learns_nothing_about_what_there_is(
    guarded: tuple[FlaskClient, Doorman], action: str, method: str, path: str, body: Any
) -> None:
    client, doorman = guarded
    create(client)
    doorman.lets = set()
    answers = [
        client.open(URL + path.format(id=NOWHERE), method=method, json=body),
        client.open(URL + path.format(id=NOWHERE), method=method, data="{", content_type="text/plain"),
        client.open(URL + path.format(id=NOWHERE) + "?colour=red", method=method, headers={"If-Match": "x"}),
    ]
    for answer in answers:
        problem(answer, 403)
    doorman.lets = {action}
    if "{id}" in path:
        problem(client.open(URL + path.format(id=NOWHERE), method=method, json=body), 404)


@mongomock_only
@pytest.mark.parametrize("answer", [("no", 403), "denied", 1, [False]], ids=repr)
def test_an_answer_that_is_merely_true_opens_nothing(make_app: AppFactory, answer: Any) -> None:
    app, templates = host(make_app)
    client = app.test_client()
    template = create(client)
    before = snapshot(client)
    app.config.update(TESTING=False)  # as in production, an error is a 500
    templates.authorizer(lambda action, template: answer)
    for _, method, path, body in CALLS:
        assert client.open(URL + path.format(id=template["id"]), method=method, json=body).status_code == 500
    templates.authorizer(lambda action, template: True)
    assert snapshot(client) == before


@mongomock_only
def test_a_response_of_the_authorizer_refuses_and_is_sent(make_app: AppFactory) -> None:
    app, templates = host(make_app)
    client = app.test_client()
    template = create(client)
    before = snapshot(client)
    templates.authorizer(lambda action, template: Response("Log in first.", 401, {"WWW-Authenticate": "Basic"}))
    for _, method, path, body in CALLS:
        answer = client.open(URL + path.format(id=template["id"]), method=method, json=body)
        assert (answer.status_code, answer.text, answer.headers["WWW-Authenticate"]) == (401, "Log in first.", "Basic")
    templates.authorizer(lambda action, template: True)
    assert snapshot(client) == before


@mongomock_only
def test_the_developer_is_told_which_answer_was_none(make_app: AppFactory) -> None:
    app, templates = host(make_app)
    answer: Any = ("no", 403)
    templates.authorizer(lambda action, template: answer)
    message = r"^The authorizer must return True, False or a response that refuses, not tuple\.$"
    with pytest.raises(TypeError, match=message):
        app.test_client().get(URL)


@mongomock_only
@pytest.mark.parametrize("answer", [False, None, 0, "", ()])
def test_an_answer_that_is_not_true_is_no(make_app: AppFactory, answer: Any) -> None:
    app, templates = host(make_app)
    templates.authorizer(lambda action, template: answer)
    problem(app.test_client().get(URL), 403)


def test_a_deleted_template_is_asked_about_by_its_last_state(guarded: tuple[FlaskClient, Doorman]) -> None:
    client, doorman = guarded
    template = create(client)
    client.delete(one(template))
    doorman.asked.clear()
    assert client.get(one(template, "/history")).status_code == 200
    assert doorman.asked == [("read", "small")]
    doorman.lets.discard("read")
    problem(client.get(one(template, "/history")), 403)


@pytest.fixture
def of_a_team(make_app: AppFactory) -> FlaskClient:
    """Only templates of the team qa may be read or written."""
    app, templates = host(make_app, TESTING=False)

    @templates.authorizer
    def authorize(action: str, template: Template | None) -> bool:
        return template is None or template.labels.get("team") == "qa" or "X-Admin" in request.headers

    return app.test_client()


ADMIN = {"X-Admin": "yes"}
OURS, THEIRS = {"labels": {"team": "qa"}}, {"labels": {"team": "red"}}


def test_an_authorizer_may_decide_by_the_template(of_a_team: FlaskClient) -> None:
    client = of_a_team
    ours = create(client, "ours", **OURS)
    theirs = client.post(URL, json=spec("theirs", **THEIRS), headers=ADMIN).get_json()
    assert client.patch(one(ours), json={"max_nodes": 1}).status_code == 200
    for method, tail, body in (
        ("GET", "", None),
        ("GET", "/history", None),
        ("PATCH", "", {"max_nodes": 1}),
        ("DELETE", "", None),
        ("PUT", "/claims/w", None),
    ):
        answer = client.open(one(theirs, tail), method=method, json=body)
        problem(answer, 403)
        assert "theirs" not in answer.text  # the name is not for those who may not read it


def test_the_authorizer_is_asked_about_what_will_be(of_a_team: FlaskClient) -> None:
    client = of_a_team
    ours = create(client, "ours", **OURS)
    problem(client.post(URL, json=spec("new", **THEIRS)), 403)
    problem(client.patch(one(ours), json=THEIRS), 403)
    problem(client.put(one(ours), json=spec("ours", **THEIRS)), 403)
    assert names(client.get(URL)) == ["ours"]
    assert client.get(one(ours)).get_json() == ours
    # Nor by going back to what it was when it was theirs.
    moved = client.post(URL, json=spec("moved", **THEIRS), headers=ADMIN).get_json()
    client.patch(one(moved), json=OURS, headers=ADMIN)
    problem(client.post(one(moved, "/revert"), json={"revision": 1}), 403)
    assert client.get(one(moved)).get_json()["labels"] == {"team": "qa"}


def test_each_state_is_asked_about_once(guarded: tuple[FlaskClient, Doorman]) -> None:
    client, doorman = guarded
    template = create(client)
    assert doorman.asked == [("create", None), ("create", "small")]
    for change, asked in (({"name": "large"}, ["small", "large"]), ({"name": "large"}, ["large"])):
        doorman.asked.clear()
        client.patch(one(template), json=change)
        assert doorman.asked == [("update", name) for name in asked]


def test_claims_are_shown_as_they_were_asked_about(make_app: AppFactory) -> None:
    app, templates = host(make_app)
    client = app.test_client()
    template = create(client)
    client.put(one(template, "/claims/before"))

    @templates.authorizer
    def authorize(action: str, template: Template | None) -> bool:
        if template is not None:  # another worker comes between the question and the answer
            templates.claim(template.id, "secret", actor="another")
        return True

    shown = client.get(one(template, "/claims"))
    assert [claim["worker_id"] for claim in shown.get_json()] == ["before"]


@pytest.mark.parametrize(
    "path", ["/history", "/revisions/1", "/revisions/2", "/compare?from=1", "/compare?from=1&to=2"]
)
def test_nothing_of_a_history_is_shown_that_came_after_the_question(make_app: AppFactory, path: str) -> None:
    app, templates = host(make_app)
    client = app.test_client()
    template = create(client)

    @templates.authorizer
    def authorize(action: str, template: Template | None) -> bool:
        if template is not None:  # it becomes secret between the question and the reading
            templates.update(template.id, {"description": f"secret {template.revision}"}, actor="another")
        return True

    shown = client.get(one(template, path))
    assert "secret" not in shown.text
    assert shown.status_code == (404 if path.endswith("2") else 200)


def test_the_rule_is_asked_again_where_the_template_changes_meanwhile(make_app: AppFactory) -> None:
    app, templates = host(make_app, TESTING=False)
    client = app.test_client()
    raced: list[str] = []

    @templates.authorizer
    def authorize(action: str, template: Template | None) -> bool:
        if action == "update" and template is not None and not raced:
            raced.append(template.id)  # another writer locks it between this check and the write
            templates.update(template.id, {"labels": {"locked": "yes"}}, actor="another")
        return template is None or "locked" not in template.labels

    template = create(client)
    problem(client.patch(one(template), json={"max_nodes": 1}), 403)
    with app.app_context():
        assert templates.get(template["id"]).max_nodes == 20


@pytest.mark.parametrize(("action", "method", "path", "body"), [c for c in WRITING if c[0] in {"update", "delete"}])
def test_a_rule_that_fails_when_it_is_asked_again_fails_as_itself(
    make_app: AppFactory, action: str, method: str, path: str, body: Any
) -> None:
    app, templates = host(make_app, TESTING=True)
    client = app.test_client()
    asked: list[Template | None] = []
    template = create(client)
    client.patch(one(template), json={"description": "second"})

    @templates.authorizer
    def authorize(action: str, template: Template | None) -> bool:
        asked.append(template)
        if template is not None and len(asked) == 1:
            templates.update(template.id, {"max_nodes": 99}, actor="another")
        elif len(asked) > 1:
            raise AutoReconnect("the host's own database is down")
        return True

    with pytest.raises(AutoReconnect, match="the host's own"):  # no 503 of ours
        client.open(URL + path.format(id=template["id"]), method=method, json=body)
    assert len(asked) == 2
    with app.app_context():
        assert templates.get(template["id"]).revision == 3


# Without an authorizer


def answers(app: Flask) -> tuple[int, int]:
    """The status codes of reading and of writing."""
    client = app.test_client()
    return client.get(URL).status_code, client.post(URL, json=spec()).status_code


@pytest.mark.parametrize(
    ("anonymous", "debug", "testing", "expected"),
    [
        (None, False, False, (200, 403)),
        (None, True, False, (200, 201)),
        (None, False, True, (200, 201)),
        ("none", True, True, (403, 403)),
        ("read", True, True, (200, 403)),
        ("write", False, False, (200, 201)),
    ],
)
@mongomock_only
def test_what_is_open_without_an_authorizer(
    make_app: AppFactory, anonymous: str | None, debug: bool, testing: bool, expected: tuple[int, int]
) -> None:
    app = make_app(WORKER_TEMPLATES_ANONYMOUS=anonymous, DEBUG=debug, TESTING=testing)
    assert answers(app) == expected


@mongomock_only
@pytest.mark.parametrize(("action", "method", "path", "body"), WRITING)
def test_production_refuses_every_write_and_says_what_to_do(
    make_app: AppFactory, action: str, method: str, path: str, body: Any
) -> None:
    client = make_app(TESTING=False, templates=[spec()]).test_client()
    [template] = client.get(URL).get_json()
    answer = client.open(URL + path.format(id=template["id"]), method=method, json=body)
    message = problem(answer, 403)["message"]
    assert "@templates.authorizer" in message
    assert "WORKER_TEMPLATES_ANONYMOUS" in message
    assert client.get(URL).get_json() == [template]


@mongomock_only
def test_an_authorizer_is_asked_whatever_the_setting_says(make_app: AppFactory) -> None:
    app, templates = host(make_app, WORKER_TEMPLATES_ANONYMOUS="write", DEBUG=True)
    templates.authorizer(lambda action, template: False)
    assert answers(app) == (403, 403)


@mongomock_only
def test_a_hook_registered_after_init_app_counts(make_app: AppFactory) -> None:
    app, templates = host(make_app)
    client = app.test_client()
    assert names(client.get(URL)) == []
    templates.authorizer(lambda action, template: False)
    problem(client.get(URL), 403)


@mongomock_only
@pytest.mark.parametrize(
    ("docs", "expected"), [("public", (200, 200, 200)), ("read", (403, 403, 403)), ("off", (404, 404, 404))]
)
def test_who_sees_the_documentation(make_app: AppFactory, docs: str, expected: tuple[int, ...]) -> None:
    client = make_app(WORKER_TEMPLATES_DOCS=docs, WORKER_TEMPLATES_ANONYMOUS="none").test_client()
    paths = ("", "/openapi.json", "/assets/swagger-ui.css")
    assert tuple(client.get("/api/v1/docs" + path, buffered=True).status_code for path in paths) == expected
    assert make_app(WORKER_TEMPLATES_DOCS=docs).test_client().get("/api/v1/docs").status_code == (
        404 if docs == "off" else 200
    )
