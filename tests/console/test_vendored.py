"""The vendored files are what they say they are."""

from __future__ import annotations

import gzip
import subprocess
import sys

from tests.support.paths import ROOT

STATIC = ROOT / "flask_worker_templates" / "console" / "static"


def test_each_vendored_file_has_its_sum() -> None:
    script = ROOT / ".ci" / "vendor_assets.py"
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_first_load_is_below_100_kilobytes() -> None:
    loaded = [path for path in STATIC.rglob("*") if path.suffix in (".css", ".js", ".svg")]
    assert sum(len(gzip.compress(path.read_bytes())) for path in loaded) < 70_000  # the page itself has the rest
