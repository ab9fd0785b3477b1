"""The scope: what the host's hook may return, and which specs it means."""

from __future__ import annotations

from typing import Any

import pytest

from flask_worker_templates.model.scope import ALL, scope_of
from tests.support.strategies import spec_with

RED = spec_with("red-1", license_type="PERSONAL", labels__team="red", labels__env="prod")


@pytest.mark.parametrize(
    "answer",
    [
        None,
        {},
        [],
        (),
        [{}],
        [{"name": "a"}, None],
        [{"name": "a"}, {}],
        True,
        False,
        "ALL",
        "label=team=red",
        {"team": "red"},
        {"Label": "team=red"},
        {"labels": "team=red"},
        {"label": "team"},
        {"label": []},
        {"label": ["team=red", "env"]},
        {"label": {"team": "red"}},
        {"label": None},
        {"name": ""},
        {"name": None},
        {"name": ["a"]},
        {"name_prefix": ""},
        {"license_type": ["PERSONAL"]},
        {"license_type": {"$ne": ""}},
        {"instance_type": 5},
        {"extra": {"team": "red"}},
        {"extra.": 1},
        {"extra.a.b": 1},
        {"extra.$where": 1},
        {"extra.team": None},
        {"extra.team": ["red"]},
        {"extra.team": {"$ne": 1}},
        {"extra.cost": float("nan")},
        {1: "a"},
        {"$or": [{"name": "a"}]},
        {"enabled": True},
    ],
)
def test_what_a_scope_hook_may_not_return_is_an_error_that_shows_nothing(answer: Any) -> None:
    with pytest.raises(TypeError, match="scope hook"):
        scope_of(answer)


@pytest.mark.parametrize(
    ("answer", "inside"),
    [
        (ALL, True),
        ({"label": "team=red"}, True),
        ({"label": "team=re"}, False),
        ({"label": "team="}, False),
        ({"label": "other=red"}, False),
        ({"label": ["team=red", "env=prod"]}, True),
        ({"label": ["team=red", "env=test"]}, False),
        ({"label": "team=red", "license_type": "ENTERPRISE"}, False),
        ([{"label": "team=blue"}, {"license_type": "PERSONAL"}], True),
        ([{"label": "team=blue"}, {"license_type": "ENTERPRISE"}], False),
        ({"license_type": "personal"}, False),
        ({"instance_type": RED["instance_type"]}, True),
        ({"name": "red-1"}, True),
        ({"name": "red"}, False),
        ({"name_prefix": "red-"}, True),
        ({"name_prefix": "Red-"}, False),
        ({"name_prefix": ".*"}, False),
    ],
)
def test_a_scope_holds_what_its_conditions_say(answer: Any, inside: bool) -> None:
    assert scope_of(answer).contains(RED) is inside


@pytest.mark.parametrize(
    ("stored", "wanted", "inside"),
    [
        ("red", "red", True),
        (1, 1, True),
        (1, 1.0, True),
        (True, True, True),
        (True, 1, False),
        (1, True, False),
        ("1", 1, False),
        (["red"], "red", False),
        ({"red": 1}, "red", False),
        (None, "red", False),
    ],
)
def test_a_field_of_the_hosts_is_compared_as_json_compares(stored: Any, wanted: Any, inside: bool) -> None:
    assert scope_of({"extra.key": wanted}).contains({**RED, "extra": {"key": stored}}) is inside


def test_a_field_that_is_not_there_is_outside() -> None:
    assert not scope_of({"extra.key": "red"}).contains({**RED, "extra": {}})


def test_strings_are_compared_in_their_normal_form() -> None:
    assert scope_of({"name": "Cafe\u0301"}).contains({**RED, "name": "Caf\u00e9"})
