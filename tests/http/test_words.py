"""What is said of misspelt fields, parameters and choices, and of fields that the server sets."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support.backends import mongomock_only
from tests.support.calls import URL, create, one, problem
from tests.support.specs import spec

pytestmark = mongomock_only
READ_ONLY = ["Read-only: the server sets this field. Leave it out."]


def test_what_a_get_gave_says_in_a_post_which_fields_are_read_only(client: FlaskClient) -> None:
    template = create(client)
    owned = ("id", "revision", "is_seeded", "created_at", "updated_at")
    calls: list[tuple[str, str]] = [("POST", URL), ("PUT", one(template)), ("PATCH", one(template))]
    for method, url in calls:
        errors = problem(client.open(url, method=method, json=template), 422)["errors"]["json"]
        assert errors == dict.fromkeys(owned, READ_ONLY)
    answer = client.post(URL + "/validate", json=template).get_json()
    assert answer["errors"] == dict.fromkeys(owned, READ_ONLY)


@pytest.mark.parametrize(
    ("changes", "path", "message"),
    [
        ({"max_node": 3}, ["max_node"], "Unknown field. Did you mean max_nodes?"),
        ({"Enabled": True}, ["Enabled"], "Unknown field. Did you mean enabled?"),
        ({"colour": "red"}, ["colour"], "Unknown field."),
        (
            {"capacity": {"cpu_core": 1, "memory_gb": 1, "storage_gb": 1, "cpu_cores": 1}},
            ["capacity", "cpu_core"],
            "Unknown field. Did you mean cpu_cores?",
        ),
        ({"port_range": {"from": 1}}, ["port_range", "from"], "Unknown field. Known: start, end."),
        (
            {"license_type": "enterprise"},
            ["license_type"],
            "Must be one of: PERSONAL, ENTERPRISE, EVALUATION. Did you mean ENTERPRISE?",
        ),
        ({"license_type": "FREE"}, ["license_type"], "Must be one of: PERSONAL, ENTERPRISE, EVALUATION."),
    ],
)
def test_a_misspelt_word_of_a_body_gets_a_suggestion(
    client: FlaskClient, changes: dict[str, Any], path: list[str], message: str
) -> None:
    template = create(client, "there")
    for method, url, body in [("POST", URL, {**spec(), **changes}), ("PATCH", one(template), changes)]:
        found: Any = problem(client.open(url, method=method, json=body), 422)["errors"]["json"]
        for key in path:
            found = found[key]
        assert found == [message]


@pytest.mark.parametrize(
    ("query", "name", "message"),
    [
        ("licence=PERSONAL", "licence", "Unknown field. Did you mean license_type?"),
        ("pagesize=3", "pagesize", "Unknown field. Did you mean page_size?"),
        ("colour=red", "colour", "Unknown field."),
        ("sort=-updatedat", "sort", "Did you mean -updated_at?"),
    ],
)
def test_a_misspelt_word_of_a_query_gets_a_suggestion(client: FlaskClient, query: str, name: str, message: str) -> None:
    (found,) = problem(client.get(URL, query_string=query), 422)["errors"]["query"][name]
    assert found.endswith(message)
    assert found.startswith(message) or name == "sort"


def test_a_word_of_any_length_costs_little(client: FlaskClient) -> None:
    (found,) = problem(client.post(URL, json={**spec(), "x" * 100_000: 1}), 422)["errors"]["json"].values()
    assert found == ["Unknown field."]
