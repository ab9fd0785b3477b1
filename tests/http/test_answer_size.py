"""No answer grows without a bound, however much was stored."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient
from pymongo.database import Database

from flask_worker_templates.http.responses import MAX_BYTES
from flask_worker_templates.store.connection import EVENTS, TEMPLATES
from tests.support.backends import mongomock_only
from tests.support.calls import URL, create, one, problem

LARGE = {f"label-{number:02}": "\N{SNOWMAN}" * 256 for number in range(64)}


def copies(database: Database[dict[str, Any]], many: int) -> None:
    """Store a template again and again, with one event each."""
    document: dict[str, Any] = database[TEMPLATES].find_one() or {}
    for number in range(many):
        key = f"00000000-0000-4000-8000-{number:012}"
        event = {**document["last_event"], "_id": f"{key}:1", "template_id": key, "token": key}
        database[EVENTS].insert_one(event)
        database[TEMPLATES].insert_one({**document, "_id": key, "name": key, "last_event": event})


@mongomock_only
@pytest.mark.parametrize("tail", ["", "/history"])
def test_a_page_that_would_be_too_large_names_one_that_fits(
    client: FlaskClient, database: Database[dict[str, Any]], tail: str
) -> None:
    create(client, labels=LARGE, description="\N{SNOWMAN}" * 1000)
    copies(database, 180)
    answer = client.get(f"{URL}{tail}?page_size=200")
    (message,) = problem(answer, 422, "query.page_size")["errors"]["query"]["page_size"]
    fits = int(message.split()[4])
    assert f"Must be at most {fits} here" in message
    fitting = client.get(f"{URL}{tail}?page_size={fits}")
    assert fitting.status_code == 200
    assert MAX_BYTES * 0.8 < len(fitting.data) <= MAX_BYTES


def test_a_history_is_bounded_too(client: FlaskClient) -> None:
    template = create(client, labels=LARGE)
    for number in range(65):
        labels = {key: chr(0x2600 + number) * 256 for key in LARGE}
        assert client.patch(one(template), json={"labels": labels}).status_code == 200
    problem(client.get(one(template, "/history?page_size=200")), 422, "query.page_size")
    assert client.get(one(template, "/history?page_size=20")).status_code == 200
