"""A limit: nothing but a WSGI function, the same PyMongo queries, and orjson.

No routing beyond a comparison of paths, no validation, no authorisation, no errors: what is left is what the driver,
the worker and the network cost. Its documents have the stored form of the extension's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson
from pymongo import MongoClient

from tests.benchmarks.peers.common import PAGE_SIZE, PATH, mongodb_uri

Document = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], object]

SHOWN = (
    *("name", "description", "instance_type", "capacity", "license_type", "max_nodes", "ami_pattern"),
    *("startup_time_minutes", "port_range", "enabled", "cost_per_hour_usd", "labels"),
    *("revision", "is_seeded", "created_at", "updated_at"),
)
PROJECTION = dict.fromkeys(SHOWN, 1)


def shown(document: Mapping[str, Any]) -> Document:
    """A template for JSON."""
    labels = dict(label.split("=", 1) for label in document["labels"])
    return {"id": document["_id"], **{name: document[name] for name in SHOWN}, "labels": labels}


def create_app() -> Callable[[Mapping[str, str], StartResponse], Iterable[bytes]]:
    """The WSGI function."""
    client: MongoClient[Document] = MongoClient(mongodb_uri())
    templates = client.get_default_database()["worker_templates"]

    def listed() -> tuple[list[tuple[str, str]], bytes]:
        found = list(templates.find({}, PROJECTION).sort("name").limit(PAGE_SIZE + 1))
        total = len(found) if len(found) <= PAGE_SIZE else templates.estimated_document_count()
        return [("X-Total-Count", str(total))], orjson.dumps([shown(document) for document in found[:PAGE_SIZE]])

    def one(template_id: str) -> tuple[list[tuple[str, str]], bytes]:
        document = templates.find_one({"_id": template_id}, PROJECTION)
        return ([("ETag", f'"{document["revision"]}"')], orjson.dumps(shown(document))) if document else ([], b"")

    def app(environ: Mapping[str, str], start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        headers, body = listed() if path == PATH else one(path.rpartition("/")[2])
        status = "200 OK" if body else "404 Not Found"
        start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body))), *headers])
        return [body]

    return app
