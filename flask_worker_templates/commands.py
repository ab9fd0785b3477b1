"""The whole command line, put together when it is used: a process that serves requests does not load it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click
from flask import Flask


class LazyCommand(click.Command):
    """Stands for a command whose module is loaded when the command is called.

    Args:
        name: of the command.
        load: returns the command itself.
        help: the line that the list of commands shows.
    """

    def __init__(self, name: str, load: Callable[[], click.Command], help: str) -> None:  # noqa: A002  # Click's word
        super().__init__(name, help=help)
        self.load = load

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Let the command itself parse its arguments; the context names it, so that it is what Click runs."""
        return self.load().make_context(info_name, args, parent, **extra)


def seed_templates() -> click.Command:
    """Return the command ``seed-templates``."""
    from .cli import seed_templates as command

    return command


def worker_templates() -> click.Command:
    """Return the group ``worker-templates`` with all of its commands."""
    from . import cli, cli_export, cli_sync

    for command in (cli_sync.diff, cli_sync.sync, cli_export.export):
        cli.worker_templates.add_command(command)
    return cli.worker_templates


def install_commands(app: Flask) -> None:
    """Add the commands to an app."""
    app.cli.add_command(LazyCommand("seed-templates", seed_templates, "Create the worker templates that are missing."))
    app.cli.add_command(LazyCommand("worker-templates", worker_templates, "Look at and manage the worker templates."))
