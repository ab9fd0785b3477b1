"""Choosing and searching: what fits, by how much, why the others do not; and text anywhere."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from tests.support.apps import AppFactory
from tests.support.calls import URL, create, names, problem
from tests.support.own_fields import GpuFields


@pytest.fixture
def farm(make_app: AppFactory) -> FlaskClient:
    client = make_app(extra=GpuFields).test_client()
    large = {"cpu_cores": 48, "memory_gb": 192, "storage_gb": 500}
    create(client, "large", capacity=large, cost_per_hour_usd=4, extra={"gpu_count": 4}, labels={"team": "Night"})
    create(client, "free", capacity=large, max_nodes=50, extra={"gpu_count": 4})
    create(client, "old", capacity=large, extra={"gpu_count": 4}, deprecation={"message": "x", "replaced_by": "large"})
    create(client, "small", enabled=False, ami_pattern="CML-2.7.*", description="for the nightly run")
    return client


def test_what_fits_comes_cheapest_first_with_its_excess(farm: FlaskClient) -> None:
    found = farm.get(f"{URL}/select?cpu_cores=16&nodes=20&extra.gpu_count=4").get_json()
    assert [one["template"]["name"] for one in found["fits"]] == ["large", "free"]
    assert found["fits"][1]["excess"] == {"cpu_cores": 32, "memory_gb": 192, "storage_gb": 500, "nodes": 30}
    assert found["others"] == []


def test_the_others_are_told_with_every_reason(farm: FlaskClient) -> None:
    asked = "cpu_cores=16&license_type=PERSONAL&ami=CML-2.9.1&label=team%3DNight&extra.gpu_count=4&explain=true"
    found = farm.get(f"{URL}/select?{asked}").get_json()
    assert [one["template"]["name"] for one in found["fits"]] == ["large"]
    assert {one["template"]["name"]: one["reasons"] for one in found["others"]} == {
        "free": ["It does not have the label 'team=Night'."],
        "old": ["It is deprecated: x Use 'large' instead.", "It does not have the label 'team=Night'."],
        "small": [
            "It is disabled.",
            "It has 2 cores, and 16 are needed.",
            "Its ami_pattern 'CML-2.7.*' does not match 'CML-2.9.1'.",
            "It does not have the label 'team=Night'.",
            "Its extra.gpu_count is 0, and 4 is needed.",
        ],
    }


@pytest.mark.parametrize("query", ["page=1", "cpu_cores=-1", "explain=1", "min_cpu_cores=4", "extra.colour=red"])
def test_what_cannot_be_asked(farm: FlaskClient, query: str) -> None:
    problem(farm.get(f"{URL}/select?{query}"), 422)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=NIGHT", ["large", "small"]),
        ("q=m5.l", ["free", "large", "old", "small"]),
        ("q=m5xl", []),
        ("q=team%3Dn", ["large"]),
        ("q=.*", []),
        ("deprecated=true", ["old"]),
        ("deprecated=false&enabled=true", ["free", "large"]),
    ],
)
def test_text_is_found_anywhere_and_never_a_pattern(farm: FlaskClient, query: str, found: list[str]) -> None:
    assert names(farm.get(f"{URL}?{query}")) == found


def test_a_text_is_bounded(farm: FlaskClient) -> None:
    problem(farm.get(f"{URL}?q={'x' * 101}"), 422, "query.q")
    problem(farm.get(f"{URL}?q="), 422, "query.q")
