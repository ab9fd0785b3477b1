"""The public names, and what a built wheel brings to a host."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
import zipfile

import pytest

import flask_worker_templates
from flask_worker_templates.runtime import signals
from tests.support.paths import ROOT


def test_every_public_name_is_there_and_sorted() -> None:
    names = flask_worker_templates.__all__
    assert names == sorted(names)
    assert len(set(names)) == len(names)
    for name in names:
        assert hasattr(flask_worker_templates, name)


def test_a_name_that_there_is_not_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = flask_worker_templates.Nothing


def test_nothing_else_looks_public() -> None:
    for name in flask_worker_templates.__all__:
        getattr(flask_worker_templates, name)  # some are loaded with their first use
    found = {
        name
        for name, value in vars(flask_worker_templates).items()
        if not name.startswith("_") and not inspect.ismodule(value) and name != "annotations"
    }
    assert found == set(flask_worker_templates.__all__)


@pytest.mark.parametrize("name", flask_worker_templates.__all__)
def test_every_public_name_is_documented(name: str) -> None:
    value = getattr(flask_worker_templates, name)
    if inspect.isclass(value):
        own = vars(value)["__doc__"] or ""  # not that of a base class
        assert own
        assert not own.startswith(f"{name}(")  # as a dataclass makes it
        for attribute, member in vars(value).items():
            if inspect.isfunction(member) and not attribute.startswith("_"):
                assert inspect.getdoc(member), f"{name}.{attribute}"
    elif name != "ALL":
        assert name in str(signals.__doc__)


@pytest.mark.parametrize("name", flask_worker_templates.__all__)
def test_every_public_name_is_in_the_documentation(name: str) -> None:
    pages = [path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md")]
    assert any(re.search(rf"\b{name}\b", page) for page in pages)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of the files in a wheel that is built now."""
    directory = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(directory), str(ROOT)]
    built = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert built.returncode == 0, built.stderr
    [path] = directory.glob("flask_worker_templates-*.whl")
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist())


@pytest.mark.thorough
def test_the_wheel_says_that_it_is_typed(wheel: set[str]) -> None:
    assert "flask_worker_templates/py.typed" in wheel


@pytest.mark.thorough
def test_the_wheel_holds_every_file_of_the_package_and_no_other(wheel: set[str]) -> None:
    package = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "flask_worker_templates").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert "flask_worker_templates/http/static/docs.js" in package
    assert {name for name in wheel if ".dist-info/" not in name} == package


@pytest.mark.thorough
def test_the_wheel_holds_the_license(wheel: set[str]) -> None:
    assert any(re.fullmatch(r"flask_worker_templates-[^/]+\.dist-info/licenses/LICENSE", name) for name in wheel)
