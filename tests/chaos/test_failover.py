"""A primary that steps down or dies while processes seed and sync."""

from __future__ import annotations

import time
from collections.abc import Iterator
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
from tests.needs import missing
from tests.servers import ReplicaSet, ServerMissingError, with_database
from tests.strategies import spec_with

pytestmark = pytest.mark.server

Raw = Database[dict[str, Any]]
COUNT = 200


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
        members.step_down(seconds=1)
    else:
        members.kill_primary()


def finish(operations: list[child.Child]) -> list[Any]:
    """The results of those that were not told that the database is unavailable; nothing else may have gone wrong."""
    outcomes = [one.join().outcome for one in operations]
    assert {outcome[0] for outcome in outcomes if outcome} <= {"ok", "DatabaseUnavailable"}, outcomes
    return [outcome[1] for outcome in outcomes if outcome and outcome[0] == "ok"]


@pytest.mark.parametrize("fault", ["steps down", "dies"])
def test_seeding_and_syncing_while_the_primary(
    fault: str, members: ReplicaSet, uri: str, raw: Raw, tmp_path: Path
) -> None:
    file = tmp_path / "worker_templates.yaml"
    write_file(file, "first")
    assert child.run(uri, "prepare").outcome == ("ok", None)

    seeding = [child.start(uri, "seed", str(file)) for _ in range(4)]
    disturb(members, fault)
    created = [name for result in finish(seeding) for name in result["created"]]
    assert len(created) == len(set(created))
    members.start()
    again = child.run(uri, "seed", str(file)).outcome
    assert again is not None
    assert again[0] == "ok"
    assert again[1]["existing"] >= len(created)
    assert raw.worker_templates.count_documents({}) == COUNT
    assert raw.worker_templates.count_documents({"is_seeded": True, "revision": 1}) == COUNT
    assert_whole(raw)

    write_file(file, "second")
    syncing = [child.start(uri, "sync", str(file)) for _ in range(2)]
    time.sleep(0.3)
    disturb(members, fault)
    changes = [change for result in finish(syncing) for change in result["changes"] if change["status"] == "applied"]
    assert len({change["name"] for change in changes}) == len(changes)  # each by one of them
    members.start()
    again = child.run(uri, "sync", str(file)).outcome
    assert again is not None
    assert again[0] == "ok"
    assert again[1]["complete"]
    assert raw.worker_templates.count_documents({"description": "second", "revision": 2}) == COUNT
    assert_whole(raw)
