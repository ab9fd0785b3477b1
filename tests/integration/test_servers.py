"""The servers that the other tests stand on: they start, die and come back as the tests assume."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pymongo import MongoClient
from pymongo.errors import AutoReconnect, OperationFailure, WriteConcernError

from tests.support.needs import missing
from tests.support.paths import ROOT
from tests.support.processes import alive
from tests.support.servers import (
    Document,
    Mongod,
    ReplicaSet,
    ServerFailedError,
    ServerMissingError,
    find_mongod,
    live_servers,
    with_database,
)

pytestmark = [pytest.mark.server, pytest.mark.thorough]


@pytest.fixture(scope="module", autouse=True)
def _binary() -> None:
    try:
        find_mongod()
    except ServerMissingError as error:
        missing(str(error))


@pytest.fixture
def server() -> Iterator[Mongod]:
    """A server that a test may harm."""
    with Mongod() as started:
        yield started


def test_a_journaled_write_survives_kill_9_and_a_restart_on_the_same_data(server: Mongod) -> None:
    with MongoClient[Document](server.uri, journal=True) as client:
        client.shop.things.insert_one({"_id": 1})
        first = server.pid
        server.kill()
        assert not server.running
        server.start()
        assert server.pid != first
        assert client.shop.things.find_one() == {"_id": 1}


def test_stop_is_orderly_and_restart_keeps_port_and_data(server: Mongod) -> None:
    with server.client() as client:
        client.shop.things.insert_one({"_id": 1})
    uri = server.uri
    assert server.restart().uri == uri
    assert '"exitCode":0' in server.log.read_text()
    with server.client() as client:
        assert client.shop.things.count_documents({}) == 1


def test_a_given_data_directory_outlives_its_server(tmp_path: Path) -> None:
    with Mongod(data=tmp_path / "db") as server, server.client(journal=True) as client:
        client.shop.things.insert_one({"_id": 1})
    with Mongod(data=tmp_path / "db") as server, server.client() as client:
        assert client.shop.things.find_one() == {"_id": 1}


def test_closing_ends_the_process_and_removes_its_data() -> None:
    with Mongod() as server:
        pid, data = server.pid, server.data
        assert server in live_servers()
    assert not alive(pid)
    assert not data.exists()
    assert server not in live_servers()


def test_a_paused_server_answers_only_after_resume(server: Mongod) -> None:
    server.pause()
    assert server.running
    assert server.hello() is None
    server.resume()
    assert server.hello() is not None


def test_a_paused_server_can_be_stopped(server: Mongod) -> None:
    server.pause()
    server.stop()
    assert not server.running


def test_a_server_that_cannot_start_says_why(server: Mongod) -> None:
    second = Mongod(port=server.port)
    with pytest.raises(ServerFailedError, match="Address already in use"), second:
        pass
    assert not second.data.exists()


def test_an_error_while_a_server_runs_carries_the_end_of_its_log() -> None:
    with pytest.raises(ValueError, match="boom") as caught, Mongod() as server:
        raise ValueError("boom")
    assert f'"port":{server.port}' in caught.value.__notes__[0]


def test_a_server_outlives_the_thread_that_started_it(server: Mongod) -> None:
    server.kill()
    thread = threading.Thread(target=server.start)
    thread.start()
    thread.join()
    time.sleep(0.2)
    assert server.running
    assert server.hello() is not None


def test_servers_die_with_a_killed_test_run(tmp_path: Path) -> None:
    script = (
        "import os, signal\n"
        "from tests.support.servers import Mongod\n"
        f"server = Mongod(data=__import__('pathlib').Path({str(tmp_path)!r})).start()\n"
        "print(server.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    root = ROOT
    # An own process group of the server holds no pipe of ours, so `run` returns when the script is dead.
    run = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=False)
    pid = int(run.stdout)
    deadline = time.monotonic() + 10
    while alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_an_authenticating_server_grants_a_role_and_no_more() -> None:
    with Mongod(auth=True) as server:
        reader = server.add_user("reader", ["read"], database="shop")
        with server.client() as client:
            client.shop.things.insert_one({"_id": 1})
        with MongoClient[Document](reader) as client:
            assert client.get_default_database()["things"].find_one() == {"_id": 1}
            with pytest.raises(OperationFailure, match="not authorized"):
                client.shop.things.insert_one({"_id": 2})
        with (
            MongoClient[Document](f"mongodb://{server.address}/") as client,
            pytest.raises(OperationFailure, match="requires authentication"),
        ):
            client.shop.things.find_one()
        server.restart()
        assert server.command({"ping": 1})["ok"] == 1


def test_a_failing_command_fails_for_the_block_and_as_often_as_asked(server: Mongod) -> None:
    with server.client(retryReads=False) as client:
        things = client.shop.things
        with server.fail_command("find", error_code=13, times=1):
            with pytest.raises(OperationFailure) as refused:
                things.find_one()
            assert refused.value.code == 13
            things.find_one()
        with server.fail_command("find", close_connection=True), pytest.raises(AutoReconnect):
            things.find_one()
        with server.fail_command("insert", write_concern_error=64), pytest.raises(WriteConcernError):
            things.insert_one({"_id": 1})
        assert things.find_one() == {"_id": 1}
        started = time.monotonic()
        with server.fail_command("find", block_ms=6000, skip=1):
            things.find_one()
            assert time.monotonic() - started < 5
            things.find_one()
            assert time.monotonic() - started > 6


def test_a_failing_command_can_single_out_an_application(server: Mongod) -> None:
    with (
        server.client(appname="victim") as victim,
        server.client() as other,
        server.fail_command("find", error_code=13, app_name="victim"),
    ):
        other.shop.things.find_one()
        with pytest.raises(OperationFailure):
            victim.shop.things.find_one()


def test_a_server_may_be_killed_while_a_failpoint_is_on(server: Mongod) -> None:
    with server.fail_command("find", error_code=13):
        server.kill()
    server.start()
    with server.client() as client:
        client.shop.things.find_one()


def test_a_replica_set_replaces_a_primary_that_is_killed_or_steps_down() -> None:
    with ReplicaSet() as members, MongoClient[Document](members.uri) as client:
        assert len(members.secondaries()) == 2
        things = client.shop.things
        things.insert_one({"_id": "before"})
        killed = members.kill_primary()
        successor = members.primary()
        assert successor is not killed
        things.insert_one({"_id": "after the kill"})
        members.start()
        assert killed.running
        assert len(members.secondaries()) == 2
        stepped_down = members.step_down()
        assert members.primary() is not stepped_down
        things.insert_one({"_id": "after the step-down"})
        assert {thing["_id"] for thing in things.find()} == {
            "before",
            "after the kill",
            "after the step-down",
        }


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("mongodb://h:1", "mongodb://h:1/x"),
        ("mongodb://h:1,i:2/?replicaSet=rs0", "mongodb://h:1,i:2/x?replicaSet=rs0"),
        ("mongodb://u:p%40@h/", "mongodb://u:p%40@h/x?authSource=admin"),
        ("mongodb://u:p@h/old", "mongodb://u:p@h/x?authSource=old"),
        ("mongodb+srv://u:p@h/old?authSource=mine", "mongodb+srv://u:p@h/x?authSource=mine"),
    ],
)
def test_another_database_keeps_server_and_credentials(uri: str, expected: str) -> None:
    assert with_database(uri, "x") == expected


def test_options_are_added_to_a_uri() -> None:
    assert with_database("mongodb://h/?w=2", "x", w="1", journal="true") == "mongodb://h/x?w=1&journal=true"
