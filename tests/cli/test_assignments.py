"""What is typed as ``field=value`` and ``key-``."""

from __future__ import annotations

from typing import Any

import pytest

from flask_worker_templates import InvalidParameters
from flask_worker_templates.cli.assignments import label_patch_of, patch_of, split_assignments, split_labels
from flask_worker_templates.model.extra import ExtraFields
from flask_worker_templates.model.rules import SpecRules
from tests.support.own_fields import GpuFields


@pytest.mark.parametrize(
    ("typed", "patch"),
    [
        (["max_nodes=30"], {"max_nodes": 30}),
        (["max_nodes="], {"max_nodes": None}),
        (["max_nodes=many"], {"max_nodes": "many"}),
        (["enabled=false"], {"enabled": False}),
        (["cost_per_hour_usd=1.5"], {"cost_per_hour_usd": 1.5}),
        (["cost_per_hour_usd=null"], {"cost_per_hour_usd": None}),
        (["name=123"], {"name": "123"}),
        (["description=a=b: {c"], {"description": "a=b: {c"}),
        (["license_type=true"], {"license_type": "true"}),
        (["capacity.cpu_cores=8", "capacity.memory_gb=16"], {"capacity": {"cpu_cores": 8, "memory_gb": 16}}),
        (["capacity={cpu_cores: 8}"], {"capacity": {"cpu_cores": 8}}),
        (["labels.team=1"], {"labels": {"team": "1"}}),
        (["labels.a.b/c=x"], {"labels": {"a.b/c": "x"}}),
        (["labels.team="], {"labels": {"team": None}}),
        (["labels="], {"labels": None}),
        (["max_nodes=1", "max_nodes=2"], {"max_nodes": 2}),
        (["capacity.cpu_cores=[1"], {"capacity": {"cpu_cores": "[1"}}),
    ],
)
def test_an_assignment_is_a_merge_patch(typed: list[str], patch: dict[str, Any]) -> None:
    assert patch_of(typed) == patch


def test_what_the_app_declares_as_a_string_stays_one() -> None:
    rules = SpecRules(extra=ExtraFields(GpuFields))
    typed = ["extra.user_data=1", "extra.gpu_count=1", "extra.gpu.model=80", "extra.subnets={eu: [a]}", "extra.old="]
    assert patch_of(typed, rules) == {
        "extra": {"user_data": "1", "gpu_count": 1, "gpu": {"model": "80"}, "subnets": {"eu": ["a"]}, "old": None}
    }


def test_an_unknown_field_is_named_with_one_that_may_be_meant() -> None:
    with pytest.raises(InvalidParameters) as raised:
        patch_of(["max_node=3", "colour=red", "oops"])
    assert raised.value.errors == {
        "max_node": ["Unknown field. Did you mean max_nodes?"],
        "colour": ["Unknown field."],
        "oops": ["Must be field=value."],
    }


def test_names_and_assignments_may_be_mixed() -> None:
    assert split_assignments(["a b", "max_nodes=3", "-x", "capacity.cpu_cores=1", "1=1"]) == (
        ["a b", "-x", "1=1"],
        ["max_nodes=3", "capacity.cpu_cores=1"],
    )


def test_labels_are_set_and_removed() -> None:
    assert split_labels(["small", "stage=prod", "owner-"]) == (["small"], ["stage=prod", "owner-"])
    assert label_patch_of(["stage=prod", "owner-", "empty=", "a.b/c=x=y"]) == {
        "labels": {"stage": "prod", "owner": None, "empty": "", "a.b/c": "x=y"}
    }


@pytest.mark.parametrize("typed", ["größe=1", "=x", "-", "k" * 64 + "="])
def test_what_is_no_label_is_named(typed: str) -> None:
    with pytest.raises(InvalidParameters) as raised:
        label_patch_of([typed])
    assert list(raised.value.errors) == [typed]
