"""Following the trail: every event once, in an order that never changes, whatever the clocks say."""

from __future__ import annotations

import base64
import random
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from pymongo.database import Database

from flask_worker_templates.errors import InvalidParameters
from flask_worker_templates.model.parameters import trail_parameters
from flask_worker_templates.model.records import Seed
from flask_worker_templates.model.scope import scope_of
from flask_worker_templates.model.spec import patched
from flask_worker_templates.model.template import Event
from flask_worker_templates.settings import Settings
from flask_worker_templates.store.connection import EVENTS, LOG, TEMPLATES, DatabaseAccess
from flask_worker_templates.store.store import Store
from tests.support.backends import mongod_only
from tests.support.strategies import spec_with

Raw = Database[dict[str, Any]]
Seen = list[tuple[str, int, str]]


@pytest.fixture
def store(connection: dict[str, str]) -> Store:
    store = Store(DatabaseAccess(Settings.from_config({**connection, "WORKER_TEMPLATES_DB_TIMEOUT_MS": 30_000})))
    store.make_indexes()
    return store


def follow(store: Store, after: str = "start", size: int = 3, **asked: Any) -> tuple[Seen, str]:
    """All that comes after a cursor, page by page, and the last cursor."""
    seen: list[Event] = []
    while True:
        page = store.trail(trail_parameters({"after": after, "page_size": size, **asked}))
        assert page.cursor is not None
        after = page.cursor
        seen += page
        if len(page) < size:
            return [(event.name, event.revision, event.action) for event in seen], after


def change(store: Store, template_id: str, description: str) -> None:
    store.update(template_id, lambda spec: patched(spec, {"description": description}), actor="alice")


def set_back(database: Raw, event_id: str, by: timedelta = timedelta(days=400)) -> None:
    """Give an event the time that a host whose clock is behind would have given it."""
    document: dict[str, Any] = database[EVENTS].find_one({"_id": event_id}) or {}
    at: datetime = document["at"] - by
    database[EVENTS].update_one({"_id": event_id}, {"$set": {"at": at}})
    database[TEMPLATES].update_one({"last_event._id": event_id}, {"$set": {"last_event.at": at, "updated_at": at}})


def test_the_trail_is_followed_from_its_first_event_on(store: Store) -> None:
    one = store.create(spec_with("one"), actor="alice")
    two = store.create(spec_with("two"), actor="alice")
    for number in range(3):
        change(store, one.id, str(number))
    store.delete(two.id, actor="alice")
    seen, cursor = follow(store)
    assert sorted(seen) == sorted(
        [
            ("one", 1, "created"),
            ("two", 1, "created"),
            *(("one", n, "updated") for n in (2, 3, 4)),
            ("two", 2, "deleted"),
        ]
    )
    assert [revision for name, revision, _ in seen if name == "one"] == [1, 2, 3, 4]
    assert follow(store, cursor) == ([], cursor)
    change(store, one.id, "more")
    assert follow(store, cursor)[0] == [("one", 5, "updated")]
    assert follow(store)[0] == [*seen, ("one", 5, "updated")]
    assert follow(store, size=1) == follow(store, size=200)


def test_an_empty_trail_has_a_cursor_too(store: Store) -> None:
    seen, cursor = follow(store)
    assert seen == []
    store.create(spec_with("one"), actor="alice")
    assert follow(store, cursor)[0] == [("one", 1, "created")]


def test_what_is_committed_later_under_an_earlier_time_is_not_missed(store: Store, database: Raw) -> None:
    store.create(spec_with("one"), actor="alice")
    seen, cursor = follow(store)
    late = store.create(spec_with("late"), actor="bob")
    set_back(database, f"{late.id}:1")
    missed, then = follow(store, cursor)
    assert missed == [("late", 1, "created")]
    assert follow(store, then)[0] == []
    assert follow(store)[0] == [*seen, *missed]


def test_the_changes_of_a_template_come_in_their_order_whatever_the_clocks_say(store: Store, database: Raw) -> None:
    one = store.create(spec_with("one"), actor="alice")
    for number in range(3):
        change(store, one.id, str(number))
    for revision, days in ((1, 10), (2, 30), (3, 20), (4, 40)):
        set_back(database, f"{one.id}:{revision}", timedelta(days=days))
    assert [revision for _, revision, _ in follow(store, size=1)[0]] == [1, 2, 3, 4]


def test_what_a_killed_process_left_uncopied_is_seen_once(store: Store, database: Raw) -> None:
    one = store.create(spec_with("one"), actor="alice")
    _, cursor = follow(store)
    change(store, one.id, "x")
    database[EVENTS].delete_one({"_id": f"{one.id}:2"})  # killed between the commit and the copy
    set_back_document = {"$set": {"updated_at": datetime(2001, 1, 1), "last_event.at": datetime(2001, 1, 1)}}  # noqa: DTZ001
    database[TEMPLATES].update_one({"_id": one.id}, set_back_document)
    seen, cursor = follow(store, cursor)
    assert seen == [("one", 2, "updated")]
    change(store, one.id, "y")
    assert follow(store, cursor)[0] == [("one", 3, "updated")]


def test_a_deletion_that_did_not_happen_is_never_seen(store: Store, database: Raw) -> None:
    one = store.create(spec_with("one"), actor="alice")
    event: dict[str, Any] = database[EVENTS].find_one({"_id": f"{one.id}:1"}) or {}
    intent = {**event, "_id": f"{one.id}:2", "revision": 2, "action": "deleted", "token": "of a process that died"}
    database[EVENTS].insert_one(intent)
    seen, cursor = follow(store)
    assert seen == [("one", 1, "created")]
    change(store, one.id, "x")
    assert follow(store, cursor)[0] == [("one", 2, "updated")]


@pytest.mark.parametrize("lost", ["mark of the event", "mark of the template", "both", "the event itself is replaced"])
def test_a_mark_that_is_lost_shows_nothing_twice(store: Store, database: Raw, lost: str) -> None:
    one = store.create(spec_with("one"), actor="alice")
    seen, cursor = follow(store)
    if lost in ("mark of the event", "both"):
        database[EVENTS].update_many({}, {"$unset": {"logged": ""}})
    if lost in ("mark of the template", "both"):
        database[TEMPLATES].update_many({}, {"$unset": {"last_event.logged": ""}})
    if lost == "the event itself is replaced":
        event: dict[str, Any] = database[EVENTS].find_one({}) or {}
        del event["logged"]
        database[EVENTS].replace_one({"_id": event["_id"]}, event)
    assert follow(store, cursor)[0] == []
    assert follow(store)[0] == seen
    change(store, one.id, "x")
    assert follow(store, cursor)[0] == [("one", 2, "updated")]


def test_filters_hold_for_what_is_followed(store: Store) -> None:
    one = store.create(spec_with("one"), actor="alice")
    store.create(spec_with("two"), actor="bob")
    change(store, one.id, "x")
    seen, cursor = follow(store, actor="alice")
    assert [found[:2] for found in seen] == [("one", 1), ("one", 2)]
    assert follow(store, cursor, actor="alice")[0] == []
    assert follow(store, action="created", name="two")[0] == [("two", 1, "created")]


def test_a_scope_sees_its_part_and_learns_nothing_of_the_rest(store: Store) -> None:
    red = store.create(spec_with("red", labels__team="red"), actor="alice")
    blue = store.create(spec_with("blue", labels__team="blue"), actor="alice")
    bound = store.within(scope_of({"label": "team=red"}))
    seen, cursor = follow(bound)
    assert seen == [("red", 1, "created")]
    change(store, blue.id, "secret")
    assert follow(bound, cursor) == ([], cursor)
    change(store, red.id, "x")
    assert follow(bound, cursor)[0] == [("red", 2, "updated")]
    # Of a template that left the scope nothing is shown any more, and of one that came only what came in.
    store.update(red.id, lambda spec: patched(spec, {"labels": {"team": "green"}}), actor="alice")
    store.update(blue.id, lambda spec: patched(spec, {"labels": {"team": "red"}}), actor="alice")
    assert follow(bound)[0] == [("blue", 3, "updated")]


@pytest.mark.parametrize("cursor", ["x", "====", "\u00e9", "c3RhcnQ", base64.urlsafe_b64encode(b"a:1.b").decode()])
def test_a_cursor_that_was_never_given_out_is_an_error(store: Store, cursor: str) -> None:
    store.create(spec_with("one"), actor="alice")
    follow(store)
    with pytest.raises(InvalidParameters) as caught:
        store.trail(trail_parameters({"after": cursor}))
    assert "start" in caught.value.errors["after"][0]


def test_a_page_number_and_a_cursor_exclude_each_other() -> None:
    with pytest.raises(InvalidParameters) as caught:
        trail_parameters({"after": "start", "page": 1})
    assert list(caught.value.errors) == ["page"]


def test_nothing_is_written_where_nobody_follows(store: Store, database: Raw) -> None:
    store.create(spec_with("one"), actor="alice")
    store.trail(trail_parameters({}))
    assert database[LOG].count_documents({}) == 0


@mongod_only
def test_many_who_follow_while_many_write_see_every_event_once_and_in_one_order(store: Store, database: Raw) -> None:
    writing = True

    def write(worker: int) -> None:
        rng = random.Random(worker)
        mine = [store.create(spec_with(f"{worker}-{n}"), actor="w").id for n in range(2)]
        for step in range(12):
            change(store, rng.choice(mine), f"{worker} {step}")
            if step % 5 == 0:
                event: dict[str, Any] = database[EVENTS].find_one({"logged": None}) or {"_id": "none"}
                if event["_id"] != "none":  # a clock that is far behind
                    at = event["at"] - timedelta(days=rng.randrange(1, 900))
                    database[EVENTS].update_one({"_id": event["_id"]}, {"$set": {"at": at}})
        store.delete(mine[0], actor="w")

    def read(size: int) -> Seen:
        seen: Seen = []
        cursor = "start"
        while True:
            last = not writing
            found, cursor = follow(store, cursor, size)
            seen += found
            if last:
                return seen

    store.create_missing([Seed(spec_with(f"seed-{n}"), "a.yaml") for n in range(20)], actor="seeder")
    with ThreadPoolExecutor(6) as pool:
        readers = [pool.submit(read, size) for size in (1, 7, 200)]
        writers = [pool.submit(write, worker) for worker in range(3)]
        for done in writers:
            done.result()
        writing = False
        results = [reader.result() for reader in readers]
    assert results[0] == results[1] == results[2]
    assert len(set(results[0])) == len(results[0]) == database[EVENTS].count_documents({})
