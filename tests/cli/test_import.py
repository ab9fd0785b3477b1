"""The command ``import``: what others wrote becomes templates, after a look."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from pymongo.database import Database

from tests.support.apps import AppFactory
from tests.support.calls import URL

BARE = """\
id: {name}
name: {name}
instance_type: m5zn.metal
capacity: {{cpu_cores: 48, memory_gb: 192, storage_gb: 500, max_nodes: 20}}
ami_name_pattern: "CML-2.9.*"
is_enabled: true
"""
LISTED = """\
worker_templates:
  - name: listed
    instance_type: c5.2xlarge
    capacity: {cpu_cores: 8, memory_gb: 16, storage_gb: 100, max_nodes: 5}
    ami_name_pattern: "CML-2.7.*"
"""
SHAPE = [
    *("--map", "ami_name_pattern=ami_pattern", "--map", "capacity.max_nodes=max_nodes", "--map", "is_enabled=enabled"),
    *("--default", "license_type=PERSONAL", "--ignore", "id"),
]


@pytest.fixture
def app(make_app: AppFactory) -> Flask:
    return make_app(WORKER_TEMPLATES_SEED="off")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    folder = tmp_path / "old"
    folder.mkdir()
    for name in ("many-users", "single-user"):
        (folder / f"{name}.yaml").write_text(BARE.format(name=name))
    (folder / "other-key.yaml").write_text(LISTED)
    return folder


def run(app: Flask, *args: str) -> Result:
    return app.test_cli_runner().invoke(args=["worker-templates", "import", *args])


def shown(app: Flask) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = app.test_client().get(URL).get_json()
    return found


def test_a_look_writes_nothing_then_all_is_created_once(app: Flask, old: Path) -> None:
    before = {path: path.read_bytes() for path in old.iterdir()}
    assert "create   listed" in run(app, str(old), *SHAPE, "--dry-run").output
    assert shown(app) == []
    done = run(app, str(old), *SHAPE, "--yes")
    assert done.exit_code == 0, done.output
    found = shown(app)
    assert [one["name"] for one in found] == ["listed", "many-users", "single-user"]
    assert (found[1]["ami_pattern"], found[1]["max_nodes"], found[1]["is_seeded"]) == ("CML-2.9.*", 20, False)
    newest = app.test_client().get(f"{URL}/{found[1]['id']}/history").get_json()[0]
    assert newest["action"] == "created"
    assert "many-users.yaml" in newest["message"]
    again = run(app, str(old), *SHAPE, "--yes", "--format", "json")
    document = json.loads(again.stdout)
    assert (document["created"], sorted(document["present"])) == ([], [one["name"] for one in found])
    assert {path: path.read_bytes() for path in old.iterdir()} == before


def test_what_does_not_fit_is_named_with_each_reason_and_not_created(app: Flask, old: Path) -> None:
    done = run(app, str(old), "--yes")
    assert done.exit_code == 1
    assert "license_type: " in done.output
    assert "ami_name_pattern: Unknown field" in done.output
    assert shown(app) == []


def test_from_an_old_collection(app: Flask, database: Database[dict[str, Any]]) -> None:
    document = {"_id": 7, "name": "old", "type": "m5", "spec": {"cpu": 1, "ram": 2, "disk": 3}}
    database["machines"].insert_one(dict(document))
    maps = ("type=instance_type", "spec.cpu=capacity.cpu_cores", "spec.ram=capacity.memory_gb")
    args = [arg for one in (*maps, "spec.disk=capacity.storage_gb") for arg in ("--map", one)]
    done = run(app, "--collection", "machines", *args, "--default", "license_type=PERSONAL", "--yes")
    assert done.exit_code == 0, done.output
    assert [one["name"] for one in shown(app)] == ["old"]
    assert database["machines"].find_one() == document


@pytest.mark.parametrize("args", [[], ["x", "--collection", "y"], ["x", "--map", "a"]])
def test_usage(app: Flask, args: list[str]) -> None:
    assert run(app, *args).exit_code == 2
