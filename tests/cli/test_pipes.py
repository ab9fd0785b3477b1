"""Commands in pipes: closed ones, ones that are not UTF-8; and their exit codes, as a shell sees them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import mongoengine
import pytest
import yaml

from tests.support.apps import AppFactory
from tests.support.backends import mongomock_only
from tests.support.json_documents import checked
from tests.support.pseudo_terminal import in_pipes
from tests.support.servers import Mongod, free_port
from tests.support.shell import Shell, Terminal
from tests.support.specs import spec

PEOPLE = ("\x1b", " ago", "just now", "NAME", "REVISION", "%")


@mongomock_only
@pytest.mark.parametrize("command", ["list", "list -o wide", "show small", "history small", "log", "claims small"])
def test_nothing_for_people_is_in_a_pipe(seeded: Shell, command: str) -> None:
    code, out, err = in_pipes(seeded.app, "worker-templates", *command.split())
    assert code == 0
    assert not any(word in out.decode() for word in PEOPLE)
    assert b"\x1b" not in err
    assert all("\t" in line for line in out.decode().splitlines())


@mongomock_only
@pytest.mark.parametrize("command", ["list", "list -o json", "log", "show small -o yaml", "json-schema", "diff"])
def test_a_pipe_that_is_closed_early_is_no_error(seeded: Shell, command: str) -> None:
    code, _, err = in_pipes(seeded.app, "worker-templates", *command.split(), closed=True)
    assert code == (3 if command == "diff" else 0)
    assert b"Traceback" not in err
    assert b"roken" not in err


@mongomock_only
def test_writes_go_on_where_nobody_reads_any_more(seeded: Shell) -> None:
    code, _, err = in_pipes(seeded.app, "worker-templates", "set", "small", "large", "max_nodes=3", closed=True)
    assert (code, err) == (0, b"2 changed.\n")
    assert [seeded.get(name).max_nodes for name in ("small", "large")] == [3, 3]
    with seeded.app.app_context():
        seeded.templates.delete(seeded.get("large").id)
    code, _, _ = in_pipes(seeded.app, "worker-templates", "sync", "--yes", "--restore", "large", closed=True)
    assert code == 0
    assert seeded.get("large").max_nodes == 500


@mongomock_only
def test_an_output_that_is_not_utf_8_gets_every_text(seeded: Shell) -> None:
    """Whatever was written by then: a failure to print would look like a failure to write."""
    text = "größe → 1"

    def run(*arguments: str) -> tuple[int, bytes]:
        code, out, err = in_pipes(seeded.app, "worker-templates", *arguments, encoding="latin-1")
        assert b"Traceback" not in err
        return code, out

    def write(described: str) -> None:
        templates = [spec("small", description=described), spec("large", max_nodes=500)]
        seeded.file.write_text(yaml.safe_dump({"templates": templates}, allow_unicode=True), encoding="utf-8")

    write(text)
    code, shown = run("diff")
    assert (code, b"\\u2192" in shown) == (3, True)
    code, document = run("sync", "--yes", "--format", "json")
    assert code == 0
    (small,) = [one for one in json.loads(document)["diff"]["templates"] if one["name"] == "small"]
    assert {field["field"]: field.get("result") for field in small["fields"]}["description"] == text
    code, exported = run("export")
    assert (code, yaml.safe_load(exported)["templates"][2]["description"]) == (0, text)
    for arguments in (["show", "small"], ["history", "small"]):
        code, shown = run(*arguments)
        assert (code, "größe \\u2192 1".encode("latin-1") in shown) == (0, True)
    assert json.loads(run("show", "small", "-o", "json")[1])["template"]["description"] == text
    assert yaml.safe_load(run("show", "small", "-o", "yaml")[1])["templates"][0]["description"] == text
    write("→")
    code, patch = run("export", "--write", "--dry-run")
    assert (code, "-  description: →\n" in patch.decode()) == (3, True)


EXIT_CODES = {
    "list | head -1": 0,
    "show nobody -o json": 1,
    "list --colour": 2,
    "diff --config other.yaml": 3,
    "delete large --yes": 4,
    "log": 5,
}


@pytest.mark.thorough
def test_every_exit_code_is_reached_from_a_shell(terminal: Terminal) -> None:
    """And JSON is printed before the exit."""
    assert terminal.run("seed-templates").returncode == 0
    (terminal.directory / "other.yaml").write_text(yaml.safe_dump({"templates": [spec("other")]}))
    assert terminal.run("worker-templates", "claim", "large", "w").returncode == 0
    away = {"FLASK_WORKER_TEMPLATES_MONGODB_URI": f"mongodb://127.0.0.1:{free_port()}/fleet"}
    away["FLASK_WORKER_TEMPLATES_DB_TIMEOUT_MS"] = "300"
    found = {}
    for arguments, code in EXIT_CODES.items():
        more = away if code == 5 else {"PYTHONPROFILEIMPORTTIME": "1"} if code == 0 else {}
        done = terminal.bash(f"set -o pipefail; wt {arguments}", **more)
        found[arguments] = done.returncode
        assert "Traceback" not in done.stderr
        if code == 0:  # and it starts fast, because it loads nothing that it does not need
            assert "flask_worker_templates.cli.template_table" in done.stderr
            assert not re.search(
                r"flask_worker_templates\.(files\.load|reconcile|cli\.sync|http\.openapi)", done.stderr
            )
        if "json" in arguments:
            assert checked("error", done.stdout)["error"]["type"] == "TemplateNotFound"
    assert found == EXIT_CODES


@pytest.mark.server
def test_a_user_of_the_database_without_rights(tmp_path: Path) -> None:
    with Mongod(auth=True) as server:
        uris = [server.add_user(role, [role], database="fleet") for role in ("readWrite", "read")]
        writer, reader = (
            Shell(AppFactory({"WORKER_TEMPLATES_MONGODB_URI": uri}, tmp_path), spec("small")) for uri in uris
        )
        writer.run("seed-templates")
        for arguments in (["list"], ["show", "small"], ["history", "small"], ["log"], ["claims", "small"], ["diff"]):
            assert "Error" not in reader.wt(*arguments).stderr
        for arguments in (["set", "small", "max_nodes=3"], ["delete", "small", "--yes"], ["claim", "small", "w"]):
            assert "its user is not authorized for this operation" in reader.wt(*arguments, code=5).stderr
        assert writer.get("small").revision == 1
        mongoengine.disconnect_all()  # while the server is there to say goodbye to: later that takes a minute
