"""The store on both backends: what each write does to the template and to its trail. Races and kills: `tests/chaos`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from pymongo.database import Database
from pymongo.errors import AutoReconnect

from flask_worker_templates.errors import (
    DatabaseUnavailable,
    NameTaken,
    RevisionMismatch,
    RevisionNotFound,
    TemplateDisabled,
    TemplateInUse,
    TemplateNotFound,
)
from flask_worker_templates.model.parameters import Paging, trail_parameters
from flask_worker_templates.model.records import Origin, Seed
from flask_worker_templates.model.rules import STANDARD
from flask_worker_templates.model.spec import Spec, patched
from flask_worker_templates.model.template import Event, Page, Template
from flask_worker_templates.settings import Settings
from flask_worker_templates.store import commit, create, delete
from flask_worker_templates.store.commit import Copied, insert_new
from flask_worker_templates.store.connection import Collections, DatabaseAccess
from flask_worker_templates.store.decoding import CHECKED
from flask_worker_templates.store.store import Store
from flask_worker_templates.store.stored_form import EXTRA_VALUES
from tests.support.monitoring import monitored
from tests.support.strategies import spec_with

Raw = Database[dict[str, Any]]
Told = list[tuple[str, int, str]]


@pytest.fixture
def told() -> Told:
    """What the observer was told: action, revision of the event, name."""
    return []


@pytest.fixture
def store(connection: dict[str, str], told: Told) -> Store:
    settings = Settings.from_config({**connection, "WORKER_TEMPLATES_DB_TIMEOUT_MS": 30_000})
    store = Store(
        DatabaseAccess(settings), lambda event, _: told.append((event["action"], event["revision"], event["name"]))
    )
    store.make_indexes()
    return store


@pytest.fixture
def one(store: Store) -> Template:
    return store.create(spec_with("one"), actor="alice")


def patch(**changes: Any) -> Callable[[Spec], Spec]:
    return lambda spec: patched(spec, changes)


def history(store: Store, template_id: str, page: int = 1, size: int = 200) -> list[Event]:
    return list(store.history(template_id, Paging(page, size)))


def trail(store: Store, **asked: Any) -> list[Event]:
    return list(store.trail(trail_parameters({"page_size": 200, **asked})))


def pause() -> None:
    """Let a millisecond pass, which is what tells the events of two templates apart."""
    time.sleep(0.002)


def revisions(store: Store, template_id: str) -> list[tuple[int, str, str]]:
    return [(event.revision, event.action, event.actor) for event in reversed(history(store, template_id))]


# Creating


def test_create(store: Store, one: Template, told: Told) -> None:
    assert one.spec == spec_with("one")
    assert (one.revision, one.is_seeded) == (1, False)
    assert one.created_at == one.updated_at
    assert store.get(one.id) == one
    assert store.get_by_name("one") == one
    (event,) = history(store, one.id)
    assert (event.action, event.actor, event.at, event.spec) == ("created", "alice", one.created_at, one.spec)
    assert list(event.changes) == []
    assert told == [("created", 1, "one")]


def test_all_that_is_stored_is_read_for_a_write_but_the_claims(store: Store, one: Template, database: Raw) -> None:
    """And the strings by which `extra` is found, which each write makes anew."""
    (document,) = database.worker_templates.find()
    assert set(document) - {"_id", "claims", EXTRA_VALUES} == set(CHECKED) - {"exported"}


def test_a_name_that_is_taken(store: Store, one: Template, told: Told) -> None:
    with pytest.raises(NameTaken) as caught:
        store.create(spec_with("one"), actor="bob")
    assert caught.value.template_id == one.id
    assert len(trail(store)) == 1
    assert len(told) == 1


def test_create_missing_creates_what_is_missing(store: Store, one: Template, told: Told) -> None:
    dealt: list[int] = []
    seeds = [Seed(spec_with(name), "config/a.yaml") for name in ("two", "one", "three")]
    assert store.create_missing(seeds, actor="seeder", progress=dealt.append) == ["two", "three"]
    assert sum(dealt) == 3
    assert told[1:] == [("seeded", 1, "two"), ("seeded", 1, "three")]
    two = store.get_by_name("two")
    assert two.is_seeded
    assert revisions(store, two.id) == [(1, "seeded", "seeder")]
    assert store.get(one.id) == one
    managed = {found.spec["name"]: found for found in store.managed()}
    assert list(managed) == ["one", "three", "two"]
    assert (managed["two"].base, managed["two"].source) == (two.spec, "config/a.yaml")
    assert (managed["one"].base, managed["one"].source) == (None, None)
    assert store.create_missing(seeds, actor="seeder") == []


def test_many_are_created_in_chunks_and_keep_their_order(
    store: Store, one: Template, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(create, "_CHUNK", 2)
    dealt: list[int] = []
    names = ["g", "f", "one", "e", "d", "c", "b"]
    seeds = [Seed(spec_with(name), "a.yaml") for name in names]
    created = store.create_missing(seeds, actor="seeder", progress=dealt.append)
    assert created == [name for name in names if name != "one"]
    assert dealt == [2, 2, 2, 1]
    assert [name for _, _, name in told[1:]] == created
    assert sorted(event.name for event in trail(store)) == sorted(names)
    assert all(store.get_by_name(name).revision == 1 for name in names)


def test_a_chunk_that_fails_ends_the_seeding_and_its_cause_is_kept(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(db: Collections, documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if documents[0]["name"] == "c":
            raise AutoReconnect("the server is gone")
        return insert_new(db, documents)

    seeds = [Seed(spec_with(name), "a.yaml") for name in "abcdefgh"]
    dealt: list[int] = []
    with monkeypatch.context() as fault:
        fault.setattr(create, "_CHUNK", 2)
        fault.setattr(create, "insert_new", failing)
        with pytest.raises(DatabaseUnavailable) as caught:
            store.create_missing(seeds, actor="seeder", progress=dealt.append)
    assert isinstance(caught.value.__cause__, AutoReconnect)
    assert dealt == [2]
    assert {"a", "b"} <= store.names() <= set("abefgh")
    assert {"c", "d"} <= set(store.create_missing(seeds, actor="seeder"))
    assert store.names() == set("abcdefgh")


# Updating


def test_update(store: Store, one: Template, told: Told) -> None:
    two = store.update(one.id, patch(description="second", labels={"a": "1"}), actor="bob")
    assert two.spec == spec_with("one", description="second", labels__a="1")
    assert (two.id, two.revision, two.created_at) == (one.id, 2, one.created_at)
    assert two.updated_at > one.updated_at
    assert store.get(one.id) == two
    newest, oldest = history(store, one.id)
    assert (newest.action, newest.actor, newest.at, newest.spec) == ("updated", "bob", two.updated_at, two.spec)
    assert list(newest.changes) == [
        {"field": "description", "from": "", "to": "second"},
        {"field": "labels.a", "to": "1"},
    ]
    assert oldest.spec == one.spec
    assert told[1:] == [("updated", 2, "one")]


def test_an_update_that_changes_nothing_writes_nothing(store: Store, one: Template, told: Told, database: Raw) -> None:
    before = list(database.worker_templates.find())
    assert store.update(one.id, patch(description=""), actor="bob") == one
    assert list(database.worker_templates.find()) == before
    assert database.worker_template_events.count_documents({}) == 1
    assert told == [("created", 1, "one")]


def test_an_update_for_a_revision(store: Store, one: Template) -> None:
    with pytest.raises(RevisionMismatch) as caught:
        store.update(one.id, patch(description="x"), actor="bob", allowed=lambda revision: revision == 2)
    assert caught.value.current == 1
    store.update(one.id, patch(description="x"), actor="bob", allowed=lambda revision: revision == 1)
    assert store.get(one.id).revision == 2


NEW_FIELDS = ("max_claims", "deprecation", "extra")


def test_a_document_and_events_of_an_older_version_read_with_the_defaults(
    store: Store, one: Template, database: Raw
) -> None:
    store.update(one.id, lambda spec: {**spec, "max_nodes": 30}, actor="bob")
    paths = [prefix + name for name in NEW_FIELDS for prefix in ("", "last_event.spec.")]
    database["worker_templates"].update_one({}, {"$unset": dict.fromkeys(paths, "")})
    database["worker_template_events"].update_many({}, {"$unset": dict.fromkeys([f"spec.{n}" for n in NEW_FIELDS], "")})
    read = store.get(one.id)
    assert (read.max_claims, read.deprecation, read.extra) == (None, None, {})
    assert json.loads(store.get_raw(one.id)[1]) == read.to_dict()
    assert [event.changes for event in store.history(one.id, Paging(1, 50))] == [
        [{"field": "max_nodes", "from": 20, "to": 30}],
        [],
    ]
    assert store.update(one.id, lambda spec: spec, actor="bob").revision == 2
    stored = database["worker_templates"].find_one()
    assert stored is not None
    assert not stored.keys() & set(NEW_FIELDS)  # what is only read is not rewritten
    assert store.revert(one.id, 1, actor="bob").max_nodes == 20


def test_a_guard_sees_the_template_and_forbids(store: Store, one: Template) -> None:
    def guard(template: Template, after: Template | None) -> None:
        assert template == one
        raise PermissionError

    with pytest.raises(PermissionError):
        store.update(one.id, patch(description="x"), actor="bob", guard=guard)
    with pytest.raises(PermissionError):
        store.delete(one.id, actor="bob", guard=guard)
    with pytest.raises(PermissionError):
        store.revert(one.id, 1, actor="bob", guard=guard)
    assert store.get(one.id) == one
    assert len(trail(store)) == 1


def test_a_guard_is_asked_again_where_another_was_faster(store: Store, one: Template) -> None:
    asked: list[int] = []

    def guard(template: Template, after: Template | None) -> None:
        asked.append(template.revision)
        if len(asked) % 2:
            store.update(one.id, patch(labels={str(len(asked)): "1"}), actor="other")

    assert store.update(one.id, patch(description="x"), actor="bob", guard=guard).revision == 3
    assert store.revert(one.id, 1, actor="bob", guard=guard).revision == 5
    assert store.delete(one.id, actor="bob", guard=guard).revision == 6
    assert asked == [1, 2, 3, 4, 5, 6]
    assert [(number, actor) for number, _, actor in revisions(store, one.id)] == [
        *((1, "alice"), (2, "other"), (3, "bob"), (4, "other"), (5, "bob"), (6, "other"), (7, "bob")),
    ]


def test_what_a_guard_passed_may_be_refused_for_its_revision(store: Store, one: Template) -> None:
    writes: list[Callable[..., Template]] = [
        partial(store.update, one.id, patch(description="x")),
        partial(store.revert, one.id, 1),
        partial(store.delete, one.id),
    ]
    for write in writes:
        with pytest.raises(RevisionMismatch):
            write(actor="bob", guard=lambda template, after: None, allowed=lambda revision: revision == 2)
    assert store.get(one.id) == one


def test_a_template_that_is_deleted_while_the_guard_is_asked(store: Store, one: Template) -> None:
    def guard(template: Template, after: Template | None) -> None:
        store.delete(template.id, actor="other")

    with pytest.raises(TemplateNotFound):
        store.update(one.id, patch(description="x"), actor="bob", guard=guard)
    assert revisions(store, one.id) == [(1, "created", "alice"), (2, "deleted", "other")]


def test_rename(store: Store, one: Template) -> None:
    store.create(spec_with("two"), actor="alice")
    with pytest.raises(NameTaken):
        store.update(one.id, patch(name="two"), actor="bob")
    assert store.get(one.id) == one
    renamed = store.update(one.id, patch(name="three"), actor="bob")
    assert [event.name for event in history(store, one.id)] == ["three", "one"]
    assert store.create(spec_with("one"), actor="carol").id != renamed.id


def test_another_writer_between_the_reading_and_the_commit(store: Store, one: Template) -> None:
    seen: list[int] = []

    def change(spec: Spec) -> Spec:
        seen.append(len(spec["labels"]))
        if len(seen) == 1:
            store.update(one.id, patch(labels={"other": "1"}), actor="other")
        return patched(spec, {"labels": {"mine": "1"}})

    made = store.update(one.id, change, actor="bob")
    assert seen == [0, 1]
    assert made.labels == {"other": "1", "mine": "1"}
    assert revisions(store, one.id)[1:] == [(2, "updated", "other"), (3, "updated", "bob")]


def test_a_deletion_between_the_reading_and_the_commit(store: Store, one: Template) -> None:
    def change(spec: Spec) -> Spec:
        store.delete(one.id, actor="other")
        return patched(spec, {"description": "mine"})

    with pytest.raises(TemplateNotFound):
        store.update(one.id, change, actor="bob")
    assert revisions(store, one.id) == [(1, "created", "alice"), (2, "deleted", "other")]


def test_a_base_alone_is_no_change(store: Store, one: Template, told: Told) -> None:
    base = spec_with("one", description="of the file")
    assert store.update(one.id, lambda spec: spec, actor="bob", origin=Origin(base, "a.yaml", "default")).revision == 1
    (managed,) = store.managed()
    assert (managed.base, managed.source, managed.file_set, managed.revision) == (base, "a.yaml", "default", 1)
    assert len(history(store, one.id)) == 1
    both = store.update(one.id, patch(description="x"), actor="bob", action="synced", origin=Origin(None, None, None))
    assert both.revision == 2
    (managed,) = store.managed()
    assert managed.base is None
    assert revisions(store, one.id)[1] == (2, "synced", "bob")
    assert len(told) == 2


# Reverting


def test_revert(store: Store, one: Template) -> None:
    store.update(one.id, patch(description="second", name="renamed"), actor="bob")
    back = store.revert(one.id, 1, actor="carol")
    assert (back.spec, back.revision) == (one.spec, 3)
    assert revisions(store, one.id)[2] == (3, "reverted", "carol")
    assert store.revert(one.id, 3, actor="carol") == back  # to where it is: nothing to do
    assert store.revert(one.id, 1, actor="carol") == back


def test_revert_refuses(store: Store, one: Template) -> None:
    for revision in (0, -1, 2, 99):
        with pytest.raises(RevisionNotFound):
            store.revert(one.id, revision, actor="bob")
    store.update(one.id, patch(name="renamed"), actor="bob")
    store.create(spec_with("one"), actor="bob")
    with pytest.raises(NameTaken):
        store.revert(one.id, 1, actor="bob")
    with pytest.raises(RevisionMismatch):
        store.revert(one.id, 1, actor="bob", allowed=lambda revision: False)
    with pytest.raises(TemplateNotFound):
        store.revert("nothing", 1, actor="bob")


# Deleting


def test_delete(store: Store, one: Template, told: Told) -> None:
    updated = store.update(one.id, patch(description="second"), actor="bob")
    assert store.delete(one.id, actor="carol") == updated
    for ask in (lambda: store.get(one.id), lambda: store.get_by_name("one"), lambda: store.get_raw(one.id)):
        with pytest.raises(TemplateNotFound):
            ask()
    last = history(store, one.id)[0]
    assert (last.revision, last.action, last.actor, last.spec) == (3, "deleted", "carol", updated.spec)
    assert list(last.changes) == []
    assert told[-1] == ("deleted", 3, "one")
    with pytest.raises(TemplateNotFound):
        store.delete(one.id, actor="carol")
    assert store.create(spec_with("one"), actor="dave").id != one.id


def test_delete_refuses(store: Store, one: Template) -> None:
    with pytest.raises(RevisionMismatch):
        store.delete(one.id, actor="bob", allowed=lambda revision: revision == 2)
    for number in range(7):
        store.claim(one.id, f"w{number}", actor="fleet")
    with pytest.raises(TemplateInUse) as caught:
        store.delete(one.id, actor="bob")
    assert (caught.value.claims, caught.value.workers) == (7, ["w0", "w1", "w2", "w3", "w4"])
    assert store.get(one.id) == one
    assert len(trail(store)) == 1


def test_deletions_are_known_by_name(store: Store, one: Template) -> None:
    store.create_missing([Seed(spec_with(name), "a.yaml") for name in ("x", "y", "z")], actor="seeder")
    for name, actor in (("x", "first"), ("y", "bob"), ("one", "bob")):
        store.delete(store.get_by_name(name).id, actor=actor)
    pause()
    store.create_missing([Seed(spec_with("x"), "a.yaml")], actor="seeder")
    again = store.get_by_name("x").id
    store.delete(again, actor="second")
    found = store.deletions(["x", "y", "z", "one", "never"], "default")
    assert {name: deletion.actor for name, deletion in found.items()} == {"x": "second", "y": "bob"}
    assert found["x"].template_id == again
    assert found["x"].at == history(store, again)[0].at


def test_a_deletion_that_did_not_happen_hides_none_that_did(store: Store, database: Raw) -> None:
    def seed() -> str:
        store.create_missing([Seed(spec_with("x"), "a.yaml")], actor="seeder")
        return store.get_by_name("x").id

    gone = seed()
    store.delete(gone, actor="bob")
    lives = seed()
    # A process announced a deletion, another renamed the template, and both died before their next command.
    document = database.worker_templates.find_one({"_id": lives})
    assert document is not None
    store.update(lives, patch(name="renamed"), actor="carol")
    announced = {**document["last_event"], "_id": f"{lives}:2", "revision": 2, "action": "deleted", "token": "other"}
    announced["at"] += timedelta(days=1)
    database.worker_template_events.replace_one({"_id": f"{lives}:2"}, announced)
    assert store.deletions(["x"], "default")["x"].template_id == gone
    assert [event.action for event in history(store, lives)] == ["updated", "seeded"]
    assert not trail(store, action="deleted", actor="seeder")


# Claims


def test_claims(store: Store, one: Template) -> None:
    claim, outcome = store.claim(one.id, "w1", actor="fleet")
    assert outcome == "made"
    assert (claim.worker_id, claim.actor) == ("w1", "fleet")
    assert store.claim(one.id, "w1", actor="somebody else") == (claim, "unchanged")
    store.claim(one.id, "w2", actor="fleet")
    page = store.claims(one.id, Paging(1, 1))
    assert ([one.worker_id for one in page], page.total) == (["w1"], 2)
    assert [one.worker_id for one in store.claims(one.id, Paging(2, 1))] == ["w2"]
    assert store.get(one.id) == one  # no change of the template
    assert store.release(one.id, "w1", actor="test")
    assert not store.release(one.id, "w1", actor="test")
    store.release(one.id, "w2", actor="test")
    store.delete(one.id, actor="bob")
    for ask in (
        lambda: store.claim(one.id, "w", actor="fleet"),
        lambda: store.release(one.id, "w", actor="test"),
        lambda: store.claims(one.id, Paging(1, 1)),
    ):
        with pytest.raises(TemplateNotFound):
            ask()


def test_a_disabled_template_takes_no_new_claims(store: Store, one: Template) -> None:
    store.claim(one.id, "old", actor="fleet")
    store.update(one.id, patch(enabled=False), actor="bob")
    with pytest.raises(TemplateDisabled):
        store.claim(one.id, "new", actor="fleet")
    assert store.claim(one.id, "old", actor="fleet")[1] == "unchanged"
    assert store.release(one.id, "old", actor="test")


# History


def test_history_in_pages(store: Store, one: Template) -> None:
    for number in range(11):  # beyond 9: events are ordered by number, not as text
        store.update(one.id, patch(description=str(number)), actor="bob")
    assert [event.revision for event in history(store, one.id)] == list(range(12, 0, -1))
    assert [event.revision for event in trail(store)] == list(range(12, 0, -1))
    reads: list[Callable[[int], Page[Event]]] = [
        lambda page: store.history(one.id, Paging(page, 5)),
        lambda page: store.trail(trail_parameters({"page": page, "page_size": 5})),
    ]
    for read in reads:
        pages = [read(page) for page in (1, 2, 3, 4)]
        assert [[event.revision for event in page] for page in pages] == [
            [12, 11, 10, 9, 8],
            [7, 6, 5, 4, 3],
            [2, 1],
            [],
        ]
        assert {page.total for page in pages} == {12}
        # The changes of the last of a page come from an event that is not on it.
        assert list(pages[0][4].changes) == [{"field": "description", "from": "5", "to": "6"}]
    with pytest.raises(TemplateNotFound):
        store.history("nothing", Paging(1, 5))


def test_events_are_in_the_order_of_time_though_a_clock_is_ahead(store: Store, one: Template, database: Raw) -> None:
    ahead = (one.updated_at + timedelta(minutes=5)).replace(tzinfo=None)
    database.worker_templates.update_one({"_id": one.id}, {"$set": {"updated_at": ahead, "last_event.at": ahead}})
    database.worker_template_events.update_one({"_id": f"{one.id}:1"}, {"$set": {"at": ahead}})
    updated = store.update(one.id, patch(description="second"), actor="bob")
    assert updated.updated_at == one.updated_at + timedelta(minutes=5, milliseconds=1)
    store.delete(one.id, actor="carol")
    assert [event.action for event in trail(store)] == ["deleted", "updated", "created"]


def test_the_trail_by_its_parameters(store: Store, one: Template) -> None:
    pause()
    two = store.create(spec_with("two"), actor="bob")
    pause()
    store.update(one.id, patch(name="renamed"), actor="bob")
    pause()
    store.delete(two.id, actor="carol")
    assert [event.action for event in trail(store)] == ["deleted", "updated", "created", "created"]
    assert [event.name for event in trail(store, actor="bob")] == ["renamed", "two"]
    assert [event.name for event in trail(store, action="created")] == ["two", "one"]
    assert [event.action for event in trail(store, name="two")] == ["deleted", "created"]
    assert trail(store, name="two", actor="alice") == []
    moment = two.created_at
    assert {event.name for event in trail(store, until=moment)} <= {"one"}
    assert [event.action for event in trail(store, since=moment)][:2] == ["deleted", "updated"]


@pytest.fixture
def uncopied(connection: dict[str, str], one: Template, database: Raw) -> Template:
    """As after a kill of another process between the commit of an update and the copy of its event."""
    other = Store(DatabaseAccess(Settings.from_config(connection)))
    updated = other.update(one.id, patch(description="second"), actor="bob")
    database.worker_template_events.delete_one({"_id": f"{one.id}:2"})
    return updated


def test_a_change_whose_event_was_not_copied_is_in_every_history(store: Store, uncopied: Template) -> None:
    pause()
    store.create(spec_with("other"), actor="carol")
    for events in (history(store, uncopied.id), trail(store, name="one")):
        assert [(event.revision, event.actor) for event in events] == [(2, "bob"), (1, "alice")]
        assert list(events[0].changes) == [{"field": "description", "from": "", "to": "second"}]
    assert [(event.name, event.revision) for event in trail(store)] == [("other", 1), ("one", 2), ("one", 1)]
    assert [event.revision for event in trail(store, actor="bob")] == [2]
    assert [event.revision for event in trail(store, action="updated")] == [2]
    assert trail(store, actor="bob", name="other") == []
    # In pages: once, and in its place.
    pages = [store.trail(trail_parameters({"page": page, "page_size": 1})) for page in (1, 2)]
    assert [(event.name, event.revision) for page in pages for event in page] == [
        ("other", 1),
        ("one", 2),
        ("one", 1),
    ]


def test_a_void_deletion_in_its_place_of_the_same_millisecond_hides_it_from_no_page(
    store: Store, uncopied: Template, database: Raw
) -> None:
    document = database.worker_templates.find_one({"_id": uncopied.id})
    assert document is not None
    database.worker_template_events.insert_one({**document["last_event"], "action": "deleted", "token": "intent"})
    pages = [store.trail(trail_parameters({"page": page, "page_size": 1})) for page in (1, 2, 3)]
    assert [[event.revision for event in page] for page in pages] == [[2], [1], []]


@pytest.mark.parametrize("write", ["update", "delete", "revert"])
def test_the_next_writer_copies_it(write: str, store: Store, uncopied: Template, database: Raw) -> None:
    if write == "update":
        store.update(uncopied.id, patch(description="third"), actor="carol")
    elif write == "revert":
        store.revert(uncopied.id, 1, actor="carol")
    else:
        store.delete(uncopied.id, actor="carol")
    stored = database.worker_template_events.find({"template_id": uncopied.id})
    assert sorted(event["revision"] for event in stored) == [1, 2, 3]
    assert revisions(store, uncopied.id)[1] == (2, "updated", "bob")


def test_a_process_does_not_look_for_the_event_that_it_has_just_copied(
    database_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monitored(database_uri) as (config, commands):
        writer = Store(DatabaseAccess(Settings.from_config(config)))
        made = writer.create(spec_with("one"), actor="alice")
        commands.names.clear()
        writer.update(made.id, patch(description="second"), actor="alice")
        assert commands.names == ["find", "update", "insert"]
        # A minute later it does: a backup without that event may have been restored.
        monkeypatch.setattr(Copied, "SECONDS", 0.0)
        commands.names.clear()
        writer.update(made.id, patch(description="third"), actor="alice")
        assert commands.names == ["find", "find", "update", "insert"]


def test_what_was_copied_is_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Copied, "MAX", 2)
    copied = Copied()
    events = [{"token": token} for token in "abc"]
    for event in events:
        copied.add(event)
    assert [event in copied for event in events] == [False, True, True]


@pytest.mark.parametrize("years", [3, 7000])
def test_a_host_whose_clock_is_years_ahead_spoils_its_own_event_only(
    years: int, store: Store, one: Template, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = commit.now
    with monkeypatch.context() as ahead:
        ahead.setattr(commit, "now", lambda: true().replace(year=true().year + years))
        store.update(one.id, patch(description="from the future"), actor="bob")
    started = datetime.now(UTC) - timedelta(minutes=1)
    updated = store.update(one.id, patch(description="from now"), actor="carol")
    assert started < updated.updated_at < started + timedelta(minutes=30)
    store.delete(one.id, actor="dave")
    assert [event.actor for event in history(store, one.id)] == ["dave", "carol", "bob", "alice"]
    assert [event.actor for event in trail(store)] == ["bob", "dave", "carol", "alice"]


def test_a_clock_that_is_a_little_ahead_leaves_the_trail_in_order(
    store: Store, one: Template, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = commit.now
    with monkeypatch.context() as ahead:
        ahead.setattr(commit, "now", lambda: true() + timedelta(minutes=2))
        store.update(one.id, patch(description="ahead"), actor="bob")
    store.update(one.id, patch(description="after it"), actor="carol")
    assert [event.actor for event in trail(store)] == ["carol", "bob", "alice"]


def test_events_keep_what_is_said_of_them(store: Store, one: Template, database: Raw) -> None:
    store.update(one.id, patch(description="second"), actor="bob", message="a reason")
    store.revert(one.id, 1, actor="bob", message="it was better")
    store.delete(one.id, actor="bob", message="not needed", pruned=True)
    two = store.create(spec_with("two"), actor="bob", message="a new one")
    assert [(event.message, event.reverted_to, event.pruned) for event in history(store, one.id)] == [
        ("not needed", None, True),
        ("it was better", 1, False),
        ("a reason", None, False),
        (None, None, False),
    ]
    assert [event.message for event in history(store, two.id)] == ["a new one"]


def test_the_event_of_a_deletion_keeps_what_the_document_alone_knew(store: Store, database: Raw) -> None:
    store.create_missing([Seed(spec_with("seeded"), "a.yaml")], actor="seeder", message="from the file")
    document = database.worker_templates.find_one({"name": "seeded"})
    assert document is not None
    assert document["last_event"]["message"] == "from the file"
    store.delete(document["_id"], actor="bob")
    event = database.worker_template_events.find_one({"action": "deleted"})
    assert event is not None
    kept = ("base", "source", "is_seeded", "created_at")
    assert {key: event[key] for key in kept} == {key: document[key] for key in kept}


@pytest.fixture
def announced(store: Store, one: Template, database: Raw) -> Template:
    """As after a kill between the intent of a deletion and the deletion."""
    document = database.worker_templates.find_one({"_id": one.id})
    assert document is not None
    intent = {**document["last_event"], "_id": f"{one.id}:2", "revision": 2, "action": "deleted", "token": "intent"}
    database.worker_template_events.insert_one(intent)
    return one


def test_a_deletion_that_did_not_happen_is_in_no_history(store: Store, announced: Template) -> None:
    assert revisions(store, announced.id) == [(1, "created", "alice")]
    assert [event.action for event in trail(store)] == ["created"]
    assert trail(store, action="deleted") == []
    with pytest.raises(RevisionNotFound):
        store.revert(announced.id, 2, actor="bob")


def test_the_next_writer_replaces_it(store: Store, announced: Template, database: Raw) -> None:
    store.update(announced.id, patch(description="second"), actor="bob")
    assert revisions(store, announced.id)[1:] == [(2, "updated", "bob")]
    assert [event.action for event in trail(store)] == ["updated", "created"]
    assert database.worker_template_events.count_documents({}) == 2


def test_the_next_deletion_replaces_it(store: Store, announced: Template, database: Raw) -> None:
    store.delete(announced.id, actor="bob")
    assert revisions(store, announced.id)[1:] == [(2, "deleted", "bob")]
    assert database.worker_template_events.count_documents({}) == 2


def test_a_deletion_that_meets_a_claim_takes_its_announcement_back(
    store: Store, one: Template, database: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove = commit.remove

    def be_overtaken_and_remove(*arguments: Any) -> bool:
        store.claim(one.id, "worker", actor="fleet")
        return remove(*arguments)

    monkeypatch.setattr(delete, "remove", be_overtaken_and_remove)
    with pytest.raises(TemplateInUse):
        store.delete(one.id, actor="bob")
    assert database.worker_template_events.count_documents({}) == 1
    assert revisions(store, one.id) == [(1, "created", "alice")]


# Lists


def test_pages_raw_and_not_raw_say_the_same(store: Store) -> None:
    for number in range(5):
        store.create(spec_with(f"t{number}", cost_per_hour_usd=number or None), actor="alice")
    for asked in ({}, {"page_size": 2}, {"page_size": 2, "page": 3}, {"sort": "-cost_per_hour_usd"}, {"page": 9}):
        page, raw = store.page(STANDARD.list_parameters(asked)), store.page_raw(STANDARD.list_parameters(asked))
        assert (page.total, raw.total) == (5, 5)
        assert [template.id in item.decode() for template, item in zip(page, raw, strict=True)] == [True] * len(page)
    assert store.names() == {f"t{number}" for number in range(5)}
    assert store.get_raw(store.get_by_name("t1").id)[0] == 1


def test_select(store: Store) -> None:
    for name, price in (("b", 2.0), ("a", 2.0), ("none", None), ("cheap", 0.5)):
        store.create(spec_with(name, cost_per_hour_usd=price), actor="alice")
    store.create(spec_with("off", enabled=False, cost_per_hour_usd=0.1), actor="alice")
    assert [template.name for template in store.select(STANDARD.list_parameters({}))] == ["cheap", "a", "b", "none"]
    assert [template.name for template in store.select(STANDARD.list_parameters({"name_prefix": "c"}))] == ["cheap"]
