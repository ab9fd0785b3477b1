"""Shells as the tests of the command line need them: in this process, in one of its own, and on a real terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pexpect
from click.testing import Result
from flask import Flask

from flask_worker_templates import Template, WorkerTemplates
from tests.support.apps import AppFactory
from tests.support.interrupts import heed_interrupts
from tests.support.json_documents import checked
from tests.support.paths import ROOT
from tests.support.yaml_text import yaml_text

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
SECONDS = 60

WSGI = """
from flask import Flask
from flask_worker_templates import WorkerTemplates

app = Flask(__name__)
app.config.from_prefixed_env()
WorkerTemplates(app)
"""


class Shell:
    """A shell on the machine of one app; what is printed goes to no terminal."""

    def __init__(self, make_app: AppFactory, *specs: Mapping[str, Any], extra: Any = None, **config: Any) -> None:
        self.app = Flask("plain_host")
        self.app.config.update(make_app.config(templates=specs, **config))
        self.templates = WorkerTemplates(self.app, extra=extra)
        self.file = make_app.definition_file

    def run(self, *arguments: str, code: int = 0, typed: str | bytes = "") -> Result:
        """Run a command."""
        result = self.app.test_cli_runner().invoke(args=arguments, input=typed)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return result

    def wt(self, *arguments: str, code: int = 0, typed: str | bytes = "") -> Result:
        """Run a command of the group."""
        return self.run("worker-templates", *arguments, code=code, typed=typed)

    def json(self, *arguments: str, schema: str | None = None, code: int = 0, typed: str | bytes = "") -> Any:
        """What a command prints for programs: exactly one JSON document, checked by its schema."""
        printed = self.run(*arguments, "-o", "json", code=code, typed=typed).stdout
        document = json.loads(printed)
        if schema is None and code and "error" in document:
            schema = "error"
        return checked(schema, printed) if schema else document

    def changed(self, *arguments: str, code: int = 0, typed: str | bytes = "") -> list[dict[str, Any]]:
        """What a command that writes says that it did."""
        document = self.json("worker-templates", *arguments, schema="change", code=code, typed=typed)
        assert document["complete"] == (code == 0)
        results: list[dict[str, Any]] = document["results"]
        return results

    def get(self, name: str) -> Template:
        """A template as it is now."""
        with self.app.app_context():
            return self.templates.get_by_name(name)

    def messages(self, name: str) -> list[str | None]:
        """The messages of a template's events, newest first."""
        with self.app.app_context():
            return [event.message for event in self.templates.history(self.templates.get_by_name(name).id)]


class Terminal:
    """Runs ``python -m flask`` in a directory that holds an app.

    Args:
        directory: where the app and its definition file are written.
        uri: of the database.
        specs: of the definition file.
    """

    def __init__(self, directory: Path, uri: str, specs: Sequence[Mapping[str, Any]]) -> None:
        (directory / "config").mkdir()
        text = yaml_text({"templates": [dict(spec) for spec in specs]})
        (directory / "config/worker_templates.yaml").write_text(text)
        (directory / "wsgi.py").write_text(WSGI)
        self.directory = directory
        self.environment = {
            **{key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "COLUMNS", "LINES", "PAGER")},
            "PYTHONPATH": str(ROOT),
            "FLASK_WORKER_TEMPLATES_MONGODB_URI": uri,
            "LC_ALL": "C.UTF-8",
            "TERM": "xterm",
        }

    def command(self, *arguments: str) -> list[str]:
        """The command line of a process."""
        return [sys.executable, "-m", "flask", "--app", "wsgi", *arguments]

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command whose output goes into pipes."""
        return subprocess.run(
            self.command(*arguments),
            cwd=self.directory,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=SECONDS,
            check=False,
        )

    def bash(self, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a script of bash, in which ``wt`` is the group of commands."""
        words = " ".join(self.command("worker-templates"))
        return subprocess.run(
            ["bash", "-c", f'wt() {{ {words} "$@"; }}\n{script}'],
            cwd=self.directory,
            env={**self.environment, **environment},
            capture_output=True,
            encoding="utf-8",
            timeout=SECONDS,
            check=False,
        )

    def spawn(self, *arguments: str, columns: int = 80, lines: int = 50, **environment: str) -> pexpect.spawn[str]:
        """Run a command of the group on a terminal of its own, for a test that talks to it."""
        program, *rest = self.command("worker-templates", *arguments)
        return pexpect.spawn(
            program,
            rest,
            cwd=str(self.directory),
            env={**self.environment, **environment},
            dimensions=(lines, columns),
            encoding="utf-8",
            timeout=SECONDS,
            preexec_fn=heed_interrupts,
        )
