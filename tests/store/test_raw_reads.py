"""Reads in one trip: they answer what a cursor and a count would, whatever fails."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from flask_worker_templates.model.parameters import SORTS
from flask_worker_templates.settings import Settings
from flask_worker_templates.store.connection import DatabaseAccess
from flask_worker_templates.store.store import Store
from tests.support.backends import mongod_only
from tests.support.monitoring import Commands, monitored
from tests.support.servers import Mongod
from tests.support.strategies import spec_with

Raw = Database[dict[str, Any]]
HOST_UNREACHABLE, UNAUTHORIZED = 6, 13


@pytest.fixture
def watched(database_uri: str) -> Iterator[tuple[Store, Commands]]:
    """A store with five templates, and what it sends."""
    with monitored(database_uri) as (config, commands):
        store = Store(DatabaseAccess(Settings.from_config(config)))
        store.make_indexes()
        for name in "ecadb":
            store.create(spec_with(name, max_nodes=ord(name)), actor="alice")
        commands.names.clear()
        yield store, commands


def asked(page: int = 1, size: int = 2, sort: str = "name", **more: Any) -> dict[str, Any]:
    return {"page": page, "page_size": size, "sort": sort, **more}


def test_a_full_page_and_the_number_of_all_templates_take_one_trip(watched: tuple[Store, Commands]) -> None:
    store, commands = watched

    def names(page: int, size: int) -> tuple[list[str], int, list[str]]:
        commands.names.clear()
        found = store.page(asked(page, size))
        return [template.name for template in found], found.total, commands.names[:]

    assert names(1, 2) == (["a", "b"], 5, ["find", "count"])  # nothing is known of the number of templates yet
    assert names(1, 2) == (["a", "b"], 5, ["aggregate"])
    assert names(2, 2) == (["c", "d"], 5, ["aggregate"])
    assert names(3, 2) == (["e"], 5, ["aggregate"])
    assert names(1, 5) == (["a", "b", "c", "d", "e"], 5, ["find"])  # the last page was not full: no count is likely
    assert names(9, 2) == ([], 5, ["find", "count"])

    assert names(1, 2)[2] == ["find", "count"]
    assert names(9, 2) == ([], 5, ["aggregate"])


@pytest.mark.parametrize("sort", [*SORTS, *(f"-{name}" for name in SORTS)])
def test_one_trip_answers_what_two_do(watched: tuple[Store, Commands], sort: str) -> None:
    store, commands = watched
    store.page_raw(asked())
    for number in (1, 2, 3):
        commands.names.clear()
        alone = store.page_raw(asked(number, sort=sort))
        assert commands.names == ["aggregate"]
        store.page_raw(asked(size=5))  # not full
        commands.names.clear()
        assert store.page_raw(asked(number, sort=sort)) == alone
        assert commands.names == (["find", "count"] if number < 3 else ["find"])  # the last page tells the number
        store.page_raw(asked())


def test_a_page_of_more_than_one_answer_can_hold(watched: tuple[Store, Commands], database_uri: str) -> None:
    store, commands = watched
    document = store.page(asked(size=1))[0].to_dict()
    with monitored(database_uri) as (config, _):
        raw = DatabaseAccess(Settings.from_config(config)).collections.database
        found = raw.worker_templates.find_one({"name": document["name"]})
        assert found is not None
        for number in range(4):
            large = {"_id": f"0000000{number}", "name": f"large-{number}", "description": "x" * 6_000_000}
            last_event = found["last_event"] | {"template_id": large["_id"]}
            raw.worker_templates.insert_one(found | large | {"last_event": last_event})
    everything = [*"abcde", *(f"large-{number}" for number in range(4))]
    for size, kinds in ((9, ["aggregate", "find", "killCursors"]), (8, ["find", "killCursors"])):
        commands.names.clear()
        page = store.page(asked(size=size))
        assert ([template.name for template in page], page.total) == (everything[:size], 9)
        assert commands.names[: len(kinds)] == kinds
        assert "getMore" in commands.names


def test_what_is_sent_and_answered_can_be_logged(
    watched: tuple[Store, Commands], caplog: pytest.LogCaptureFixture
) -> None:
    store, commands = watched
    store.page(asked())
    commands.names.clear()
    with caplog.at_level(logging.DEBUG, "pymongo"):
        assert [template.name for template in store.page(asked())] == ["a", "b"]
    assert commands.names == ["aggregate"]
    assert "Command succeeded" in caplog.text


@pytest.mark.parametrize(
    "failure",
    [
        {"error_code": HOST_UNREACHABLE},
        {"error_code": HOST_UNREACHABLE, "labels": ["RetryableError"]},
        {"close_connection": True},
    ],
)
def test_a_read_whose_command_fails_once_is_made_all_the_same(
    failure: dict[str, Any], watched: tuple[Store, Commands], mongod: Mongod
) -> None:
    store, _ = watched
    template = store.page(asked(size=1))[0]
    for times in (1, 2):  # the driver tries its own read once more
        with mongod.fail_command("find", times=times, **failure):
            assert store.get(template.id) == template
        with mongod.fail_command("find", times=times, **failure):
            assert store.get_raw(template.id)[0] == 1
    with mongod.fail_command("find", times=1, **failure):
        changed = store.update(template.id, lambda spec: spec | {"max_nodes": 3}, actor="bob")
    assert changed.revision == 2
    store.page(asked())
    with mongod.fail_command("aggregate", times=1, **failure):
        assert store.page(asked()).total == 5


def test_where_the_statistics_may_not_be_read_they_are_asked_for_once(
    watched: tuple[Store, Commands], mongod: Mongod
) -> None:
    store, commands = watched
    store.page(asked())
    commands.names.clear()
    with mongod.fail_command("aggregate", error_code=UNAUTHORIZED):
        assert store.page(asked()).total == store.page(asked()).total == 5
    assert commands.names == ["aggregate", "find", "count", "find", "count"]


def test_a_collection_that_is_dropped_and_filled_again(watched: tuple[Store, Commands], database_uri: str) -> None:
    store, commands = watched
    store.page(asked())
    commands.names.clear()
    with MongoClient[dict[str, Any]](database_uri) as client:
        client.get_default_database().drop_collection("worker_templates")
    assert store.page(asked()).total == 0
    store.create(spec_with("again"), actor="alice")
    store.create(spec_with("and-again"), actor="alice")
    commands.names.clear()
    assert [store.page(asked(size=1)).total for _ in range(2)] == [2, 2]
    assert commands.names == ["find", "count", "aggregate"]


@mongod_only
def test_the_mapping_of_a_template_is_its_callers_own(connection: dict[str, str]) -> None:
    store = Store(DatabaseAccess(Settings.from_config(connection)))
    made = store.create(spec_with("one", labels={"team": "qa"}), actor="alice")
    store.get(made.id).labels["team"] = "mine"  # type: ignore[index]
    assert store.get(made.id).labels == {"team": "qa"}
