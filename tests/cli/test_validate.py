"""The command `validate`, which needs no database."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from flask import Flask

from flask_worker_templates import WorkerTemplates
from flask_worker_templates.cli.json_schema import definition_file_schema
from tests.support.shell import Shell
from tests.support.specs import spec


def test_validate_checks_the_configured_files(offline: Shell) -> None:
    result = offline.run("worker-templates", "validate")
    assert result.output == "Valid: 1 template in 1 file.\n"
    path = str(offline.app.config["WORKER_TEMPLATES_CONFIG_PATH"])
    assert offline.json("worker-templates", "validate", schema="validate") == {
        "version": 1,
        "files": [{"path": path, "templates": 1}],
        "faults": [],
        "warnings": [],
    }


def test_validate_checks_the_named_files_as_one_set(offline: Shell) -> None:
    Path("a.yaml").write_text(yaml.safe_dump({"templates": [spec("one"), spec("two")]}))
    Path("b.json").write_text(json.dumps({"templates": []}))
    assert offline.run("worker-templates", "validate", "a.yaml", "b.json").output == "Valid: 2 templates in 2 files.\n"
    assert offline.json("worker-templates", "validate", "a.yaml", "b.json")["files"] == [
        {"path": "a.yaml", "templates": 2},
        {"path": "b.json", "templates": 0},
    ]
    Path("b.json").write_text(json.dumps({"templates": [spec("two")]}))
    result = offline.run("worker-templates", "validate", "a.yaml", "b.json", code=1)
    assert "b.json:1:" in result.stderr
    assert "a.yaml:" in result.stderr


def test_a_dash_is_standard_input(offline: Shell) -> None:
    good, bad = yaml.safe_dump({"templates": [spec("one")]}), BAD
    assert offline.wt("validate", "-", typed=good).output == "Valid: 1 template in 1 file.\n"
    assert ":4:25: capacity.cpu_cores: " in offline.wt("validate", "-", typed=bad, code=1).stderr


BAD = """\
templates:
- name: 'x,%'
  instance_type: m5.large
  capacity: {cpu_cores: 0, memory_gb: 1, storage_gb: 1}
  license_type: PERSONAL
"""


def test_validate_prints_every_fault_with_its_place(offline: Shell) -> None:
    Path("bad.yaml").write_text(BAD + "  color: red\n")
    result = offline.run("worker-templates", "validate", "bad.yaml", code=1)
    assert result.stdout == ""
    assert [line.rsplit(": ", 1)[0].split(": ")[:2] for line in result.stderr.splitlines()] == [
        ["bad.yaml:4:25", "capacity.cpu_cores"],
        ["bad.yaml:6:3", "color"],
    ]
    document = offline.json("worker-templates", "validate", "bad.yaml", code=1)
    assert document["error"]["type"] == "InvalidFiles"
    assert [(fault["line"], fault["column"]) for fault in document["faults"]] == [(4, 25), (6, 3)]


def test_validate_annotates_on_github(offline: Shell) -> None:
    Path("a,b%.yaml").write_text(BAD)
    result = offline.run("worker-templates", "validate", "--format", "github", "a,b%.yaml", code=1)
    assert result.stdout.startswith("::error file=a%2Cb%25.yaml,line=4,col=25::capacity.cpu_cores: Must be")
    assert len(result.stdout.splitlines()) == 1
    missing = offline.run("worker-templates", "validate", "--format", "github", "no.yaml", code=1)
    where = f"Looked for in {Path.cwd()}. The setting WORKER_TEMPLATES_CONFIG_PATH can name another place."
    assert missing.stdout == f"::error file=no.yaml::There is no such file or directory. {where}\n"
    Path("good.yaml").write_text(yaml.safe_dump({"templates": [spec("one")]}))
    good = offline.run("worker-templates", "validate", "--format", "github", "good.yaml")
    assert (good.stdout, good.stderr) == ("", "Valid: 1 template in 1 file.\n")


@pytest.mark.parametrize("workspace", [True, False], ids=["workspace", "working directory"])
def test_annotations_name_files_from_the_root_of_the_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workspace: bool
) -> None:
    app = Flask("plain_host", root_path=str(tmp_path / "services" / "fleet"))
    WorkerTemplates(app)
    file = tmp_path / "services/fleet/config/worker_templates.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(BAD)
    monkeypatch.chdir(tmp_path / "services" if workspace else tmp_path)
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    if workspace:
        monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    named = ["fleet/config" if workspace else "services/fleet/config"]
    for paths in ([], named, [str(file)]):
        result = app.test_cli_runner().invoke(args=["worker-templates", "validate", "--format", "github", *paths])
        assert result.stdout.startswith("::error file=services/fleet/config/worker_templates.yaml,line=4,col=25::")


def test_validate_warns_of_a_missing_file_at_the_default_path(tmp_path: Path) -> None:
    app = Flask("plain_host", root_path=str(tmp_path))
    WorkerTemplates(app)
    warning = (
        f"config/worker_templates.yaml: There is no such file or directory. Looked for in {tmp_path}. "
        "The setting WORKER_TEMPLATES_CONFIG_PATH can name another place."
    )
    results = {
        kind: app.test_cli_runner().invoke(args=["worker-templates", "validate", "--format", kind])
        for kind in ("text", "json", "github")
    }
    assert [result.exit_code for result in results.values()] == [0, 0, 0]
    assert results["text"].stdout == "Valid: 0 templates in 0 files.\n"
    assert results["text"].stderr == f"Warning: {warning}\n"
    assert json.loads(results["json"].stdout) == {"version": 1, "files": [], "faults": [], "warnings": [warning]}
    assert results["github"].stdout == f"::warning ::{warning}\n"


def test_json_schema_is_that_of_a_definition_file(offline: Shell) -> None:
    for arguments in ([], ["--format", "json"], ["--format", "text"], ["definition-file"]):
        assert json.loads(offline.run("worker-templates", "json-schema", *arguments).stdout) == definition_file_schema()
