"""The documentation is true: its examples run, its pages build without a warning, and they leave nothing out."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mongoengine
import pytest
import yaml

import flask_worker_templates
from flask_worker_templates.cli.install import worker_templates
from flask_worker_templates.files.load import load_files
from flask_worker_templates.model.spec import FIELDS
from flask_worker_templates.settings import PREFIX, Settings
from tests.support.markdown import blocks, commands
from tests.support.paths import ROOT
from tests.support.pictures import DIRECTORY, MAX_BYTES, PICTURES
from tests.support.reader import ADDRESS, DATABASE, README, Reader
from tests.support.servers import Mongod

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
ON_A_TERMINAL = ("cli", "recipes")
"""Pages that show what a person sees on a terminal, which is more than a pipe gets."""
SHORT = ("http",)
"""Pages whose sessions run each time, like the README's: the others start processes for many seconds."""
DEFINITIONS = (ROOT / "config" / "worker_templates.yaml").read_text()


def _pages_with(language: str) -> list[Any]:
    always = SHORT if language == "console" else [page.stem for page in PAGES]
    return [
        pytest.param(page, id=page.stem, marks=[] if page.stem in always else [pytest.mark.thorough])
        for page in PAGES
        if blocks(page, language)
    ]


@pytest.fixture
def reader(tmp_path: Path, database_uri: str) -> Iterator[Reader]:
    """A reader who has made the README's app, and the definition file of this project."""
    yield Reader(tmp_path, database_uri, DEFINITIONS)
    mongoengine.disconnect_all()


@pytest.mark.parametrize("page", _pages_with("console"))
def test_a_console_session_prints_what_the_page_shows(reader: Reader, page: Path) -> None:
    typed = [command for block in blocks(page, "console") for command in commands(block)]
    asked = any(ADDRESS in command.text for command in typed)
    # The tests of the README show the reloader of `--debug`.
    with reader.serving("flask run --debug --no-reload") if asked else contextlib.nullcontext():
        reader.type(typed, terminal=page.stem in ON_A_TERMINAL)


@pytest.mark.parametrize("page", _pages_with("python"))
def test_the_python_of_a_page_runs(reader: Reader, page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(reader.home)
    namespace: dict[str, Any] = {"__name__": "app"}
    for block in [blocks(README, "python")[0], *blocks(page, "python")]:
        exec(compile(reader.here(block.text), str(block), "exec"), namespace)


@pytest.mark.thorough
def test_the_tests_of_the_page_on_testing_pass(reader: Reader) -> None:
    text = "\n".join(block.text for block in blocks(DOCS / "testing.md", "python"))
    text += "\n\ndef test_with_a_real_server(real_app):\n    assert not list(_of(real_app))\n"
    text += "\n\ndef _of(app):\n    with app.app_context():\n        return app.extensions['fleet'].list()\n"
    uri = DATABASE.rpartition("/")[0]
    server = reader.here(DATABASE).rpartition("/")[0]
    (reader.home / "test_fleet.py").write_text(text.replace(uri, server))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "test_fleet.py"]
    done = subprocess.run(command, cwd=reader.home, capture_output=True, text=True, check=False)
    assert (done.returncode, "5 passed" in done.stdout) == (0, True), done.stdout + done.stderr


def _recipe(word: str) -> Any:
    (text,) = [block.text for block in blocks(DOCS / "drift.md", "yaml") if word in block.text]
    return yaml.safe_load(text)


def test_the_pre_commit_hook_of_the_recipe_runs_for_the_files_that_it_checks() -> None:
    (hook,) = _recipe("repos:")["repos"][0]["hooks"]
    (own,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert all(re.search(hook["files"], f"{path}/fleet.yaml") for path in hook["args"])
    assert all(re.search(own["files"], path) for path in own["args"])


def test_an_init_container_is_not_started_for_ever_because_of_a_conflict() -> None:
    spec = _recipe("initContainers:")["spec"]
    assert spec["initContainers"][0]["command"][-1].endswith("sync --yes --on-conflict skip")
    for container in (*spec["initContainers"], *spec["containers"]):
        assert PREFIX + "MONGODB_URI" in {one["name"].removeprefix("FLASK_") for one in container["env"]}


@pytest.mark.parametrize(
    "text", [block.text for page in [README, *PAGES] for block in blocks(page, "yaml") if "templates:" in block.text]
)
def test_a_definition_file_is_valid(text: str, tmp_path: Path) -> None:
    (tmp_path / "file.yaml").write_text(text)
    assert load_files(["file.yaml"], root=tmp_path, missing_ok=False).entries
    assert yaml.safe_load(text)["templates"]


@pytest.mark.parametrize("page", [pytest.param(page, id=page.stem) for page in [README, *PAGES]])
def test_the_links_between_pages_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\((?!https?://)([^)#]+)[^)]*\)", page.read_text()):
        assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_every_page_is_in_the_index() -> None:
    listed = re.findall(r"^(\w[\w-]*)$", "\n".join(block for block in _toctrees()), re.MULTILINE)
    assert sorted(listed) == [page.stem for page in PAGES if page.stem != "index"]


def _toctrees() -> list[str]:
    return re.findall(r"```\{toctree\}\n(.*?)```", (DOCS / "index.md").read_text(), re.DOTALL)


def test_the_pictures_are_those_that_the_script_makes_and_load_fast() -> None:
    shown = set(re.findall(r"!\[[^\]]+\]\(pictures/([a-z-]+)\.png\)", (DOCS / "tour.md").read_text()))
    assert shown == set(PICTURES)
    sizes = {path.stem: path.stat().st_size for path in DIRECTORY.iterdir()}
    assert set(sizes) == shown
    assert max(sizes.values()) <= MAX_BYTES
    first_screen = README.read_text().partition("<!-- start -->")[0]
    assert set(re.findall(r'"docs/pictures/([a-z-]+)\.png"', first_screen)) == {"templates", "templates-dark"}


def test_every_public_name_is_on_the_page_of_the_python_api() -> None:
    page = (DOCS / "python.md").read_text()
    assert [name for name in flask_worker_templates.__all__ if not re.search(rf"\b{name}\b", page)] == []


def test_every_setting_that_a_page_names_exists() -> None:
    known = {PREFIX + field.name.upper() for field in dataclasses.fields(Settings)}
    named = {name for page in [README, *PAGES] for name in re.findall(rf"(?<!FLASK_){PREFIX}[A-Z_]+", page.read_text())}
    assert named - known == set()


class TestReferenceTexts:
    @pytest.fixture
    def references(self) -> Any:
        """The module that makes them; it needs no Sphinx."""
        spec = importlib.util.spec_from_file_location("reference_text", DOCS / "_ext" / "reference_text.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    def test_a_setting_has_key_meaning_values_and_default(self, references: Any) -> None:
        text = references.settings_text()
        assert len(
            re.findall(r"^`WORKER_TEMPLATES_\w+`\n: \S.*\n\n  \*.+; default\* `.+`$", text, re.MULTILINE)
        ) == len(dataclasses.fields(Settings))
        assert (
            "`WORKER_TEMPLATES_DB_TIMEOUT_MS`\n: Time limit of every database operation, in milliseconds.\n\n"
            "  *an integer from 50 to 600,000; default* `5000`\n"
        ) in text

    def test_a_field_has_rule_default_and_meaning(self, references: Any) -> None:
        rows = {row[0].strip("`"): row[1:] for row in references.field_rows()}
        assert list(dict.fromkeys(name.split(".")[0] for name in rows)) == list(FIELDS)
        assert rows["max_nodes"] == ("integer, 1–100,000", "`20`", "Nodes that the licence allows.")
        assert rows["cost_per_hour_usd"][:2] == ("number or null, 0 or more", "`null`")
        assert rows["license_type"][:2] == ("one of `PERSONAL`, `ENTERPRISE`, `EVALUATION`", "required")
        assert rows["deprecation"][:2] == ("object or null", "`null`")
        assert rows["deprecation.message"][0] == "string, 1–500 characters; must not contain control characters"
        assert rows["deprecation.message"][1] == "required"
        assert rows["extra"][:2] == ("object, empty unless the app declares fields of its own", "`{}`")
        assert rows["name"][0] == (
            "string, 1–100 characters; must be printable characters, with no white space at either end"
        )

    @pytest.mark.parametrize("name", ["fields", "list-parameters", "trail-parameters", "operations"])
    def test_a_table_has_as_many_cells_in_each_row(self, references: Any, name: str) -> None:
        lines = references.REFERENCES[name]().splitlines()
        assert len(lines) > 5
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1

    def test_every_command_has_a_section_with_its_help(self, references: Any) -> None:
        sections = re.findall(
            r"^## (.+)\n\n```text\nUsage: flask (.+?) \[OPTIONS\]", references.commands_text(), re.MULTILINE
        )
        assert all(name == shown for name, shown in sections)
        inner = {f"worker-templates {name}" for name in worker_templates().commands}
        assert {name for name, _ in sections} == {"seed-templates", *inner}
        assert len(inner) >= 8


@pytest.mark.server
def test_read_write_is_all_that_the_user_of_the_connection_needs(tmp_path: Path) -> None:
    assert "needs the role `readWrite` on the database" in (DOCS / "operations.md").read_text()
    with Mongod(auth=True) as server:
        uri = server.add_user("fleet", ["readWrite"], database="fleet")
        reader = Reader(tmp_path, uri, DEFINITIONS)
        page = DOCS / "http.md"
        with reader.serving("flask run --debug --no-reload"):
            reader.type(command for block in blocks(page, "console") for command in commands(block))
