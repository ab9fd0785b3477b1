"""Databases on a real server for tests: new ones, and used ones that are as good as new."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask
from pymongo import MongoClient
from pymongo.database import Database

from flask_worker_templates import WorkerTemplates
from tests.support.servers import with_database

Client = MongoClient[dict[str, Any]]


class Databases:
    """The databases of one run on one server.

    Args:
        uri: of the server.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._used: list[str] = []
        self._layout: Any = None

    @contextmanager
    def new(self) -> Iterator[str]:
        """Lend the URI of a database that is not there yet; it is dropped afterwards."""
        name = f"worker_templates_test_{uuid.uuid4().hex}"
        yield with_database(self._uri, name)
        with Client(self._uri) as client:
            client.drop_database(name)

    @contextmanager
    def empty(self) -> Iterator[str]:
        """Lend the URI of a database without documents, with the collections and indexes that every app makes, or new.

        To make the indexes takes the server longer than most tests. So a database is emptied and lent again, unless
        the test left other collections, options or indexes behind than an app makes.
        """
        if self._layout is None:
            with self.new() as uri, Client(uri) as client:
                self._layout = self._made_by_an_app(uri, client)
        name = self._used.pop() if self._used else f"worker_templates_test_{uuid.uuid4().hex}"
        yield with_database(self._uri, name)
        with Client(self._uri) as client:
            if _layout(client[name]) == self._layout:
                for collection in client[name].list_collection_names():
                    client[name][collection].delete_many({})
                self._used.append(name)
            else:
                client.drop_database(name)

    def drop(self) -> None:
        """Drop what is left on the server."""
        with Client(self._uri) as client:
            for name in self._used:
                client.drop_database(name)

    @staticmethod
    def _made_by_an_app(uri: str, client: Client) -> Any:
        app = Flask("plain_host")
        app.config["WORKER_TEMPLATES_MONGODB_URI"] = uri
        WorkerTemplates(app)
        assert app.test_client().get("/api/v1/templates").status_code == 200
        return _layout(client.get_default_database())


def _layout(database: Database[dict[str, Any]]) -> Any:
    return {
        collection["name"]: (collection["options"], sorted(map(str, database[collection["name"]].list_indexes())))
        for collection in database.list_collections()
    }
