"""Fixtures of the fault injection: a database whose indexes are there, emptied for each test."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import mongoengine
import pytest
from pymongo import MongoClient
from pymongo.database import Database

from flask_worker_templates.store.store import Store
from tests.chaos.child import make_store
from tests.support.servers import Mongod, with_database


@pytest.fixture(scope="module")
def _prepared(mongod: Mongod) -> Iterator[str]:
    uri = with_database(mongod.uri, f"worker_templates_chaos_{uuid.uuid4().hex}")
    make_store(uri).make_indexes()
    mongoengine.disconnect_all()
    yield uri
    with mongod.client() as client:
        client.drop_database(uri.rpartition("/")[2])


@pytest.fixture
def uri(_prepared: str, mongod: Mongod) -> Iterator[str]:
    """URI of a database with the indexes and nothing else."""
    with mongod.client() as client:
        database = client[_prepared.rpartition("/")[2]]
        for name in ("worker_templates", "worker_template_events"):
            database[name].delete_many({})
    yield _prepared
    mongoengine.disconnect_all()


@pytest.fixture
def raw(uri: str) -> Iterator[Database[dict[str, Any]]]:
    """The database itself, without the package."""
    with MongoClient[dict[str, Any]](uri) as client:
        yield client.get_default_database()


@pytest.fixture
def store(uri: str) -> Store:
    """A store on it, in this process."""
    return make_store(uri)
