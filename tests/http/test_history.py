"""The audit trail over HTTP: one template's history, the whole trail, and reverting."""

from __future__ import annotations

import time
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support.apps import AppFactory
from tests.support.backends import mongomock_only
from tests.support.calls import NOWHERE, URL, create, one, pagination, problem, snapshot
from tests.support.hosts import acting_host
from tests.support.specs import spec

TRAIL = URL + "/history"


@pytest.fixture
def edited(client: FlaskClient) -> dict[str, Any]:
    """A template at revision 4."""
    template = create(client, labels={"team": "qa"})
    client.patch(one(template), json={"max_nodes": 30, "labels": {"team": None, "tier": "1"}})
    client.put(one(template), json=spec("renamed", max_nodes=30, labels={"tier": "1"}))
    client.post(one(template, "/revert"), json={"revision": 1})
    found: dict[str, Any] = client.get(one(template)).get_json()
    return found


def test_history_tells_every_change_newest_first(client: FlaskClient, edited: dict[str, Any]) -> None:
    events = client.get(one(edited, "/history")).get_json()
    assert [(event["revision"], event["action"], event["name"]) for event in events] == [
        (4, "reverted", "small"),
        (3, "updated", "renamed"),
        (2, "updated", "small"),
        (1, "created", "small"),
    ]
    assert [event["changes"] for event in events] == [
        [
            {"field": "name", "from": "renamed", "to": "small"},
            {"field": "max_nodes", "from": 30, "to": 20},
            {"field": "labels.tier", "from": "1"},
            {"field": "labels.team", "to": "qa"},
        ],
        [{"field": "name", "from": "small", "to": "renamed"}],
        [
            {"field": "max_nodes", "from": 20, "to": 30},
            {"field": "labels.team", "from": "qa"},
            {"field": "labels.tier", "to": "1"},
        ],
        [],
    ]
    assert {event["template_id"] for event in events} == {edited["id"]}
    assert {event["actor"] for event in events} == {"anonymous"}
    assert events[0]["at"] == edited["updated_at"]
    assert events[-1]["at"] == edited["created_at"]
    assert all(events[0]["spec"][key] == edited[key] for key in events[0]["spec"])


def test_history_has_pages_and_no_page_lacks_its_changes(client: FlaskClient, edited: dict[str, Any]) -> None:
    whole = client.get(one(edited, "/history")).get_json()
    for size in (1, 2, 3):
        paged: list[Any] = []
        for page in range(1, 5):
            answer = client.get(one(edited, "/history"), query_string={"page": page, "page_size": size})
            assert pagination(answer)["total"] == 4
            paged += answer.get_json()
        assert paged == whole
    beyond = client.get(one(edited, "/history"), query_string={"page": 9})
    assert beyond.get_json() == []
    assert pagination(beyond)["previous_page"] == 1


def test_history_outlives_the_template(client: FlaskClient, edited: dict[str, Any]) -> None:
    before = client.get(one(edited, "/history")).get_json()
    client.delete(one(edited))
    answer = client.get(one(edited, "/history"))
    deletion, *rest = answer.get_json()
    assert rest == before
    assert (deletion["action"], deletion["revision"], deletion["changes"]) == ("deleted", 5, [])
    assert deletion["spec"] == before[0]["spec"]
    assert pagination(answer)["total"] == 5
    problem(client.get(f"{URL}/{NOWHERE}/history"), 404)


def test_the_trail_tells_of_all_templates(client: FlaskClient) -> None:
    first = create(client, "a")
    time.sleep(0.002)  # of one millisecond the events of two templates have no order
    second = create(client, "b")
    time.sleep(0.002)
    client.patch(one(first), json={"max_nodes": 1})
    time.sleep(0.002)
    client.delete(one(second))
    answer = client.get(TRAIL)
    told = [(event["name"], event["action"], event["changes"]) for event in answer.get_json()]
    assert told == [
        ("b", "deleted", []),
        ("a", "updated", [{"field": "max_nodes", "from": 20, "to": 1}]),
        ("b", "created", []),
        ("a", "created", []),
    ]
    assert pagination(answer)["total"] == 4


def test_the_trail_has_pages(client: FlaskClient) -> None:
    for number in range(5):
        create(client, f"t{number}")
    whole = client.get(TRAIL).get_json()
    for size in (1, 2, 3):
        pages = [client.get(TRAIL, query_string={"page": n, "page_size": size}) for n in range(1, 6)]
        assert [event for page in pages for event in page.get_json()] == whole
        assert all(pagination(page)["total"] == 5 for page in pages)
    assert client.get(TRAIL, query_string={"page": 7}).get_json() == []


def test_the_trail_is_filtered(make_app: AppFactory) -> None:
    client = acting_host(make_app, templates=[spec("seeded")]).test_client()
    client.get(URL)
    time.sleep(0.002)  # of one millisecond the events of two templates have no order
    template = client.post(URL, json=spec("a"), headers={"X-Actor": "ann"}).get_json()
    client.patch(one(template), json={"name": "b"}, headers={"X-Actor": "bob"})
    client.delete(one(template), headers={"X-Actor": "ann"})
    events = client.get(TRAIL).get_json()

    def told(**query: str) -> list[str]:
        answer = client.get(TRAIL, query_string=query)
        assert answer.status_code == 200, answer.text
        found = answer.get_json()
        assert pagination(answer)["total"] == len(found)
        assert all(event in events for event in found)
        return [event["action"] for event in found]

    assert told(actor="ann") == ["deleted", "created"]
    assert told(actor="seeder") == ["seeded"]
    assert told(actor="an") == []
    assert told(action="updated") == ["updated"]
    assert told(name="b") == ["deleted", "updated"]
    assert told(name="a", actor="ann") == ["created"]
    assert told(since=events[1]["at"])[:2] == ["deleted", "updated"]
    assert "seeded" in told(until=events[2]["at"]) or events[3]["at"] == events[2]["at"]
    assert told(since="2000-01-01T00:00:00Z", until="2000-01-02t00:00:00z") == []
    assert told(since="0001-01-01T00:00:00Z") == ["deleted", "updated", "created", "seeded"]
    assert told(until="9999-12-31T23:59:59.999999Z") == ["deleted", "updated", "created", "seeded"]


def test_since_includes_and_until_excludes_in_any_zone(client: FlaskClient) -> None:
    [event] = [create(client)]
    at = event["created_at"]
    assert len(client.get(TRAIL, query_string={"since": at}).get_json()) == 1
    assert len(client.get(TRAIL, query_string={"until": at}).get_json()) == 0
    elsewhere = at.replace("Z", "+00:00")
    assert len(client.get(TRAIL, query_string={"since": elsewhere}).get_json()) == 1


@mongomock_only
@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("since=yesterday", "since"),
        ("since=2026-1-31", "since"),
        ("since=2026-01-31T12:00:00", "since"),
        ("since=2026-01-31T12:00:00%0A", "since"),
        ("since=2026-02-30T12:00:00Z", "since"),
        ("until=0001-01-01T00:00:00%2B23:59", "until"),
        ("until=1769860800", "until"),
        ("since=", "since"),
        ("action=destroyed", "action"),
        ("action=created&action=deleted", "action"),
        ("actor=" + "x" * 257, "actor"),
        ("actor=a%0Ab", "actor"),
        ("name=%00", "name"),
        ("template_id=x", "template_id"),
        ("page=0", "page"),
    ],
)
def test_a_bad_parameter_of_the_trail_is_named(client: FlaskClient, query: str, place: str) -> None:
    problem(client.get(f"{TRAIL}?{query}"), 422, f"query.{place}")


@mongomock_only
def test_a_plus_that_a_url_made_a_blank_gets_the_hint(client: FlaskClient) -> None:
    answer = client.get(f"{TRAIL}?since=2026-01-31T12:00:00+01:00")
    assert "in a URL, + is written %2B" in problem(answer, 422)["errors"]["query"]["since"][0]


@mongomock_only
@pytest.mark.parametrize("query", ["actor=ann", "since=2026-01-01T00:00:00Z", "page=x", "page=1&page=1"])
def test_a_bad_parameter_of_one_history_is_named(client: FlaskClient, query: str) -> None:
    template = create(client)
    problem(client.get(f"{one(template, '/history')}?{query}"), 422, f"query.{query.split('=', maxsplit=1)[0]}")


def test_revert_makes_a_new_revision_of_an_old_spec(client: FlaskClient, edited: dict[str, Any]) -> None:
    answer = client.post(one(edited, "/revert"), json={"revision": 3})
    assert answer.status_code == 200
    assert answer.headers["ETag"] == '"5"'
    assert answer.get_json()["name"] == "renamed"
    assert client.get(one(edited)).get_json() == answer.get_json()


@pytest.mark.parametrize("revision", [5, 99, 2**31 - 1])
def test_reverting_to_what_never_was_is_404(client: FlaskClient, edited: dict[str, Any], revision: int) -> None:
    before = snapshot(client)
    answer = client.post(one(edited, "/revert"), json={"revision": revision})
    assert str(revision) in problem(answer, 404)["message"]
    assert snapshot(client) == before


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ("{}", "revision"),
        ('{"revision": 0}', "revision"),
        ('{"revision": -1}', "revision"),
        ('{"revision": "1"}', "revision"),
        ('{"revision": 1.5}', "revision"),
        ('{"revision": true}', "revision"),
        ('{"revision": null}', "revision"),
        ('{"revision": 1e400}', "revision"),
        ('{"revision": 2147483648}', "revision"),
        ('{"revision": {"$gt": 0}}', "revision"),
        ('{"revision": 1, "name": "x"}', "name"),
    ],
)
def test_a_bad_revert_is_named(client: FlaskClient, edited: dict[str, Any], body: str, place: str) -> None:
    before = snapshot(client)
    answer = client.post(one(edited, "/revert"), data=body, content_type="application/json")
    problem(answer, 422, f"json.{place}")
    assert snapshot(client) == before


def test_every_change_takes_a_message(client: FlaskClient) -> None:
    sent = [
        client.post(URL, json=spec(), query_string={"message": "we need one"}),
    ]
    template = sent[0].get_json()
    sent += [
        client.put(one(template), json=spec(max_nodes=7), query_string={"message": "put"}),
        client.patch(one(template), json={"max_nodes": 8}, query_string={"message": "Grüße 🚀"}),
        client.post(one(template, "/revert"), json={"revision": 1}, query_string={"message": "back"}),
        client.patch(one(template), json={"max_nodes": 9}, query_string={"message": ""}),
        client.delete(one(template), query_string={"message": "gone"}),
    ]
    assert [answer.status_code for answer in sent] == [201, 200, 200, 200, 200, 204]
    events = client.get(one(template, "/history")).get_json()
    assert [event["message"] for event in events] == ["gone", None, "back", "Grüße 🚀", "put", "we need one"]
    assert [event.get("reverted_to") for event in events] == [None, None, 1, None, None, None]
    assert [event.get("pruned") for event in events] == [False, None, None, None, None, None]
    assert client.get(URL + "/history").get_json() == events


@pytest.mark.parametrize("query", ["message=" + "x" * 501, "message=a%0Ab", "message=a&message=b", "mesage=x"])
def test_a_message_that_cannot_be_and_other_parameters_are_refused(client: FlaskClient, query: str) -> None:
    template = create(client)
    before = snapshot(client)
    field = "query." + query.partition("=")[0]
    for method, path, body in (
        ("POST", "", spec("new")),
        ("PUT", f"/{template['id']}", spec(max_nodes=7)),
        ("PATCH", f"/{template['id']}", {"max_nodes": 8}),
        ("POST", f"/{template['id']}/revert", {"revision": 1}),
        ("DELETE", f"/{template['id']}", None),
    ):
        problem(client.open(f"{URL}{path}?{query}", method=method, json=body), 422, field)
    assert snapshot(client) == before
