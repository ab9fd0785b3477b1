"""What a person sees, on a real terminal: colours with words, headings, ages, a pager, prompts, an editor."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import pexpect
import pytest

from tests.support.shell import Terminal

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def plain(text: str) -> str:
    return _ANSI.sub("", text)


@pytest.fixture
def screen(terminal: Terminal) -> Terminal:
    """A terminal whose database is seeded."""
    assert terminal.run("seed-templates").returncode == 0
    return terminal


def test_a_list_has_headings_colours_with_words_and_ages(screen: Terminal) -> None:
    assert screen.run("worker-templates", "disable", "small").returncode == 0
    shown = screen.screen("list", columns=110)
    lines = plain(shown).splitlines()
    assert lines[0].split() == [
        "NAME",
        "TYPE",
        "CORES",
        "MEMORY",
        "STORAGE",
        "LICENCE",
        "NODES",
        "STATE",
        "REVISION",
        "CHANGED",
    ]
    assert re.search(r"\x1b\[33mdisabled\s*\x1b", shown)
    assert re.search(r"\x1b\[32menabled\s*\x1b", shown)
    assert re.search(r"(just now|\dm ago)$", lines[1])
    assert lines[-1] == "2 templates."


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=str)
def test_without_colours_the_words_are_left(screen: Terminal, environment: dict[str, str]) -> None:
    shown = screen.screen("list", columns=80, lines=50, code=0, **environment)
    assert "\x1b" not in shown
    assert "enabled" in shown


@pytest.mark.parametrize("kind", ["table", "wide"])
@pytest.mark.parametrize("columns", [40, 80])
def test_a_list_fits(screen: Terminal, kind: str, columns: int) -> None:
    long = "x" * 90
    assert screen.run("worker-templates", "copy", "small", long).returncode == 0
    shown = plain(screen.screen("list", "-o", kind, columns=columns))
    table = shown[: shown.index("Not shown")] if "Not shown" in shown else shown
    assert max(map(len, table.splitlines())) <= columns
    assert "…" in table
    assert "STATE" in table
    narrow = screen.screen("list", "-o", kind, columns=200, COLUMNS=str(columns))
    assert max(map(len, plain(narrow).splitlines()[:3])) <= columns


def test_what_is_longer_than_the_screen_goes_through_a_pager(screen: Terminal, tmp_path: Path) -> None:
    pager = tmp_path / "pager"
    pager.write_text("#!/bin/sh\necho PAGED\ncat\n")
    pager.chmod(pager.stat().st_mode | stat.S_IXUSR)
    assert "PAGED" in screen.screen("show", "small", lines=10, PAGER=str(pager))
    assert "PAGED" not in screen.screen("show", "small", lines=60, PAGER=str(pager))
    assert "PAGED" not in screen.screen("show", "small", "-o", "json", lines=10, PAGER=str(pager))


def test_a_history_has_its_changes_below(screen: Terminal) -> None:
    assert screen.run("worker-templates", "set", "small", "max_nodes=3", "-m", "Too many").returncode == 0
    shown = plain(screen.screen("history", "small"))
    assert re.search(r"^   2  (just now|\dm ago)  +updated   cli:\S+  \"Too many\"$", shown, re.MULTILINE)
    assert "      max_nodes 20 → 3\n" in shown
    wide = plain(screen.screen("history", "small", "-o", "wide"))
    assert re.search(r"^   2  \d{4}-\d\d-\d\dT", wide, re.MULTILINE)
    assert "small" in plain(screen.screen("log"))


def test_two_revisions_side_by_side(screen: Terminal) -> None:
    assert screen.run("worker-templates", "set", "small", "max_nodes=3").returncode == 0
    lines = [line.split() for line in plain(screen.screen("history", "small", "--diff", "1", "2")).splitlines()]
    assert lines == [["FIELD", "revision", "1", "revision", "2"], ["max_nodes", "20", "3"]]
    narrow = plain(screen.screen("history", "small", "--diff", "1", "2", columns=40)).splitlines()
    assert narrow == ["- revision 1", "+ revision 2", "max_nodes", "  - 20", "  + 3"]


# Questions


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 1), ("", 1), ("\x03", 1), ("\x04", 1)], ids=repr)
def test_a_deletion_is_asked_for(screen: Terminal, answer: str, code: int) -> None:
    assert screen.run("worker-templates", "claim", "large", "w-1").returncode == 0
    child = screen.spawn("delete", "small")
    child.expect(r"small \(revision 1\): no worker claims it; config/worker_templates.yaml:\d+ still has it")
    child.expect_exact("Delete 1 template? [y/N]: ")
    child.send(answer if answer in ("\x03", "\x04") else answer + "\r")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == code
    assert ("Nothing was written." in str(child.before)) == (code == 1)
    left = screen.run("worker-templates", "list", "-o", "name").stdout.split()
    assert left == (["large"] if code == 0 else ["large", "small"])


def test_it_is_said_who_uses_what_would_be_deleted(screen: Terminal) -> None:
    assert screen.run("worker-templates", "claim", "large", "w-1").returncode == 0
    child = screen.spawn("delete", "large")
    child.expect_exact("1 worker claims it: w-1")
    child.expect_exact("[y/N]: ")
    child.sendline("y")
    child.expect_exact("is in use and cannot be deleted")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 4


def test_labels_of_many_are_asked_for_with_their_names(screen: Terminal) -> None:
    child = screen.spawn("label", "--all", "stage=prod", "-m", "Goes live")
    child.expect_exact("This would set stage=prod on 2 templates: 'large', 'small'.")
    child.expect_exact("Go on? [y/N]: ")
    child.sendline("y")
    child.expect_exact("2 changed.")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_a_no_is_json_too(screen: Terminal) -> None:
    child = screen.spawn("delete", "small", "-o", "json")
    child.expect_exact("[y/N]: ")
    child.sendline("n")
    child.expect(pexpect.EOF)
    assert '"results": []' in str(child.before)


# An editor


def test_an_editor_on_the_terminal_sees_its_fault_again(screen: Terminal, tmp_path: Path) -> None:
    """A real editor that asks on the terminal: `ed`-like, written in shell."""
    editor = tmp_path / "editor"
    editor.write_text(
        '#!/bin/sh\nhead -2 "$1"\nprintf "new number: "\nread -r n\nsed -i "s/max_nodes: .*/max_nodes: $n/" "$1"\n'
    )
    editor.chmod(0o755)
    child = screen.spawn("edit", "small", EDITOR=str(editor), VISUAL="")
    child.expect_exact("# small, revision 1.")
    child.expect_exact("new number: ")
    child.sendline("many")
    child.expect_exact("#   max_nodes: Not a valid integer")
    child.expect_exact("new number: ")
    child.sendline("44")
    child.expect(r"max_nodes 20 → 44")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_ctrl_c_in_an_editor_keeps_what_was_saved(screen: Terminal, tmp_path: Path) -> None:
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i "s/max_nodes: .*/max_nodes: 33/" "$1"\necho saved\nsleep 60\n')
    editor.chmod(0o755)
    (tmp_path / "kept").mkdir()
    child = screen.spawn("edit", "small", EDITOR=str(editor), VISUAL="", TMPDIR=str(tmp_path / "kept"))
    child.expect_exact("saved")
    child.sendintr()
    child.expect_exact("What you typed is kept in ")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 1
    (kept,) = (tmp_path / "kept").iterdir()
    assert "max_nodes: 33" in kept.read_text()
    assert "max_nodes: 33" not in screen.run("worker-templates", "show", "small", "-o", "yaml").stdout


# Progress


def test_many_at_once_have_a_progress_bar(screen: Terminal) -> None:
    shown = plain(screen.screen("set", "small", "large", "max_nodes=9"))
    assert "Writing" in shown
    assert "100%" in shown


def test_seeding_has_a_progress_bar_and_json_stays_clean(terminal: Terminal) -> None:
    command = " ".join(terminal.command("seed-templates", "-o", "json"))
    child = pexpect.spawn(
        "bash",
        ["-c", f"{command} > out.json"],
        cwd=str(terminal.directory),
        env={**os.environ, **terminal.environment},
        encoding="utf-8",
        timeout=60,
    )
    child.expect_exact("Seeding")
    child.expect_exact("100%")
    child.expect(pexpect.EOF)
    assert '"created"' in (terminal.directory / "out.json").read_text()


def test_wide_characters_keep_their_columns(screen: Terminal) -> None:
    for name in ("用户模板", "größe", "e\u0301tude"):
        assert screen.run("worker-templates", "copy", "small", name).returncode == 0
    shown = plain(screen.screen("list", columns=100)).splitlines()
    assert next(line for line in shown if "用户模板" in line).startswith("用户模板  m5.large")
