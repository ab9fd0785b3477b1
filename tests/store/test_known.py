"""A change made for a named revision: without reading the template again, and never wrong for that."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from pymongo.database import Database

from flask_worker_templates.errors import InvalidSpec, NotAllowed, RevisionMismatch, TemplateNotFound
from flask_worker_templates.model.claim import Claim
from flask_worker_templates.model.records import Origin
from flask_worker_templates.model.scope import ALL, scope_of
from flask_worker_templates.model.spec import Spec, patched
from flask_worker_templates.model.template import Template
from flask_worker_templates.settings import Settings
from flask_worker_templates.store.connection import DatabaseAccess
from flask_worker_templates.store.known import Known, KnownClaims
from flask_worker_templates.store.store import Store
from tests.support.backends import mongod_only
from tests.support.monitoring import monitored
from tests.support.strategies import spec_with

Raw = Database[dict[str, Any]]


def make_store(connection: dict[str, str | None]) -> Store:
    store = Store(DatabaseAccess(Settings.from_config({**connection, "WORKER_TEMPLATES_DB_TIMEOUT_MS": 30_000})))
    store.make_indexes()
    return store


@pytest.fixture
def store(connection: dict[str, str]) -> Store:
    return make_store({**connection})


@pytest.fixture
def other(connection: dict[str, str]) -> Store:
    """Another process."""
    return make_store({**connection})


@pytest.fixture
def one(store: Store) -> Template:
    """A template that the store has just shown."""
    made = store.create(spec_with("one", labels={"team": "qa"}, extra={}), actor="alice")
    store.get_raw(made.id)
    return made


def patch(**changes: Any) -> Callable[[Spec], Spec]:
    return lambda current: patched(current, changes)


def at(revision: int) -> Callable[[int], bool]:
    return lambda found: found == revision


def test_what_was_just_shown_or_written_is_not_read_again(database_uri: str) -> None:
    with monitored(database_uri) as (config, commands):
        writer, reader = (make_store(config) for _ in range(2))
        made = writer.create(spec_with("one"), actor="alice")
        writer.get_raw(made.id)
        texts = map(str, itertools.count())

        def sent(store: Store, **options: Any) -> list[str]:
            commands.names.clear()
            store.update(made.id, patch(description=next(texts)), actor="alice", **options)
            return commands.names[:]

        assert sent(writer, allowed=at(1)) == ["update", "insert"]
        assert sent(writer, allowed=at(2)) == ["update", "insert"]
        assert sent(writer) == ["find", "update", "insert"]  # a client that names no revision changes what is there
        # That the event before it is in the events collection, another process has to look.
        reader.get_raw(made.id)
        assert sent(reader, allowed=at(4)) == ["find", "update", "insert"]
        # What was decided on a revision that is past is worth nothing, and costs nothing where the client knows better.
        assert sent(writer, allowed=at(5)) == ["find", "find", "update", "insert"]


def test_a_change_of_another_process_is_seen(store: Store, other: Store, one: Template) -> None:
    other.update(one.id, patch(description="of the other"), actor="bob")
    with pytest.raises(RevisionMismatch) as caught:
        store.update(one.id, patch(max_nodes=3), actor="alice", allowed=at(1))
    assert caught.value.current == 2
    assert store.get(one.id).description == "of the other"
    changed = store.update(one.id, patch(max_nodes=3), actor="alice", allowed=lambda _: True)
    assert (changed.revision, changed.description, changed.max_nodes) == (3, "of the other", 3)


by_hand = pytest.mark.parametrize(
    ("edit", "shows"),
    [
        ({"$set": {"max_nodes": 77}}, {"max_nodes": 77}),
        ({"$set": {"labels": ["team=field"]}}, {"labels": {"team": "field"}}),
        ({"$set": {"labels": ["team=qa", "site=a"]}}, {"labels": {"team": "qa", "site": "a"}}),
        ({"$set": {"extra": {"$gt": 1}}}, {}),
        ({"$set": {"is_seeded": True}}, {"is_seeded": True}),
        ({"$unset": {"startup_time_minutes": 1}}, {"startup_time_minutes": 20}),
    ],
)


@by_hand
def test_an_edit_by_hand_that_left_the_revision_is_kept(
    edit: dict[str, Any], shows: dict[str, Any], store: Store, one: Template, database: Raw
) -> None:
    database.worker_templates.update_one({"_id": one.id}, edit)
    changed = store.update(one.id, patch(description="new"), actor="alice", allowed=at(1))
    assert {name: getattr(changed, name) for name in shows} == shows
    assert store.get(one.id) == changed
    assert changed.revision == 2
    assert changed.description == "new"


def test_a_template_that_is_gone_or_none_any_more(store: Store, other: Store, one: Template, database: Raw) -> None:
    database.worker_templates.update_one({"_id": one.id}, {"$set": {"capacity": "large"}})
    with pytest.raises(TemplateNotFound):
        store.update(one.id, patch(description="new"), actor="alice", allowed=at(1))
    assert database.worker_templates.find_one({"_id": one.id}, {"revision": 1})["revision"] == 1  # type: ignore[index]
    made = store.create(spec_with("two"), actor="alice")
    store.get_raw(made.id)
    other.delete(made.id, actor="bob")
    with pytest.raises(TemplateNotFound):
        store.update(made.id, patch(description="new"), actor="alice", allowed=at(1))


def test_a_template_that_was_adopted_meanwhile_is_managed(
    store: Store, other: Store, one: Template, database: Raw
) -> None:
    other.update(one.id, lambda spec: spec, actor="bob", origin=Origin(one.spec, "fleet.yaml", "fleet"))
    store.update(one.id, patch(description="new"), actor="alice", allowed=at(1))
    found = database.worker_templates.find_one({"_id": one.id})
    assert found is not None
    assert found["last_event"]["managed"]
    assert found["base"]["description"] == one.description


def test_what_is_wrong_or_changes_nothing_is_found_on_the_template_as_it_is(
    store: Store, other: Store, one: Template
) -> None:
    with pytest.raises(InvalidSpec):
        store.update(one.id, patch(max_nodes=0), actor="alice", allowed=at(1))
    store.get_raw(one.id)
    assert store.update(one.id, patch(max_nodes=one.max_nodes), actor="alice", allowed=at(1)) == one
    store.get_raw(one.id)
    other.update(one.id, patch(max_nodes=5), actor="bob")
    with pytest.raises(RevisionMismatch):
        store.update(one.id, patch(max_nodes=one.max_nodes), actor="alice", allowed=at(1))


def test_a_guard_and_a_scope_are_asked_about_the_template_that_is_written(
    store: Store, other: Store, one: Template
) -> None:
    asked: list[tuple[int, int, int | None]] = []

    def guard(template: Template, after: Template | None) -> None:
        asked.append((template.revision, template.max_nodes, None if after is None else after.max_nodes))
        if template.max_nodes == 9:
            raise NotAllowed("not this one")

    store.update(one.id, patch(max_nodes=8), actor="alice", allowed=at(1), guard=guard)
    assert asked == [(1, one.max_nodes, 8)]
    store.get_raw(one.id)
    other.update(one.id, patch(max_nodes=9), actor="bob")
    asked.clear()
    with pytest.raises(NotAllowed):  # the guess was allowed, the template is not
        store.update(one.id, patch(description="x"), actor="alice", allowed=lambda _: True, guard=guard)
    assert asked == [(2, 8, 8), (3, 9, 9)]
    mine, theirs = (store.within(scope_of({"label": f"team={team}"})) for team in ("qa", "field"))
    mine.get_raw(one.id)
    with pytest.raises(TemplateNotFound):
        theirs.update(one.id, patch(description="x"), actor="eve", allowed=at(3))
    mine.get_raw(one.id)
    with pytest.raises(NotAllowed):
        mine.update(one.id, patch(labels={"team": "field"}), actor="eve", allowed=at(3))
    assert store.within(ALL).get(one.id).revision == 3


@by_hand
def test_a_claim_is_allowed_for_the_template_that_it_is_made_on(
    edit: dict[str, Any], shows: dict[str, Any], store: Store, one: Template, database: Raw
) -> None:
    asked: list[Template] = []

    def guard(template: Template, _: Template | None) -> None:
        asked.append(template)

    for act in (store.claim, partial(store.claim, ttl=60), store.release):
        act(one.id, "w1", actor="w", guard=guard)  # from here on it is remembered
        before = database.worker_templates.find_one({"_id": one.id}) or {}
        database.worker_templates.update_one({"_id": one.id}, edit)
        act(one.id, "w1", actor="w", guard=guard)
        assert asked[-1] == store.get(one.id)
        assert {name: getattr(asked[-1], name) for name in shows} == shows
        database.worker_templates.replace_one({"_id": one.id}, before)


def test_a_guard_of_claims_is_heard_for_the_template_as_it_is(store: Store, other: Store, one: Template) -> None:
    asked: list[int] = []

    def guard(template: Template, _: Template | None) -> None:
        asked.append(template.max_nodes)
        if template.max_nodes == 9:
            raise NotAllowed("not this one")

    def act() -> list[int]:
        asked.clear()
        with suppress(NotAllowed):
            store.claim(one.id, "w", actor="w", ttl=60, guard=guard)
        return asked

    assert act() == [one.max_nodes]
    other.update(one.id, patch(max_nodes=9), actor="bob")
    assert act() == [one.max_nodes, 9]  # the guess was allowed, the template is not
    assert act() == [9]
    other.update(one.id, patch(max_nodes=8), actor="bob")
    assert act() == [9, 8]  # and the other way round
    assert act() == [8]
    asked.clear()
    theirs = store.within(scope_of({"label": "team=field"}))
    for call in (partial(theirs.claim, ttl=60), theirs.release):
        with pytest.raises(TemplateNotFound):
            call(one.id, "w", actor="eve", guard=guard)
    assert not asked


@mongod_only  # to mongomock, true is 1
def test_a_guard_is_asked_anew_where_a_number_has_become_a_boolean(store: Store, database: Raw) -> None:
    one = store.create({**spec_with("one"), "extra": {"shared": 1}}, actor="alice").id

    def guard(template: Template, _: Template | None) -> None:
        if template.extra["shared"] is True:
            raise NotAllowed("not this one")

    store.claim(one, "w1", actor="w", guard=guard)
    database.worker_templates.update_one({"_id": one}, {"$set": {"extra": {"shared": True}}})
    with pytest.raises(NotAllowed):
        store.claim(one, "w2", actor="w", guard=guard)


@mongod_only
def test_no_lease_but_the_workers_own_is_renewed(store: Store, one: Template, database: Raw) -> None:
    """Not even where somebody has made an array of what the command looks at, in which MongoDB finds what was there."""

    def guard(template: Template, _: Template | None) -> None:
        """Let everybody."""

    def leases() -> dict[str, int]:
        stored = database.worker_templates.find_one({"_id": one.id}, {"claims": 1}) or {}
        return {claim["worker_id"]: claim["ttl_seconds"] for claim in stored["claims"]}

    workers = ["w1", "w2", "w3"]
    for worker in workers:
        store.claim(one.id, worker, actor="w", ttl=60, guard=guard)
    assert store.claim(one.id, "w2", actor="w", ttl=300, guard=guard)[1] == "renewed"
    assert leases() == {"w1": 60, "w2": 300, "w3": 60}
    database.worker_templates.update_one({"_id": one.id}, {"$set": {"max_nodes": [1, 2, one.max_nodes]}})
    with pytest.raises(TemplateNotFound):
        store.claim(one.id, "w2", actor="w", ttl=600, guard=guard)
    assert {worker: leases()[worker] for worker in ("w1", "w3")} == {"w1": 60, "w3": 60}


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Known, "MAX", 2)
    known = Known()
    for name in "abc":
        known.note_written({"_id": name, "claims": [1] * 9_000})
    known.note_written({"_id": "d", "description": "x" * 9_000})
    assert [known.take(name) for name in "abcd"] == [None, {"_id": "b"}, {"_id": "c"}, None]
    assert known.take("c") is None


def test_a_lease_that_this_process_made_is_renewed_by_the_cheaper_command(database_uri: str) -> None:
    with monitored(database_uri) as (config, commands):
        store, other = make_store(config), make_store(config)
        one = store.create(spec_with("one"), actor="alice").id

        def claim(by: Store = store, worker: str = "w1", ttl: int = 600) -> tuple[str, int]:
            commands.names.clear()
            _, outcome = by.claim(one, worker, actor="fleet", ttl=ttl)
            return outcome, len(commands.names)

        assert claim() == ("made", 1)
        assert claim() == ("renewed", 1)
        assert claim(other) == ("renewed", 1)  # which knows nothing of it yet
        other.release(one, "w1", actor="fleet")
        assert claim() == ("made", 2)  # a guess that was wrong
        store.release(one, "w1", actor="fleet")
        assert claim() == ("made", 1)


def test_the_leases_that_are_known_are_bounded_and_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KnownClaims, "MAX", 2)
    known = KnownClaims()
    now = datetime.now(UTC)

    def claim(worker: str, ttl: int | None) -> Claim:
        return Claim(
            worker_id=worker,
            actor="fleet",
            claimed_at=now,
            ttl_seconds=ttl,
            renewed_at=None if ttl is None else now,
            expires_at=None if ttl is None else now + timedelta(seconds=ttl),
        )

    for worker, ttl in (("a", 60), ("b", 60), ("c", 60), ("d", None), ("c", 0)):
        known.note("one", claim(worker, ttl))
    assert [list(known.of("one", worker)) for worker in "abcd"] == [[], [claim("b", 60)], [], []]
    known.forget("one", "b")
    assert not known.of("one", "b")
