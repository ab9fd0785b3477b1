"""Making a process ready: once, by one thread, tried again with pauses; and what a health check is told."""

from __future__ import annotations

import contextvars
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mongoengine
import pytest
from flask import Flask, current_app

from flask_worker_templates import WorkerTemplates, templates_seeded
from flask_worker_templates.errors import DatabaseUnavailable, DuplicateNames, NotReady, WorkerTemplatesError
from flask_worker_templates.reconcile.seed import SeedResult
from flask_worker_templates.runtime import startup as readiness
from flask_worker_templates.runtime.startup import Prepared, Readiness
from flask_worker_templates.settings import Settings
from flask_worker_templates.store.connection import DatabaseAccess
from tests.support.apps import AppFactory
from tests.support.backends import mongod_only, mongomock_only
from tests.support.calls import URL
from tests.support.servers import free_port
from tests.support.specs import spec

PAUSE = 0.3


@pytest.fixture(autouse=True)
def _short_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "RETRY_SECONDS", PAUSE)


class Preparation:
    """Fails with `failure` while it is set; counts how often it was tried, and how often at the same time."""

    def __init__(self, failure: WorkerTemplatesError | None = None) -> None:
        self.failure = failure
        self.calls = 0
        self.go_on = threading.Event()
        self.go_on.set()

    def __call__(self) -> SeedResult | None:
        self.calls += 1
        assert self.go_on.wait(30)
        if self.failure is not None:
            raise self.failure
        return SeedResult(created=("a",))


def ready(preparation: Callable[[], SeedResult | None], wait: float = 30) -> Readiness:
    access = DatabaseAccess(Settings(mongodb_uri="mongodb://127.0.0.1:9/never_connected"))
    return Readiness(preparation, wait=wait, database=Prepared(access))


def wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_it_is_done_once() -> None:
    preparation = Preparation()
    one = ready(preparation)
    assert one.status().state == "pending"
    assert one.status().ok  # not used yet is no fault
    for _ in range(3):
        one.ensure()
    assert preparation.calls == 1
    assert (one.status().state, one.status().message, one.status().seeded) == ("ready", "", SeedResult(created=("a",)))


def test_all_who_come_meanwhile_wait_for_the_one_that_does_it() -> None:
    preparation = Preparation()
    preparation.go_on.clear()
    one = ready(preparation)
    threads = [threading.Thread(target=one.ensure) for _ in range(10)]
    for thread in threads:
        thread.start()
    wait_for(lambda: preparation.calls == 1)
    assert one.status().state == "pending"  # at once, though others are at it
    preparation.go_on.set()
    for thread in threads:
        thread.join()
    assert preparation.calls == 1
    assert one.status().state == "ready"


def test_what_the_preparation_calls_does_not_wait_for_its_end() -> None:
    """Such as a receiver of a signal; an async one runs in another thread, with a copy of the context."""
    ended: list[str] = []

    def ask(where: str) -> None:
        one.ensure()
        ended.append(where)

    def prepare() -> SeedResult | None:
        ask("in the same thread")
        thread = threading.Thread(target=contextvars.copy_context().run, args=(ask, "in the same context"))
        thread.start()
        thread.join()
        assert one.status().state == "pending"
        return None

    one = ready(prepare, wait=0.5)
    one.ensure()
    assert ended == ["in the same thread", "in the same context"]
    assert one.status().state == "ready"


def test_who_did_it_before_waits_like_others_when_it_failed() -> None:
    preparation = Preparation(DatabaseUnavailable("it cannot be reached"))
    one = ready(preparation)
    for _ in range(2):
        with pytest.raises(NotReady):
            one.ensure()
    assert preparation.calls == 1


def test_two_that_need_each_other_do_not_wait_for_each_other() -> None:
    both: list[Readiness] = []
    both += [ready(lambda one=one: both[one].ensure(), wait=0.5) for one in (1, 0)]  # type: ignore[misc]
    first, second = both
    first.ensure()
    assert first.status().state == second.status().state == "ready"


def test_nobody_waits_for_ever() -> None:
    preparation = Preparation()
    preparation.go_on.clear()
    one = ready(preparation, wait=0.05)
    thread = threading.Thread(target=one.ensure)
    thread.start()
    wait_for(lambda: preparation.calls == 1)
    with pytest.raises(NotReady, match="still being prepared") as caught:
        one.ensure()
    assert caught.value.retry_after is not None
    preparation.go_on.set()
    thread.join()
    one.ensure()


def test_a_failure_is_tried_again_after_a_pause_and_not_before(caplog: pytest.LogCaptureFixture) -> None:
    preparation = Preparation(DuplicateNames({"a": 2}, "worker_templates"))
    one = ready(preparation)
    for _ in range(20):
        with pytest.raises(NotReady) as caught:
            one.ensure()
        assert caught.value.retry_after == 1
    assert preparation.calls == 1
    assert len(caplog.records) == 1
    time.sleep(PAUSE)
    with pytest.raises(NotReady):
        one.ensure()
    assert preparation.calls == 2
    assert len(caplog.records) == 1  # the same cause is told once
    preparation.failure = None
    time.sleep(PAUSE)
    one.ensure()
    assert one.status().state == "ready"


def test_only_the_log_and_the_status_say_what_is_wrong_with_the_files_and_the_data() -> None:
    one = ready(Preparation(DuplicateNames({"secret": 2}, "worker_templates")))
    with pytest.raises(NotReady) as caught:
        one.ensure()
    assert "secret" not in str(caught.value)
    assert "secret" in one.status().message
    assert not one.status().ok


def test_that_the_database_is_away_may_be_said() -> None:
    one = ready(Preparation(DatabaseUnavailable("it cannot be reached")))
    with pytest.raises(NotReady, match="it cannot be reached"):
        one.ensure()


def test_a_health_check_that_is_asked_often_makes_it_ready_in_the_background_with_one_thread() -> None:
    preparation = Preparation(DatabaseUnavailable("it cannot be reached"))
    one = ready(preparation)
    with pytest.raises(NotReady):
        one.ensure()
    for _ in range(50):
        assert one.status().state == "failed"
    assert preparation.calls == 1
    time.sleep(PAUSE)
    preparation.go_on.clear()
    preparation.failure = None
    before = threading.active_count()
    for _ in range(200):
        begun = time.monotonic()
        assert one.status().state == "failed"
        assert time.monotonic() - begun < 5
    assert threading.active_count() <= before + 1
    wait_for(lambda: preparation.calls == 2)
    preparation.go_on.set()
    wait_for(lambda: one.status().state == "ready")
    one.ensure()
    assert preparation.calls == 2


def test_an_error_that_was_not_foreseen_leaves_nothing_locked() -> None:
    calls: list[int] = []

    def prepare() -> SeedResult | None:
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("a bug")
        return None

    one = ready(prepare)
    with pytest.raises(RuntimeError, match="a bug"):
        one.ensure()
    assert one.status().state == "failed"  # not pending: requests fail
    assert "RuntimeError" in one.status().message
    time.sleep(PAUSE)
    one.ensure()
    assert one.status().state == "ready"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_while_another_thread_is_at_it_leaves_nothing_locked_in_the_child() -> None:
    preparation = Preparation()
    preparation.go_on.clear()
    one = ready(preparation)
    thread = threading.Thread(target=one.ensure)
    thread.start()
    wait_for(lambda: preparation.calls == 1)
    child = os.fork()
    if child == 0:
        preparation.go_on = threading.Event()
        preparation.go_on.set()
        try:
            one.ensure()
            os._exit(0 if one.status().state == "ready" else 1)
        finally:
            os._exit(2)
    preparation.go_on.set()
    thread.join()
    assert os.waitpid(child, 0)[1] == 0


# In an app


def host(app: Flask) -> Flask:
    app.get("/other")(lambda: "the host works")
    return app


def templates_of(app: Flask) -> Any:
    return app.extensions["worker_templates"].readiness


@mongomock_only
def test_a_bad_file_stops_the_extension_alone_and_a_mended_one_starts_it(
    make_app: AppFactory, caplog: pytest.LogCaptureFixture
) -> None:
    app = host(make_app(templates=[{**spec("a"), "max_nodes": 0}]))
    client = app.test_client()
    for _ in range(3):
        answer = client.get(URL)
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) >= 1
        assert "max_nodes" not in answer.text
        assert str(make_app.definition_file.parent) not in answer.text
    faults = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(faults) == 1
    assert "worker_templates.yaml:" in faults[0]
    assert "max_nodes" in faults[0]
    assert client.get("/other").text == "the host works"
    assert templates_of(app).status().state == "failed"

    make_app.config(templates=[spec("a")])
    time.sleep(PAUSE)
    assert [one["name"] for one in client.get(URL).get_json()] == ["a"]
    assert templates_of(app).status().ok


@pytest.mark.parametrize("first_use", ["a request", "the Python API", "a health check"])
def test_a_receiver_of_its_signals_may_use_the_extension(make_app: AppFactory, first_use: str) -> None:
    seen: list[list[str]] = []
    app = Flask("plain_host")
    app.config.update(make_app.config(templates=[spec("a"), spec("b")]))
    templates = WorkerTemplates(app)

    def look(sender: Flask, **data: Any) -> None:
        assert current_app == sender
        seen.append([one.name for one in templates.list()])
        seen.append([one["name"] for one in app.test_client().get(URL).get_json()])

    templates_seeded.connect(look, sender=app)
    begun = time.monotonic()
    if first_use == "a request":
        assert app.test_client().get(URL).status_code == 200
    elif first_use == "the Python API":
        with app.app_context():
            templates.get_by_name("a")
    else:
        one = templates_of(app)
        one._database.note()
        one._status = readiness.Status("failed", "the database was away")
        assert one.status().state == "failed"
        wait_for(lambda: one.status().state == "ready")
    assert seen == [["a", "b"], ["a", "b"]]
    assert time.monotonic() - begun < 5  # nobody waited for himself


@mongomock_only
def test_a_bad_file_writes_nothing(make_app: AppFactory, database: Any) -> None:
    make_app(templates=[spec("a"), {**spec("b"), "max_nodes": 0}]).test_client().get(URL)
    assert database.list_collection_names() == []


@mongod_only
def test_duplicate_names_in_the_data(make_app: AppFactory, database: Any, caplog: pytest.LogCaptureFixture) -> None:
    database.worker_templates.insert_many([{"_id": "1", "name": "twice"}, {"_id": "2", "name": "twice"}])
    client = host(make_app(templates=[spec("a")])).test_client()
    answer = client.get(URL)
    assert answer.status_code == 503
    assert "twice" not in answer.text
    assert "'twice' (2 times)" in caplog.text
    assert database.worker_templates.count_documents({}) == 2
    assert client.get("/other").status_code == 200
    database.worker_templates.delete_many({})
    time.sleep(PAUSE)
    assert client.get(URL).status_code == 200


def test_an_unreachable_database(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    app = host(Flask("unreachable"))
    app.config.update(
        WORKER_TEMPLATES_MONGODB_URI=f"mongodb://user:never-show-this@127.0.0.1:{free_port()}/fleet",
        WORKER_TEMPLATES_DB_TIMEOUT_MS=200,
        WORKER_TEMPLATES_CONFIG_PATH=str(tmp_path / "worker_templates.yaml"),
    )
    (tmp_path / "worker_templates.yaml").write_text("templates: []\n")
    WorkerTemplates(app)
    client = app.test_client()
    assert templates_of(app).status().state == "pending"
    begun = time.monotonic()
    answers = [client.get(URL) for _ in range(10)]
    assert time.monotonic() - begun < 10
    for answer in answers:
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) >= 1
        assert "never-show-this" not in answer.text
    assert client.get("/other").status_code == 200
    status = templates_of(app).status()
    assert (status.state, status.ok) == ("failed", False)
    assert "never-show-this" not in status.message + caplog.text
    assert len([record for record in caplog.records if record.levelno >= logging.ERROR]) == 1
    mongoengine.disconnect_all()
