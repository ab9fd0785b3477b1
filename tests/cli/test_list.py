"""The commands `list` and `select`: filters, order, and what they print in a pipe."""

from __future__ import annotations

import json
import re
import uuid
from typing import Any

import pytest
import yaml
from marshmallow import fields

from flask_worker_templates.errors import DatabaseUnavailable
from flask_worker_templates.model.parameters import ListSchema
from flask_worker_templates.model.rules import STANDARD
from flask_worker_templates.store import whole_reads
from flask_worker_templates.store.reads import Reads
from tests.support.apps import AppFactory
from tests.support.backends import mongomock_only
from tests.support.shell import TIME, Shell
from tests.support.specs import spec


def names(shell: Shell, *arguments: str) -> list[str]:
    return shell.wt("list", "-o", "name", *arguments).stdout.splitlines()


def test_in_a_pipe_a_template_is_a_line_of_cells_between_tabs(seeded: Shell) -> None:
    result = seeded.wt("list")
    rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert [row[:-1] for row in rows] == [
        ["by hand", "m5.large", "2", "8 GB", "50 GB", "PERSONAL", "20", "0", "disabled", "1"],
        ["large", "m5.large", "2", "8 GB", "50 GB", "PERSONAL", "500", "0", "enabled", "1"],
        ["small", "m5.large", "2", "8 GB", "50 GB", "PERSONAL", "7", "2", "enabled", "2"],
    ]
    assert all(re.fullmatch(TIME, row[-1]) for row in rows)
    assert result.stderr == "3 templates.\n"


def test_wide_adds_columns(seeded: Shell) -> None:
    rows = [line.split("\t") for line in seeded.wt("list", "-o", "wide").stdout.splitlines()]
    assert [row[10] for row in rows] == ["by hand", "seeded", "seeded"]
    assert "team=größe" in rows[2]
    assert all(uuid.UUID(row[-1]) for row in rows)


def test_for_programs_it_is_what_http_answers(seeded: Shell) -> None:
    answered = seeded.app.test_client().get("/api/v1/templates").get_json()
    assert seeded.json("worker-templates", "list", schema="list") == {"version": 1, "templates": answered}


def test_the_old_name_of_the_option_does_the_same(seeded: Shell) -> None:
    for old, new in (("json", "json"), ("text", "table"), ("table", "table"), ("name", "name")):
        assert seeded.wt("list", "--format", old).stdout == seeded.wt("list", "-o", new).stdout
    assert "--format" not in seeded.wt("list", "--help").stdout


@mongomock_only
@pytest.mark.parametrize("kind", ["json", "table", "wide", "name", "yaml"])
def test_nothing_is_printed_of_a_list_that_fails_in_the_middle(
    kind: str, seeded: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = iter(range(2))
    read_all = Reads._read_all

    def failing(self: Reads, *arguments: Any) -> Any:
        if next(batches) == 1:
            raise DatabaseUnavailable("it went away")
        return read_all(self, *arguments)

    monkeypatch.setattr(whole_reads, "BATCH", 2)
    monkeypatch.setattr(Reads, "_read_all", failing)
    printed = seeded.wt("list", "-o", kind, code=5).stdout
    assert (json.loads(printed)["error"]["type"] == "DatabaseUnavailable") if kind == "json" else not printed


def test_as_yaml_it_is_a_definition_file(seeded: Shell) -> None:
    document = yaml.safe_load(seeded.wt("list", "-o", "yaml").stdout)
    assert [one["name"] for one in document["templates"]] == ["by hand", "large", "small"]
    assert document["templates"][2]["labels"] == {"team": "größe"}


def test_of_nothing(make_app: AppFactory) -> None:
    shell = Shell(make_app)
    result = shell.wt("list")
    assert (result.stdout, result.stderr) == ("", "There are no templates.\n")
    assert shell.json("worker-templates", "list", schema="list")["templates"] == []
    assert shell.wt("list", "-o", "name").stdout == ""
    assert yaml.safe_load(shell.wt("list", "-o", "yaml").stdout) == {"templates": []}


def test_of_one_is_singular(make_app: AppFactory) -> None:
    shell = Shell(make_app, spec("small"))
    shell.run("seed-templates")
    assert shell.wt("list").stderr == "1 template.\n"


@mongomock_only
def test_it_is_longer_than_a_page(make_app: AppFactory) -> None:
    shell = Shell(make_app, *(spec(f"t{number:03}") for number in range(400)))
    shell.run("seed-templates")
    assert names(shell) == [f"t{n:03}" for n in range(400)]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--enabled"], ["large", "small"]),
        (["--disabled"], ["by hand"]),
        (["--seeded"], ["large", "small"]),
        (["--not-seeded"], ["by hand"]),
        (["-l", "team=größe"], ["small"]),
        (["--label", "team=größe", "--label", "team=x"], []),
        (["--name", "large"], ["large"]),
        (["--name-prefix", "la"], ["large"]),
        (["--q", "HAND"], ["by hand"]),
        (["--license-type", "PERSONAL", "--license-type", "ENTERPRISE"], ["by hand", "large", "small"]),
        (["--license-type", "ENTERPRISE"], []),
        (["--instance-type", "m5.large", "--min-nodes", "20"], ["by hand", "large"]),
        (["--min-cpu-cores", "3"], []),
        (["--ami", "anything"], ["by hand", "large", "small"]),
        (["--sort", "-name"], ["small", "large", "by hand"]),
        (["--sort", "max_nodes"], ["small", "by hand", "large"]),
    ],
    ids=" ".join,
)
def test_filters_and_order(seeded: Shell, arguments: list[str], expected: list[str]) -> None:
    assert names(seeded, *arguments) == expected


def test_every_filter_of_the_api_is_an_option(shell: Shell) -> None:
    shown = shell.wt("list", "--help").stdout
    special = {"is_seeded": "--seeded"}
    for name, field in ListSchema().fields.items():
        if name in ("page", "page_size"):
            continue
        assert special.get(name, f"--{name.replace('_', '-')}") in shown
        if isinstance(field, fields.List):
            assert "Repeatable." in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--min-nodes", "many"], "--min-nodes: Not a valid integer."),
        (["--license-type", "FREE"], "--license-type: Must be one of"),
        (["-l", "team"], "--label: Must be key=value"),
        (["--sort", "colour"], "'--sort'"),
        (["--min-node", "3"], "--min-nodes"),
        (["-o", "xml"], "'-o'"),
    ],
    ids=" ".join,
)
def test_a_wrong_filter_is_wrong_usage_that_names_the_option(shell: Shell, arguments: list[str], said: str) -> None:
    result = shell.wt("list", *arguments, code=2)
    assert said in " ".join(result.stderr.split())
    assert result.stdout == ""


# select


@pytest.fixture
def priced(make_app: AppFactory) -> Shell:
    shell = Shell(
        make_app,
        spec("cheap", cost_per_hour_usd=1, max_nodes=10),
        spec("dear", cost_per_hour_usd=9, max_nodes=100, labels={"team": "qa"}),
        spec("unknown", max_nodes=100),
        spec("off", cost_per_hour_usd=0, enabled=False),
    )
    shell.run("seed-templates")
    return shell


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], ["cheap", "dear", "unknown"]),
        (["--nodes", "50"], ["dear", "unknown"]),
        (["-l", "team=qa"], ["dear"]),
        (["--cpu-cores", "2", "--memory-gb", "8", "--storage-gb", "50"], ["cheap", "dear", "unknown"]),
        (["--license-type", "PERSONAL", "--ami", "x"], ["cheap", "dear", "unknown"]),
        (["--license-type", "PERSONAL", "--license-type", "ENTERPRISE"], ["cheap", "dear", "unknown"]),
    ],
    ids=" ".join,
)
def test_select_prints_what_fits_the_cheapest_first(priced: Shell, arguments: list[str], expected: list[str]) -> None:
    assert priced.wt("select", "-o", "name", *arguments).stdout.splitlines() == expected
    document: dict[str, Any] = priced.json("worker-templates", "select", *arguments, schema="select")
    assert [fit["template"]["name"] for fit in document["fits"]] == expected


def test_select_of_nothing_is_exit_code_1(priced: Shell) -> None:
    result = priced.wt("select", "--cpu-cores", "3", code=1)
    assert (result.stdout, result.stderr) == ("", "No template fits.\n")
    assert priced.json("worker-templates", "select", "--cpu-cores", "3", schema="select", code=1)["fits"] == []


def test_select_says_why_the_others_do_not_fit(priced: Shell) -> None:
    result = priced.wt("select", "--nodes", "50", "-o", "table", "--explain")
    assert result.stderr.startswith("2 templates fit.\n")
    assert "cheap: " in result.stderr


def test_every_need_of_the_api_is_an_option(shell: Shell) -> None:
    shown = shell.wt("select", "--help").stdout
    assert all(f"--{name.replace('_', '-')}" in shown for name in STANDARD.select_schema.fields)


def test_select_names_the_option_that_is_wrong(priced: Shell) -> None:
    assert "--cpu-cores: Not a valid integer." in priced.wt("select", "--cpu-cores", "x", code=2).stderr
