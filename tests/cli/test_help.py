"""Help: of every command, in 80 columns, with an example; and what wrong usage says."""

from __future__ import annotations

import re
import shlex
from typing import Any

import click
import pytest
from click.testing import CliRunner

from flask_worker_templates.cli.install import worker_templates
from flask_worker_templates.cli.validate import main as validate_main
from tests.support.apps import AppFactory
from tests.support.backends import mongomock_only
from tests.support.shell import Shell

COMMANDS = sorted(worker_templates().commands)
pytestmark = mongomock_only


def help_of(shell: Shell, *command: str) -> str:
    return shell.app.test_cli_runner().invoke(args=[*command, "--help"], terminal_width=80, prog_name="flask").output


def test_the_group_says_what_each_command_does(make_app: AppFactory) -> None:
    shown = help_of(Shell(make_app), "worker-templates")
    for name in COMMANDS:
        assert re.search(rf"^  {name} +\w", shown, re.MULTILINE)
    assert max(map(len, shown.splitlines())) <= 80
    assert "..." not in shown.split("Commands:")[1]  # no line of it is cut


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_fits_80_columns_and_has_an_example(make_app: AppFactory, name: str) -> None:
    shown = help_of(Shell(make_app), "worker-templates", name)
    assert max(map(len, shown.splitlines())) <= 80
    examples = re.findall(r"^    (flask worker-templates .*)$", shown, re.MULTILINE)
    assert examples
    command: Any = worker_templates().commands[name]
    for example in examples:
        words = shlex.split(example.split(" | ")[0].split(" > ")[0].rstrip("\\"))
        if words[2] == name and not example.endswith("\\"):
            command.make_context(name, words[3:], resilient_parsing=False)


def test_the_commands_outside_of_the_group_have_such_help_too(make_app: AppFactory) -> None:
    alone = CliRunner().invoke(validate_main, ["--help"], terminal_width=80).output
    for shown in (help_of(Shell(make_app), "seed-templates"), alone):
        assert max(map(len, shown.splitlines())) <= 80
        assert re.search(r"^    (flask seed-templates|worker-templates-validate) .", shown, re.MULTILINE)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_says_what_it_is_for(make_app: AppFactory, name: str) -> None:
    command: Any = worker_templates().commands[name]
    for option in command.params:
        if isinstance(option, click.Option) and not option.hidden:
            assert option.help, option.name
            assert option.help.endswith(".")


def test_what_changes_templates_takes_a_message_and_a_revision(make_app: AppFactory) -> None:
    options = {
        name: {word for option in command.params for word in option.opts}
        for name, command in worker_templates().commands.items()
    }
    makes = {"create", "copy", "import", "sync"}
    changes = {"edit", "set", "label", "enable", "disable", "deprecate", "undeprecate", "rename", "delete", "restore"}
    assert {name for name, words in options.items() if "-m" in words} == makes | changes | {"revert"}
    assert {name for name, words in options.items() if "--if-revision" in words} == changes | {"revert"}
    assert {name for name, words in options.items() if "-o" not in words} == {"json-schema"}
    asks = {"delete", "label", "enable", "disable", "deprecate", "undeprecate", "import", "sync"}
    assert {name for name, words in options.items() if "--yes" in words} == asks


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["lst"], "list"),
        (["histroy", "small"], "history"),
        (["list", "--licence-type", "PERSONAL"], "--license-type"),
        (["list", "--sor", "name"], "--sort"),
        (["set", "small", "max_node=3"], "max_nodes"),
        (["show", "small", "-o", "jsn"], "json"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_wrong_usage_names_the_right_one(make_app: AppFactory, typed: list[str], meant: str) -> None:
    result = Shell(make_app).wt(*typed, code=2)
    assert meant in result.stderr
