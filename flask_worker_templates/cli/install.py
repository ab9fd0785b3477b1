"""The whole command line, put together when it is used: a process that serves requests does not load it."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

import click
from flask import Flask


class LazyCommand(click.Command):
    """Stands for a command whose module is loaded when something of the command is used.

    All that Click asks of a command is what the command itself says, so that it may also be run as an object:
    ``runner.invoke(app.cli.commands["seed-templates"])``, ``context.invoke(command)``.

    Args:
        name: of the command.
        load: returns the command itself.
        short_help: the line that the list of commands shows; nothing is loaded for it.
    """

    def __init__(self, name: str, load: Callable[[], click.Command], short_help: str) -> None:
        self.load = functools.cache(load)
        super().__init__(name, short_help=short_help)

    # Click's own constructor sets each of these, to nothing: what the command itself has counts.

    @property
    def callback(self) -> Callable[..., Any] | None:
        """The command's function."""
        return self.load().callback

    @callback.setter
    def callback(self, value: object) -> None: ...

    @property
    def params(self) -> list[click.Parameter]:
        """The command's options and arguments."""
        return self.load().params

    @params.setter
    def params(self, value: object) -> None: ...

    @property
    def help(self) -> str | None:
        """The command's help."""
        return self.load().help

    @help.setter
    def help(self, value: object) -> None: ...


_GROUP = {
    "list": ("list_templates", "list_templates", "List the templates."),
    "show": ("show_template", "show", "Show one template, and how it differs from its file."),
    "create": ("create", "create", "Create templates."),
    "edit": ("edit", "edit", "Edit a template in your editor."),
    "set": ("set_fields", "set_fields", "Set fields of templates."),
    "label": ("set_fields", "label", "Set and remove labels."),
    "enable": ("set_fields", "enable", "Let workers claim templates again."),
    "disable": ("set_fields", "disable", "Stop new claims of templates; existing claims stay."),
    "deprecate": ("set_fields", "deprecate", "Stop new claims of templates, and say why."),
    "undeprecate": ("set_fields", "undeprecate", "Remove the deprecation of templates."),
    "copy": ("create", "copy", "Create a template like another one."),
    "rename": ("lifecycle", "rename", "Give a template another name."),
    "delete": ("lifecycle", "delete", "Delete templates that no worker uses."),
    "restore": ("lifecycle", "restore", "Bring deleted templates back."),
    "revert": ("lifecycle", "revert", "Go back to an earlier revision."),
    "history": ("history", "history", "Show the changes of one template."),
    "log": ("history", "log", "Show the changes of all templates."),
    "claims": ("claiming", "claims", "List the workers that claim templates."),
    "claim": ("claiming", "claim", "Register a worker's use of a template."),
    "release": ("claiming", "release", "End the use of a template by workers."),
    "import": ("import_templates", "import_", "Create templates from what others wrote."),
    "select": ("select_fitting", "select", "List the templates that fit, best first."),
    "diff": ("sync", "diff", "Show what differs between files and database."),
    "sync": ("sync", "sync", "Apply what the definition files changed."),
    "export": ("export", "export", "Print all templates as a definition file."),
    "validate": ("validate", "validate", "Check definition files, without a database."),
    "json-schema": ("json_schema", "json_schema", "Print a JSON Schema."),
}
"""The commands of the group: the module of this package and the function that each is, and its line in the help."""


def _lazy(name: str, module: str, function: str, help_line: str) -> LazyCommand:
    def load() -> click.Command:
        command: click.Command = getattr(importlib.import_module(f"{__package__}.{module}"), function)
        return command

    return LazyCommand(name, load, help_line)


def worker_templates() -> click.Group:
    """Return the group ``worker-templates``; the module of each of its commands is loaded when it is used."""
    group = click.Group("worker-templates", help="Show and manage worker templates.")
    for name, where in _GROUP.items():
        group.add_command(_lazy(name, *where))
    return group


def install_commands(app: Flask) -> None:
    """Add the commands to an app."""
    app.cli.add_command(
        _lazy("seed-templates", "seed_templates", "seed_templates", "Create the worker templates that are missing.")
    )
    app.cli.add_command(worker_templates())
