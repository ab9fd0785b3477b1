"""Eve, tuned as someone who knows it would:

- no links (`HATEOAS`), no XML, no filters, projections or embedding on request;
- JSON by orjson instead of simplejson, through Eve's own renderer interface;
- names are unique by an index, not by Eve's `unique` rule, which asks the database first;
- ETags are stored with the documents, which Eve does by itself for what was written through it.

The audit trail is Eve's own oplog, with the changes in it. Eve's data layer forgets the `journal` of a URI, and with it
would be compared at less than the others: `JournaledMongo` keeps it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson
from bson import ObjectId
from eve import Eve
from eve.io.mongo import Mongo
from eve.render import Renderer
from pymongo.collection import Collection

from tests.benchmarks.peers.common import LICENSE_TYPES, PAGE_SIZE, mongodb_uri

CAPACITY = {
    "cpu_cores": {"type": "integer", "required": True, "min": 1, "max": 10_000},
    "memory_gb": {"type": "integer", "required": True, "min": 1, "max": 1_000_000},
    "storage_gb": {"type": "integer", "required": True, "min": 1, "max": 100_000_000},
}
PORT_RANGE = {
    "start": {"type": "integer", "default": 2000, "min": 1, "max": 65_535},
    "end": {"type": "integer", "default": 9999, "min": 1, "max": 65_535},
}
TEMPLATE = {
    "name": {"type": "string", "required": True, "minlength": 1, "maxlength": 100},
    "description": {"type": "string", "default": "", "maxlength": 1000},
    "instance_type": {"type": "string", "required": True, "minlength": 1, "maxlength": 64},
    "capacity": {"type": "dict", "required": True, "schema": CAPACITY},
    "license_type": {"type": "string", "required": True, "allowed": list(LICENSE_TYPES)},
    "max_nodes": {"type": "integer", "default": 20, "min": 1, "max": 100_000},
    "ami_pattern": {"type": "string", "default": "*", "minlength": 1, "maxlength": 256},
    "startup_time_minutes": {"type": "integer", "default": 20, "min": 0, "max": 10_080},
    "port_range": {"type": "dict", "default": {"start": 2000, "end": 9999}, "schema": PORT_RANGE},
    "enabled": {"type": "boolean", "default": True},
    "cost_per_hour_usd": {"type": "number", "nullable": True, "default": None, "min": 0},
    "labels": {
        "type": "dict",
        "default": {},
        "keysrules": {"type": "string"},
        "valuesrules": {"type": "string", "maxlength": 256},
    },
}


def settings(uri: str) -> dict[str, Any]:
    """Eve's settings."""
    return {
        "MONGO_URI": uri,
        "URL_PREFIX": "api",
        "API_VERSION": "v1",
        "DOMAIN": {
            "templates": {
                "schema": TEMPLATE,
                "datasource": {"default_sort": [("name", 1)]},
                "mongo_indexes": {"name_unique": ([("name", 1)], {"unique": True})},
            }
        },
        "RESOURCE_METHODS": ["GET", "POST"],
        "ITEM_METHODS": ["GET", "PATCH"],
        "PAGINATION_DEFAULT": PAGE_SIZE,
        "PAGINATION_LIMIT": 200,
        "OPLOG": True,
        "OPLOG_METHODS": ["POST", "PATCH"],
        "OPLOG_CHANGE_METHODS": ["POST", "PATCH"],
        "HATEOAS": False,
        "RENDERERS": ["tests.benchmarks.peers.eve_tuned.OrjsonRenderer"],
        "ALLOWED_FILTERS": [],
        "PROJECTION": False,
        "EMBEDDING": False,
        "ALLOW_OVERRIDE_HTTP_METHOD": False,
        # Patches hold what is to change: nothing is filled in around it.
        "NORMALIZE_ON_PATCH": False,
    }


class JournaledMongo(Mongo):
    """Eve's data layer with the write concern of the URI, of which Eve itself keeps only the `w`."""

    def get_collection_with_write_concern(self, datasource: str, resource: str) -> Collection[dict[str, Any]]:
        return self.pymongo(resource).db[datasource]


class OrjsonRenderer(Renderer):
    """JSON by orjson, in the formats that Eve documents."""

    mime = ("application/json",)

    def render(self, data: Any) -> bytes:
        return orjson.dumps(data, default=as_text, option=orjson.OPT_PASSTHROUGH_DATETIME)


def as_text(value: object) -> str:
    """What JSON has no type for."""
    if isinstance(value, datetime):
        return value.strftime("%a, %d %b %Y %H:%M:%S GMT")
    if isinstance(value, ObjectId):
        return str(value)
    raise TypeError(f"no JSON for {type(value)}")


def create_app() -> Eve:
    """The app."""
    return Eve(settings=settings(mongodb_uri()), data=JournaledMongo)
