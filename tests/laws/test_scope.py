"""The law of scopes: nothing outside is ever in an answer, by content, count or id, nor is it ever written.

For random templates, scopes and requests, over every route that there is: a new route without a case fails here.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pymongo.database import Database
from werkzeug.test import TestResponse

from flask_worker_templates.model.scope import Scope, scope_of
from flask_worker_templates.model.spec import normalize
from flask_worker_templates.store.connection import EVENTS, LOG, TEMPLATES
from flask_worker_templates.store.stored_form import from_stored
from tests.support.apps import AppFactory
from tests.support.backends import mongod_only, mongomock_only
from tests.support.calls import NOWHERE, URL
from tests.support.hosts import host
from tests.support.scoped_world import CASES, SCOPES, World, marked_spec, marks

Documents = Database[dict[str, Any]]
_PARAMETER, _BRACED = re.compile(r"<(?:[^:>]*:)?([^>]*)>"), r"{\1}"
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}


# A seed cannot be made simpler.
worlds = settings(
    max_examples=5,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


class Scoped:
    """An app whose scope the test decides."""

    def __init__(self, make_app: AppFactory, database: Documents) -> None:
        self.entries = [normalize(marked_spec(random.Random(f"entry {number}"))) for number in range(3)]
        # No part of the law: how long a loaded machine takes.
        self.app, self.templates = host(make_app, templates=self.entries, WORKER_TEMPLATES_DB_TIMEOUT_MS=60_000)
        self.database = database
        self.answer: Any = None
        self.templates.scope(self._scope)
        self.client = self.app.test_client()

    def _scope(self) -> Any:
        return self.answer

    def routes(self) -> set[str]:
        """Every route of the API: its method and its path below the prefix."""
        return {
            f"{method} {_PARAMETER.sub(_BRACED, rule.rule.removeprefix(URL))}"
            for rule in self.app.url_map.iter_rules()
            if rule.endpoint.startswith("worker-templates.")
            for method in METHODS & (rule.methods or set())
        }

    def world(self, rng: random.Random) -> World:
        """A new world in the place of the last one."""
        for name in (TEMPLATES, EVENTS, LOG):
            self.database[name].delete_many({})
        return World(self.app, self.templates, self.entries, rng)

    def stored(self) -> dict[str, dict[str, Any]]:
        """All templates, without the marks of who follows the trail."""
        return {document["_id"]: document for document in self.database[TEMPLATES].find({}, {"last_event.logged": 0})}


@pytest.fixture
def scoped(make_app: AppFactory, database: Documents) -> Scoped:
    return Scoped(make_app, database)


def ask(client: FlaskClient, route: str, url: str, what: Mapping[str, Any]) -> TestResponse:
    return client.open(url, method=route.split(" ", maxsplit=1)[0], **what)


def check_answer(world: World, scope: Scope, answer: TestResponse, sent: Any) -> None:
    """Nothing is in an answer that is not inside, or was sent with the request."""
    said = answer.text + json.dumps(dict(answer.headers))
    hidden = world.everything() - world.allowed(scope)
    hidden -= marks(sent) | {known.id for known in world.known if known.id in json.dumps(sent)}
    assert [secret for secret in hidden if secret in said] == []


def check_counts(world: World, scope: Scope, client: FlaskClient) -> None:
    """What is counted is what is inside."""
    live = [known for known in world.visible(scope) if known.live]
    answer = client.get(URL, query_string={"page_size": 1})
    assert json.loads(answer.headers["X-Pagination"])["total"] == len(live)
    inside = {
        (known.id, number)
        for known in world.visible(scope)
        for number, (spec, _) in enumerate(known.states, 1)
        if scope.contains(spec)
    }
    for asked in ({"page_size": 200}, {"page_size": 200, "after": "start"}):
        shown = client.get(URL + "/history", query_string=asked).get_json()
        assert {(event["template_id"], event["revision"]) for event in shown} == inside
        assert len(shown) == len(inside)
    pages: list[Any] = []
    for number in range(1, len(inside) // 3 + 2):
        page = client.get(URL + "/history", query_string={"page_size": 3, "page": number}).get_json()
        assert len(page) == min(3, len(inside) - len(pages))
        pages += page
    assert len(pages) == len(inside)
    for known in world.known:
        history = client.get(f"{URL}/{known.id}/history", query_string={"page_size": 1})
        if known in world.visible(scope):
            total = json.loads(history.headers["X-Pagination"])["total"]
            assert total == len([spec for spec, _ in known.states if scope.contains(spec)])
        assert (history.status_code == 200) is (known in world.visible(scope))
        assert (client.get(f"{URL}/{known.id}").status_code == 200) is (known in live)
    drift = client.get(URL + "/drift").get_json()
    names = {entry["name"] for entry in world.entries} | {known.last["name"] for known in world.known if known.live}
    assert {item["name"] for item in drift["templates"]} == names - world.hidden_names(scope)
    assert sum(drift["summary"].values()) == len(names - world.hidden_names(scope))


def check_written(before: Mapping[str, Any], after: Mapping[str, Any], scope: Scope) -> None:
    """What was written was inside, and is."""
    for template_id in before.keys() | after.keys():
        old, new = before.get(template_id), after.get(template_id)
        if old != new:
            assert all(scope.contains(from_stored(state)) for state in (old, new) if state is not None)


def check_as_if_it_were_not_there(client: FlaskClient, route: str, url: str, what: Any, answer: TestResponse) -> None:
    """What is outside is answered for as an id that no template has."""
    found = re.search(r"[0-9a-f-]{36}", url)
    assert found is not None
    nothing = ask(client, route, url.replace(found[0], NOWHERE), what)
    assert answer.status_code == nothing.status_code
    assert answer.text.replace(found[0], NOWHERE) == nothing.text


def run(scoped: Scoped, rng: random.Random, routes: list[str]) -> None:
    """Ask routes of one world, each within a scope of its own."""
    world = scoped.world(rng)
    for route in routes:
        scoped.answer = rng.choice(SCOPES)
        scope = scope_of(scoped.answer)
        outside = {known.id for known in world.known} - {known.id for known in world.visible(scope)}
        url, what = CASES[route](world)
        before = scoped.stored()
        answer = ask(scoped.client, route, url, what)
        assert answer.status_code < 500, answer.text
        check_answer(world, scope, answer, [url, what])
        check_written(before, scoped.stored(), scope)
        if any(template_id in url for template_id in outside):
            check_as_if_it_were_not_there(scoped.client, route, url, what, answer)
        if scoped.stored() != before:
            world.look()
    check_counts(world, scope, scoped.client)


def test_every_route_has_a_case(scoped: Scoped) -> None:
    assert scoped.routes() - CASES.keys() == set()


@mongomock_only
@worlds
@given(seed=st.integers(0))
def test_nothing_outside_is_shown_or_written(scoped: Scoped, seed: int) -> None:
    run(scoped, random.Random(seed), sorted(scoped.routes()))


@mongomock_only
@worlds
@given(seed=st.integers(0))
def test_nor_after_many_changes(scoped: Scoped, seed: int) -> None:
    rng = random.Random(seed)
    run(scoped, rng, rng.choices(sorted(scoped.routes()), k=30))


@mongod_only
def test_nor_on_a_real_server(scoped: Scoped) -> None:
    for seed in range(2):
        run(scoped, random.Random(seed), sorted(scoped.routes()))
