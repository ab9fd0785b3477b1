"""Editing the text of definition files: what is asked for, and nothing besides."""

from __future__ import annotations

import copy
import difflib
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from flask_worker_templates.files import edit as edit_module
from flask_worker_templates.files.edit import CannotEdit, edited
from flask_worker_templates.files.parse_json import parse_json
from flask_worker_templates.model.spec import Spec, flatten, normalize
from tests.support.handwritten import json_files, meant, yaml_files
from tests.support.owned_comments import Owned, labelled_files, listed_files
from tests.support.strategies import edits, spec_with, specs

FILE = """\
# What the lab starts.
templates:   # sorted by price

  # The small one.
  - name: "small"   # do not rename
    description: >-   # shown to users
      some words
      and more
    instance_type:    m5zn.metal
    capacity: &cap
        cpu_cores: 48   # two sockets
        # in GB
        memory_gb: 192
        storage_gb: 0x1F4
        # and nothing else
    license_type: PERSONAL
    labels:
        team: 'qa'
        # where
        site: x

  # The large one.
  - name: large
    instance_type: m5zn.metal
    capacity: *cap
    license_type: ENTERPRISE
    cost_per_hour_usd:    # not known yet
    labels: {team: render, "no": "1"}


  - {name: third, instance_type: m7i.metal, capacity: {cpu_cores: 1, memory_gb: 1,
       storage_gb: 1}, license_type: PERSONAL}
# The end.
"""
SMALL, LARGE = range(2)
FIRST_ONLY = FILE.partition("\n  # The large")[0]


DEPRECATION = {"message": "no: longer", "replaced_by": "large"}


def meant_json(text: str) -> list[Spec]:
    return [normalize(entry) for entry in parse_json(text).value["templates"]]


def change(edit: Callable[[list[Any]], Any], text: str = FILE, added: list[Spec] | None = None) -> str:
    """The text after the specs of its entries were edited."""
    wanted: list[Any] = copy.deepcopy(meant(text))
    edit(wanted)
    after = edited(text, wanted, added or [], is_json=False)
    assert meant(after) == [spec for spec in wanted if spec is not None] + (added or [])
    return after


def difference(before: str, after: str) -> list[str]:
    """The lines that went, with a minus, and those that came, with a plus."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return [line for line in list(lines)[2:] if not line.startswith("@@")]


def set_leaf(number: int, path: str, value: Any) -> Callable[[list[Any]], None]:
    def edit(wanted: list[Any]) -> None:
        *outer, last = path.split("/")
        place = wanted[number]
        for part in outer:
            place = place[part]
        place[last] = value

    return edit


@pytest.mark.parametrize(
    ("before", "value", "after"),
    [
        (None, DEPRECATION, ["+    deprecation:", "+        message: 'no: longer'", "+        replaced_by: large"]),
        (
            "    deprecation: null # for now",
            DEPRECATION,
            [
                "-    deprecation: null # for now",
                "+    deprecation: {message: 'no: longer', replaced_by: large} # for now",
            ],
        ),
        (
            "    deprecation:",
            DEPRECATION,
            ["-    deprecation:", "+    deprecation: {message: 'no: longer', replaced_by: large}"],
        ),
        (
            "    deprecation: # why\n        message: old # so\n    # of labels",
            None,
            ["-    deprecation: # why", "-        message: old # so", "+    deprecation: null # so"],
        ),
        (
            "    deprecation: # why\n        message: old # so\n    # of labels",
            {"message": "older", "replaced_by": "large"},
            ["-        message: old # so", "+        message: older # so", "+        replaced_by: large"],
        ),
        ("    deprecation: {message: old}", None, ["-    deprecation: {message: old}", "+    deprecation: null"]),
    ],
)
def test_a_deprecation_comes_changes_and_goes(before: str | None, value: Any, after: list[str]) -> None:
    place = "    license_type: PERSONAL\n"
    text = FILE if before is None else FILE.replace(place, f"{place}{before}\n", 1)
    changed = change(set_leaf(SMALL, "deprecation", value), text)
    assert difference(text, changed) == after


def comments(text: str) -> list[str]:
    return re.findall(r"# comment \d+\.", text)


# --- Laws ---


@given(yaml_files() | json_files().map(lambda text: "json:" + text))
def test_without_a_change_the_text_stays_as_it_is(text: str) -> None:
    is_json = text.startswith("json:")
    text = text.removeprefix("json:")
    assert edited(text, (meant_json if is_json else meant)(text), is_json=is_json) == text


def anything(spec: Spec) -> st.SearchStrategy[Spec | None]:
    """What may become of an entry."""
    return st.just(spec) | edits(spec) | specs(st.just(spec["name"])) | st.none() | st.just({**spec, "labels": {}})


@given(st.data(), st.booleans())
def test_the_text_means_what_was_asked_for_whatever_it_looks_like(data: st.DataObject, is_json: bool) -> None:
    read = meant_json if is_json else meant
    text = data.draw(json_files() if is_json else yaml_files())
    wanted = [data.draw(anything(spec)) for spec in read(text)]
    added = [data.draw(specs(st.just(f"x{number}"))) for number in range(data.draw(st.integers(0, 2)))]
    after = edited(text, wanted, added, is_json=is_json)
    assert read(after) == [spec for spec in wanted if spec is not None] + added


def keeps_members(before: Spec, after: Spec) -> Spec:
    """What becomes of an entry, but with no label gone and no deprecation, whose comments would go with them."""
    deprecation = after["deprecation"] or (before["deprecation"] and {"message": "kept", "replaced_by": None})
    return {**after, "labels": dict.fromkeys(before["labels"], "kept") | after["labels"], "deprecation": deprecation}


@given(st.data())
def test_comments_line_ends_and_order_survive_every_edit(data: st.DataObject) -> None:
    text = data.draw(yaml_files())
    wanted = [
        keeps_members(spec, data.draw(st.just(spec) | edits(spec) | specs(st.just(spec["name"]))))
        for spec in meant(text)
    ]
    added = data.draw(st.lists(specs(st.just("x")), max_size=1))
    after = edited(text, wanted, added, is_json=False)
    assert comments(after) == comments(text)
    if "\r\n" in text:
        assert re.search(r"(?<!\r)\n", after) is None
    else:
        assert "\r" not in after
    assert after.endswith("\n") == text.endswith("\n")


@given(
    labelled_files(),
    st.sets(st.sampled_from("abcdef")),
    st.sets(st.sampled_from("xyz")),
    st.sets(st.sampled_from("abcdef")),
)
def test_a_comment_of_a_label_stays_where_it_is_or_goes_with_it(
    file: Owned, gone: set[str], new: set[str], changed: set[str]
) -> None:
    labels = {label: "w" if label in changed else "v" for label in file.members if label not in gone}
    after = edited(file.text, [{**meant(file.text)[0], "labels": labels | dict.fromkeys(new, "v")}], is_json=False)
    assert_owned(file, gone, after)
    for label in labels:
        line = next(line for line in after.splitlines() if re.search(rf"\b{label}: [vw]", line))
        comment = f"# behind of {label}."
        assert (comment in line) == (comment in file.owners)


@given(listed_files(), st.sets(st.sampled_from("0123")), st.booleans())
def test_a_comment_of_an_entry_stays_or_goes_with_it(file: Owned, gone: set[str], adds: bool) -> None:
    wanted = [None if spec["name"] in gone else spec for spec in meant(file.text)]
    after = edited(file.text, wanted, [spec_with("x")] if adds else [], is_json=False)
    assert_owned(file, gone, after)


def assert_owned(file: Owned, gone: set[str], after: str) -> None:
    """Check that the comments of what went are gone, and that all others stand at the end of a line."""
    stay = {comment for comment, owner in file.owners.items() if owner not in gone}
    assert {comment for comment in file.owners if comment in after} == stay
    assert all(re.search(re.escape(comment) + r"\r?(\n|\Z)", after) for comment in stay)


SCALARS = ["instance_type", "max_nodes", "ami_pattern", "enabled", "cost_per_hour_usd", "capacity.cpu_cores"]
OTHER = spec_with(instance_type="other", max_nodes=7, ami_pattern="x*", cost_per_hour_usd=0.25, capacity__cpu_cores=7)


@given(st.data())
def test_a_value_that_is_written_changes_its_line_and_no_other(data: st.DataObject) -> None:
    text = data.draw(yaml_files(anchors=False))
    before = meant(text)
    assume(before)
    number = data.draw(st.integers(0, len(before) - 1))
    path = data.draw(st.sampled_from(SCALARS))
    name, _, inner = path.partition(".")
    wanted = copy.deepcopy(before)
    value = not before[number]["enabled"] if name == "enabled" else flatten(OTHER)[path]
    (wanted[number][name] if inner else wanted[number])[inner or name] = value
    old = text.split("\n")
    new = edited(text, wanted, is_json=False).split("\n")
    changed = [
        tag for tag, *_ in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes() if tag != "equal"
    ]
    assert len(changed) == 1
    # A value that was not written yet takes a line of its own, or a part of the line of the brackets.
    assert 0 <= len(new) - len(old) <= 1
    assert sum(line not in new for line in old) <= 1


CHECKED = """\
x-owner: 1
templates:
- {name: a, instance_type: m5, capacity: {cpu_cores: 1, memory_gb: 2, storage_gb: 3}, license_type: PERSONAL}
- {name: b, instance_type: m5, capacity: {cpu_cores: 1, memory_gb: 2, storage_gb: 3}, license_type: PERSONAL}
"""


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("cpu_cores: 1", "cpu_cores: true"),
        ("cpu_cores: 1", "cpu_cores: 2"),
        (": PERSONAL", ": ENTERPRISE"),
        (": PERSONAL", ": PERSONAL, max_nodes: 7"),
        (": PERSONAL", ": PERSONAL, nodes: 7"),
        (", license_type: PERSONAL", ""),
        ("x-owner: 1", "x-owner: true"),
        ("x-owner: 1", "x-owner: 1\nx-more: 1"),
        ("- {name: b", "- {name: c"),
        ("- {name: a", "# {name: a"),
    ],
)
def test_a_result_that_does_not_mean_what_it_should_is_never_returned(
    right: str, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = [{**spec, "max_claims": 5} for spec in meant(CHECKED)]
    assert edited(CHECKED, wanted, is_json=False).count("max_claims: 5") == 2
    monkeypatch.setattr(edit_module, "standalone", lambda *_: [])
    made = CHECKED.replace("PERSONAL}", "PERSONAL, max_claims: 5}")
    monkeypatch.setattr(edit_module, "_changed", lambda *_, **__: (made, []))
    assert edited(CHECKED, wanted, is_json=False) == made
    made = made.replace(right, wrong, 1)
    with pytest.raises(CannotEdit):
        edited(CHECKED, wanted, is_json=False)


# --- By example ---


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        pytest.param(
            set_leaf(SMALL, "name", "tiny"),
            ['-  - name: "small"   # do not rename', '+  - name: "tiny"   # do not rename'],
            id="quotes stay",
        ),
        pytest.param(
            set_leaf(SMALL, "labels/team", "no"),
            ["-        team: 'qa'", "+        team: 'no'"],
            id="single quotes stay",
        ),
        pytest.param(
            set_leaf(SMALL, "labels/site", "it's: 1"),
            ["-        site: x", """+        site: 'it''s: 1'"""],
            id="quotes come where they are needed",
        ),
        pytest.param(
            set_leaf(SMALL, "instance_type", "m7i.metal"),
            ["-    instance_type:    m5zn.metal", "+    instance_type:    m7i.metal"],
            id="alignment stays",
        ),
        pytest.param(
            set_leaf(SMALL, "description", "other words"),
            ["-      some words", "-      and more", "+      other words"],
            id="a folded text stays folded",
        ),
        pytest.param(
            set_leaf(SMALL, "description", ""),
            [
                "-    description: >-   # shown to users",
                "-      some words",
                "-      and more",
                "+    description: ''   # shown to users",
            ],
            id="a text that cannot be folded keeps the comment",
        ),
        pytest.param(
            set_leaf(SMALL, "max_nodes", 500),
            ["+    max_nodes: 500"],
            id="a field that was left out comes in its place",
        ),
        pytest.param(
            set_leaf(LARGE, "cost_per_hour_usd", 4.5),
            ["-    cost_per_hour_usd:    # not known yet", "+    cost_per_hour_usd: 4.5    # not known yet"],
            id="a value where nothing was written",
        ),
        pytest.param(
            set_leaf(SMALL, "port_range", {"start": 1, "end": 2}),
            ["+    port_range:", "+        start: 1", "+        end: 2"],
            id="a new mapping is indented as the others are",
        ),
        pytest.param(
            set_leaf(SMALL, "labels", {"site": "x"}), ["-        team: 'qa'"], id="a label goes and leaves the rest"
        ),
        pytest.param(
            set_leaf(SMALL, "labels", {}),
            ["-    labels:", "-        team: 'qa'", "-        # where", "-        site: x", "+    labels: {}"],
            id="the last label goes",
        ),
        pytest.param(
            set_leaf(SMALL, "labels/new", "1:30"),
            ["+        new: '1:30'"],
            id="a label that YAML would read as a number",
        ),
        pytest.param(
            set_leaf(LARGE, "labels", {"no": "1", "a": "b, c"}),
            ['-    labels: {team: render, "no": "1"}', """+    labels: {"no": "1", a: 'b, c'}"""],
            id="between brackets",
        ),
        pytest.param(
            lambda wanted: wanted.pop(LARGE) and wanted.insert(LARGE, None),
            [
                "-  # The large one.",
                "-  - name: large",
                "-    instance_type: m5zn.metal",
                "-    capacity: *cap",
                "-    license_type: ENTERPRISE",
                "-    cost_per_hour_usd:    # not known yet",
                '-    labels: {team: render, "no": "1"}',
                "-",
                "-",
            ],
            id="an entry goes with its comments",
        ),
    ],
)
def test_only_what_changed_is_written(edit: Callable[[list[Any]], Any], expected: list[str]) -> None:
    assert difference(FILE, change(edit)) == expected


@pytest.mark.parametrize(
    ("before", "gone", "after"),
    [
        ("{\n    a: v,  # of a\n    b: v   # of b\n  }", "b", "{\n    a: v  # of a\n  }"),
        ("{\n    a: v,  # of a\n    b: v,  # of b\n  }", "b", "{\n    a: v,  # of a\n  }"),
        ("{\n    a: v,  # of a\n    b: v }", "b", "{\n    a: v  # of a\n    }"),
        ("{a: v,  # of a\n    # of b\n    b: v   # of b\n  }", "a", "{\n    # of b\n    b: v   # of b\n  }"),
        ("{\n    a: v  # of a\n    , b: v  # of b\n    , c: v\n  }", "ab", "{\n     c: v\n  }"),
        ("{\n    a: v, b: v,  # of both\n    c: v\n  }", "bc", "{\n    a: v  # of both\n  }"),
        ("{a: v, b: v, c: v}  # of all", "ac", "{b: v}  # of all"),
        ("{  # of all\n    a: v  # of a\n  }", "a", "{  # of all\n  }"),
    ],
)
def test_between_brackets_a_comment_goes_with_what_it_stands_behind(before: str, gone: str, after: str) -> None:
    text = FILE.replace("""{team: render, "no": "1"}""", before)
    labels = {label: value for label, value in meant(text)[LARGE]["labels"].items() if label not in gone}
    assert change(set_leaf(LARGE, "labels", labels), text) == FILE.replace("""{team: render, "no": "1"}""", after)


def test_an_edited_anchor_does_not_change_who_shares_it() -> None:
    after = change(set_leaf(SMALL, "capacity/cpu_cores", 96))
    assert difference(FILE, after) == [
        "-        cpu_cores: 48   # two sockets",
        "+        cpu_cores: 96   # two sockets",
        "-    capacity: *cap",
        "+    capacity: {cpu_cores: 48, memory_gb: 192, storage_gb: 500}",
    ]


def test_an_edited_alias_does_not_change_what_it_refers_to() -> None:
    after = change(set_leaf(LARGE, "capacity/cpu_cores", 96))
    assert difference(FILE, after) == [
        "-    capacity: *cap",
        "+    capacity: {cpu_cores: 96, memory_gb: 192, storage_gb: 500}",
    ]


def test_what_all_who_share_it_want_is_edited_once() -> None:
    def edit(wanted: list[Any]) -> None:
        for spec in wanted[:2]:
            spec["capacity"]["cpu_cores"] = 96

    assert len(difference(FILE, change(edit))) == 2


def test_an_alias_outlives_the_entry_that_had_its_anchor() -> None:
    after = change(lambda wanted: wanted.__setitem__(SMALL, None))
    assert "    capacity: &cap {cpu_cores: 48, memory_gb: 192, storage_gb: 500}\n" in after


MERGED = """\
templates:
- &one
  name: one
  instance_type: m5
  capacity: {cpu_cores: 1, memory_gb: 2, storage_gb: 3}
  license_type: PERSONAL
  labels: &l {a: "1", b: "2"}
- <<: *one
  name: two
- <<: *one
  name: three
  labels:
    <<: *l
    c: "3"  # its own
"""


def test_what_is_merged_in_is_overridden_and_not_edited() -> None:
    after = change(set_leaf(1, "max_nodes", 7), MERGED)
    assert difference(MERGED, after) == ["+  max_nodes: 7"]
    after = change(set_leaf(0, "max_nodes", 7), MERGED)
    assert difference(MERGED, after) == ["+  max_nodes: 7", "+  max_nodes: 20", "+  max_nodes: 20"]


def test_a_merged_label_that_goes_takes_the_merge_with_it() -> None:
    after = change(set_leaf(2, "labels", {"b": "2", "c": "3"}), MERGED)
    assert difference(MERGED, after) == ["-    <<: *l", "+    b: '2'"]


def test_what_other_entries_merge_outlives_its_entry() -> None:
    after = change(lambda wanted: wanted.__setitem__(0, None), MERGED)
    assert after.count("&one {") == 1
    assert after.count("*one") == 1


CHAIN = (
    MERGED.replace("- <<: *one\n  name: two", "- &two\n  <<: [*one]\n  name: two\n  max_nodes: 7")
    + """\
- <<: [*two, *one]
  name: four
"""
)


def test_an_anchor_that_moves_brings_along_what_was_merged_into_it() -> None:
    after = change(lambda wanted: wanted.__setitem__(1, None), CHAIN)
    assert meant(after)[2]["max_nodes"] == 7
    assert "- <<: [&two {name: two, " in after


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("templates: []\n", "templates:\n  - name: x\n"),
        ("templates: []  # none yet\n", "templates:  # none yet\n  - name: x\n"),
        ("# first\ntemplates: []", "# first\ntemplates:\n  - name: x\n"),
        (FILE, FILE.replace("# The end.\n", "\n  - name: x\n")),
        (FIRST_ONLY, FIRST_ONLY + "\n  - name: x\n"),
    ],
)
def test_appended_entries_look_like_the_others(text: str, start: str) -> None:
    after = edited(text, meant(text), [spec_with("x")], is_json=False)
    assert after.startswith(start)
    assert after.endswith("\n") == text.endswith("\n")


def test_entries_without_blank_lines_between_them_get_none() -> None:
    after = change(lambda wanted: None, MERGED, [spec_with("x"), spec_with("y")])
    assert "\n\n" not in after


def test_all_entries_may_go_and_come_again() -> None:
    empty = change(lambda wanted: wanted.__setitem__(slice(None), [None] * 3))
    assert empty == "# What the lab starts.\ntemplates: []   # sorted by price\n# The end.\n"
    assert meant(edited(empty, [], [spec_with("x")], is_json=False)) == [spec_with("x")]


JSON_FILE = """\
{
    "$schema": "here",
    "templates": [
        {
            "name": "one", "instance_type": "m5",
            "capacity": {"cpu_cores": 1, "memory_gb":2, "storage_gb": 3},
            "license_type": "PERSONAL"
        },
        {"name": "caf\\u00e9", "instance_type": "m5", "license_type": "PERSONAL",
         "capacity": {"cpu_cores": 1, "memory_gb": 2, "storage_gb": 3}, "labels": {"a": "1", "b": "2"}}
    ]
}
"""


def test_json_stays_json_and_the_rest_stays_as_it_is() -> None:
    wanted: list[Any] = copy.deepcopy(meant_json(JSON_FILE))
    wanted[0]["capacity"]["memory_gb"] = 4
    wanted[0]["labels"] = {"a": "é"}
    wanted[1]["labels"] = {"b": "3"}
    after = edited(JSON_FILE, wanted, [spec_with("x")], is_json=True)
    assert json.loads(after)["$schema"] == "here"
    assert difference(JSON_FILE, after) == [
        '-            "capacity": {"cpu_cores": 1, "memory_gb":2, "storage_gb": 3},',
        '-            "license_type": "PERSONAL"',
        '+            "capacity": {"cpu_cores": 1, "memory_gb":4, "storage_gb": 3},',
        '+            "license_type": "PERSONAL",',
        '+            "labels": {',
        '+                "a": "é"',
        "+            }",
        """-         "capacity": {"cpu_cores": 1, "memory_gb": 2, "storage_gb": 3}, "labels": {"a": "1", "b": "2"}}""",
        """+         "capacity": {"cpu_cores": 1, "memory_gb": 2, "storage_gb": 3}, "labels": {"b": "3"}},""",
        "+        {",
        '+            "name": "x",',
        '+            "instance_type": "m5zn.metal",',
        '+            "capacity": {',
        '+                "cpu_cores": 48,',
        '+                "memory_gb": 192,',
        '+                "storage_gb": 500',
        "+            },",
        '+            "license_type": "PERSONAL"',
        "+        }",
    ]


@pytest.mark.parametrize(
    "text",
    [
        MERGED.replace("  name: one", "  name: &n max_nodes").replace(
            "license_type: PERSONAL", "license_type: PERSONAL\n  *n : 5"
        ),
        "{templates: []}\n",
    ],
    ids=["an alias as a key", "brackets around everything"],
)
def test_what_cannot_be_edited_safely_is_refused(text: str) -> None:
    wanted = copy.deepcopy(meant(text))
    for spec in wanted:
        spec["name"] += " renamed"
    with pytest.raises(CannotEdit):
        edited(text, wanted, [] if wanted else [spec_with("x")], is_json=False)
