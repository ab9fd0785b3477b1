"""After an export: the base does not lag behind the file that was written, and names go with their entries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pymongo.database import Database

from flask_worker_templates.model.records import Exported, ExportedLeaf, Seed
from flask_worker_templates.settings import Settings
from flask_worker_templates.store import origins
from flask_worker_templates.store.connection import EVENTS, TEMPLATES, DatabaseAccess
from flask_worker_templates.store.store import Store
from tests.support.apps import AppFactory
from tests.support.deployment import Deployment
from tests.support.monitoring import monitored
from tests.support.specs import spec
from tests.support.strategies import spec_with
from tests.support.trail import contents

Documents = Database[dict[str, Any]]


@pytest.fixture
def deployment(make_app: AppFactory) -> Deployment:
    return Deployment(make_app, spec("t", labels={"team": "qa"}), WORKER_TEMPLATES_SEED="off")


def export(deployment: Deployment, *more: str) -> None:
    arguments = ["worker-templates", "export", "--write", "--max-remove", "9", *more]
    result = deployment.app.test_cli_runner().invoke(args=arguments)
    assert result.exit_code == 0, result.output
    assert deployment.app.test_cli_runner().invoke(args=["worker-templates", "diff"]).exit_code == 0


def sync(deployment: Deployment, **options: Any) -> dict[str, str]:
    with deployment.app.app_context():
        return {one.name: one.action for one in deployment.templates.sync(actor="ci", **options).changes}


def test_a_revert_after_an_export_is_not_overwritten(deployment: Deployment) -> None:
    deployment.edit(max_nodes=100, labels={"team": None, "new": "1"})
    export(deployment)
    with deployment.app.app_context():
        deployment.templates.revert(deployment.get().id, 1, actor="ada")
    assert deployment.states() == {"t": "edited"}
    app, _ = deployment.process(WORKER_TEMPLATES_SYNC_ON_START="safe")
    assert app.test_client().get("/api/v1/templates").status_code == 200
    assert (deployment.get().max_nodes, deployment.get().labels) == (20, {"team": "qa"})


def test_an_edit_after_an_export_is_edited_and_no_conflict(deployment: Deployment) -> None:
    deployment.edit(max_nodes=100)
    export(deployment)
    deployment.edit(max_nodes=200)
    assert deployment.states() == {"t": "edited"}
    assert sync(deployment) == {"t": "rebase"}
    assert deployment.get().max_nodes == 200


def test_the_note_is_no_event_and_no_revision(deployment: Deployment, database: Documents) -> None:
    deployment.edit(max_nodes=100)
    before = contents(database)
    export(deployment)
    after = contents(database)
    assert after[EVENTS] == before[EVENTS]
    for one in after[TEMPLATES]:
        one.pop("exported")
    assert after[TEMPLATES] == before[TEMPLATES]
    after = contents(database)
    export(deployment)
    assert contents(database) == after


def test_a_process_that_has_the_old_file_before_any_has_the_new_one_changes_nothing(deployment: Deployment) -> None:
    old = deployment.path.read_text()
    deployment.edit(max_nodes=100)
    export(deployment)
    new = deployment.path.read_text()
    for text in (old, new, new):
        deployment.path.write_text(text)
        sync(deployment)
        assert deployment.get().max_nodes == 100
    # From now on the old text is a change of the file: somebody took the export back.
    deployment.path.write_text(old)
    assert deployment.states() == {"t": "file_changed"}


def test_a_note_ends_when_the_file_goes_on(deployment: Deployment) -> None:
    deployment.edit(max_nodes=100)
    export(deployment)
    deployment.write(spec("t", labels={"team": "qa"}, max_nodes=150))
    assert sync(deployment, on_conflict="file") == {"t": "update"}
    deployment.write(spec("t", labels={"team": "qa"}))  # what the base was when the export noted
    assert sync(deployment) == {"t": "update"}
    deployment.write(spec("t", labels={"team": "qa"}, max_nodes=100))
    assert deployment.states() == {"t": "file_changed"}


def test_a_template_that_an_export_added_is_edited_afterwards(deployment: Deployment) -> None:
    deployment.create("hand")
    export(deployment, "--add", str(deployment.path))
    deployment.edit("hand", max_nodes=7)
    assert deployment.states() == {"hand": "edited", "t": "in_sync"}
    assert sync(deployment) == {"hand": "rebase"}


HANDWRITTEN = """\
templates:
  - name: small   # price list 3
    instance_type: t3.large   # burstable
    capacity: {cpu_cores: 2, memory_gb: 8, storage_gb: 50}
    license_type: PERSONAL
  - name: medium   # price list 4
    instance_type: m5.large
    capacity: {cpu_cores: 4, memory_gb: 16, storage_gb: 100}
    license_type: PERSONAL
"""


@pytest.fixture
def two(make_app: AppFactory) -> Deployment:
    made = Deployment(make_app, WORKER_TEMPLATES_SEED="off")
    made.path.write_text(HANDWRITTEN)
    with made.app.app_context():
        made.templates.seed()
    return made


def lines(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if "name:" in line or "instance_type" in line]


@pytest.mark.parametrize(
    ("renames", "small", "medium"),
    [
        ([("small", "tiny"), ("medium", "small")], "tiny", "small"),
        ([("small", "x"), ("medium", "small"), ("x", "medium")], "medium", "small"),
        ([("small", "tiny")], "tiny", "medium"),
    ],
    ids=["chain", "swap", "one"],
)
def test_comments_stay_with_their_machine_when_names_are_passed_on(
    two: Deployment, renames: list[tuple[str, str]], small: str, medium: str
) -> None:
    for old, new in renames:
        two.edit(old, name=new)
    export(two)
    assert lines(two.path) == [
        f"  - name: {small}   # price list 3",
        "    instance_type: t3.large   # burstable",
        f"  - name: {medium}   # price list 4",
        "    instance_type: m5.large",
    ]
    assert set(two.states().values()) == {"in_sync"}
    # Also before any sync has looked at it.
    two.edit(small, max_nodes=7)
    assert two.states()[small] == "edited"


def test_a_rename_back_after_an_export_is_one_rename(two: Deployment) -> None:
    two.edit("small", name="tiny")
    export(two)
    two.edit("tiny", name="small")
    assert two.states() == {"medium": "in_sync", "small": "unmanaged", "tiny": "missing"}
    export(two)
    assert "name: small   # price list 3" in two.path.read_text()


def test_an_entry_that_is_removed_says_who_deleted_its_template(two: Deployment) -> None:
    two.delete("small")
    two.edit("medium", name="small")
    result = two.app.test_cli_runner().invoke(args=["worker-templates", "export", "--write"])
    assert "removed   small" in result.stdout
    assert "deleted by ada" in result.stdout
    assert [one["name"] for one in yaml.safe_load(two.path.read_text())["templates"]] == ["small"]
    assert set(two.states().values()) == {"in_sync"}


def test_what_is_noted_of_many_templates_takes_a_few_commands(
    database_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each in a time limit of its own: one for all could not hold for a whole fleet."""
    monkeypatch.setattr(origins, "BATCH", 3)
    with monitored(database_uri) as (config, commands):
        store = Store(DatabaseAccess(Settings.from_config(config)))
        store.make_indexes()
        store.create_missing([Seed(spec_with(name), "a.yaml") for name in "abcdefg"], actor="seeder")
        notes = {one.id: Exported("default", (ExportedLeaf("max_nodes", 1, 2),)) for one in store.managed()}
        before = len(commands.writes)
        store.note_exported(notes)
        assert commands.writes[before:] == ["update"] * 3
        assert {one.id: one.exported for one in store.managed()} == notes
        store.note_exported(dict.fromkeys(notes))
        assert {one.exported for one in store.managed()} == {None}
