"""The command `show`: fields, state, claims, and how it differs from its file."""

from __future__ import annotations

import pytest
import yaml
from flask import Flask

from flask_worker_templates import WorkerTemplates
from tests.support.shell import Shell
from tests.support.specs import spec


def lines(shell: Shell, *arguments: str) -> dict[str, str]:
    return dict(line.split("\t") for line in shell.wt("show", *arguments).stdout.splitlines())


def test_in_a_pipe_each_field_is_a_line(seeded: Shell) -> None:
    shown = lines(seeded, "small")
    assert shown["name"] == "small"
    assert shown["capacity.cpu_cores"] == "2"
    assert shown["labels.team"] == "größe"
    assert shown["cost_per_hour_usd"] == ""
    assert shown["revision"] == "2"
    assert shown["state"] == "enabled"
    assert shown["claims"] == "2 ('worker-1', 'worker-2')"
    assert shown["file"] == f"{seeded.file}:2: edited (max_nodes, labels.team)"


def test_a_template_that_no_file_has(seeded: Shell) -> None:
    shown = lines(seeded, "by hand")
    assert shown["state"] == "disabled"
    assert shown["claims"] == "0"
    assert shown["file"] == "in no file: it was created by hand"


def test_for_programs(seeded: Shell) -> None:
    document = seeded.json("worker-templates", "show", "small", schema="show")
    template = document["template"]
    assert template == seeded.app.test_client().get(f"/api/v1/templates/{template['id']}").get_json()
    assert document["claims"] == {"total": 2, "workers": ["worker-1", "worker-2"]}
    assert (document["file"]["state"], document["file_problem"]) == ("edited", None)


def test_a_bad_file_keeps_nobody_from_looking(seeded: Shell) -> None:
    seeded.file.write_text("templates: 1\n")
    assert "Not a list" in lines(seeded, "small")["file"]
    document = seeded.json("worker-templates", "show", "small", schema="show")
    assert document["file"] is None
    assert "Not a list" in document["file_problem"]


def test_an_id_does_as_well(seeded: Shell) -> None:
    template_id = seeded.get("small").id
    for key in (template_id, template_id.upper()):
        assert lines(seeded, key)["name"] == "small"
    assert seeded.wt("show", template_id, "-o", "name").stdout == "small\n"


def test_as_yaml_it_is_a_definition_file(seeded: Shell) -> None:
    (entry,) = yaml.safe_load(seeded.wt("show", "small", "-o", "yaml").stdout)["templates"]
    assert entry == spec("small", max_nodes=7, labels={"team": "größe"})


def test_an_earlier_revision(seeded: Shell) -> None:
    shown = lines(seeded, "small", "--revision", "1")
    assert (shown["max_nodes"], shown["action"], shown["actor"], shown["revision"]) == ("20", "seeded", "seeder", "1")
    (entry,) = yaml.safe_load(seeded.wt("show", "small", "--revision", "1", "-o", "yaml").stdout)["templates"]
    assert entry == spec("small")
    document = seeded.json("worker-templates", "show", "small", "--revision", "2", schema="event")
    assert document["event"]["actor"] == "alice"
    missing = seeded.wt("show", "small", "--revision", "3", code=1)
    assert "has no revision 3" in missing.stderr


@pytest.mark.parametrize("command", ["show", "history", "claims", "edit", "revert --to 1", "copy --set enabled=false"])
def test_a_name_that_there_is_not_is_an_error(shell: Shell, command: str) -> None:
    name, *options = command.split()
    more = ["new"] if name == "copy" else []
    result = shell.wt(name, "nobody", *more, *options, code=1)
    assert (result.stdout, result.stderr) == ("", "Error: There is no worker template 'nobody'.\n")
    schema = "change" if name == "revert" else "error"
    document = shell.json("worker-templates", name, "nobody", *more, *options, schema=schema, code=1)
    error = document["results"][0]["error"] if schema == "change" else document["error"]
    assert error == {"type": "TemplateNotFound", "message": "There is no worker template 'nobody'."}


def test_a_name_counts_before_an_id(seeded: Shell) -> None:
    other = seeded.get("large").id
    with seeded.app.app_context():
        seeded.templates.create(spec(other))
    assert lines(seeded, other)["name"] == other


def test_a_missing_default_file_is_no_problem(connection: dict[str, str], tmp_path: object) -> None:
    app = Flask("plain_host", root_path=str(tmp_path))
    app.config.update(connection)
    templates = WorkerTemplates(app)
    with app.app_context():
        templates.create(spec("t"))
    result = app.test_cli_runner().invoke(args=["worker-templates", "show", "t"])
    assert "file\tin no file: it was created by hand" in result.stdout
