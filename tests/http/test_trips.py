"""How often a request for a list goes to MongoDB: each query has its whole answer at once, however large the page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest
from flask.testing import FlaskClient

from flask_worker_templates.model.parameters import MAX_PAGE_SIZE
from flask_worker_templates.store import census
from tests.support.apps import AppFactory
from tests.support.backends import mongod_only
from tests.support.calls import URL, one
from tests.support.deployment import Deployment
from tests.support.monitoring import Commands, monitored
from tests.support.specs import spec

FIRST_BATCH = 101  # documents that MongoDB sends of an answer that is not said to be wanted at once


class Watched(NamedTuple):
    client: FlaskClient
    changed: str  # URL of a template that has had more revisions than that
    commands: Commands


@pytest.fixture
def watched(make_app: AppFactory, database_uri: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    """More templates than a batch holds without a size, each claimed; one of them changed as often."""
    many = FIRST_BATCH + 2
    monkeypatch.setattr(census, "MIN_PAUSE_SECONDS", 3600)  # the scan for what is no template is made once
    with monitored(database_uri) as (config, commands):
        deployment = Deployment(make_app, *(spec(f"t-{number:03}", max_nodes=1 + number) for number in range(many)))
        client = deployment.process(**config)[0].test_client()
        shown = client.get(f"{URL}?page_size={MAX_PAGE_SIZE}").get_json()
        assert len(shown) == many
        for template in shown:
            assert client.put(one(template, "/claims/worker")).status_code == 201
        for number in range(many):
            changed = client.patch(one(shown[0]), json={"max_nodes": 500 + number}, headers={"If-Match": "*"})
            assert changed.status_code == 200
        yield Watched(client, one(shown[0]), commands)


@mongod_only
def test_no_page_is_fetched_piece_by_piece(watched: Watched) -> None:
    lists = {
        f"{URL}?": 1,
        f"{URL}?sort=-max_nodes&": 1,
        f"{URL}?q=t-&": 1,
        f"{watched.changed}/history?": 2,
        f"{URL}/history?": 4,
        f"{URL}/history?after=start&": 3,
        f"{URL}/claims?": 3,
        f"{URL}/claims?expired=false&": 3,
    }
    watched.client.get(f"{URL}/history?after=start")  # writes down in which order the events became known
    for url, trips in lists.items():
        watched.commands.names.clear()
        answer = watched.client.get(f"{url}page_size={MAX_PAGE_SIZE}")
        assert answer.status_code == 200, answer.text
        assert len(answer.get_json()) > FIRST_BATCH
        assert "getMore" not in watched.commands.names, url
        assert len(watched.commands.names) == trips, (url, watched.commands.names)
