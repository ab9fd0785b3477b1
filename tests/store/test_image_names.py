"""Searching by image name: bounded work, whatever patterns clients have stored."""

from __future__ import annotations

import time
from typing import Any

import pytest
from pymongo.database import Database

from flask_worker_templates.errors import InvalidParameters
from flask_worker_templates.model.image_name import ImageName
from flask_worker_templates.model.rules import STANDARD
from flask_worker_templates.model.scope import scope_of
from flask_worker_templates.settings import Settings
from flask_worker_templates.store import queries
from flask_worker_templates.store.connection import TEMPLATES, DatabaseAccess
from flask_worker_templates.store.store import Store
from tests.support.backends import mongod_only
from tests.support.strategies import spec_with

Raw = Database[dict[str, Any]]
IMAGE = "ubuntu-24.04-" * 19


@pytest.fixture
def store(connection: dict[str, str]) -> Store:
    store = Store(DatabaseAccess(Settings.from_config({**connection, "WORKER_TEMPLATES_DB_TIMEOUT_MS": 30_000})))
    store.make_indexes()
    return store


def found(store: Store, image: str) -> tuple[list[str], list[str]]:
    """The names that the list and the selection find."""
    asked = STANDARD.list_parameters({"ami": image})
    return [template.name for template in store.page(asked)], [template.name for template in store.select(asked)]


@mongod_only
@pytest.mark.parametrize(("many", "pattern"), [(100_000, "*{}*"), (11_000, "*?" * 100 + "{}")])
def test_many_patterns_are_searched_in_seconds_or_refused(store: Store, database: Raw, many: int, pattern: str) -> None:
    template = store.create(spec_with("mine", ami_pattern="ubuntu-24*"), actor="alice")
    database[TEMPLATES].drop_indexes()  # inserting is not what is measured
    patterns = [{"_id": str(n), "name": str(n), "ami_pattern": pattern.format(n)} for n in range(many)]
    database[TEMPLATES].insert_many(patterns)
    database[TEMPLATES].create_index([("ami_pattern", 1)])
    asked = STANDARD.list_parameters({"ami": IMAGE, "name": template.name})
    for search in (store.page, store.select):
        started = time.process_time()
        if many == 100_000:
            assert list(search(asked)) == [template]
        else:
            with pytest.raises(InvalidParameters, match="ami_pattern"):
                search(asked)
        assert time.process_time() - started < 5


def test_who_can_see_a_part_searches_that_part(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "MAX_PATTERN_CHARACTERS", 20)
    store.create(spec_with("red", ami_pattern="a*", labels__team="red"), actor="alice")
    for number in range(3):
        store.create(spec_with(f"blue-{number}", ami_pattern=f"long-pattern-{number}"), actor="alice")
    with pytest.raises(InvalidParameters):
        found(store, "abc")
    assert found(store.within(scope_of({"label": "team=red"})), "abc") == (["red"], ["red"])


def test_the_worst_patterns_within_the_bound_take_no_time_to_speak_of() -> None:
    for pattern in ("*?" * 100, "*u" * 100, "?" + IMAGE[1:200], "*" + IMAGE[3:200]):
        patterns = [f"{pattern}{n}" for n in range(queries.MAX_PATTERN_CHARACTERS // (len(pattern) + 5))]
        started = time.process_time()
        ImageName(IMAGE).matched_by(patterns)
        # Half a second; with coverage on a busy machine, three times that. A matcher that goes back takes minutes.
        assert time.process_time() - started < 5
