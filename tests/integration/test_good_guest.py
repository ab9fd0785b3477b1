"""A good guest: the host's Api, error pages, connections, hooks, commands and health checks stay as they were."""

from __future__ import annotations

import json
import select
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import mongoengine
import pytest
import yaml
from flask import Flask, g, jsonify, request
from flask_smorest import Api, Blueprint
from mongoengine.connection import _connection_settings
from pymongo import MongoClient

from flask_worker_templates import DatabaseUnavailable, WorkerTemplate, WorkerTemplates
from flask_worker_templates.store.store import Store
from tests.support.apps import AppFactory
from tests.support.backends import mongod_only, mongomock_only
from tests.support.calls import NOWHERE, URL, create, names, one, problem
from tests.support.hosts import host
from tests.support.openapi_document import document_of
from tests.support.paths import ROOT
from tests.support.servers import Mongod, free_port, with_database
from tests.support.specs import spec

# The host's error pages


class TeapotApi(Api):  # type: ignore[misc]
    """A host's Api that words its errors in its own way."""

    def handle_http_exception(self, error: Any) -> Any:
        return {"teapot": error.code}, error.code


def handlers_of(app: Flask) -> dict[Any, Any]:
    """The error handlers of the app itself, by code; looking for one leaves empty places behind."""
    return {code: dict(found) for code, found in app.error_handler_spec[None].items() if found}


def test_a_host_without_an_api_keeps_its_html(make_app: AppFactory) -> None:
    app = make_app()
    app.add_url_rule("/only-get", "only_get", lambda: "x")
    client = app.test_client()
    for path, method, code in (("/nothing", "GET", 404), ("/only-get", "POST", 405), ("/static/none", "GET", 404)):
        answer = client.open(path, method=method)
        assert (answer.status_code, answer.mimetype) == (code, "text/html")
    assert handlers_of(app) == {}


def test_a_host_with_handlers_keeps_them_and_does_not_get_ours(make_app: AppFactory) -> None:
    app = make_app()
    handled: list[str] = []

    def page(error: Exception) -> tuple[str, int]:
        handled.append(type(error).__name__)
        return "the host's page", getattr(error, "code", 500)

    for kind in (400, 404, 405, 409, 412, 415, 422, 503, Exception):
        app.register_error_handler(kind, page)
    client = app.test_client()
    template = create(client)
    problem(client.get(f"{URL}/{NOWHERE}"), 404)
    problem(client.get(f"{URL}/nonsense"), 404)
    problem(client.put(URL), 405)
    problem(client.post(URL, json=spec()), 409)
    problem(client.delete(one(template), headers={"If-Match": '"9"'}), 412)
    problem(client.post(URL, data="x"), 415)
    problem(client.post(URL, data="{", content_type="application/json"), 400)
    problem(client.post(URL, json={}), 422)
    assert handled == []
    assert client.get("/nothing").text == "the host's page"
    assert handled == ["NotFound"]


def test_a_host_with_an_api_of_its_own_keeps_its_errors_and_gets_our_operations(make_app: AppFactory) -> None:
    app = Flask("smorest_host")
    app.config.update(
        make_app.config(),
        API_TITLE="Host",
        API_VERSION="1",
        OPENAPI_VERSION="3.0.3",
        OPENAPI_URL_PREFIX="/openapi",
    )
    api = TeapotApi(app)
    blueprint = Blueprint("things", "things", url_prefix="/things")
    blueprint.add_url_rule("/", "things", lambda: "a thing", methods=["GET"])
    api.register_blueprint(blueprint)
    handlers = handlers_of(app)
    WorkerTemplates(app)

    client = app.test_client()
    assert client.get("/nothing").get_json() == {"teapot": 404}
    assert client.post("/things/").get_json() == {"teapot": 405}
    assert handlers_of(app) == handlers
    template = create(client)
    problem(client.get(f"{URL}/{NOWHERE}"), 404)
    problem(client.post(URL, json=spec()), 409)
    assert client.get(one(template)).headers["ETag"] == '"1"'
    document = client.get("/openapi/openapi.json").get_json()
    assert {"/things/", URL, URL + "/{template_id}"} <= set(document["paths"])
    assert list(app.extensions["flask-smorest"]["apis"]) == [""]
    assert "openapi" in app.cli.commands


def test_the_api_to_join_can_be_named(make_app: AppFactory) -> None:
    app = Flask("smorest_host")
    app.config.update(make_app.config(), API_TITLE="A", API_VERSION="1", OPENAPI_VERSION="3.0.3")
    app.config.update({f"B_{key}": app.config[key] for key in ("API_TITLE", "API_VERSION", "OPENAPI_VERSION")})
    first, second = Api(app), Api(app, config_prefix="B")
    WorkerTemplates().init_app(app, api=second)
    assert URL in second.spec.to_dict()["paths"]
    assert first.spec.to_dict().get("paths", {}) == {}
    assert names(app.test_client().get(URL)) == []


def test_a_host_may_make_its_api_later(make_app: AppFactory) -> None:
    app = make_app()
    app.config.update(API_TITLE="Host", API_VERSION="1", OPENAPI_VERSION="3.0.3")
    late = TeapotApi(app)
    client = app.test_client()
    assert client.get("/nothing").get_json() == {"teapot": 404}
    problem(client.get(f"{URL}/{NOWHERE}"), 404)
    problem(client.get(f"{URL}/nonsense"), 404)
    assert late.spec.to_dict().get("paths", {}) == {}
    assert URL in document_of(app)["paths"]


# The host's hooks


def test_the_hosts_hooks_see_our_requests_and_may_stop_them(make_app: AppFactory) -> None:
    app = make_app()
    seen: list[str] = []

    @app.before_request
    def login() -> Any:
        g.user = request.headers.get("X-User")
        seen.append(f"before {request.endpoint}")
        return None if g.user else (jsonify(error="log in"), 401)

    @app.after_request
    def stamp(response: Any) -> Any:
        response.headers["X-Host"] = "yes"
        response.headers["Cache-Control"] = "no-store"  # the host has the last word
        return response

    @app.teardown_request
    def teardown(error: BaseException | None) -> None:
        seen.append(f"after {type(error).__name__}")

    client = app.test_client()
    refused = client.get(URL)
    assert (refused.status_code, refused.get_json()) == (401, {"error": "log in"})
    answer = client.get(URL, headers={"X-User": "ann"})
    assert answer.status_code == 200
    assert answer.headers["X-Host"] == "yes"
    assert answer.headers["Cache-Control"] == "no-store"
    missing = client.get(f"{URL}/{NOWHERE}", headers={"X-User": "ann"})
    assert (missing.status_code, missing.headers["X-Host"]) == (404, "yes")
    assert seen == ["before worker-templates.list_templates", "after NoneType"] * 2 + [
        "before worker-templates.get_template",
        "after NoneType",
    ]


def test_hosts_own_requests_get_none_of_our_headers(make_app: AppFactory) -> None:
    app = make_app()
    app.add_url_rule("/own", "own", lambda: "x")
    headers = app.test_client().get("/own").headers
    assert set(headers.keys()) == {"Content-Type", "Content-Length"}


# The host's connections


def things(alias: str) -> Any:
    """A document class of the host on a connection of the host."""

    class Thing(mongoengine.Document):  # type: ignore[misc]
        name = mongoengine.StringField()
        meta = {"db_alias": alias, "collection": "things"}  # noqa: RUF012

    return Thing


@contextmanager
def two_databases(uri: str) -> Iterator[list[str]]:
    found = [with_database(uri, f"worker_templates_test_{uuid.uuid4().hex}") for _ in range(2)]
    try:
        yield found
    finally:
        with MongoClient[dict[str, Any]](uri) as client:
            for one_uri in found:
                client.drop_database(one_uri.rsplit("/", 1)[-1].split("?")[0])


@mongod_only
def test_a_host_with_a_default_connection_shares_it(database_uri: str, make_app: AppFactory, tmp_path: Path) -> None:
    mongoengine.connect(host=database_uri, uuidRepresentation="standard")
    thing = things("default")
    thing(name="the host's").save()
    app = Flask("host")
    app.config.update(make_app.config(templates=[spec()]))
    del app.config["WORKER_TEMPLATES_MONGODB_URI"]
    WorkerTemplates(app)
    aliases = set(_connection_settings)
    client = app.test_client()
    assert names(client.get(URL)) == ["small"]
    assert set(_connection_settings) == aliases == {"default"}
    assert thing.objects.get().name == "the host's"
    with app.app_context():
        assert WorkerTemplate.objects.get().name == "small"
    assert set(mongoengine.get_db().list_collection_names()) == {
        "things",
        "worker_templates",
        "worker_template_events",
        "worker_template_log",
    }


@mongod_only
def test_a_uri_of_our_own_leaves_the_hosts_default_alone(server_uri: str, make_app: AppFactory) -> None:
    with two_databases(server_uri) as (theirs, ours):
        mongoengine.connect(host=theirs, uuidRepresentation="standard")
        thing = things("default")
        make_app.connection = {"WORKER_TEMPLATES_MONGODB_URI": ours}
        client = make_app(templates=[spec()]).test_client()
        assert names(client.get(URL)) == ["small"]
        thing(name="x").save()
        assert mongoengine.get_db().list_collection_names() == ["things"]
        with MongoClient[dict[str, Any]](ours) as direct:
            assert "things" not in direct.get_default_database().list_collection_names()
        mongoengine.disconnect_all()  # as a host's own test suite or reload would


@mongod_only
def test_disconnect_all_of_the_host_does_no_harm(server_uri: str, make_app: AppFactory) -> None:
    with two_databases(server_uri) as (theirs, ours):
        make_app.connection = {"WORKER_TEMPLATES_MONGODB_URI": ours}
        own = make_app(templates=[spec()]).test_client()
        assert names(own.get(URL)) == ["small"]
        make_app.connection = {"WORKER_TEMPLATES_DB_ALIAS": "fleet"}
        mongoengine.connect(alias="fleet", host=theirs, uuidRepresentation="standard")
        shared = make_app(templates=[spec("other")]).test_client()
        assert names(shared.get(URL)) == ["other"]

        mongoengine.disconnect_all()
        assert names(own.get(URL)) == ["small"]
        message = problem(shared.get(URL), 503)["message"]
        assert "'fleet'" in message
        mongoengine.connect(alias="fleet", host=theirs, uuidRepresentation="standard")
        assert names(shared.get(URL)) == ["other"]
        mongoengine.disconnect_all()


@mongomock_only
def test_without_any_connection_our_routes_say_what_to_do_and_the_rest_works(make_app: AppFactory) -> None:
    make_app.connection = {}
    app = make_app()
    app.add_url_rule("/own", "own", lambda: "fine")
    client = app.test_client()
    answer = client.get(URL)
    message = problem(answer, 503)["message"]
    assert "WORKER_TEMPLATES_MONGODB_URI" in message
    assert "mongoengine.connect" in message
    assert int(answer.headers["Retry-After"]) >= 1
    assert client.get("/own").text == "fine"


# Two apps in one process


@mongod_only
def test_two_apps_with_two_databases_at_the_same_time(server_uri: str, make_app: AppFactory) -> None:
    with two_databases(server_uri) as uris:
        apps: list[tuple[Flask, WorkerTemplates, list[str]]] = []
        for number, uri in enumerate(uris):
            app = Flask(f"host-{number}")
            app.config.update(make_app.config(), WORKER_TEMPLATES_MONGODB_URI=uri, WORKER_TEMPLATES_SEED="off")
            templates = WorkerTemplates(app)
            mine = [f"app{number}-{index}" for index in range(3)]
            with app.app_context():
                for name in mine:
                    templates.create(spec(name))
            apps.append((app, templates, mine))
        wrong: list[str] = []
        start = threading.Barrier(8)

        def worker(number: int) -> None:
            app, templates, mine = apps[number % 2]
            client = app.test_client()
            prefix = mine[0].split("-")[0]
            start.wait()
            for round_ in range(40):
                listed = names(client.get(URL))
                with app.app_context():
                    queried = [document.name for document in WorkerTemplate.objects.order_by("name")]
                    paged = [template.name for template in templates.list()]
                    changed = templates.update(templates.get_by_name(mine[0]).id, {"max_nodes": round_ + 1})
                found = [*listed, *queried, *paged, changed.name]
                if len(found) != 10 or not all(name.startswith(prefix) for name in found):
                    wrong.append(str(found))

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(worker, range(8)))
        assert wrong == []
        for (app, templates, mine), uri in zip(apps, uris, strict=True):
            with MongoClient[dict[str, Any]](uri) as direct:
                stored = [row["name"] for row in direct.get_default_database()["worker_templates"].find()]
            assert sorted(stored) == mine
            with app.app_context():
                assert {event.name for event in templates.history(page_size=200)} <= set(mine)


# No database I/O where none is due


@mongomock_only
def test_a_command_of_the_host_makes_the_indexes_once(make_app: AppFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    app, templates = host(make_app)
    failures = [DatabaseUnavailable("it cannot be reached"), None]
    make_indexes = Store.make_indexes

    def failing_first(store: Store) -> None:
        if failure := failures.pop(0):
            raise failure
        make_indexes(store)

    monkeypatch.setattr(Store, "make_indexes", failing_first)

    @app.cli.command("mine")
    def mine() -> None:
        with pytest.raises(DatabaseUnavailable):
            templates.list()
        made = templates.create(spec())
        for number in range(5):
            templates.update(made.id, {"max_nodes": number + 1})
            assert WorkerTemplate.objects.get().max_nodes == number + 1

    assert app.test_cli_runner().invoke(args=["mine"], catch_exceptions=False).exit_code == 0
    assert failures == []  # asked for twice, and the second time with success


@pytest.fixture
def silent_server() -> Iterator[socket.socket]:
    """Something that listens where a database should be, and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(16)
        yield server


def knocked(server: socket.socket, seconds: float = 0.3) -> bool:
    """Whether anybody has connected."""
    return bool(select.select([server], [], [], seconds)[0])


def silent_app(server: socket.socket, tmp_path: Path, **config: Any) -> tuple[Flask, WorkerTemplates]:
    path = tmp_path / "templates.yaml"
    path.write_text(yaml.safe_dump({"templates": [spec()]}))
    app = Flask("host")
    app.config.update(
        TESTING=True,
        WORKER_TEMPLATES_CONFIG_PATH=str(path),
        WORKER_TEMPLATES_MONGODB_URI=f"mongodb://127.0.0.1:{server.getsockname()[1]}/fleet",
        WORKER_TEMPLATES_DB_TIMEOUT_MS=1000,
        **config,
    )
    return app, WorkerTemplates(app)


def test_init_app_and_the_hosts_routes_touch_no_database(silent_server: socket.socket, tmp_path: Path) -> None:
    app, templates = silent_app(silent_server, tmp_path)

    @app.get("/healthz")
    def healthz() -> Any:
        return jsonify(templates.status().state)

    client = app.test_client()
    assert client.get("/healthz").get_json() == "pending"
    assert client.get("/nothing").status_code == 404
    assert client.get("/api/v1/docs").status_code == 200
    assert client.get("/api/v1/docs/openapi.json").status_code == 200
    assert client.options(URL).status_code == 200
    assert client.put(URL).status_code == 405
    assert client.get(URL + "/nonsense").status_code == 404
    assert not knocked(silent_server)
    client.get(URL)
    assert knocked(silent_server)  # so that the silence before means something


def test_commands_of_the_host_touch_no_database_and_never_seed(
    silent_server: socket.socket, tmp_path: Path, make_app: AppFactory
) -> None:
    app, _ = silent_app(silent_server, tmp_path)

    @app.cli.command("hello")
    def hello() -> None:
        click.echo("hello")

    for command in (["hello"], ["--help"], ["worker-templates", "--help"], ["seed-templates", "--help"]):
        result = app.test_cli_runner().invoke(args=command)
        assert result.exit_code == 0, result.output
    assert not knocked(silent_server)


def test_a_command_of_the_host_that_uses_the_python_api_does_not_seed(make_app: AppFactory) -> None:
    app = Flask("host")
    app.config.update(make_app.config(templates=[spec()]))
    templates = WorkerTemplates(app)

    @app.cli.command("count")
    def count() -> None:
        click.echo(len(templates.list()))

    assert app.test_cli_runner().invoke(args=["count"]).output == "0\n"
    assert names(app.test_client().get(URL)) == ["small"]
    assert app.test_cli_runner().invoke(args=["count"]).output == "1\n"


@pytest.mark.server
def test_the_health_check_is_never_held_up_by_a_database_that_hangs(tmp_path: Path) -> None:
    path = tmp_path / "templates.yaml"
    path.write_text(yaml.safe_dump({"templates": [spec()]}))
    with Mongod() as server:
        app = Flask("host")
        app.config.update(
            TESTING=True,
            WORKER_TEMPLATES_CONFIG_PATH=str(path),
            WORKER_TEMPLATES_MONGODB_URI=with_database(server.uri, "fleet"),
            WORKER_TEMPLATES_DB_TIMEOUT_MS=1500,
        )
        templates = WorkerTemplates(app)

        @app.get("/healthz")
        def healthz() -> Any:
            return jsonify(templates.status().state)

        def healthy_until(done: Callable[[], bool]) -> Counter[str]:
            """What the health check said, how often, until something has happened: at least once."""
            states: Counter[str] = Counter()
            while not states or not done():
                states[app.test_client().get("/healthz").get_json()] += 1
                time.sleep(0.02)
            return states

        def ask() -> tuple[int, float]:
            began = time.monotonic()
            return app.test_client().get(URL).status_code, time.monotonic() - began

        def recovers() -> None:
            deadline = time.monotonic() + 60
            while ask()[0] != 200:
                assert time.monotonic() < deadline
                time.sleep(0.2)

        server.pause()
        with ThreadPoolExecutor(6) as pool:  # while the first requests seed, or rather wait for the database
            asked = [pool.submit(ask) for _ in range(6)]
            # Were it held up, it would answer when the requests are, once or twice.
            assert healthy_until(lambda: any(answer.done() for answer in asked))["pending"] >= 5
            for answer in asked:
                code, took = answer.result()
                assert code == 503
                assert took < 2 * 1.5 + 5
        assert set(healthy_until(lambda: True)) == {"failed"}
        server.resume()
        recovers()
        assert names(app.test_client().get(URL)) == ["small"]

        server.pause()  # and once all was well
        with ThreadPoolExecutor(6) as pool:
            asked = [pool.submit(ask) for _ in range(6)]
            healthy = healthy_until(lambda: any(answer.done() for answer in asked))
            assert set(healthy) == {"ready"}
            assert healthy["ready"] >= 5
            assert [answer.result()[0] for answer in asked] == [503] * 6
        server.resume()
        recovers()
        mongoengine.disconnect_all()  # while the server is there: a client says goodbye, and waits for the answer


# Under gunicorn

HOST = """
import os
from flask import Flask, jsonify
from flask_worker_templates import WorkerTemplates

app = Flask(__name__)
app.config.update(
    WORKER_TEMPLATES_MONGODB_URI=os.environ["HOST_DATABASE"],
    WORKER_TEMPLATES_CONFIG_PATH="templates.yaml",
    WORKER_TEMPLATES_ANONYMOUS="write",
)
templates = WorkerTemplates(app)

@app.get("/pid")
def pid():
    return jsonify(pid=os.getpid(), state=templates.status().state)
"""


def fetch(url: str, method: str = "GET", body: Any = None) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(asked, timeout=20) as answer:
            text = answer.read()
            return answer.status, json.loads(text) if text else None
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


# Not gevent with preload: gevent patches the standard library in the worker, after the driver was imported, and says
# itself that this does not work. Such a host patches first, in its gunicorn configuration.
@pytest.mark.parametrize(
    ("worker_class", "preload"),
    [
        pytest.param("sync", False, marks=pytest.mark.thorough),
        pytest.param("sync", True, marks=pytest.mark.thorough),
        pytest.param("gthread", False, marks=pytest.mark.thorough),
        pytest.param("gthread", True, marks=pytest.mark.thorough),
        ("gevent", False),
    ],
)
def test_under_gunicorn(database_uri: str, tmp_path: Path, worker_class: str, preload: bool) -> None:
    (tmp_path / "guest_host.py").write_text(HOST)
    (tmp_path / "templates.yaml").write_text(yaml.safe_dump({"templates": [spec(f"t{n}") for n in range(20)]}))
    port = free_port()
    root = ROOT
    log = tmp_path / "gunicorn.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [
                *(sys.executable, "-W", "error::UserWarning:pymongo", "-m", "gunicorn", "guest_host:app"),
                *("--bind", f"127.0.0.1:{port}", "--workers", "2", "--worker-class", worker_class),
                *("--graceful-timeout", "2", *(["--preload"] if preload else [])),
            ],
            cwd=tmp_path,
            env={
                "PATH": "/usr/bin:/bin",
                "HOME": str(tmp_path),
                "PYTHONPATH": f"{root}:{tmp_path}",
                "HOST_DATABASE": database_uri,
            },
            stdout=stream,
            stderr=stream,
        )
    try:
        base = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 40
        while True:
            try:
                fetch(base + "/pid")
                break
            except OSError:
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
        with ThreadPoolExecutor(8) as pool:  # the first requests, all at once, on all workers
            answers = list(pool.map(lambda _: fetch(f"{base}{URL}?page_size=100"), range(24)))
        assert {code for code, _ in answers} == {200}
        assert {len(found) for _, found in answers} == {20}
        pids: dict[int, str] = {}
        while len(pids) < 2 and time.monotonic() < deadline:
            with ThreadPoolExecutor(8) as pool:
                for _, found in pool.map(lambda _: fetch(base + "/pid"), range(16)):
                    pids[found["pid"]] = found["state"]
        assert len(pids) == 2
        code, made = fetch(base + URL, "POST", spec("made"))
        assert code == 201
        assert fetch(f"{base}{URL}/{made['id']}")[1] == made
        assert fetch(f"{base}{URL}/{made['id']}", "DELETE") == (204, None)
        status, seen = fetch(base + URL + "/history?action=seeded&page_size=200")
        assert (status, len(seen)) == (200, 20)
    finally:
        process.terminate()
        process.wait(timeout=30)
    text = log.read_text()
    assert "fork" not in text.lower(), text
    assert "Traceback" not in text, text
