"""The command `seed-templates`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask import Flask
from pymongo.database import Database

from flask_worker_templates import WorkerTemplates
from flask_worker_templates.store.connection import TEMPLATES
from tests.support.apps import AppFactory
from tests.support.backends import new_database
from tests.support.shell import TIME, Shell
from tests.support.specs import spec


def test_seed_templates_says_what_it_created(shell: Shell) -> None:
    assert shell.run("seed-templates").stdout == "created  small\ncreated  large\n2 created, 0 already present.\n"
    assert shell.run("seed-templates").stdout == "0 created, 2 already present.\n"


def test_seed_templates_for_programs(shell: Shell) -> None:
    rest = {"version": 1, "recreated": [], "respected": [], "renamed": [], "warnings": [], "dry_run": False}
    assert shell.json("seed-templates", schema="seed") == {"created": ["small", "large"], "existing": 0, **rest}
    assert shell.json("seed-templates", schema="seed") == {"created": [], "existing": 2, **rest}


@new_database
def test_a_dry_run_writes_nothing(shell: Shell, database: Database[dict[str, Any]]) -> None:
    assert shell.run("seed-templates", "--dry-run").stdout == (
        "would create  small\nwould create  large\n2 would be created, 0 already present.\n"
    )
    tried = shell.json("seed-templates", "--dry-run")
    assert (tried["created"], tried["dry_run"]) == (["small", "large"], True)
    assert database.list_collection_names() == []


def test_other_files_can_be_named_relative_to_the_working_directory(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "a [b] *"
    here.mkdir()
    monkeypatch.chdir(here)
    Path("one.yaml").write_text(yaml.safe_dump({"templates": [spec("one")]}))
    Path("more").mkdir()
    Path("more/two.json").write_text(json.dumps({"templates": [spec("two")]}))
    (tmp_path / "three.yml").write_text(yaml.safe_dump({"templates": [spec("three")]}))
    result = shell.json(
        "seed-templates", "--config", "one.yaml", "--config", "more/*", "--config", str(tmp_path / "three.yml")
    )
    assert result["created"] == ["one", "two", "three"]


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
@new_database
def test_a_bad_file_is_an_error_that_names_the_places(
    shell: Shell, database: Database[dict[str, Any]], tmp_path: Path, dry: list[str]
) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("templates:\n- name: x\n  instance_type: m5.large\n  license_type: FREE\n")
    result = shell.run("seed-templates", *dry, "--config", str(bad), code=1)
    assert result.stdout == ""
    lines = [line.removeprefix(str(bad)) for line in result.stderr.splitlines()]
    assert lines[0].startswith(":2:3: capacity: Required.")
    assert lines[1].startswith(":4:17: license_type: Must be one of")
    document = shell.json("seed-templates", *dry, "--config", str(bad), code=1)
    assert document["error"]["type"] == "InvalidFiles"
    assert [(fault["path"], fault["line"], fault["field"]) for fault in document["faults"]] == [
        (str(bad), 2, "capacity"),
        (str(bad), 4, "license_type"),
    ]
    assert document["faults"][1]["column"] == 17
    assert database.list_collection_names() == []


def test_what_was_deleted_is_created_again_with_a_warning(seeded: Shell, caplog: pytest.LogCaptureFixture) -> None:
    with seeded.app.app_context():
        seeded.templates.delete(seeded.templates.get_by_name("large").id, actor="mallory")
    announced = seeded.run("seed-templates", "--dry-run")
    assert announced.stdout == "would create  large\n1 would be created, 1 already present.\n"
    assert announced.stderr.startswith("Warning: Template 'large' was deleted by 'mallory' at ")
    assert announced.stderr.endswith(" and would be created again.\n")
    result = seeded.run("seed-templates", "--format", "json")
    document = json.loads(result.stdout)
    assert document["created"] == ["large"]
    [again] = document["recreated"]
    assert (again["name"], again["deleted_by"]) == ("large", "mallory")
    assert re.fullmatch(TIME, again["deleted_at"])
    assert document["warnings"] == [
        f"Template 'large' was deleted by 'mallory' at {again['deleted_at']} and is created again."
    ]
    assert result.stderr == f"Warning: {document['warnings'][0]}\n"
    assert document["warnings"][0] not in caplog.text  # without a log of its own, an app prints that on stderr too


def test_a_missing_file_at_the_default_path_is_said(connection: dict[str, str], tmp_path: Path) -> None:
    app = Flask("plain_host", root_path=str(tmp_path))
    app.config.update(connection)
    WorkerTemplates(app)
    result = app.test_cli_runner().invoke(args=["seed-templates"])
    assert result.exit_code == 0
    assert result.stdout == "0 created, 0 already present.\n"
    assert result.stderr.startswith("Warning: config/worker_templates.yaml: There is no such file or directory. ")


def test_a_respected_deletion_is_said(make_app: AppFactory) -> None:
    shell = Shell(make_app, spec("small"), WORKER_TEMPLATES_RESEED_DELETED=False)
    shell.run("seed-templates")
    with shell.app.app_context():
        shell.templates.delete(shell.templates.get_by_name("small").id, actor="mallory")
    printed = shell.run("seed-templates").stdout
    assert re.fullmatch(
        rf"deleted  small  \(by mallory at {TIME}; stays deleted\)\n0 created, 0 already present\.\n", printed
    )
    assert shell.json("seed-templates")["respected"][0]["deleted_by"] == "mallory"


@new_database
def test_double_names_in_the_database_are_an_error(shell: Shell, database: Database[dict[str, Any]]) -> None:
    database[TEMPLATES].insert_many([{"_id": "1", "name": "twin"}, {"_id": "2", "name": "twin"}])
    assert "'twin' (2 times)" in shell.run("seed-templates", code=1).stderr
    assert shell.json("seed-templates", code=1)["error"]["type"] == "DuplicateNames"
