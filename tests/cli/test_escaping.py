"""What is stored reaches no terminal as a command: every command is tried, and a new one cannot be forgotten."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo.database import Database

from flask_worker_templates.cli import terminal
from flask_worker_templates.cli.install import worker_templates
from tests.support.apps import AppFactory
from tests.support.backends import mongod_only, mongomock_only
from tests.support.own_fields import GpuFields
from tests.support.shell import Shell
from tests.support.specs import spec

EVIL = "\x1b[2J\x9b2J\u202e\u2066\u200f"
NAME = f"evil{EVIL}"
COMMANDS: dict[str, list[list[str]]] = {
    "list": [["list", "-o", kind] for kind in ("table", "wide", "name", "json", "yaml")],
    "show": [
        *(["show", NAME, "-o", kind] for kind in ("table", "wide", "name", "json", "yaml")),
        *(["show", NAME, "--revision", "1", "-o", kind] for kind in ("table", "json", "yaml")),
    ],
    "history": [
        *(["history", NAME, "-o", kind] for kind in ("table", "wide", "json")),
        *(["history", NAME, "--diff", "1", "2", "-o", kind] for kind in ("table", "json")),
    ],
    "log": [["log", "-o", kind] for kind in ("table", "wide", "json")],
    "claims": [["claims"], ["claims", NAME, "-o", "name"], ["claims", "-o", "json"]],
    "select": [["select", "--explain"], ["select", "-o", "name"], ["select", "-o", "json"]],
    "diff": [["diff"], ["diff", "-o", "json"]],
    "export": [["export"], ["export", "-o", "json"], ["export", "--write", "--dry-run"]],
    "set": [["set", NAME, "max_nodes=5"], ["set", NAME, "max_nodes=0"]],
    "label": [["label", NAME, "a=b"], ["label", NAME, "a-", "-o", "name"]],
    "enable": [["enable", NAME], ["enable", f"no{EVIL}"]],
    "disable": [["disable", "--all", "--yes"]],
    "deprecate": [["deprecate", NAME, "--message", "old", "-o", "json"]],
    "undeprecate": [["undeprecate", NAME]],
    "claim": [["claim", NAME, "w1"], ["claim", NAME, EVIL]],
    "release": [["release", NAME, "w1"], ["release", NAME, "w2"]],
    "copy": [["copy", NAME, "copied"], ["copy", NAME, "copied"]],
    "create": [["create", NAME], ["create", "-f", f"no{EVIL}"]],
    "edit": [["edit", NAME]],
    "import": [["import", f"no{EVIL}", "--dry-run"], ["import", "--collection", "odd", "--dry-run"]],
    "validate": [["validate"], ["validate", f"no{EVIL}"]],
    "json-schema": [["json-schema"]],
    "sync": [
        ["sync", "--dry-run"],
        ["sync", "--yes"],
        ["sync", "--yes", "--prune", "--on-conflict", "file", "-o", "json"],
    ],
    "revert": [["revert", NAME, "--to", "1"]],
    "rename": [["rename", NAME, "renamed"]],
    "delete": [["delete", "renamed", "--yes"]],
    "restore": [["restore", "renamed"]],
}
"""Each command, in an order in which each has something to work on."""


@pytest.fixture
def evil(make_app: AppFactory, database: Database[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> Shell:
    """An app whose database somebody wrote commands for terminals into, wherever a string is."""
    monkeypatch.setenv("EDITOR", "true")
    monkeypatch.setenv("LINES", "10000")
    shell = Shell(make_app, spec("small"), spec("gone"), extra=GpuFields)
    shell.run("seed-templates")
    with shell.app.app_context():
        for name in ("small", "gone"):
            template = shell.templates.get_by_name(name)
            shell.templates.update(template.id, {"max_nodes": 7, "labels": {"team": "qa"}}, actor="ada")
            shell.templates.claim(template.id, f"worker-{name}", actor="fleet")
        deleted = shell.templates.create(spec("deleted"))
        shell.templates.delete(deleted.id)
    shell.file.write_text(json.dumps({"templates": [spec("small", max_nodes=9), spec("deleted")]}))
    tell = {"actor": f"ada{EVIL}", "message": f"because{EVIL}"}
    lines = {"description": f"text{EVIL}", "labels": [f"team=qa{EVIL}"], "extra": {"user_data": EVIL, "old": EVIL}}
    for document in list(database.worker_templates.find()):
        small = document["name"] == "small"
        strings = lines | ({} if small else {"name": NAME, "instance_type": f"m5{EVIL}"})
        last = document["last_event"] | tell | ({} if small else {"name": NAME})
        changed = {**strings, "last_event": {**last, "spec": last["spec"] | strings}}
        claims = [claim | {"worker_id": f"w{EVIL}", "actor": EVIL} for claim in document["claims"]]
        changed |= {"source": f"old{EVIL}.yaml", "claims": claims, "file_set": document["file_set"]}
        database.worker_templates.update_one({"_id": document["_id"]}, {"$set": changed})
    database.worker_template_events.update_many({}, {"$set": tell})
    database.worker_template_events.update_many(
        {"action": {"$ne": "deleted"}}, {"$set": {"spec.description": f"older{EVIL}"}}
    )
    database["odd"].insert_one({"_id": EVIL, "name": NAME})
    return shell


@mongomock_only
@pytest.mark.parametrize("on_terminal", [True, False])
def test_no_command_prints_what_a_terminal_obeys(
    evil: Shell, monkeypatch: pytest.MonkeyPatch, on_terminal: bool
) -> None:
    assert set(COMMANDS) == set(worker_templates().commands)
    if on_terminal:
        monkeypatch.setattr(terminal, "is_terminal", lambda stream=None: True)
        monkeypatch.setattr(terminal, "has_colours", lambda stream=None: True)
    seen = 0
    for arguments in _all():
        result = evil.app.test_cli_runner().invoke(args=arguments)
        assert isinstance(result.exception, SystemExit | None), (arguments, result.exception)
        own_styles = result.output.replace("\x1b[0m", "")
        for style in (1, 2, 31, 32, 33):
            own_styles = own_styles.replace(f"\x1b[{style}m", "")
        raw = {char for char in own_styles if not char.isprintable()} - {"\n", "\t"}
        assert not raw, (arguments, result.output)
        seen += "2J" in result.output
    assert seen > 40  # it was there, and was shown


def _all() -> Iterator[list[str]]:
    for every in COMMANDS.values():
        for arguments in every:
            yield ["worker-templates", *arguments]
    yield ["seed-templates"]
    yield ["seed-templates", "-o", "json"]


NO_TEXT = "x\udcff"
"""What Python makes of an argument with bytes that are no UTF-8."""


HOLDING_IT = [
    *(["list", option, NO_TEXT] for option in ("--q", "--name", "--name-prefix", "--instance-type", "--ami")),
    *(["list", option, f"zone={NO_TEXT}"] for option in ("--label", "--extra")),
    *(["log", option, NO_TEXT] for option in ("--actor", "--name", "--since")),
    *([command, NO_TEXT] for command in ("show", "history", "enable", "claims", "edit", "create", "restore", "sync")),
    *(["set", "small", one] for one in (f"description={NO_TEXT}", f"{NO_TEXT}=1", f"extra.zone={NO_TEXT}")),
    *(["label", "small", one] for one in (f"a={NO_TEXT}", f"{NO_TEXT}=a")),
    *([*command, NO_TEXT] for command in (["copy", "small"], ["rename", "small"], ["claim", "small"])),
    *(["deprecate", "small", "--message", "old", option, NO_TEXT] for option in ("--replaced-by", "-m")),
    *(["select", option, f"zone={NO_TEXT}"] for option in ("--ami", "--label", "--extra")),
    *(["sync", "--yes", option, NO_TEXT] for option in ("--adopt", "--restore", "--config")),
    *(["import", option, NO_TEXT, "--yes"] for option in ("--collection", "--map")),
    *(["export", "--write", option, NO_TEXT] for option in ("--config", "--add")),
]


@mongod_only  # mongomock takes what no server does
def test_bytes_that_are_no_text_are_no_traceback(seeded: Shell) -> None:
    for arguments in HOLDING_IT:
        result = seeded.app.test_cli_runner().invoke(args=["worker-templates", *arguments])
        assert isinstance(result.exception, SystemExit | None), (arguments, result.exception)
        assert result.exit_code != 5, (arguments, result.output)  # nothing is wrong with the database
