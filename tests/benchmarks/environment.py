"""The environment in which the contestants run: made once, beside this file, from `requirements.txt`."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
ENVIRONMENT = HERE / ".env-peers"
PYTHON = ENVIRONMENT / "bin" / "python"
REQUIREMENTS = HERE / "requirements.txt"
_STAMP = ENVIRONMENT / "installed"


def ensure() -> Path:
    """Make the environment if it is not there or its requirements have changed; return its Python."""
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes() + (ROOT / "pyproject.toml").read_bytes()).hexdigest()
    if _STAMP.exists() and _STAMP.read_text() == wanted:
        return PYTHON
    if not PYTHON.exists():
        print(f"Making {ENVIRONMENT.relative_to(ROOT)} …", file=sys.stderr)
        venv.create(ENVIRONMENT, with_pip=True)
    install = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, "-r", REQUIREMENTS, "-e", ROOT], check=True)
    _STAMP.write_text(wanted)
    return PYTHON


def versions() -> dict[str, str]:
    """What is installed, by distribution name."""
    listed = subprocess.run(
        [PYTHON, "-m", "pip", "list", "--format=json", "--disable-pip-version-check"],
        check=True,
        capture_output=True,
        text=True,
    )
    return {item["name"].lower(): item["version"] for item in json.loads(listed.stdout)}
