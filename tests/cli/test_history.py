"""The commands `history` and `log`."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from flask_worker_templates.cli import history as history_module
from tests.support.backends import mongomock_only
from tests.support.shell import TIME, Shell
from tests.support.specs import spec


def rows(shell: Shell, *arguments: str) -> list[list[str]]:
    return [line.split("\t") for line in shell.wt(*arguments).stdout.splitlines()]


def test_in_a_pipe_each_change_is_a_line(seeded: Shell) -> None:
    latest, first = rows(seeded, "history", "small")
    assert re.fullmatch(TIME, latest[1])
    assert (latest[0], *latest[2:]) == ("2", "updated", "alice", "", 'max_nodes 20 → 7; labels.team – → "größe"')
    assert (first[0], *first[2:]) == ("1", "seeded", "seeder", "", "")


def test_for_programs_it_is_what_http_answers(seeded: Shell) -> None:
    template_id = seeded.get("small").id
    answered = seeded.app.test_client().get(f"/api/v1/templates/{template_id}/history").get_json()
    document = seeded.json("worker-templates", "history", "small", schema="history")
    assert (document["events"], document["total"]) == (answered, 2)
    assert seeded.json("worker-templates", "history", template_id) == document


def test_it_can_be_cut_and_says_so(seeded: Shell) -> None:
    result = seeded.wt("history", "small", "--limit", "1")
    assert "seeded" not in result.stdout
    assert result.stderr == "(1 earlier; --limit shows more)\n"
    document = seeded.json("worker-templates", "history", "small", "--limit", "1", schema="history")
    assert (len(document["events"]), document["total"]) == (1, 2)


def test_of_a_deleted_template(seeded: Shell) -> None:
    template = seeded.get("by hand")
    with seeded.app.app_context():
        seeded.templates.delete(template.id, actor="bob")
    for key in ("by hand", template.id):
        events = seeded.json("worker-templates", "history", key, schema="history")["events"]
        assert [(event["action"], event["actor"]) for event in events] == [("deleted", "bob"), ("created", "anonymous")]


def test_of_a_deleted_one_whose_name_is_there_again(seeded: Shell) -> None:
    template = seeded.get("by hand")
    with seeded.app.app_context():
        seeded.templates.delete(template.id, actor="bob")
        again = seeded.templates.create(spec("by hand"))
    result = seeded.wt("history", "by hand")
    assert len(result.stdout.splitlines()) == 1
    assert template.id in result.stderr
    assert again.id not in result.stderr
    assert [row[2] for row in rows(seeded, "history", template.id)] == ["deleted", "created"]


def test_across_a_rename(seeded: Shell) -> None:
    with seeded.app.app_context():
        seeded.templates.update(seeded.templates.get_by_name("by hand").id, {"name": "renamed"})
    result = seeded.wt("history", "by hand")
    assert [line.split("\t")[2] for line in result.stdout.splitlines()] == ["updated", "created"]
    assert result.stderr == "'by hand' is called 'renamed' now.\n"


@pytest.mark.parametrize(("pair", "expected"), [(("1", "2"), ["20", "7"]), (("2", "1"), ["7", "20"])])
def test_two_revisions_can_be_compared(seeded: Shell, pair: tuple[str, str], expected: list[str]) -> None:
    found = {row[0]: row[1:] for row in rows(seeded, "history", "small", "--diff", *pair)}
    assert found["max_nodes"] == expected
    assert set(found["labels.team"]) == {"–", '"größe"'}
    document = seeded.json("worker-templates", "history", "small", "--diff", *pair, schema="compare")
    assert [document["from"], document["to"]] == [int(one) for one in pair]
    changed = {change["field"]: change for change in document["changes"]}
    assert [json.dumps(changed["max_nodes"][side]) for side in ("from", "to")] == expected


def test_a_revision_and_itself_are_the_same(seeded: Shell) -> None:
    result = seeded.wt("history", "small", "--diff", "1", "1")
    assert (result.stdout, result.stderr) == ("", "They are the same.\n")


def test_a_revision_that_there_is_not(seeded: Shell) -> None:
    assert "has no revision 9" in seeded.wt("history", "small", "--diff", "1", "9", code=1).stderr


# log


def test_the_log_is_the_whole_trail(seeded: Shell) -> None:
    found = rows(seeded, "log")
    assert [(row[2], row[3], row[4]) for row in found][:2] == [
        ("created", "anonymous", "by hand"),
        ("updated", "alice", "small"),
    ]
    assert sorted((row[2], row[4]) for row in found[2:]) == [("seeded", "large"), ("seeded", "small")]
    document = seeded.json("worker-templates", "log", schema="history")
    assert [event["name"] for event in document["events"]] == [row[4] for row in found]


TOMORROW = (datetime.now(UTC) + timedelta(days=2)).date().isoformat()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--actor", "alice"], 1),
        (["--action", "seeded"], 2),
        (["--name", "small"], 2),
        (["--since", "7d"], 4),
        (["--since", "1h", "--until", TOMORROW], 4),
        (["--until", "2026-01-01"], 0),
        (["--until", "2026-01-01T00:00:00Z"], 0),
        (["--since", TOMORROW], 0),
        (["--limit", "3"], 3),
    ],
    ids=str,
)
def test_the_log_can_be_filtered(seeded: Shell, arguments: list[str], expected: int) -> None:
    assert len(rows(seeded, "log", *arguments)) == expected


@mongomock_only
def test_more_than_a_page_of_the_trail_can_be_asked_for(seeded: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_module, "MAX_PAGE_SIZE", 2)  # of the API's, for which there would be 200 events to make
    for command, total in ((["log"], 4), (["history", "small"], 2)):
        whole = rows(seeded, *command)
        assert len(whole) == total
        assert rows(seeded, *command, "--limit", "100000") == whole
        for limit in range(1, total):
            document = seeded.json("worker-templates", *command, "--limit", str(limit), schema="history")
            assert len(document["events"]) == limit
            assert document["total"] >= total


def test_the_log_of_nothing_says_so(shell: Shell) -> None:
    result = shell.wt("log")
    assert (result.stdout, result.stderr) == ("", "No changes found.\n")


@pytest.mark.parametrize(("option", "value"), [("--since", "yesterday"), ("--until", "2026-13-01"), ("--action", "x")])
def test_a_wrong_filter_is_wrong_usage(shell: Shell, option: str, value: str) -> None:
    said = shell.wt("log", option, value, code=2).stderr
    assert f"{option}: Must be" in said
    assert ("7d" in said) == (option != "--action")
