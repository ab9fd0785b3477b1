"""Sync on real databases: what it writes, what it refuses, and what happens when others are faster or it is killed."""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from flask_worker_templates import (
    InvalidFiles,
    InvalidParameters,
    InvalidPlan,
    SyncRefused,
    TemplateInUse,
    template_created,
    template_deleted,
    template_updated,
)
from flask_worker_templates.model.spec import normalize
from flask_worker_templates.model.template import Event
from flask_worker_templates.reconcile.options import SyncOptions
from flask_worker_templates.reconcile.plan import SyncPlan
from flask_worker_templates.reconcile.plan_document import plan_document, read_plan
from flask_worker_templates.reconcile.sync import apply, carry_out
from flask_worker_templates.reconcile.sync_result import SyncResult
from flask_worker_templates.store.connection import EVENTS, TEMPLATES
from flask_worker_templates.store.stored_form import from_stored
from tests.support.apps import AppFactory
from tests.support.backends import mongod_only
from tests.support.deployment import Deployment
from tests.support.monitoring import monitored
from tests.support.paths import ROOT
from tests.support.specs import spec
from tests.support.trail import contents

LOG = "flask_worker_templates"

Documents = Database[dict[str, Any]]


def sync(deployment: Deployment, **options: Any) -> SyncResult:
    with deployment.app.app_context():
        return deployment.templates.sync(actor="pipeline", **options)


def document(database: Documents, name: str = "t") -> dict[str, Any]:
    found = database[TEMPLATES].find_one({"name": name})
    assert found is not None
    return found


def statuses(result: SyncResult) -> dict[str, tuple[str, str]]:
    return {change.name: (change.action, change.status) for change in result.changes}


# --- What it does about each state ---


@pytest.fixture
def every_state(make_app: AppFactory) -> Deployment:
    """One template in each state but conflict, named after it."""
    there = ["in_sync", "file_changed", "edited", "diverged", "orphaned", "deleted"]
    deployment = Deployment(make_app, *(spec(name) for name in there), WORKER_TEMPLATES_SEED="off")
    deployment.edit("edited", description="by hand")
    deployment.edit("diverged", description="by hand")
    deployment.delete("deleted")
    deployment.create("collision", description="by hand")
    deployment.create("unmanaged")
    deployment.write(
        spec("in_sync"),
        spec("missing"),
        spec("file_changed", max_nodes=500),
        spec("edited"),
        spec("diverged", max_nodes=500),
        spec("deleted"),
        spec("collision", max_nodes=500),
    )
    assert all(name == state for name, state in deployment.states().items())
    assert len(deployment.states()) == 9
    return deployment


def test_sync_does_about_each_state_what_the_table_says(every_state: Deployment) -> None:
    result = sync(every_state)
    assert result.complete
    assert statuses(result) == {
        "missing": ("create", "applied"),
        "file_changed": ("update", "applied"),
        "diverged": ("update", "applied"),
    }
    assert every_state.states() == {
        "in_sync": "in_sync",
        "missing": "in_sync",
        "file_changed": "in_sync",
        "edited": "edited",
        "diverged": "edited",
        "orphaned": "orphaned",
        "deleted": "deleted",
        "collision": "collision",
        "unmanaged": "unmanaged",
    }
    diverged = every_state.get("diverged")
    assert (diverged.max_nodes, diverged.description) == (500, "by hand")
    assert every_state.get("file_changed").max_nodes == 500
    assert every_state.get("collision").max_nodes == 20


def test_every_change_is_one_audited_update_by_who_ran_it(every_state: Deployment) -> None:
    before = len(every_state.events("edited"))
    sync(every_state)
    last = every_state.events("diverged")[-1]
    assert (last.action, last.actor, last.revision) == ("synced", "pipeline", 3)
    assert list(last.changes) == [{"field": "max_nodes", "from": 20, "to": 500}]
    assert [(event.action, event.actor) for event in every_state.events("missing")] == [("seeded", "pipeline")]
    assert every_state.get("missing").is_seeded
    assert len(every_state.events("edited")) == before


def test_signals_tell_of_every_change(every_state: Deployment) -> None:
    heard: list[tuple[str, str]] = []

    def hear(sender: object, template: Any, action: str, actor: str) -> None:
        heard.append((template.name, action))

    with (
        template_created.connected_to(hear),
        template_updated.connected_to(hear),
        template_deleted.connected_to(hear),
    ):
        sync(every_state, prune=True)
    assert heard == [("missing", "seeded"), ("diverged", "synced"), ("file_changed", "synced"), ("orphaned", "deleted")]


def test_base_and_source_follow_the_file(every_state: Deployment, database: Documents) -> None:
    sync(every_state)
    for name in ("file_changed", "diverged", "missing"):
        found = document(database, name)
        held = spec(name, max_nodes=20 if name == "missing" else 500)
        assert from_stored(found["base"]) == normalize(held)
        assert found["source"] == str(every_state.path)
    assert document(database, "collision")["base"] is None


def test_a_change_of_the_base_alone_is_no_event_and_no_revision(make_app: AppFactory, database: Documents) -> None:
    deployment = Deployment(make_app, spec("t"))
    deployment.edit(max_nodes=500)
    deployment.write(spec("t", max_nodes=500))  # the file follows the admin
    events = deployment.events()
    assert deployment.states() == {"t": "in_sync"}
    assert statuses(sync(deployment)) == {"t": ("rebase", "applied")}
    assert deployment.get().revision == 2
    assert deployment.events() == events
    assert from_stored(document(database)["base"])["max_nodes"] == 500
    # Without it the way back would look like an edit of the database.
    deployment.write(spec("t", max_nodes=20))
    assert deployment.states() == {"t": "file_changed"}


# --- Conflicts ---


@pytest.fixture
def conflict(make_app: AppFactory) -> Deployment:
    """Template t with a conflict on max_nodes, besides a change on each side; template u with a change of the file."""
    deployment = Deployment(make_app, spec("t"), spec("u"), WORKER_TEMPLATES_SEED="off")
    deployment.edit(max_nodes=40, description="by hand")
    deployment.write(spec("t", max_nodes=500, enabled=False), spec("u", max_nodes=7), spec("new"))
    assert deployment.states() == {"t": "conflict", "u": "file_changed", "new": "missing"}
    return deployment


def test_a_conflict_refuses_everything_and_names_the_field(conflict: Deployment, database: Documents) -> None:
    before = contents(database)
    with pytest.raises(SyncRefused, match="max_nodes") as refused:
        sync(conflict)
    assert refused.value.conflict
    (reason,) = refused.value.reasons
    assert "'t'" in reason
    assert "file 500, database 40, last applied 20" in reason
    assert contents(database) == before


@pytest.mark.parametrize("misspelt", ["files", "", "DB", True])
def test_a_misspelt_decision_is_none(conflict: Deployment, misspelt: Any) -> None:
    before = conflict.get()
    with pytest.raises(InvalidParameters, match="on_conflict: Must be one of: file, db, skip; or None"):
        sync(conflict, on_conflict=misspelt)
    assert conflict.get() == before


@pytest.mark.parametrize(
    ("on_conflict", "expected", "state"),
    [("file", (500, "by hand", False), "edited"), ("db", (40, "by hand", False), "edited")],
)
def test_a_conflict_that_was_decided(
    conflict: Deployment, on_conflict: str, expected: tuple[Any, ...], state: str
) -> None:
    assert sync(conflict, on_conflict=on_conflict).complete
    template = conflict.get()
    assert (template.max_nodes, template.description, template.enabled) == expected
    assert conflict.states() == {"t": state, "u": "in_sync", "new": "in_sync"}


def test_a_conflict_that_is_skipped_leaves_the_template_as_it_is(conflict: Deployment) -> None:
    before = conflict.get()
    assert set(statuses(sync(conflict, on_conflict="skip"))) == {"u", "new"}
    assert conflict.get() == before
    assert conflict.states() == {"t": "conflict", "u": "in_sync", "new": "in_sync"}


# --- Nothing to do ---


@mongod_only
@pytest.mark.parametrize(
    "options",
    [{}, {"prune": True}, {"adopt": ["collision"]}, {"restore": ["deleted"]}, {"on_conflict": "file"}],
    ids=str,
)
def test_a_second_sync_sends_no_write_command(
    every_state: Deployment, database_uri: str, options: dict[str, Any]
) -> None:
    every_state.edit("in_sync", max_nodes=40)
    every_state.path.write_text(
        every_state.path.read_text().replace("- name: in_sync", "- name: in_sync\n  max_nodes: 41")
    )
    options = {"on_conflict": "db", **options}
    with monitored(database_uri) as (config, commands):
        app, templates = every_state.process(**config)
        with app.app_context():
            assert templates.sync(**options).changes
            assert commands.writes  # the listener sees them
            commands.names.clear()
            assert templates.sync(**options).changes == ()
        assert commands.writes == []
        assert "find" in commands.names


@mongod_only
def test_drift_sends_no_write_command(every_state: Deployment, database_uri: str) -> None:
    with monitored(database_uri) as (config, commands):
        app, templates = every_state.process(**config)
        with app.app_context():
            templates.status()
            templates.get_by_name("edited")  # makes this process ready
            commands.names.clear()
            assert templates.drift(prune=True, adopt=("collision",), restore=("deleted",)).changes
        assert commands.writes == []
        assert commands.names


def test_sync_makes_the_indexes_before_it_writes(make_app: AppFactory, database: Documents) -> None:
    deployment = Deployment(make_app, WORKER_TEMPLATES_SEED="off")
    database.drop_collection(TEMPLATES)
    database.drop_collection(EVENTS)
    deployment.write(spec("t"))
    sync(deployment)
    assert "name_unique" in database[TEMPLATES].index_information()
    assert "at" in database[EVENTS].index_information()


# --- Pruning ---


@pytest.fixture
def orphans(make_app: AppFactory) -> Deployment:
    """Templates a and b, which the files held once; c, which they hold, and d, which was created by hand."""
    deployment = Deployment(make_app, spec("a"), spec("b"), spec("c"), WORKER_TEMPLATES_SEED="off")
    deployment.create("d")
    deployment.write(spec("c", max_nodes=7))
    return deployment


def test_orphaned_templates_stay_without_prune(orphans: Deployment) -> None:
    sync(orphans)
    assert orphans.names() == {"a", "b", "c", "d"}


def test_prune_deletes_what_came_from_a_file_and_nothing_else(orphans: Deployment) -> None:
    template_id = orphans.get("a").id
    assert statuses(sync(orphans, prune=True, max_delete=2)) == {
        "c": ("update", "applied"),
        "a": ("delete", "applied"),
        "b": ("delete", "applied"),
    }
    assert orphans.names() == {"c", "d"}
    with orphans.app.app_context():
        last = orphans.templates.history(template_id)[0]
    assert (last.action, last.actor, last.revision) == ("deleted", "pipeline", 2)


def test_prune_refuses_to_delete_more_than_allowed(orphans: Deployment, database: Documents) -> None:
    before = contents(database)
    with pytest.raises(SyncRefused, match=r"would delete 2 templates, and at most 1 .*: 'a', 'b'") as refused:
        sync(orphans, prune=True)
    assert not refused.value.conflict
    orphans.write(spec("a"), spec("c"))
    with pytest.raises(SyncRefused, match=r"would delete 1 template, and at most 0 .*: 'b'"):
        sync(orphans, prune=True, max_delete=0)
    assert contents(database) == before


@pytest.mark.parametrize("max_delete", [0, 100])
def test_prune_refuses_empty_files(orphans: Deployment, database: Documents, max_delete: int) -> None:
    orphans.write()
    before = contents(database)
    with pytest.raises(SyncRefused, match="hold no template at all"):
        sync(orphans, prune=True, max_delete=max_delete)
    assert contents(database) == before


def test_invalid_files_stop_everything(orphans: Deployment, database: Documents) -> None:
    orphans.write(spec("c"), spec("bad", max_nodes="many"))
    before = contents(database)
    with pytest.raises(InvalidFiles, match="max_nodes"):
        sync(orphans, prune=True, max_delete=100)
    assert contents(database) == before


def test_an_orphan_that_workers_claim_is_kept_and_named_and_the_rest_goes_on(orphans: Deployment) -> None:
    with orphans.app.app_context():
        for number in range(7):
            orphans.templates.claim(orphans.get("b").id, f"i-{number}")
    (planned_b,) = [step for step in planned(orphans, prune=True).steps if step.drift.name == "b"]
    assert (planned_b.outcome.action, planned_b.obstacle) == ("none", "in_use")
    result = sync(orphans, prune=True)  # one more than is in use: no more than one is deleted
    assert not result.complete
    assert statuses(result) == {
        "b": ("delete", "in_use"),
        "c": ("update", "applied"),
        "a": ("delete", "applied"),
    }
    assert "7 workers claim it (i-0, i-1, i-2, i-3, i-4, …)" in result.changes[0].message
    assert orphans.names() == {"b", "c", "d"}


def test_a_claim_that_has_expired_keeps_no_orphan(orphans: Deployment, database: Documents) -> None:
    orphans.write(spec("a"), spec("c"))
    with orphans.app.app_context():
        orphans.templates.claim(orphans.get("b").id, "i-1", ttl_seconds=10)
    assert statuses(sync(orphans, prune=True)) == {"b": ("delete", "in_use")}
    long_ago = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    times = {"claims.0.renewed_at": long_ago, "claims.0.claimed_at": long_ago}
    database[TEMPLATES].update_one({"name": "b"}, {"$set": times})
    assert statuses(sync(orphans, prune=True)) == {"b": ("delete", "applied")}


def test_nothing_is_deleted_or_forgotten_once_the_files_have_moved(orphans: Deployment, database: Documents) -> None:
    plan = planned(orphans, prune=True, max_delete=2)
    orphans.write(spec("a"), spec("b"), spec("c", max_nodes=7))
    before = contents(database)
    with orphans.state() as state, pytest.raises(SyncRefused, match="have changed since they were read") as refused:
        apply(state.store, plan, actor="pipeline")
    assert refused.value.conflict
    assert contents(database) == before


def test_nothing_is_deleted_if_the_files_move_while_the_sync_writes(orphans: Deployment) -> None:
    plan = planned(orphans, prune=True, max_delete=2)
    with orphans.state() as state:
        for change in carry_out(state.store, plan, actor="pipeline"):
            if change.action == "update":
                orphans.write(spec("a"), spec("b"), spec("c", max_nodes=7))
            else:
                assert (change.action, change.status) == ("delete", "stale")
    assert orphans.names() == {"a", "b", "c", "d"}


def test_prune_asks_the_usage_check_of_the_host(orphans: Deployment) -> None:
    asked: list[str] = []

    @orphans.templates.usage_check
    def check(template: Any) -> str:
        asked.append(template.name)
        return "its queue is not empty" if template.name == "b" else ""

    result = sync(orphans, prune=True)
    assert asked == ["a", "b", "a"]  # for the plan, and again before the deletion
    assert statuses(result)["b"] == ("delete", "in_use")
    assert "its queue is not empty" in result.changes[0].message
    assert orphans.names() == {"b", "c", "d"}


def test_an_orphan_that_someone_deletes_meanwhile_is_stale(orphans: Deployment) -> None:
    @orphans.templates.usage_check
    def delete_the_other(template: Any) -> int:
        if template.name == "a" and "b" in orphans.names():
            orphans.delete("b")
        return 0

    assert statuses(sync(orphans, prune=True, max_delete=2)) == {
        "c": ("update", "applied"),
        "a": ("delete", "applied"),
        "b": ("delete", "stale"),
    }


# --- Restoring and adopting ---


def the_deletion(deployment: Deployment) -> Event:
    with deployment.app.app_context():
        (event,) = [event for event in deployment.templates.history(page_size=200) if event.action == "deleted"]
    return event


def test_restore_brings_a_deleted_template_back(every_state: Deployment) -> None:
    deletion = the_deletion(every_state)
    every_state.write(*(spec(name) for name in every_state.states() if name != "deleted"), spec("deleted", max_nodes=7))
    result = sync(every_state, restore=["deleted"], only=["deleted"])
    (change,) = result.changes
    assert (change.action, change.status, change.revision) == ("create", "applied", deletion.revision + 1)
    assert every_state.states()["deleted"] == "in_sync"
    template = every_state.get("deleted")
    assert (template.id, template.revision, template.is_seeded) == (deletion.template_id, change.revision, True)
    assert template.max_nodes == 7  # what the entry says
    last = every_state.events("deleted")[-1]
    assert (last.action, last.actor, last.template_id) == ("restored", "pipeline", deletion.template_id)
    every_state.edit("deleted", max_nodes=8)
    assert every_state.states()["deleted"] == "edited"  # it is managed by its file
    assert sync(every_state, restore=["deleted"], only=["deleted"]).changes == ()  # a repetition is no error


def test_a_deletion_that_was_made_again_since_the_plan_stands(every_state: Deployment) -> None:
    plan = planned(every_state, restore=("deleted",))
    template_id = the_deletion(every_state).template_id
    with every_state.state() as state:
        every_state.templates.restore(template_id)
        every_state.templates.delete(template_id)
        result = apply(state.store, plan, actor="pipeline")
    assert statuses(result)["deleted"] == ("create", "stale")
    assert "deleted" not in every_state.names()


def test_adopt_puts_a_template_under_the_files_management(every_state: Deployment) -> None:
    assert statuses(sync(every_state, adopt=["collision"]))["collision"] == ("rebase", "applied")
    template = every_state.get("collision")
    assert (template.max_nodes, template.description, template.revision) == (20, "by hand", 1)
    assert every_state.states()["collision"] == "edited"
    assert sync(every_state, adopt=["collision"]).changes == ()


def test_adopt_can_take_what_the_file_says(every_state: Deployment) -> None:
    sync(every_state, adopt=["collision"], on_conflict="file")
    template = every_state.get("collision")
    assert (template.max_nodes, template.description, template.revision) == (500, "", 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"restore": ["nobody"]}, "'nobody' cannot be restored: no definition file has it"),
        ({"restore": ["orphaned"]}, "'orphaned' cannot be restored: no definition file has it"),
        ({"adopt": ["nobody"]}, "'nobody' cannot be adopted: no definition file has it"),
        ({"adopt": ["unmanaged"]}, "'unmanaged' cannot be adopted: no definition file has it"),
        ({"adopt": ["missing"]}, "'missing' cannot be adopted: it is not in the database"),
    ],
)
def test_names_that_cannot_be_meant_are_errors(
    every_state: Deployment, database: Documents, options: dict[str, Any], message: str
) -> None:
    before = contents(database)
    with pytest.raises(SyncRefused, match=message) as refused:
        sync(every_state, **options)
    assert not refused.value.conflict
    assert contents(database) == before


# --- Renaming ---


def test_a_renamed_template_says_what_it_was_called(make_app: AppFactory) -> None:
    deployment = Deployment(make_app, spec("old"), WORKER_TEMPLATES_SEED="off")
    deployment.edit("old", name="new")
    with deployment.app.app_context():
        items = {item["name"]: item for item in deployment.templates.drift().to_dict()["templates"]}
    assert (items["old"]["state"], items["old"]["renamed_to"]) == ("missing", "new")
    assert (items["new"]["state"], items["new"]["renamed_from"]) == ("unmanaged", "old")
    deployment.write(spec("new"))  # the file follows
    assert statuses(sync(deployment)) == {"new": ("rebase", "applied")}
    assert deployment.states() == {"new": "in_sync"}


@pytest.mark.parametrize("safe", [False, True])
def test_a_template_renamed_to_the_name_of_another_entry_keeps_what_it_is(make_app: AppFactory, safe: bool) -> None:
    deployment = Deployment(make_app, spec("old"), WORKER_TEMPLATES_SEED="off")
    deployment.edit("old", name="new")
    deployment.write(spec("old"), spec("new", max_nodes=500))
    assert deployment.states() == {"new": "collision", "old": "missing"}
    if safe:
        app, _ = deployment.process(WORKER_TEMPLATES_SYNC_ON_START="safe")
        assert app.test_client().get("/api/v1/templates").status_code == 200
    else:
        sync(deployment)
    assert deployment.get("new").max_nodes == 20
    sync(deployment, adopt=["new"], on_conflict="file")
    assert deployment.get("new").max_nodes == 500
    assert set(deployment.states().values()) == {"in_sync"}


# --- Others are faster ---


def overtaken(deployment: Deployment, between: Callable[[], object], **options: Any) -> SyncResult:
    """Plan, let something happen, and carry the plan out."""
    with deployment.state() as state:
        plan = state.plan(state.read_files(), SyncOptions(**options))
    between()
    with deployment.state() as state:
        return apply(state.store, plan, actor="pipeline", guard=state.hooks.check_usage)


@pytest.fixture
def changes(make_app: AppFactory) -> Deployment:
    """Changes of the file for t and u, a new entry v, and w, which is in no file any more."""
    deployment = Deployment(make_app, spec("t"), spec("u"), spec("w"), WORKER_TEMPLATES_SEED="off")
    deployment.write(spec("t", max_nodes=500), spec("u", max_nodes=500), spec("v"))
    return deployment


def test_an_edit_since_the_plan_is_not_overwritten(changes: Deployment) -> None:
    result = overtaken(changes, lambda: changes.edit(description="just now"))
    assert not result.complete
    assert statuses(result) == {"v": ("create", "applied"), "t": ("update", "stale"), "u": ("update", "applied")}
    assert changes.get().description == "just now"
    assert changes.get().max_nodes == 20
    assert sync(changes).complete  # and the next sync finishes it
    assert (changes.get().description, changes.get().max_nodes) == ("just now", 500)


def test_a_template_deleted_since_the_plan_is_not_created_again(changes: Deployment) -> None:
    result = overtaken(changes, changes.delete)
    assert statuses(result)["t"] == ("update", "stale")
    assert changes.states()["t"] == "deleted"


def test_a_name_taken_since_the_plan_stays_with_who_took_it(changes: Deployment) -> None:
    result = overtaken(changes, lambda: changes.create("v", description="just now"))
    assert statuses(result)["v"] == ("create", "stale")
    assert changes.get("v").description == "just now"


def test_an_orphan_edited_since_the_plan_is_not_deleted(changes: Deployment) -> None:
    result = overtaken(changes, lambda: changes.edit("w", description="just now"), prune=True)
    assert statuses(result)["w"] == ("delete", "stale")
    assert changes.get("w").description == "just now"


def test_an_orphan_claimed_since_the_plan_is_not_deleted(changes: Deployment) -> None:
    def claim() -> None:
        with changes.app.app_context():
            changes.templates.claim(changes.get("w").id, "i-1")

    result = overtaken(changes, claim, prune=True)
    assert statuses(result)["w"] == ("delete", "in_use")
    assert "i-1" in next(change.message for change in result.changes if change.name == "w")
    assert "w" in changes.names()


def test_the_usage_check_is_asked_again_by_the_deletion(changes: Deployment) -> None:
    def refuse(template: Any, after: Any) -> None:
        raise TemplateInUse(template.name, reason="busy")

    with changes.state() as state:
        plan = state.plan(state.read_files(), SyncOptions(prune=True))
        assert not plan.refusals
        result = apply(state.store, plan, actor="pipeline", guard=refuse)
    assert statuses(result)["w"] == ("delete", "in_use")


def test_a_template_that_holds_values_it_must_not_is_kept_and_named_and_the_rest_goes_on(
    changes: Deployment, database: Documents
) -> None:
    database[TEMPLATES].update_one({"name": "t"}, {"$set": {"instance_type": "two words"}})
    before = document(database)
    result = sync(changes, on_conflict="db")
    assert not result.complete
    assert statuses(result)["t"] == ("update", "invalid")
    assert "instance_type" in next(change.message for change in result.changes if change.name == "t")
    assert {status for name, (_, status) in statuses(result).items() if name != "t"} == {"applied"}
    assert document(database) == before


# --- Reviewed plans ---


def planned(deployment: Deployment, **options: Any) -> SyncPlan:
    with deployment.state() as state:
        return state.plan(state.read_files(), SyncOptions(**options))


def moved(deployment: Deployment, text: str) -> list[str]:
    """In what the plan of now is not that of `text`."""
    record = read_plan(text)
    with deployment.state() as state:
        now = state.plan(state.read_files(), record.options)
    return [refusal.message for refusal in record.moved(now)]


def test_a_plan_that_nothing_overtook_holds(every_state: Deployment) -> None:
    plan = planned(every_state, prune=True, adopt=("collision",), restore=("deleted",), on_conflict="db")
    text = json.dumps(plan_document(plan))
    assert read_plan(text).options == plan.options
    assert moved(every_state, text) == []


@pytest.mark.parametrize(
    ("happens", "said"),
    [
        (lambda d: d.edit(description="x"), "'t' is at revision 2, not at 1 any more"),
        (lambda d: d.delete(), "'t' was to be changed (update), and no longer needs to be"),
        (lambda d: d.create("v"), "'v' was not in the database, and is there now"),
        (lambda d: d.create("v", max_nodes=7), "'v' was to be changed (create), and no longer needs to be"),
        (lambda d: d.edit("in", name="elsewhere"), "'in' would be changed (create), which is not in the plan"),
        (lambda d: d.path.write_text("\n" + d.path.read_text()), "templates.yaml' has changed"),
        (
            lambda d: d.write(spec("t", max_nodes=501), spec("u", max_nodes=500), spec("v"), spec("in")),
            "'t' would be changed in another way",
        ),
    ],
    ids=["edit", "delete", "create", "collide", "rename", "white space", "value"],
)
def test_a_plan_whose_ground_moved_does_not_hold(
    make_app: AppFactory, happens: Callable[[Deployment], object], said: str
) -> None:
    deployment = Deployment(make_app, spec("t"), spec("u"), spec("in"), WORKER_TEMPLATES_SEED="off")
    deployment.write(spec("t", max_nodes=500), spec("u", max_nodes=500), spec("v"), spec("in"))
    text = json.dumps(plan_document(planned(deployment)))
    assert moved(deployment, text) == []
    happens(deployment)
    assert said in "\n".join(moved(deployment, text))


def test_an_edit_of_a_template_that_the_plan_leaves_alone_does_no_harm(changes: Deployment) -> None:
    text = json.dumps(plan_document(planned(changes)))
    changes.edit("w", description="x")
    assert moved(changes, text) == []


def test_files_that_come_and_go_are_named(make_app: AppFactory, tmp_path: Path) -> None:
    deployment = Deployment(make_app, spec("t"))
    deployment.write(spec("t", max_nodes=7))
    plan = plan_document(planned(deployment))
    plan["files"] = [{"path": "other.yaml", "sha256": "0" * 64}]
    said = "\n".join(moved(deployment, json.dumps(plan)))
    assert "'other.yaml' is not among the definition files any more" in said
    assert "worker_templates.yaml' is new among the definition files" in said


def test_a_plan_file_cannot_bring_values_of_its_own(changes: Deployment) -> None:
    plan = plan_document(planned(changes))
    plan["changes"][0]["fields"][0]["result"] = 100_000
    assert "'t' would be changed in another way than planned." in moved(changes, json.dumps(plan))


def test_a_plan_file_cannot_hide_a_change_behind_another_of_the_same_name(changes: Deployment) -> None:
    plan = plan_document(planned(changes))
    plan["changes"].insert(0, {**plan["changes"][0], "action": "delete"})
    assert moved(changes, json.dumps(plan)) == [
        "The plan does not hold any more: make a new one with diff --out, and review it."
    ]


_PLAN: dict[str, Any] = {
    "version": 1,
    "options": {"on_conflict": None, "prune": False, "max_delete": 1, "adopt": [], "restore": []},
    "files": [],
    "changes": [],
}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1, column 1"),
        ("[" * 100_000, "levels deep|Not valid JSON"),
        ("[]", "Invalid input type"),
        ("null", "Invalid input"),
        ('{"version": 1, "version": 1}', "duplicate"),
        (json.dumps({**_PLAN, "version": 2}), "it was made by another version of this package"),
        (json.dumps({**_PLAN, "version": 0, "more": 1}), "it was made by another version of this package"),
        (json.dumps({**_PLAN, "version": True}), "version: Not a valid integer"),
        (json.dumps({**_PLAN, "drift": False}), "drift: Unknown field"),
        (json.dumps({**_PLAN, "options": {**_PLAN["options"], "on_conflict": "mine"}}), "options.on_conflict: Must be"),
        (json.dumps({**_PLAN, "options": {**_PLAN["options"], "max_delete": -1}}), "options.max_delete"),
        (json.dumps({**_PLAN, "options": {**_PLAN["options"], "force": True}}), "options.force: Unknown field"),
        (json.dumps({**_PLAN, "files": [{"path": "../../etc/passwd"}]}), "files.0.sha256: Required."),
        (json.dumps({**_PLAN, "changes": [{"name": "\x1b[2J"}] * 1000}), "changes.0"),
        (json.dumps({key: value for key, value in _PLAN.items() if key != "options"}), "options: Required."),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_no_plan_is_refused_with_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(InvalidPlan, match=message) as refused:
        read_plan(text)
    assert str(refused.value).startswith("This plan cannot be used: ")
    assert len(str(refused.value)) < 3000
    assert str(refused.value).isprintable()


# --- At start ---


def test_at_start_only_what_overwrites_nothing_is_applied(
    every_state: Deployment, caplog: pytest.LogCaptureFixture
) -> None:
    every_state.edit("in_sync", max_nodes=40)
    every_state.path.write_text(
        every_state.path.read_text().replace("- name: in_sync", "- name: in_sync\n  max_nodes: 41")
    )
    before = every_state.states()
    assert before["in_sync"] == "conflict"
    app, _ = every_state.process(WORKER_TEMPLATES_SYNC_ON_START="safe")
    with caplog.at_level(logging.INFO, LOG):
        assert app.test_client().get("/api/v1/templates").status_code == 200
    assert every_state.states() == {**before, "file_changed": "in_sync", "diverged": "edited"}
    assert every_state.get("in_sync").max_nodes == 40
    assert [(event.action, event.actor) for event in every_state.events("file_changed")] == [
        ("seeded", "seeder"),
        ("synced", "seeder"),
    ]
    assert "'in_sync' was not synced: file and database both changed max_nodes." in caplog.text
    assert "Synced the worker template 'file_changed' with its file: revision 2." in caplog.text


def test_off_is_the_default_at_start(every_state: Deployment) -> None:
    before = every_state.states()
    app, _ = every_state.process()
    assert app.test_client().get("/api/v1/templates").status_code == 200
    assert every_state.states() == before


def test_at_start_seeding_and_syncing_go_together(every_state: Deployment) -> None:
    app, _ = every_state.process(WORKER_TEMPLATES_SYNC_ON_START="safe", WORKER_TEMPLATES_SEED="on")
    assert app.test_client().get("/api/v1/templates").status_code == 200
    states = every_state.states()
    assert (states["missing"], states["deleted"], states["file_changed"]) == ("in_sync", "in_sync", "in_sync")


@mongod_only
def test_a_restart_that_has_nothing_to_sync_writes_nothing(every_state: Deployment, database_uri: str) -> None:
    first, _ = every_state.process(WORKER_TEMPLATES_SYNC_ON_START="safe")
    assert first.test_client().get("/api/v1/templates").status_code == 200
    with monitored(database_uri) as (config, commands):
        app, _ = every_state.process(WORKER_TEMPLATES_SYNC_ON_START="safe", **config)
        assert app.test_client().get("/api/v1/templates").status_code == 200
    assert commands.writes == []


def test_files_that_cannot_be_read_make_a_start_fail_even_without_seeding(every_state: Deployment) -> None:
    every_state.path.write_text("templates: [")
    app, templates = every_state.process(WORKER_TEMPLATES_SYNC_ON_START="safe")
    assert app.test_client().get("/api/v1/templates").status_code == 503
    with app.app_context():
        assert templates.status().state == "failed"


# --- Several processes ---

PROCESS = """
import sys
import mongoengine
from flask import Flask
from flask_worker_templates import WorkerTemplates

uri, path = sys.argv[1:]
mongoengine.connect(host=uri, uuidRepresentation="standard")
app = Flask("plain_host")
app.config.update(WORKER_TEMPLATES_CONFIG_PATH=path, WORKER_TEMPLATES_SEED="off", WORKER_TEMPLATES_SYNC_ON_START="safe")
WorkerTemplates(app)
print("ready", flush=True)
sys.stdin.readline()
answer = app.test_client().get("/api/v1/templates")
assert answer.status_code == 200, answer.text
"""


def process(uri: str, path: Path) -> subprocess.Popen[str]:
    """A process that waits for a line, and then serves a request after a sync at start."""
    return subprocess.Popen(
        [sys.executable, "-c", PROCESS, uri, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@mongod_only
@pytest.mark.parametrize("count", [3, pytest.param(6, marks=pytest.mark.thorough)])
def test_processes_that_start_at_once_apply_each_change_once(
    make_app: AppFactory, database: Documents, database_uri: str, count: int
) -> None:
    names = [f"t{number:02}" for number in range(20)]
    deployment = Deployment(make_app, *(spec(name) for name in names), WORKER_TEMPLATES_SEED="off")
    for name in names[:10]:
        deployment.edit(name, description="by hand")
    deployment.edit("t19", max_nodes=40)
    deployment.write(*(spec(name, max_nodes=500) for name in names))
    started = [process(database_uri, deployment.path) for _ in range(count)]
    try:
        for one in started:
            assert one.stdout is not None
            assert one.stdout.readline() == "ready\n"
        for one in started:
            assert one.stdin is not None
            one.stdin.write("\n")
            one.stdin.flush()
        for one in started:
            _, errors = one.communicate(timeout=60)
            assert one.returncode == 0, errors
    finally:
        for one in started:
            one.kill()
            one.communicate()
    events = list(database[EVENTS].find({"action": "synced"}))
    assert sorted(event["name"] for event in events) == names[:19]
    assert {found["name"]: found["max_nodes"] for found in database[TEMPLATES].find()} == {
        **dict.fromkeys(names, 500),
        "t19": 40,
    }
    assert all(deployment.get(name).description == "by hand" for name in names[:10])


@pytest.mark.parametrize("how", ["sync", "at start"])
def test_an_entry_whose_name_is_blocked_is_named_and_the_rest_goes_on(
    make_app: AppFactory, database: Documents, how: str
) -> None:
    deployment = Deployment(make_app, spec("t"))
    blocking = {"_id": "by hand", "name": "held", "rooms": 3}
    database[TEMPLATES].insert_one(dict(blocking))
    deployment.write(spec("t", max_nodes=9), spec("held"))
    assert deployment.states() == {"t": "file_changed", "held": "blocked"}
    answer = deployment.client().get("/api/v1/templates/drift?state=blocked").get_json()
    assert [(one["name"], one["state"]) for one in answer["templates"]] == [("held", "blocked")]
    if how == "sync":
        done = deployment.app.test_cli_runner().invoke(args=["worker-templates", "sync", "--yes"])
        assert done.exit_code == 4, done.output  # something is left that somebody has to settle
        assert "Not applied (create held): 'held' cannot be created" in done.stderr
    else:
        app, templates = deployment.process(WORKER_TEMPLATES_SYNC_ON_START="safe")
        assert app.test_client().get("/api/v1/templates").status_code == 200
        with app.app_context():
            assert templates.status().state == "ready"
    assert deployment.get().max_nodes == 9
    assert deployment.states() == {"t": "in_sync", "held": "blocked"}
    assert deployment.app.test_cli_runner().invoke(args=["worker-templates", "diff"]).exit_code == 3
    assert database[TEMPLATES].find_one({"_id": "by hand"}) == blocking
