"""Claims: a worker's registered use of a template, which then cannot be deleted."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from flask.testing import FlaskClient
from pymongo.errors import AutoReconnect

from flask_worker_templates import InvalidParameters, Template, template_claimed, template_released
from tests.support.apps import AppFactory
from tests.support.backends import mongod_only
from tests.support.calls import URL, create, one, pagination, problem, snapshot
from tests.support.hosts import acting_host, host
from tests.support.specs import spec


def test_a_claim_tells_who_and_when_and_is_made_once(make_app: AppFactory) -> None:
    client = acting_host(make_app).test_client()
    template = create(client)
    made = client.put(one(template, "/claims/i-0abc"), headers={"X-Actor": "ann"})
    assert made.status_code == 201
    claim = made.get_json()
    assert (claim["worker_id"], claim["actor"]) == ("i-0abc", "ann")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", claim["claimed_at"])

    again = client.put(one(template, "/claims/i-0abc"), headers={"X-Actor": "bob"})
    assert (again.status_code, again.data) == (204, b"")
    assert client.get(one(template, "/claims")).get_json() == [claim]


def test_claims_change_neither_the_template_nor_the_trail(client: FlaskClient) -> None:
    template = create(client)
    before = snapshot(client)
    client.put(one(template, "/claims/w"))
    client.delete(one(template, "/claims/w"))
    assert snapshot(client) == before


def test_claims_are_listed_in_the_order_they_were_made_and_in_pages(client: FlaskClient) -> None:
    template = create(client)
    assert client.get(one(template, "/claims")).get_json() == []
    assert pagination(client.get(one(template, "/claims"))) == {"total": 0, "total_pages": 0}
    workers = [f"w{number}" for number in (3, 1, 2, 5, 4)]
    for worker in workers:
        client.put(one(template, f"/claims/{worker}"))
    pages = [client.get(one(template, "/claims"), query_string={"page": n, "page_size": 2}) for n in (1, 2, 3, 4)]
    assert [claim["worker_id"] for page in pages for claim in page.get_json()] == workers
    assert [len(page.get_json()) for page in pages] == [2, 2, 1, 0]
    assert {pagination(page)["total"] for page in pages} == {5}
    problem(client.get(one(template, "/claims"), query_string="name=w"), 422, "query.name")


def test_releasing_is_idempotent(client: FlaskClient) -> None:
    template = create(client)
    client.put(one(template, "/claims/w"))
    for _ in range(2):
        answer = client.delete(one(template, "/claims/w"))
        assert (answer.status_code, answer.data) == (204, b"")
    assert client.get(one(template, "/claims")).get_json() == []


def test_a_claimed_template_cannot_be_deleted(client: FlaskClient) -> None:
    template = create(client)
    client.put(one(template, "/claims/w1"))
    before = snapshot(client)
    answer = problem(client.delete(one(template)), 409)
    assert answer["errors"] == {"claims": 1, "workers": ["w1"]}
    assert answer["message"] == ("Worker template 'small' is in use and cannot be deleted: 1 worker claims it (w1).")
    for number in range(2, 8):
        client.put(one(template, f"/claims/w{number}"))
    answer = problem(client.delete(one(template)), 409)
    assert answer["errors"] == {"claims": 7, "workers": ["w1", "w2", "w3", "w4", "w5"]}
    assert "7 workers claim it (w1, w2, w3, w4, w5, …)" in answer["message"]
    assert snapshot(client) == before

    for number in range(1, 8):
        client.delete(one(template, f"/claims/w{number}"))
    assert client.delete(one(template)).status_code == 204


def test_a_disabled_template_takes_no_new_claims_and_keeps_the_old(client: FlaskClient) -> None:
    template = create(client)
    client.put(one(template, "/claims/old"))
    client.patch(one(template), json={"enabled": False})
    problem(client.put(one(template, "/claims/new")), 409)
    assert client.put(one(template, "/claims/old")).status_code == 204
    assert [claim["worker_id"] for claim in client.get(one(template, "/claims")).get_json()] == ["old"]
    assert client.delete(one(template, "/claims/old")).status_code == 204


@pytest.mark.parametrize(
    "worker", ["a", "x" * 200, "i-0abc123", "host:5000", "a@b.c", "a+b=c,d", "...", ".a", "-", "9"]
)
def test_worker_ids(client: FlaskClient, worker: str) -> None:
    template = create(client)
    answer = client.put(one(template, f"/claims/{worker}"))
    assert (answer.status_code, answer.get_json()["worker_id"]) == (201, worker)


@pytest.mark.parametrize(
    "worker",
    [
        "x" * 201,
        "a b",
        "%00",
        "a%0Ab",
        "a%0D%0ASet-Cookie:x",
        "%24where",
        "a%5Cb",
        "w%C3%B6rker",
        "<b>",
        "a*",
        "%FF",
        "a;b",
    ],
)
def test_what_is_no_worker_id_is_named(client: FlaskClient, worker: str) -> None:
    template = create(client)
    for method in ("PUT", "DELETE"):
        problem(client.open(one(template, f"/claims/{worker}"), method=method), 422, "path.worker_id")
    assert client.get(one(template, "/claims")).get_json() == []


@pytest.mark.parametrize("worker", [".", "..", "%2E%2E", "../w", "..%2Fw", "a/b", "a%2Fb", "%2Fetc%2Fpasswd", ""])
def test_a_worker_id_is_no_path(client: FlaskClient, worker: str) -> None:
    template = create(client)
    for method in ("PUT", "DELETE"):
        answer = client.open(one(template, f"/claims/{worker}"), method=method)
        assert answer.status_code in {404, 405, 422}
        problem(answer, answer.status_code)
    assert client.get(one(template, "/claims")).get_json() == []


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (1, "1 worker uses it"),
        (True, "1 worker uses it"),
        (1200, "1200 workers use it"),
        ("A nightly run uses it.", "A nightly run uses it"),
    ],
)
def test_the_hosts_usage_check_keeps_a_template(make_app: AppFactory, said: Any, reason: str) -> None:
    app, templates = host(make_app)
    asked: list[str] = []

    @templates.usage_check
    def usage(template: Template) -> int | str:
        asked.append(template.name)
        answer: int | str = said
        return answer

    client = app.test_client()
    template = create(client)
    before = snapshot(client)
    answer = problem(client.delete(one(template)), 409)
    assert answer["errors"] == {"reason": reason}
    assert answer["message"] == f"Worker template 'small' is in use and cannot be deleted: {reason}."
    assert asked == ["small"]
    assert snapshot(client) == before


@pytest.mark.parametrize("said", [0, False, "", -1])
def test_the_hosts_usage_check_lets_a_template_go(make_app: AppFactory, said: Any) -> None:
    app, templates = host(make_app)
    templates.usage_check(lambda template: said)
    client = app.test_client()
    template = create(client)
    client.put(one(template, "/claims/w"))
    assert problem(client.delete(one(template)), 409)["errors"]["claims"] == 1  # claims count all the same
    client.delete(one(template, "/claims/w"))
    assert client.delete(one(template)).status_code == 204


def test_a_usage_check_that_fails_deletes_nothing(make_app: AppFactory) -> None:
    app, templates = host(make_app, TESTING=False, WORKER_TEMPLATES_ANONYMOUS="write")

    @templates.usage_check
    def usage(template: Template) -> int:
        raise OSError("the fleet cannot be asked")

    client = app.test_client()
    template = create(client)
    problem(client.delete(one(template)), 500)
    assert client.get(f"{URL}/{template['id']}").status_code == 200


@mongod_only
def test_a_usage_check_may_take_longer_than_an_operation(make_app: AppFactory, database: Any) -> None:
    app, templates = host(make_app, WORKER_TEMPLATES_DB_TIMEOUT_MS=5000)

    @templates.usage_check
    def usage(template: Template) -> int:
        time.sleep(5.2)
        return int(database.workers.count_documents({"template": template.id}))  # without our time limit

    client = app.test_client()
    template = create(client)
    assert client.delete(one(template)).status_code == 204


def test_a_failing_database_of_the_host_is_none_of_ours(make_app: AppFactory, caplog: pytest.LogCaptureFixture) -> None:
    app, templates = host(make_app)

    @templates.usage_check
    def usage(template: Template) -> int:
        raise AutoReconnect("the host's own database is down")

    client = app.test_client()
    template = create(client)
    with pytest.raises(AutoReconnect, match="the host's own"):
        client.delete(one(template))
    with app.app_context(), pytest.raises(AutoReconnect, match="the host's own"):
        templates.delete(template["id"])
    assert not [record for record in caplog.records if record.name == "flask_worker_templates"]
    assert client.get(one(template)).get_json() == template


def test_a_lease_over_http(client: FlaskClient) -> None:
    template = create(client)
    url = one(template, "/claims/w1")
    made = client.put(url, json={"ttl_seconds": 300, "revision": 1})
    assert made.status_code == 201
    claim = made.get_json()
    assert (claim["ttl_seconds"], claim["revision"], claim["expired"], claim["outdated"]) == (300, 1, False, False)
    assert claim["claimed_at"] == claim["renewed_at"] < claim["expires_at"]
    client.patch(one(template), json={"capacity": {"cpu_cores": 5}})
    for body in (None, {}, {"ttl_seconds": 600}):
        renewed = client.put(url, json=body) if body is not None else client.put(url)
        assert (renewed.status_code, renewed.get_json()["changed"]) == (200, ["capacity.cpu_cores"])
    assert renewed.get_json()["ttl_seconds"] == 600
    assert client.get(one(template, "/claims")).get_json() == [renewed.get_json()]
    [listed] = client.get(URL + "/claims?outdated=true&worker_id=w1").get_json()
    assert listed == {**renewed.get_json(), "template_id": template["id"], "template_name": template["name"]}
    assert client.get(URL + "/claims?expired=true").get_json() == []
    endless = client.put(url, json={"ttl_seconds": None})
    assert (endless.status_code, endless.get_json()["expires_at"]) == (200, None)
    assert client.put(url).status_code == 204


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"ttl_seconds": 9}, "json.ttl_seconds"),
        ({"ttl_seconds": 604_801}, "json.ttl_seconds"),
        ({"ttl_seconds": "60"}, "json.ttl_seconds"),
        ({"revision": 0}, "json.revision"),
        ({"revision": 2}, "json.revision"),
        ({"revision": None}, "json.revision"),
        ({"ttl": 60}, "json.ttl"),
        ([], "json._schema"),
    ],
)
def test_what_a_claim_cannot_say(client: FlaskClient, body: Any, field: str) -> None:
    template = create(client)
    problem(client.put(one(template, "/claims/w"), json=body), 422, field)
    assert client.get(one(template, "/claims")).get_json() == []


@pytest.mark.parametrize(
    ("changes", "errors"),
    [
        ({"enabled": False}, {"reason": "disabled"}),
        (
            {"deprecation": {"message": "Old.", "replaced_by": "m5-new"}},
            {"reason": "deprecated", "message": "Old.", "replaced_by": "m5-new"},
        ),
        ({"max_claims": 1}, {"reason": "full", "claims": 1, "limit": 1}),
    ],
)
def test_a_refused_claim_says_why(client: FlaskClient, changes: Any, errors: Any) -> None:
    template = create(client)
    client.put(one(template, "/claims/old"), json={"ttl_seconds": 60})
    client.patch(one(template), json=changes)
    assert problem(client.put(one(template, "/claims/new")), 409)["errors"] == errors
    assert client.put(one(template, "/claims/old")).status_code == 200


def test_claims_in_python_and_their_signals(make_app: AppFactory) -> None:
    app, templates = host(make_app)
    told: list[tuple[str, str, str, str]] = []

    def note(what: str) -> Any:
        def receive(sender: Any, *, template: Any, claim: Any, actor: str, **extra: Any) -> None:
            told.append((what, template.name, claim.worker_id, actor))

        return receive

    claimed, released = note("claimed"), note("released")
    with (
        app.app_context(),
        template_claimed.connected_to(claimed, app),
        template_released.connected_to(released, app),
    ):
        made = templates.create(spec())
        lease = templates.claim(made.id, "w1", ttl_seconds=60, revision=1, actor="fleet")
        assert (lease.ttl_seconds, lease.revision, lease.expired) == (60, 1, False)
        assert templates.claim(made.id, "w1").ttl_seconds == 60
        assert templates.claim(made.id, "w1", endless=True).ttl_seconds is None
        assert [claim.template_name for claim in templates.all_claims(worker_id="w1", expired=False)] == ["small"]
        with pytest.raises(InvalidParameters):
            templates.claim(made.id, "w1", ttl_seconds=60, endless=True)
        with pytest.raises(InvalidParameters):
            templates.claim(made.id, "w1", ttl_seconds=5)
        assert templates.release(made.id, "w1", actor="ops")
        assert not templates.release(made.id, "w1")
    assert told == [("claimed", "small", "w1", "fleet"), ("released", "small", "w1", "ops")]
