"""Parameters that were asked for before are remembered, and that changes nothing."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
import pytest
from marshmallow import fields

from flask_worker_templates.errors import InvalidParameters
from flask_worker_templates.model.claim_parameters import claim_parameters
from flask_worker_templates.model.extra import ExtraFields
from flask_worker_templates.model.parameters import page_parameters
from flask_worker_templates.model.rules import STANDARD, SpecRules


@pytest.mark.parametrize("asked", [{"revision": True}, {"revision": "1"}, {"revision": [1]}, [], "a"])
def test_what_equals_a_remembered_value_is_still_refused(asked: Any) -> None:
    for _ in range(2):
        assert claim_parameters({"revision": 1})["revision"] == 1
        with pytest.raises(InvalidParameters):
            claim_parameters(asked)


def test_the_caller_may_change_what_was_loaded() -> None:
    for _ in range(2):
        loaded = page_parameters({"page": "2"})
        assert loaded == {"page": 2, "page_size": 50}
        loaded["page"] = 3
    for _ in range(2):
        assert STANDARD.select_parameters({}).pop("explain") is False


def test_an_error_is_told_each_time() -> None:
    for _ in range(2):
        with pytest.raises(InvalidParameters) as caught:
            STANDARD.list_parameters({"sort": "nonsense", "page": "1"})
        assert list(caught.value.errors) == ["sort"]


def test_fields_of_the_host_are_asked_each_time() -> None:
    class Counting(fields.String):
        asked = 0

        def _deserialize(self, *args: Any, **kw: Any) -> Any:
            Counting.asked += 1
            return super()._deserialize(*args, **kw)

    rules = SpecRules(extra=ExtraFields(ma.Schema.from_dict({"rack": Counting()})))
    rules.list_parameters({"extra.rack": "a"})
    before = Counting.asked
    rules.list_parameters({"extra.rack": "a"})
    assert Counting.asked > before
