"""What a page of the console's list costs a worker, against the same list as JSON; and how large it is.

In one process, without a server: only the processor time of the worker counts here.
"""

from __future__ import annotations

import gzip
import time

from flask import Flask
from flask.testing import FlaskClient
from pymongo import MongoClient

from flask_worker_templates import WorkerTemplates
from flask_worker_templates.model.records import Seed
from flask_worker_templates.model.spec import normalize
from flask_worker_templates.runtime.app_state import current_state
from tests.benchmarks import data
from tests.benchmarks.peers.common import PATH
from tests.benchmarks.report import Results, Spread, ratio, table
from tests.benchmarks.targets import LIMITS, Figures
from tests.support.servers import Mongod, with_database

_TEMPLATES = 1000
_REQUESTS = 100
_ROW = "console list page"
_PAGES = {
    "json": ("the list as JSON, 50 of 1,000", PATH, {}),
    "page": ("the console's list", "/worker-templates/", {}),
    "part": ("the part of it that a search replaces", "/worker-templates/?q=", {"HX-Target": "list"}),
}


def run(mongod: Mongod, *, rounds: int) -> tuple[Results, str, Figures]:
    """Measure in turn, and return the results, the table and the figures."""
    uri = with_database(mongod.uri, "benchmark-console")
    app = Flask("console")
    app.config.update(WORKER_TEMPLATES_MONGODB_URI=uri, WORKER_TEMPLATES_SEED="off")
    WorkerTemplates(app)
    try:
        with app.app_context():
            store = current_state().store
            store.make_indexes()
            seeds = [Seed(normalize(data.spec(number)), "templates.yaml") for number in range(_TEMPLATES)]
            store.create_missing(seeds, actor="seeder")
        client = app.test_client()
        measured: dict[str, list[float]] = {key: [] for key in _PAGES}
        for round_ in range(-1, rounds):
            for key, (_, path, headers) in _PAGES.items():
                seconds = _processor_time(client, path, headers)
                if round_ >= 0:
                    measured[key].append(seconds)
        kilobytes = {
            key: len(gzip.compress(client.get(path, headers=headers).data)) / 1000
            for key, (_, path, headers) in _PAGES.items()
        }
    finally:
        with MongoClient[dict[str, object]](uri) as server:
            server.drop_database("benchmark-console")
    compared = {key: ratio(measured[key], measured["json"]) for key in ("page", "part")}
    rows = [
        [
            title,
            Spread.of([one * 1e6 for one in measured[key]]),
            f"{kilobytes[key]:.1f}",
            *([compared[key], LIMITS[_ROW]["JSON"].verdict(compared[key].median)] if key in compared else ["", ""]),
        ]
        for key, (title, _, _) in _PAGES.items()
    ]
    results: Results = {
        "seconds": measured,
        "kilobytes": kilobytes,
        "ratios": {key: spread.to_dict() for key, spread in compared.items()},
    }
    headings = ["", "CPU µs", "kB compressed", "× JSON", "target"]
    return results, "### Console\n\n" + table(headings, rows), {_ROW: {"JSON": compared["page"]}}


def _processor_time(client: FlaskClient, path: str, headers: dict[str, str]) -> float:
    begin = time.process_time()
    for _ in range(_REQUESTS):
        answer = client.get(path, headers=headers)
        assert answer.status_code == 200, answer.text
    return (time.process_time() - begin) / _REQUESTS
