"""The loop of every write: what it asks, how often, and whose time counts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask

from flask_worker_templates import TemplateKeepsChanging, WorkerTemplates
from flask_worker_templates.errors import DatabaseUnavailable, RevisionMismatch, RevisionNotFound
from flask_worker_templates.model.spec import Spec, patched
from flask_worker_templates.model.template import Template
from flask_worker_templates.settings import Settings
from flask_worker_templates.store import connection as connection_module
from flask_worker_templates.store import loop
from flask_worker_templates.store.connection import DatabaseAccess
from flask_worker_templates.store.store import Store
from tests.support.apps import AppFactory
from tests.support.backends import mongod_only
from tests.support.calls import URL, create, one, problem
from tests.support.hosts import host
from tests.support.monitoring import monitored
from tests.support.specs import spec
from tests.support.strategies import spec_with

Asked = list[tuple[Template, Template | None]]


def store_within(connection: dict[str, str], timeout_ms: int) -> Store:
    return Store(DatabaseAccess(Settings.from_config({**connection, "WORKER_TEMPLATES_DB_TIMEOUT_MS": timeout_ms})))


def make_store(connection: dict[str, str]) -> Store:
    store = store_within(connection, 30_000)
    store.make_indexes()
    return store


@pytest.fixture
def store(connection: dict[str, str]) -> Store:
    return make_store(connection)


@pytest.fixture
def target(store: Store) -> Template:
    return store.create(spec_with("one"), actor="alice")


@pytest.fixture
def asked() -> Asked:
    return []


@pytest.fixture
def guard(asked: Asked) -> Callable[[Template, Template | None], None]:
    return lambda template, after: asked.append((template, after))


def patch(**changes: Any) -> Callable[[Spec], Spec]:
    return lambda current: patched(current, changes)


def test_the_mappings_that_a_guard_is_shown_are_its_own(store: Store) -> None:
    """What it makes of them is neither written nor answered."""
    new = {**spec_with("one"), "labels": {"team": "a"}, "extra": {"zones": ["a"]}}

    def guard(template: Template, after: Template | None = None) -> None:
        for shown in (template, after or template):
            shown.labels["team"] = "changed"  # type: ignore[index]
            shown.extra["zones"].append("changed")

    created = store.create(new, actor="alice", guard=guard)
    updated = store.update(created.id, lambda current: {**current, "max_nodes": 7}, actor="bob", guard=guard)
    (worker, _) = store.claim(created.id, "w", actor="bob", guard=guard)
    for told in (created, updated, store.get(created.id)):
        assert (told.labels, told.extra) == ({"team": "a"}, {"zones": ["a"]})
    assert not worker.outdated


def test_a_guard_sees_what_is_and_what_would_be(store: Store, target: Template, guard: Any, asked: Asked) -> None:
    updated = store.update(target.id, patch(max_nodes=7), actor="bob", guard=guard)
    before, after = asked[-1]
    assert before == target
    assert after is not None
    assert (after.spec, after.revision, after.id) == (updated.spec, 2, target.id)

    store.revert(target.id, 1, actor="bob", guard=guard)
    before, after = asked[-1]
    assert before == updated
    assert after is not None
    assert (after.spec, after.revision) == (target.spec, 3)

    unchanged = store.update(target.id, patch(), actor="bob", guard=guard)
    store.delete(target.id, actor="bob", guard=guard)
    assert asked[2:] == [(unchanged, unchanged), (unchanged, None)]


def test_a_guard_is_asked_before_anything_else_is_said_about_the_template(store: Store, target: Template) -> None:
    def refuse(template: Template, after: Template | None) -> None:
        assert after is template  # there is nothing that it would be
        raise PermissionError

    def fail(spec: Spec) -> Spec:
        raise ValueError("what is wrong says something about the template")

    writes: list[tuple[Callable[..., Any], type[Exception]]] = [
        (partial(store.update, target.id, fail), ValueError),
        (partial(store.update, target.id, patch(max_nodes=7), allowed=lambda revision: False), RevisionMismatch),
        (partial(store.revert, target.id, 9), RevisionNotFound),
        (partial(store.delete, target.id, allowed=lambda revision: False), RevisionMismatch),
    ]
    for write, error in writes:
        with pytest.raises(PermissionError):
            write(actor="bob", guard=refuse)
        with pytest.raises(error):
            write(actor="bob", guard=lambda template, after: None)
        with pytest.raises(error):
            write(actor="bob")


def test_a_guard_that_changes_the_template_ends_with_a_clear_error(store: Store, target: Template) -> None:
    asked: list[int] = []

    def meddling(template: Template, after: Template | None) -> None:
        asked.append(template.revision)
        store.update(template.id, patch(max_nodes=len(asked)), actor="check")

    for write in (partial(store.delete, target.id), partial(store.update, target.id, patch(description="x"))):
        asked.clear()
        with pytest.raises(TemplateKeepsChanging) as caught:
            write(actor="bob", guard=meddling)
        assert caught.value.rounds == len(asked) == loop.MAX_ROUNDS
        assert "it must not do that" in str(caught.value)
    assert store.get(target.id).description == ""


def test_a_usage_check_that_changes_the_template_is_a_409(make_app: AppFactory) -> None:
    app, templates = host(make_app)
    changes: list[int] = []

    @templates.usage_check
    def usage(template: Template) -> int:
        changes.append(template.revision)
        templates.update(template.id, {"max_nodes": len(changes)})
        return 0

    client = app.test_client()
    template = create(client)
    assert "usage check" in problem(client.delete(one(template)), 409)["message"]
    assert client.get(one(template)).status_code == 200


def test_the_time_of_the_host_does_not_count(store: Store, target: Template, monkeypatch: pytest.MonkeyPatch) -> None:
    passed = 0.0
    monkeypatch.setattr(connection_module, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + passed))

    def slow(template: Template, after: Template | None) -> None:
        nonlocal passed
        passed += 3600

    assert store.update(target.id, patch(max_nodes=7), actor="bob", guard=slow).max_nodes == 7
    assert passed


def test_the_time_of_the_database_counts_over_all_rounds(connection: dict[str, str], target: Template) -> None:
    store, other = store_within(connection, 300), make_store(connection)

    def overtaken(spec: Spec) -> Spec:
        other.update(target.id, patch(max_nodes=spec["max_nodes"] + 1), actor="other")
        return patched(spec, {"description": "x"})

    with pytest.raises(DatabaseUnavailable, match="within 300 ms"):  # and not never
        store.update(target.id, overtaken, actor="bob")
    assert other.get(target.id).description == ""


@mongod_only
def test_with_a_guard_too_every_unconditional_change_lands(store: Store, target: Template, guard: Any) -> None:
    failed: list[BaseException] = []

    def change(label: str) -> None:
        try:
            for number in range(5):
                store.update(target.id, patch(labels={label: str(number)}), actor=label, guard=guard)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=change, args=(f"t{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert store.get(target.id).labels == {f"t{number}": "4" for number in range(8)}


def _plain(app: Flask, templates: WorkerTemplates) -> None:
    """No hooks."""


def _hooked(app: Flask, templates: WorkerTemplates) -> None:
    templates.authorizer(lambda action, template: True)
    templates.usage_check(lambda template: 0)
    templates.actor_loader(lambda: "somebody")


REQUESTS: dict[str, tuple[str, str, Any, int]] = {
    "PUT": ("PUT", "", spec("small", max_nodes=7), 200),
    "PATCH": ("PATCH", "", {"max_nodes": 8}, 200),
    "PATCH that changes nothing": ("PATCH", "", {"max_nodes": 20}, 200),
    "PATCH that is wrong": ("PATCH", "", {"max_nodes": 0}, 422),
    "revert": ("POST", "/revert", {"revision": 1}, 200),
    "DELETE": ("DELETE", "", None, 204),
}


@mongod_only
@pytest.mark.parametrize("request_name", REQUESTS)
def test_a_write_takes_the_same_commands_with_hooks_as_without(
    make_app: AppFactory, database_uri: str, request_name: str
) -> None:
    method, path, body, expected = REQUESTS[request_name]
    counted: list[list[str]] = []
    with monitored(database_uri) as (keys, commands):
        for number, hooks in enumerate((_plain, _hooked)):
            app, templates = host(make_app, **keys)
            client = app.test_client()
            template = create(client, f"{number}")
            client.patch(one(template), json={"description": "second"})
            hooks(app, templates)
            commands.names.clear()
            if method == "PUT":
                body = {**body, "name": template["name"]}
            answer = client.open(f"{URL}/{template['id']}{path}", method=method, json=body)
            assert answer.status_code == expected
            counted.append(list(commands.names))
    plain, hooked = counted
    assert hooked == plain
