"""Commands in pipes: closed ones, ones that are not UTF-8; and their exit codes, as a shell sees them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.support.json_documents import checked
from tests.support.servers import Mongod, free_port
from tests.support.shell import Terminal
from tests.support.specs import spec


@pytest.fixture
def seeded(terminal: Terminal) -> Terminal:
    """A directory with an app whose database is seeded."""
    assert terminal.run("seed-templates").returncode == 0
    return terminal


def test_nothing_for_people_is_in_a_pipe(seeded: Terminal) -> None:
    for arguments in (["list"], ["list", "-o", "wide"], ["show", "small"], ["history", "small"], ["log"]):
        done = seeded.run("worker-templates", *arguments, PAGER="false")
        assert (done.returncode, "\x1b" in done.stdout, "ago" in done.stdout, "NAME" in done.stdout) == (
            0,
            *[False] * 3,
        )
        assert all("\t" in line for line in done.stdout.splitlines())


@pytest.mark.parametrize("arguments", ["list", "list -o json", "log", "show small -o yaml", "json-schema"])
def test_a_pipe_that_is_closed_early_is_no_error(seeded: Terminal, arguments: str) -> None:
    done = seeded.bash(f"set -o pipefail; wt {arguments} | head -1; exit ${{PIPESTATUS[0]}}")
    assert (done.returncode, "Traceback" in done.stderr, "Broken" in done.stderr) == (0, False, False), done.stderr
    assert len(done.stdout.splitlines()) == 1


def test_writes_go_on_where_nobody_reads_any_more(seeded: Terminal) -> None:
    done = seeded.bash("wt set small large max_nodes=3 2>/dev/null | true; wt list -o json")
    assert [one["max_nodes"] for one in json.loads(done.stdout)["templates"]] == [3, 3]
    done = seeded.bash("wt diff | true; wt sync --yes | true; wt list -o name")
    assert done.stdout == "large\nsmall\n"


def test_an_output_that_is_not_utf_8_gets_every_text(terminal: Terminal) -> None:
    """Whatever was written by then: a failure to print would look like a failure to write."""
    text = "größe → 1"
    file = terminal.directory / "config/worker_templates.yaml"
    assert terminal.run("seed-templates").returncode == 0
    file.write_text(yaml.safe_dump({"templates": [spec("small", description=text), spec("large")]}), encoding="utf-8")

    def run(*arguments: str) -> tuple[int, bytes]:
        done = subprocess.run(
            terminal.command("worker-templates", *arguments),
            cwd=terminal.directory,
            env={**terminal.environment, "PYTHONIOENCODING": "latin-1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert b"Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stdout

    code, shown = run("diff")
    assert (code, b"\\u2192" in shown) == (3, True)
    code, document = run("sync", "--yes", "-o", "json")
    assert code == 0
    (field,) = json.loads(document)["diff"]["templates"][1]["fields"]
    assert field["result"] == text
    code, exported = run("export")
    assert (code, yaml.safe_load(exported)["templates"][1]["description"]) == (0, text)
    for arguments in (["show", "small"], ["history", "small"]):
        code, shown = run(*arguments)
        assert (code, "größe \\u2192 1".encode("latin-1") in shown) == (0, True)
    code, document = run("show", "small", "-o", "json")
    assert json.loads(document)["template"]["description"] == text
    code, exported = run("show", "small", "-o", "yaml")
    assert yaml.safe_load(exported)["templates"][0]["description"] == text
    file.write_text(yaml.safe_dump({"templates": [spec("small", description="→"), spec("large")]}, allow_unicode=True))
    code, patch = run("export", "--write", "--dry-run")
    assert (code, "-  description: →\n" in patch.decode()) == (3, True)


EXIT_CODES = {
    "0, fine": ("list", 0),
    "0, no drift": ("diff", 0),
    "1, an error": ("show nobody", 1),
    "1, a bad file": ("validate bad.yaml", 1),
    "2, usage": ("list --colour", 2),
    "2, nobody to ask": ("delete small < /dev/null", 2),
    "3, drift": ("diff --config other.yaml", 3),
    "4, in use": ("delete large --yes", 4),
    "4, stale": ("set small max_nodes=1 --if-revision 7", 4),
    "4, a name that is taken": ("rename small large", 4),
    "5, no database": ("list", 5),
}


def test_every_exit_code_is_reached_from_a_shell(seeded: Terminal) -> None:
    (seeded.directory / "bad.yaml").write_text("templates: 1")
    (seeded.directory / "other.yaml").write_text(yaml.safe_dump({"templates": [spec("other")]}))
    assert seeded.run("worker-templates", "claim", "large", "w").returncode == 0
    away = {"FLASK_WORKER_TEMPLATES_MONGODB_URI": f"mongodb://127.0.0.1:{free_port()}/fleet"}
    away["FLASK_WORKER_TEMPLATES_DB_TIMEOUT_MS"] = "300"
    found = {}
    for what, (arguments, code) in EXIT_CODES.items():
        done = seeded.bash(f"wt {arguments}", **(away if code == 5 else {}))
        found[what] = done.returncode
        assert "Traceback" not in done.stderr
    assert found == {what: code for what, (_, code) in EXIT_CODES.items()}


def test_json_is_printed_before_the_exit(seeded: Terminal) -> None:
    missing = seeded.run("worker-templates", "show", "nobody", "-o", "json")
    assert (missing.returncode, missing.stderr) == (1, "")
    assert checked("error", missing.stdout)["error"]["type"] == "TemplateNotFound"
    listed = seeded.run("worker-templates", "list", "-o", "json")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert [one["name"] for one in checked("list", listed.stdout)["templates"]] == ["large", "small"]


def test_a_user_of_the_database_without_rights(tmp_path: Path) -> None:
    with Mongod(auth=True) as server:
        (tmp_path / "reader").mkdir()
        writer = Terminal(tmp_path, server.add_user("fleet", ["readWrite"], database="fleet"), [spec("small")])
        reader = Terminal(tmp_path / "reader", server.add_user("viewer", ["read"], database="fleet"), [spec("small")])
        assert writer.run("seed-templates").returncode == 0
        for arguments in (["list"], ["show", "small"], ["history", "small"], ["log"], ["claims", "small"], ["diff"]):
            done = reader.run("worker-templates", *arguments)
            assert (done.returncode, done.stderr.count("Error")) == (0, 0), done.stderr
        for arguments in (["set", "small", "max_nodes=3"], ["delete", "small", "--yes"], ["claim", "small", "w"]):
            done = reader.run("worker-templates", *arguments)
            assert (done.returncode, "its user is not authorized for this operation" in done.stderr) == (5, True)
        assert writer.run("worker-templates", "list", "-o", "name").stdout == "small\n"
