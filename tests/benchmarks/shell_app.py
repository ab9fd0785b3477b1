"""A host app in a directory of its own, and its commands, run and measured as a user runs them from the shell."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.paths import ROOT

_APP = """\
from flask import Flask
from flask_worker_templates import WorkerTemplates

app = Flask(__name__)
app.config.from_prefixed_env()
WorkerTemplates(app)
"""


@dataclass(frozen=True, slots=True)
class Costs:
    """What one command cost: seconds of the clock and of the processor, and MB of 1,000,000 bytes at the peak."""

    seconds: float
    cpu: float
    mb: float


class ShellApp:
    """The app and its definition file.

    Args:
        directory: an empty one.
        uri: of the database.
    """

    def __init__(self, directory: Path, uri: str) -> None:
        self._directory = directory
        (directory / "app.py").write_text(_APP)
        (directory / "config").mkdir()
        self.definitions = directory / "config" / "worker_templates.yaml"
        self._variables: Mapping[str, str] = {
            **{key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"},
            "PYTHONPATH": str(ROOT),
            # Byte code is kept, as it is where packages are installed.
            "PYTHONPYCACHEPREFIX": str(directory / "bytecode"),
            "FLASK_WORKER_TEMPLATES_MONGODB_URI": uri,
            "FLASK_WORKER_TEMPLATES_CONFIG_PATH": "config",
        }

    def run(self, arguments: Sequence[str], *, output: Path | None = None, allowed: Sequence[int] = (0,)) -> Costs:
        """Run ``flask`` with arguments, measured.

        Args:
            arguments: the command's.
            output: file for what it prints; None throws that away.
            allowed: exit codes that are no failure.

        Raises:
            RuntimeError: if it fails; the message holds what it said.
        """
        with (output or Path(os.devnull)).open("wb") as stdout:
            run = subprocess.run(
                [sys.executable, "-m", "tests.benchmarks.measured", sys.executable, "-m", "flask", *arguments],
                cwd=self._directory,
                env=self._variables,
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=subprocess.PIPE,
                text=True,
            )
        said = run.stderr.rstrip().splitlines()
        if run.returncode not in allowed or not said:
            raise RuntimeError(f"flask {' '.join(arguments)} ended with {run.returncode}:\n{run.stderr}")
        return Costs(**json.loads(said[-1]))
