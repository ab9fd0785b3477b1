"""What a person sees, on a real pseudo-terminal: colours with words, headings, ages, a pager, prompts, an editor."""

from __future__ import annotations

import re
from pathlib import Path

import pexpect
import pytest
import yaml

from tests.support.backends import mongomock_only
from tests.support.interrupts import until_it_reads
from tests.support.pseudo_terminal import Screen, on_terminal
from tests.support.shell import Shell, Terminal
from tests.support.specs import spec


class Person:
    """Somebody at the terminal of a seeded app."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell

    def sees(
        self,
        *arguments: str,
        dialog: tuple[tuple[str, str], ...] = (),
        columns: int = 80,
        lines: int = 50,
        code: int = 0,
    ) -> Screen:
        """What a command of the group shows."""
        return on_terminal(
            self.shell.app, "worker-templates", *arguments, dialog=dialog, columns=columns, lines=lines, code=code
        )


@pytest.fixture
def person(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Person:
    for name in ("NO_COLOR", "COLUMNS", "LINES", "PAGER", "VISUAL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    shell.run("seed-templates")
    return Person(shell)


@mongomock_only
class TestLooks:
    def test_a_list_has_headings_colours_with_words_and_ages(self, person: Person) -> None:
        person.shell.wt("disable", "small")
        shown = person.sees("list", columns=110)
        heads = "NAME TYPE CORES MEMORY STORAGE LICENCE NODES CLAIMS STATE REVISION CHANGED"
        assert " ".join(shown.lines[0].split()) == heads
        assert re.search(r"\x1b\[33mdisabled\s*\x1b", shown.text)
        assert re.search(r"\x1b\[32menabled\s*\x1b", shown.text)
        assert re.search(r"(just now|\dm ago)$", shown.lines[1])
        assert shown.lines[-1] == "2 templates."

    @pytest.mark.parametrize("setting", [("NO_COLOR", "1"), ("TERM", "dumb")], ids=str)
    def test_without_colours_the_words_are_left(
        self, person: Person, setting: tuple[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(*setting)
        shown = person.sees("list")
        assert "\x1b" not in shown.text
        assert "enabled" in shown.text

    @pytest.mark.parametrize("kind", ["table", "wide"])
    @pytest.mark.parametrize("columns", [40, 80])
    def test_a_list_fits(self, person: Person, kind: str, columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
        person.shell.wt("copy", "small", "x" * 90)
        shown = person.sees("list", "-o", kind, columns=columns).plain
        table = shown[: shown.index("Not shown")] if "Not shown" in shown else shown
        assert max(map(len, table.splitlines())) <= columns
        assert "…" in table
        assert "STATE" in table
        monkeypatch.setenv("COLUMNS", str(columns))
        assert max(map(len, person.sees("list", "-o", kind, columns=200).lines[:3])) <= columns

    def test_wide_characters_keep_their_columns(self, person: Person) -> None:
        for name in ("用户模板", "größe", "e\u0301tude"):
            person.shell.wt("copy", "small", name)
        lines = person.sees("list", columns=100).lines
        assert next(line for line in lines if "用户模板" in line).startswith("用户模板  m5.large")
        assert next(line for line in lines if "größe" in line).startswith("größe     m5.large")

    def test_what_is_longer_than_the_screen_goes_through_a_pager(
        self, person: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pager = tmp_path / "pager"
        pager.write_text("#!/bin/sh\necho PAGED\ncat\n")
        pager.chmod(0o755)
        monkeypatch.setenv("PAGER", str(pager))
        assert "PAGED" in person.sees("show", "small", lines=10).text
        assert "PAGED" not in person.sees("show", "small", lines=60).text
        assert "PAGED" not in person.sees("show", "small", "-o", "json", lines=10).text

    def test_a_history_has_its_changes_below(self, person: Person) -> None:
        person.shell.wt("set", "small", "max_nodes=3", "-m", "Too many")
        shown = person.sees("history", "small").plain
        assert re.search(r"^   2  (just now|\dm ago)  +updated   cli:\S+  \"Too many\"$", shown, re.MULTILINE)
        assert "      max_nodes 20 → 3\n" in shown
        wide = person.sees("history", "small", "-o", "wide").plain
        assert re.search(r"^   2  \d{4}-\d\d-\d\dT", wide, re.MULTILINE)
        assert "small" in person.sees("log").plain

    def test_two_revisions_side_by_side(self, person: Person) -> None:
        person.shell.wt("set", "small", "max_nodes=3")
        shown = person.sees("history", "small", "--diff", "1", "2")
        assert [line.split() for line in shown.lines] == [
            ["FIELD", "revision", "1", "revision", "2"],
            ["max_nodes", "20", "3"],
        ]
        narrow = person.sees("history", "small", "--diff", "1", "2", columns=40)
        assert narrow.lines == ["- revision 1", "+ revision 2", "max_nodes", "  - 20", "  + 3"]

    def test_many_at_once_have_a_progress_bar(self, person: Person) -> None:
        shown = person.sees("set", "small", "large", "max_nodes=9").plain
        assert "Writing" in shown
        assert "100%" in shown


@mongomock_only
class TestQuestions:
    @pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1), ("\n", 1), ("\x04", 1)], ids=repr)
    def test_a_deletion_is_asked_for(self, person: Person, answer: str, code: int) -> None:
        shown = person.sees("delete", "small", dialog=(("Delete 1 template? [y/N]: ", answer),), code=code)
        assert f"small (revision 1): no worker claims it; {person.shell.file}:2 still has it" in shown.plain
        assert ("Nothing was written." in shown.plain) == (code == 1)
        left = person.shell.wt("list", "-o", "name").stdout.split()
        assert left == (["large"] if code == 0 else ["large", "small"])

    def test_of_several_those_that_there_are_are_asked_for(self, person: Person) -> None:
        ask = "There is no worker template 'nobody'.\nDelete 1 template? [y/N]: ".replace("\n", "\r\n")
        shown = person.sees("delete", "nobody", "small", "small", dialog=((ask, "y\n"),), code=1).plain
        assert "Error: nobody: There is no worker template 'nobody'." in shown
        assert "1 failed, 1 deleted." in shown
        assert "[y/N]" not in person.sees("delete", "nobody", code=1).plain

    def test_a_no_to_an_import_creates_nothing(self, person: Person, tmp_path: Path) -> None:
        (tmp_path / "old.yaml").write_text(yaml.safe_dump(spec("old")))
        path, ask = str(tmp_path / "old.yaml"), "Create 1 template? [y/N]: "
        assert "Nothing was written." in person.sees("import", path, dialog=((ask, "n\n"),), code=1).plain
        shown = person.sees("import", path, "-m", "From the old system", dialog=((ask, "y\n"),)).plain
        assert "1 created, 0 already present, 0 do not fit." in shown
        assert person.shell.messages("old") == ["From the old system"]

    def test_it_is_said_who_uses_what_would_be_deleted(self, person: Person) -> None:
        person.shell.wt("claim", "large", "w-1")
        shown = person.sees("delete", "large", dialog=(("1 worker claims it: w-1", ""), ("[y/N]: ", "y\n")), code=4)
        assert "is in use and cannot be deleted" in shown.plain

    def test_labels_of_many_are_asked_for_with_their_names(self, person: Person) -> None:
        names = "This would set stage=prod on 2 templates: 'large', 'small'."
        shown = person.sees(
            "label", "--all", "stage=prod", "-m", "Goes live", dialog=((names, ""), ("Go on? [y/N]: ", "y\n"))
        )
        assert "2 changed." in shown.plain
        assert person.shell.get("small").labels == {"stage": "prod"}

    def test_a_no_is_json_too(self, person: Person) -> None:
        shown = person.sees("delete", "small", "-o", "json", dialog=(("[y/N]: ", "n\n"),), code=1)
        assert '"results": []' in shown.plain


@mongomock_only
class TestSettlingConflicts:
    @pytest.fixture
    def conflicts(self, person: Person) -> Person:
        """Two templates in conflict on two fields and one, and a change of the file."""
        person.shell.wt("set", "small", "max_nodes=7", "startup_time_minutes=7")
        person.shell.wt("set", "large", "max_nodes=7")
        changed = [
            spec("small", max_nodes=9, startup_time_minutes=9, description="new"),
            spec("large", max_nodes=9),
            spec("third"),
        ]
        person.shell.file.write_text(yaml.safe_dump({"templates": changed}))
        return person

    def test_each_conflict_is_asked_about_and_the_rest_is_applied(self, conflicts: Person) -> None:
        ask = "[s]kip the template: "
        shown = conflicts.sees(
            "sync",
            "-i",
            "-m",
            "As agreed",
            dialog=(
                ("2 templates in conflict", ""),
                ("max_nodes: file 9, database 7, last applied 500", ""),
                (ask, "s\n"),
                ("max_nodes: file 9, database 7, last applied 20", ""),
                (ask, "f\n"),
                ("startup_time_minutes: file 9, database 7", ""),
                (ask, "d\n"),
                ("Apply 2 changes?", "y\n"),
            ),
        )
        assert conflicts.shell.messages("small")[0] == "As agreed"
        small, large = conflicts.shell.get("small"), conflicts.shell.get("large")
        assert (small.max_nodes, small.startup_time_minutes, small.description) == (9, 7, "new")
        assert (large.max_nodes, large.revision) == (7, 2)
        assert "created   third" in shown.plain
        assert re.search(r"\x1b\[31mconflict *\x1b", shown.text)

    def test_ctrl_d_writes_nothing(self, conflicts: Person) -> None:
        conflicts.sees("sync", "-i", dialog=(("[s]kip the template: ", "\x04"),), code=1)
        assert conflicts.shell.get("small").revision == 2

    def test_it_needs_a_terminal(self, conflicts: Person) -> None:
        assert "needs a terminal" in conflicts.shell.wt("sync", "-i", "--yes", code=2).stderr


@mongomock_only
def test_an_editor_on_the_terminal_sees_its_fault_again(
    person: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor = tmp_path / "editor"
    editor.write_text(
        '#!/bin/sh\nhead -2 "$1"\nprintf "new number: "\nread -r n\nsed -i "s/max_nodes: .*/max_nodes: $n/" "$1"\n'
    )
    editor.chmod(0o755)
    monkeypatch.setenv("EDITOR", str(editor))
    shown = person.sees(
        "edit",
        "small",
        dialog=(
            ("# small, revision 1.", ""),
            ("new number: ", "many\n"),
            ("#   max_nodes: Not a valid integer", ""),
            ("new number: ", "44\n"),
        ),
    )
    assert "max_nodes 20 → 44" in shown.plain


# Ctrl-C needs a process with a terminal of its own.


def test_ctrl_c(terminal: Terminal, tmp_path: Path) -> None:
    """At a question, and in an editor that has saved: nothing is written, and what was typed is kept."""
    assert terminal.run("seed-templates").returncode == 0
    child = terminal.spawn("delete", "small")
    child.expect_exact("[y/N]: ")
    assert child.pid is not None
    until_it_reads(child.pid)
    child.sendintr()
    child.expect_exact("Nothing was written.")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 1

    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i "s/max_nodes: .*/max_nodes: 33/" "$1"\necho saved\nexec sleep 60\n')
    editor.chmod(0o755)
    (tmp_path / "kept").mkdir()
    child = terminal.spawn("edit", "small", EDITOR=str(editor), VISUAL="", TMPDIR=str(tmp_path / "kept"))
    child.expect_exact("saved")
    child.sendintr()
    child.expect_exact("What you typed is kept in ")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 1
    (kept,) = (tmp_path / "kept").iterdir()
    assert "max_nodes: 33" in kept.read_text()
    assert "max_nodes" not in terminal.run("worker-templates", "show", "small", "-o", "yaml").stdout


@mongomock_only
def test_seeding_has_a_progress_bar_if_there_is_something_to_do(shell: Shell) -> None:
    shown = on_terminal(shell.app, "seed-templates").plain
    assert "Seeding" in shown
    assert "100%" in shown
    assert on_terminal(shell.app, "seed-templates").plain == "0 created, 2 already present.\n"
