"""Seeding: each of its eleven rules, on both databases."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mongoengine
import pytest
import yaml
from flask import Flask
from flask.testing import FlaskClient
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from flask_worker_templates import (
    DuplicateNames,
    InvalidFiles,
    NotReady,
    Status,
    WorkerTemplates,
    templates_seeded,
)
from flask_worker_templates.model.spec import normalize
from flask_worker_templates.runtime import startup as readiness
from flask_worker_templates.runtime.app_state import app_directory
from flask_worker_templates.store.connection import EVENTS, TEMPLATES
from flask_worker_templates.store.stored_form import from_stored
from tests.support.apps import AppFactory
from tests.support.backends import mongod_only, mongomock_only, new_database
from tests.support.monitoring import READS, monitored
from tests.support.paths import ROOT
from tests.support.servers import Mongod, ReplicaSet, free_port, with_database
from tests.support.specs import spec

pytestmark = new_database

URL = "/api/v1/templates"
LOG = "flask_worker_templates"

Databases = Database[dict[str, Any]]


ONE, TWO = spec("personal-standard", max_nodes=20), spec("enterprise-large", max_nodes=500)


def host(make_app: AppFactory, *specs: dict[str, Any], **config: Any) -> tuple[Flask, WorkerTemplates]:
    """A new process of the deployment: an app and its extension."""
    app = Flask("plain_host")
    app.config.update(make_app.config(templates=specs, **config))
    return app, WorkerTemplates(app)


def start(make_app: AppFactory, *specs: dict[str, Any], **config: Any) -> FlaskClient:
    """A new process of the deployment that has answered its first request."""
    client = make_app(templates=specs, **config).test_client()
    assert client.get(URL).status_code == 200
    return client


def listed(client: FlaskClient) -> dict[str, dict[str, Any]]:
    answer = client.get(URL)
    assert answer.status_code == 200, answer.text
    return {template["name"]: template for template in answer.get_json()}


def contents(database: Databases) -> dict[str, list[dict[str, Any]]]:
    """All that is in the database."""
    return {name: list(database[name].find().sort("_id")) for name in sorted(database.list_collection_names())}


# 1. Create if not exists


def test_what_is_missing_is_created(make_app: AppFactory) -> None:
    found = listed(start(make_app, ONE, TWO))
    assert set(found) == {"personal-standard", "enterprise-large"}
    assert found["enterprise-large"]["max_nodes"] == 500


def test_what_a_file_gains_is_created_at_the_next_start(make_app: AppFactory) -> None:
    start(make_app, ONE)
    assert set(listed(start(make_app, ONE, TWO))) == {"personal-standard", "enterprise-large"}


@mongod_only
def test_many_templates_are_created(make_app: AppFactory, database: Databases) -> None:
    app, templates = host(make_app, *(spec(f"t{number}") for number in range(2500)))
    with app.app_context():
        assert len(templates.seed().created) == 2500
    assert database[TEMPLATES].count_documents({}) == database[EVENTS].count_documents({}) == 2500


# 2. Name is the unique key


def test_the_database_itself_keeps_names_unique(make_app: AppFactory, database: Databases) -> None:
    start(make_app, ONE)
    index = database[TEMPLATES].index_information()["name_unique"]
    assert index["unique"]
    assert list(index["key"]) == [("name", 1)]
    with pytest.raises(DuplicateKeyError):
        database[TEMPLATES].insert_one({"_id": "another", "name": "personal-standard"})


@mongod_only
def test_the_index_is_there_before_the_first_seed(make_app: AppFactory, database_uri: str) -> None:
    with monitored(database_uri) as (connection, commands):
        start(make_app, ONE, **connection)
    assert commands.names.index("createIndexes") < commands.names.index("insert")


def test_where_names_are_double_nothing_is_seeded_and_they_are_named(
    make_app: AppFactory, database: Databases, caplog: pytest.LogCaptureFixture
) -> None:
    database[TEMPLATES].insert_many([{"_id": "1", "name": "twin"}, {"_id": "2", "name": "twin"}])
    app, templates = host(make_app, ONE)
    assert app.test_client().get(URL).status_code == 503
    assert "'twin' (2 times)" in caplog.text
    with app.app_context(), pytest.raises(DuplicateNames) as caught:
        templates.seed()
    assert caught.value.names == {"twin": 2}
    assert database[TEMPLATES].count_documents({}) == 2


# 3. Manual edits preserved


def test_an_edit_is_still_there_after_restarts(make_app: AppFactory) -> None:
    client = start(make_app, ONE, TWO)
    edited = listed(client)["personal-standard"]
    client.patch(f"{URL}/{edited['id']}", json={"max_nodes": 7, "labels": {"team": "qa"}})
    for _ in range(3):
        found = listed(start(make_app, ONE, TWO))
        assert len(found) == 2
        assert found["personal-standard"]["max_nodes"] == 7
        assert found["personal-standard"]["labels"] == {"team": "qa"}


def test_what_changes_in_a_file_changes_nothing_in_the_database(make_app: AppFactory, database: Databases) -> None:
    start(make_app, ONE)
    before = contents(database)
    start(make_app, {**ONE, "max_nodes": 99})
    assert contents(database) == before


def test_a_template_made_by_hand_keeps_its_name(make_app: AppFactory) -> None:
    client = start(make_app)
    client.post(URL, json={**ONE, "max_nodes": 3})
    kept = listed(start(make_app, ONE))["personal-standard"]
    assert (kept["max_nodes"], kept["is_seeded"]) == (3, False)


# 4. Restart safe


def test_a_restart_changes_nothing_in_the_database(make_app: AppFactory, database: Databases) -> None:
    client = start(make_app, ONE, TWO)
    client.patch(f"{URL}/{listed(client)['personal-standard']['id']}", json={"max_nodes": 7})
    before = contents(database)
    for _ in range(3):
        start(make_app, ONE, TWO)
    assert contents(database) == before


@mongod_only
def test_a_restart_sends_no_write_command(make_app: AppFactory, database_uri: str) -> None:
    client = start(make_app, ONE, TWO)
    client.patch(f"{URL}/{listed(client)['personal-standard']['id']}", json={"max_nodes": 7})
    with monitored(database_uri) as (connection, commands):
        start(make_app, ONE, TWO, **connection)
    assert "listIndexes" in commands.names  # it did look
    assert set(commands.names) <= READS, commands.names


@mongod_only
def test_the_listener_of_these_tests_sees_writes(make_app: AppFactory, database_uri: str) -> None:
    with monitored(database_uri) as (connection, commands):
        start(make_app, ONE, **connection)
    assert set(commands.names) - READS == {"createIndexes", "insert"}


# 5. Replica safe


def race(make_app: AppFactory, database: Databases, **config: Any) -> None:
    """Let eight processes seed forty templates at once, and check that each was created once."""
    specs = [spec(f"t{number}") for number in range(40)]
    replicas = [host(make_app, *specs, **config) for _ in range(8)]
    together = threading.Barrier(len(replicas))

    def seed(replica: tuple[Flask, WorkerTemplates]) -> tuple[str, ...]:
        app, templates = replica
        with app.app_context():
            together.wait(30)
            result = templates.seed()
        assert len(result.created) + result.existing == 40
        return result.created

    with ThreadPoolExecutor(len(replicas)) as pool:
        created = [name for names in pool.map(seed, replicas) for name in names]
    assert sorted(created) == sorted(one["name"] for one in specs)  # each told by one process only
    assert database[TEMPLATES].count_documents({}) == database[EVENTS].count_documents({}) == 40


def test_processes_that_seed_at_once_create_each_name_once(make_app: AppFactory, database: Databases) -> None:
    race(make_app, database)


@pytest.mark.thorough
@mongod_only
def test_they_do_so_on_a_replica_set_too(make_app: AppFactory, replica_set: ReplicaSet) -> None:
    uri = with_database(replica_set.uri, f"seeding_{uuid.uuid4().hex}")
    with MongoClient[dict[str, Any]](uri) as client:
        database = client.get_default_database()
        race(make_app, database, WORKER_TEMPLATES_MONGODB_URI=uri)
        before = contents(database)
        start(make_app, *(spec(f"t{number}") for number in range(40)), WORKER_TEMPLATES_MONGODB_URI=uri)
        assert contents(database) == before
        client.drop_database(database)


# 6. All or nothing


def test_one_bad_entry_and_nothing_is_seeded(
    make_app: AppFactory, database: Databases, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "conf.d").mkdir()
    good, bad = tmp_path / "conf.d/a.yaml", tmp_path / "conf.d/b.yaml"
    good.write_text(yaml.safe_dump({"templates": [ONE]}))
    bad.write_text(
        "templates:\n"
        "  - name: broken\n"
        "    instance_type: m5.large\n"
        "    capacity: {cpu_cores: many, memory_gb: 8, storage_gb: 50}\n"
        "    license_type: FREE\n"
    )
    app, templates = host(make_app, WORKER_TEMPLATES_CONFIG_PATH=str(tmp_path / "conf.d"))
    assert app.test_client().get(URL).status_code == 503
    assert database.list_collection_names() == []
    assert f"{bad}:4:27: capacity.cpu_cores: Not a valid integer." in caplog.text
    assert f"{bad}:5:19: license_type: Must be one of: PERSONAL, ENTERPRISE, EVALUATION." in caplog.text
    with app.app_context(), pytest.raises(InvalidFiles) as caught:
        templates.seed()
    assert [(fault.line, fault.field) for fault in caught.value.faults] == [
        (4, "capacity.cpu_cores"),
        (5, "license_type"),
    ]
    assert database.list_collection_names() == []


def test_a_name_twice_in_the_set_is_a_fault_that_names_both_places(
    make_app: AppFactory, database: Databases, tmp_path: Path
) -> None:
    paths = [tmp_path / "a.yaml", tmp_path / "b.json"]
    paths[0].write_text(yaml.safe_dump({"templates": [ONE]}))
    paths[1].write_text(json.dumps({"templates": [ONE]}))
    app, templates = host(make_app, WORKER_TEMPLATES_CONFIG_PATH=[str(path) for path in paths])
    with app.app_context(), pytest.raises(InvalidFiles, match=re.escape(f"{paths[1]}:1:")) as caught:
        templates.seed()
    assert f"{paths[0]}:2" in str(caught.value)
    assert database.list_collection_names() == []


# 7. What a seeded template carries


def test_a_seeded_template_has_its_base_its_source_and_its_event(make_app: AppFactory, database: Databases) -> None:
    start(make_app, {**ONE, "labels": {"b": "2", "a": "1"}})
    [document] = database[TEMPLATES].find()
    wanted = normalize({**ONE, "labels": {"b": "2", "a": "1"}})
    assert document["is_seeded"] is True
    assert document["revision"] == 1
    assert from_stored(document["base"]) == from_stored(document) == wanted
    assert document["source"] == str(make_app.definition_file)
    [event] = database[EVENTS].find()
    assert (event["action"], event["actor"], event["revision"]) == ("seeded", "seeder", 1)
    assert (event["template_id"], event["name"]) == (document["_id"], "personal-standard")
    assert from_stored(event["spec"]) == wanted


def test_the_source_is_relative_to_the_directory_of_the_app(
    connection: dict[str, str], database: Databases, tmp_path: Path
) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config/worker_templates.yaml").write_text(yaml.safe_dump({"templates": [ONE]}))
    app = Flask("plain_host", root_path=str(tmp_path))
    app.config.update(connection, TESTING=True)
    WorkerTemplates(app)
    assert app.test_client().get(URL).status_code == 200
    assert database[TEMPLATES].find_one({}, {"source": 1, "_id": 0}) == {"source": "config/worker_templates.yaml"}


def test_the_directory_of_an_app_is_that_of_its_module_or_the_one_of_its_package() -> None:
    assert app_directory(Flask("tests.support.apps")) == ROOT / "tests" / "support"
    assert app_directory(Flask("tests")) == ROOT


# 8. Deleted templates


def delete(client: FlaskClient, name: str) -> None:
    assert client.delete(f"{URL}/{listed(client)[name]['id']}").status_code == 204


def test_a_deleted_template_comes_back_with_a_warning_that_says_who_and_when(
    make_app: AppFactory, caplog: pytest.LogCaptureFixture
) -> None:
    app, templates = host(make_app, ONE, TWO)
    templates.actor_loader(lambda: "mallory")
    client = app.test_client()
    first = listed(client)["personal-standard"]["id"]
    delete(client, "personal-standard")
    [event] = client.get(f"{URL}/{first}/history?page_size=1").get_json()

    app, templates = host(make_app, ONE, TWO)
    with app.app_context():
        result = templates.seed(dry_run=True)
        assert result.created == ("personal-standard",)
        assert result.warnings == (
            f"Template 'personal-standard' was deleted by 'mallory' at {event['at']} and would be created again.",
        )
    caplog.clear()
    found = listed(app.test_client())
    assert found["personal-standard"]["id"] != first
    assert found["personal-standard"]["revision"] == 1
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        f"Template 'personal-standard' was deleted by 'mallory' at {event['at']} and is created again."
    ]


def test_what_was_created_again_is_not_warned_of_again(make_app: AppFactory, caplog: pytest.LogCaptureFixture) -> None:
    delete(start(make_app, ONE), "personal-standard")
    start(make_app, ONE)
    caplog.clear()
    start(make_app, ONE)
    assert "personal-standard" not in caplog.text


def test_a_deletion_is_respected_where_the_host_says_so(make_app: AppFactory, database: Databases) -> None:
    delete(start(make_app, ONE, TWO), "personal-standard")
    before = contents(database)
    app, templates = host(make_app, ONE, TWO, WORKER_TEMPLATES_RESEED_DELETED=False)
    assert set(listed(app.test_client())) == {"enterprise-large"}
    assert contents(database) == before
    with app.app_context():
        result = templates.seed()
    assert (result.created, result.existing) == ((), 1)
    assert [(deletion.name, deletion.actor) for deletion in result.respected] == [("personal-standard", "anonymous")]


def test_with_respected_deletions_others_are_still_created(make_app: AppFactory) -> None:
    delete(start(make_app, ONE), "personal-standard")
    client = start(make_app, ONE, TWO, WORKER_TEMPLATES_RESEED_DELETED=False)
    assert set(listed(client)) == {"enterprise-large"}


def test_the_deletion_of_a_template_made_by_hand_is_no_matter_of_seeding(
    make_app: AppFactory, caplog: pytest.LogCaptureFixture
) -> None:
    client = start(make_app)
    client.post(URL, json=ONE)
    delete(client, "personal-standard")
    assert set(listed(start(make_app, ONE, WORKER_TEMPLATES_RESEED_DELETED=False))) == {"personal-standard"}
    assert "was deleted by" not in caplog.text


# 9. When


@contextmanager
def held_seeding(app: Flask) -> Iterator[tuple[threading.Event, threading.Event]]:
    """Hold the seeding of an app where it is done but not over; gives (reached, let_go)."""
    reached, let_go = threading.Event(), threading.Event()

    def hold(sender: Flask, **data: Any) -> None:
        reached.set()
        assert let_go.wait(30)

    with templates_seeded.connected_to(hold, sender=app):
        try:
            yield reached, let_go
        finally:
            let_go.set()


def test_init_app_touches_neither_files_nor_the_database(make_app: AppFactory, database: Databases) -> None:
    app = make_app(WORKER_TEMPLATES_CONFIG_PATH="no/such/file.yaml")
    assert database.list_collection_names() == []
    app.add_url_rule("/healthz", view_func=lambda: "fine")
    assert app.test_client().get("/healthz").status_code == 200
    assert database.list_collection_names() == []


def test_seeding_is_done_once_in_a_process(make_app: AppFactory) -> None:
    app = make_app(templates=[ONE])
    results: list[Any] = []
    with templates_seeded.connected_to(lambda sender, result: results.append(result), sender=app):
        client = app.test_client()
        delete(client, "personal-standard")
        assert listed(client) == {}
    assert len(results) == 1


def test_concurrent_first_requests_wait_for_the_one_that_seeds_and_the_host_goes_on(make_app: AppFactory) -> None:
    app = make_app(templates=[ONE, TWO])
    app.add_url_rule("/healthz", view_func=lambda: "fine")

    def request() -> tuple[int, int]:
        answer = app.test_client().get(URL)
        return answer.status_code, len(answer.get_json())

    with ThreadPoolExecutor(8) as pool, held_seeding(app) as (reached, let_go):
        first = pool.submit(request)
        assert reached.wait(30)
        others: list[Future[tuple[int, int]]] = [pool.submit(request) for _ in range(6)]
        started = time.perf_counter()
        assert app.test_client().get("/healthz").text == "fine"
        assert app.test_client().get("/no/such/page").status_code == 404
        assert time.perf_counter() - started < 10  # a request that is held up waits for 30 s
        time.sleep(0.2)
        assert not any(future.done() for future in [first, *others])
        let_go.set()
        assert [future.result(30) for future in [first, *others]] == [(200, 2)] * 7


def test_who_waits_for_a_seeding_waits_longer_than_for_an_operation(make_app: AppFactory) -> None:
    app = make_app(templates=[ONE], WORKER_TEMPLATES_DB_TIMEOUT_MS=5000)
    with ThreadPoolExecutor(2) as pool, held_seeding(app) as (reached, let_go):
        first = pool.submit(lambda: app.test_client().get(URL).status_code)
        assert reached.wait(30)
        second = pool.submit(lambda: app.test_client().get(URL).status_code)
        time.sleep(5.5)
        assert not second.done()
        let_go.set()
        assert (first.result(30), second.result(30)) == (200, 200)


@pytest.mark.parametrize(("timeout_ms", "seconds"), [(50, 30), (5000, 30), (10_000, 60)])
@mongomock_only
def test_how_long_others_wait(make_app: AppFactory, timeout_ms: int, seconds: int) -> None:
    app = make_app(WORKER_TEMPLATES_DB_TIMEOUT_MS=timeout_ms)
    assert app.extensions["worker_templates"].readiness._wait == seconds


def test_who_has_waited_too_long_is_told_to_come_again(make_app: AppFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_app(templates=[ONE])
    monkeypatch.setattr(app.extensions["worker_templates"].readiness, "_wait", 0.5)
    with ThreadPoolExecutor(1) as pool, held_seeding(app) as (reached, let_go):
        first = pool.submit(lambda: app.test_client().get(URL).status_code)
        assert reached.wait(30)
        answer = app.test_client().get(URL)
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert "still being prepared" in answer.get_json()["message"]
        let_go.set()
        assert first.result(30) == 200


FORK = """
import os, sys, threading
import mongoengine, mongomock
from flask import Flask
from flask_worker_templates import WorkerTemplates, templates_seeded

mongoengine.connect("fork", mongo_client_class=mongomock.MongoClient, uuidRepresentation="standard")
app = Flask("plain_host", root_path=sys.argv[1])
app.config.update(TESTING=True, WORKER_TEMPLATES_DB_TIMEOUT_MS=5000)
WorkerTemplates(app)
parent, reached, let_go = os.getpid(), threading.Event(), threading.Event()


@templates_seeded.connect
def hold(sender, result):
    if os.getpid() == parent:
        reached.set()
        let_go.wait(30)


first = threading.Thread(target=lambda: app.test_client().get("/api/v1/templates"))
first.start()
reached.wait(30)
child = os.fork()
if child == 0:
    os._exit(app.test_client().get("/api/v1/templates").status_code - 200)
_, status = os.waitpid(child, 0)
let_go.set()
first.join()
sys.exit(os.waitstatus_to_exitcode(status))
"""


def test_a_fork_in_the_middle_of_seeding_leaves_the_child_free_to_seed(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore::DeprecationWarning"}
    command = [sys.executable, "-c", FORK, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.thorough
@mongod_only
def test_a_slow_database_holds_up_no_other_route(make_app: AppFactory, mongod: Mongod) -> None:
    app = make_app(templates=[ONE], WORKER_TEMPLATES_DB_TIMEOUT_MS=60_000)
    app.add_url_rule("/healthz", view_func=lambda: "fine")
    slow = mongod.fail_command("listIndexes", block_ms=6000, app_name="flask-worker-templates", times=1)
    with slow, ThreadPoolExecutor(1) as pool:
        first = pool.submit(lambda: app.test_client().get(URL).status_code)
        time.sleep(0.1)
        assert app.test_client().get("/healthz").status_code == 200
        assert not first.done()
        assert first.result(30) == 200


def test_the_first_use_of_the_python_api_in_a_host_route_seeds(make_app: AppFactory) -> None:
    app, templates = host(make_app, ONE)
    app.add_url_rule("/mine", view_func=lambda: [template.name for template in templates.list()])
    assert app.test_client().get("/mine").get_json() == ["personal-standard"]


def test_the_first_use_of_the_python_api_without_a_request_seeds(make_app: AppFactory) -> None:
    app, templates = host(make_app, ONE)
    with app.app_context():
        assert templates.get_by_name("personal-standard").is_seeded


def test_commands_of_the_host_do_not_seed(make_app: AppFactory, database: Databases) -> None:
    app, templates = host(make_app, ONE)

    @app.cli.command("mine")
    def mine() -> None:
        print("templates:", len(templates.list()), templates.status().state)

    result = app.test_cli_runner().invoke(args=["mine"])
    assert result.output == "templates: 0 pending\n", result.output
    assert database[TEMPLATES].count_documents({}) == 0


def test_seed_off_leaves_it_to_the_command(make_app: AppFactory, database: Databases) -> None:
    app = make_app(templates=[ONE], WORKER_TEMPLATES_SEED="off")
    client = app.test_client()
    assert listed(client) == {}
    assert client.post(URL, json=TWO).status_code == 201
    assert "name_unique" in database[TEMPLATES].index_information()
    result = app.test_cli_runner().invoke(args=["seed-templates"])
    assert result.exit_code == 0, result.output
    assert set(listed(client)) == {"personal-standard", "enterprise-large"}


def test_seed_off_does_not_read_the_files(make_app: AppFactory) -> None:
    start(make_app, WORKER_TEMPLATES_CONFIG_PATH="no/such/file.yaml", WORKER_TEMPLATES_SEED="off")


# 10. When it fails


@pytest.fixture
def quick_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another attempt after a tenth of a second, for tests of what that attempt does."""
    monkeypatch.setattr(readiness, "RETRY_SECONDS", 0.1)


def broken(make_app: AppFactory) -> tuple[Flask, WorkerTemplates]:
    app, templates = host(make_app, {**ONE, "license_type": "FREE"})
    app.add_url_rule("/mine", view_func=lambda: "fine")
    return app, templates


def test_a_bad_file_gives_503_and_tells_the_log_but_not_the_client(
    make_app: AppFactory, caplog: pytest.LogCaptureFixture
) -> None:
    app, _ = broken(make_app)
    client = app.test_client()
    one = f"{URL}/{uuid.uuid4()}"
    for call in (client.get(URL), client.get(f"{URL}/history"), client.post(URL, json=TWO), client.delete(one)):
        assert call.status_code == 503
        body = call.get_json()
        assert body["status"] == "Service Unavailable"
        assert body["message"] == "The worker templates could not be prepared; the server's log says why."
        assert "FREE" not in call.text
    assert client.get("/mine").text == "fine"
    assert caplog.text.count(f"{make_app.definition_file}:8:17: license_type: Must be one of") == 1


def test_a_bad_file_is_told_by_the_python_api_and_by_status(make_app: AppFactory) -> None:
    app, templates = broken(make_app)
    with app.app_context():
        assert templates.status() == Status("pending")
        assert templates.status().ok
        with pytest.raises(NotReady):
            templates.list()
        status = templates.status()
    assert (status.state, status.ok, status.seeded) == ("failed", False, None)
    assert "license_type: Must be one of" in status.message


def test_it_heals_when_the_file_is_mended(make_app: AppFactory, quick_retry: None) -> None:
    app, templates = broken(make_app)
    client = app.test_client()
    assert client.get(URL).status_code == 503
    make_app.config(templates=[ONE])
    time.sleep(0.15)
    assert set(listed(client)) == {"personal-standard"}
    with app.app_context():
        status = templates.status()
    assert (status.state, status.message) == ("ready", "")
    assert status.seeded is not None
    assert status.seeded.created == ("personal-standard",)


def test_it_heals_by_health_checks_alone(make_app: AppFactory, quick_retry: None) -> None:
    app, templates = broken(make_app)
    assert app.test_client().get(URL).status_code == 503
    make_app.config(templates=[ONE])
    deadline = time.monotonic() + 20
    with app.app_context():
        while not templates.status().ok:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_within_the_pause_it_is_not_tried_again(make_app: AppFactory) -> None:
    app, _ = broken(make_app)
    client = app.test_client()
    assert client.get(URL).status_code == 503
    make_app.config(templates=[ONE])
    assert client.get(URL).status_code == 503


@pytest.fixture
def closed_port() -> int:
    return free_port()


def unreachable(port: int, tmp_path: Path, *, timeout_ms: int = 300) -> tuple[Flask, WorkerTemplates]:
    (tmp_path / "templates.yaml").write_text(yaml.safe_dump({"templates": [ONE]}))
    app = Flask("plain_host")
    app.config.update(
        TESTING=True,
        WORKER_TEMPLATES_MONGODB_URI=f"mongodb://127.0.0.1:{port}/fleet",
        WORKER_TEMPLATES_CONFIG_PATH=str(tmp_path / "templates.yaml"),
        WORKER_TEMPLATES_DB_TIMEOUT_MS=timeout_ms,
    )
    return app, WorkerTemplates(app)


@pytest.fixture
def _disconnected() -> Iterator[None]:
    yield
    mongoengine.disconnect_all()


@pytest.mark.usefixtures("_disconnected")
def test_an_unreachable_database_gives_503_with_retry_after(closed_port: int, tmp_path: Path) -> None:
    app, templates = unreachable(closed_port, tmp_path)
    app.add_url_rule("/mine", view_func=lambda: "fine")
    client = app.test_client()
    started = time.perf_counter()
    answer = client.get(URL)
    assert time.perf_counter() - started < 15  # without the limit it takes 30 s
    assert answer.status_code == 503
    assert 1 <= int(answer.headers["Retry-After"]) <= 5
    assert client.get("/mine").text == "fine"
    tried: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app.extensions["worker_templates"].readiness, "_attempt", lambda: tried.append("again"))
        assert client.get(URL).status_code == 503
    assert tried == []  # told at once, without asking the database
    with app.app_context():
        assert templates.status().state == "failed"
        with pytest.raises(NotReady) as caught:
            templates.list()
    assert caught.value.retry_after


@pytest.mark.server
@pytest.mark.usefixtures("_disconnected", "quick_retry")
def test_it_heals_when_the_database_comes_up(closed_port: int, tmp_path: Path) -> None:
    # Time enough to make the indexes: on a busy disk that takes longer than it may take to see that nobody listens.
    app, _ = unreachable(closed_port, tmp_path, timeout_ms=2000)
    client = app.test_client()
    assert client.get(URL).status_code == 503
    with Mongod(port=closed_port):
        deadline = time.monotonic() + 30
        while (answer := client.get(URL)).status_code == 503:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert [template["name"] for template in answer.get_json()] == ["personal-standard"]
        mongoengine.disconnect_all()  # while the server is there: a client says goodbye, and waits for the answer


# 11. Missing files


def test_a_missing_file_at_the_default_path_is_a_warning(
    connection: dict[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app = Flask("plain_host", root_path=str(tmp_path))
    app.config.update(connection, TESTING=True)
    templates = WorkerTemplates(app)
    assert listed(app.test_client()) == {}
    warning = (
        f"config/worker_templates.yaml: There is no such file or directory. Looked for in {tmp_path}. "
        "The setting WORKER_TEMPLATES_CONFIG_PATH can name another place."
    )
    assert warning in caplog.text
    with app.app_context():
        seeded = templates.status().seeded
    assert seeded is not None
    assert seeded.warnings == (warning,)


@pytest.mark.parametrize("path", ["config/worker_templates.yaml", "no/such/*.yaml", "."])
def test_a_missing_file_at_a_configured_path_is_a_fault(
    connection: dict[str, str], database: Databases, tmp_path: Path, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    app = Flask("plain_host", root_path=str(tmp_path))
    app.config.update(connection, TESTING=True, WORKER_TEMPLATES_CONFIG_PATH=path)
    WorkerTemplates(app)
    assert app.test_client().get(URL).status_code == 503
    assert f"\n{path}: " in caplog.text
    assert database.list_collection_names() == []


# The deployment: 12 worker processes on 3 servers

WSGI = """
import os
from flask import Flask
from flask_worker_templates import WorkerTemplates

app = Flask(__name__)
app.config.from_prefixed_env()
WorkerTemplates(app)


@app.after_request
def say_who(response):
    response.headers["X-Process"] = str(os.getpid())
    return response
"""


@contextmanager
def gunicorns(count: int, workers: int, directory: Path, *options: str, **environment: str) -> Iterator[list[int]]:
    """Start servers at once; gives their ports."""
    (directory / "wsgi.py").write_text(WSGI)
    ports = [free_port() for _ in range(count)]
    variables = {f"FLASK_WORKER_TEMPLATES_{key}": value for key, value in environment.items()}
    servers = []
    for port in ports:
        command = [sys.executable, "-m", "gunicorn", "wsgi:app", "-w", str(workers), "-b", f"127.0.0.1:{port}"]
        with (directory / f"{port}.log").open("wb") as log:
            servers.append(
                subprocess.Popen(
                    [*command, "--timeout", "60", *options],
                    cwd=directory,
                    env={**os.environ, **variables, "PYTHONPATH": str(ROOT)},
                    stdout=log,
                    stderr=log,
                )
            )
    try:
        yield ports
    finally:
        for server in servers:
            server.send_signal(signal.SIGTERM)
        for server in servers:
            server.wait(60)


def get(port: int) -> tuple[int, str, list[str]]:
    """The first answer of a server, once it listens: status, process and names."""
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{URL}?page_size=200", timeout=60) as answer:
                names = [template["name"] for template in json.load(answer)]
                return answer.status, answer.headers["X-Process"], names
        except urllib.error.HTTPError as error:
            return error.code, "", []
        except (ConnectionError, urllib.error.URLError):  # it does not listen yet
            assert time.monotonic() < deadline
            time.sleep(0.02)


@mongod_only
@pytest.mark.thorough
@pytest.mark.parametrize("options", [pytest.param((), id="plain"), pytest.param(("--preload",), id="preload")])
def test_12_worker_processes_on_3_servers_create_each_template_once_and_no_request_fails(
    options: tuple[str, ...], database_uri: str, database: Databases, tmp_path: Path
) -> None:
    names = [f"t{number:03}" for number in range(60)]
    (tmp_path / "templates.yaml").write_text(yaml.safe_dump({"templates": [spec(name) for name in names]}))
    environment = {"MONGODB_URI": database_uri, "CONFIG_PATH": str(tmp_path / "templates.yaml")}
    processes: set[str] = set()
    with gunicorns(3, 4, tmp_path, *options, **environment) as ports, ThreadPoolExecutor(24) as pool:
        for _ in range(50):
            for status, process, found in pool.map(get, ports * 8):
                assert (status, found) == (200, names)
                processes.add(process)
            if len(processes) == 12:
                break
    assert len(processes) == 12
    assert Counter(document["name"] for document in database[TEMPLATES].find()) == dict.fromkeys(names, 1)
    assert Counter(event["name"] for event in database[EVENTS].find()) == dict.fromkeys(names, 1)
