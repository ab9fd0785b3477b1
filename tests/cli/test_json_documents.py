"""Every JSON document that a command prints has a version and fits its schema in the docs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest

from flask_worker_templates.cli.install import worker_templates
from flask_worker_templates.cli.json_schema import NAMES
from tests.support.backends import mongomock_only
from tests.support.json_documents import SCHEMAS, checked
from tests.support.shell import Shell
from tests.support.specs import spec

FIELDS = ["instance_type=m", *(f"capacity.{one}=1" for one in ("cpu_cores", "memory_gb", "storage_gb"))]
DOCUMENTS: list[tuple[str, str, int]] = [
    ("list", "list", 0),
    ("show small", "show", 0),
    ("show small --revision 1", "event", 0),
    ("history small", "history", 0),
    ("history small --diff 1 2", "compare", 0),
    ("log", "history", 0),
    ("claims", "claims", 0),
    ("claims small", "claims", 0),
    ("select --explain --cpu-cores 3", "select", 1),
    ("validate", "validate", 0),
    ("diff", "diff", 3),
    ("export", "definition-file", 0),
    ("export --write --dry-run", "export", 3),
    ("import old.json --default license_type=PERSONAL --dry-run", "import", 0),
    ("import old.json other.json --default license_type=PERSONAL --yes", "import", 1),
    ("import", "error", 2),
    (f"create new --set=license_type=PERSONAL {' '.join(f'--set={field}' for field in FIELDS)}", "change", 0),
    ("create -f nowhere.json", "error", 1),
    ("copy new newer", "change", 0),
    ("edit new", "change", 0),
    ("set new nobody max_nodes=3", "change", 1),
    ("label new a=b", "change", 0),
    ("disable new", "change", 0),
    ("enable new", "change", 0),
    ("deprecate new --message Old", "change", 0),
    ("undeprecate new", "change", 0),
    ("rename new renamed", "change", 0),
    ("revert renamed --to 1", "change", 0),
    ("claim small w", "change", 0),
    ("release small w", "change", 0),
    ("delete newer small --yes", "change", 4),
    ("restore newer", "change", 0),
    ("show nobody", "error", 1),
    ("sync --yes", "sync", 0),
    ("export --write", "export", 0),
    ("json-schema", "", 0),
]
"""Command lines in the order in which they are run, the schema of what each prints, and its exit code."""


@mongomock_only
def test_every_document_fits_its_schema(seeded: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDITOR", "true")
    old: dict[str, Any] = spec("old")
    del old["license_type"]
    Path("old.json").write_text(json.dumps(old))
    Path("other.json").write_text(json.dumps({**old, "name": "other", "colour": "red"}))
    checked("seed", seeded.run("seed-templates", "-o", "json").stdout)
    for line, schema, code in DOCUMENTS:
        printed = seeded.wt(*line.split(), *(["-o", "json"] if schema else []), code=code).stdout
        if code == 2:
            assert printed == "", line  # wrong usage is said on standard error alone
        elif schema:
            document = checked(schema, printed)
            assert ("version" in document) == (schema != "definition-file"), line


def test_no_command_and_no_schema_is_left_out() -> None:
    run = {line.split()[0] for line, _, _ in DOCUMENTS}
    assert run == set(worker_templates().commands)
    assert {schema for _, schema, _ in DOCUMENTS if schema} == set(NAMES) - {"plan", "seed"}  # diff --out; above
    assert all(path.is_file() for path in SCHEMAS.values())
    for name, command in worker_templates().commands.items():
        kinds = [set(option.type.choices) for option in command.params if isinstance(option.type, click.Choice)]
        assert any("json" in kind for kind in kinds) or name == "json-schema"
