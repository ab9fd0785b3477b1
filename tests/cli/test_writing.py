"""The commands that write: create, set, label, enable, disable, copy, rename, delete, revert."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from flask_worker_templates import Template
from flask_worker_templates.store.store import Store
from tests.support.apps import AppFactory
from tests.support.backends import mongomock_only
from tests.support.shell import Shell
from tests.support.specs import spec

FIELDS = [
    "--set=instance_type=m5.large",
    "--set=capacity.cpu_cores=2",
    "--set=capacity.memory_gb=8",
    "--set=capacity.storage_gb=50",
    "--set=license_type=PERSONAL",
]


# create


def test_create_by_fields(shell: Shell) -> None:
    result = shell.wt("create", "new", *FIELDS, "--set=labels.team=qa", "-m", "For the tests")
    assert result.stdout == "created   new (revision 1)\n"
    assert shell.get("new").spec["labels"] == {"team": "qa"}
    assert shell.messages("new") == ["For the tests"]
    assert shell.get("new").is_seeded is False


def test_create_says_every_field_that_is_missing(shell: Shell) -> None:
    result = shell.wt("create", "new", "--set=max_nodes=many", code=1)
    for field in ("instance_type", "capacity", "license_type", "max_nodes"):
        assert f"{field}: " in result.stderr


TEXTS = {
    "a template": yaml.safe_dump(spec("one")),
    "a template in JSON": json.dumps(spec("one")),
    "a list": yaml.safe_dump([spec("one"), spec("two")]),
    "a definition file": yaml.safe_dump({"x-note": 1, "templates": [spec("one"), spec("two")]}),
    "JSON with a byte order mark": "\ufeff" + json.dumps([spec("one")]),
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("source", ["a file", "standard input"])
def test_create_from_what_there_is(shell: Shell, tmp_path: Path, text: str, source: str) -> None:
    (tmp_path / "new.yaml").write_text(text, encoding="utf-8")
    names = ["one", "two"] if "two" in text else ["one"]
    if source == "a file":
        done = shell.changed("create", "-f", str(tmp_path / "new.yaml"))
    else:
        done = shell.changed("create", "-f", "-", typed=text.encode())
    assert [(one["name"], one["status"], one["revision"]) for one in done] == [(name, "created", 1) for name in names]
    assert shell.get(names[-1]).spec == {**shell.get(names[-1]).spec, **spec(names[-1])}


def test_what_show_prints_can_be_created_again(shell: Shell, tmp_path: Path) -> None:
    shell.run("seed-templates")
    text = shell.wt("show", "large", "-o", "yaml").stdout
    shell.wt("delete", "large", "--yes")
    assert shell.changed("create", "-f", "-", typed=text.encode())[0]["name"] == "large"
    assert shell.get("large").max_nodes == 500


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: x\ncapacity: {cpu_cores: 0}\n", ["capacity.cpu_cores", ":2:"]),
        ("name: x\nmax_node: 3\n", ["max_node", "Unknown field"]),
        ("templates: 3\n", ["templates", "Must be a list"]),
        ("templates: []\ncolour: red\n", ["colour", "Unknown field"]),
        ("- name: x\n- 3\n", ["Must be a mapping"]),
        ("name: [", [":1:"]),
        ("", ["Must be a template, not nothing."]),
        ("[]", ["There is no template in it."]),
        ("just words", ["Must be a template, not"]),
        (b"\xff\xfe", ["Not valid UTF-8"]),
        (json.dumps([spec("one"), spec("one")]), ["Duplicate: one."]),
    ],
    ids=repr,
)
def test_what_cannot_be_created_is_said_and_nothing_is(shell: Shell, text: str | bytes, said: list[str]) -> None:
    typed = text if isinstance(text, bytes) else text.encode()
    result = shell.wt("create", "-f", "-", typed=typed, code=1)
    assert all(one in result.stderr for one in said), result.stderr
    assert result.stdout == ""
    assert shell.wt("list", "-o", "name").stdout == ""


def test_create_from_a_file_that_there_is_not(shell: Shell, tmp_path: Path) -> None:
    missing = str(tmp_path / "none.yaml")
    assert f"{missing}: No such file" in shell.wt("create", "-f", missing, code=1).stderr
    assert shell.json("worker-templates", "create", "-f", missing, code=1)["faults"][0]["path"] == missing


def test_a_name_that_is_taken_is_a_conflict_and_the_others_are_created(seeded: Shell) -> None:
    text = json.dumps([spec("one"), spec("small"), spec("two")])
    result = seeded.wt("create", "-f", "-", typed=text, code=4)
    assert result.stdout == "created   one (revision 1)\ncreated   two (revision 1)\n"
    assert "Error: small: A worker template named 'small' already exists." in result.stderr
    assert "2 created, 1 failed." in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["create"],
        ["create", "x", "-f", "-"],
        ["create", "-f", "-", "--set=max_nodes=3"],
        ["create", "x", "--set=colour=red"],
        ["create", "x", "-m", "x" * 501],
        ["create", "x", "-m", "a\nb"],
        ["set", "small"],
        ["set", "max_nodes=3"],
        ["set", "small", "max_node=3"],
        ["label", "small"],
        ["label", "k=v"],
        ["label", "small", "k=v", "--all"],
        ["label", "small", "k=v", "--enabled"],
        ["label", "small", "größe=x"],
        ["enable"],
        ["disable", "-l", "no label", "--yes"],
        ["revert", "small"],
        ["delete"],
        ["delete", "small"],
        ["label", "--all", "k=v"],
        ["set", "small", "max_nodes=3", "--if-revision", "0"],
    ],
    ids=" ".join,
)
def test_wrong_usage_writes_nothing(seeded: Shell, arguments: list[str]) -> None:
    before = seeded.json("worker-templates", "log")["total"]
    result = seeded.wt(*arguments, code=2)
    assert result.stdout == ""
    assert "Error: " in result.stderr
    assert seeded.json("worker-templates", "log")["total"] == before


# set


def test_set_fields_of_one(seeded: Shell) -> None:
    result = seeded.wt("set", "small", "max_nodes=30", "capacity.memory_gb=16", "-m", "More")
    assert result.stdout == "changed   small (revision 3; capacity.memory_gb 8 → 16, max_nodes 7 → 30)\n"
    assert (seeded.get("small").max_nodes, seeded.messages("small")[0]) == (30, "More")


def test_set_of_what_is_so_already_changes_nothing(seeded: Shell) -> None:
    assert seeded.wt("set", "small", "max_nodes=7").stdout == "unchanged small (revision 2)\n"
    assert seeded.get("small").revision == 2


def test_an_empty_value_brings_the_default_back(seeded: Shell) -> None:
    (done,) = seeded.changed("set", "small", "max_nodes=", "labels.team=")
    assert done["changes"] == [
        {"field": "max_nodes", "from": 7, "to": 20},
        {"field": "labels.team", "from": "größe"},
    ]


def test_several_are_each_tried_and_the_worst_exit_code_counts(seeded: Shell) -> None:
    result = seeded.wt("set", "small", "nobody", "large", "large", "max_nodes=9", code=1)
    assert [line.split()[:2] for line in result.stdout.splitlines()] == [["changed", "small"], ["changed", "large"]]
    assert "Error: nobody: There is no worker template 'nobody'." in result.stderr
    assert "2 changed, 1 failed." in result.stderr
    done = seeded.changed("set", "small", "nobody", "large", "max_nodes=9", code=1)
    assert [one["status"] for one in done] == ["unchanged", "failed", "unchanged"]
    assert done[1]["error"]["type"] == "TemplateNotFound"
    assert seeded.wt("set", "small", "large", "max_nodes=9", "-o", "name").stdout == "small\nlarge\n"


def test_a_revision_can_be_required(seeded: Shell) -> None:
    result = seeded.wt("set", "small", "max_nodes=9", "--if-revision", "1", code=4)
    assert "is at revision 2" in result.stderr
    assert seeded.get("small").max_nodes == 7
    assert seeded.changed("set", "small", "max_nodes=9", "--if-revision", "2")[0]["revision"] == 3


def test_an_invalid_value_is_said_with_its_field(seeded: Shell) -> None:
    result = seeded.wt("set", "small", "max_nodes=many", "port_range.start=0", code=1)
    assert "max_nodes: " in result.stderr
    assert "port_range.start: " in result.stderr
    assert seeded.get("small").revision == 2


# label, enable, disable


def test_labels_of_those_that_are_named(seeded: Shell) -> None:
    done = seeded.changed("label", "small", "large", "stage=prod", "team-", "-m", "Goes live")
    assert [one["status"] for one in done] == ["changed", "changed"]
    assert (seeded.get("small").labels, seeded.get("large").labels) == ({"stage": "prod"}, {"stage": "prod"})
    assert seeded.messages("large")[0] == "Goes live"


def test_labels_of_a_filter(seeded: Shell) -> None:
    result = seeded.wt("label", "--seeded", "stage=prod", "--yes")
    assert result.stderr.startswith("This would set stage=prod on 2 templates: 'large', 'small'.\n")
    assert [line.split()[1] for line in result.stdout.splitlines()] == ["large", "small"]
    assert seeded.get("by hand").labels == {}


def test_without_a_terminal_nothing_is_asked(seeded: Shell) -> None:
    result = seeded.wt("label", "--all", "stage=prod", code=2, typed="y\n")
    assert "--yes" in result.stderr
    assert seeded.get("small").labels == {"team": "größe"}


def test_a_filter_that_finds_nothing(seeded: Shell) -> None:
    result = seeded.wt("label", "-l", "team=nobody", "stage=prod")
    assert (result.stdout, result.stderr) == ("", "No templates found.\n")
    assert seeded.changed("label", "-l", "team=nobody", "stage=prod") == []


def test_enable_and_disable(seeded: Shell) -> None:
    assert [one["status"] for one in seeded.changed("disable", "small", "by hand")] == ["changed", "unchanged"]
    assert not seeded.get("small").enabled
    assert [one["name"] for one in seeded.changed("enable", "--all", "--yes")] == ["by hand", "large", "small"]
    assert seeded.get("by hand").enabled


# copy, rename


def test_copy(seeded: Shell) -> None:
    assert seeded.wt("copy", "small", "smaller", "--set=max_nodes=1").stdout == "created   smaller (revision 1)\n"
    assert seeded.get("smaller").spec == {**seeded.get("small").spec, "name": "smaller", "max_nodes": 1}
    assert "already exists" in seeded.wt("copy", "small", "large", code=4).stderr


def test_rename_of_one_by_hand(seeded: Shell) -> None:
    result = seeded.wt("rename", "by hand", "handmade")
    assert result.stdout == 'changed   handmade (revision 2; name "by hand" → "handmade")\n'
    assert result.stderr == ""
    assert "already exists" in seeded.wt("rename", "handmade", "small", code=4).stderr
    assert seeded.wt("rename", "handmade", "handmade").stdout == "unchanged handmade (revision 2)\n"


def test_rename_of_a_seeded_one_says_what_its_file_holds(seeded: Shell) -> None:
    result = seeded.wt("rename", "small", "tiny")
    assert f"{seeded.file} still has it as 'small'" in result.stderr
    assert "export --write" in result.stderr
    seeded.wt("export", "--write")
    assert [one["name"] for one in yaml.safe_load(seeded.file.read_text())["templates"]] == ["tiny", "large"]


# delete, revert


def test_delete(seeded: Shell) -> None:
    assert seeded.wt("delete", "by hand", "--yes", "-m", "Retired").stdout == "deleted   by hand (revision 1)\n"
    (event, _) = seeded.json("worker-templates", "history", "by hand")["events"]
    assert (event["action"], event["message"]) == ("deleted", "Retired")


def test_what_is_in_use_is_not_deleted_and_the_others_are(seeded: Shell) -> None:
    result = seeded.wt("delete", "small", "large", "--yes", code=4)
    assert result.stdout == "deleted   large (revision 1)\n"
    assert "2 workers claim it (worker-1, worker-2)" in result.stderr


def test_the_usage_check_of_the_host_is_asked(seeded: Shell) -> None:
    @seeded.templates.usage_check
    def used(template: Template) -> str:
        return "3 labs run on it" if template.name == "large" else ""

    assert "3 labs run on it" in seeded.wt("delete", "large", "--yes", code=4).stderr


def test_delete_with_a_revision(seeded: Shell) -> None:
    assert "is at revision 1" in seeded.wt("delete", "large", "--yes", "--if-revision", "2", code=4).stderr
    assert seeded.wt("delete", "large", "--yes", "--if-revision", "1").exit_code == 0


def test_revert(seeded: Shell) -> None:
    result = seeded.wt("revert", "small", "--to", "1", "-m", "Too few")
    assert result.stdout == 'changed   small (revision 3; max_nodes 7 → 20, labels.team "größe" → –)\n'
    assert seeded.messages("small")[0] == "Too few"
    assert "has no revision 9" in seeded.wt("revert", "small", "--to", "9", code=1).stderr


# restore


def test_a_deleted_template_comes_back_under_its_id(seeded: Shell) -> None:
    template = seeded.get("large")
    deleted = seeded.wt("delete", "large", "--yes")
    assert deleted.stderr == "`flask worker-templates restore large` brings it back.\n"
    assert seeded.wt("restore", "large", "-m", "By mistake").stdout == "restored  large (revision 3)\n"
    assert (seeded.get("large").id, seeded.get("large").spec) == (template.id, template.spec)
    assert seeded.messages("large")[0] == "By mistake"
    result = seeded.wt("restore", "large", "nobody", code=4)
    assert "not deleted" in result.stderr
    assert "There is no worker template 'nobody'." in result.stderr
    assert "is not deleted" in seeded.wt("restore", "small", code=4).stderr  # nor ever was


def test_a_restore_may_require_the_revision_of_the_deletion(seeded: Shell) -> None:
    seeded.wt("delete", "large", "--yes")
    assert "is at revision 2" in seeded.wt("restore", "large", "--if-revision", "1", code=4).stderr
    assert seeded.changed("restore", "large", "--if-revision", "2")[0]["status"] == "restored"


def test_of_several_deleted_ones_the_last_comes_back_and_any_by_its_id(seeded: Shell) -> None:
    first = seeded.get("by hand").id
    seeded.wt("delete", "by hand", "--yes")
    seeded.wt("copy", "small", "by hand")
    second = seeded.get("by hand").id
    seeded.wt("delete", "by hand", "--yes")
    assert seeded.changed("restore", "by hand")[0]["id"] == second
    assert "already exists" in seeded.wt("restore", first, code=4).stderr
    seeded.wt("rename", "by hand", "other")
    assert seeded.changed("restore", first)[0]["id"] == first


# The actor, and what fails for all


def test_the_actor_is_the_user_of_the_machine(seeded: Shell) -> None:
    seeded.wt("set", "small", "max_nodes=9")
    assert seeded.json("worker-templates", "history", "small")["events"][0]["actor"].startswith("cli:")


@pytest.mark.parametrize(
    "arguments",
    [
        ["create", "x", *FIELDS],
        ["set", "a", "b", "max_nodes=3"],
        ["label", "a", "k=v"],
        ["enable", "a"],
        ["disable", "--all"],
        ["copy", "a", "b"],
        ["rename", "a", "b"],
        ["delete", "a", "--yes"],
        ["revert", "a", "--to", "1"],
        ["restore", "a"],
        ["claim", "a", "w"],
        ["release", "a", "w"],
        ["edit", "a"],
    ],
    ids=" ".join,
)
def test_an_unreachable_database_is_exit_code_5(offline: Shell, arguments: list[str]) -> None:
    result = offline.wt(*arguments, code=5)
    assert "database is not available" in result.stderr
    document: dict[str, Any] = offline.json("worker-templates", *arguments, code=5)
    if "results" in document:
        statuses = [one["status"] for one in document["results"]]
        assert statuses == ["failed", "skipped"][: len(statuses)]
        assert document["results"][0]["error"]["type"] == "DatabaseUnavailable"
    else:
        assert document["error"]["type"] == "DatabaseUnavailable"


@mongomock_only
def test_ctrl_c_between_two_says_what_was_changed_and_what_was_not(
    seeded: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    update, large = Store.update, seeded.get("large").id

    def interrupted(self: Store, template_id: str, *given: Any, **rest: Any) -> Template:
        if template_id == large:
            raise KeyboardInterrupt
        return update(self, template_id, *given, **rest)

    monkeypatch.setattr(Store, "update", interrupted)
    done = seeded.changed("set", "small", "large", "by hand", "max_nodes=9", code=1)
    assert [one["status"] for one in done] == ["changed", "failed", "skipped"]
    assert done[1]["error"]["type"] == "Interrupted"
    result = seeded.wt("set", "small", "large", "by hand", "max_nodes=9", code=1)
    assert "1 unchanged, 1 failed, 1 skipped." in result.stderr


def test_the_documents_are_there_whatever_the_exit_code(make_app: AppFactory) -> None:
    shell = Shell(make_app)
    assert shell.changed("set", "nobody", "max_nodes=3", code=1)[0]["name"] == "nobody"
