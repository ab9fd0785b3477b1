"""Documents that are no templates or events: left out everywhere, never changed, in nobody's way, and told of."""

from __future__ import annotations

import itertools
import logging
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import bson
import pytest
from flask.testing import FlaskClient
from pymongo.database import Database
from pymongo.errors import BulkWriteError

from tests.support.apps import AppFactory
from tests.support.calls import URL, create, one, pagination
from tests.support.corruption import (
    KINDS,
    ODD_KINDS,
    SPECIAL,
    TEMPLATE,
    Case,
    cases,
    corrupted,
)
from tests.support.specs import spec

Document = dict[str, Any]
Raw = Database[Document]
FILES = [spec("good", labels={"team": "qa"}), spec("changed"), spec("held")]


def copy_of(document: Document, name: str, **changes: Any) -> Document:
    """Another document of the same kind, whole and sound."""
    key = str(uuid.uuid4())
    event = document["last_event"]
    event = {**event, "_id": f"{key}:1", "template_id": key, "name": name, "spec": {**event["spec"], "name": name}}
    base = {**document["last_event"]["spec"], "name": name}
    return {**document, "_id": key, "name": name, "base": base, "last_event": event, **changes}


def chosen(backend: str, fields: Mapping[str, set[str]], special: tuple[Case, ...] = ()) -> list[Case]:
    """All cases on a real server; on mongomock, which is slow, one in nine."""
    if backend == "mongod":
        return list(cases(fields, KINDS | ODD_KINDS, special))
    return [*itertools.islice(cases(fields, KINDS), 0, None, 9), *special]


class World:
    """A database with good templates and many that are none, and an app that was started on it."""

    def __init__(self, make_app: AppFactory, database: Raw, backend: str) -> None:
        self.database = database
        client = make_app(templates=FILES).test_client()
        self.good = {template["name"]: template for template in client.get(URL).get_json()}
        self.good["by-hand"] = create(client, "by-hand")
        changed = client.patch(one(self.good["changed"]), json={"max_nodes": 3}).get_json()
        self.good["changed"] = changed
        model = database.worker_templates.find_one({"name": "by-hand"})
        assert model is not None
        # One that is in the files: "held".
        database.worker_templates.delete_one({"name": "held"})
        del self.good["held"]
        self.bad: dict[Any, Case] = {}
        self.sound: dict[Any, Case] = {}
        documents = [copy_of(model, "held", revision="1")]
        self.bad[documents[0]["_id"]] = Case("revision", "string", "1", sound=False)
        for number, case in enumerate(chosen(backend, TEMPLATE, SPECIAL)):
            document = corrupted(copy_of(model, f"odd-{number}"), case)
            documents.append(document)
            (self.sound if case.sound else self.bad)[document["_id"]] = case
        for key in (7, {"a": 1}, b"\0", model["created_at"]):
            documents.append({**copy_of(model, f"id-{key!r}"), "_id": key})
            self.bad[repr(key)] = Case("_id", "other type", key, sound=False)
        try:
            database.worker_templates.insert_many(documents, ordered=False)
        except BulkWriteError as error:  # for the index on names, null is the same as missing
            for fault in error.details["writeErrors"]:
                del self.bad[documents[fault["index"]]["_id"]]
        self.app = make_app(templates=FILES, WORKER_TEMPLATES_SYNC_ON_START="safe")
        self.client = self.app.test_client()
        self.before = self.held()

    def held(self) -> dict[str, bytes]:
        """What the database holds of all documents but the good templates; as bytes, because NaN is not NaN."""
        return {
            repr(document["_id"]): bson.encode(document)
            for document in self.database.worker_templates.find()
            if document["_id"] not in [template["id"] for template in self.good.values()]
        }

    @property
    def shown(self) -> set[str]:
        """The ids of all that are templates."""
        return {template["id"] for template in self.good.values()} | set(self.sound)


@pytest.fixture
def world(make_app: AppFactory, database: Raw, backend: str) -> World:
    return World(make_app, database, backend)


def every_page(client: FlaskClient, url: str, size: int = 200, **query: Any) -> Iterator[tuple[list[Any], int]]:
    """Yield the items of each page, and the total that it tells."""
    for number in itertools.count(1):
        answer = client.get(url, query_string={**query, "page": number, "page_size": size})
        assert answer.status_code == 200, answer.text
        items = answer.get_json()
        yield items, pagination(answer)["total"]
        if len(items) < size:
            return


def test_no_read_fails_or_shows_them(world: World, caplog: pytest.LogCaptureFixture) -> None:
    client = world.client
    with caplog.at_level(logging.WARNING, "flask_worker_templates"):
        pages = list(every_page(client, URL))
    assert {template["id"] for items, _ in pages for template in items} == world.shown
    assert {total for _, total in pages} == {len(world.shown)}
    small = list(itertools.islice(every_page(client, URL, 3), 4))
    assert [len(items) for items, _ in small] == [3, 3, 3, 3]
    assert {total for _, total in small} == {len(world.shown)}
    tails = itertools.cycle(["", "/history", "/claims"])
    for key, case in world.bad.items():
        if case.path != "_id":
            tail = next(tails)
            assert client.get(f"{URL}/{key}{tail}").status_code == 404, (case, tail)
    for key, case in world.sound.items():
        tail = next(tails)
        assert client.get(f"{URL}/{key}{tail}").status_code == 200, (case, tail)
    for template in world.good.values():
        assert client.get(one(template)).get_json() == template
    status = world.app.extensions["worker_templates"].status()
    assert status.state == "ready"
    assert status.warnings
    assert any("collection 'worker_templates'" in warning for warning in status.warnings)
    assert all(warning in caplog.text for warning in status.warnings)
    assert world.held() == world.before
