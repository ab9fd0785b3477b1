"""The shells of the tests of the command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import mongoengine
import pytest

from tests.support.apps import AppFactory
from tests.support.servers import free_port
from tests.support.shell import Shell, Terminal
from tests.support.specs import spec


@pytest.fixture
def shell(make_app: AppFactory) -> Shell:
    """An app whose file has two templates and whose database is empty."""
    return Shell(make_app, spec("small"), spec("large", max_nodes=500))


@pytest.fixture
def seeded(shell: Shell) -> Shell:
    """The same, after seeding, with an edit, claims and a template made by hand."""
    shell.run("seed-templates")
    with shell.app.app_context():
        small = shell.templates.get_by_name("small")
        shell.templates.update(small.id, {"max_nodes": 7, "labels": {"team": "größe"}}, actor="alice")
        shell.templates.claim(small.id, "worker-1", actor="fleet")
        shell.templates.claim(small.id, "worker-2", actor="fleet")
        shell.templates.create(spec("by hand", enabled=False))
    return shell


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """An app whose database does not exist, at work in an empty directory."""

    class NoDatabase(AppFactory):
        def __init__(self) -> None:
            uri = f"mongodb://127.0.0.1:{free_port()}/fleet"
            super().__init__({"WORKER_TEMPLATES_MONGODB_URI": uri}, tmp_path)

    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    yield Shell(NoDatabase(), spec("small"), WORKER_TEMPLATES_DB_TIMEOUT_MS=300)
    mongoengine.disconnect_all()


@pytest.fixture
def terminal(database_uri: str, tmp_path: Path) -> Terminal:
    """A directory with an app on a real server, whose file has two templates, and whose database is empty."""
    return Terminal(tmp_path, database_uri, [spec("small"), spec("large")])
