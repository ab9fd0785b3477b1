"""A server that is slow, frozen, gone, full, read-only or refuses: the right answer in time, and one log entry."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import mongoengine
import pytest
import yaml
from flask import Flask
from flask.testing import FlaskClient
from pymongo import MongoClient
from pymongo.database import Database
from werkzeug.test import TestResponse

from flask_worker_templates import WorkerTemplates
from flask_worker_templates.errors import DatabaseUnavailable
from flask_worker_templates.reconcile.seed import SeedResult, seed
from flask_worker_templates.store.connection import EVENTS, LOG, TEMPLATES
from tests.chaos.checker import Write, assert_whole
from tests.chaos.child import make_store
from tests.support.calls import URL
from tests.support.needs import missing
from tests.support.ownership import read_owned
from tests.support.servers import Mongod, ReplicaSet, ServerMissingError, with_database
from tests.support.specs import spec
from tests.support.strategies import spec_with

pytestmark = [pytest.mark.server, pytest.mark.thorough]

Raw = Database[dict[str, Any]]
LIMIT_MS = 1200
SLACK = 10.0
"""Seconds over the limit that a loaded machine is granted. A fault without the limit takes 20 s and more."""
APP_NAME = "flask-worker-templates"


@pytest.fixture(scope="module")
def server() -> Iterator[Mongod]:
    """A server with users, which tests harm and leave running."""
    with ExitStack() as stack:
        try:
            started = stack.enter_context(Mongod(auth=True))
        except ServerMissingError as error:
            missing(str(error))
        yield started


@pytest.fixture
def uri(server: Mongod) -> Iterator[str]:
    """URI of a fresh database, with credentials."""
    server.start()
    name = f"chaos_{time.monotonic_ns()}"
    # The failpoint "not primary" does not end the long poll by which the driver learns of a real change at once.
    yield with_database(server.uri, name, heartbeatFrequencyMS="500")
    mongoengine.disconnect_all()
    server.start()
    with server.client() as client:
        client.drop_database(name)


@pytest.fixture
def secret(uri: str) -> str:
    """The password in the URI."""
    password = urlsplit(uri).password
    assert password
    return password


@pytest.fixture
def raw(uri: str) -> Iterator[Raw]:
    with MongoClient[dict[str, Any]](uri) as client:
        yield client.get_default_database()


def make_app(uri: str, directory: Path, *names: str, **config: Any) -> Flask:
    app = Flask("faults")
    file = directory / "worker_templates.yaml"
    file.write_text(yaml.safe_dump({"templates": [spec(name) for name in names]}))
    app.config.update(
        {
            "WORKER_TEMPLATES_MONGODB_URI": uri,
            "WORKER_TEMPLATES_DB_TIMEOUT_MS": LIMIT_MS,
            "WORKER_TEMPLATES_CONFIG_PATH": str(file),
            "WORKER_TEMPLATES_ANONYMOUS": "write",
            **config,
        }
    )
    WorkerTemplates(app)
    app.get("/other")(lambda: "the host works")
    return app


@pytest.fixture
def app(uri: str, tmp_path: Path) -> Flask:
    """An app that is ready."""
    patient = make_app(uri, tmp_path, "a", "b", WORKER_TEMPLATES_DB_TIMEOUT_MS=60_000)
    assert patient.test_client().get(URL).status_code == 200  # the indexes and the seeds: no part of what is timed
    app = make_app(uri, tmp_path, "a", "b")
    assert app.test_client().get(URL).status_code == 200
    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def first_id(client: FlaskClient) -> str:
    found: str = client.get(URL).get_json()[0]["id"]
    return found


def every_call(app: Flask, one: str) -> dict[str, Callable[[], TestResponse]]:
    """One call of each route; they may be made at the same time."""
    at = f"{URL}/{one}"
    client = app.test_client
    return {
        "list": lambda: client().get(URL),
        "get": lambda: client().get(at),
        "create": lambda: client().post(URL, json=spec("new")),
        "replace": lambda: client().put(at, json=spec("replaced")),
        "update": lambda: client().patch(at, json={"description": "changed"}),
        "history": lambda: client().get(f"{at}/history"),
        "trail": lambda: client().get(f"{URL}/history"),
        "revert": lambda: client().post(f"{at}/revert", json={"revision": 1}),
        "claims": lambda: client().get(f"{at}/claims"),
        "claim": lambda: client().put(f"{at}/claims/worker"),
        "release": lambda: client().delete(f"{at}/claims/worker"),
        "delete": lambda: client().delete(at),
    }


def assert_unavailable(answer: TestResponse, secret: str, *, says: str = "") -> None:
    assert answer.status_code == 503, answer.text
    assert 1 <= int(answer.headers["Retry-After"]) <= 10
    assert answer.get_json()["code"] == 503
    assert says in answer.get_json()["message"]
    assert secret not in answer.text


def assert_told_once(caplog: pytest.LogCaptureFixture, secret: str, says: str) -> None:
    causes = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(causes) == 1, causes
    assert says in causes[0]
    assert secret not in caplog.text


def wait_for(what: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# A server that does not answer, or is not there


@pytest.mark.parametrize("fault", ["frozen", "gone"])
def test_every_call_ends_in_time_and_all_is_well_afterwards(
    fault: str,
    client: FlaskClient,
    server: Mongod,
    uri: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    secret = str(urlsplit(uri).password)
    calls = every_call(client.application, first_id(client))
    stop, go_on = (server.pause, server.resume) if fault == "frozen" else (server.kill, server.start)
    stop()
    try:
        begun = time.monotonic()
        with ThreadPoolExecutor(len(calls)) as threads:
            answers = [threads.submit(call) for call in calls.values()]
        for answer in answers:
            assert_unavailable(answer.result(), secret)
        assert time.monotonic() - begun < LIMIT_MS / 1000 + SLACK
        assert client.get("/other").text == "the host works"
        causes = {record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR}
        assert 1 <= len(causes) <= 2  # that it does not answer, and perhaps then that it cannot be reached
        assert len(causes) == len([record for record in caplog.records if record.levelno >= logging.ERROR])
        assert secret not in caplog.text
    finally:
        go_on()
    wait_for(lambda: client.get(URL).status_code == 200)
    assert caplog.text.count("answers again") == 1
    updated = client.patch(f"{URL}/{first_id(client)}", json={"description": "after"})
    assert updated.status_code == 200
    template = updated.get_json()
    with MongoClient[dict[str, Any]](uri) as inspector:
        acknowledged = Write(template["id"], "updated", template["revision"], "anonymous", template)
        assert_whole(inspector.get_default_database(), [acknowledged])


def test_threads_do_not_pile_up_behind_a_frozen_server(app: Flask, server: Mongod, secret: str) -> None:
    answers: list[tuple[float, TestResponse]] = []

    def ask() -> None:
        begun = time.monotonic()
        answer = app.test_client().get(URL)
        answers.append((time.monotonic() - begun, answer))

    def flood() -> None:
        threads = [threading.Thread(target=ask) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    server.pause()
    try:
        flood()
        before = threading.active_count()
        flood()
        assert threading.active_count() <= before + 2  # the driver's own may come and go
    finally:
        server.resume()
    assert len(answers) == 40
    for seconds, answer in answers:
        assert_unavailable(answer, secret)
        assert seconds < LIMIT_MS / 1000 + SLACK
    wait_for(lambda: app.test_client().get(URL).status_code == 200)


def test_a_slow_server(client: FlaskClient, server: Mongod, secret: str, caplog: pytest.LogCaptureFixture) -> None:
    with server.fail_command("find", block_ms=3000, app_name=APP_NAME):
        begun = time.monotonic()
        assert_unavailable(client.get(URL), secret, says="did not answer within 1,200 ms")
        assert_unavailable(client.get(URL), secret)
        assert time.monotonic() - begun < 2 * (LIMIT_MS / 1000 + SLACK)
    assert_told_once(caplog, secret, "did not answer within 1,200 ms")
    assert client.get(URL).status_code == 200


# A server that refuses


def test_a_wrong_password(uri: str, secret: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    wrong = "never-show-this"
    client = make_app(uri.replace(secret, wrong), tmp_path).test_client()
    for _ in range(3):
        assert_unavailable(client.get(URL), wrong, says="it refused the login")
    assert_told_once(caplog, wrong, "it refused the login")
    assert client.get("/other").status_code == 200


def test_a_user_that_may_only_read(
    app: Flask, server: Mongod, raw: Raw, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reader = with_database(server.add_user("reader", ["read"], database=raw.name), raw.name)
    secret = urlsplit(reader).password
    assert secret
    client = make_app(reader, tmp_path, "a", "b").test_client()
    one = first_id(client)  # the indexes and the seeds are there, so that it is ready
    before = list(raw.worker_templates.find())
    for _ in range(2):
        for name, call in every_call(client.application, one).items():
            answer = call()
            if name in {"list", "get", "history", "trail", "claims"}:
                assert answer.status_code == 200
            elif name == "revert":
                assert answer.status_code == 200  # to the revision it is at: nothing to write
            else:
                assert_unavailable(answer, secret, says="its user is not authorized")
    assert_told_once(caplog, secret, "its user is not authorized")  # though reads succeeded in between
    assert list(raw.worker_templates.find()) == before
    assert_whole(raw)


def test_a_user_that_may_only_read_and_something_to_seed(
    app: Flask, server: Mongod, raw: Raw, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reader = with_database(server.add_user("second", ["read"], database=raw.name), raw.name)
    secret = urlsplit(reader).password
    assert secret
    client = make_app(reader, tmp_path, "a", "b", "c").test_client()
    for _ in range(3):
        assert_unavailable(client.get(URL), secret, says="its user is not authorized")
    assert_told_once(caplog, secret, "its user is not authorized")


def test_a_user_with_a_role_that_grants_the_least(
    server: Mongod, raw: Raw, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    actions = ["find", "insert", "update", "remove", "createIndex", "listIndexes"]
    privileges = [
        {"resource": {"db": raw.name, "collection": name}, "actions": actions} for name in (TEMPLATES, EVENTS, LOG)
    ]
    server.command({"createRole": "least", "privileges": privileges, "roles": []}, raw.name)
    uri = with_database(server.add_user("modest", ["least"], database=raw.name), raw.name)
    app = make_app(uri, tmp_path, "a", "b", WORKER_TEMPLATES_DB_TIMEOUT_MS=60_000)
    statuses = {name: call().status_code for name, call in every_call(app, first_id(app.test_client())).items()}
    assert set(statuses.values()) <= {200, 201, 204}, statuses
    page = app.test_client().get(URL, query_string={"page_size": 1})
    assert json.loads(page.headers["X-Pagination"])["total"] == 2
    followed = app.test_client().get(f"{URL}/history", query_string={"after": "start"})
    assert len(followed.get_json()) == raw.worker_template_events.count_documents({})
    assert not caplog.records
    assert_whole(raw)


REFUSALS: dict[str, dict[str, Any]] = {
    "network error": {"close_connection": True},
    "not primary": {"error_code": 10107},
    "out of disk space": {"error_code": 14031},
    "time limit exceeded": {"error_code": 262},
    "max time expired": {"error_code": 50},
    "write concern error": {"write_concern_error": 64},
}


# Which command of a call fails: its name, and how many of that name are left alone before.
FAILING = {
    "create": [("insert", 0), ("insert", 1)],
    "update": [("find", 0), ("update", 0), ("insert", 0)],
    "revert": [("find", 0), ("find", 1), ("find", 2), ("update", 0), ("insert", 0)],
    "claim": [("findAndModify", 0)],
    "release": [("findAndModify", 0)],
    "claims": [("aggregate", 0)],
    "delete": [("find", 0), ("findAndModify", 0), ("update", 0), ("delete", 0)],
}
ACTIONS = {"create": "created", "update": "updated", "revert": "reverted", "delete": "deleted"}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_command_that_fails_loses_nothing(
    refusal: str, client: FlaskClient, server: Mongod, uri: str, caplog: pytest.LogCaptureFixture
) -> None:
    fault = REFUSALS[refusal]
    secret = str(urlsplit(uri).password)
    writes: list[Write] = []
    failed = 0
    points = [(name, command, skip) for name, failing in FAILING.items() for command, skip in failing]
    for number, (name, command, skip) in enumerate(points):
        if "write_concern_error" in fault and command in {"find", "aggregate"}:
            continue
        one = client.post(URL, json=spec(f"target-{number}")).get_json()["id"]
        assert client.patch(f"{URL}/{one}", json={"description": "second"}).status_code == 200
        caplog.clear()
        with server.fail_command(command, app_name=APP_NAME, skip=skip, **fault):
            begun = time.monotonic()
            answer = every_call(client.application, one)[name]()
            seconds = time.monotonic() - begun
        assert seconds < LIMIT_MS / 1000 + SLACK
        assert len(caplog.records) <= 1, caplog.text  # a request says one thing in the log, or nothing that was said
        if answer.status_code >= 500:
            assert_unavailable(answer, secret)
            failed += 1
        elif name in ACTIONS:
            shown = answer.get_json() if answer.data else {}
            writes.append(Write(shown.get("id", one), ACTIONS[name], shown.get("revision"), None, shown or None))
        # As long as the driver waits before it asks a server again that said it is no primary.
        wait_for(lambda: client.get(URL).status_code == 200)
        assert secret not in caplog.text
        client.delete(f"{URL}/{one}/claims/worker")
        if new := client.get(URL, query_string={"name": "new"}).get_json():
            assert client.delete(f"{URL}/{new[0]['id']}").status_code == 204
    assert failed >= 5
    with MongoClient[dict[str, Any]](uri) as inspector:
        assert_whole(inspector.get_default_database(), writes)


# Seeding


def _seed(uri: str, directory: Path, count: int = 30) -> SeedResult:
    file = directory / "seeds.yaml"
    file.write_text(yaml.safe_dump({"templates": [spec(f"seeded-{number}") for number in range(count)]}))
    return seed(make_store(uri), read_owned([file], directory))


def _assert_seeded_once(raw: Raw, count: int = 30) -> None:
    assert raw.worker_templates.count_documents({}) == count
    assert raw.worker_template_events.count_documents({"action": "seeded"}) == count
    assert_whole(raw)


def test_seeding_that_was_done_but_not_confirmed_is_no_failure(
    server: Mongod, uri: str, raw: Raw, tmp_path: Path
) -> None:
    make_store(uri).make_indexes()
    with server.fail_command("insert", write_concern_error=64, app_name=APP_NAME, times=1):
        assert len(_seed(uri, tmp_path).created) == 30
    _assert_seeded_once(raw)


def test_seeding_whose_events_are_not_confirmed_is_none_either(
    server: Mongod, uri: str, raw: Raw, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_store(uri).make_indexes()
    with server.fail_command("insert", error_code=14031, app_name=APP_NAME, skip=1):
        assert len(_seed(uri, tmp_path).created) == 30
    assert "are not all in the events collection" in caplog.text
    assert raw.worker_template_events.count_documents({}) == 0
    assert_whole(raw)
    assert _seed(uri, tmp_path).existing == 30


def test_seeding_that_is_never_confirmed_is_a_failure_and_the_next_one_is_fine(
    server: Mongod, uri: str, raw: Raw, tmp_path: Path
) -> None:
    make_store(uri).make_indexes()
    unconfirmed = server.fail_command("insert", write_concern_error=64, app_name=APP_NAME)
    with unconfirmed, pytest.raises(DatabaseUnavailable, match="did not confirm"):
        _seed(uri, tmp_path)
    assert _seed(uri, tmp_path).existing == 30
    _assert_seeded_once(raw)


def test_a_commit_whose_acknowledgement_is_lost_counts_once(replica_set: ReplicaSet, tmp_path: Path) -> None:
    uri = with_database(replica_set.uri, f"chaos_{time.monotonic_ns()}")
    primary = replica_set.primary()
    store = make_store(uri)
    store.make_indexes()

    def lost(times: int) -> Any:
        # Runs the write, and closes the connection instead of saying so.
        return primary.fail_point("onPrimaryTransactionalWrite", {"closeConnection": True}, times=times)

    with MongoClient[dict[str, Any]](uri) as client:
        raw = client.get_default_database()
        with lost(1):
            assert len(_seed(uri, tmp_path).created) == 30
        with lost(1):
            made = store.create(spec_with("made"), actor="test")
        with lost(1):
            updated = store.update(made.id, lambda _: spec_with("renamed"), actor="test")
        assert updated.revision == 2
        with lost(1):
            store.delete(made.id, actor="test")
        writes = [
            Write(made.id, "created", 1, "test", made.spec),
            Write(made.id, "updated", 2, "test", updated.spec),
            Write(made.id, "deleted", None, "test"),
        ]
        assert_whole(raw, writes)
        assert raw.worker_templates.count_documents({}) == 30
        client.drop_database(raw.name)
    mongoengine.disconnect_all()
