"""The README does what it says: its files, its curl session and its Python, on a real server."""

from __future__ import annotations

import dataclasses
import re
import shutil
from pathlib import Path
from typing import Any

import mongoengine
import pytest

from tests.support.markdown import agrees, blocks, commands
from tests.support.needs import missing
from tests.support.reader import README, Reader


@pytest.fixture
def reader(tmp_path: Path, database_uri: str) -> Reader:
    """A reader who has made the README's two files."""
    if shutil.which("curl") is None:
        missing("no curl")
    return Reader(tmp_path, database_uri, blocks(README, "yaml")[0].text)


def test_the_session_prints_what_the_readme_shows_and_a_restart_keeps_the_edit(reader: Reader) -> None:
    [session] = blocks(README, "console")
    run = re.search(r"^Run `(flask run .*?)`", README.read_text(), re.MULTILINE)
    assert run is not None
    with reader.serving(run[1]):
        reader.type(commands(session))
    with reader.serving(run[1]):
        url, listing, *_ = commands(session)
        edited = listing.expected.replace('"max_nodes":20', '"max_nodes":40').replace('"revision":1', '"revision":2')
        assert edited != listing.expected
        reader.type([url, dataclasses.replace(listing, expected=edited)])


def test_the_python_runs(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(reader.home)
    namespace: dict[str, Any] = {"__name__": "app"}
    try:
        for block in blocks(README, "python"):
            exec(compile(reader.here(block.text), str(block), "exec"), namespace)
        templates, app = namespace["templates"], namespace["app"]
        with app.app_context():
            assert [claim.worker_id for claim in templates.claims(namespace["template"].id)] == ["worker-2"]
        client = app.test_client()
        assert client.get("/api/v1/templates").status_code == 200
        assert client.post("/api/v1/templates", json={}).status_code == 403
    finally:
        mongoengine.disconnect_all()


@pytest.mark.parametrize(
    ("expected", "actual", "same"),
    [
        ("a ... c", "a b c", True),
        ("a ... c", "a b d", False),
        ("a.c", "abc", False),
        ("", "something", False),
        ("2026-01-31T12:00:00.000Z", "2027-02-01T00:00:00.123Z", True),
        ("7d1c2b52-5be7-4a53-8ea2-cc4c1f8a7c6e", "00000000-0000-4000-8000-000000000000", True),
        ('"revision":1', '"revision":2', False),
    ],
)
def test_the_comparison_ignores_ids_and_times_alone(expected: str, actual: str, same: bool) -> None:
    assert agrees(expected, actual) is same
