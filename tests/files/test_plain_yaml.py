"""The reader of plain YAML says what libyaml says, or leaves the text to it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flask_worker_templates.files import plain_yaml
from flask_worker_templates.files.parse_yaml import _parse as exact
from flask_worker_templates.files.parse_yaml import parse_yaml
from flask_worker_templates.files.parsed import MAX_DEPTH, MAX_KEYS, MAX_NODES, Parsed
from flask_worker_templates.files.plain_yaml import read_plain

USUAL = """\
# all of them
---
$schema: https://example.com/schema.json
x-own: 'a'
templates:
- name: a-1 # the first
  capacity: {cpu_cores: 8, memory_gb: 32, storage_gb: 500}
  labels:
    a/b: "c d"
  extra:
    nets:
    - n1
    - 2
    gpu:
      count: 1

- name: b
  description: it's (a) b:c, d#e
  labels: {}
  cost_per_hour_usd:
"""

LINES = [
    *[
        "templates:",
        "- name: a",
        "name: b",
        "capacity:",
        "cpu_cores: 8",
        "k:",
        "k: # c",
        "k: v",
        "k:  v  # c",
        "k: v#c",
    ],
    *["- 1", "- x # c", "-", "-  ", "- # c", "- - a", "- k: v", "-   k: v", "- {a: b}", "- [a]", "- 'x'", '- "a": b'],
    *[
        "",
        "  ",
        "# c",
        "---",
        "...",
        "%YAML 1.1",
        "text text",
        "? k",
        '"k": v',
        "k : v",
        "k:v",
        "k:#c",
        "é: 1",
        "<<: *a",
    ],
    *["labels: {}", "k: {a: b, c: [1, 2]}", "k: {a: b}: c", "k: {a}", "k: {a: 1, a: 2}", "k: {<<: {a: 1}}", "k: [1,2"],
    *["k: []", "k: [,]", "k: [a] b", "k: [a] # b", "k: [a]#b", "k: {a: &x 1}", "k: ]", "k: [{a: 1}]", "k: {? a : b}"],
    *[
        "k: 'it''s'",
        "k: 'a",
        "b'",
        'k: "abc"',
        "k: 'abc' # c",
        'k: "q\\n"',
        'k: "\\q"',
        'k: "a": b',
        "k: 'x'y",
        'k: "a',
    ],
    *[
        "k: a: b",
        "k: a:",
        "k: a:b",
        "k: a #b",
        "k: - 1",
        "k: -1",
        "k: -x",
        "k: -_x",
        "k: ?",
        "k: --- x",
        "k: (a",
        "k: ~",
    ],
    *["k: &a 1", "k: *a", "k: !t x", "k: |", "k: >-", "k: a\tb", "k: a\xa0b", "k: \ufeffx", "k: a\u2028b", "k: \x07"],
    *[
        "k: 010",
        "k: 1:30",
        "k: 2020-01-01",
        "k: .5",
        "k: 1e3",
        "k: yes",
        "k: =",
        "k: 1_000",
        "yes: 1",
        "null: 1",
        "1: 1",
    ],
]


def said(read: Parsed) -> tuple[Any, list[list[int] | None]]:
    """Return the value, so that 1, 1.0 and True differ, and the lines of the items of the lists at the top."""
    at_top = read.value.values() if isinstance(read.value, dict) else ()
    return repr(read.value), [read.lines.get(id(value)) for value in at_top if isinstance(value, list)]


def check(text: str) -> bool:
    """Compare the two readers; return whether the plain one takes the text."""
    plain = read_plain(text, exact)
    if plain is None:
        return False
    whole = exact(text)
    assert whole.complete
    assert whole.problems == plain.problems == []
    assert said(plain) == said(whole)
    return True


def test_usual_files_are_read_by_lines() -> None:
    assert check(USUAL)
    assert check(USUAL.rstrip("\n"))
    assert not check(USUAL.replace("'a'", "&anchor a"))


@given(st.lists(st.tuples(st.integers(-2, 2), st.sampled_from(LINES)), min_size=1, max_size=9))
@example([(0, "templates:"), (0, "- name: a"), (2, "k: v"), (-2, "- x"), (2, "k:"), (0, "- 1")])
@example([(0, "k: v"), (0, "---")])
@example([(0, "k:"), (1, "- 1"), (1, "name: b")])
def test_any_lines(lines: list[tuple[int, str]]) -> None:
    depth, text = 0, ""
    for step, line in lines:
        depth = max(0, depth + 2 * step if abs(step) == 1 else depth + step // 2)
        text += " " * depth + line + "\n"
    check(text)


@given(st.data())
def test_any_change_of_a_usual_file(data: st.DataObject) -> None:
    text = USUAL
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 4)))
        text = text[:start] + data.draw(st.text(" \n:#-'\"{}[],&*!|>%@?a1.~\t\r\\é\x85", max_size=3)) + text[end:]
    check(text)


@pytest.mark.parametrize(
    ("text", "is_plain"),
    [
        ("k:\n" + "".join(f"{' ' * depth}k:\n" for depth in range(1, MAX_DEPTH + 2)), False),
        ("k:\n  k: " + "[" * MAX_DEPTH + "]" * MAX_DEPTH, False),
        ("".join(f"k{number}: 1\n" for number in range(MAX_KEYS)), True),
        ("".join(f"k{number}: 1\n" for number in range(MAX_KEYS + 1)), False),
        ("k:\n" + "".join(f"  k{number}: 1\n" for number in range(MAX_KEYS + 1)), False),
        ("k:\n" + "- 1\n" * (MAX_KEYS + 1), True),
        ("k: 1\n" + "\n" * (MAX_NODES // 2), False),
        ("k:\n" + "- [1, 2, 3, 4]\n" * (MAX_NODES // 20), False),
    ],
    ids=["deep", "deep in one line", "keys", "more keys", "more keys inside", "items", "long", "many values"],
)
def test_limits(text: str, *, is_plain: bool) -> None:
    assert (read_plain(text, exact) is not None) == is_plain


def test_what_only_libyaml_can_tell_is_asked_for_a_few_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_yaml, "_MAX_EXACT", 3)
    text = "k:\n" + "".join(f"- 'it''s {number}'\n" for number in range(4))
    assert not check(text)
    assert check(text.replace("3", "2"))


def test_each_line_has_a_value_of_its_own() -> None:
    value = parse_yaml("k:\n- a: {b: [c]}\n- a: {b: [c]}\n").value
    before = copy.deepcopy(value["k"][1])
    value["k"][0]["a"]["b"].append("d")
    assert value["k"][1] == before
