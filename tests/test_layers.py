"""The rooms of the package and what each may import, as `pyproject.toml` says."""

from __future__ import annotations

import re
import subprocess
import sys

from tests.support.paths import ROOT


def test_no_layer_imports_a_higher_one() -> None:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    done = subprocess.run([*command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 kept, 0 broken" in done.stdout


def test_no_test_imports_another_test() -> None:
    tests = (ROOT / "tests").rglob("*.py")
    importing = [path.name for path in tests if re.search(r"^from tests\..*\btest_\w+", path.read_text(), re.MULTILINE)]
    assert importing == []
