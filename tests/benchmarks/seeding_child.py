"""One seeding, in a process of its own, in the peers' environment: prints the seconds that its steps took, as JSON."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mongoengine
import yaml
from flask import Flask
from pymongo import MongoClient
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from flask_worker_templates import WorkerTemplates
from flask_worker_templates.files.parse_yaml import parse_yaml
from flask_worker_templates.runtime.app_state import current_state
from flask_worker_templates.store.connection import Collections
from flask_worker_templates.store.indexes import ensure_indexes
from tests.benchmarks.peers import smorest_mongoengine as documented


def ours(path: Path, uri: str) -> dict[str, float]:
    """Seed as the extension does."""
    app = Flask("seeding")
    app.config.update(WORKER_TEMPLATES_MONGODB_URI=uri, WORKER_TEMPLATES_CONFIG_PATH=str(path))
    WorkerTemplates(app)
    with app.app_context():
        state = current_state()
        start = time.perf_counter()
        files = state.read_files()
        read = time.perf_counter()
        state.store.make_indexes()
        state.seed(files)
        end = time.perf_counter()
    # Reading and validating take turns: the reading is done once more, alone, to tell them apart.
    again = time.perf_counter()
    parse_yaml(path.read_text())
    reading = time.perf_counter() - again
    return {"total": end - start, "reading": reading, "validating": read - start - reading, "writing": end - read}


def naive(path: Path, uri: str) -> dict[str, float]:
    """Seed as one would write it: read, and for each template get by name and save."""
    mongoengine.connect(host=uri, uuidRepresentation="standard")
    start = time.perf_counter()
    with path.open() as stream:
        specs = yaml.safe_load(stream)["templates"]
    reading = time.perf_counter() - start
    for spec in specs:
        if documented.Template.objects(name=spec["name"]).first() is None:
            spec["capacity"] = documented.Capacity(**spec["capacity"])
            spec["port_range"] = documented.PortRange(**spec["port_range"])
            documented.Template(**spec, is_seeded=True).save()
    total = time.perf_counter() - start
    return {"total": total, "reading": reading, "writing": total - reading}


def floor(path: Path, uri: str, source: str) -> dict[str, float]:
    """Read the events once and insert documents that are there already, with the same indexes and durability."""
    names = ("worker_templates", "worker_template_events")
    with MongoClient[dict[str, Any]](source) as client:
        documents = {name: list(client.get_default_database()[name].find()) for name in names}
    database = MongoClient[dict[str, Any]](uri).get_default_database(
        write_concern=WriteConcern(w="majority", j=True), read_concern=ReadConcern("majority")
    )
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    start = time.perf_counter()
    text = path.read_text()
    for _ in yaml.parse(text, Loader=loader):
        pass
    reading = time.perf_counter() - start
    ensure_indexes(Collections.of(database))
    for name in names:
        database[name].insert_many(documents[name], ordered=False)
    total = time.perf_counter() - start
    return {"total": total, "reading": reading, "writing": total - reading}


if __name__ == "__main__":
    what, file, *uris = sys.argv[1:]
    kinds: dict[str, Callable[..., dict[str, float]]] = {"ours": ours, "naive": naive, "floor": floor}
    print(json.dumps(kinds[what](Path(file), *uris)))
