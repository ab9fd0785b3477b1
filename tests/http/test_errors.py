"""Errors in one shape, also for what matches no route; strange clients; what hostile input must not reach."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, Response, abort, make_response
from flask.testing import FlaskClient
from flask_smorest import abort as smorest_abort
from pymongo.database import Database
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import HTTPException, TooManyRequests, Unauthorized

from flask_worker_templates import Fault, InvalidFiles, Template, WorkerTemplates
from tests.support.apps import AppFactory
from tests.support.backends import mongomock_only
from tests.support.calls import NOWHERE, URL, create, names, one, problem, snapshot
from tests.support.hosts import host
from tests.support.specs import spec

# What matches no route


@mongomock_only
@pytest.mark.parametrize(
    "path",
    [
        "/nonsense",
        "/nonsense/claims/w",
        f"/{NOWHERE}/nonsense",
        f"/{NOWHERE}/history/1",
        "/1",
        "/%00",
        "/%FF",
        "/..%2F..%2Fetc%2Fpasswd",
        "/%2e%2e/%2e%2e",
        "/$where",
        "/%7B%22$gt%22:%22%22%7D",
        "/" + "x" * 5000,
        f"/{NOWHERE}%0D%0AX-Injected:1",
        f"/urn:uuid:{NOWHERE}",
        f"/{{{NOWHERE}}}",
        f"/{uuid.UUID(NOWHERE).hex}",
        "/history/x",
    ],
)
def test_a_path_that_is_none_is_a_json_404(client: FlaskClient, path: str) -> None:
    for method in ("GET", "PUT", "PATCH", "DELETE", "POST"):
        answer = client.open(URL + path, method=method, json={})
        assert problem(answer, 404)["message"] == (
            "There is nothing at this URL. Use the id of a template (a UUID); to find it by its name, list with ?name=."
            " A worker id holds no slash."
        )
        assert "X-Injected" not in answer.headers
        assert len(answer.data) < 1000


@mongomock_only
@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("", {"GET", "HEAD", "OPTIONS", "POST"}),
        ("/history", {"GET", "HEAD", "OPTIONS"}),
        (f"/{NOWHERE}", {"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "PUT"}),
        (f"/{NOWHERE}/history", {"GET", "HEAD", "OPTIONS"}),
        (f"/{NOWHERE}/revert", {"OPTIONS", "POST"}),
        (f"/{NOWHERE}/claims", {"GET", "HEAD", "OPTIONS"}),
        (f"/{NOWHERE}/claims/w", {"DELETE", "OPTIONS", "PUT"}),
    ],
)
def test_a_method_that_there_is_not_is_405_and_tells_those_that_there_are(
    client: FlaskClient, path: str, allowed: set[str]
) -> None:
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "BREW"} - allowed:
        answer = client.open(URL + path, method=method)
        problem(answer, 405)
        assert allowed <= set(answer.allow)
        assert method not in answer.allow


def test_paths_beside_the_prefix_are_the_hosts(client: FlaskClient) -> None:
    for path in ("/", "/api/v1", "/api/v1/template", URL + "-x", URL + "x/" + NOWHERE, "/api/v1/docs-x"):
        answer = client.get(path)
        assert (answer.status_code, answer.mimetype) == (404, "text/html")
        assert "X-Content-Type-Options" not in answer.headers


# Strange clients


@mongomock_only
@pytest.mark.parametrize(
    "accept", [None, "", "*/*", "text/html", "application/xml;q=1", "nonsense", "application/json"]
)
def test_json_is_answered_whatever_is_accepted(client: FlaskClient, accept: str | None) -> None:
    headers = {} if accept is None else {"Accept": accept}
    assert client.get(URL, headers=headers).mimetype == "application/json"
    problem(client.get(f"{URL}/{NOWHERE}", headers=headers), 404)


@mongomock_only
def test_odd_headers_do_no_harm(client: FlaskClient) -> None:
    template = create(client)
    headers = {
        "Range": "bytes=0-1",
        "If-Modified-Since": "nonsense",
        "If-Range": '"1"',
        "X-HTTP-Method-Override": "DELETE",
        "X-Forwarded-Prefix": "/evil",
        "X-Forwarded-Host": "evil.example",
        "Host": "evil.example",
        "Expect": "nothing",
        "Cookie": "a=\x01; session=x",
        "Content-Length": "0",
    }
    answer = client.get(one(template), headers=headers)
    assert (answer.status_code, answer.get_json()) == (200, template)
    made = client.post(URL, json=spec("b"), headers={"Host": "evil.example"})
    assert made.headers["Location"].startswith(URL)


def test_a_body_where_none_is_wanted_is_ignored(client: FlaskClient) -> None:
    template = create(client)
    junk: dict[str, Any] = {"data": b"\xff" * 1000, "content_type": "image/png"}
    assert client.get(URL, **junk).status_code == 200
    assert client.put(one(template, "/claims/w")).status_code == 201
    assert client.delete(one(template, "/claims/w"), **junk).status_code == 204
    assert client.delete(one(template), **junk).status_code == 204


# What input must not reach

CRLF = "x\r\nX-Injected: 1\r\n\r\n<script>alert(1)</script>"


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.DEBUG):
        yield caplog


def test_nothing_that_is_sent_becomes_a_header_or_a_line_of_a_log(
    client: FlaskClient, logged: pytest.LogCaptureFixture
) -> None:
    template = create(client)
    answers = [
        client.get(URL, query_string={"name": CRLF}),
        client.get(URL, query_string={CRLF: "1"}),
        client.get(URL + "/history", query_string={"actor": CRLF}),
        client.get(f"{URL}/x%0D%0AX-Injected:%201"),
        client.put(one(template, "/claims/x%0D%0AX-Injected:%201")),
        client.post(URL, json=spec(CRLF)),
        client.post(URL, json=spec("ok", labels={CRLF: CRLF})),
        client.post(URL, json={CRLF: 1}),
        client.patch(one(template), json={"instance_type": CRLF}),
        client.post(URL, data="{}", content_type="text/plain; x=y"),
    ]
    for answer in answers:
        problem(answer, answer.status_code)
        assert 400 <= answer.status_code < 500
        assert "X-Injected" not in answer.headers
        assert b"\r" not in answer.data
    for record in logged.records:
        if record.name.startswith("flask_worker_templates"):
            assert "\n" not in record.getMessage()
            assert "\r" not in record.getMessage()


def test_the_actor_of_a_hook_is_one_line(
    make_app: AppFactory, logged: pytest.LogCaptureFixture, database: Database[dict[str, Any]]
) -> None:
    app, templates = host(make_app)
    templates.actor_loader(lambda: "eve\r\n\x1b[31m\u2028" + "x" * 1000)
    create(app.test_client())
    [event] = database["worker_template_events"].find()
    assert len(event["actor"]) == 256
    assert event["actor"].isprintable()


def test_an_actor_that_says_nothing_is_anonymous(make_app: AppFactory) -> None:
    app, templates = host(make_app)
    templates.actor_loader(lambda: "")
    client = app.test_client()
    assert client.get(one(create(client), "/history")).get_json()[0]["actor"] == "anonymous"


def test_html_is_data(client: FlaskClient) -> None:
    create(client, "<script>alert(1)</script>", description="<img src=x onerror=alert(1)>")
    answer = client.get(URL)
    assert answer.mimetype == "application/json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert names(answer) == ["<script>alert(1)</script>"]


# What the host's own hooks raise


@pytest.mark.parametrize(
    ("raised", "code", "header"),
    [
        (Unauthorized(description="Log in.", www_authenticate=None), 401, None),
        (TooManyRequests(description="Slow down.", retry_after=7), 429, ("Retry-After", "7")),
    ],
)
def test_http_errors_of_a_hook_keep_code_message_and_headers(
    make_app: AppFactory, raised: HTTPException, code: int, header: tuple[str, str] | None
) -> None:
    app, templates = host(make_app)

    @templates.authorizer
    def authorize(action: str, template: Template | None) -> bool:
        raise raised

    answer = app.test_client().get(URL)
    assert problem(answer, code)["message"] == raised.description
    if header:
        assert answer.headers[header[0]] == header[1]


def test_a_login_challenge_survives(make_app: AppFactory) -> None:
    app, templates = host(make_app)

    @templates.authorizer
    def authorize(action: str, template: Template | None) -> bool:
        raise Unauthorized(www_authenticate=WWWAuthenticate("bearer"))

    answer = app.test_client().get(URL)
    problem(answer, 401)
    assert answer.headers["WWW-Authenticate"].lower() == "bearer"


def test_a_response_of_a_hook_is_sent_as_it_is(make_app: AppFactory) -> None:
    app, templates = host(make_app)

    @templates.authorizer
    def authorize(action: str, template: Template | None) -> bool:
        if action == "read":
            abort(make_response("log in first", 401))
        raise Unauthorized(response=Response("log in", 401))

    assert app.test_client().get(URL).text == "log in first"
    answer = app.test_client().post(URL, json=spec())
    assert (answer.status_code, answer.text) == (401, "log in")


def test_a_status_code_of_the_hosts_own_invention(make_app: AppFactory) -> None:
    class Odd(HTTPException):
        code = 499
        description = "The host knows why."

    class Wordless(HTTPException):
        code = 418

    app, templates = host(make_app)

    @templates.authorizer
    def authorize(action: str, template: Template | None) -> bool:
        raise Odd if action == "read" else Wordless

    answer = app.test_client().get(URL)
    assert answer.status_code == 499
    assert answer.get_json()["message"] == "The host knows why."
    answer = app.test_client().post(URL, json=spec())
    assert answer.get_json() == {"code": 418, "status": "I'm a teapot"}


def test_smorests_abort_in_a_hook(make_app: AppFactory) -> None:
    app, templates = host(make_app)

    @templates.authorizer
    def authorize(action: str, template: Template | None) -> bool:
        smorest_abort(403, message="No.", errors={"why": ["because"]}, headers={"X-Why": "because"})
        return False

    answer = app.test_client().get(URL)
    assert problem(answer, 403, "why")["message"] == "No."
    assert answer.headers["X-Why"] == "because"


@pytest.mark.parametrize("hook", ["authorizer", "actor_loader"])
def test_a_hook_that_breaks_is_a_500_that_tells_nothing(make_app: AppFactory, hook: str) -> None:
    app, templates = host(make_app, TESTING=False, WORKER_TEMPLATES_ANONYMOUS="write")

    def broken(*args: Any) -> Any:
        raise RuntimeError("secret of the host")

    getattr(templates, hook)(broken)
    client = app.test_client()
    answer = client.post(URL, json=spec())
    problem(answer, 500)
    assert "secret" not in answer.text
    getattr(templates, hook)(lambda *args: hook == "authorizer" or "x")
    assert snapshot(client) == ([], [])


def test_an_error_of_the_package_that_a_hook_lets_out_is_a_500_that_tells_nothing(make_app: AppFactory) -> None:
    app, templates = host(make_app, TESTING=False)

    @templates.authorizer
    def authorize(action: str, template: Template | None) -> bool:
        raise InvalidFiles([Fault("/srv/secret.yaml", 1, 1, None, "bad")])

    answer = app.test_client().get(URL)
    problem(answer, 500)
    assert "secret" not in answer.text


def test_an_unreachable_database_says_when_to_try_again_and_nothing_secret(tmp_path: Any) -> None:
    app = Flask("plain_host")
    app.config.update(
        TESTING=True,
        WORKER_TEMPLATES_CONFIG_PATH=str(tmp_path / "none"),
        WORKER_TEMPLATES_SEED="off",
        WORKER_TEMPLATES_MONGODB_URI="mongodb://admin:hunter2@127.0.0.1:9/fleet",
        WORKER_TEMPLATES_DB_TIMEOUT_MS=100,
    )
    WorkerTemplates(app)
    answer = app.test_client().get(URL)
    problem(answer, 503)
    assert 1 <= int(answer.headers["Retry-After"]) <= 5
    for secret in ("hunter2", "admin", "127.0.0.1"):
        assert secret not in answer.text


def test_bad_files_are_a_503_that_does_not_name_them(make_app: AppFactory, caplog: pytest.LogCaptureFixture) -> None:
    client = make_app(templates=[{"name": "x"}]).test_client()
    answer = client.get(URL)
    assert "log says why" in problem(answer, 503)["message"]
    assert str(make_app.definition_file) not in answer.text
    assert f"{make_app.definition_file}:2:3" in caplog.text
