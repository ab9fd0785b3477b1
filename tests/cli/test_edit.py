"""The command `edit`, with editors that are scripts. What was typed is never lost."""

from __future__ import annotations

import re
import stat
import sys
import tempfile
from pathlib import Path

import click
import pytest
import yaml

from tests.support.backends import mongomock_only
from tests.support.shell import Shell

pytestmark = mongomock_only


class Editor:
    """An editor that runs a piece of Python each time that it is opened, and keeps what it was given."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._directory = directory
        self._monkeypatch = monkeypatch
        (directory / "tmp").mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(directory / "tmp"))
        monkeypatch.delenv("VISUAL", raising=False)

    def does(self, *steps: str) -> None:
        """Let the nth opening run the nth step, in which `text` is what the file holds."""
        script = self._directory / "editor.py"
        script.write_text(
            "import pathlib, sys\n"
            "file, kept = pathlib.Path(sys.argv[1]), pathlib.Path(__file__).parent\n"
            "number = len(list(kept.glob('opened-*')))\n"
            "text = file.read_text()\n"
            "(kept / f'opened-{number}').write_text(text)\n"
            f"exec({list(steps)!r}[number])\n"
            "file.write_text(text)\n"
        )
        self._monkeypatch.setenv("EDITOR", f"{sys.executable} {script}")

    def shown(self) -> list[str]:
        """What was in the file, each time that it was opened."""
        return [path.read_text() for path in sorted(self._directory.glob("opened-*"))]

    def kept(self) -> list[Path]:
        """The files that were left."""
        return sorted((self._directory / "tmp").iterdir())


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Editor:
    return Editor(tmp_path, monkeypatch)


def test_an_edit_is_saved_and_said_in_one_line(seeded: Shell, editor: Editor) -> None:
    editor.does("text = text.replace('max_nodes: 7', 'max_nodes: 30')")
    result = seeded.wt("edit", "small", "-m", "More")
    assert (result.stdout, result.stderr) == ("changed   small (revision 3; max_nodes 7 → 30)\n", "")
    assert (seeded.get("small").max_nodes, seeded.messages("small")[0]) == (30, "More")
    assert editor.kept() == []


def test_the_text_is_the_whole_spec_as_yaml(seeded: Shell, editor: Editor) -> None:
    editor.does("mode = file.stat().st_mode; text = text if mode & 0o077 == 0 else ''")
    seeded.wt("edit", "small")
    (shown,) = editor.shown()
    assert yaml.safe_load(shown) == seeded.get("small").spec
    assert shown.startswith("# small, revision 2.")


@pytest.mark.parametrize("step", ["pass", "text = ''", "text = '# only comments\\n'", "text += '\\n'"])
def test_nothing_that_was_changed_is_no_change(seeded: Shell, editor: Editor, step: str) -> None:
    editor.does(step)
    assert seeded.wt("edit", "small").stdout == "unchanged small (revision 2)\n"
    assert editor.kept() == []


def test_a_fault_comes_back_on_top_of_what_was_typed(seeded: Shell, editor: Editor) -> None:
    editor.does(
        "text = text.replace('max_nodes: 7', 'max_nodes: many  # as many as you like')",
        "text = text.replace('max_nodes: many', 'max_nodes: 9')",
    )
    assert "max_nodes 7 → 9" in seeded.wt("edit", "small").stdout
    again = editor.shown()[1]
    assert re.search(r"^# Not saved.*\n#   max_nodes: Not a valid integer", again)
    assert "max_nodes: many  # as many as you like" in again
    assert again.count("# small, revision 2.") == 0
    assert editor.kept() == []


def test_faults_of_syntax_come_back_too(seeded: Shell, editor: Editor) -> None:
    editor.does("text = 'name: [oops'", "text = 'name: tiny\\n' + chr(10).join(text.splitlines()[9:])", "text = ''")
    result = seeded.wt("edit", "small", code=1)
    shown = editor.shown()
    assert len(shown) == 3
    assert "#   line " in shown[1]
    assert "#   instance_type: " in shown[2]
    assert "Given up with faults" in result.stderr


def test_whoever_gives_up_keeps_the_text(seeded: Shell, editor: Editor) -> None:
    editor.does("text = text.replace('max_nodes: 7', 'max_nodes: many')", "pass")
    result = seeded.wt("edit", "small", code=1)
    (kept,) = editor.kept()
    assert "max_nodes: many" in kept.read_text()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert f"What you typed is kept in {kept}." in result.stderr
    assert "max_nodes: " in result.stderr
    assert seeded.get("small").revision == 2


def test_a_change_by_somebody_else_keeps_the_text_and_is_exit_code_4(seeded: Shell, editor: Editor) -> None:
    ran = []

    def meanwhile() -> None:
        ran.append(seeded.wt("set", "small", "max_nodes=50"))

    editor.does("text = text.replace('max_nodes: 7', 'max_nodes: 30')")

    def edit(*arguments: object, **named: object) -> object:
        result = opened(*arguments, **named)  # type: ignore[call-overload]
        if not ran:
            meanwhile()
        return result

    opened = click.edit
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(click, "edit", edit)
        result = seeded.wt("edit", "small", code=4)
    (kept,) = editor.kept()
    assert "max_nodes: 30" in kept.read_text()
    assert str(kept) in result.stderr
    assert "is at revision 3" in result.stderr
    assert seeded.get("small").max_nodes == 50


@pytest.mark.parametrize(
    "step", ["file.write_text(text.replace(': 7', ': 30')); sys.exit(1)", "file.write_bytes(b'\\xff'); sys.exit(0)"]
)
def test_an_editor_that_fails_loses_nothing(seeded: Shell, editor: Editor, step: str) -> None:
    editor.does(step)
    result = seeded.wt("edit", "small", code=1)
    (kept,) = editor.kept()
    assert str(kept) in result.stderr
    assert kept.read_bytes() == b"\xff" or "max_nodes: 30" in kept.read_text()
    assert seeded.get("small").revision == 2


def test_an_editor_that_there_is_not(seeded: Shell, editor: Editor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDITOR", "/nowhere/vi")
    result = seeded.wt("edit", "small", code=1)
    assert "/nowhere/vi" in result.stderr
    assert editor.kept() == []


def test_a_name_that_is_taken_keeps_the_text(seeded: Shell, editor: Editor) -> None:
    editor.does("text = text.replace('name: small', 'name: large')")
    assert "already exists" in seeded.wt("edit", "small", code=4).stderr
    assert "name: large" in editor.kept()[0].read_text()


def test_a_revision_can_be_required(seeded: Shell, editor: Editor) -> None:
    editor.does()
    assert "is at revision 2" in seeded.wt("edit", "small", "--if-revision", "1", code=4).stderr
    assert editor.shown() == []


def test_for_programs_the_document_is_all_there_is(seeded: Shell, editor: Editor) -> None:
    editor.does("text = text.replace('max_nodes: 7', 'max_nodes: 30')")
    (done,) = seeded.changed("edit", "small")
    assert done["changes"] == [{"field": "max_nodes", "from": 7, "to": 30}]
