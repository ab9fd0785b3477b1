"""A law of scopes: the query that MongoDB gets finds exactly the specs that the scope contains."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pymongo.database import Database

from flask_worker_templates.model.scope import scope_of
from flask_worker_templates.model.spec import Spec
from flask_worker_templates.store.queries import all_of, scope_conditions
from flask_worker_templates.store.stored_form import to_stored
from tests.support.strategies import spec_with

NAMES = ["a", "ab", "abc", "b", "é", "a\U0010ffff", "A"]
TEAMS = ["red", "blue", "red=x", ""]
PLAIN = spec_with()
EXTRAS: list[Any] = [True, False, 0, 1, 1.0, 1.5, "1", "red", [1], ["red"], [], {"red": 1}, None]

_stored = st.builds(
    lambda name, team, kind, machine, extra: {
        **PLAIN,
        "name": name,  # stored before today's rules, such a name may be
        "license_type": kind,
        "instance_type": machine,
        "labels": {} if team is None else {"team": team},
        "extra": extra,
    },
    st.sampled_from(NAMES),
    st.none() | st.sampled_from(TEAMS),
    st.sampled_from(["PERSONAL", "ENTERPRISE"]),
    st.sampled_from(["m5.large", "m5.xlarge"]),
    st.dictionaries(st.just("key"), st.sampled_from(EXTRAS)),
)
_labels = st.sampled_from([f"team={team}" for team in TEAMS] + ["te=am=red"])
_alternatives = st.fixed_dictionaries(
    {},
    optional={
        "label": _labels | st.lists(_labels, min_size=1, max_size=2),
        "license_type": st.sampled_from(["PERSONAL", "OTHER"]),
        "instance_type": st.sampled_from(["m5.large", "m5"]),
        "name": st.sampled_from(NAMES),
        "name_prefix": st.sampled_from([*NAMES, "a\U0010ffff\U0010ffff"]),
        "extra.key": st.sampled_from([one for one in EXTRAS if isinstance(one, bool | int | float | str)]),
    },
).filter(bool)


@pytest.fixture
def emptied(database: Database[dict[str, Any]]) -> Iterator[Database[dict[str, Any]]]:
    yield database
    database.drop_collection("law")


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stored=st.lists(_stored, min_size=1, max_size=8), answer=_alternatives | st.lists(_alternatives, min_size=1))
@example(stored=[{**PLAIN, "extra": {"key": [1]}}], answer={"extra.key": 1})
def test_the_query_finds_what_the_scope_contains(
    emptied: Database[dict[str, Any]], stored: list[Spec], answer: Any
) -> None:
    """Of templates, and of events, which hold their spec one level down."""
    scope = scope_of(answer)
    collection = emptied["law"]
    collection.delete_many({})
    forms = [{**to_stored(spec), "extra": spec["extra"]} for spec in stored]
    collection.insert_many([{"_id": n, **form, "spec": form} for n, form in enumerate(forms)])
    inside = {n for n, spec in enumerate(stored) if scope.contains(spec)}
    for prefix in ("", "spec."):
        assert {one["_id"] for one in collection.find(all_of(scope_conditions(scope, prefix)))} == inside
