"""Claims with leases, restores and syncs over HTTP, killed and overtaken between any two of their commands."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from pymongo.database import Database

from flask_worker_templates import NameTaken, RestoreRefused, TemplateInUse, TemplateNotFound
from flask_worker_templates.model.parameters import Paging
from flask_worker_templates.model.spec import patched
from flask_worker_templates.model.template import Action
from flask_worker_templates.reconcile.seed import seed
from flask_worker_templates.store.store import Store
from tests.chaos import child
from tests.chaos.checker import Use, Write, assert_whole
from tests.chaos.child import Child, Stop, after_each, writes_of
from tests.support.ownership import read_owned
from tests.support.strategies import spec_with

Raw = Database[dict[str, Any]]
WORKER = "worker-1"


# A restore is fenced by its placeholder


class Others:
    """Who restores, edits and deletes while a restore stands still, and what they were told."""

    def __init__(self, store: Store, template_id: str) -> None:
        self._store, self._id = store, template_id
        self.writes: list[Write] = []

    def restore(self) -> None:
        made = self._store.restore(self._id, actor="others")
        self.writes.append(Write(self._id, "restored", made.revision, "others", made.spec))

    def edit(self) -> None:
        text = f"edit {len(self.writes)}"
        made = self._store.update(self._id, lambda spec: patched(spec, {"description": text}), actor="others")
        self.writes.append(Write(self._id, "updated", made.revision, "others", made.spec))

    def delete(self) -> None:
        self._store.delete(self._id, actor="others")
        self.writes.append(Write(self._id, "deleted", actor="others"))

    def take_the_name(self) -> None:
        made = self._store.create(spec_with(f"deleted {self._id}"), actor="others")
        self.writes.append(Write(made.id, "created", 1, "others", made.spec))


OVERTAKEN: dict[str, list[Callable[[Others], None]]] = {
    "restored": [Others.restore],
    "edited": [Others.restore, Others.edit],
    "deleted again": [Others.restore, Others.edit, Others.delete],
    "restored again": [Others.restore, Others.delete, Others.restore, Others.edit],
    "name taken": [Others.take_the_name],
}


@pytest.fixture
def running() -> Iterator[list[Child]]:
    """Processes that are killed at the end, should they stand still."""
    started: list[Child] = []
    yield started
    for one in started:
        one.process.kill()
        one.process.join()


def gone(store: Store) -> Others:
    """A template that was created, named after its id, edited and deleted."""
    made = store.create(spec_with("new"), actor="others")
    others = Others(store, made.id)
    others.writes.append(Write(made.id, "created", 1, "others", made.spec))
    renamed = store.update(made.id, lambda spec: {**spec, "name": f"deleted {made.id}"}, actor="others")
    others.writes.append(Write(made.id, "updated", 2, "others", renamed.spec))
    others.delete()
    return others


@pytest.mark.parametrize("happens", OVERTAKEN)
def test_a_restore_that_is_overtaken_between_any_two_commands_loses_nothing(
    happens: str, uri: str, store: Store, raw: Raw, running: list[Child]
) -> None:
    commands = child.run(uri, "restore", gone(store)._id).commands
    points = [Stop(one, commands[:number].count(one), signal=signal.SIGSTOP) for number, one in enumerate(commands)]
    stopped = [(stop, gone(store)) for stop in points]
    for stop, others in stopped:  # all of them stand still at the same time
        running.append(child.start(uri, "restore", others._id, stops=[stop]))
    writes: list[Write] = []
    for one, (stop, others) in zip(running, stopped, strict=True):
        one.wait_frozen()
        for act in OVERTAKEN[happens]:
            try:
                act(others)
            except (RestoreRefused, NameTaken):  # the one that stands still had come so far that it is back
                assert stop == points[-1]
        one.go_on()
        assert one.join().outcome is not None
        assert one.outcome is not None
        outcome, result = one.outcome
        if outcome == "ok":
            writes.append(Write(others._id, "restored", result["revision"], "child", result))
        else:
            assert outcome in {RestoreRefused.__name__, NameTaken.__name__}
        writes += others.writes
    assert_whole(raw, writes)
    assert raw.worker_templates.count_documents({"restoring": {"$exists": True}}) == 0


# Claims with leases, each of one command


@dataclass(frozen=True)
class Case:
    """What there is before an operation, and what must be there when its one command was carried out.

    Attributes:
        command: that changes something.
        leases: by worker, the age in seconds of a lease of 60 that there is already.
        left: the workers that have a claim afterwards.
        limit: the template's `max_claims`.
    """

    operation: str
    arguments: tuple[Any, ...]
    command: str
    leases: dict[str, int]
    left: list[str] | None
    limit: int | None = None


CLAIMING = ("claim", (WORKER, 60), "findAndModify T")
CASES = {
    "a new lease": Case(*CLAIMING, {}, [WORKER]),
    "a renewal": Case(*CLAIMING, {WORKER: 30, "other": 0}, [WORKER, "other"]),
    "a renewal without a time": Case("claim", (WORKER,), "findAndModify T", {WORKER: 30}, [WORKER]),
    "a new lease after the end of the last": Case(*CLAIMING, {WORKER: 90, "other": 0}, ["other", WORKER]),
    "a new lease in the place of one that ended": Case(*CLAIMING, {"other": 90}, [WORKER], limit=1),
    "a release": Case("release", (WORKER,), "findAndModify T", {WORKER: 0, "other": 0}, ["other"]),
    "a deletion after all leases ended": Case("delete", (), "delete T", {WORKER: 90, "other": 90}, None),
}


@pytest.mark.parametrize("name", CASES)
def test_a_kill_leaves_a_claim_made_or_not_made(name: str, uri: str, store: Store, raw: Raw) -> None:
    case = CASES[name]
    for after in (False, True):
        target = store.create(spec_with(f"{name} {after}", max_claims=case.limit), actor="test").id
        for worker in case.leases:
            store.claim(target, worker, actor="test", ttl=60)
        before = [aged(claim, case.leases[claim["worker_id"]]) for claim in claims(raw, target) or []]
        raw.worker_templates.update_one({"_id": target}, {"$set": {"claims": before}})
        killed = child.run(uri, case.operation, target, *case.arguments, stop=Stop(case.command, after=after))
        assert killed.died
        if not after:
            assert claims(raw, target) == before
        elif case.left is None:
            assert claims(raw, target) is None
        else:
            check_claimed(case, claims(raw, target))
        # Who got no answer asks again.
        again = child.run(uri, case.operation, target, *case.arguments).outcome
        assert again is not None
        if case.left is None:
            assert again[0] == (TemplateNotFound.__name__ if after else "ok")
            continue
        assert again[0] == "ok"
        check_claimed(case, claims(raw, target))
        with pytest.raises(TemplateInUse):
            store.delete(target, actor="test")
        assert_whole(raw, uses=[Use(target, worker) for worker in case.left])
    assert_whole(raw)


def claims(raw: Raw, target: str) -> list[dict[str, Any]] | None:
    found = raw.worker_templates.find_one({"_id": target})
    return None if found is None else found["claims"]


def aged(claim: dict[str, Any], seconds: int) -> dict[str, Any]:
    """A claim as if it had been made so much earlier."""
    age = timedelta(seconds=seconds)
    return {**claim, "claimed_at": claim["claimed_at"] - age, "renewed_at": claim["renewed_at"] - age}


def check_claimed(case: Case, found: list[dict[str, Any]] | None) -> None:
    assert found is not None
    assert [claim["worker_id"] for claim in found] == case.left
    own = [claim for claim in found if claim["worker_id"] == WORKER]
    now = datetime.now(UTC).replace(tzinfo=None)
    if case.operation == "claim":
        assert now - own[0]["renewed_at"] < timedelta(seconds=25)  # a lease of 30 s ago was renewed
        renewed = case.leases.get(WORKER, 90) < 60
        assert (now - own[0]["claimed_at"] > timedelta(seconds=25)) is renewed


# A sync over HTTP

OPTIONS = {"prune": True, "prune_any_source": True, "on_conflict": "file", "restore": ["deleted"]}


def test_a_kill_in_a_sync_over_http_and_the_next_one_goes_on(uri: str, store: Store, raw: Raw, tmp_path: Path) -> None:
    file = tmp_path / "worker_templates.yaml"

    def build() -> list[Write]:
        """Templates to create, to restore, to change, to prune; and one in use, which stays."""
        for collection in ("worker_templates", "worker_template_events"):
            raw[collection].delete_many({})
        names = ["changed", "deleted", "orphan"]
        file.write_text(yaml.safe_dump({"templates": [spec_with(name) for name in names]}))
        seed(store, read_owned([str(file)], tmp_path))
        deleted = store.get_by_name("deleted").id
        store.delete(deleted, actor="test")
        specs = [spec_with("changed", max_nodes=7), spec_with("deleted", max_nodes=7), spec_with("new")]
        file.write_text(yaml.safe_dump({"templates": specs}))
        return [Write(deleted, "deleted", actor="test")]

    build()
    whole = child.run(uri, "sync over HTTP", uri, str(file), OPTIONS)
    assert whole.outcome is not None
    assert whole.outcome[0] == "ok", whole.outcome
    assert whole.outcome[1]["complete"]
    synced = shape(store)
    assert [(name, nodes, actions[-1]) for name, nodes, actions in synced] == [
        ("changed", 7, "synced"), ("deleted", 7, "restored"), ("new", 20, "seeded")
    ]  # fmt: skip
    writes_sent = writes_of(whole.commands)
    assert writes_sent == (
        *("insert T", "insert E"),  # a new one
        *("insert T", "update T", "insert E"),  # the deleted one: placeholder, commit, copy
        *("update T", "insert E"),  # the changed one
        *("findAndModify T", "update E", "delete T"),  # the orphan
    )
    stops = after_each(writes_sent)
    for stop in stops[2:5]:  # the others are those of every sync
        writes = build()
        killed = child.run(uri, "sync over HTTP", uri, str(file), OPTIONS, stop=stop)
        assert killed.died, (stop, killed.outcome)
        assert_whole(raw, writes)
        again = child.run(uri, "sync over HTTP", uri, str(file), OPTIONS).outcome
        assert again is not None
        assert again[0] == "ok", (stop, again)
        assert again[1]["complete"]
        assert shape(store) == synced
        assert_whole(raw, writes)
    idle = child.run(uri, "sync over HTTP", uri, str(file), OPTIONS)
    assert writes_of(idle.commands) == ()


def shape(store: Store) -> list[tuple[str, int, list[Action]]]:
    """Each template with what happened to it, without ids and times."""
    return [
        (
            managed.spec["name"],
            managed.spec["max_nodes"],
            [event.action for event in store.history(managed.id, Paging(1, 50))][::-1],
        )
        for managed in sorted(store.managed(), key=lambda managed: str(managed.spec["name"]))
    ]
