"""The commands: what they print for people and for programs, and their exit codes."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mongoengine
import pytest
import yaml
from click.testing import Result
from flask import Flask
from pymongo.database import Database

from flask_worker_templates import WorkerTemplates
from flask_worker_templates.cli.json_schema import definition_file_schema
from flask_worker_templates.store.connection import TEMPLATES
from tests.support.apps import AppFactory
from tests.support.backends import mongod_only, mongomock_only
from tests.support.json_documents import checked
from tests.support.paths import ROOT
from tests.support.servers import free_port
from tests.support.specs import spec

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


class Shell:
    """A shell on the machine of one app."""

    def __init__(self, make_app: AppFactory, *specs: dict[str, Any], **config: Any) -> None:
        self.app = Flask("plain_host")
        self.app.config.update(make_app.config(templates=specs, **config))
        self.templates = WorkerTemplates(self.app)

    def run(self, *arguments: str, code: int = 0) -> Result:
        result = self.app.test_cli_runner().invoke(args=arguments)
        assert result.exit_code == code, result.output
        return result

    def json(self, *arguments: str, code: int = 0) -> Any:
        """What a command prints for programs: exactly one JSON document and no other word."""
        printed = self.run(*arguments, "--format", "json", code=code).stdout
        return checked("error", printed) if code else json.loads(printed)


@pytest.fixture
def shell(make_app: AppFactory) -> Shell:
    """An app whose file has two templates and whose database is empty."""
    return Shell(make_app, spec("small"), spec("large", max_nodes=500))


@pytest.fixture
def seeded(shell: Shell) -> Shell:
    """The same, after seeding, with an edit, claims and a template made by hand."""
    shell.run("seed-templates")
    with shell.app.app_context():
        small = shell.templates.get_by_name("small")
        shell.templates.update(small.id, {"max_nodes": 7, "labels": {"team": "größe"}}, actor="alice")
        shell.templates.claim(small.id, "worker-1", actor="fleet")
        shell.templates.claim(small.id, "worker-2", actor="fleet")
        shell.templates.create(spec("by hand", enabled=False))
    return shell


# seed-templates


def test_seed_templates_says_what_it_created(shell: Shell) -> None:
    assert shell.run("seed-templates").stdout == "created  small\ncreated  large\n2 created, 0 there already.\n"
    assert shell.run("seed-templates").stdout == "0 created, 2 there already.\n"


def test_seed_templates_for_programs(shell: Shell) -> None:
    rest = {"recreated": [], "respected": [], "warnings": [], "dry_run": False}
    assert shell.json("seed-templates") == {"created": ["small", "large"], "existing": 0, **rest}
    assert shell.json("seed-templates") == {"created": [], "existing": 2, **rest}


def test_a_dry_run_writes_nothing(shell: Shell, database: Database[dict[str, Any]]) -> None:
    assert shell.run("seed-templates", "--dry-run").stdout == (
        "would create  small\nwould create  large\n2 would be created, 0 there already.\n"
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
def test_a_bad_file_is_an_error_that_names_the_places(
    shell: Shell, database: Database[dict[str, Any]], tmp_path: Path, dry: list[str]
) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("templates:\n- name: x\n  instance_type: m5.large\n  license_type: FREE\n")
    result = shell.run("seed-templates", *dry, "--config", str(bad), code=1)
    assert result.stdout == ""
    lines = [line.removeprefix(str(bad)) for line in result.stderr.splitlines()]
    assert lines[0].startswith(":2:3: capacity: Missing data")
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
    assert announced.stdout == "would create  large\n1 would be created, 1 there already.\n"
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
    assert result.stdout == "0 created, 0 there already.\n"
    assert result.stderr.startswith("Warning: config/worker_templates.yaml: There is no such file or directory. ")


def test_a_respected_deletion_is_said(make_app: AppFactory) -> None:
    shell = Shell(make_app, spec("small"), WORKER_TEMPLATES_RESEED_DELETED=False)
    shell.run("seed-templates")
    with shell.app.app_context():
        shell.templates.delete(shell.templates.get_by_name("small").id, actor="mallory")
    printed = shell.run("seed-templates").stdout
    assert re.fullmatch(
        rf"deleted  small  \(by mallory at {TIME}; stays deleted\)\n0 created, 0 there already\.\n", printed
    )
    assert shell.json("seed-templates")["respected"][0]["deleted_by"] == "mallory"


def test_double_names_in_the_database_are_an_error(shell: Shell, database: Database[dict[str, Any]]) -> None:
    database[TEMPLATES].insert_many([{"_id": "1", "name": "twin"}, {"_id": "2", "name": "twin"}])
    assert "'twin' (2 times)" in shell.run("seed-templates", code=1).stderr
    assert shell.json("seed-templates", code=1)["error"]["type"] == "DuplicateNames"


# list, show


@pytest.mark.parametrize(
    "arguments", [["diff"], ["sync", "--yes"], ["export"], ["export", "--write"], ["export", "--write", "--dry-run"]]
)
def test_templates_of_one_name_are_not_compared_and_not_exported(
    seeded: Shell, database: Database[dict[str, Any]], arguments: list[str]
) -> None:
    database[TEMPLATES].drop_indexes()
    twin = database[TEMPLATES].find_one({"name": "small"})
    assert twin is not None
    database[TEMPLATES].insert_one({**twin, "_id": "twin"})
    result = seeded.run("worker-templates", *arguments, code=1)
    assert result.stdout == ""
    assert "holds several templates of the same name: 'small' (2 times)" in result.stderr
    assert seeded.json("worker-templates", *arguments, code=1)["error"]["type"] == "DuplicateNames"
    assert "name_unique" not in database[TEMPLATES].index_information()


def test_list_is_a_table_for_people(seeded: Shell) -> None:
    result = seeded.run("worker-templates", "list")
    assert result.stdout.splitlines() == [
        "by hand  PERSONAL  m5.large  2 cores  8 GB  20 nodes   disabled          revision 1",
        "large    PERSONAL  m5.large  2 cores  8 GB  500 nodes  enabled   seeded  revision 1",
        "small    PERSONAL  m5.large  2 cores  8 GB  7 nodes    enabled   seeded  revision 2",
    ]
    assert result.stderr == "3 templates.\n"


def test_list_for_programs_is_what_http_answers(seeded: Shell) -> None:
    answered = seeded.app.test_client().get("/api/v1/templates").get_json()
    assert seeded.json("worker-templates", "list") == answered


def test_list_of_nothing(make_app: AppFactory) -> None:
    shell = Shell(make_app)
    result = shell.run("worker-templates", "list")
    assert (result.stdout, result.stderr) == ("", "There are no templates.\n")
    assert shell.json("worker-templates", "list") == []


def test_list_of_one_is_singular(make_app: AppFactory) -> None:
    shell = Shell(make_app, spec("small"))
    shell.run("seed-templates")
    assert shell.run("worker-templates", "list").stderr == "1 template.\n"


@mongomock_only
def test_list_is_longer_than_a_page(make_app: AppFactory) -> None:
    shell = Shell(make_app, *(spec(f"t{number:03}") for number in range(400)))
    shell.run("seed-templates")
    assert [one["name"] for one in shell.json("worker-templates", "list")] == [f"t{n:03}" for n in range(400)]


def test_show(seeded: Shell) -> None:
    document = seeded.json("worker-templates", "show", "small")
    assert document == seeded.app.test_client().get(f"/api/v1/templates/{document['id']}").get_json()
    lines = dict(
        line.split(maxsplit=1)
        for line in seeded.run("worker-templates", "show", "small").stdout.splitlines()
        if " " in line
    )
    assert lines["name"] == "small"
    assert lines["capacity"] == "cpu_cores=2, memory_gb=8, storage_gb=50"
    assert lines["labels"] == "team=größe"
    assert lines["revision"] == "2"
    assert "cost_per_hour_usd" not in lines  # unknown: the name alone


@pytest.mark.parametrize("command", ["show", "history", "claims"])
def test_a_name_that_there_is_not_is_an_error(shell: Shell, command: str) -> None:
    result = shell.run("worker-templates", command, "nobody", code=1)
    assert (result.stdout, result.stderr) == ("", "Error: There is no worker template 'nobody'.\n")
    assert shell.json("worker-templates", command, "nobody", code=1) == {
        "version": 1,
        "error": {"type": "TemplateNotFound", "message": "There is no worker template 'nobody'."},
    }


# history


def test_history_shows_each_change(seeded: Shell) -> None:
    lines = seeded.run("worker-templates", "history", "small").stdout.splitlines()
    assert re.fullmatch(rf"   2  {TIME}  updated   alice", lines[0])
    assert lines[1:3] == ["      max_nodes: 20 → 7", '      labels.team: – → "größe"']
    assert re.fullmatch(rf"   1  {TIME}  seeded    seeder", lines[3])
    assert len(lines) == 4


def test_history_for_programs_is_what_http_answers(seeded: Shell) -> None:
    document = seeded.json("worker-templates", "show", "small")
    answered = seeded.app.test_client().get(f"/api/v1/templates/{document['id']}/history").get_json()
    assert seeded.json("worker-templates", "history", "small") == answered


def test_history_of_a_deleted_template(seeded: Shell) -> None:
    with seeded.app.app_context():
        seeded.templates.delete(seeded.templates.get_by_name("by hand").id, actor="bob")
    events = seeded.json("worker-templates", "history", "by hand")
    assert [(event["action"], event["actor"]) for event in events] == [("deleted", "bob"), ("created", "anonymous")]


def test_history_can_be_cut_and_says_so(seeded: Shell) -> None:
    result = seeded.run("worker-templates", "history", "small", "--limit", "1")
    assert "seeded" not in result.stdout
    assert result.stderr == "(1 earlier; --limit shows more)\n"
    assert len(seeded.json("worker-templates", "history", "small", "--limit", "1")) == 1


# claims


def test_claims(seeded: Shell) -> None:
    result = seeded.run("worker-templates", "claims", "small")
    assert re.fullmatch(rf"worker-1  {TIME}  fleet\nworker-2  {TIME}  fleet\n", result.stdout)
    assert result.stderr == "2 claims.\n"
    document = seeded.json("worker-templates", "claims", "small")
    assert [(claim["worker_id"], claim["actor"]) for claim in document] == [
        ("worker-1", "fleet"),
        ("worker-2", "fleet"),
    ]


def test_claims_of_a_template_that_no_worker_uses(seeded: Shell) -> None:
    result = seeded.run("worker-templates", "claims", "large")
    assert (result.stdout, result.stderr) == ("", "No worker claims it.\n")
    assert seeded.json("worker-templates", "claims", "large") == []


# validate: no database


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """An app whose database does not exist, at work in an empty directory."""

    class NoDatabase(AppFactory):
        def __init__(self) -> None:
            uri = f"mongodb://127.0.0.1:{free_port()}/fleet"
            super().__init__({"WORKER_TEMPLATES_MONGODB_URI": uri}, tmp_path)

    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    yield Shell(NoDatabase(), spec("small"), WORKER_TEMPLATES_DB_TIMEOUT_MS=300)
    mongoengine.disconnect_all()


def test_validate_checks_the_configured_files(offline: Shell) -> None:
    result = offline.run("worker-templates", "validate")
    assert result.output == "Valid: 1 template in 1 file.\n"
    path = str(offline.app.config["WORKER_TEMPLATES_CONFIG_PATH"])
    assert offline.json("worker-templates", "validate") == {
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
    assert json.loads(results["json"].stdout) == {"files": [], "faults": [], "warnings": [warning]}
    assert results["github"].stdout == f"::warning ::{warning}\n"


def test_json_schema_is_that_of_a_definition_file(offline: Shell) -> None:
    for arguments in ([], ["--format", "json"], ["--format", "text"], ["definition-file"]):
        assert json.loads(offline.run("worker-templates", "json-schema", *arguments).stdout) == definition_file_schema()


# Exit codes


@pytest.mark.parametrize(
    "arguments",
    [
        ["seed-templates"],
        ["seed-templates", "--dry-run"],
        ["worker-templates", "list"],
        ["worker-templates", "show", "small"],
        ["worker-templates", "history", "small"],
        ["worker-templates", "claims", "small"],
    ],
    ids=" ".join,
)
def test_an_unreachable_database_is_exit_code_5_soon(
    offline: Shell, arguments: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    started = time.perf_counter()
    result = offline.run(*arguments, code=5)
    assert time.perf_counter() - started < 5
    assert result.stdout == ""
    assert result.stderr.startswith("Error: The worker template database is not available: ")
    assert len(result.stderr.splitlines()) == 1
    # Where nobody has set up logging, the entry of the log is there on standard error as well.
    said = caplog.records[0].getMessage()
    assert said.startswith("The worker template database (see WORKER_TEMPLATES_MONGODB_URI) is not available: ")
    assert len(said) < 200
    document = offline.json(*arguments, code=5)
    assert set(document) == {"version", "error"}
    assert document["error"]["type"] == "DatabaseUnavailable"


@pytest.mark.parametrize(
    "arguments",
    [
        ["seed-templates", "--format", "xml"],
        ["seed-templates", "extra"],
        ["seed-templates", "--config"],
        ["worker-templates", "list", "--colour"],
        ["worker-templates", "show"],
        ["worker-templates", "history", "small", "--limit", "0"],
        ["worker-templates", "history", "small", "--limit", "201"],
        ["worker-templates", "validate", "--format", "xml"],
        ["worker-templates", "json-schema", "other"],
        ["worker-templates", "fly"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_exit_code_2(offline: Shell, arguments: list[str]) -> None:
    result = offline.run(*arguments, code=2)
    assert result.stdout == ""
    assert "Error: " in result.stderr


@pytest.mark.parametrize("command", ["list", "show", "history", "validate", "diff", "sync", "json-schema", "claims"])
def test_every_command_has_help(offline: Shell, command: str) -> None:
    assert command in offline.run("worker-templates", "--help").stdout
    assert len(offline.run("worker-templates", command, "--help").stdout.splitlines()) > 3


# For real

WSGI = """
from flask import Flask
from flask_worker_templates import WorkerTemplates

app = Flask(__name__)
app.config.from_prefixed_env()
WorkerTemplates(app)
"""


class Terminal:
    """Runs ``python -m flask`` in a directory that holds an app."""

    def __init__(self, directory: Path, uri: str) -> None:
        (directory / "wsgi.py").write_text(WSGI)
        self.directory = directory
        self.environment = {**os.environ, "PYTHONPATH": str(ROOT), "FLASK_WORKER_TEMPLATES_MONGODB_URI": uri}

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "flask", "--app", "wsgi", *arguments]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )


@pytest.fixture
def terminal(database_uri: str, tmp_path: Path) -> Terminal:
    (tmp_path / "config").mkdir()
    text = yaml.safe_dump({"templates": [spec("small"), spec("large")]})
    (tmp_path / "config/worker_templates.yaml").write_text(text)
    return Terminal(tmp_path, database_uri)


def test_the_commands_of_a_real_process(terminal: Terminal, database_uri: str) -> None:
    seeded = terminal.run("seed-templates")
    assert (seeded.returncode, seeded.stderr) == (0, "")
    assert seeded.stdout.endswith("2 created, 0 there already.\n")
    listed = terminal.run("worker-templates", "list", "--format", "json")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert [one["name"] for one in json.loads(listed.stdout)] == ["large", "small"]
    missing = terminal.run("worker-templates", "show", "nobody", "--format", "json")
    assert (missing.returncode, missing.stderr) == (1, "")
    assert checked("error", missing.stdout)["error"]["type"] == "TemplateNotFound"


def test_an_output_that_is_not_utf_8_gets_every_text(terminal: Terminal) -> None:
    """Whatever was written by then: a failure to print would look like a failure to write."""
    text = "naïve → 😀"
    file = terminal.directory / "config/worker_templates.yaml"
    terminal.environment |= {"PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"}

    def run(*arguments: str) -> tuple[int, bytes]:
        command = terminal.command("worker-templates", *arguments)
        done = subprocess.run(
            command, cwd=terminal.directory, env=terminal.environment, capture_output=True, timeout=60, check=False
        )
        assert b"Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stdout

    assert terminal.run("seed-templates").returncode == 0
    file.write_text(yaml.safe_dump({"templates": [spec("small", description=text), spec("large")]}), encoding="utf-8")
    code, shown = run("diff")
    assert (code, b"\\u2192" in shown) == (3, True)
    code, document = run("sync", "--yes", "--format", "json")
    assert code == 0
    (field,) = json.loads(document)["diff"]["templates"][1]["fields"]
    assert field["result"] == text
    code, exported = run("export")
    assert (code, yaml.safe_load(exported)["templates"][1]["description"]) == (0, text)
    file.write_text(yaml.safe_dump({"templates": [spec("small", description="→"), spec("large")]}, allow_unicode=True))
    code, patch = run("export", "--write", "--dry-run")
    assert (code, "-  description: →\n" in patch.decode()) == (3, True)


@mongod_only
def test_on_a_terminal_there_is_a_progress_bar_and_json_stays_clean(terminal: Terminal, backend: str) -> None:
    screen, stderr = pty.openpty()
    with subprocess.Popen(
        terminal.command("seed-templates", "--format", "json"),
        cwd=terminal.directory,
        env=terminal.environment,
        stdout=subprocess.PIPE,
        stderr=stderr,
    ) as process:
        printed, _ = process.communicate(timeout=60)
        os.close(stderr)
        shown = os.read(screen, 10_000).decode()
        os.close(screen)
    assert process.returncode == 0
    assert json.loads(printed)["created"] == ["small", "large"]
    assert "Seeding" in shown
    assert "100%" in shown
