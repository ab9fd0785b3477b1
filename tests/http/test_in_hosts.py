"""The API inside hosts that do things their own way: error pages, response classes, compression, form protection."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import flask_smorest
import pytest
from flask import Flask, Response, abort, request
from flask.testing import FlaskClient
from flask_compress import Compress
from flask_smorest import Api
from flask_wtf import CSRFProtect
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from flask_worker_templates import Template, WorkerTemplates
from flask_worker_templates.http import openapi
from flask_worker_templates.http.smorest import OwnApi
from tests.support.apps import AppFactory
from tests.support.backends import mongomock_only
from tests.support.calls import NOWHERE, URL, create, one, problem
from tests.support.hosts import host
from tests.support.openapi_document import DOCUMENT, document_of, own_document
from tests.support.specs import spec


class TooKeen(HTTPException):
    """An error of a host's own, with a code that Werkzeug does not know."""

    code = 420
    description = "Come back later."


# Error pages


@mongomock_only
@pytest.mark.parametrize("code", [400, 401, 403, 404, 405, 409, 410, 418, 429, 451, 503])
@pytest.mark.parametrize("place", ["authorizer", "actor_loader", "before_request"])
def test_what_a_hook_aborts_with_is_json_whatever_pages_the_host_has(
    make_app: AppFactory, code: int, place: str
) -> None:
    app, templates = host(make_app)
    app.register_error_handler(code, lambda error: (f"<h1>{code}</h1>", code))

    def refuse(*args: Any) -> Any:
        if request.path.startswith(URL):
            abort(code)

    hooks: dict[str, Callable[[Any], Any]] = {
        "authorizer": templates.authorizer,
        "actor_loader": templates.actor_loader,
        "before_request": app.before_request,
    }
    hooks[place](refuse)
    client = app.test_client()
    problem(client.post(URL, json=spec()), code)
    if code == 404:  # the host's own routes keep its pages
        assert client.get("/elsewhere").text == "<h1>404</h1>"


@mongomock_only
def test_an_error_of_the_hosts_own_kind_is_json_too(make_app: AppFactory) -> None:
    app, templates = host(make_app)
    app.register_error_handler(TooKeen, lambda error: ("<h1>420</h1>", 420))

    @templates.authorizer
    def may(action: str, template: Template | None) -> bool:
        raise TooKeen

    answer = app.test_client().get(URL)
    assert (answer.status_code, answer.get_json()["message"]) == (420, "Come back later.")


@mongomock_only
def test_a_catch_all_route_beside_ours_leaves_our_errors_json(make_app: AppFactory) -> None:
    app, _ = host(make_app)
    app.add_url_rule("/<path:anything>", "rest", view_func=lambda anything: "<h1>The page of the single-page app</h1>")
    app.add_url_rule(URL + "/statistics", "statistics", view_func=lambda: "<h1>A page of the host</h1>")
    client = app.test_client()
    assert client.get("/elsewhere").mimetype == "text/html"
    assert client.get(URL + "/statistics").mimetype == "text/html"
    assert client.get(URL).status_code == 200
    problem(client.get(f"{URL}/{NOWHERE}"), 404)
    problem(client.get(f"{URL}/no-id"), 404)
    problem(client.get(f"{URL}/{NOWHERE}/nothing"), 404)


@mongomock_only
def test_every_answer_ends_with_a_newline(make_app: AppFactory) -> None:
    client = make_app().test_client()
    template = create(client)
    for answer in (client.get(URL), client.get(one(template)), client.get(f"{URL}/{NOWHERE}"), client.get(DOCUMENT)):
        assert answer.text.endswith("}\n") or answer.text.endswith("]\n")


# Hosts and prefixes


@mongomock_only
def test_an_app_that_tells_routes_apart_by_their_host_has_the_api_on_each(make_app: AppFactory) -> None:
    app = Flask("plain_host", host_matching=True, static_host="static.example")
    app.config.update(make_app.config())
    WorkerTemplates(app)
    app.add_url_rule("/", "home", lambda: "home", host="www.example")
    for number, base in enumerate(("http://www.example", "http://127.0.0.1:5000")):
        client = app.test_client()
        client.environ_base["HTTP_HOST"] = base.removeprefix("http://")
        made = client.post(URL, base_url=base, json=spec(f"made-{number}"))
        assert client.get(made.headers["Location"], base_url=base).get_json() == made.get_json()
        assert client.get("/api/v1/docs", base_url=base).status_code == 200
        problem(client.get(f"{URL}/no-id", base_url=base), 404)
        assert client.get(DOCUMENT, base_url=base).get_json() == own_document()
    assert app.test_client().get("/", base_url="http://www.example").text == "home"


@mongomock_only
def test_a_prefix_of_the_hosts_own_and_a_mount_point(make_app: AppFactory) -> None:
    app = make_app(WORKER_TEMPLATES_URL_PREFIX="/fleet/v2/machines", WORKER_TEMPLATES_DOCS_URL_PREFIX="/fleet/help")
    client = app.test_client()
    made = client.post("/mounted/fleet/v2/machines", json=spec(), base_url="http://localhost")
    assert made.status_code == 404  # nothing is mounted there by itself
    outer = Flask("outer")
    outer.wsgi_app = DispatcherMiddleware(outer.wsgi_app, {"/mounted": app})  # type: ignore[method-assign]
    client = outer.test_client()
    made = client.post("/mounted/fleet/v2/machines", json=spec())
    assert made.headers["Location"].startswith("/mounted/fleet/v2/machines/")
    assert client.get(made.headers["Location"]).status_code == 200
    assert client.get("/mounted/fleet/help/openapi.json").get_json()["servers"] == [{"url": "/mounted"}]
    problem(client.get("/mounted/fleet/v2/machines/no-id"), 404)


# Response classes


class OddResponse(Response):
    """With another default type, and an attribute that the host's hooks use."""

    default_mimetype = "application/json"

    def __init__(self, *args: Any, **kw: Any) -> None:
        super().__init__(*args, **kw)
        self.trace = "on"


@mongomock_only
def test_the_hosts_response_class_changes_no_content_type_and_keeps_its_attributes(make_app: AppFactory) -> None:
    app = Flask("plain_host")
    app.response_class = OddResponse
    app.config.update(make_app.config())
    WorkerTemplates(app)

    @app.after_request
    def trace(response: Response) -> Response:
        assert isinstance(response, OddResponse)
        response.headers["X-Trace"] = response.trace
        return response

    client = app.test_client()
    template = create(client)
    for url, kind in [
        (URL, "application/json"),
        (one(template), "application/json"),
        ("/api/v1/docs", "text/html"),
        ("/api/v1/docs/assets/docs.js", "text/javascript"),
        (f"{URL}/{NOWHERE}", "application/json"),
    ]:
        with client.get(url) as answer:
            assert (answer.mimetype, answer.headers["X-Trace"]) == (kind, "on")
    deleted = client.delete(one(template))
    assert "Content-Type" not in deleted.headers


# Compression


@mongomock_only
def test_an_editor_behind_compression_can_save(make_app: AppFactory) -> None:
    app, _ = host(make_app)
    Compress(app)
    client = app.test_client()
    template = create(client, description="long " * 190)
    for number, coding in enumerate(("gzip", "br", "zstd", "deflate"), start=1):
        shown = client.get(one(template), headers={"Accept-Encoding": coding})
        tag = shown.headers["ETag"]
        assert (shown.headers["Content-Encoding"], tag) == (coding, f'"{number}:{coding}"')
        assert client.get(one(template), headers={"If-None-Match": tag}).status_code == 304
        saved = client.patch(one(template), json={"max_nodes": number}, headers={"If-Match": tag})
        assert saved.status_code == 200
        assert client.patch(one(template), json={"max_nodes": 99}, headers={"If-Match": tag}).status_code == 412


@mongomock_only
@pytest.mark.parametrize("tag", ['"1-gzip"', '"1:gzip"', '"1;gzip"', '"1-br"', 'W/"1:zstd"', '"9", "1-x-gzip"'])
def test_the_tags_of_other_middleware_count_as_the_revision(client: FlaskClient, tag: str) -> None:
    template = create(client)
    assert client.get(one(template), headers={"If-None-Match": tag}).status_code == 304
    assert client.patch(one(template), json={"max_nodes": 2}, headers={"If-Match": tag}).status_code == 200
    problem(client.patch(one(template), json={"max_nodes": 3}, headers={"If-Match": tag}), 412)


@mongomock_only
@pytest.mark.parametrize("tag", ['"1-"', '"1-evil"', '"1-gzip-gzip"', '"11-gzip"', '"-gzip"', '"gzip"', '"1:GZIP"'])
def test_other_tags_do_not(client: FlaskClient, tag: str) -> None:
    template = create(client)
    problem(client.patch(one(template), json={"max_nodes": 2}, headers={"If-Match": tag}), 412)


# Forms


@mongomock_only
@pytest.mark.parametrize("first", [True, False], ids=["protected first", "protected later"])
def test_the_api_is_exempt_from_csrf_protection_and_nothing_else_is(make_app: AppFactory, first: bool) -> None:
    app = Flask("plain_host")
    app.config.update(make_app.config(SECRET_KEY="x"))
    if first:
        CSRFProtect(app)
    WorkerTemplates(app)
    if not first:
        CSRFProtect(app)
    app.add_url_rule("/form", "form", view_func=lambda: "sent", methods=["POST"])
    client = app.test_client()
    template = create(client)
    assert client.patch(one(template), json={"max_nodes": 2}).status_code == 200
    assert client.put(one(template, "/claims/w1")).status_code == 201
    assert client.post("/form").status_code == 400


@mongomock_only
def test_another_extension_under_the_same_key_is_left_alone(make_app: AppFactory) -> None:
    app = Flask("plain_host")
    app.config.update(make_app.config())
    app.extensions["csrf"] = object()
    WorkerTemplates(app)
    assert app.test_client().get(URL).status_code == 200


@mongomock_only
@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"])
def test_no_cross_site_form_reaches_a_route_that_is_exempt(make_app: AppFactory, kind: str) -> None:
    """A form can send these content types, and the methods GET and POST; all else needs a preflight."""
    app = make_app()
    client = app.test_client()
    template = create(client)
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("worker-templates.") and "POST" in (rule.methods or ()):
            url = rule.rule.replace("<worker_template_id:template_id>", template["id"])
            problem(client.post(url, data="{}", content_type=kind), 415)


# The host's Api


def api_host(version: str = "3.0.3") -> Flask:
    app = Flask("api_host")
    app.config.update(API_TITLE="Fleet", API_VERSION="1", OPENAPI_VERSION=version)
    return app


def test_an_api_that_cannot_be_joined_says_why() -> None:
    app = api_host()
    unbound, other, old = Api(), Api(api_host()), api_host("2.0")
    named = Api(old)
    for given, target, kind, message in [
        (unbound, app, RuntimeError, r"^The Api that api= names has no app: call api\.init_app\(app\) before"),
        (other, app, RuntimeError, r"^The Api that api= names belongs to another app \('api_host'\)"),
        (named, old, RuntimeError, r"^The Api that api= names makes a document of OpenAPI 2\.0"),
        (None, old, RuntimeError, r"^The flask-smorest Api of this app makes a document of OpenAPI 2\.0"),
        (object(), app, TypeError, r"^api= must be a flask_smorest\.Api, not object\.$"),
    ]:
        with pytest.raises(kind, match=message):
            WorkerTemplates().init_app(target, api=given)
        assert "worker_templates" not in target.extensions
        assert not [rule for rule in target.url_map.iter_rules() if "worker-templates" in rule.endpoint]
    WorkerTemplates().init_app(app, api=Api(app))  # nothing of the failures is left


def test_an_api_that_moved_on_to_another_app_says_so() -> None:
    first, second = api_host(), api_host()
    api = Api(first)
    api.init_app(second)
    with pytest.raises(RuntimeError, match=r"^The flask-smorest Api of this app belongs to another app"):
        WorkerTemplates(first)


def test_the_private_names_of_flask_smorest_are_these() -> None:
    """If this fails, flask-smorest changed what `http.smorest` builds on."""
    for name in (
        "_register_error_handlers",
        "_register_responses",
        "_register_etag_headers",
        "_register_pagination_header",
    ):
        assert callable(getattr(flask_smorest.Api, name))
        assert name in vars(OwnApi)
    app = api_host()
    assert Api(app)._app is app
    assert Api()._app is None


# The document


def test_a_failure_does_not_empty_the_document_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    app = Flask("plain_host")
    WorkerTemplates(app)
    real = openapi.Doc.events
    monkeypatch.setattr(openapi.Doc, "events", lambda *_, **__: 1 / 0)
    assert app.test_client().get(DOCUMENT).status_code == 500
    monkeypatch.setattr(openapi.Doc, "events", real)
    assert document_of(app) == own_document()


def test_a_child_that_is_forked_while_the_document_is_made_makes_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    app = Flask("plain_host")
    WorkerTemplates(app)
    begun, go_on = threading.Event(), threading.Event()
    real = openapi.Doc.events

    def slow(*args: Any, **options: Any) -> Any:
        begun.set()
        go_on.wait(60)
        return real(*args, **options)

    monkeypatch.setattr(openapi.Doc, "events", slow)
    thread = threading.Thread(target=document_of, args=(app,))
    thread.start()
    assert begun.wait(60)
    child = os.fork()
    if not child:
        monkeypatch.setattr(openapi.Doc, "events", real)
        os._exit(len(document_of(app)["paths"]))
    _, status = os.waitpid(child, 0)
    go_on.set()
    thread.join()
    assert os.waitstatus_to_exitcode(status) == len(own_document()["paths"])


OPTIMISED = """
from flask import Flask
from flask_smorest import Api
from flask_worker_templates import WorkerTemplates
app = Flask("plain_host")
WorkerTemplates(app)
client = app.test_client()
paths = [client.get("/api/v1/docs/openapi.json").get_json()["paths"] for _ in range(2)]
app = Flask("api_host")
app.config.update(API_TITLE="Fleet", API_VERSION="1", OPENAPI_VERSION="3.0.3")
api = Api(app)
WorkerTemplates(app)
paths.append(api.spec.to_dict()["paths"])
print([len(found) for found in paths], paths[0]["/api/v1/templates"]["get"]["summary"])
"""


def test_it_works_without_docstrings() -> None:
    done = subprocess.run([sys.executable, "-OO", "-c", OPTIMISED], capture_output=True, text=True, check=False)
    expected = len(own_document()["paths"])
    assert done.stdout == f"{[expected] * 3} List worker templates.\n", done.stderr
