"""Entries that stand alone are edited alone: of a large file nothing else is looked at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_worker_templates.files import edit as edit_module
from flask_worker_templates.files.edit import edited
from flask_worker_templates.files.rounds import Round
from flask_worker_templates.files.syntax_tree import locate_yaml
from flask_worker_templates.model.spec import Spec
from tests.support.handwritten import meant, yaml_files
from tests.support.strategies import edits, specs

ONE = """\
  - name: {name}
    instance_type: m5   # burstable
    capacity: {{cpu_cores: 1, memory_gb: 2, storage_gb: 3}}
    license_type: PERSONAL
"""
FILE = f"""\
# The fleet.
templates:

{ONE.format(name="a")}
  # The second.
{ONE.format(name="b")}
{ONE.format(name="c")}
x-owner: ada
"""


@contextmanager
def whole_files() -> Iterator[list[str]]:
    """The texts of which the places of all parts are found."""
    texts: list[str] = []

    class Recorded(Round):
        def __init__(self, text: str, *args: Any, **kw: Any) -> None:
            texts.append(text)
            super().__init__(text, *args, **kw)

    with mock.patch.object(edit_module, "Round", Recorded):
        yield texts


def with_more_nodes(text: str, *names: str) -> list[Spec]:
    return [{**spec, "max_nodes": 7} if spec["name"] in names else spec for spec in meant(text)]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("names", ["a", "b", "c", "ac", "abc"])
def test_nothing_but_the_entries_that_change_is_looked_at_closely(names: str, end: str) -> None:
    text = FILE.replace("\n", end)
    with whole_files() as looked_at:
        after = edited(text, with_more_nodes(text, *names), is_json=False)
    for name in names:
        text = text.replace(one := ONE.format(name=name).replace("\n", end), f"{one}    max_nodes: 7{end}")
    assert after == text
    assert [name in "".join(looked_at) for name in ("name: a", "name: b", "name: c")] == [
        name in names for name in "abc"
    ]


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ("name: b", "name: &b b"),
        ("# burstable", "# R &D"),
        ("{cpu_cores: 1, memory_gb: 2, storage_gb: 3}", "&cap {cpu_cores: 1, memory_gb: 2, storage_gb: 3}"),
        ("  - name: b", "  -\n    name: b"),
        ("  - name: b", "  - # the second\n    name: b"),
    ],
)
def test_an_entry_that_may_not_stand_alone_is_edited_in_its_file(before: str, now: str) -> None:
    first, second, last = FILE.partition(ONE.format(name="b"))
    text = first + second.replace(before, now) + last
    with whole_files() as looked_at:
        after = edited(text, with_more_nodes(text, "a", "b"), is_json=False)
    assert meant(after) == with_more_nodes(text, "a", "b")
    assert "# The fleet." in looked_at[-1]
    assert after.count("\n") == text.count("\n") + 2


def test_one_that_does_not_stand_alone_does_not_keep_others_from_it() -> None:
    """The dash of the second is read with the first: only then it is known that this one does not stand alone."""
    text = FILE.replace("  - name: b", "  -\n    name: b")
    with whole_files() as looked_at:
        after = edited(text, with_more_nodes(text, *"abc"), is_json=False)
    assert meant(after) == with_more_nodes(text, *"abc")
    assert sum("name: c" in one for one in looked_at if "name: b" not in one) == 1


def test_of_entries_that_stay_as_they_are_only_the_place_is_known() -> None:
    lines = [f"- {{n: {number}, m: 0}}" for number in range(15)]
    lines[12] = "- {n: &twelve 12, m: *twelve}"
    text = "\n".join(["templates:", *lines, "x-shared: &all", *lines[:12], "x-same: *all", ""])
    whole, spared = locate_yaml(text), locate_yaml(text, {14})
    templates = [root.own("templates") for root in (whole, spared)]
    assert templates[0] is not None
    assert templates[1] is not None
    pairs = list(zip(templates[0][1].items, templates[1][1].items, strict=True))
    assert all((one.start, one.end, one.flow) == (other.start, other.end, other.flow) for one, other in pairs)
    assert [number for number, (one, other) in enumerate(pairs) if one.content() != other.content()] == [10, 11, 13]
    for key in ("x-shared", "x-same"):
        shared = spared.own(key)
        assert shared is not None
        assert shared[1].content() == [{"n": number, "m": 0} for number in range(12)]


@pytest.mark.thorough
@given(yaml_files(), st.data())
def test_an_entry_edited_alone_becomes_what_it_becomes_in_its_file(text: str, data: st.DataObject) -> None:
    wanted = [data.draw(st.just(one) | edits(one) | specs(st.just(one["name"])) | st.none()) for one in meant(text)]
    alone = edited(text, wanted, is_json=False)
    with mock.patch.object(edit_module, "standalone", return_value=[]):
        assert edited(text, wanted, is_json=False) == alone
