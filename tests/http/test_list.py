"""The list of templates: filters, order, pages, and what is not a parameter."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.backends import mongomock_only
from tests.support.calls import NOWHERE, URL, create, names, one, pagination, problem

FLEET: dict[str, dict[str, Any]] = {
    "alpha": {
        "license_type": "ENTERPRISE",
        "cost_per_hour_usd": 2,
        "capacity": {"cpu_cores": 2, "memory_gb": 8, "storage_gb": 50},
        "labels": {"team": "qa", "tier": "1"},
        "ami_pattern": "CML-2.9.*",
    },
    "beta": {
        "license_type": "PERSONAL",
        "cost_per_hour_usd": 1,
        "capacity": {"cpu_cores": 4, "memory_gb": 16, "storage_gb": 100},
        "labels": {"team": "qa"},
        "ami_pattern": "CML-2.?.0",
        "enabled": False,
    },
    "beta-2": {
        "license_type": "PERSONAL",
        "cost_per_hour_usd": 1,
        "capacity": {"cpu_cores": 8, "memory_gb": 32, "storage_gb": 200},
        "instance_type": "m5zn.metal",
        "max_nodes": 500,
        "ami_pattern": "[a-z]*",
    },
    "delta": {
        "license_type": "EVALUATION",
        "capacity": {"cpu_cores": 8, "memory_gb": 32, "storage_gb": 200},
        "labels": {"team": "render", "note": "a=b"},
        "max_nodes": 500,
    },
}


@pytest.fixture
def fleet(client: FlaskClient) -> list[dict[str, Any]]:
    return [create(client, name, **fields) for name, fields in FLEET.items()]


def listed(client: FlaskClient, query: str) -> list[str]:
    return names(client.get(f"{URL}?{query}"))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "alpha beta beta-2 delta"),
        ("name=beta", "beta"),
        ("name=bet", ""),
        ("name=BETA", ""),
        ("name_prefix=beta", "beta beta-2"),
        ("name_prefix=be.a", ""),
        ("name_prefix=^b", ""),
        ("name_prefix=", "alpha beta beta-2 delta"),
        ("license_type=PERSONAL", "beta beta-2"),
        ("license_type=PERSONAL&license_type=EVALUATION", "beta beta-2 delta"),
        ("license_type=PERSONAL&license_type=PERSONAL", "beta beta-2"),
        ("instance_type=m5zn.metal", "beta-2"),
        ("instance_type=m5", ""),
        ("enabled=true", "alpha beta-2 delta"),
        ("enabled=false", "beta"),
        ("is_seeded=true", ""),
        ("is_seeded=false", "alpha beta beta-2 delta"),
        ("label=team%3Dqa", "alpha beta"),
        ("label=team=qa", "alpha beta"),
        ("label=team=qa&label=tier=1", "alpha"),
        ("label=team=qa&label=team=render", ""),
        ("label=note=a%3Db", "delta"),
        ("label=note=", ""),
        ("ami=CML-2.9.0", "alpha beta delta"),
        ("ami=CML-2.9.1", "alpha delta"),
        ("ami=cml-2.9.0", "delta"),
        ("ami=[a-z]x", "beta-2 delta"),
        ("ami=", "delta"),
        ("min_cpu_cores=8", "beta-2 delta"),
        ("min_cpu_cores=0", "alpha beta beta-2 delta"),
        ("min_memory_gb=16", "beta beta-2 delta"),
        ("min_storage_gb=201", ""),
        ("min_nodes=21", "beta-2 delta"),
        ("license_type=PERSONAL&enabled=true&min_cpu_cores=4&name_prefix=b&sort=-name", "beta-2"),
    ],
)
def test_filters(client: FlaskClient, fleet: list[dict[str, Any]], query: str, expected: str) -> None:
    assert listed(client, query) == expected.split()
    assert pagination(client.get(f"{URL}?{query}"))["total"] == len(expected.split())


SORTS: dict[str, Any] = {
    "name": lambda template: template["name"],
    "created_at": lambda template: template["created_at"],
    "updated_at": lambda template: template["updated_at"],
    "cost_per_hour_usd": lambda template: (template["cost_per_hour_usd"] is not None, template["cost_per_hour_usd"]),
    "instance_type": lambda template: template["instance_type"],
    "license_type": lambda template: template["license_type"],
    "max_nodes": lambda template: template["max_nodes"],
    "cpu_cores": lambda template: template["capacity"]["cpu_cores"],
    "memory_gb": lambda template: template["capacity"]["memory_gb"],
    "storage_gb": lambda template: template["capacity"]["storage_gb"],
}


def test_every_order_is_total_and_holds_over_pages(client: FlaskClient, fleet: list[dict[str, Any]]) -> None:
    client.patch(one(fleet[0]), json={"description": "updated last"})
    whole = client.get(URL).get_json()
    for name, sign in itertools.product(SORTS, ("", "-")):
        key = SORTS[name]
        expected = [t["name"] for t in sorted(whole, key=lambda t: (key(t), t["id"]), reverse=sign == "-")]
        assert listed(client, f"sort={sign}{name}") == expected, sign + name
        paged = [listed(client, f"sort={sign}{name}&page_size=1&page={page}") for page in range(1, 5)]
        assert paged == [[one_name] for one_name in expected], sign + name


def test_the_default_order_is_by_name(client: FlaskClient) -> None:
    for name in ("b", "B", "a", "\u00e4", "10", "9"):
        create(client, name)
    assert names(client.get(URL)) == sorted(["b", "B", "a", "\u00e4", "10", "9"])


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {"total": 4, "total_pages": 1, "first_page": 1, "last_page": 1, "page": 1}),
        (
            "page_size=3",
            {"total": 4, "total_pages": 2, "first_page": 1, "last_page": 2, "page": 1, "next_page": 2},
        ),
        (
            "page_size=2&page=2",
            {"total": 4, "total_pages": 2, "first_page": 1, "last_page": 2, "page": 2, "previous_page": 1},
        ),
        (
            "page_size=1&page=2",
            {
                "total": 4,
                "total_pages": 4,
                "first_page": 1,
                "last_page": 4,
                "page": 2,
                "previous_page": 1,
                "next_page": 3,
            },
        ),
        # Beyond the end there is nothing, and the way back.
        ("page=2", {"total": 4, "total_pages": 1, "first_page": 1, "last_page": 1, "page": 2, "previous_page": 1}),
        (
            "page=1000000&page_size=200&license_type=PERSONAL",
            {"total": 2, "total_pages": 1, "first_page": 1, "last_page": 1, "page": 1_000_000, "previous_page": 1},
        ),
        ("name=none", {"total": 0, "total_pages": 0}),
        ("name=none&page=5", {"total": 0, "total_pages": 0}),
    ],
)
def test_pagination(client: FlaskClient, fleet: list[dict[str, Any]], query: str, expected: dict[str, int]) -> None:
    assert pagination(client.get(f"{URL}?{query}")) == expected


def test_an_empty_collection(client: FlaskClient) -> None:
    answer = client.get(URL)
    assert (answer.status_code, answer.data) == (200, b"[]\n")
    assert pagination(answer) == {"total": 0, "total_pages": 0}


def test_a_page_holds_50_unless_asked_and_200_at_most(client: FlaskClient) -> None:
    for number in range(51):
        create(client, f"t{number:02}")
    assert len(names(client.get(URL))) == 50
    assert len(listed(client, "page_size=200")) == 51
    problem(client.get(URL, query_string="page_size=201"), 422, "query.page_size")


@mongomock_only
@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("colour=red", "colour"),
        ("Name=x", "Name"),
        ("page=0", "page"),
        ("page=-1", "page"),
        ("page=1.0", "page"),
        ("page=1e3", "page"),
        ("page=%2B1", "page"),
        ("page=%201", "page"),
        ("page=1_0", "page"),
        ("page=\u0661", "page"),
        ("page=", "page"),
        ("page=1000001", "page"),
        ("page=99999999999999999999999999", "page"),
        ("page_size=0", "page_size"),
        ("page_size=all", "page_size"),
        ("min_nodes=-1", "min_nodes"),
        ("min_nodes=nan", "min_nodes"),
        ("min_cpu_cores=1.5", "min_cpu_cores"),
        ("sort=", "sort"),
        ("sort=size", "sort"),
        ("sort=--name", "sort"),
        ("sort=name,id", "sort"),
        ("sort=capacity.cpu_cores", "sort"),
        ("enabled=1", "enabled"),
        ("enabled=True", "enabled"),
        ("enabled=", "enabled"),
        ("is_seeded=yes", "is_seeded"),
        ("license_type=personal", "license_type.0"),
        ("license_type=PERSONAL&license_type=FREE", "license_type.1"),
        ("license_type=PERSONAL,ENTERPRISE", "license_type.0"),
        ("label=team", "label.0"),
        ("label=te%20am=qa", "label.0"),
        ("label==qa", "label.0"),
        ("label=team=q%00a", "label.0"),
        ("label=team=" + "x" * 321, "label.0"),
        ("name=a%00b", "name"),
        ("name=a%0D%0Ab", "name"),
        ("name_prefix=%1B", "name_prefix"),
        ("name=" + "x" * 101, "name"),
        ("instance_type=" + "x" * 65, "instance_type"),
        ("ami=" + "x" * 257, "ami"),
        ("ami=%7F", "ami"),
        ("page=1&page=2", "page"),
        ("name=a&name=a", "name"),
        ("sort=name&sort=name", "sort"),
        ("name[$gt]=", "name[$gt]"),
        ("name[]=a", "name[]"),
        ("$where=1", "$where"),
        ("%00=1", "\0"),
    ],
)
def test_a_bad_parameter_is_named(client: FlaskClient, query: str, place: str) -> None:
    problem(client.get(f"{URL}?{query}"), 422, f"query.{place}")


PAGES = "Must be greater than or equal to 1 and less than or equal to 1000000."


@mongomock_only
@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("page=0", PAGES),
        ("page=-1", PAGES),
        ("page=1000001", PAGES),
        ("page=99999999999999999999", PAGES),
        ("page=" + "9" * 600, PAGES),
        ("page=1.5", "Not a valid integer."),
        ("page=", "Not a valid integer."),
        ("enabled=yes", "Must be true or false."),
        ("enabled=True", "Must be true or false."),
    ],
)
def test_the_message_says_what_a_parameter_can_be(client: FlaskClient, query: str, message: str) -> None:
    errors = problem(client.get(f"{URL}?{query}"), 422)["errors"]["query"]
    assert errors == {query.partition("=")[0]: [message]}


def test_all_bad_parameters_are_named_at_once(client: FlaskClient) -> None:
    query = "page=0&sort=x&colour=red&enabled=maybe&label=x"
    answer = client.get(f"{URL}?{query}")
    problem(answer, 422, "query.page", "query.sort", "query.colour", "query.enabled", "query.label.0")


OPERATORS = [
    '{"$gt": ""}',
    "$where",
    "this.name",
    "{$ne: null}",
    ".*",
    "^",
    "[$ne]",
    "' || '1'=='1",
    "${jndi:x}",
    "$name",
]


@pytest.mark.parametrize("value", OPERATORS)
@pytest.mark.parametrize("parameter", ["name", "name_prefix", "instance_type", "ami", "label"])
def test_a_value_is_only_compared(client: FlaskClient, fleet: list[dict[str, Any]], parameter: str, value: str) -> None:
    given = f"team={value}" if parameter == "label" else value
    found = names(client.get(URL, query_string={parameter: given}))
    assert found == (["delta"] if parameter == "ami" else [])  # whose pattern is `*`


@pytest.mark.parametrize("path", ["", "/history", f"/{NOWHERE}/history", "/drift"])
@pytest.mark.parametrize(
    "query",
    [
        "name=\x92",
        "\xff",
        "page=1&\xc3=1",
        "name=%ff",
        "%FF",
        "page=1&%c3=1",
        "name=%C3%28",
        "name=%ed%a0%80",
        "a=\xc3%28",
    ],
)
def test_bytes_that_are_no_text_are_no_query(client: FlaskClient, path: str, query: str) -> None:
    # A server hands the bytes on as Latin-1.
    answer = client.get(URL + path, environ_overrides={"QUERY_STRING": query})
    assert "Is not UTF-8" in problem(answer, 422)["errors"]["query"]["_schema"][0]


@pytest.mark.parametrize("value", OPERATORS)
def test_a_value_that_reads_like_an_operator_is_found_by_itself(client: FlaskClient, value: str) -> None:
    create(client, "plain")
    create(client, value, labels={"k": value}, ami_pattern="x" + value)
    for query in ({"name": value}, {"name_prefix": value}, {"label": f"k={value}"}):
        assert names(client.get(URL, query_string=query)) == [value]


# The prefixes that a range over names could get wrong, among others.
_CHARACTERS = st.sampled_from("aAbz.^$*\u00e9\ud7ff\ue000\ufffd\U00010000\U0010fffd")
_TEXT = st.text(_CHARACTERS, min_size=1, max_size=4)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(some=st.sets(_TEXT, max_size=6), prefix=_TEXT)
def test_name_prefix_means_begins_with(client: FlaskClient, some: set[str], prefix: str) -> None:
    for template in client.get(URL).get_json():
        client.delete(one(template))
    for name in some:
        create(client, name)
    found = names(client.get(URL, query_string={"name_prefix": prefix}))
    assert found == sorted(name for name in some if name.startswith(prefix))
