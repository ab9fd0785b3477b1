"""Many at once on a real server: processes and threads that seed, create, rename, update, revert, claim and delete."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml
from pymongo import MongoClient
from pymongo.database import Database

from flask_worker_templates.errors import (
    DuplicateNames,
    NameTaken,
    RevisionMismatch,
    TemplateInUse,
    TemplateNotFound,
    WorkerTemplatesError,
)
from flask_worker_templates.model.parameters import Paging
from flask_worker_templates.model.spec import patched
from flask_worker_templates.model.template import Template
from flask_worker_templates.store.store import Store
from tests.chaos import child
from tests.chaos.checker import Use, Write, assert_whole
from tests.support.strategies import spec_with

Raw = Database[dict[str, Any]]
T = TypeVar("T")


def at_once(*works: Callable[[], T]) -> list[T | WorkerTemplatesError]:
    """Run all works at the same moment, each in a thread; return what each returned or was refused with."""
    barrier = threading.Barrier(len(works))

    def run(work: Callable[[], T]) -> T | WorkerTemplatesError:
        barrier.wait()
        try:
            return work()
        except WorkerTemplatesError as error:
            return error

    with ThreadPoolExecutor(len(works)) as threads:
        return list(threads.map(run, works))


def of(results: Sequence[object], kind: type[T]) -> list[T]:
    return [result for result in results if isinstance(result, kind)]


def write(template: Template, action: str, actor: str) -> Write:
    return Write(template.id, action, template.revision, actor, template.spec)


@pytest.fixture
def target(store: Store) -> Template:
    return store.create(spec_with("target"), actor="test")


# Processes


def test_16_processes_seed_500_templates(uri: str, raw: Raw, tmp_path: Path) -> None:
    file = tmp_path / "worker_templates.yaml"
    names = [f"seeded-{number:03}" for number in range(500)]
    file.write_text(yaml.safe_dump({"templates": [spec_with(name) for name in names]}))
    results = [one.join() for one in [child.start(uri, "seed", str(file)) for _ in range(16)]]
    created: list[str] = []
    for result in results:
        assert result.outcome is not None
        assert result.outcome[0] == "ok", result.outcome
        created += result.outcome[1]["created"]
    assert sorted(created) == names  # each by one of them
    assert raw.worker_templates.count_documents({}) == 500
    assert raw.worker_template_events.count_documents({"action": "seeded", "actor": "seeder"}) == 500
    assert raw.worker_template_events.count_documents({}) == 500
    assert_whole(raw)


def test_16_processes_make_the_indexes_and_seed_into_nothing(database_uri: str, tmp_path: Path) -> None:
    file = tmp_path / "worker_templates.yaml"
    file.write_text(yaml.safe_dump({"templates": [spec_with("a"), spec_with("b")]}))
    for operation, arguments in (("prepare", ()), ("seed", (str(file),))):
        started = [child.start(database_uri, operation, *arguments) for _ in range(16)]
        outcomes = [one.join().outcome for one in started]
        assert [outcome[0] for outcome in outcomes if outcome] == ["ok"] * 16, outcomes
    with MongoClient[dict[str, Any]](database_uri) as client:
        raw = client.get_default_database()
        assert "name_unique" in raw.worker_templates.index_information()
        assert len(raw.worker_template_events.index_information()) > 1
        assert raw.worker_templates.count_documents({}) == 2
        assert_whole(raw)


def test_processes_that_make_the_indexes_beside_one_that_has_data_already(database_uri: str) -> None:
    with MongoClient[dict[str, Any]](database_uri) as client:
        raw = client.get_default_database()
        store = child.make_store(database_uri)
        for number in range(300):
            raw.worker_templates.insert_one({"_id": f"{number}", "name": f"{number}"})
        started = [child.start(database_uri, "prepare") for _ in range(8)]
        assert [one.join().outcome for one in started] == [("ok", None)] * 8
        store.make_indexes()
        assert "name_unique" in raw.worker_templates.index_information()


def test_duplicate_names_are_listed_and_nothing_is_deleted(database_uri: str) -> None:
    with MongoClient[dict[str, Any]](database_uri) as client:
        raw = client.get_default_database()
        raw.worker_templates.insert_many(
            [{"_id": f"{number}", "name": name} for number, name in enumerate(["twice", "once", "thrice"] * 2)]
        )
        raw.worker_templates.insert_one({"_id": "6", "name": "thrice"})
        raw.worker_templates.delete_one({"name": "once"})
        before = list(raw.worker_templates.find())
        store = child.make_store(database_uri)
        for _ in range(2):
            with pytest.raises(DuplicateNames) as caught:
                store.make_indexes()
            assert caught.value.names == {"thrice": 3, "twice": 2}
            assert "'thrice' (3 times)" in str(caught.value)
            assert "'once'" not in str(caught.value)
        assert list(raw.worker_templates.find()) == before
        raw.worker_templates.delete_many({"_id": {"$in": ["3", "5", "6"]}})
        store.make_indexes()


# Threads


@pytest.mark.parametrize("turn", range(5))
def test_creations_of_one_name(turn: int, raw: Raw, store: Store) -> None:
    results = at_once(*[lambda n=n: store.create(spec_with("one"), actor=f"a{n}") for n in range(12)])
    (winner,) = of(results, Template)
    refused = of(results, NameTaken)
    assert len(refused) == 11
    assert {error.template_id for error in refused} == {winner.id}
    assert_whole(raw, [Write(winner.id, "created", 1, spec=winner.spec)], once=True)


def test_every_unconditional_update_lands(uri: str, raw: Raw, target: Template) -> None:
    """Threads of two stores, as of two processes; each counts a label of its own up."""

    def count(store: Store, label: str) -> list[Write]:
        done = []
        for number in range(1, 11):
            made = store.update(target.id, lambda spec: patched(spec, {"labels": {label: str(number)}}), actor=label)  # noqa: B023
            assert made.labels[label] == str(number)
            done.append(write(made, "updated", label))
        return done

    stores = [child.make_store(uri), child.make_store(uri)]
    results = at_once(*[lambda n=n: count(stores[n % 2], f"l{n}") for n in range(8)])
    writes = [one for result in results if isinstance(result, list) for one in result]
    assert len(writes) == 80
    assert stores[0].get(target.id).labels == {f"l{number}": "10" for number in range(8)}
    assert stores[0].get(target.id).revision == 81
    assert_whole(raw, writes)


def test_of_conditional_updates_one_wins_each_revision(raw: Raw, store: Store, target: Template) -> None:
    writes: list[Write] = []
    for revision in range(1, 11):
        results = at_once(
            *[
                lambda n=n, r=revision: store.update(
                    target.id,
                    lambda spec: patched(spec, {"description": f"{r} {n}"}),
                    actor=f"{r} {n}",
                    allowed=r.__eq__,
                )
                for n in range(8)
            ]
        )
        (winner,) = of(results, Template)
        assert winner.revision == revision + 1
        assert len(of(results, RevisionMismatch)) == 7
        writes.append(write(winner, "updated", winner.description))
    assert_whole(raw, writes)


@pytest.mark.parametrize("turn", range(10))
def test_claims_against_a_deletion(turn: int, raw: Raw, store: Store, target: Template) -> None:
    def claim(number: int) -> Use:
        store.claim(target.id, f"w{number}", actor="test")
        return Use(target.id, f"w{number}")

    results = at_once(
        lambda: store.delete(target.id, actor="deleter"),
        *[lambda n=n: claim(n) for n in range(4)],
    )
    uses = of(results[1:], Use)
    if isinstance(results[0], Template):
        assert len(of(results, TemplateNotFound)) == 4
        assert_whole(raw, [Write(target.id, "deleted", actor="deleter")], uses)
    else:
        assert isinstance(results[0], TemplateInUse)
        assert len(uses) == 4
        assert raw.worker_template_events.count_documents({"action": "deleted"}) == 0
        assert_whole(raw, [], uses)


def test_one_worker_claims_many_times_at_once(raw: Raw, store: Store, target: Template) -> None:
    results = at_once(*[lambda: store.claim(target.id, "worker", actor="test")[1]] * 10)
    assert Counter(results) == {"made": 1, "unchanged": 9}
    assert store.claims(target.id, Paging(1, 10)).total == 1
    assert_whole(raw, [], [Use(target.id, "worker")])


@pytest.mark.parametrize("turn", range(8))
def test_two_deletions_the_trail_names_the_one_that_was_told_so(
    turn: int, raw: Raw, store: Store, target: Template
) -> None:
    results = at_once(*[lambda n=n: store.delete(target.id, actor=f"a{n}") for n in range(4)])
    (winner,) = [number for number, result in enumerate(results) if isinstance(result, Template)]
    assert len(of(results, TemplateNotFound)) == 3
    assert_whole(raw, [Write(target.id, "deleted", actor=f"a{winner}")])


@pytest.mark.parametrize("turn", range(5))
def test_renames_and_creations_of_one_name(turn: int, raw: Raw, store: Store) -> None:
    others = [store.create(spec_with(f"other-{number}"), actor="test") for number in range(4)]

    def rename(one: Template) -> Template:
        return store.update(one.id, lambda spec: patched(spec, {"name": "wanted"}), actor="renamer")

    results = at_once(
        *[lambda one=one: rename(one) for one in others],
        *[lambda: store.create(spec_with("wanted"), actor="creator")] * 4,
    )
    (winner,) = of(results, Template)
    refused = of(results, NameTaken)
    assert len(refused) == 7
    assert {error.template_id for error in refused} == {winner.id}
    assert store.get_by_name("wanted").id == winner.id
    assert_whole(raw)


@pytest.mark.parametrize("turn", range(5))
def test_reverts_against_updates_and_a_deletion(turn: int, raw: Raw, store: Store, target: Template) -> None:
    store.update(target.id, lambda spec: patched(spec, {"description": "second"}), actor="test")

    def update(number: int) -> Write:
        change = {"description": f"u{number}", "labels": {f"u{number}": ""}}
        made = store.update(target.id, lambda spec: patched(spec, change), actor=f"u{number}")
        return write(made, "updated", f"u{number}")

    def revert(number: int) -> Write:
        made = store.revert(target.id, 1 + number % 2, actor=f"r{number}")
        return Write(target.id, "reverted", made.revision, f"r{number}", made.spec, may_be_nothing=True)

    def delete() -> Write:
        store.delete(target.id, actor="deleter")
        return Write(target.id, "deleted", actor="deleter")

    works: list[Callable[[], Write]] = [
        *[lambda n=n: update(n) for n in range(3)],
        *[lambda n=n: revert(n) for n in range(4)],
    ]
    if turn % 2:
        works.append(delete)
    results = at_once(*works)
    assert {type(result) for result in results} <= {Write, TemplateNotFound}
    if not turn % 2:
        assert len(of(results, Write)) == 7  # all of them land
    assert_whole(raw, of(results, Write))
