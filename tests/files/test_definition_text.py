"""Definition files as text: what is remembered of one entry never changes another."""

from __future__ import annotations

import re
from typing import Any

import marshmallow as ma
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flask_worker_templates.files import definition_text
from flask_worker_templates.files.definition_text import EntryTexts, Kind, definition_file, pieces_of
from flask_worker_templates.files.scalars import is_plain
from flask_worker_templates.model.rules import SpecRules
from flask_worker_templates.model.spec import Spec
from tests.support.strategies import spec_with, specs

ODD = st.none() | st.booleans() | st.sampled_from([0, 1, 1.0, -0.0, 20, 20.0, "", "a b", "ok"])
FIELDS = ["max_nodes", "enabled", "cost_per_hour_usd", "max_claims", "instance_type", "license_type", "name"]


@st.composite
def stored(draw: st.DrawFn) -> Spec:
    """A spec as a database may hold it: of today's rules, or not."""
    spec = draw(specs())
    for field in draw(st.lists(st.sampled_from(FIELDS), max_size=2)):
        spec[field] = draw(ODD)
    if draw(st.booleans()):
        spec["capacity"] = {**spec["capacity"], "cpu_cores": draw(ODD)}
    return spec


@settings(max_examples=30)
@given(st.lists(stored(), max_size=3), st.sampled_from(["yaml", "json"]))
@example([{**spec_with(), "max_nodes": value} for value in (1, True, 1.0)], "yaml")
def test_an_entry_is_what_the_rules_make_of_it_whatever_came_before(many: list[Any], kind: Kind) -> None:
    rules = SpecRules()
    texts = EntryTexts(kind, rules, rules.field_today)
    for spec in many * 2:
        expected, sound = rules.judged(spec)
        if sound:
            assert "".join(pieces_of([texts.entry(spec)], kind)) == definition_file([expected], kind)
        else:
            with pytest.raises(ma.ValidationError):
                texts.entry(spec)


@pytest.mark.parametrize("kind", ["yaml", "json"])
def test_not_every_text_is_remembered(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(definition_text, "_MOST", 3)
    texts = EntryTexts(kind)
    for number in range(1, 9):
        labels = {f"key-{one}": "x" * 256 for one in range(number)}
        entry = texts.entry(spec_with(f"t{number}", max_nodes=number, labels=labels, capacity__cpu_cores=number))
        assert entry.count("x" * 256) == number
    assert {len(known) for known in texts._known.values()} == {0, 1, 2}


@given(st.from_regex(r"[A-Za-z][\w ./(),:#+-]*", fullmatch=True))
@example("infinity, and more")
@example("a sentence: not")
def test_what_is_told_to_be_plain_at_a_glance_is(text: str) -> None:
    if is_plain(text, flow=False):
        assert re.search(r": |:$| #", text) is None
        assert yaml.safe_load(f"k: {text}") == {"k": text}
