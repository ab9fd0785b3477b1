"""The commands `diff`, `sync` and `validate` as a pipeline and a person see them: output, questions and exit codes."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import click
import mongoengine
import pytest
import yaml
from click.testing import CliRunner, Result
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from pymongo.database import Database

from flask_worker_templates import InvalidPlan, WorkerTemplates
from flask_worker_templates.cli.json_schema import NAMES
from flask_worker_templates.cli.sync import _confirmed as confirmed
from flask_worker_templates.cli.validate import main as validate_main
from flask_worker_templates.reconcile.options import SyncOptions
from flask_worker_templates.reconcile.plan_document import read_plan
from tests.support.apps import AppFactory
from tests.support.backends import mongod_only, mongomock_only
from tests.support.deployment import Deployment
from tests.support.interrupts import until_it_reads
from tests.support.json_documents import SCHEMAS, checked, schema
from tests.support.paths import ROOT
from tests.support.pseudo_terminal import on_terminal
from tests.support.servers import Mongod, free_port
from tests.support.specs import spec
from tests.support.trail import contents

Documents = Database[dict[str, Any]]


def run(deployment: Deployment | Flask, *arguments: str) -> Result:
    app = deployment if isinstance(deployment, Flask) else deployment.app
    return app.test_cli_runner().invoke(args=["worker-templates", *arguments])


@pytest.fixture
def drifted(make_app: AppFactory) -> Deployment:
    """Template t with a change of the file and one of the database, and u, which a file gained."""
    deployment = Deployment(make_app, spec("t"), spec("same"), WORKER_TEMPLATES_SEED="off")
    deployment.edit(description="by hand")
    deployment.write(spec("t", max_nodes=500), spec("same"), spec("u"))
    return deployment


@pytest.fixture
def conflict(make_app: AppFactory) -> Deployment:
    deployment = Deployment(make_app, spec("t"), WORKER_TEMPLATES_SEED="off")
    deployment.edit(max_nodes=40)
    deployment.write(spec("t", max_nodes=500), spec("u"))
    return deployment


# --- diff ---


def test_diff_says_per_field_what_each_side_holds_and_what_would_happen(drifted: Deployment) -> None:
    result = run(drifted, "diff")
    assert result.exit_code == 3
    assert result.stdout.splitlines() == [
        f"diverged      t  ({drifted.path}:2, revision 2): sync updates it",
        '    description: file "", database "by hand", last applied "" → after sync "by hand"',
        "    max_nodes: file 500, database 20, last applied 20 → after sync 500",
        f"missing       u  ({drifted.path}:17): sync creates it",
        "Drift: 1 in_sync, 1 missing, 1 diverged.",
    ]


def test_diff_writes_nothing(drifted: Deployment, database: Documents) -> None:
    before, file = contents(database), drifted.path.read_bytes()
    run(drifted, "diff")
    run(drifted, "diff", "--format", "json", "--prune", "--on-conflict", "file")
    run(drifted, "sync", "--dry-run", "--yes")
    assert contents(database) == before
    assert drifted.path.read_bytes() == file


def test_diff_of_nothing_exits_0(make_app: AppFactory) -> None:
    deployment = Deployment(make_app, spec("t"), spec("u"), WORKER_TEMPLATES_SEED="off")
    deployment.create("by hand")  # which is nobody's drift
    result = run(deployment, "diff")
    assert (result.exit_code, result.stdout) == (0, "No drift: 2 in_sync, 1 unmanaged.\n")


def test_a_base_that_lags_behind_is_no_drift_but_is_shown(make_app: AppFactory) -> None:
    deployment = Deployment(make_app, spec("t"), WORKER_TEMPLATES_SEED="off")
    deployment.edit(max_nodes=500)
    deployment.write(spec("t", max_nodes=500))
    result = run(deployment, "diff")
    assert result.exit_code == 0
    assert "in sync; only the stored copy of the file entry is updated" in result.stdout
    assert "No drift: 1 in_sync." in result.stdout


@pytest.mark.parametrize(
    ("happens", "line"),
    [
        (
            lambda d: d.edit(description="x"),
            "edited        t  ({path}:2, revision 2): sync keeps what the database holds",
        ),
        (lambda d: d.delete(), ": sync leaves it deleted, --restore brings it back"),
        (
            lambda d: d.write(spec("same")),
            "orphaned      t  (revision 1, from {path}): its entry is in no file; sync keeps it, --prune deletes it",
        ),
        (
            lambda d: (d.create("hand"), d.write(spec("t"), spec("same"), spec("hand", max_nodes=7))),
            "collision     hand  ({path}:16, revision 1): it was not created from this entry; sync keeps it, ",
        ),
        (
            lambda d: d.edit(name="other"),
            "missing       t  ({path}:2, renamed to other in the database): sync creates it",
        ),
    ],
    ids=["edited", "deleted", "orphaned", "collision", "renamed"],
)
def test_every_kind_of_drift_exits_3_and_says_what_to_do(make_app: AppFactory, happens: Any, line: str) -> None:
    deployment = Deployment(make_app, spec("t"), spec("same"), WORKER_TEMPLATES_SEED="off")
    assert run(deployment, "diff").exit_code == 0
    happens(deployment)
    result = run(deployment, "diff")
    assert result.exit_code == 3
    assert line.format(path=deployment.path) in result.stdout


def test_diff_says_who_deleted_a_template(make_app: AppFactory) -> None:
    deployment = Deployment(make_app, spec("t"), WORKER_TEMPLATES_SEED="off")
    deployment.delete()
    assert "deleted by ada at 20" in run(deployment, "diff").stdout
    (item,) = checked("diff", run(deployment, "diff", "--format", "json").stdout)["templates"]
    assert (item["state"], item["deleted_by"]) == ("deleted", "ada")
    assert item["deleted_at"].endswith("Z")


def test_diff_as_json_is_a_versioned_document(drifted: Deployment) -> None:
    result = run(drifted, "diff", "--format", "json")
    assert result.exit_code == 3
    document = checked("diff", result.stdout)
    assert (document["version"], document["drift"]) == (1, True)
    assert document["summary"]["diverged"] == 1
    assert sum(document["summary"].values()) == 3
    assert [file["path"] for file in document["files"]] == [str(drifted.path)]
    items = {item["name"]: item for item in document["templates"]}
    assert list(items) == ["same", "t", "u"]
    assert items["t"] == {
        "name": "t",
        "state": "diverged",
        "action": "update",
        "id": drifted.get().id,
        "revision": 2,
        "path": str(drifted.path),
        "line": 2,
        "source": str(drifted.path),
        "file_set": "default",
        "renamed_from": None,
        "renamed_to": None,
        "deleted_by": None,
        "deleted_at": None,
        "obstacle": None,
        "reason": None,
        "fields": [
            {
                "field": "description",
                "resolution": "db",
                "base": "",
                "file": "",
                "database": "by hand",
                "result": "by hand",
            },
            {"field": "max_nodes", "resolution": "file", "base": 20, "file": 500, "database": 20, "result": 500},
        ],
    }


def test_a_leaf_that_is_not_there_has_no_value_in_the_json(make_app: AppFactory) -> None:
    deployment = Deployment(make_app, spec("t", labels={"a": "1"}), WORKER_TEMPLATES_SEED="off")
    deployment.write(spec("t", labels={"b": "2"}, cost_per_hour_usd=1.5))
    (item,) = checked("diff", run(deployment, "diff", "--format", "json").stdout)["templates"]
    assert item["fields"] == [
        {
            "field": "cost_per_hour_usd",
            "resolution": "file",
            "base": None,
            "file": 1.5,
            "database": None,
            "result": 1.5,
        },
        {"field": "labels.b", "resolution": "file", "file": "2", "result": "2"},
        {"field": "labels.a", "resolution": "file", "base": "1", "database": "1"},
    ]
    assert 'labels.a: file –, database "1", last applied "1" → after sync –' in run(deployment, "diff").stdout


@pytest.mark.parametrize("options", [(), ("--on-conflict", "file"), ("--on-conflict", "skip")])
def test_the_json_is_printed_whatever_the_exit_code(conflict: Deployment, options: tuple[str, ...]) -> None:
    result = run(conflict, "diff", "--format", "json", *options)
    assert result.exit_code == 3
    document = checked("diff", result.stdout)
    assert bool(document["refusals"]) == (not options)


def test_a_conflict_is_undecided_until_an_option_decides_it(conflict: Deployment) -> None:
    shown = run(conflict, "diff").stdout
    assert "sync is refused: decide with --on-conflict" in shown
    assert "max_nodes: file 500, database 40, last applied 20 → after sync undecided" in shown
    assert "→ after sync 500" in run(conflict, "diff", "--on-conflict", "file").stdout
    assert "→ after sync 40" in run(conflict, "diff", "--on-conflict", "db").stdout
    assert "sync skips it" in run(conflict, "diff", "--on-conflict", "skip").stdout


@pytest.mark.parametrize("command", ["diff", "sync --dry-run"])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "Sync would be refused: 't' was changed both in the file and in the database: max_nodes"),
        (("--on-conflict", "db", "--restore", "nobody"), "Sync would be refused: 'nobody' cannot be restored"),
        (("--on-conflict", "db"), ""),
    ],
)
def test_it_is_foretold_that_a_sync_would_be_refused_and_why(
    conflict: Deployment, command: str, options: tuple[str, ...], message: str
) -> None:
    result = run(conflict, *command.split(), *options)
    assert (result.exit_code, result.stderr.startswith(message)) == (3, True)
    assert result.stderr.count("\n") == bool(message)


def test_other_files_than_the_configured_can_be_compared(drifted: Deployment, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"templates": [spec("t", max_nodes=20), spec("same")]}))
    document = checked("diff", run(drifted, "diff", "--format", "json", "--config", str(other)).stdout)
    assert [file["path"] for file in document["files"]] == [str(other)]
    assert document["summary"] == {**document["summary"], "edited": 1, "in_sync": 1, "missing": 0}


def test_invalid_files_exit_1_with_each_place(drifted: Deployment) -> None:
    drifted.path.write_text("templates:\n- name: t\n  instance_type: two words\n")
    result = run(drifted, "diff")
    assert result.exit_code == 1
    assert f"{drifted.path}:3:18: instance_type: " in result.stderr
    assert checked("error", run(drifted, "diff", "--format", "json").stdout)["faults"]


@mongomock_only
@pytest.mark.parametrize("command", [("diff",), ("sync", "--yes")])
@pytest.mark.parametrize("kind", ["text", "json"])
def test_a_database_that_is_not_there_exits_5(make_app: AppFactory, command: tuple[str, ...], kind: str) -> None:
    make_app.connection = {"WORKER_TEMPLATES_MONGODB_URI": f"mongodb://127.0.0.1:{free_port()}/fleet"}
    result = run(make_app(templates=[spec("t")], WORKER_TEMPLATES_DB_TIMEOUT_MS=50), *command, "--format", kind)
    assert result.exit_code == 5
    if kind == "json":
        assert checked("error", result.stdout)["error"]["type"] == "DatabaseUnavailable"
    else:
        assert "not available" in result.stderr


@mongomock_only
def test_a_missing_file_at_the_default_path_is_a_warning(
    make_app: AppFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where an app stands that has no module
    result = run(make_app(WORKER_TEMPLATES_CONFIG_PATH=None), "diff")
    assert (result.exit_code, result.stdout) == (0, "No drift: no templates.\n")
    assert result.stderr.startswith("Warning: config/worker_templates.yaml: ")


# --- sync ---


def test_sync_shows_its_plan_and_what_it_did(drifted: Deployment) -> None:
    result = run(drifted, "sync", "--yes")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"diverged      t  ({drifted.path}:2, revision 2): sync updates it\n")
    assert result.stdout.endswith("created   u\nupdated   t  (revision 3)\n")
    assert drifted.events()[-1].actor.startswith("cli:")
    again = run(drifted, "sync", "--yes")
    assert (again.exit_code, again.stderr) == (0, "Nothing to do.\n")
    assert run(drifted, "diff").exit_code == 3  # the admin's edit is in no file


def test_without_a_terminal_sync_needs_yes(drifted: Deployment, database: Documents) -> None:
    before = contents(database)
    result = run(drifted, "sync")
    assert result.exit_code == 2
    assert "--yes" in result.stderr
    assert contents(database) == before


def test_dry_run_is_diff(drifted: Deployment) -> None:
    for options in ((), ("--format", "json"), ("--prune",)):
        diff, dry = run(drifted, "diff", *options), run(drifted, "sync", "--dry-run", *options)
        assert (dry.exit_code, dry.stdout) == (diff.exit_code, diff.stdout)


def test_a_conflict_exits_4_and_writes_nothing(conflict: Deployment, database: Documents) -> None:
    before = contents(database)
    result = run(conflict, "sync", "--yes")
    assert result.exit_code == 4
    assert "Refused: 't' was changed both in the file and in the database: max_nodes (file 500" in result.stderr
    assert contents(database) == before
    document = checked("sync", run(conflict, "sync", "--yes", "--format", "json").stdout)
    assert (document["complete"], document["changes"]) == (False, [])
    assert len(document["diff"]["refusals"]) == 1


def test_sync_as_json_is_one_document_with_what_was_done_and_why(drifted: Deployment) -> None:
    document = checked("sync", run(drifted, "sync", "--yes", "--format", "json").stdout)
    assert document["complete"]
    assert document["changes"] == [
        {"name": "u", "action": "create", "status": "applied", "message": "", "revision": None},
        {"name": "t", "action": "update", "status": "applied", "message": "", "revision": 3},
    ]
    assert document["diff"]["summary"]["diverged"] == 1  # as it was before


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--restore", "nobody"), 1, "'nobody' cannot be restored"),
        (("--adopt", "nobody"), 1, "'nobody' cannot be adopted"),
        (("--prune", "--max-delete", "0"), 1, "at most 0 may be deleted"),
        (("--max-delete", "-1"), 2, "--max-delete"),
        (("--on-conflict", "mine"), 2, "--on-conflict"),
    ],
)
def test_what_sync_refuses(
    drifted: Deployment, database: Documents, options: tuple[str, ...], code: int, message: str
) -> None:
    drifted.write(spec("t", max_nodes=500))  # `same` is an orphan now
    before = contents(database)
    result = run(drifted, "sync", "--yes", *options)
    assert (result.exit_code, message in result.stderr) == (code, True)
    assert contents(database) == before


def test_options_may_be_repeated(make_app: AppFactory) -> None:
    deployment = Deployment(make_app, spec("a"), spec("b"), WORKER_TEMPLATES_SEED="off")
    deployment.delete("a")
    deployment.delete("b")
    assert run(deployment, "sync", "--yes").exit_code == 0
    assert deployment.names() == set()
    assert run(deployment, "sync", "--yes", "--restore", "a", "--restore", "b").exit_code == 0
    assert deployment.names() == {"a", "b"}


def test_prune_says_what_it_deleted_and_what_is_in_use(drifted: Deployment) -> None:
    drifted.write(spec("t", max_nodes=500))
    with drifted.app.app_context():
        drifted.templates.claim(drifted.get("same").id, "i-1")
    result = run(drifted, "sync", "--yes", "--prune")
    assert result.exit_code == 4
    assert "Not applied (delete same): Worker template 'same' is in use" in result.stderr
    assert drifted.get().max_nodes == 500
    with drifted.app.app_context():
        drifted.templates.release(drifted.get("same").id, "i-1")
    assert "deleted   same\n" in run(drifted, "sync", "--yes", "--prune").stdout


def test_a_template_that_changes_meanwhile_exits_4(drifted: Deployment) -> None:
    @drifted.templates.usage_check
    def edit_meanwhile(template: Any) -> int:
        drifted.edit("t", description="just now")  # asked between the plan and the first write
        return 0

    drifted.write(spec("t", max_nodes=500))
    result = run(drifted, "sync", "--yes", "--prune")
    assert result.exit_code == 4
    assert "Not applied (update t): Worker template 't' was changed or deleted meanwhile." in result.stderr
    assert "deleted   same" in result.stdout
    assert (drifted.get().max_nodes, drifted.get().description) == (20, "just now")


ON_A_TERMINAL = """
import signal
import sys
from flask import Flask
from flask.cli import ScriptInfo
from flask_worker_templates import WorkerTemplates

signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background inherits that it is ignored
app = Flask("plain_host")
app.config.update(WORKER_TEMPLATES_MONGODB_URI=sys.argv[1], WORKER_TEMPLATES_CONFIG_PATH=sys.argv[2])
WorkerTemplates(app)
app.cli(["worker-templates", "sync", *sys.argv[3:]], obj=ScriptInfo(create_app=lambda: app))
"""


@mongod_only
@pytest.mark.parametrize("kind", ["text", "json"])
def test_a_database_that_goes_away_half_way_exits_5(make_app: AppFactory, kind: str) -> None:
    with Mongod() as server:
        make_app.connection = {"WORKER_TEMPLATES_MONGODB_URI": server.uri + "fleet"}
        deployment = Deployment(
            make_app, spec("t"), spec("gone"), WORKER_TEMPLATES_SEED="off", WORKER_TEMPLATES_DB_TIMEOUT_MS=5000
        )
        deployment.write(spec("t", max_nodes=500))

        @deployment.templates.usage_check
        def stop_the_server(template: Any) -> int:
            server.kill()  # asked between the plan and the first write
            return 0

        result = run(deployment, "sync", "--yes", "--prune", "--format", kind)
        assert result.exit_code == 5
        assert "Run sync again to finish." in result.stderr
        if kind == "json":
            assert checked("error", result.stdout)["error"]["type"] == "DatabaseUnavailable"
        deployment.templates.usage_check(lambda template: 0)
        server.start()
        assert run(deployment, "sync", "--yes", "--prune").exit_code == 0
        assert deployment.states() == {"t": "in_sync"}
        mongoengine.disconnect_all()  # while the server is there to say goodbye to


@pytest.mark.parametrize(("answer", "code", "nodes"), [("y\n", 0, 500), ("n\n", 1, 20), ("\n", 1, 20), ("\x04", 1, 20)])
def test_on_a_terminal_sync_asks(drifted: Deployment, answer: str, code: int, nodes: int) -> None:
    dialog = [("Apply 2 changes? [y/N]: ", answer)]
    shown = on_terminal(drifted.app, "worker-templates", "sync", dialog=dialog, code=code)
    assert "sync updates it" in shown.text.partition("Apply 2 changes?")[0]
    assert drifted.get().max_nodes == nodes


def answered(one: subprocess.Popen[bytes], answer: str | signal.Signals, terminal: int) -> bytes:
    """Answer a process that asks, and return what it prints until its end."""
    if isinstance(answer, signal.Signals):
        until_it_reads(one.pid)
        one.send_signal(answer)
    else:
        os.write(terminal, answer.encode())
    try:
        return one.communicate(timeout=60)[0]
    finally:
        one.kill()  # else the end of the process would be waited for, for ever


@mongod_only
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param("n\n", id="no", marks=pytest.mark.thorough),
        pytest.param("\x04", id="Ctrl-D", marks=pytest.mark.thorough),
        pytest.param(signal.SIGINT, id="Ctrl-C"),
    ],
)
def test_whoever_does_not_say_yes_gets_the_document_too(
    drifted: Deployment, database_uri: str, answer: str | signal.Signals
) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", ON_A_TERMINAL, database_uri, str(drifted.path), "--format", "json"],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as one:
        os.close(theirs)
        shown = b""
        while b"Apply 2 changes? [y/N]: " not in shown:
            shown += os.read(ours, 1000)
        printed = answered(one, answer, ours)
    os.close(ours)
    document = checked("sync", printed.decode())
    assert (one.returncode, document["complete"], document["changes"]) == (1, False, [])
    assert drifted.get().max_nodes == 20


def test_ctrl_c_in_a_sync_says_what_was_applied_and_what_was_not_in_json_too(drifted: Deployment) -> None:
    asked: list[str] = []

    @drifted.templates.usage_check
    def interrupt(template: Any) -> int:
        asked.append(template.name)
        if len(asked) > 1:  # not for the plan, but in the deletion
            raise KeyboardInterrupt
        return 0

    drifted.write(spec("t", max_nodes=500), spec("new"))
    result = run(drifted, "sync", "--yes", "--prune", "--format", "json")
    assert result.exit_code == 1
    assert "Interrupted" in result.stderr
    document = checked("sync", result.stdout)
    assert not document["complete"]
    assert {change["name"]: change["status"] for change in document["changes"]} == {
        "new": "applied",
        "t": "applied",
        "same": "unknown",
    }
    assert {"new", "same"} <= drifted.names()


def test_the_question_counts_what_changes_a_template_and_names_the_file_of_what_is_deleted(
    drifted: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def no(text: str, **_: Any) -> bool:
        asked.append(text)
        return False

    monkeypatch.setattr(click, "confirm", no)
    drifted.write(spec("t", max_nodes=500))
    with drifted.state() as state:
        assert not confirmed(state.plan(state.read_files(), SyncOptions(prune=True)))
    assert asked == [f"Apply 2 changes (1 deletion: same from {drifted.path})?"]
    drifted.edit("t", max_nodes=500)  # now only the bases lag behind
    drifted.write(spec("t", max_nodes=500), spec("same"))
    with drifted.state() as state:
        plan = state.plan(state.read_files())
        assert [step.outcome.action for step in plan.changes] == ["rebase"]
        assert confirmed(plan)
    assert len(asked) == 1


# --- Reviewed plans ---


def test_a_reviewed_plan_is_applied_exactly(drifted: Deployment, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    result = run(drifted, "diff", "--out", str(plan))
    assert result.exit_code == 3
    assert f"flask worker-templates sync {plan}" in result.stderr
    document = checked("plan", plan.read_text(encoding="utf-8"))
    assert [(change["name"], change["action"], change["revision"]) for change in document["changes"]] == [
        ("t", "update", 2),
        ("u", "create", None),
    ]
    result = run(drifted, "sync", str(plan), "--yes")
    assert result.exit_code == 0, result.output
    assert drifted.states() == {"t": "edited", "same": "in_sync", "u": "in_sync"}


def test_a_plan_carries_the_options_it_was_made_with(drifted: Deployment, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    drifted.edit(max_nodes=40)
    drifted.delete("same")
    options = ("--on-conflict", "file", "--restore", "same", "--max-delete", "7")
    assert run(drifted, "diff", "--out", str(plan), *options).exit_code == 3
    assert checked("plan", plan.read_text())["options"] == {
        "on_conflict": "file",
        "prune": False,
        "max_delete": 7,
        "adopt": [],
        "restore": ["same"],
        "prune_any_source": False,
        "only": None,
        "choices": {},
    }
    assert run(drifted, "sync", str(plan), "--yes").exit_code == 0
    assert drifted.get().max_nodes == 500
    assert "same" in drifted.names()


@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_a_plan_that_was_overtaken_exits_4_and_nothing_is_written(
    drifted: Deployment, database: Documents, tmp_path: Path, dry: tuple[str, ...]
) -> None:
    plan = tmp_path / "plan.json"
    run(drifted, "diff", "--out", str(plan))
    drifted.edit(description="just now")
    before = contents(database)
    result = run(drifted, "sync", str(plan), "--yes", *dry)
    assert result.exit_code == 4
    assert "Refused: 't' is at revision 3, not at 2 any more." in result.stderr
    assert contents(database) == before


def test_a_plan_applied_twice_is_refused_the_second_time(drifted: Deployment, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    run(drifted, "diff", "--out", str(plan))
    assert run(drifted, "sync", str(plan), "--yes").exit_code == 0
    assert run(drifted, "sync", str(plan), "--yes").exit_code == 4


def test_a_plan_of_nothing_is_applied_as_nothing(make_app: AppFactory, tmp_path: Path) -> None:
    deployment = Deployment(make_app, spec("t"), WORKER_TEMPLATES_SEED="off")
    plan = tmp_path / "plan.json"
    assert run(deployment, "diff", "--out", str(plan)).exit_code == 0
    result = run(deployment, "sync", str(plan), "--yes")
    assert (result.exit_code, result.stderr) == (0, "Nothing to do.\n")


def test_no_plan_is_written_of_a_sync_that_would_be_refused(conflict: Deployment, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    result = run(conflict, "diff", "--out", str(plan))
    assert result.exit_code == 4
    assert "No plan is written" in result.stderr
    assert "max_nodes" in result.stdout  # what differs is shown all the same
    assert not plan.exists()


def test_a_plan_and_options_together_are_wrong_usage(drifted: Deployment, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    run(drifted, "diff", "--out", str(plan))
    result = run(drifted, "sync", str(plan), "--yes", "--on-conflict", "db")
    assert result.exit_code == 2
    assert "--on-conflict is part of the plan" in result.stderr


def test_a_plan_that_deletes_must_be_allowed_to_on_the_command_line_again(
    make_app: AppFactory, database: Documents, tmp_path: Path
) -> None:
    deployment = Deployment(make_app, *(spec(name) for name in "abcd"), WORKER_TEMPLATES_SEED="off")
    deployment.write(spec("d"))
    plan, before = tmp_path / "plan.json", contents(database)
    assert run(deployment, "diff", "--prune", "--max-delete", "3", "--out", str(plan)).exit_code == 3
    for allowed in ((), ("--prune",), ("--max-delete", "3"), ("--prune", "--max-delete", "2")):
        result = run(deployment, "sync", str(plan), "--yes", *allowed)
        assert result.exit_code == 1
        assert "The plan deletes 3 templates: confirm with --prune --max-delete 3." in result.stderr
        assert contents(database) == before
    # A plan that hides its deletions is not the plan of now.
    forged = json.loads(plan.read_text())
    forged["changes"] = []
    hidden = tmp_path / "hidden.json"
    hidden.write_text(json.dumps(forged))
    assert run(deployment, "sync", str(hidden), "--yes").exit_code == 4
    assert contents(database) == before
    assert run(deployment, "sync", str(plan), "--yes", "--prune", "--max-delete", "3").exit_code == 0
    assert deployment.names() == {"d"}


def test_a_plan_for_any_source_must_be_allowed_to_be_one_again(make_app: AppFactory, tmp_path: Path) -> None:
    deployment = Deployment(make_app, spec("a"), WORKER_TEMPLATES_SEED="off")
    other, plan = tmp_path / "other.yaml", tmp_path / "plan.json"
    other.write_text(yaml.safe_dump({"templates": [spec("b")]}))
    options = ("--config", str(other), "--prune")
    assert run(deployment, "diff", *options, "--prune-any-source", "--out", str(plan)).exit_code == 3
    refused = run(deployment, "sync", str(plan), *options, "--yes")
    assert (refused.exit_code, "--prune-any-source" in refused.stderr) == (1, True)
    assert run(deployment, "sync", str(plan), *options, "--prune-any-source", "--yes").exit_code == 0
    assert deployment.names() == {"b"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{}", "options: Required."),
        (b"\xff", "It is not UTF-8"),
        (b"{" * 100, "Not valid JSON"),
        (None, "plan.json: Cannot be read: No such file or directory."),
        (b" " * (10 * 1024 * 1024 + 1), "Larger than 10 MB"),
    ],
    ids=["empty", "encoding", "syntax", "absent", "large"],
)
@mongomock_only
def test_what_is_no_plan_exits_1(drifted: Deployment, tmp_path: Path, content: bytes | None, message: str) -> None:
    plan = tmp_path / "plan.json"
    if content is not None:
        plan.write_bytes(content)
    result = run(drifted, "sync", str(plan), "--yes")
    assert result.exit_code == 1
    assert "Error: This plan cannot be used: " in result.stderr
    assert message in result.stderr


@pytest.fixture
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a definition file, links to both, and another directory; its parent is where we work."""
    conf = tmp_path / "conf"
    (conf / "deeper").mkdir(parents=True)
    (tmp_path / "link").symlink_to("conf")
    (conf / "link").symlink_to("a.yaml")
    (conf / "a.yaml").write_text(yaml.safe_dump({"templates": [spec("t")]}))
    monkeypatch.chdir(tmp_path)
    return conf


def contents_of(directory: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@mongomock_only
@pytest.mark.parametrize(
    ("configured", "out", "refused"),
    [
        ("conf/a.yaml", "conf/a.yaml", True),
        ("conf/a.yaml", "conf/link", True),
        ("conf/a.yaml", "conf/plan.json", False),
        ("conf", "conf/plan.json", True),
        ("conf", "link/plan.json", True),
        ("conf", "conf/plan.txt", False),
        ("conf", "conf/.plan.json", False),
        ("conf", "conf/deeper/plan.json", False),
        ("conf", "plan.json", False),
        ("conf/*.yaml", "conf/plan.yaml", True),
        ("conf/*.yaml", "conf/.plan.yaml", False),
        ("conf/*.yaml", "conf/plan.json", False),
        ("conf/*.yaml", "conf/deeper/plan.yaml", False),
        ("conf/**/*.*", "conf/plan.yaml", True),
        ("conf/**/*.*", "conf/deeper/plan.yaml", True),
        ("conf/**", "conf/deeper/plan", True),
        ("conf/**", "plan", False),
    ],
)
def test_no_plan_is_written_where_definition_files_are_read(
    make_app: AppFactory, conf: Path, configured: str, out: str, refused: bool
) -> None:
    before = contents_of(conf)
    by_setting = make_app(WORKER_TEMPLATES_CONFIG_PATH=str(conf.parent / configured))
    by_option = make_app(WORKER_TEMPLATES_CONFIG_PATH=str(conf / "a.yaml"))
    for app, options in ((by_setting, ()), (by_option, ("--config", configured))):
        result = run(app, "diff", "--out", out, *options)
        if refused:
            assert (result.exit_code, result.stdout) == (2, "")
            assert f"--out: {out} is where definition files are read." in result.stderr
            assert contents_of(conf) == before
        else:
            assert result.exit_code == 3, result.output
            checked("plan", Path(out).read_text(encoding="utf-8"))
            assert contents_of(conf).items() >= before.items()
            Path(out).unlink()


@mongomock_only
def test_no_plan_is_written_where_the_next_start_reads(make_app: AppFactory, conf: Path) -> None:
    (conf.parent / "other.yaml").write_text("templates: []")
    result = run(
        make_app(WORKER_TEMPLATES_CONFIG_PATH=str(conf)), "diff", "--config", "other.yaml", "--out", "conf/p.json"
    )
    assert result.exit_code == 2


def test_a_plan_that_cannot_be_written_exits_1(drifted: Deployment, tmp_path: Path) -> None:
    result = run(drifted, "diff", "--out", str(tmp_path / "absent" / "plan.json"))
    assert result.exit_code == 1
    assert "the plan cannot be written" in result.stderr


@mongomock_only
def test_a_plan_is_a_private_file_of_its_own_and_never_written_through_a_link(
    drifted: Deployment, tmp_path: Path
) -> None:
    plan, theirs, link = tmp_path / "plan.json", tmp_path / "theirs", tmp_path / "link"
    assert run(drifted, "diff", "--out", str(plan)).exit_code == 3
    assert plan.stat().st_mode & 0o777 == 0o600
    theirs.write_text("precious")
    link.symlink_to(theirs)
    run(drifted, "diff", "--out", str(link))
    assert theirs.read_text() == "precious"
    os.mkfifo(tmp_path / "pipe")
    assert run(drifted, "diff", "--out", str(tmp_path / "pipe")).exit_code in (1, 3)  # and does not wait for a reader


# --- Schemas ---


@mongomock_only
@pytest.mark.parametrize("name", NAMES)
def test_the_schema_files_are_what_the_command_prints(make_app: AppFactory, name: str) -> None:
    result = run(make_app(), "json-schema", name)
    assert result.exit_code == 0
    assert SCHEMAS[name].read_text(encoding="utf-8") == result.stdout
    schema(name)


@mongomock_only
def test_json_schema_is_that_of_a_definition_file_if_nothing_is_said(make_app: AppFactory) -> None:
    assert run(make_app(), "json-schema").stdout == SCHEMAS["definition-file"].read_text(encoding="utf-8")


def test_the_shipped_definition_file_points_to_its_schema_and_fits_it() -> None:
    text = (ROOT / "config" / "worker_templates.yaml").read_text(encoding="utf-8")
    first = text.splitlines()[0]
    assert first == f"# yaml-language-server: $schema={SCHEMAS['definition-file'].name}"
    schema("definition-file").validate(yaml.safe_load(text))


PLAN: dict[str, Any] = {
    "version": 1,
    "options": {
        "on_conflict": "db",
        "prune": True,
        "max_delete": 1,
        "adopt": ["a"],
        "restore": [],
        "prune_any_source": False,
        "only": ["t"],
        "choices": {"t": {"max_nodes": "file"}},
    },
    "files": [{"path": "a.yaml", "sha256": "0" * 64}],
    "changes": [
        {
            "name": "t",
            "state": "diverged",
            "action": "update",
            "id": "0b0e6a3e-7a0c-4f0f-9a53-5a0b8f4b2d10",
            "revision": 2,
            "path": "a.yaml",
            "line": 1,
            "source": None,
            "file_set": "default",
            "renamed_from": None,
            "renamed_to": None,
            "deleted_by": None,
            "deleted_at": None,
            "obstacle": None,
            "reason": None,
            "fields": [{"field": "max_nodes", "resolution": "file", "base": 1, "file": 2, "database": 1, "result": 2}],
        }
    ],
    "forget": ["gone"],
}


def paths_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(deeper for key, one in inner for deeper in paths_of(one, (*path, key)))]


@st.composite
def spoiled_plans(draw: st.DrawFn) -> Any:
    """The plan with one member replaced, removed or added."""
    plan = json.loads(json.dumps(PLAN))
    *parents, last = draw(st.sampled_from(paths_of(PLAN)[1:]))
    holder = plan
    for key in parents:
        holder = holder[key]
    change = draw(st.sampled_from(["replace", "remove", "add"]))
    if change == "replace":
        holder[last] = draw(st.sampled_from(REPLACED))
    elif change == "remove":
        del holder[last]
    elif isinstance(holder, dict):
        holder["more"] = 1
    return plan


REPLACED = [None, True, 0, -1, 1, 2.0, 2.5, "", "db", "x", [], {}, [1], {"a": 1}]


@given(spoiled_plans())
def test_law_a_plan_is_read_exactly_where_its_schema_allows_it(plan: Any) -> None:
    agrees(plan)


@pytest.mark.parametrize("path", paths_of(PLAN)[1:], ids=lambda path: ".".join(map(str, path)))
def test_every_member_of_a_plan_is_checked_as_its_schema_says(path: tuple[Any, ...]) -> None:
    for value in REPLACED:
        plan = json.loads(json.dumps(PLAN))
        holder = plan
        for key in path[:-1]:
            holder = holder[key]
        holder[path[-1]] = value
        agrees(plan)


def agrees(plan: Any) -> None:
    """Check that the reader takes a plan if and only if the schema does."""
    fits = schema("plan").is_valid(plan)
    try:
        read_plan(json.dumps(plan))
    except InvalidPlan:
        assert not fits
    else:
        assert fits


# --- validate, with and without an app ---


def test_validate_is_there_without_an_app(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(yaml.safe_dump({"templates": [spec("t")]}))
    bad.write_text("templates:\n- name: t\n  max_nodes: many\n")
    result = CliRunner().invoke(validate_main, [str(good)])
    assert (result.exit_code, result.stdout) == (0, "Valid: 1 template in 1 file.\n")
    result = CliRunner().invoke(validate_main, [str(bad), str(good)])
    assert result.exit_code == 1
    assert f"{bad}:3:14: max_nodes: " in result.stderr
    assert f"{good}:" in result.stderr  # the name t is in both
    result = CliRunner().invoke(validate_main, ["--format", "github", str(bad)])
    assert result.stdout.startswith(f"::error file={bad},line=")
    assert checked("error", CliRunner().invoke(validate_main, ["--format", "json", str(bad)]).stdout)["faults"]
    assert CliRunner().invoke(validate_main, []).exit_code == 2


@mongomock_only
@pytest.mark.parametrize("kind", ["text", "json", "github"])
def test_both_ways_to_validate_say_the_same(make_app: AppFactory, tmp_path: Path, kind: str) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("templates:\n- name: t\n  max_nodes: many\n  colour: red\n")
    for path in (bad, ROOT / "config" / "worker_templates.yaml"):
        ours = CliRunner().invoke(validate_main, [str(path), "--format", kind])
        theirs = run(make_app(), "validate", str(path), "--format", kind)
        assert (ours.exit_code, ours.stdout, ours.stderr) == (theirs.exit_code, theirs.stdout, theirs.stderr)


def test_the_pre_commit_hook_runs_a_command_that_the_package_installs() -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert hook["entry"] in project["scripts"]
    (script,) = entry_points(group="console_scripts", name=hook["entry"])
    assert script.load() is validate_main
    command = Path(sys.executable).with_name(hook["entry"])
    done = subprocess.run([command, *hook["args"]], cwd=ROOT, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "Valid: 2 templates in 1 file.\n"), done.stderr


def test_the_module_can_be_run() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flask_worker_templates.cli.validate", "config/worker_templates.yaml"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


# --- Python ---


def test_python_gets_the_same_document(drifted: Deployment) -> None:
    document = json.loads(run(drifted, "diff", "--format", "json", "--prune").stdout)
    with drifted.app.app_context():
        assert drifted.templates.drift(prune=True).to_dict() == document
        assert drifted.templates.drift().has_drift


def test_python_needs_an_app_context() -> None:
    with pytest.raises(RuntimeError):
        WorkerTemplates().sync()
