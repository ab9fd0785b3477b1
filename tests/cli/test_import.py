"""The command ``import``: what others wrote becomes templates, after a look."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from bson import DatetimeMS, Decimal128, ObjectId
from click.testing import Result
from flask import Flask
from pymongo.database import Database

from flask_worker_templates.errors import DatabaseUnavailable
from flask_worker_templates.runtime.app_state import current_state
from flask_worker_templates.store.store import Store
from tests.support.apps import AppFactory
from tests.support.backends import mongod_only, mongomock_only, new_database
from tests.support.calls import URL
from tests.support.json_documents import checked
from tests.support.markdown import agrees, blocks
from tests.support.paths import ROOT
from tests.support.specs import spec

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


@mongomock_only
def test_the_page_on_it_shows_what_it_does(app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = ROOT / "docs" / "import.md"
    (file,) = blocks(page, "yaml")
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "many-users.yaml").write_text(file.text)
    monkeypatch.chdir(tmp_path)
    for typed, printed in zip(blocks(page, "shell"), blocks(page, "text"), strict=True):
        program, *args = shlex.split(typed.text.replace("\\\n", " "))
        assert program == "flask"
        assert agrees(printed.text, app.test_cli_runner().invoke(args=args).output)


@new_database
def test_a_look_writes_nothing_then_all_is_created_once(
    app: Flask, old: Path, database: Database[dict[str, Any]]
) -> None:
    before = {path: path.read_bytes() for path in old.iterdir()}
    assert "create   listed" in run(app, str(old), *SHAPE, "--dry-run").output
    assert database.list_collection_names() == []  # no index either
    assert run(app, str(old), *SHAPE).exit_code == 2  # there is nobody to ask
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


@mongomock_only
@pytest.mark.parametrize(("stop", "code"), [(KeyboardInterrupt(), 1), (DatabaseUnavailable("It is away."), 5)], ids=str)
def test_an_import_that_is_stopped_says_what_was_created(
    app: Flask, old: Path, monkeypatch: pytest.MonkeyPatch, stop: BaseException, code: int
) -> None:
    create = Store.create
    made: list[Any] = []

    def stopped(self: Store, given: Any, **rest: Any) -> Any:
        if made:
            raise stop
        made.append(given)
        return create(self, given, **rest)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "create", stopped)
        done = run(app, str(old), *SHAPE, "--yes", "-o", "json")
    document = checked("import", done.stdout)
    assert (done.exit_code, document["created"]) == (code, [one["name"] for one in shown(app)])
    assert "What was created until now stays. Run import again to finish." in done.stderr
    again = checked("import", run(app, str(old), *SHAPE, "--yes", "-o", "json").stdout)
    assert (len(again["created"]), again["present"]) == (2, document["created"])


def test_what_does_not_fit_is_named_with_each_reason_and_not_created(app: Flask, old: Path) -> None:
    done = run(app, str(old), "--yes")
    assert done.exit_code == 1
    assert "license_type: " in done.output
    assert "ami_name_pattern: Unknown field" in done.output
    assert shown(app) == []


def test_what_cannot_be_read_is_named_with_the_reason(app: Flask, tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("name: [")
    (tmp_path / "text.yaml").write_text("just text")
    done = run(app, str(tmp_path), "nowhere.yaml", "--yes", "-o", "json")
    reasons = {one["origin"]: " ".join(one["reasons"]) for one in json.loads(done.stdout)["unfit"]}
    [broken] = [reason for origin, reason in reasons.items() if "broken.yaml:2:1" in origin]
    assert "mapping" not in broken
    assert "no such file" in reasons["nowhere.yaml"]
    assert "mapping" in reasons[str(tmp_path / "text.yaml")]


def test_from_an_old_collection(app: Flask, database: Database[dict[str, Any]]) -> None:
    document = {"_id": 7, "name": "old", "type": "m5", "spec": {"cpu": 1, "ram": 2, "disk": 3}}
    database["machines"].insert_one(dict(document))
    maps = ("type=instance_type", "spec.cpu=capacity.cpu_cores", "spec.ram=capacity.memory_gb")
    args = [arg for one in (*maps, "spec.disk=capacity.storage_gb") for arg in ("--map", one)]
    done = run(app, "--collection", "machines", *args, "--default", "license_type=PERSONAL", "--yes")
    assert done.exit_code == 0, done.output
    assert [one["name"] for one in shown(app)] == ["old"]
    assert database["machines"].find_one() == document


@mongod_only  # mongomock would take seconds
def test_all_of_a_large_collection_is_read(app: Flask, database: Database[dict[str, Any]]) -> None:
    database["machines"].insert_many({"_id": number} for number in range(10_002))
    with app.app_context():
        assert sum(1 for _ in current_state().store.foreign("machines")) == 10_002


def test_what_no_program_can_read_of_a_collection_is_named(app: Flask, database: Database[dict[str, Any]]) -> None:
    odd = [{"_id": ObjectId(), **spec("odd"), "max_nodes": Decimal128("3")}, {"_id": 2, "when": DatetimeMS(2**60)}]
    database["machines"].insert_many(odd)
    done = run(app, "--collection", "machines", "--yes")
    assert done.exit_code == 1
    assert "0 created, 0 already present, 2 do not fit." in done.output
    assert "max_nodes: " in done.output
    assert run(app, "--collection", "machine").exit_code == 2  # there is none


@pytest.mark.parametrize("args", [[], ["x", "--collection", "y"], ["x", "--map", "a"]])
def test_usage(app: Flask, args: list[str]) -> None:
    assert run(app, *args).exit_code == 2
