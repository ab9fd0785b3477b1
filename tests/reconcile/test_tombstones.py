"""Deletions and renames: what a later seeding or sync makes of the entry, and when a deletion is forgotten."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo.database import Database

from flask_worker_templates.store.connection import EVENTS
from tests.support.apps import AppFactory
from tests.support.deployment import Deployment
from tests.support.specs import spec
from tests.support.trail import contents

Documents = Database[dict[str, Any]]


def sync(deployment: Deployment, **options: Any) -> dict[str, str]:
    with deployment.app.app_context():
        return {one.name: one.action for one in deployment.templates.sync(actor="ci", **options).changes}


def forgets(deployment: Deployment) -> list[str]:
    with deployment.app.app_context():
        found: list[str] = deployment.templates.drift().to_dict()["forget"]
        return found


@pytest.fixture
def deployment(make_app: AppFactory) -> Deployment:
    return Deployment(make_app, spec("a"), spec("b"), WORKER_TEMPLATES_SEED="off")


def test_what_a_prune_deleted_is_missing_when_its_entry_comes_back(deployment: Deployment) -> None:
    for _ in range(2):  # as in a rollout, in which old and new processes take turns
        deployment.write(spec("a"))
        assert sync(deployment, prune=True) == {"b": "delete"}
        deployment.write(spec("a"), spec("b"))
        assert deployment.states()["b"] == "missing"
        assert sync(deployment) == {"b": "create"}
    deletion = [event for event in deployment.events("b") if event.action == "deleted"]
    assert all(event.pruned for event in deletion)


def test_a_persons_deletion_ends_when_a_sync_finds_the_entry_gone(deployment: Deployment, database: Documents) -> None:
    deployment.delete("b")
    assert sync(deployment) == {}
    assert deployment.states()["b"] == "deleted"
    deployment.write(spec("a"))
    assert forgets(deployment) == ["b"]
    with deployment.app.app_context():
        assert not deployment.templates.drift().has_drift
        assert deployment.templates.sync(actor="ci").forgotten == ("b",)
    before = contents(database)
    assert forgets(deployment) == []
    assert sync(deployment) == {}
    assert contents(database) == before  # once
    deployment.write(spec("a"), spec("b"))
    assert deployment.states()["b"] == "missing"
    with deployment.app.app_context():
        result = deployment.templates.seed()
    assert (result.created, result.recreated, result.warnings) == (("b",), (), ())


def test_only_a_sync_forgets(deployment: Deployment, database: Documents) -> None:
    deployment.delete("b")
    deployment.write(spec("a"))
    before = contents(database)
    with deployment.app.app_context():
        deployment.templates.seed()
        deployment.templates.drift()
    run = deployment.app.test_cli_runner().invoke
    assert run(args=["worker-templates", "diff"]).exit_code == 0
    assert run(args=["worker-templates", "export", "--write"]).exit_code == 0
    assert run(args=["worker-templates", "sync", "--dry-run"]).exit_code == 0
    app, _ = deployment.process(WORKER_TEMPLATES_SYNC_ON_START="safe", WORKER_TEMPLATES_SEED="on")
    assert app.test_client().get("/api/v1/templates").status_code == 200
    assert contents(database) == before
    deployment.write(spec("a"), spec("b"))
    assert deployment.states()["b"] == "deleted"


def test_a_sync_of_another_set_forgets_nothing(deployment: Deployment, database: Documents) -> None:
    deployment.delete("b")
    other, templates = deployment.process(WORKER_TEMPLATES_FILE_SET="other")
    deployment.write(spec("z"))
    with other.app_context():
        assert templates.sync(actor="ci").forgotten == ()
        deployment.write(spec("z"), spec("b"))
        states = {step.drift.name: step.drift.state.value for step in templates.drift().steps}
    assert states["b"] == "missing"
    deployment.write(spec("a"), spec("b"))
    assert deployment.states()["b"] == "deleted"


def test_a_deletion_without_a_set_counts_for_every_set_and_is_marked_by_none(
    deployment: Deployment, database: Documents
) -> None:
    deployment.delete("b")
    kept = ("base", "source", "file_set", "is_seeded", "created_at", "open_in", "pruned")
    database[EVENTS].update_many({"action": "deleted"}, {"$unset": dict.fromkeys(kept, "")})
    other, templates = deployment.process(WORKER_TEMPLATES_FILE_SET="other")
    with other.app_context():
        assert {step.drift.name: step.drift.state.value for step in templates.drift().steps}["b"] == "deleted"
    deployment.write(spec("a"))
    assert forgets(deployment) == []
    sync(deployment)
    deployment.write(spec("a"), spec("b"))
    assert deployment.states()["b"] == "deleted"


def test_a_deletion_counts_for_the_name_of_the_entry(deployment: Deployment) -> None:
    deployment.edit("b", name="renamed")
    deployment.delete("renamed")
    assert deployment.states() == {"a": "in_sync", "b": "deleted"}
    with deployment.app.app_context():
        result = deployment.templates.seed()
    assert result.created == ("b",)
    assert "'b' was deleted by 'ada'" in result.warnings[0]


def test_a_renamed_template_and_its_entry_name_each_other_and_nothing_is_pruned(deployment: Deployment) -> None:
    deployment.edit("b", name="c")
    with deployment.app.app_context():
        items = {one["name"]: one for one in deployment.templates.drift().to_dict()["templates"]}
    assert (items["b"]["state"], items["b"]["renamed_to"]) == ("missing", "c")
    assert (items["c"]["state"], items["c"]["renamed_from"]) == ("unmanaged", "b")
    assert sync(deployment, prune=True, max_delete=9) == {"b": "create"}
    assert deployment.states() == {"a": "in_sync", "b": "in_sync", "c": "unmanaged"}
    assert sync(deployment, prune=True, max_delete=9) == {}


def test_seeding_says_that_a_template_was_renamed(deployment: Deployment) -> None:
    deployment.edit("b", name="c")
    with deployment.app.app_context():
        result = deployment.templates.seed()
    assert result.created == ("b",)
    assert "'b' was renamed to 'c' in the database" in result.warnings[0]


def test_without_reseeding_a_renamed_template_is_left_alone(make_app: AppFactory) -> None:
    deployment = Deployment(
        make_app, spec("a"), spec("b"), WORKER_TEMPLATES_SEED="off", WORKER_TEMPLATES_RESEED_DELETED=False
    )
    deployment.edit("b", name="c")
    with deployment.app.app_context():
        result = deployment.templates.seed()
        assert (result.created, result.existing) == ((), 1)
        assert [(one.entry, one.template) for one in result.renamed] == [("b", "c")]
    assert sync(deployment) == {}
    deployment.delete("c")  # renamed, and then deleted
    with deployment.app.app_context():
        result = deployment.templates.seed()
    assert (result.created, [one.name for one in result.respected]) == ((), ["b"])
