"""What the shell completes: commands, options, names of templates, fields."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.shell import Terminal


def completed(terminal: Terminal, *words: str) -> list[str]:
    """What bash offers for the last word."""
    done = subprocess.run(
        [str(Path(sys.executable).parent / "flask")],
        cwd=terminal.directory,
        env={
            **terminal.environment,
            "FLASK_APP": "wsgi",
            "_FLASK_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(["flask", "worker-templates", *words]),
            "COMP_CWORD": str(len(words) + 1),
        },
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


@pytest.fixture
def seeded(terminal: Terminal) -> Terminal:
    assert terminal.run("seed-templates").returncode == 0
    return terminal


def test_what_is_completed(seeded: Terminal) -> None:
    assert completed(seeded, "h") == ["history"]
    assert completed(seeded, "list", "--lab") == ["--label"]
    assert completed(seeded, "show", "") == ["large", "small"]
    assert completed(seeded, "show", "la") == ["large"]
    assert completed(seeded, "delete", "large", "") == ["small"]
    assert completed(seeded, "list", "--license-type", "P") == ["PERSONAL"]
    assert completed(seeded, "list", "-o", "j") == ["json"]
    assert completed(seeded, "log", "--action", "del") == ["deleted"]
    assert completed(seeded, "list", "--sort", "max") == ["max_nodes"]
    assert "capacity.cpu_cores=" in completed(seeded, "set", "small", "cap")
    assert completed(seeded, "create", "x", "--set", "max_n") == ["max_nodes="]
    assert completed(seeded, "validate", "conf") == ["conf"]  # files: the shell's own completion goes on


def test_without_a_database_nothing_is_said(terminal: Terminal) -> None:
    terminal.environment["FLASK_WORKER_TEMPLATES_MONGODB_URI"] = "mongodb://127.0.0.1:1/fleet"
    terminal.environment["FLASK_WORKER_TEMPLATES_DB_TIMEOUT_MS"] = "300"
    assert completed(terminal, "show", "") == []
