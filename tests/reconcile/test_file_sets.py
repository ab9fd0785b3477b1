"""Whose a template is: sets of definition files in one database, sources, and what pruning may reach."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from flask import Flask
from pymongo.database import Database

from flask_worker_templates import WorkerTemplates
from flask_worker_templates.reconcile.ownership import normal_source
from flask_worker_templates.store.connection import EVENTS, TEMPLATES
from tests.support.apps import AppFactory
from tests.support.specs import spec
from tests.support.trail import contents

Documents = Database[dict[str, Any]]


class Team:
    """One of several apps with files of its own in one database."""

    def __init__(self, make_app: AppFactory, directory: Path, file_set: str) -> None:
        self.directory = directory / file_set
        self.directory.mkdir(exist_ok=True)
        self.app = Flask("plain_host")
        self.app.config.update(
            make_app.config(
                WORKER_TEMPLATES_CONFIG_PATH=str(self.directory),
                WORKER_TEMPLATES_FILE_SET=file_set,
                WORKER_TEMPLATES_SEED="off",
            )
        )
        self.templates = WorkerTemplates(self.app)

    def write(self, *specs: dict[str, Any], file: str = "a.yaml") -> None:
        (self.directory / file).write_text(yaml.safe_dump({"templates": list(specs)}))

    def sync(self, **options: Any) -> dict[str, str]:
        with self.app.app_context():
            return {change.name: change.action for change in self.templates.sync(actor="ci", **options).changes}

    def states(self) -> dict[str, str]:
        with self.app.app_context():
            return {step.drift.name: step.drift.state.value for step in self.templates.drift().steps}

    def run(self, *arguments: str) -> Any:
        return self.app.test_cli_runner().invoke(args=["worker-templates", *arguments])


@pytest.fixture
def teams(make_app: AppFactory, tmp_path: Path) -> tuple[Team, Team]:
    red, blue = Team(make_app, tmp_path, "red"), Team(make_app, tmp_path, "blue")
    red.write(spec("r"), spec("r2"))
    blue.write(spec("b"), spec("b2"))
    red.sync()
    blue.sync()
    return red, blue


def test_two_sets_leave_each_others_templates_alone(teams: tuple[Team, Team], database: Documents) -> None:
    red, blue = teams
    assert red.states() == {"r": "in_sync", "r2": "in_sync", "b": "unmanaged", "b2": "unmanaged"}
    before = contents(database)
    assert red.sync(prune=True, max_delete=99) == {}
    assert red.run("export", "--write", "--max-remove", "9").exit_code == 0
    assert red.run("export", "--write", "--add", str(red.directory / "a.yaml")).exit_code == 0
    assert contents(database) == before
    assert [one["name"] for one in yaml.safe_load((red.directory / "a.yaml").read_text())["templates"]] == ["r", "r2"]
    red.write(spec("r"))
    assert red.sync(prune=True) == {"r2": "delete"}
    assert blue.states() == {"r": "unmanaged", "b": "in_sync", "b2": "in_sync"}


@pytest.mark.parametrize("differs", [False, True])
def test_a_name_of_another_set_is_a_collision_equal_or_not_and_only_adopt_moves_it(
    teams: tuple[Team, Team], database: Documents, differs: bool
) -> None:
    red, blue = teams
    red.write(spec("r"), spec("r2"), spec("b", max_nodes=7 if differs else 20))
    before = contents(database)
    assert red.states()["b"] == "collision"
    assert red.sync() == {}
    with red.app.app_context():
        assert red.templates.seed().created == ()
    assert contents(database) == before
    assert red.sync(adopt=["b"]) == {"b": "rebase"}
    assert red.states()["b"] == ("edited" if differs else "in_sync")
    assert blue.states()["b"] == "collision"
    assert red.sync(adopt=["b"]) == {}


def test_an_export_leaves_the_entry_of_a_template_of_another_set_and_says_so(teams: tuple[Team, Team]) -> None:
    red, _ = teams
    red.write(spec("r"), spec("r2"), spec("b", max_nodes=7))
    before = (red.directory / "a.yaml").read_text()
    result = red.run("export", "--write")
    assert result.exit_code == 4
    assert "belongs to the file set 'blue'" in result.stderr
    assert (red.directory / "a.yaml").read_text() == before


def test_pruning_reaches_what_was_looked_for_and_no_other_source(make_app: AppFactory, tmp_path: Path) -> None:
    team = Team(make_app, tmp_path, "red")
    team.write(spec("a"), spec("a2"))
    team.write(spec("b"), file="b.yaml")
    team.sync()
    stage = tmp_path / "stage.yaml"
    stage.write_text(yaml.safe_dump({"templates": [spec("s")]}))
    result = team.run("sync", "--yes", "--prune", "--max-delete", "9", "--config", str(stage))
    assert result.exit_code == 0
    assert str(team.directory / "a.yaml") in result.stderr
    assert "--prune-any-source" in result.stderr
    assert set(team.states()) == {"a", "a2", "b", "s"}
    # The file that is gone lies where this command looks; an entry that is gone, in a file that was read.
    team.run("sync", "--yes", "--prune", "--config", str(stage), "--config", str(team.directory))
    (team.directory / "b.yaml").unlink()
    team.write(spec("a"))
    assert team.sync(prune=True, max_delete=2) == {"a2": "delete", "b": "delete"}
    assert team.run("sync", "--yes", "--prune", "--prune-any-source").exit_code == 0
    assert set(team.states()) == {"a"}


def test_a_template_of_an_older_version_gets_its_set_by_the_first_sync_that_knows_it(
    make_app: AppFactory, tmp_path: Path, database: Documents
) -> None:
    red, blue = Team(make_app, tmp_path, "red"), Team(make_app, tmp_path, "blue")
    red.write(spec("in file"), spec("orphan"))
    blue.write(spec("b"))
    red.sync()
    blue.sync()
    database[TEMPLATES].update_many({"name": {"$ne": "b"}}, {"$unset": {"file_set": "", "exported": ""}})
    red.write(spec("in file"))
    assert blue.states() == {"b": "in_sync", "in file": "unmanaged", "orphan": "unmanaged"}
    assert blue.sync(prune=True, max_delete=9) == {}
    assert red.states() == {"b": "unmanaged", "in file": "in_sync", "orphan": "orphaned"}
    events = contents(database)[EVENTS]
    assert red.sync() == {"in file": "rebase", "orphan": "rebase"}
    assert contents(database)[EVENTS] == events
    assert red.sync() == {}
    assert {one["file_set"] for one in database[TEMPLATES].find({"name": {"$ne": "b"}})} == {"red"}


def test_an_entry_that_moves_to_another_file_is_re_based_and_put_back_where_it_lives(
    make_app: AppFactory, tmp_path: Path
) -> None:
    team = Team(make_app, tmp_path, "red")
    team.write(spec("t"), spec("u"))
    team.sync()
    team.write(spec("u"))
    team.write(spec("t"), spec("v"), file="b.yaml")
    assert team.sync() == {"v": "create", "t": "rebase"}
    team.write(spec("v"), file="b.yaml")
    assert team.states()["t"] == "orphaned"
    assert team.run("export", "--write").exit_code == 0
    held = yaml.safe_load((team.directory / "b.yaml").read_text())["templates"]
    assert [one["name"] for one in held] == ["v", "t"]


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("/srv/app/conf/a.yaml", "conf/a.yaml"),
        ("/srv/app/./conf/x/../a.yaml", "conf/a.yaml"),
        ("/srv/other/../app/conf/a.yaml", "conf/a.yaml"),
        ("/srv/other/a.yaml", "/srv/other/a.yaml"),
        ("/srv/app/../application/a.yaml", "/srv/application/a.yaml"),
    ],
)
def test_spellings_of_one_path_are_one_source(path: str, source: str) -> None:
    assert normal_source(Path(path), root=Path("/srv/app/")) == source


def test_a_path_spelled_otherwise_is_no_difference_and_one_through_a_link_is(
    make_app: AppFactory, tmp_path: Path, database: Documents
) -> None:
    team = Team(make_app, tmp_path, "red")
    team.write(spec("t"))
    team.sync()
    (tmp_path / "link").symlink_to(team.directory)
    stored = database[TEMPLATES].find_one({"name": "t"})
    assert stored is not None
    for spelled in (stored["source"], str(tmp_path / "x" / ".." / "red" / "." / "a.yaml")):
        database[TEMPLATES].update_one({"name": "t"}, {"$set": {"source": spelled}})
        assert team.sync() == {}
    with team.app.app_context():
        through_link = team.templates.sync([tmp_path / "link"], actor="ci")
    assert [(change.name, change.action) for change in through_link.changes] == [("t", "rebase")]
