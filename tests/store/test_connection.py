"""The way to MongoDB: guarantees that no host weakens, a time limit, clear reasons, no secrets."""

from __future__ import annotations

import contextlib
import gc
import logging
import multiprocessing
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, timedelta, timezone
from typing import Any

import dns.resolver
import mongoengine
import pymongo
import pytest
from bson.codec_options import CodecOptions
from bson.errors import InvalidDocument
from flask import Flask
from pymongo import MongoClient, ReadPreference, monitoring
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    DocumentTooLarge,
    DuplicateKeyError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WriteConcernError,
    WriteError,
)

from flask_worker_templates.errors import DatabaseRefused, DatabaseUnavailable, SettingsError, WorkerTemplatesError
from flask_worker_templates.http.responses import problem_of
from flask_worker_templates.model.parameters import Paging
from flask_worker_templates.model.records import Seed
from flask_worker_templates.model.spec import patched
from flask_worker_templates.settings import Settings
from flask_worker_templates.store.connection import DatabaseAccess
from flask_worker_templates.store.store import Store
from tests.support.apps import AppFactory
from tests.support.backends import mongod_only
from tests.support.servers import Mongod, free_port, with_database
from tests.support.strategies import spec_with


@pytest.fixture(autouse=True)
def _disconnect() -> Iterator[None]:
    yield
    mongoengine.disconnect_all()


@pytest.fixture
def nowhere() -> DatabaseAccess:
    """Never connected: what is raised inside is what counts."""
    return DatabaseAccess(Settings(mongodb_uri=f"mongodb://127.0.0.1:{free_port()}/fleet", db_timeout_ms=200))


@pytest.mark.parametrize(
    "uri",
    [
        "mongodb://user:p%zz-never-show-this@localhost/fleet",
        "mongodb://user:never-show-this@:x/fleet",
        "mongodb://user:never-show-this@localhost",
        "mongodb://user:never-show-this@localhost/",
        "mongodb://user:never:show@this@localhost/fleet",
    ],
)
def test_a_bad_uri_is_refused_without_a_word_of_it(uri: str) -> None:
    with pytest.raises(SettingsError, match="WORKER_TEMPLATES_MONGODB_URI") as caught:
        DatabaseAccess(Settings(mongodb_uri=uri))
    shown = str(caught.value) + repr(caught.value.__cause__)
    assert "never" not in shown
    assert "show" not in shown
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_nothing_is_connected_before_the_first_use() -> None:
    before = threading.active_count()
    DatabaseAccess(Settings(mongodb_uri="mongodb://localhost:1/fleet"))
    assert threading.active_count() == before


def test_a_missing_alias_says_what_to_do(caplog: pytest.LogCaptureFixture) -> None:
    access = DatabaseAccess(Settings(db_alias="nobody"))
    for _ in range(2):
        with pytest.raises(DatabaseUnavailable, match=r"'nobody'.*mongoengine\.connect"), access.operation():
            pytest.fail("there is nothing to work on")
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (AutoReconnect("x"), "it cannot be reached"),
        (ServerSelectionTimeoutError("x"), "it did not answer within 200 ms"),
        (OperationFailure("x", 18), "it refused the login"),
        (OperationFailure("x", 13), "its user is not authorized for this operation"),
        (OperationFailure("x", 50), "it did not answer within 200 ms"),
        (OperationFailure("x", 14031, {"codeName": "OutOfDiskSpace"}), "it refused the operation (OutOfDiskSpace)"),
        (OperationFailure("x", 4711), "it refused the operation (code 4711)"),
        (WriteConcernError("x", 64), "it did not confirm the write"),
        (BulkWriteError({"writeErrors": [], "writeConcernErrors": [{"code": 64}]}), "it did not confirm the write"),
    ],
)
def test_each_failure_has_its_reason(error: PyMongoError, reason: str, nowhere: DatabaseAccess) -> None:
    with pytest.raises(DatabaseUnavailable) as caught, nowhere.operation():
        raise error
    assert caught.value.reason == reason
    assert caught.value.__cause__ is error


def test_what_is_no_failure_of_the_database_goes_through(nowhere: DatabaseAccess) -> None:
    for error in (DuplicateKeyError("x"), ValueError("x")):
        with pytest.raises(type(error)), nowhere.operation():
            raise error


def test_one_log_entry_for_each_cause_of_an_outage_until_it_is_over(
    nowhere: DatabaseAccess, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(error: PyMongoError) -> None:
        with pytest.raises(DatabaseUnavailable), nowhere.operation():
            raise error

    for _ in range(3):
        fail(AutoReconnect("the first"))
        fail(OperationFailure("the second", 18))
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2
    for _ in range(2):
        with nowhere.operation():
            pass
    assert [record.getMessage() for record in caplog.records][2:] == ["The worker template database answers again."]
    fail(AutoReconnect("again"))
    assert len(caplog.records) == 4


@pytest.mark.parametrize("alias", [None, "fleet"])
def test_the_log_entry_says_what_to_check_and_not_all_that_the_driver_knows(
    alias: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    uri = f"mongodb://127.0.0.1:{free_port()},127.0.0.1:{free_port()}/fleet?replicaSet=r"
    if alias:
        mongoengine.connect(alias=alias, host=uri, uuidRepresentation="standard")
    access = DatabaseAccess(Settings(mongodb_uri=None if alias else uri, db_alias=alias or "", db_timeout_ms=300))
    with pytest.raises(DatabaseUnavailable), access.operation() as db:
        db.templates.find_one({})
    [said] = [record.getMessage() for record in caplog.records]
    source = "the MongoEngine connection 'fleet'" if alias else "WORKER_TEMPLATES_MONGODB_URI"
    assert said.startswith(f"The worker template database (see {source}) is not available: it did not answer within")
    assert said.count("Connection refused") == 2  # one for each server
    assert len(said) < 300
    assert "Topology" not in said


def test_one_log_entry_for_what_is_refused_though_other_operations_succeed(
    nowhere: DatabaseAccess, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        with pytest.raises(DatabaseUnavailable), nowhere.operation():
            raise OperationFailure("not authorized", 13)
        with nowhere.operation():
            pass
    assert len(caplog.records) == 1


def test_many_threads_that_fail_at_once_make_one_log_entry(
    nowhere: DatabaseAccess, caplog: pytest.LogCaptureFixture
) -> None:
    barrier = threading.Barrier(16)

    def fail() -> None:
        barrier.wait()
        with pytest.raises(DatabaseUnavailable), nowhere.operation():
            raise AutoReconnect("x")

    threads = [threading.Thread(target=fail) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(caplog.records) == 1


def test_a_thread_that_waits_for_another_to_connect_leaves_the_log_to_it(
    nowhere: DatabaseAccess, caplog: pytest.LogCaptureFixture
) -> None:
    # On a busy machine the one that connects may take longer than the others wait: their message is another one.
    with nowhere._lock, pytest.raises(DatabaseUnavailable, match="did not answer"), nowhere.operation():
        pass
    assert caplog.records == []


def test_an_operation_inside_of_another_does_not_extend_its_time(nowhere: DatabaseAccess) -> None:
    with nowhere.operation(), pymongo.timeout(0.01), nowhere.operation():
        pass
    with pytest.raises(DatabaseUnavailable, match="did not answer"), nowhere.operation() as db:
        db.templates.find_one({})


# A name server that is silent


SLACK = 10.0
"""Seconds over a limit that a loaded machine is granted. Without the limit a lookup takes 20 s."""


@pytest.fixture
def _silent_name_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """DNS goes to a port of this host where everything is taken and nothing answered."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers = ["127.0.0.1"]
        resolver.port = silent.getsockname()[1]
        monkeypatch.setattr(dns.resolver, "default_resolver", resolver)
        yield


def look_up(options: str, limit_ms: int) -> float:
    """Fail to look the server up, and return how many seconds that took."""
    uri = f"mongodb+srv://user:never-show-this@cluster.example.test/fleet{options}"
    access = DatabaseAccess(Settings(mongodb_uri=uri, db_timeout_ms=limit_ms))
    begun = time.monotonic()
    with pytest.raises(DatabaseUnavailable, match="cannot be reached"), access.operation():
        pytest.fail("there is nothing to work on")
    return time.monotonic() - begun


@pytest.mark.usefixtures("_silent_name_server")
@pytest.mark.parametrize(
    "options", ["", "?", "?retryWrites=true", "?retryWrites=true&w=majority", "?retryWrites=true;w=majority"]
)
def test_a_lookup_in_dns_ends_within_the_limit(options: str, caplog: pytest.LogCaptureFixture) -> None:
    assert 0.3 <= look_up(options, 300) < 0.3 + SLACK
    assert len(caplog.records) == 1
    assert "never-show-this" not in caplog.text


@pytest.mark.usefixtures("_silent_name_server")
@pytest.mark.parametrize("option", ["connectTimeoutMS", "connecttimeoutms"])
def test_a_time_for_connecting_that_the_uri_sets_is_left_alone(option: str) -> None:
    assert look_up(f"?w=majority&{option}=300", 60_000) < 0.3 + SLACK


@pytest.mark.usefixtures("_silent_name_server")
def test_a_lookup_that_is_registered_ends_within_the_limit_too(monkeypatch: pytest.MonkeyPatch) -> None:
    access = DatabaseAccess(Settings(mongodb_uri="mongodb+srv://cluster.example.test/fleet", db_timeout_ms=300))
    lookups: list[float] = []

    def silent(alias: str) -> None:
        lookups.append(time.monotonic())
        time.sleep(0.4)  # as the client's own lookup, where the one of the registration was answered
        raise mongoengine.connection.ConnectionFailure(alias)

    monkeypatch.setattr(mongoengine, "get_db", silent)
    with pytest.raises(DatabaseUnavailable, match="cannot be looked up"), access.operation():
        pytest.fail("there is nothing to work on")
    assert len(lookups) == 1  # and no other after the time is over


class Hanging:
    """A lookup that takes until it is let go on, in the thread that comes first."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.inside = threading.Event()
        self.go_on = threading.Event()
        self._get_db = mongoengine.get_db
        monkeypatch.setattr(mongoengine, "get_db", self)

    def __call__(self, alias: str) -> Any:
        if not self.inside.is_set():
            self.inside.set()
            self.go_on.wait(60)
        return self._get_db(alias)

    def run(self, access: DatabaseAccess, meanwhile: Callable[[], object]) -> None:
        """Do something while another thread is inside."""

        def connect() -> None:
            with contextlib.suppress(DatabaseUnavailable):  # its time may be over when it is let go on
                assert access.collections

        thread = threading.Thread(target=connect)
        thread.start()
        assert self.inside.wait(60)
        try:
            meanwhile()
        finally:
            self.go_on.set()
            thread.join()


def test_who_waits_for_another_that_connects_waits_no_longer_than_the_limit(
    nowhere: DatabaseAccess, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def wait() -> None:
        begun = time.monotonic()
        with pytest.raises(DatabaseUnavailable, match="did not answer within 200 ms"), nowhere.operation():
            pytest.fail("there is nothing to work on")
        assert time.monotonic() - begun < 0.2 + SLACK

    Hanging(monkeypatch).run(nowhere, wait)
    assert "did not answer" not in caplog.text  # the one that connects says what is wrong


# Forks


@pytest.fixture
def forked() -> DatabaseAccess:
    """With time enough for a process to be forked."""
    return DatabaseAccess(Settings(mongodb_uri=f"mongodb://127.0.0.1:{free_port()}/fleet", db_timeout_ms=10_000))


# Python warns of a fork beside other threads, which is what is tried here.
beside_threads = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


def in_a_fork(work: Callable[[], object]) -> int | None:
    """The exit code of a process that does this work, forked here; None where it hangs."""
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join(20)
    if process.exitcode is None:
        process.kill()
        process.join()
        return None
    return process.exitcode


@beside_threads
def test_a_fork_while_another_thread_connects(forked: DatabaseAccess, monkeypatch: pytest.MonkeyPatch) -> None:
    def work() -> None:
        assert forked.collections.templates.name == "worker_templates"

    exits: list[int | None] = []
    Hanging(monkeypatch).run(forked, lambda: exits.append(in_a_fork(work)))
    assert exits == [0]


@beside_threads
def test_a_fork_by_the_thread_that_connects(forked: DatabaseAccess, monkeypatch: pytest.MonkeyPatch) -> None:
    get_db = mongoengine.get_db
    exits: list[int | None] = []

    def work() -> None:
        assert forked.collections.templates.name == "worker_templates"

    def forking(alias: str) -> Any:
        monkeypatch.setattr(mongoengine, "get_db", get_db)
        exits.append(in_a_fork(work))
        return get_db(alias)

    monkeypatch.setattr(mongoengine, "get_db", forking)
    work()
    assert exits == [0]


@beside_threads
def test_a_fork_while_another_thread_notes_a_failure(forked: DatabaseAccess) -> None:
    def work() -> None:
        with pytest.raises(DatabaseUnavailable), forked.operation():
            raise AutoReconnect("x")

    exits: list[int | None] = []
    with forked.failures.lock:  # whoever held it is not there in the child
        exits.append(in_a_fork(work))
    assert exits == [0]


# On real servers


@pytest.mark.server
def test_a_host_cannot_weaken_what_writes_and_their_reads_are_promised(server_uri: str) -> None:
    uri = with_database(server_uri, "fleet", w="0", readPreference="secondaryPreferred", readConcernLevel="local")
    db = DatabaseAccess(Settings(mongodb_uri=uri)).collections
    for guarded in (db.templates_guarded, db.events_guarded):
        assert guarded.write_concern.document == {"w": "majority", "j": True}
        assert guarded.read_concern.level == "majority"
        assert guarded.read_preference == ReadPreference.PRIMARY
    for plain in (db.templates, db.events):  # what is only shown follows the host
        assert plain.read_preference.mode == ReadPreference.SECONDARY_PREFERRED.mode


@pytest.mark.server
@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=5))])
def test_a_host_whose_client_decodes_times_in_its_own_zone(zone: Any, database_uri: str) -> None:
    mongoengine.connect(host=database_uri, alias="zoned", tz_aware=True, tzinfo=zone, uuidRepresentation="standard")
    store = Store(DatabaseAccess(Settings(db_alias="zoned", db_timeout_ms=20_000)))
    store.make_indexes()
    made = store.create(spec_with("one"), actor="alice")
    updated = store.update(made.id, lambda spec: patched(spec, {"description": "x"}), actor="bob")
    plain = Store(DatabaseAccess(Settings(mongodb_uri=database_uri, db_timeout_ms=20_000)))
    assert plain.get(made.id) == store.get(made.id) == updated
    assert [event.at for event in store.history(made.id, Paging(1, 5))] == [updated.updated_at, made.created_at]


@pytest.mark.server
def test_a_host_whose_client_has_types_of_its_own(database_uri: str) -> None:
    class Rounded(dict[str, Any]):
        def __getitem__(self, key: str) -> Any:
            raise AssertionError("the host's own document class is not for the extension's documents")

    with MongoClient[Any](database_uri, document_class=Rounded) as client:
        assert client.codec_options.document_class is Rounded
    mongoengine.connect(host=database_uri, alias="typed", document_class=Rounded, uuidRepresentation="standard")
    store = Store(DatabaseAccess(Settings(db_alias="typed", db_timeout_ms=20_000)))
    store.make_indexes()
    made = store.create(spec_with("one"), actor="alice")
    assert store.update(made.id, lambda spec: patched(spec, {"description": "x"}), actor="bob").revision == 2
    assert CodecOptions().document_class is dict


@pytest.mark.server
def test_one_client_for_many_threads_and_a_new_one_after_disconnect_all(mongod: Mongod) -> None:
    uri = with_database(mongod.uri, "fleet")
    access = DatabaseAccess(Settings(mongodb_uri=uri))
    barrier = threading.Barrier(8)
    clients: list[Any] = []

    def connect() -> None:
        barrier.wait()
        clients.append(access.collections.database.client)

    threads = [threading.Thread(target=connect) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(client) for client in clients}) == 1
    mongoengine.disconnect_all()
    with access.operation() as db:
        assert db.templates.find_one({}) is None
        assert db.database.client is not clients[0]


@mongod_only
def test_the_clients_of_apps_that_are_gone_are_closed(make_app: AppFactory) -> None:
    before = threading.active_count()
    for _ in range(4):
        assert make_app().test_client().get("/api/v1/templates").status_code == 200
        gc.collect()  # an app is a cycle
    # A client has three threads. The last one may be there, and those before it be on their way out.
    deadline = time.monotonic() + 30
    while threading.active_count() - before > 3:
        assert time.monotonic() < deadline
        gc.collect()
        time.sleep(0.05)


@pytest.mark.server
def test_every_read_that_guards_a_write_is_of_what_a_majority_has(database_uri: str) -> None:
    class Reads(monitoring.CommandListener):
        def __init__(self) -> None:
            self.plain: list[Any] = []
            self.majority = 0

        def started(self, event: monitoring.CommandStartedEvent) -> None:
            if event.command_name in {"find", "aggregate"}:
                concern = event.command.get("readConcern", {})
                self.majority += concern == {"level": "majority"}
                # A scan for documents that are no templates guards nothing: it only says what to leave out.
                if concern != {"level": "majority"} and "$jsonSchema" not in str(event.command.get("filter")):
                    self.plain.append(event.command)

        def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
            pass

        def failed(self, event: monitoring.CommandFailedEvent) -> None:
            pass

    reads = Reads()
    mongoengine.connect(
        host=database_uri,
        alias="watched",
        uuidRepresentation="standard",
        event_listeners=[reads],
    )
    store = Store(DatabaseAccess(Settings(db_alias="watched", db_timeout_ms=20_000)))
    store.make_indexes()
    store.create_missing([Seed(spec_with(name), "a.yaml") for name in ("one", "two")], actor="seeder")
    one, two = (template.id for template in store.managed())  # by name
    store.update(one, lambda spec: patched(spec, {"description": "x"}), actor="bob")
    store.revert(one, 1, actor="bob")
    store.claim(one, "worker", actor="bob")
    refusals: list[Callable[[], object]] = [
        lambda: store.delete(one, actor="bob"),
        lambda: store.create(spec_with("one"), actor="bob"),
        lambda: store.update(two, lambda spec: patched(spec, {"name": "one"}), actor="bob"),
    ]
    for refused in refusals:
        with pytest.raises(WorkerTemplatesError):
            refused()
    store.delete(two, actor="bob")
    assert store.names() == {"one"}
    assert list(store.deletions(["two"], "default")) == ["two"]
    assert reads.majority > 10
    assert reads.plain == []


@pytest.mark.parametrize(
    "error",
    [
        OperationFailure("too large", 10334),
        WriteError("too large", 17419),
        WriteError("failed validation", 121),
        BulkWriteError({"writeErrors": [{"index": 0, "code": 17419, "errmsg": "too large"}]}),
        DocumentTooLarge("too large"),
        InvalidDocument("no form in BSON"),
    ],
    ids=repr,
)
def test_what_would_be_refused_again_is_no_passing_failure(error: Exception, connection: dict[str, str]) -> None:
    access = DatabaseAccess(Settings.from_config(connection))
    with pytest.raises(DatabaseRefused) as refused, access.operation():
        raise error
    assert "not available" not in str(refused.value)
    with Flask("any").app_context():
        answer = problem_of(refused.value).response()
    assert answer.status_code == 409
    assert "Retry-After" not in answer.headers


@mongod_only
@pytest.mark.parametrize("ends", [False, True])
def test_apps_of_one_process_may_connect_at_the_same_time(connection: dict[str, str], ends: bool) -> None:
    settings = Settings.from_config(connection)
    apps = [DatabaseAccess(settings) for _ in range(120)]
    interval = sys.getswitchinterval()

    def connect(access: DatabaseAccess) -> str:
        with access.operation() as db:
            name = db.templates.name
        if ends:
            access.abandon()  # closed by another that connects
        return name

    sys.setswitchinterval(1e-6)  # MongoEngine walks over its aliases while others are registered
    try:
        with ThreadPoolExecutor(6) as pool:
            assert set(pool.map(connect, apps)) == {"worker_templates"}
    finally:
        sys.setswitchinterval(interval)
        for access in apps:
            access.abandon()
        DatabaseAccess(settings)  # closes what is abandoned
