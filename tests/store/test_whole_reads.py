"""Reading all templates: in batches, of which each has a time limit of its own, and none is held with the others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from itertools import islice
from typing import Any

import pytest
from pymongo.database import Database

from flask_worker_templates.errors import DuplicateNames
from flask_worker_templates.model.records import Seed
from flask_worker_templates.model.rules import STANDARD
from flask_worker_templates.settings import Settings
from flask_worker_templates.store import origins, whole_reads
from flask_worker_templates.store.connection import Collections, DatabaseAccess, TimeLimit
from flask_worker_templates.store.indexes import UNIQUE_NAME
from flask_worker_templates.store.store import Store
from tests.support.backends import mongod_only
from tests.support.strategies import spec_with

Raw = Database[dict[str, Any]]

NAMES = ["a", "b", "c", "d", "e", "f", "g"]


@pytest.fixture
def store(connection: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Store:
    """Seven templates, of which two are read at a time."""
    monkeypatch.setattr(origins, "BATCH", 2)
    store = Store(DatabaseAccess(Settings.from_config({**connection, "WORKER_TEMPLATES_DB_TIMEOUT_MS": 30_000})))
    store.make_indexes()
    store.create_missing([Seed(spec_with(name), "a.yaml") for name in NAMES], actor="seeder")
    return store


def names(found: Iterator[Any]) -> list[str]:
    return [one.spec["name"] for one in found]


@pytest.mark.parametrize("batch", [1, 2, 3, 7, 8])
def test_every_template_is_read_once_in_the_order_of_names(
    batch: int, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(origins, "BATCH", batch)
    assert names(store.managed()) == NAMES


@mongod_only  # mongomock returns fields in the order of the projection
def test_what_is_stored_as_expected_is_what_was_given(store: Store) -> None:
    likely = {name: spec_with(name, max_nodes=7 if name == "c" else 20) for name in NAMES}
    found = list(store.managed(likely))
    assert [one.spec is one.base is likely[one.spec["name"]] for one in found] == [name != "c" for name in NAMES]


def test_documents_that_are_no_templates_are_passed_over(store: Store, database: Raw) -> None:
    database.worker_templates.insert_many({"_id": name, "name": name} for name in ("", "aa", "ab", "ac", "bb", "z"))
    database.worker_templates.insert_one({"_id": {"odd": 1}})  # its name is null, which comes before all strings
    assert names(store.managed()) == NAMES


@pytest.mark.parametrize("lost", ["b", "c", "d"])
def test_what_is_deleted_during_the_reading_hides_no_other(lost: str, store: Store, database: Raw) -> None:
    found = store.managed()
    first = names(islice(found, 2))
    database.worker_templates.delete_one({"name": lost})
    assert first + names(found) == [name for name in NAMES if name in first or name != lost]


@pytest.mark.parametrize("twice", ["a", "b", "g"])
def test_two_of_one_name_are_told_wherever_a_batch_ends(twice: str, store: Store, database: Raw) -> None:
    database.worker_templates.drop_index(UNIQUE_NAME)
    document = database.worker_templates.find_one({"name": twice})
    assert document is not None
    for number in ("1", "2", "3"):
        event = {**document["last_event"], "template_id": number}
        database.worker_templates.insert_one({**document, "_id": number, "last_event": event})
    with pytest.raises(DuplicateNames) as caught:
        names(store.managed())
    assert caught.value.names == {twice: 4}


@pytest.mark.parametrize("sort", ["name", "-name", "max_nodes", "-cpu_cores", "cost_per_hour_usd", "-updated_at"])
def test_a_whole_list_is_all_of_its_pages(sort: str, listed: Store) -> None:
    asked = STANDARD.list_parameters({"sort": sort})
    assert list(listed.each(asked)) == list(listed.page(asked))


def test_filters_hold_for_a_whole_list(listed: Store) -> None:
    asked = {"min_nodes": 21, "enabled": True, "q": "FIRST"}
    assert [one.name for one in listed.each(STANDARD.list_parameters(asked))] == ["c", "e"]


def test_what_does_not_fit_any_more_when_it_is_its_turn_is_left_out(listed: Store, database: Raw) -> None:
    found = listed.each(STANDARD.list_parameters({"enabled": True}))
    assert [one.name for one in islice(found, 2)] == ["a", "c"]
    database.worker_templates.update_one({"name": "e"}, {"$set": {"enabled": False}})
    database.worker_templates.update_one({"name": "g"}, {"$set": {"max_nodes": "many"}})
    assert list(found) == []


@pytest.fixture
def listed(store: Store, database: Raw, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The same, of different values."""
    monkeypatch.setattr(whole_reads, "BATCH", 2)
    for number, name in enumerate(NAMES):
        values = {"max_nodes": 20 + number % 3, "enabled": number % 2 == 0, "description": f"at {number}, first"}
        values |= {"capacity.cpu_cores": 9 - number % 4, "cost_per_hour_usd": None if number % 3 else number / 2}
        database.worker_templates.update_one({"name": name}, {"$set": values})
    return store


def test_each_batch_has_a_time_limit_of_its_own(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[TimeLimit | None] = []
    operation = DatabaseAccess.operation

    def noted(access: DatabaseAccess, limit: TimeLimit | None = None) -> AbstractContextManager[Collections]:
        limits.append(limit)
        return operation(access, limit)

    monkeypatch.setattr(DatabaseAccess, "operation", noted)
    reading = store.managed()
    for wanted in range(1, len(NAMES) + 1):
        next(reading)
        assert len(limits) == 1 + -(-wanted // 2)  # one looks for what is no template
    assert list(reading) == []
    assert set(limits) == {None}  # a whole one
