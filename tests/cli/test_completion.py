"""What the shell completes: commands, options, names of templates, fields."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.apps import AppFactory
from tests.support.backends import mongomock_only
from tests.support.own_fields import GpuFields
from tests.support.shell import Shell, Terminal


def asked_for(*words: str) -> dict[str, str]:
    """What bash asks by, for the last word."""
    return {
        "_FLASK_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(["flask", "worker-templates", *words]),
        "COMP_CWORD": str(len(words) + 1),
    }


def offered(printed: str) -> list[str]:
    return [line.partition(",")[2] for line in printed.splitlines() if line]


@mongomock_only
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["h"], ["history"]),
        (["list", "--lab"], ["--label"]),
        (["show", ""], ["by hand", "large", "small"]),
        (["show", "la"], ["large"]),
        (["delete", "large", "s"], ["small"]),
        (["delete", "large", "l"], []),
        (["list", "--license-type", "P"], ["PERSONAL"]),
        (["list", "-o", "j"], ["json"]),
        (["log", "--action", "del"], ["deleted"]),
        (["log", "--name", "sm"], ["small"]),
        (["list", "--sort", "max"], ["max_nodes"]),
        (["set", "small", "capacity.c"], ["capacity.cpu_cores="]),
        (["create", "x", "--set", "max_n"], ["max_nodes="]),
        (["validate", "conf"], ["conf"]),  # of type file: the shell's own completion goes on
        (["create", "-f", "conf"], ["conf"]),
    ],
    ids=str,
)
def test_what_is_completed(seeded: Shell, words: list[str], expected: list[str]) -> None:
    result = seeded.app.test_cli_runner().invoke(env=asked_for(*words), prog_name="flask")
    assert offered(result.stdout) == expected


@mongomock_only
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["list", "--license-type", ""], ["BASIC", "PRO"]),
        (["set", "small", "extra.g"], ["extra.gpu_count=", "extra.gpu="]),
        (["list", "--extra", "z"], ["zone="]),
    ],
    ids=str,
)
def test_what_the_app_declares_is_completed(make_app: AppFactory, words: list[str], expected: list[str]) -> None:
    app = make_app(extra=GpuFields, WORKER_TEMPLATES_LICENSE_TYPES=["BASIC", "PRO"])
    result = app.test_cli_runner().invoke(env=asked_for(*words), prog_name="flask")
    assert offered(result.stdout) == expected


@mongomock_only
def test_every_name_is_offered_once(seeded: Shell) -> None:
    result = seeded.app.test_cli_runner().invoke(env=asked_for("set", "small", "l"), prog_name="flask")
    assert offered(result.stdout) == ["large", "license_type=", "labels="]


def test_without_a_database_nothing_is_said(offline: Shell) -> None:
    result = offline.app.test_cli_runner().invoke(env=asked_for("show", ""), prog_name="flask")
    assert (result.exit_code, result.output.strip()) == (0, "")


def test_a_real_process(terminal: Terminal) -> None:
    assert terminal.run("seed-templates").returncode == 0
    done = subprocess.run(
        [str(Path(sys.executable).parent / "flask")],
        cwd=terminal.directory,
        env={**terminal.environment, "FLASK_APP": "wsgi", **asked_for("show", "")},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert (offered(done.stdout), done.stderr) == (["large", "small"], "")
