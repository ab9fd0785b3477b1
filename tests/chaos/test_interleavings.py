"""Two at once, in the orders that a lucky run never shows: one process is frozen between two of its commands.

The frozen one is a process of its own (see `child`); the other is this one, or another frozen one.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pymongo.database import Database

from flask_worker_templates.errors import TemplateInUse, TemplateNotFound
from flask_worker_templates.model.parameters import Paging, trail_parameters
from flask_worker_templates.model.spec import patched
from flask_worker_templates.model.template import Template
from flask_worker_templates.store.store import Store
from tests.chaos import child
from tests.chaos.checker import Write, assert_whole
from tests.chaos.child import Child, Stop
from tests.support.strategies import spec_with

Raw = Database[dict[str, Any]]


@pytest.fixture
def target(store: Store) -> Template:
    return store.create(spec_with("target"), actor="test")


@pytest.fixture
def frozen(uri: str) -> Iterator[Any]:
    """Starts an operation that freezes at a command; what is left frozen is killed at the end."""
    started: list[Child] = []

    def start(operation: str, *arguments: Any, at: str, after: bool = False, then: Stop | None = None) -> Child:
        stops = [Stop(at, after=after, signal=signal.SIGSTOP), *([then] if then else [])]
        one = child.start(uri, operation, *arguments, stops=stops)
        started.append(one)
        one.wait_frozen()
        while one.reports.poll():
            one.commands.append(one.reports.recv())
        assert one.commands[-1] == at
        return one

    yield start
    for one in started:
        one.process.kill()
        one.process.join()


def describe(store: Store, template_id: str, text: str) -> Template:
    return store.update(template_id, lambda spec: patched(spec, {"description": text}), actor="test")


def actions(store: Store, template_id: str) -> list[str]:
    """Of one template, oldest first; the whole trail must say the same."""
    one = list(store.history(template_id, Paging(1, 200)))
    assert [event for event in store.trail(trail_parameters({})) if event.template_id == template_id] == one
    return [event.action for event in reversed(one)]


def finish(one: Child) -> tuple[str, Any]:
    one.go_on()
    one.join()
    assert one.outcome is not None
    return one.outcome


def test_two_deletions_the_earlier_turn_comes_again(frozen: Any, raw: Raw, target: Template) -> None:
    first = frozen("delete", target.id, "first", at="update E", after=True)
    second = frozen("delete", target.id, "second", at="update E")
    assert finish(first)[0] == "ok"  # its turn was over: it took another one
    assert finish(second)[0] == TemplateNotFound.__name__
    assert_whole(raw, [Write(target.id, "deleted", actor="first")])


@pytest.mark.parametrize("at", ["find E", "update E"])
def test_two_deletions_the_earlier_one_is_late_with_its_event(
    at: str, frozen: Any, raw: Raw, store: Store, target: Template
) -> None:
    late = frozen("delete", target.id, "late", at=at)
    store.delete(target.id, actor="test")
    assert finish(late)[0] == TemplateNotFound.__name__
    assert_whole(raw, [Write(target.id, "deleted", actor="test")])


def test_two_deletions_the_one_that_happens_dies_at_once(
    frozen: Any, uri: str, raw: Raw, store: Store, target: Template
) -> None:
    """The event names the one who removed the template, whoever else announced a deletion, and whenever."""
    before = frozen("delete", target.id, "before", at="update E")
    announced = frozen("delete", target.id, "announced", at="delete T")
    killed = child.run(uri, "delete", target.id, "killed", stop=Stop("delete T", after=True))
    assert killed.died
    assert finish(announced)[0] == TemplateNotFound.__name__
    assert finish(before)[0] == TemplateNotFound.__name__
    assert actions(store, target.id) == ["created", "deleted"]
    assert_whole(raw, [Write(target.id, "deleted", actor="killed")])


def test_two_deletions_the_one_that_happens_dies_while_the_other_withdraws(
    frozen: Any, raw: Raw, store: Store, target: Template
) -> None:
    withdraws = Stop("delete E", signal=signal.SIGSTOP)
    first = frozen("delete", target.id, "first", at="delete T", then=withdraws)
    store.claim(target.id, "worker", actor="test")
    first.go_on()
    time.sleep(0.05)  # it leaves the one stop before it reaches the other
    first.wait_frozen()
    store.release(target.id, "worker", actor="test")
    second = frozen("delete", target.id, "second", at="delete T", then=Stop("delete T", after=True))
    second.go_on()
    assert second.join().died
    assert finish(first)[0] == TemplateNotFound.__name__
    assert actions(store, target.id) == ["created", "deleted"]
    assert_whole(raw, [Write(target.id, "deleted", actor="second")])


def test_a_deletion_that_meets_a_claim_withdraws(frozen: Any, raw: Raw, store: Store, target: Template) -> None:
    deleting = frozen("delete", target.id, at="delete T")
    store.claim(target.id, "worker", actor="test")
    assert finish(deleting) == (
        TemplateInUse.__name__,
        str(TemplateInUse("target", claims=1, workers=["worker"])),
    )
    assert raw.worker_template_events.count_documents({"action": "deleted"}) == 0
    assert actions(store, target.id) == ["created"]
    store.release(target.id, "worker", actor="test")
    store.delete(target.id, actor="test")
    assert_whole(raw, [Write(target.id, "deleted", actor="test")])


def test_a_claim_that_comes_after_the_deletion_fails(frozen: Any, raw: Raw, store: Store, target: Template) -> None:
    claiming = frozen("claim", target.id, "worker", at="findAndModify T")
    store.delete(target.id, actor="test")
    assert finish(claiming)[0] == TemplateNotFound.__name__
    assert_whole(raw, [Write(target.id, "deleted", actor="test")])


def test_an_update_between_the_announcement_and_the_deletion_is_deleted_too(
    frozen: Any, raw: Raw, store: Store, target: Template
) -> None:
    deleting = frozen("delete", target.id, at="delete T")
    updated = describe(store, target.id, "between")
    assert finish(deleting)[0] == "ok"
    assert actions(store, target.id) == ["created", "updated", "deleted"]
    assert_whole(raw, [Write(target.id, "updated", updated.revision, "test", updated.spec)])


def test_an_intent_in_the_place_of_a_committed_event_that_is_not_copied_yet(
    frozen: Any, uri: str, raw: Raw, store: Store, target: Template
) -> None:
    deleting = frozen("delete", target.id, at="update E")
    killed = child.run(uri, "update", target.id, {"description": "committed"}, stop=Stop("update T", after=True))
    assert killed.died
    deleting.go_on()
    deleting.join()  # finds the revision moved on, and deletes that one
    assert deleting.outcome[0] == "ok"
    assert actions(store, target.id) == ["created", "updated", "deleted"]
    assert_whole(raw)


def test_an_intent_in_the_place_of_a_committed_event_and_both_writers_dead(
    frozen: Any, uri: str, raw: Raw, store: Store, target: Template
) -> None:
    deleting = frozen("delete", target.id, at="update E")
    child.run(uri, "update", target.id, {"description": "committed"}, stop=Stop("update T", after=True))
    deleting.process.kill()
    raw.worker_template_events.insert_one(
        # What it was about to send, had it died one command later.
        {**raw.worker_templates.find_one({})["last_event"], "action": "deleted", "token": "intent"}  # type: ignore[index]
    )
    assert actions(store, target.id) == ["created", "updated"]
    assert_whole(raw)
    reverted = store.revert(target.id, 1, actor="test")
    assert actions(store, target.id) == ["created", "updated", "reverted"]
    assert_whole(raw, [Write(target.id, "reverted", reverted.revision, "test", reverted.spec)])


@pytest.mark.parametrize("end", ["live", "deleted"])
def test_a_copy_that_comes_late_changes_nothing(
    end: str, frozen: Any, raw: Raw, store: Store, target: Template
) -> None:
    late = frozen("update", target.id, {"description": "late"}, at="insert E")
    describe(store, target.id, "next")
    describe(store, target.id, "and on")
    if end == "deleted":
        store.delete(target.id, actor="test")
    outcome, result = finish(late)
    assert outcome == "ok"
    assert actions(store, target.id) == ["created", *["updated"] * 3, *["deleted"] * (end == "deleted")]
    assert_whole(raw, [Write(target.id, "updated", 2, "child", result)])


def test_a_copy_of_a_creation_that_comes_after_the_deletion(frozen: Any, raw: Raw, store: Store) -> None:
    creating = frozen("create", spec_with("new"), at="insert E")
    made = store.get_by_name("new")
    assert actions(store, made.id) == ["created"]
    store.delete(made.id, actor="test")
    assert finish(creating)[0] == "ok"
    assert actions(store, made.id) == ["created", "deleted"]
    assert_whole(raw, [Write(made.id, "created", 1, "child", made.spec), Write(made.id, "deleted", actor="test")])


def test_an_unconditional_update_lands_on_the_state_that_was_faster(
    frozen: Any, raw: Raw, store: Store, target: Template
) -> None:
    updating = frozen("update", target.id, {"labels": {"a": "1"}}, at="update T")
    store.update(target.id, lambda spec: patched(spec, {"labels": {"b": "2"}}), actor="test")
    outcome, result = finish(updating)
    assert outcome == "ok"
    assert result["labels"] == {"a": "1", "b": "2"}
    assert result["revision"] == 3
    assert_whole(raw, [Write(target.id, "updated", 3, "child", result)])


def test_a_conditional_update_does_not(frozen: Any, raw: Raw, store: Store, target: Template) -> None:
    updating = frozen("update", target.id, {"labels": {"a": "1"}}, 1, at="update T")
    store.update(target.id, lambda spec: patched(spec, {"labels": {"b": "2"}}), actor="test")
    assert finish(updating)[0] == "RevisionMismatch"
    assert store.get(target.id).labels == {"b": "2"}
    assert_whole(raw)


def test_a_revert_lands_on_the_update_that_was_faster(frozen: Any, raw: Raw, store: Store, target: Template) -> None:
    describe(store, target.id, "second")
    reverting = frozen("revert", target.id, 1, at="update T")
    describe(store, target.id, "third")
    outcome, result = finish(reverting)
    assert (outcome, result["revision"], result["description"]) == ("ok", 4, "")
    assert_whole(raw, [Write(target.id, "reverted", 4, "child", result)])


def test_a_rename_and_a_creation_of_one_name(frozen: Any, raw: Raw, store: Store, target: Template) -> None:
    renaming = frozen("update", target.id, {"name": "wanted"}, at="update T")
    holder = store.create(spec_with("wanted"), actor="test")
    assert finish(renaming)[0] == "NameTaken"
    assert store.get(target.id).name == "target"
    creating = frozen("create", spec_with("free"), at="insert T")
    store.update(holder.id, lambda spec: patched(spec, {"name": "free"}), actor="test")
    assert finish(creating)[0] == "NameTaken"
    assert_whole(raw)


def test_seeding_that_another_has_done_meanwhile(frozen: Any, uri: str, raw: Raw, store: Store, tmp_path: Path) -> None:
    file = tmp_path / "worker_templates.yaml"
    file.write_text(yaml.safe_dump({"templates": [spec_with(name) for name in ("a", "b", "c")]}))
    seeding = frozen("seed", str(file), at="insert T")
    store.create(spec_with("b", description="by hand"), actor="test")
    other = child.run(uri, "seed", str(file)).outcome
    assert other is not None
    assert other[1]["created"] == ["a", "c"]
    outcome, result = finish(seeding)
    assert (outcome, result["created"]) == ("ok", [])
    assert store.get_by_name("b").description == "by hand"
    assert_whole(raw)
