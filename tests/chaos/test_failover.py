"""A primary that steps down or dies while processes seed and sync.

One of them stands still at a command, so that the fault comes in the middle of its work and not before or after it. The
short form holds it at the command that makes the change, the long one (``-m chaos``) at each of the others.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import mongoengine
import pytest
import yaml
from pymongo import MongoClient
from pymongo.database import Database

from tests.chaos import child
from tests.chaos.checker import assert_whole
from tests.chaos.child import Child, Stop
from tests.support.needs import missing
from tests.support.servers import ReplicaSet, ServerMissingError, with_database
from tests.support.strategies import spec_with

pytestmark = [pytest.mark.server, pytest.mark.thorough]

Raw = Database[dict[str, Any]]
COUNT = 60

SEEDING = ("find T", "find E", "insert T", "insert E")
SYNCING_ONE = ("find T", "find E", "update T", "insert E")
TURN = 25
"""Which of the templates that are synced the fault meets."""

FAULTS = pytest.mark.parametrize("fault", ["steps down", "dies"])


def points(commands: Sequence[str], commit: str) -> list[Any]:
    """Before and after each command; only those of `commit` are in the short form."""
    return [
        pytest.param(
            command,
            after,
            id=f"{'after' if after else 'before'}-{command}",
            marks=() if command == commit else pytest.mark.chaos,
        )
        for command in commands
        for after in (False, True)
    ]


@pytest.fixture(scope="module")
def members() -> Iterator[ReplicaSet]:
    with ExitStack() as stack:
        try:
            started = stack.enter_context(ReplicaSet())
        except ServerMissingError as error:
            missing(str(error))
        yield started


@pytest.fixture
def uri(members: ReplicaSet) -> Iterator[str]:
    members.start()
    # A host that asks for the least.
    yield with_database(members.uri, f"chaos_{time.monotonic_ns()}", w="1", journal="false")
    mongoengine.disconnect_all()


@pytest.fixture
def raw(uri: str) -> Iterator[Raw]:
    with MongoClient[dict[str, Any]](uri) as client:
        yield client.get_default_database()


def write_file(path: Path, description: str) -> None:
    specs = [spec_with(f"seeded-{number:03}", description=description) for number in range(COUNT)]
    path.write_text(yaml.safe_dump({"templates": specs}))


def disturb(members: ReplicaSet, fault: str) -> None:
    if fault == "steps down":
        members.step_down(seconds=3)  # long enough that another is elected
    else:
        members.kill_primary()


def election(members: ReplicaSet) -> Any:
    """The id of the election that made the primary what it is; later ones are greater."""
    hello = members.primary().hello()
    assert hello is not None
    return hello["electionId"]


def hold(uri: str, operation: str, file: Path, stop: Stop) -> Child:
    """Start an operation, and return when it stands still."""
    held = child.start(uri, operation, str(file), stops=[stop])
    held.wait_frozen()
    return held


def finish(operations: list[Child]) -> list[Any]:
    """The results of those that were not told that the database is unavailable; nothing else may have gone wrong."""
    outcomes = [one.join().outcome for one in operations]
    assert {outcome[0] for outcome in outcomes if outcome} <= {"ok", "DatabaseUnavailable"}, outcomes
    return [outcome[1] for outcome in outcomes if outcome and outcome[0] == "ok"]


def assert_overlapped(held: Child, stop: Stop) -> None:
    """It had done a part of its work when the fault came, and the fault met it."""
    assert held.outcome is not None
    place = [number for number, command in enumerate(held.commands) if command == stop.command][stop.nth]
    if not stop.after:
        # It was about to send this to the primary that was, so that the driver had to send it a second time.
        assert held.commands[place + 1] == stop.command


@FAULTS
@pytest.mark.parametrize(("command", "after"), points(SEEDING, "insert T"))
def test_a_seeding_in_the_middle_of_which_the_primary(
    *, fault: str, command: str, after: bool, members: ReplicaSet, uri: str, raw: Raw, tmp_path: Path
) -> None:
    file = tmp_path / "worker_templates.yaml"
    write_file(file, "first")
    assert child.run(uri, "prepare").outcome == ("ok", None)

    stop = Stop(command, 0, after, signal.SIGSTOP)
    held = hold(uri, "seed", file, stop)
    before = election(members)
    disturb(members, fault)
    held.go_on()
    others = [child.start(uri, "seed", str(file)) for _ in range(3)]
    created = [name for result in finish([held, *others]) for name in result["created"]]
    assert_overlapped(held, stop)
    assert election(members) > before
    assert len(created) == len(set(created))
    members.start()
    again = child.run(uri, "seed", str(file)).outcome
    assert again is not None
    assert again[0] == "ok"
    assert again[1]["existing"] >= len(created)
    assert raw.worker_templates.count_documents({}) == COUNT
    assert raw.worker_templates.count_documents({"is_seeded": True, "revision": 1}) == COUNT
    assert_whole(raw)


@FAULTS
@pytest.mark.parametrize(("command", "after"), points(SYNCING_ONE, "update T"))
def test_a_sync_in_the_middle_of_which_the_primary(
    *, fault: str, command: str, after: bool, members: ReplicaSet, uri: str, raw: Raw, tmp_path: Path
) -> None:
    file = tmp_path / "worker_templates.yaml"
    write_file(file, "first")
    assert child.run(uri, "prepare").outcome == ("ok", None)
    seeded = child.run(uri, "seed", str(file)).outcome
    assert seeded is not None
    assert len(seeded[1]["created"]) == COUNT
    write_file(file, "second")

    # The plan is read before: of the reads, those count that come after the first write.
    planned = child.run(uri, "sync", str(file), stop=Stop("update T")).commands
    first = len(planned) - 1 - planned[::-1].index("find T")
    stop = Stop(command, planned[:first].count(command) + TURN, after, signal.SIGSTOP)
    held = hold(uri, "sync", file, stop)
    assert TURN <= raw.worker_templates.count_documents({"description": "second"}) <= TURN + 1
    before = election(members)
    disturb(members, fault)
    held.go_on()
    other = child.start(uri, "sync", str(file))
    changes = [
        change for result in finish([held, other]) for change in result["changes"] if change["status"] == "applied"
    ]
    assert_overlapped(held, stop)
    assert election(members) > before
    assert len({change["name"] for change in changes}) == len(changes)  # each by one of them
    members.start()
    again = child.run(uri, "sync", str(file)).outcome
    assert again is not None
    assert again[0] == "ok"
    assert again[1]["complete"]
    assert raw.worker_templates.count_documents({"description": "second", "revision": 2}) == COUNT
    assert_whole(raw)
