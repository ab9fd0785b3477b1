"""Documents that are no templates or events: left out everywhere, never changed, in nobody's way, and told of."""

from __future__ import annotations

import itertools
import logging
import math
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import bson
import pytest
from bson import DatetimeMS
from bson.raw_bson import RawBSONDocument
from flask.testing import FlaskClient
from pymongo.database import Database
from pymongo.errors import BulkWriteError

from flask_worker_templates.store.raw_documents import RAW
from tests.support.apps import AppFactory
from tests.support.backends import mongod_only
from tests.support.calls import URL, create, one, pagination, problem
from tests.support.corruption import (
    KINDS,
    ODD_KINDS,
    OF_EVENTS,
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
    """One case in four on a real server, one in nine on mongomock, which is slow: each kind, with some fields."""
    if backend == "mongod":
        kinds = KINDS | ODD_KINDS
        assert math.gcd(len(kinds), 4) == 1  # otherwise some kinds would be left out
        return [*itertools.islice(cases(fields, kinds), 0, None, 4), *special]
    assert math.gcd(len(KINDS), 9) == 1
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


def test_no_write_touches_them(world: World) -> None:
    client = world.client
    some = [key for key, case in world.bad.items() if case.path != "_id"]
    calls: Iterator[Any] = itertools.cycle(
        [
            lambda url: client.put(url, json=spec("new")),
            lambda url: client.patch(url, json={"max_nodes": 9}),
            client.delete,
            lambda url: client.put(url + "/claims/w1"),
            lambda url: client.delete(url + "/claims/w1"),
            lambda url: client.post(url + "/revert", json={"revision": 1}),
        ]
    )
    for key in some[:: 1 + len(some) // 200]:
        answer = next(calls)(f"{URL}/{key}")
        assert answer.status_code == 404, (world.bad[key], answer.text)
    taken = problem(client.post(URL, json=spec("held")), 409)
    assert "not a worker template" in taken["message"]
    assert "revision" in taken["message"]
    moved = problem(client.patch(one(world.good["good"]), json={"name": "held"}), 409)
    assert "not a worker template" in moved["message"]
    assert world.held() == world.before
    created = create(client, "after")
    assert client.delete(one(created)).status_code == 204


def test_files_and_commands_go_on(world: World) -> None:
    runner = world.app.test_cli_runner()
    for line, codes in (
        (["seed-templates"], {0}),
        (["worker-templates", "list"], {0}),
        (["worker-templates", "show", "good"], {0}),
        (["worker-templates", "history", "good"], {0}),
        (["worker-templates", "diff"], {0, 3}),
        (["worker-templates", "export"], {0, 4}),  # 4: it names what no file may hold
        (["worker-templates", "sync", "--yes"], {0, 4}),
    ):
        result = runner.invoke(args=line)
        assert result.exit_code in codes, (line, result.output)
        assert isinstance(result.exception, SystemExit | None), line
    assert "held" in runner.invoke(args=["seed-templates"]).output
    for path in ("/drift", "/history"):
        assert world.client.get(URL + path).status_code == 200
    assert world.held() == world.before


def test_events_that_are_none_are_left_out(make_app: AppFactory, database: Raw, backend: str) -> None:
    client = make_app().test_client()
    made = create(client, "small")
    document = database.worker_templates.find_one({"_id": made["id"]})
    assert document is not None
    events, sound, number = [], 0, 0
    for case in chosen(backend, OF_EVENTS):
        number += 1
        key = f"{made['id']}:{number}"
        event = {**document["last_event"], "_id": key, "revision": number, "action": "updated"}
        if case.path == "revision" and case.sound:
            continue
        if case.path == "template_id" and case.sound:
            continue
        sound += case.sound
        events.append(corrupted(event, case))
    number += 1
    last = {**document["last_event"], "_id": f"{made['id']}:{number}", "revision": number, "token": "last"}
    database.worker_template_events.delete_many({})
    database.worker_template_events.insert_many(events)
    database.worker_templates.update_one({"_id": made["id"]}, {"$set": {"revision": number, "last_event": last}})
    before = [bson.encode(event) for event in database.worker_template_events.find()]
    app = make_app()
    client = app.test_client()
    assert client.get(URL).status_code == 200
    for url in (one(made, "/history"), URL + "/history"):
        pages = list(every_page(client, url, 50))
        assert sum(len(items) for items, _ in pages) == sound + 1, url
        # The last event is in the document alone, where the trail counts it only on its page.
        assert {total for _, total in pages} <= {sound, sound + 1}, url
    assert any("event" in warning for warning in app.extensions["worker_templates"].status().warnings)
    assert [bson.encode(event) for event in database.worker_template_events.find()] == before


@pytest.mark.parametrize("field", ["source", "base", "max_claims", "deprecation", "extra", "description"])
def test_a_field_that_is_missing_is_written_with_the_next_change_alone(
    field: str, make_app: AppFactory, database: Raw
) -> None:
    client = make_app().test_client()
    made = create(client, "small")
    database.worker_templates.update_one({"_id": made["id"]}, {"$unset": {field: ""}, "$set": {"capacity.gpus": 4}})
    assert client.get(one(made)).get_json() == made
    changed = client.patch(one(made), json={"max_nodes": 3})
    assert changed.status_code == 200
    stored = database.worker_templates.find_one({"_id": made["id"]})
    assert stored is not None
    assert stored["capacity"]["gpus"] == 4  # of a newer version
    assert client.delete(one(made)).status_code == 204


def test_names_are_one_in_all_unicode_forms(make_app: AppFactory, database: Raw) -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    client = make_app().test_client()
    made = create(client, composed)
    model = database.worker_templates.find_one({"_id": made["id"]})
    assert model is not None
    old = copy_of(model, decomposed)
    database.worker_templates.delete_one({"_id": made["id"]})
    database.worker_templates.insert_one(old)
    app = make_app()
    client = app.test_client()
    for name in (composed, decomposed):
        found = client.get(URL, query_string={"name": name}).get_json()
        assert [template["id"] for template in found] == [old["_id"]]
        assert problem(client.post(URL, json=spec(name)), 409)["errors"]["id"] == old["_id"]
    database.worker_templates.insert_one(model)
    app = make_app()
    app.test_client().get(URL)
    assert any("one name to people" in warning for warning in app.extensions["worker_templates"].status().warnings)


@mongod_only  # mongomock keeps no bytes
def test_what_python_cannot_express_is_left_out_too(make_app: AppFactory, database: Raw) -> None:
    client = make_app(templates=[spec("good")]).test_client()
    [good] = client.get(URL).get_json()
    model = database.worker_templates.find_one({"name": "good"})
    assert model is not None
    far = DatetimeMS(253_402_300_800_000)  # the year 10000
    bad = [copy_of(model, "far-created", created_at=far), copy_of(model, "far-last", updated_at=far)]
    bad[1]["last_event"]["at"] = far
    for path in ("name", "description", "labels", "instance_type"):
        value = f"{path}=@@@@"
        bad.append(copy_of(model, f"bytes-{path}") | {path: [value] if path == "labels" else value})
    event = {**model["last_event"], "_id": f"{good['id']}:9", "revision": 9}
    other = {**event, "_id": f"{bad[0]['_id']}:1", "template_id": bad[0]["_id"], "revision": 1}
    raw = [bson.encode(document).replace(b"@@@@", b"\xff\xc3\xfe@") for document in bad]
    database.worker_templates.insert_many([RawBSONDocument(document) for document in raw])
    events = [
        bson.encode(event | {"at": far}),
        bson.encode(other | {"message": "@@@@"}).replace(b"@@@@", b"\xff\xc3\xfe@"),
    ]
    database.worker_template_events.insert_many([RawBSONDocument(document) for document in events])

    app = make_app(templates=[spec("good")], WORKER_TEMPLATES_SYNC_ON_START="safe")
    client = app.test_client()
    for query in (
        "",
        "?q=o",
        "?q=%25",
        "?name_prefix=b",
        "?sort=-created_at",
        "?sort=updated_at",
        "?label=team=qa",
        "?ami=x",
    ):
        answer = client.get(URL + query)
        assert answer.status_code == 200, (query, answer.text)
        assert {template["name"] for template in answer.get_json()} <= {"good"}, query
    for path in ("/history", "/history?after=", "/claims", "/drift", "/select?explain=true", f"/{good['id']}/history"):
        answer = client.get(URL + path)
        assert answer.status_code == 200, (path, answer.text)
    for document in bad:
        assert client.get(f"{URL}/{document['_id']}").status_code == 404
    for line in ("list", "log", "export", "diff", "claims"):
        result = app.test_cli_runner().invoke(args=["worker-templates", line])
        assert result.exit_code == 0, (line, result.output)
    warnings = app.extensions["worker_templates"].status().warnings
    assert sum("is no worker template" in warning for warning in warnings) == len(bad)
    assert sum("is no event" in warning for warning in warnings) == len(events)
    kept = database.worker_templates.with_options(codec_options=RAW).find({"name": {"$ne": "good"}})
    assert sorted(bytes(document.raw) for document in kept) == sorted(raw)
