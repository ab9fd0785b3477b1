"""Export: the database as a definition file, and its values back into the files that the templates came from."""

from __future__ import annotations

import codecs
import json
import os
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import marshmallow as ma
import pytest
import yaml
from click.testing import Result
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pymongo.database import Database

from flask_worker_templates import ExportRefused, WorkerTemplates
from flask_worker_templates.cli.json_schema import definition_file_schema
from flask_worker_templates.errors import DatabaseUnavailable
from flask_worker_templates.files.definition_text import Kind, definition_file
from flask_worker_templates.files.load import FileSet, load_files
from flask_worker_templates.files.replace import replace_files
from flask_worker_templates.model.records import Deletion, Managed
from flask_worker_templates.model.rules import SpecRules
from flask_worker_templates.model.spec import Spec
from flask_worker_templates.reconcile import export as export_module
from flask_worker_templates.reconcile.compare import State, compare
from flask_worker_templates.reconcile.export import edit_files, export_to_files, unified_diff, write_export
from flask_worker_templates.reconcile.export_plan import ExportPlan, plan_export
from tests.support.apps import AppFactory
from tests.support.backends import mongomock_only
from tests.support.deployment import Deployment
from tests.support.handwritten import json_files, yaml_files
from tests.support.ownership import owned
from tests.support.specs import spec
from tests.support.strategies import edits, spec_with, specs

Raw = Database[dict[str, Any]]
NO_DRIFT = {State.IN_SYNC, State.UNMANAGED}


def run(deployment: Deployment, *arguments: str) -> Result:
    return deployment.app.test_cli_runner().invoke(args=["worker-templates", "export", *arguments])


# --- To standard output ---


@given(st.lists(specs(), max_size=4, unique_by=lambda one: one["name"]), st.sampled_from(["yaml", "json"]))
def test_what_is_printed_can_be_read_again(
    tmp_path_factory: pytest.TempPathFactory, many: list[Spec], kind: Kind
) -> None:
    text = definition_file(many, kind)
    path = tmp_path_factory.mktemp("export") / f"file.{kind}"
    path.write_bytes(text.encode())
    assert [entry.spec for entry in load_files([path], root=path.parent).entries] == many
    Draft202012Validator(definition_file_schema()).validate(
        yaml.safe_load(text) if kind == "yaml" else json.loads(text)
    )


@given(
    st.text(st.sampled_from("no1:30.=<~0x_e+-# {}[],&*!|>'\"%@`?\\2024-01-01TrueyÿüNULL"), max_size=12).map(str.strip)
)
def test_a_text_stays_a_text_to_every_yaml_1_1_reader(text: str) -> None:
    one = spec_with(description=text, labels__k=text)
    read = yaml.safe_load(definition_file([one], "yaml"))["templates"][0]
    assert read.get("description", "") == text
    assert read["labels"] == {"k": text}


def test_defaults_are_left_out_and_the_rest_is_in_order(make_app: AppFactory) -> None:
    deployment = Deployment(make_app)
    deployment.create("b", labels={"no": "1:30"}, port_range={"start": 3000})
    deployment.create("a", enabled=False)
    result = run(deployment)
    assert result.exit_code == 0
    assert result.stdout == (
        "templates:\n"
        "  - name: a\n"
        "    instance_type: m5.large\n"
        "    capacity:\n"
        "      cpu_cores: 2\n"
        "      memory_gb: 8\n"
        "      storage_gb: 50\n"
        "    license_type: PERSONAL\n"
        "    enabled: false\n"
        "\n"
        "  - name: b\n"
        "    instance_type: m5.large\n"
        "    capacity:\n"
        "      cpu_cores: 2\n"
        "      memory_gb: 8\n"
        "      storage_gb: 50\n"
        "    license_type: PERSONAL\n"
        "    port_range:\n"
        "      start: 3000\n"
        "      end: 9999\n"
        "    labels:\n"
        "      'no': '1:30'\n"
    )
    assert run(deployment).stdout == result.stdout
    with deployment.app.app_context():
        assert deployment.templates.export() == result.stdout
    assert json.loads(run(deployment, "--format", "json").stdout) == yaml.safe_load(result.stdout)


@mongomock_only
def test_an_empty_database_is_an_empty_list(make_app: AppFactory) -> None:
    assert run(Deployment(make_app)).stdout == "templates: []\n"


def test_names_are_in_the_order_of_their_composed_form(deployment: Deployment, database: Raw) -> None:
    """An older version stored names as they came: `é` as two characters comes before `f`, as one after `z`."""
    for number, name in enumerate(["ez", "e\u0301", "f", "z"]):
        deployment.create(f"{number}")
        database.worker_templates.update_one({"name": f"{number}"}, {"$set": {"name": name}})
    read = yaml.safe_load(run(deployment).stdout)["templates"]
    assert [one["name"] for one in read if len(one["name"]) < 3] == ["ez", "f", "z", "\u00e9"]


@mongomock_only
def test_nothing_is_printed_of_an_export_that_fails_in_the_middle(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(rules: SpecRules, name: str, stored: Any) -> Any:
        raise DatabaseUnavailable("it went away")

    with monkeypatch.context() as patched:
        patched.setattr(SpecRules, "field_today", failing)
        result = run(deployment, "-o", "json")
    assert result.exit_code == 5
    assert json.loads(result.stdout)["error"]["type"] == "DatabaseUnavailable"


@mongomock_only
@pytest.mark.parametrize("option", [["--dry-run"], ["--add", "x.yaml"], ["--max-remove", "1"], ["--config", "x.yaml"]])
def test_options_of_write_are_refused_without_it(make_app: AppFactory, option: list[str]) -> None:
    result = run(Deployment(make_app), *option)
    assert result.exit_code == 2
    assert "--write" in result.stderr


def test_no_database_is_exit_code_5(make_app: AppFactory) -> None:
    deployment = Deployment(make_app)
    app, _ = deployment.process(
        WORKER_TEMPLATES_MONGODB_URI="mongodb://127.0.0.1:1/x",
        WORKER_TEMPLATES_DB_TIMEOUT_MS=200,
    )
    for arguments in ([], ["--write"]):
        result = app.test_cli_runner().invoke(args=["worker-templates", "export", *arguments])
        assert result.exit_code == 5


# --- The law: after export --write, diff is empty ---


def written(directory: Path, texts: Mapping[str, str]) -> FileSet:
    for name, text in texts.items():
        (directory / name).write_bytes(text.encode())
    return load_files([directory], root=directory)


@st.composite
def databases(draw: st.DrawFn, files: FileSet) -> tuple[list[Managed], dict[str, Deletion]]:
    """A database in any relation to the files: edited, deleted, renamed, created by hand."""
    stored: list[Managed] = []
    deletions: dict[str, Deletion] = {}

    def store(one: Spec, base: Spec | None) -> None:
        source = draw(st.sampled_from(["a.yaml", "b.json", "gone.yaml"]))
        stored.append(Managed(f"id-{len(stored)}", 1, one, base, source))

    for number, entry in enumerate(files.entries):
        fate = draw(st.sampled_from(["there", "there", "by hand", "deleted", "missing", "renamed"]))
        if fate == "deleted":
            deletions[entry.spec["name"]] = Deletion(entry.spec["name"], "id", "ada", draw(st.datetimes()))
        elif fate == "renamed":
            store({**draw(edits(entry.spec)), "name": f"renamed {number}"}, entry.spec)
        elif fate != "missing":
            base = None if fate == "by hand" else draw(edits(entry.spec))
            store(draw(st.just(entry.spec) | edits(entry.spec) | specs(st.just(entry.spec["name"]))), base)
    for number in range(draw(st.integers(0, 2))):
        one = draw(specs(st.just(f"more {number}")))
        store(one, draw(st.sampled_from([None, one])))
    return stored, deletions


def is_orphan(one: Managed, files: FileSet) -> bool:
    """Whether a template came from a file and is in none any more, under its name or its former one."""
    names = {entry.spec["name"] for entry in files.entries}
    return one.base is not None and not {one.spec["name"], one.base["name"]} & names


@given(st.data())
def test_after_an_export_to_the_files_nothing_differs(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    directory = tmp_path_factory.mktemp("files")
    files = written(directory, {"a.yaml": data.draw(yaml_files()), "b.json": data.draw(json_files("j"))})
    stored, deletions = data.draw(databases(files))
    add_to = data.draw(st.sampled_from([None, directory / "a.yaml", directory / "b.json"]))
    homeless = add_to is None and any(is_orphan(one, files) and one.source == "gone.yaml" for one in stored)
    if homeless or (files.entries and not stored):
        with pytest.raises(ExportRefused):
            plan_export(owned(files, directory), stored, deletions, add_to=add_to, max_remove=99)
        return
    contents = list(
        edit_files(plan_export(owned(files, directory), stored, deletions, add_to=add_to, max_remove=99).edits)
    )
    replace_files(contents)
    after = load_files([directory], root=directory)
    drifts = compare(after.entries, stored, deletions, owned(after, directory))
    assert {drift.state for drift in drifts} <= (NO_DRIFT if add_to is None else {State.IN_SYNC})
    assert all(drift.declared is None or drift.declared.spec == drift.stored.spec for drift in drifts if drift.stored)
    # A second time there is nothing to do.
    again = list(edit_files(plan_export(owned(after, directory), stored, deletions, add_to=add_to).edits))
    assert all(content.before == content.after and not content.edit.changes for content in again)


# --- In a deployment ---

HANDWRITTEN = """\
# The lab.
templates:
  - name: small   # for one
    instance_type: m5zn.metal
    capacity: {cpu_cores: 48, memory_gb: 192, storage_gb: 500}
    license_type: PERSONAL

  # For all.
  - name: large
    instance_type: m5zn.metal
    capacity: {cpu_cores: 48, memory_gb: 192, storage_gb: 500}
    license_type: ENTERPRISE
    max_nodes: 500   # by contract
"""


@pytest.fixture
def deployment(make_app: AppFactory) -> Deployment:
    """Two templates that were seeded from a file with comments."""
    made = Deployment(make_app)
    made.path.write_text(HANDWRITTEN, encoding="utf-8")
    with made.app.app_context():
        made.templates.seed()
    return made


def export(deployment: Deployment, **options: Any) -> None:
    with deployment.state() as state:
        write_export(state.store, export_to_files(state.store, state.ownership(state.read_files()), **options))


def states(deployment: Deployment) -> set[str]:
    return set(deployment.states().values())


def test_an_edit_in_the_database_flows_back_into_the_file(deployment: Deployment) -> None:
    deployment.edit("large", max_nodes=600)
    result = run(deployment, "--write")
    assert result.exit_code == 0
    assert deployment.path.read_text() == HANDWRITTEN.replace("500   # by", "600   # by")
    assert result.stdout.split() == ["updated", "large", "in", str(deployment.path), "(max_nodes)"]
    assert result.stderr == "Done: 1 updated.\n"
    diff = deployment.app.test_cli_runner().invoke(args=["worker-templates", "diff"])
    assert diff.exit_code == 0


def test_a_second_export_writes_nothing(deployment: Deployment) -> None:
    deployment.edit("large", max_nodes=600)
    run(deployment, "--write")
    before = deployment.path.stat()
    result = run(deployment, "--write")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "The files and the database agree.\n"
    assert deployment.path.stat() == before


def test_a_dry_run_shows_a_diff_that_can_be_applied(deployment: Deployment) -> None:
    deployment.edit("large", max_nodes=600)
    deployment.delete("small")
    result = run(deployment, "--write", "--dry-run")
    assert result.exit_code == 3
    assert deployment.path.read_text() == HANDWRITTEN
    directory = deployment.path.parent
    patch = result.stdout.replace(f"a/{deployment.path}", "a/file").replace(f"b/{deployment.path}", "b/file")
    (directory / "file").write_text(HANDWRITTEN)
    subprocess.run(["git", "apply"], input=patch, text=True, cwd=directory, check=True)
    run(deployment, "--write")
    assert (directory / "file").read_text() == deployment.path.read_text() != HANDWRITTEN
    assert run(deployment, "--write", "--dry-run").exit_code == 0


def test_a_deleted_template_leaves_the_file_and_the_output_says_so(deployment: Deployment) -> None:
    deployment.delete("large")
    result = run(deployment, "--write")
    assert result.exit_code == 0
    assert "removed   large" in result.stdout
    assert "deleted by ada at " in result.stdout
    assert deployment.path.read_text() == HANDWRITTEN.partition("\n  # For all.")[0]
    assert states(deployment) == {"in_sync"}


def test_more_than_one_entry_is_removed_only_if_that_is_allowed(deployment: Deployment) -> None:
    deployment.create("by hand")
    deployment.delete("large")
    deployment.delete("small")
    result = run(deployment, "--write")
    assert result.exit_code == 1
    assert "2 entries would be removed" in result.stderr
    assert deployment.path.read_text() == HANDWRITTEN
    assert run(deployment, "--write", "--max-remove", "2").exit_code == 0
    assert deployment.path.read_text() == "# The lab.\ntemplates: []\n"


def test_an_empty_database_never_empties_the_files(deployment: Deployment) -> None:
    deployment.delete("large")
    deployment.delete("small")
    result = run(deployment, "--write", "--max-remove", "99")
    assert result.exit_code == 1
    assert "The database holds no template at all" in result.stderr
    assert deployment.path.read_text() == HANDWRITTEN


def test_a_renamed_template_keeps_its_entry(deployment: Deployment) -> None:
    deployment.edit("small", name="tiny", max_nodes=5)
    result = run(deployment, "--write")
    assert "renamed   tiny" in result.stdout
    assert "(from small)" in result.stdout
    text = HANDWRITTEN.replace("name: small ", "name: tiny ")
    assert deployment.path.read_text() == text.replace("PERSONAL\n", "PERSONAL\n    max_nodes: 5\n")
    assert states(deployment) == {"in_sync"}


def test_what_was_removed_from_its_file_is_put_back(deployment: Deployment) -> None:
    deployment.path.write_text(HANDWRITTEN.partition("\n  # For all.")[0])
    assert states(deployment) == {"in_sync", "orphaned"}
    assert run(deployment, "--write").exit_code == 0
    assert states(deployment) == {"in_sync"}


def test_an_orphan_whose_file_has_another_name_now_goes_into_the_only_one(deployment: Deployment) -> None:
    moved = deployment.path.with_name("moved.yaml")
    moved.write_text(HANDWRITTEN.partition("\n  # For all.")[0])
    result = run(deployment, "--write", "--config", str(moved))
    assert result.exit_code == 0
    assert "added     large" in result.stdout
    assert "name: large" in moved.read_text()
    assert deployment.path.read_text() == HANDWRITTEN


def test_what_was_created_by_hand_stays_out_unless_a_file_takes_it(deployment: Deployment) -> None:
    deployment.create("by hand")
    assert run(deployment, "--write").exit_code == 0
    assert deployment.path.read_text() == HANDWRITTEN
    assert run(deployment, "--write", "--add", str(deployment.path)).exit_code == 0
    assert deployment.path.read_text().startswith(HANDWRITTEN + "\n  - name: by hand\n")
    assert states(deployment) == {"in_sync"}


def test_only_a_definition_file_can_take_templates(deployment: Deployment, tmp_path: Path) -> None:
    deployment.create("by hand")
    result = run(deployment, "--write", "--add", str(tmp_path / "other.yaml"))
    assert result.exit_code == 1
    assert "none of the definition files" in result.stderr
    assert not (tmp_path / "other.yaml").exists()


def test_a_collision_takes_the_values_of_the_database(deployment: Deployment) -> None:
    deployment.create("third", max_nodes=7)
    deployment.path.write_text(
        HANDWRITTEN
        + yaml.safe_dump([spec("third")], sort_keys=False).replace("\n", "\n  ").join(["  ", ""]).rstrip()
        + "\n"
    )
    assert deployment.states()["third"] == "collision"
    assert run(deployment, "--write").exit_code == 0
    assert states(deployment) == {"in_sync"}


def test_the_output_for_programs(deployment: Deployment) -> None:
    deployment.edit("large", max_nodes=600)
    result = run(deployment, "--write", "--format", "json")
    document = json.loads(result.stdout)
    assert document["version"] == 1
    assert document["dry_run"] is False
    (file,) = document["files"]
    assert file["path"] == str(deployment.path)
    assert file["changed"] is True
    assert file["changes"] == [{"name": "large", "action": "updated", "fields": ["max_nodes"], "note": ""}]
    assert "+    max_nodes: 600   # by contract\n" in file["diff"]


@mongomock_only
def test_errors_for_programs(deployment: Deployment) -> None:
    deployment.path.write_text("templates: 5\n")
    result = run(deployment, "--write", "--format", "json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["faults"]


@mongomock_only
def test_invalid_files_are_named_and_left_alone(deployment: Deployment) -> None:
    text = HANDWRITTEN.replace("max_nodes: 500", "max_nodes: many")
    deployment.path.write_text(text)
    result = run(deployment, "--write")
    assert result.exit_code == 1
    assert "max_nodes" in result.stderr
    assert deployment.path.read_text() == text


@mongomock_only
def test_without_a_file_there_is_nothing_to_write_to(make_app: AppFactory, tmp_path: Path) -> None:
    app = Flask("plain_host", root_path=str(tmp_path))
    app.config.update(make_app.connection)
    WorkerTemplates(app)
    result = app.test_cli_runner().invoke(args=["worker-templates", "export", "--write"])
    assert result.exit_code == 1
    assert "There is no definition file to write to" in result.stderr
    assert list(tmp_path.iterdir()) == []


# --- Several files ---


def two_files(make_app: AppFactory, tmp_path: Path) -> Deployment:
    directory = tmp_path / "conf.d"
    directory.mkdir()
    for name in ("one", "two"):
        text = yaml.safe_dump({"templates": [spec(name)]}, sort_keys=False)
        (directory / f"{name}.yaml").write_text(f"# {name}\n{text}")
    return Deployment(make_app, WORKER_TEMPLATES_CONFIG_PATH=str(directory))


def test_each_template_goes_back_to_its_own_file(make_app: AppFactory, tmp_path: Path) -> None:
    deployment = two_files(make_app, tmp_path)
    before = (tmp_path / "conf.d" / "one.yaml").read_text()
    deployment.edit("two", max_nodes=7)
    export(deployment)
    assert (tmp_path / "conf.d" / "one.yaml").read_text() == before
    assert (tmp_path / "conf.d" / "two.yaml").read_text().endswith("\n  max_nodes: 7\n")


def test_an_orphan_whose_file_is_gone_needs_to_be_told_where_to_go(make_app: AppFactory, tmp_path: Path) -> None:
    deployment = two_files(make_app, tmp_path)
    directory = tmp_path / "conf.d"
    (directory / "three.yaml").write_text("templates: []\n")
    (directory / "two.yaml").unlink()
    with pytest.raises(ExportRefused, match="--add"):
        export(deployment)
    export(deployment, add_to=directory / "three.yaml")
    assert "two" in (directory / "three.yaml").read_text()
    assert states(deployment) == {"in_sync"}


@mongomock_only
def test_nothing_is_written_if_one_of_the_files_changed_meanwhile(make_app: AppFactory, tmp_path: Path) -> None:
    deployment = two_files(make_app, tmp_path)
    one, two = (tmp_path / "conf.d" / f"{name}.yaml" for name in ("one", "two"))
    deployment.edit("one", max_nodes=7)
    deployment.edit("two", max_nodes=7)
    before = one.read_text()
    with deployment.state() as state:
        files = state.ownership(state.read_files())
        done = export_to_files(state.store, files)
        two.write_text("# somebody else\n" + two.read_text())
        with pytest.raises(ExportRefused, match="changed meanwhile") as found:
            replace_files(done.contents)
        assert found.value.conflict
        with pytest.raises(ExportRefused, match="changed meanwhile"):
            export_to_files(state.store, files)
    assert one.read_text() == before
    assert {path.name for path in one.parent.iterdir()} == {"one.yaml", "two.yaml"}


@mongomock_only
def test_a_file_that_changes_meanwhile_is_exit_code_4(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    deployment.edit("large", max_nodes=600)
    plan = plan_export

    def slow(*arguments: Any, **options: Any) -> ExportPlan:
        deployment.path.write_text(HANDWRITTEN + "# somebody else\n")
        return plan(*arguments, **options)

    monkeypatch.setattr(export_module, "plan_export", slow)
    result = run(deployment, "--write")
    assert result.exit_code == 4
    assert deployment.path.read_text() == HANDWRITTEN + "# somebody else\n"


# --- What a file is besides its text ---


@mongomock_only
def test_mode_link_mark_and_line_ends_stay(deployment: Deployment, tmp_path: Path) -> None:
    real = tmp_path / "real.yaml"
    content = codecs.BOM_UTF8 + HANDWRITTEN.rstrip().replace("\n", "\r\n").encode()
    real.write_bytes(content)
    real.chmod(0o640)
    deployment.path.unlink()
    deployment.path.symlink_to(real)
    deployment.edit("large", max_nodes=600)
    assert run(deployment, "--write").exit_code == 0
    assert deployment.path.is_symlink()
    assert real.read_bytes() == content.replace(b"500   # by", b"600   # by")
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


@mongomock_only
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_the_owner_stays(deployment: Deployment) -> None:
    os.chown(deployment.path, 12345, 54321)
    deployment.edit("large", max_nodes=600)
    assert run(deployment, "--write").exit_code == 0
    status = deployment.path.stat()
    assert (status.st_uid, status.st_gid) == (12345, 54321)


@mongomock_only
def test_a_file_that_cannot_be_written_is_an_error_and_leaves_nothing_behind(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment.edit("large", max_nodes=600)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    result = run(deployment, "--write")
    assert result.exit_code == 1
    assert "No space left on device. Nothing was written." in result.stderr
    assert deployment.path.read_text() == HANDWRITTEN
    assert list(deployment.path.parent.iterdir()) == [deployment.path]


@mongomock_only
def test_a_file_that_cannot_be_edited_safely_is_left_alone(deployment: Deployment) -> None:
    text = "{templates: []}\n"
    deployment.path.write_text(text)
    result = run(deployment, "--write")
    assert result.exit_code == 1
    assert "cannot be edited safely" in result.stderr
    assert deployment.path.read_text() == text


@mongomock_only
def test_values_that_no_file_may_hold_are_left_out_and_named_and_the_rest_is_exported(deployment: Deployment) -> None:
    with deployment.state() as state, state.access.operation() as db:
        db.templates.update_one({"name": "large"}, {"$set": {"max_nodes": 0}})
    deployment.edit("small", description="by hand")
    printed = run(deployment)
    assert printed.exit_code == 4
    assert "'large' is left out" in printed.stderr
    assert "max_nodes" in printed.stderr
    assert [one["name"] for one in yaml.safe_load(printed.stdout)["templates"]] == ["small"]
    result = run(deployment, "--write", "--format", "json")
    assert result.exit_code == 4
    assert [one["name"] for one in json.loads(result.stdout)["left_out"]] == ["large"]
    small, large = yaml.safe_load(deployment.path.read_text())["templates"]
    assert small["description"] == "by hand"
    assert large["max_nodes"] == 500


def test_a_diff_marks_a_missing_end_of_the_last_line(deployment: Deployment) -> None:
    deployment.path.write_text(HANDWRITTEN.rstrip())
    deployment.edit("large", max_nodes=600)
    with deployment.state() as state:
        (content,) = export_to_files(state.store, state.ownership(state.read_files())).contents
    assert "".join(unified_diff(content)).count("\n\\ No newline at end of file\n") == 2


@pytest.mark.parametrize("side", ["database", "file"])
def test_true_and_1_are_two_values_of_a_field_of_the_hosts_own(make_app: AppFactory, side: str) -> None:
    anything = ma.Schema.from_dict({"x": ma.fields.Raw()})
    deployment = Deployment(make_app, spec("t", extra={"x": {"a": [True]}}), extra=anything)
    other = {"x": {"a": [1]}}
    assert deployment.states() == {"t": "in_sync"}
    if side == "database":
        assert deployment.edit(extra=other).revision == 2
        assert deployment.states() == {"t": "edited"}
        written = run(deployment, "--write")
        assert written.exit_code == 0, written.output
        assert yaml.safe_load(deployment.path.read_text())["templates"][0]["extra"]["x"]["a"][0] is not True
    else:
        deployment.write(spec("t", extra=other))
        assert deployment.states() == {"t": "file_changed"}
        with deployment.app.app_context():
            deployment.templates.sync()
        assert deployment.get().extra["x"]["a"][0] is not True
    assert deployment.states() == {"t": "in_sync"}
    assert [change["field"] for change in deployment.events()[-1].changes] == ["extra.x"]
    deployment.edit(extra={"x": {"a": [1.0]}})  # which is 1
    assert deployment.get().revision == 2


def test_keys_that_the_app_does_not_declare_any_more_are_named(make_app: AppFactory) -> None:
    own = ma.Schema.from_dict({"x": ma.fields.Integer(), "old": ma.fields.String()})
    before = Deployment(make_app, spec("t"), spec("u"), extra=own)
    before.edit("t", extra={"x": 1, "old": "kept"})
    deployment = Deployment(make_app, spec("t"), spec("u"), extra=ma.Schema.from_dict({"x": ma.fields.Integer()}))
    said = "extra.old of 't' is not exported, because this app does not declare it."
    printed = run(deployment)
    assert (printed.exit_code, said in printed.stderr) == (0, True)
    assert "kept" not in printed.stdout
    written = run(deployment, "--write", "-o", "json")
    assert written.exit_code == 0
    assert [said in warning for warning in json.loads(written.stdout)["warnings"]] == [True]
    assert deployment.states() == {"t": "in_sync", "u": "in_sync"}
    assert deployment.get().extra == {"x": 1, "old": "kept"}


def test_files_that_changed_since_they_were_read_are_left_alone(deployment: Deployment) -> None:
    deployment.edit("large", max_nodes=600)
    theirs = HANDWRITTEN + "# A colleague was here.\n"
    with deployment.state() as state:
        export = export_to_files(state.store, state.ownership(state.read_files()))
        deployment.path.write_text(theirs)
        with pytest.raises(ExportRefused, match="have changed since they were read") as refused:
            write_export(state.store, export)
        assert refused.value.conflict
        assert [one.exported for one in state.store.managed()] == [None, None]
    assert deployment.path.read_text() == theirs
