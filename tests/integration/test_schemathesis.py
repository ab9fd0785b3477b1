"""schemathesis runs all of its checks in all of its phases, the stateful one included, against the live app."""

from __future__ import annotations

import os
import re
import subprocess
import sysconfig
from pathlib import Path

import pytest

from tests.support.apps import AppFactory
from tests.support.backends import mongod_only
from tests.support.calls import create, one
from tests.support.hosts import served
from tests.support.openapi_document import DOCUMENT, operations, own_document
from tests.support.paths import ROOT
from tests.support.specs import spec

EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "8"))
SEED = os.environ.get("SCHEMATHESIS_SEED", "1")


@pytest.mark.thorough
@mongod_only
def test_schemathesis_finds_nothing(make_app: AppFactory, tmp_path: Path) -> None:
    # The definition file is there for the drift operation; what is seeded is changed and deleted by other operations.
    app = make_app(templates=[spec("personal-standard"), spec("enterprise-large")])
    deleted = create(app.test_client(), "deleted")
    app.test_client().delete(one(deleted))
    with served(app) as origin:
        done = subprocess.run(
            [
                *(
                    Path(sysconfig.get_path("scripts")) / "schemathesis",
                    "--config-file",
                    ROOT / "tests/support/schemathesis.toml",
                ),
                *("run", origin + DOCUMENT, "--checks", "all", "--phases", "examples,coverage,fuzzing,stateful"),
                *("--max-examples", str(EXAMPLES), "--seed", SEED, "--no-color", "--continue-on-failure"),
            ],
            cwd=tmp_path,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "SCHEMATHESIS_HOOKS": "tests.support.schemathesis_hooks",
                "SCHEMATHESIS_DELETED": deleted["id"],
            },
            capture_output=True,
            text=True,
            timeout=540,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    # That it did run, all of it.
    count = len(list(operations(own_document())))
    assert f"Tested: {count}" in done.stdout
    for phase in ("Examples", "Coverage", "Fuzzing", "Stateful"):
        assert f"✅ {phase}" in done.stdout
    generated = re.search(r"(\d+) generated", done.stdout)
    assert generated is not None
    assert int(generated[1]) > count * EXAMPLES
