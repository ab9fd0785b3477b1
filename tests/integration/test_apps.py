"""What the shared fixtures promise: apps of one test share a database, and no test sees another's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mongoengine
import pytest
from pymongo import MongoClient
from pymongo.database import Database

from tests.support.apps import AppFactory
from tests.support.backends import mongod_only, mongomock_only, new_database
from tests.support.databases import Databases

SPEC = {
    "name": "small",
    "instance_type": "m5.large",
    "capacity": {"cpu_cores": 2, "memory_gb": 8, "storage_gb": 50},
    "license_type": "PERSONAL",
}


def _listed(make_app: AppFactory, templates: list[dict[str, Any]]) -> list[str]:
    answer = make_app(templates=templates).test_client().get("/api/v1/templates")
    assert answer.status_code == 200, answer.text
    return [template["name"] for template in answer.get_json()]


def test_apps_of_one_test_share_the_database(make_app: AppFactory) -> None:
    assert _listed(make_app, [SPEC]) == ["small"]
    assert _listed(make_app, []) == ["small"]


@pytest.mark.parametrize("turn", [1, 2])
@new_database
def test_each_test_starts_on_an_empty_database(
    make_app: AppFactory, database: Database[dict[str, Any]], turn: int
) -> None:
    assert database.list_collection_names() == []
    assert _listed(make_app, [SPEC]) == ["small"]
    assert len(database.list_collection_names()) > 0


@pytest.mark.parametrize("spoilt", [False, True])
def test_a_used_database_of_a_server_is_lent_again_as_good_as_new(
    server_uri: str, tmp_path: Path, spoilt: bool
) -> None:
    databases, lent = Databases(server_uri), []
    for _ in range(2):
        with databases.empty() as uri, MongoClient[dict[str, Any]](uri) as client:
            database = client.get_default_database()
            lent.append(database.name)
            assert [database[name].find_one() for name in database.list_collection_names()] in ([], [None] * 3)
            assert _listed(AppFactory({"WORKER_TEMPLATES_MONGODB_URI": uri}, tmp_path), [SPEC]) == ["small"]
            if spoilt:
                database["worker_templates"].create_index("more")
    assert (lent[0] == lent[1]) is not spoilt
    databases.drop()
    with MongoClient[dict[str, Any]](server_uri) as client:
        assert not {*lent} & {*client.list_database_names()}


@mongod_only
def test_a_real_server_is_reached_by_its_uri(make_app: AppFactory) -> None:
    assert "WORKER_TEMPLATES_MONGODB_URI" in make_app.config()


@mongomock_only
def test_mongomock_is_reached_by_a_connection_of_the_host(make_app: AppFactory) -> None:
    alias = make_app.config()["WORKER_TEMPLATES_DB_ALIAS"]
    assert type(mongoengine.get_connection(alias)).__module__ == "mongomock.mongo_client"
