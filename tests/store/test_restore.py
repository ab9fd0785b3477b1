"""Restoring deleted templates, and single revisions. Kills: `tests/chaos`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pymongo.database import Database

from flask_worker_templates import NameTaken, RestoreRefused, RevisionNotFound, TemplateNotFound
from flask_worker_templates.model.parameters import Paging, trail_parameters
from flask_worker_templates.model.records import Seed
from flask_worker_templates.model.rules import STANDARD
from flask_worker_templates.model.spec import Spec, patched
from flask_worker_templates.model.template import Template
from flask_worker_templates.settings import Settings
from flask_worker_templates.store import restore as restore_module
from flask_worker_templates.store.connection import DatabaseAccess
from flask_worker_templates.store.store import Store
from flask_worker_templates.store.stored_form import PLACEHOLDER
from tests.support.strategies import spec_with
from tests.support.trail import check_trail

Raw = Database[dict[str, Any]]


@pytest.fixture
def store(connection: dict[str, str]) -> Store:
    store = Store(DatabaseAccess(Settings.from_config({**connection, "WORKER_TEMPLATES_DB_TIMEOUT_MS": 30_000})))
    store.make_indexes()
    return store


@pytest.fixture
def gone(store: Store) -> Template:
    """Created, updated, deleted."""
    made = store.create(spec_with("one"), actor="alice")
    updated = store.update(made.id, patch(max_nodes=7), actor="bob")
    store.delete(made.id, actor="carol")
    return updated


def patch(**changes: Any) -> Callable[[Spec], Spec]:
    return lambda spec: patched(spec, changes)


def actions(store: Store, template_id: str) -> list[str]:
    history = list(store.history(template_id, Paging(1, 200)))
    whole = [event for event in store.trail(trail_parameters({"page_size": 200})) if event.template_id == template_id]
    assert whole == history
    return [event.action for event in reversed(history)]


def test_a_restored_template_has_its_id_and_its_history(store: Store, gone: Template, database: Raw) -> None:
    back = store.restore(gone.id, actor="dave", message="by mistake")
    assert (back.id, back.spec, back.revision, back.created_at) == (gone.id, gone.spec, 4, gone.created_at)
    assert store.get(gone.id) == back
    assert actions(store, gone.id) == ["created", "updated", "deleted", "restored"]
    newest = store.history(gone.id, Paging(1, 1))[0]
    assert (newest.actor, newest.message, list(newest.changes)) == ("dave", "by mistake", [])
    store.update(gone.id, patch(max_nodes=8), actor="bob")
    store.delete(gone.id, actor="bob")
    assert store.restore(gone.id, actor="bob").revision == 7
    assert store.revert(gone.id, 1, actor="bob").max_nodes == 20
    assert actions(store, gone.id)[3:] == ["restored", "updated", "deleted", "restored", "reverted"]
    assert [event.action for event in store.trail(trail_parameters({"action": "deleted"}))] == ["deleted", "deleted"]
    check_trail(database)


def test_a_restored_template_is_managed_by_its_file_again(store: Store) -> None:
    store.create_missing([Seed(spec_with("seeded"), "a.yaml")], actor="seeder")
    template = store.get_by_name("seeded")
    before = list(store.managed())
    store.delete(template.id, actor="bob")
    back = store.restore(template.id, actor="bob")
    assert back.is_seeded
    (managed,) = store.managed()
    assert (managed.base, managed.source) == (before[0].base, before[0].source)


def test_what_an_older_version_deleted_comes_back_without_a_base(store: Store, database: Raw) -> None:
    store.create_missing([Seed(spec_with("seeded"), "a.yaml")], actor="seeder")
    template = store.get_by_name("seeded")
    store.delete(template.id, actor="bob")
    later = dict.fromkeys(("base", "source", "is_seeded", "created_at", "message", "pruned", "turn"), "")
    database.worker_template_events.update_one({"action": "deleted"}, {"$unset": later})
    back = store.restore(template.id, actor="bob")
    assert (back.is_seeded, back.created_at, back.spec) == (True, template.created_at, template.spec)
    (managed,) = store.managed()
    assert managed.base is None


def test_what_cannot_be_restored(store: Store, gone: Template, database: Raw) -> None:
    with pytest.raises(TemplateNotFound):
        store.restore("nothing", actor="bob")
    other = store.create(spec_with("one"), actor="bob")
    with pytest.raises(NameTaken) as caught:
        store.restore(gone.id, actor="bob")
    assert caught.value.template_id == other.id
    assert database.worker_templates.count_documents({}) == 1  # no placeholder is left
    with pytest.raises(RestoreRefused, match="is not deleted"):
        store.restore(other.id, actor="bob")
    store.delete(other.id, actor="bob")
    assert store.restore(gone.id, actor="bob").revision == 4


def test_a_guard_is_asked_about_the_last_state(store: Store, gone: Template) -> None:
    asked: list[tuple[str, int, int | None]] = []

    def guard(template: Template, after: Template | None) -> None:
        asked.append((template.id, template.max_nodes, after.max_nodes if after else None))
        if len(asked) == 1:
            raise PermissionError

    with pytest.raises(PermissionError):
        store.restore(gone.id, actor="bob", guard=guard)
    assert store.restore(gone.id, actor="bob", spec=spec_with("one", max_nodes=9), guard=guard).max_nodes == 9
    assert asked == [(gone.id, 7, 7), (gone.id, 7, 9)]


def test_a_placeholder_is_absent_for_everybody(store: Store, gone: Template, database: Raw) -> None:
    """As after a kill between the placeholder and the commit."""
    database.worker_templates.insert_one({"_id": gone.id, "restoring": "a token", "name": PLACEHOLDER + gone.id})
    fresh = Store(store._access)
    page = fresh.page(STANDARD.list_parameters({}))
    assert (len(page), page.total) == (0, 0)
    assert list(fresh.managed()) == []
    assert fresh.names() == set()
    for ask in (
        lambda: fresh.get(gone.id),
        lambda: fresh.claim(gone.id, "w", actor="f"),
        lambda: fresh.release(gone.id, "w", actor="f"),
        lambda: fresh.claims(gone.id, Paging(1, 1)),
        lambda: fresh.update(gone.id, patch(max_nodes=1), actor="b"),
        lambda: fresh.delete(gone.id, actor="b"),
    ):
        with pytest.raises(TemplateNotFound):
            ask()
    assert actions(fresh, gone.id) == ["created", "updated", "deleted"]
    assert fresh.create(spec_with("one"), actor="bob").id != gone.id
    fresh.delete(fresh.get_by_name("one").id, actor="bob")
    assert fresh.restore(gone.id, actor="bob").revision == 4  # takes the placeholder over


@pytest.mark.parametrize("step", ["_hold_place", "_newest"])
@pytest.mark.parametrize("others", [["restore"], ["restore", "update"], ["restore", "update", "delete"]], ids=str)
def test_a_restore_that_others_overtake_loses_nothing(
    step: str, others: list[str], store: Store, gone: Template, database: Raw
) -> None:
    monkeypatch = pytest.MonkeyPatch()
    acts: dict[str, Callable[[], object]] = {
        "restore": lambda: store.restore(gone.id, actor="other"),
        "update": lambda: store.update(gone.id, patch(max_nodes=99), actor="other"),
        "delete": lambda: store.delete(gone.id, actor="other"),
    }
    real = getattr(restore_module, step)
    calls: list[int] = []

    def overtaken(*arguments: Any) -> Any:
        calls.append(1)
        # The second look at the newest event is the one after the placeholder.
        if len(calls) == (1 if step == "_hold_place" else 2):
            monkeypatch.setattr(restore_module, step, real)
            for name in others:
                acts[name]()
        return real(*arguments)

    monkeypatch.setattr(restore_module, step, overtaken)
    with pytest.raises(RestoreRefused):
        store.restore(gone.id, actor="late")
    history = store.history(gone.id, Paging(1, 200))
    assert [event.actor for event in history if event.revision > 3] == ["other"] * len(others)
    if "delete" not in others:
        assert store.get(gone.id).max_nodes == (99 if "update" in others else 7)
    else:
        assert database.worker_templates.count_documents({}) == 0
    check_trail(database)


def test_single_revisions(store: Store, gone: Template) -> None:
    first, last = store.revision(gone.id, 1), store.revision(gone.id, 3)
    assert (first.action, first.spec["max_nodes"]) == ("created", 20)
    assert (last.action, last.spec["max_nodes"]) == ("deleted", 7)
    assert list(store.revision(gone.id, 2).changes) == [{"field": "max_nodes", "from": 20, "to": 7}]
    for number in (0, 4):
        with pytest.raises(RevisionNotFound):
            store.revision(gone.id, number)
    with pytest.raises(TemplateNotFound):
        store.revision("nothing", 1)


def test_compare(store: Store, gone: Template) -> None:
    change = {"field": "max_nodes", "from": 20, "to": 7}
    assert store.compare(gone.id, 1).to_dict() == {"from": 1, "to": 3, "changes": [change]}
    assert store.compare(gone.id, 2, 1).to_dict()["changes"] == [{"field": "max_nodes", "from": 7, "to": 20}]
    assert store.compare(gone.id, 2, 3).to_dict()["changes"] == []
    with pytest.raises(RevisionNotFound):
        store.compare(gone.id, 1, 4)
    with pytest.raises(TemplateNotFound):
        store.compare("nothing", 1)
