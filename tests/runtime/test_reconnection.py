"""Readiness belongs to the database that is connected now, and a client of an app's own ends with its app."""

from __future__ import annotations

import gc
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import mongoengine
import mongomock
import pytest
from flask import Flask
from mongoengine.connection import ConnectionFailure
from pymongo import MongoClient

from flask_worker_templates import NameTaken, WorkerTemplates
from tests.support.apps import AppFactory
from tests.support.backends import mongod_only
from tests.support.hosts import host
from tests.support.servers import with_database
from tests.support.specs import spec

Connect = Callable[[int], None]
ALIAS = "reconnected"


@pytest.fixture
def connect(backend: str, request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Connects the alias of a host to one of several databases, after it was disconnected."""
    run = uuid.uuid4().hex
    uri = request.getfixturevalue("server_uri") if backend == "mongod" else ""

    def to(number: int) -> None:
        mongoengine.disconnect(ALIAS)
        options: dict[str, Any] = {"alias": ALIAS, "uuidRepresentation": "standard"}
        if uri:
            options["host"] = with_database(uri, f"reconnected_{run}_{number}")
        else:
            options["mongo_client_class"] = mongomock.MongoClient
        mongoengine.connect(f"reconnected_{run}_{number}", **options)

    yield to
    mongoengine.disconnect(ALIAS)
    if uri:
        with MongoClient[dict[str, Any]](uri) as client:
            for name in client.list_database_names():
                if name.startswith(f"reconnected_{run}"):
                    client.drop_database(name)


@pytest.fixture
def hosting(make_app: AppFactory) -> tuple[Flask, WorkerTemplates]:
    make_app.connection = {"WORKER_TEMPLATES_DB_ALIAS": ALIAS}
    return host(make_app, templates=[spec("seeded")])


def test_another_database_is_seeded_and_indexed_too(connect: Connect, hosting: tuple[Flask, WorkerTemplates]) -> None:
    app, templates = hosting
    for number in range(3):
        connect(number)
        if number:
            assert templates_status(app, templates) == "pending"
        answer = app.test_client().get("/api/v1/templates")
        assert [template["name"] for template in answer.get_json()] == ["seeded"]
        assert templates_status(app, templates) == "ready"
        with app.app_context(), pytest.raises(NameTaken):
            templates.create(spec("seeded"))


def test_a_command_indexes_another_database_too(connect: Connect, hosting: tuple[Flask, WorkerTemplates]) -> None:
    app, templates = hosting
    taken = []

    @app.cli.command("mine")
    def mine() -> None:
        for number in range(2):
            connect(number)
            templates.create(spec("one"))
            with suppress(NameTaken):
                templates.create(spec("one"))
            taken.append(len(templates.list()))

    app.test_cli_runner().invoke(args=["mine"], catch_exceptions=False)
    assert taken == [1, 1]


def test_a_failure_of_one_database_does_not_hold_up_another(
    connect: Connect, hosting: tuple[Flask, WorkerTemplates]
) -> None:
    app, templates = hosting
    client = app.test_client()
    assert client.get("/api/v1/templates").status_code == 503  # not connected yet
    assert templates_status(app, templates) == "failed"
    connect(0)
    assert client.get("/api/v1/templates").status_code == 200  # although the pause between two attempts is not over


@mongod_only
def test_a_reconnection_to_the_same_database_prepares_nothing_again(
    connect: Connect, hosting: tuple[Flask, WorkerTemplates], monkeypatch: pytest.MonkeyPatch
) -> None:
    app, _ = hosting
    connect(0)
    client = app.test_client()
    assert client.get("/api/v1/templates").status_code == 200
    state = app.extensions["worker_templates"]
    attempts: list[object] = []
    monkeypatch.setattr(state.readiness, "_attempt", lambda: attempts.append(1))
    for _ in range(3):
        connect(0)
        assert client.get("/api/v1/templates").status_code == 200
    assert attempts == []


def templates_status(app: Flask, templates: WorkerTemplates) -> str:
    with app.app_context():
        return templates.status().state


@mongod_only
def test_the_client_of_an_app_that_is_no_more_is_closed(make_app: AppFactory) -> None:
    def use() -> str:
        app = make_app()
        assert app.test_client().get("/api/v1/templates").status_code == 200
        alias: str = app.extensions["worker_templates"].access._alias
        mongoengine.get_connection(alias)
        return alias

    before = threading.active_count()
    aliases = [use() for _ in range(5)]
    gc.collect()
    use()  # the next use of the extension closes them
    for alias in aliases:
        with pytest.raises(ConnectionFailure):
            mongoengine.get_connection(alias)
    assert threading.active_count() < before + 6
