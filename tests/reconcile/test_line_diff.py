"""Unified diffs: what they say is what `patch` needs to make one text of the other."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from flask_worker_templates.reconcile.line_diff import unified

LINES = st.lists(st.sampled_from([f"{char}\n" for char in "aaabbcdefghij"]), max_size=30)


def patched(before: Sequence[str], diff: Sequence[str]) -> list[str]:
    """Apply a diff as strictly as can be."""
    result: list[str] = []
    place = 0
    for line in diff[2:]:
        if found := re.fullmatch(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@\n", line):
            start = int(found[1]) - (found[2] != "0")
            assert start >= place
            result += before[place:start]
            assert len(result) == int(found[3]) - (found[4] != "0")
            place = start
        elif line[0] == "+":
            result.append(line[1:])
        else:
            assert line[1:] == before[place]
            result += [line[1:]] if line[0] == " " else []
            place += 1
    return [*result, *before[place:]]


@given(LINES, LINES)
def test_it_makes_one_text_of_the_other(before: list[str], after: list[str]) -> None:
    diff = list(unified(before, after, "a/x", "b/x"))
    assert patched(before, diff) == after
    assert bool(diff) == (before != after)
    assert diff[:2] in ([], ["--- a/x\n", "+++ b/x\n"])


def test_a_few_edits_of_a_long_text_are_a_few_lines() -> None:
    before = [
        line for number in range(2000) for line in (f"- name: {number}\n", "  cores: 2\n", f"  a: {number % 7}\n")
    ]
    after = [*before]
    for number in range(0, 2000, 20):
        after[3 * number + 1] = "  cores: 4\n"
    diff = list(unified(before, after, "a/x", "b/x"))
    assert sum(line[0] == "+" for line in diff[2:]) == sum(line[0] == "-" for line in diff[2:]) == 100
    assert patched(before, diff) == after
