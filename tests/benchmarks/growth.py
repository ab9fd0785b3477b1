"""Whether reading stays as fast while the collections grow."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from flask import Flask
from pymongo import MongoClient

from flask_worker_templates import WorkerTemplates
from flask_worker_templates.model.records import Seed
from flask_worker_templates.model.spec import normalize
from flask_worker_templates.runtime.app_state import current_state
from tests.benchmarks import data, load
from tests.benchmarks.contestants import OURS, Server, id_of
from tests.benchmarks.load import Load
from tests.benchmarks.peers.common import PATH
from tests.benchmarks.report import Results, Spread, Target, number, ratio, table
from tests.benchmarks.servers import GEVENT
from tests.support.servers import Mongod, with_database

_FEW_REVISIONS = 100
_TARGET = Target(1.3, at_most=True)


def run(
    mongod: Mongod, *, sizes: Sequence[int], revisions: int, rounds: int, seconds: int, logs: Path
) -> tuple[Results, str]:
    """Measure and return the figures and the table.

    Args:
        mongod: the server.
        sizes: numbers of templates, smallest first.
        revisions: revisions of the template whose history is read.
        rounds: interleaved rounds.
        seconds: of load for each figure.
        logs: directory for the logs of the servers.
    """
    targets: dict[str, tuple[Server, list[str]]] = {}
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for size in sizes:
            uri = with_database(mongod.uri, f"benchmark-growth-{size}")
            stack.callback(_drop, uri)
            _fill(uri, size)
            server = stack.enter_context(Server(OURS, uri, serving=GEVENT, log=logs / f"growth-{size}.log")).wait()
            ids = [id_of(item) for item in server.ask("GET", PATH).items]
            targets[f"list {size}"] = server, [PATH]
            targets[f"get {size}"] = server, [f"{PATH}/{template_id}" for template_id in ids]
        uri = with_database(mongod.uri, "benchmark-growth-history")
        stack.callback(_drop, uri)
        few, many = _write_histories(uri, revisions)
        server = stack.enter_context(Server(OURS, uri, serving=GEVENT, log=logs / "growth-history.log")).wait()
        targets[f"history {_FEW_REVISIONS}"] = server, [f"{PATH}/{few}/history"]
        targets[f"history {revisions}"] = server, [f"{PATH}/{many}/history"]
        last = revisions // 50
        targets[f"last page of the history {_FEW_REVISIONS}"] = server, [f"{PATH}/{few}/history?page=2"]
        targets[f"last page of the history {revisions}"] = server, [f"{PATH}/{many}/history?page={last}"]
        measured: dict[str, list[Load]] = {key: [] for key in targets}
        for round_ in range(-1, rounds):
            for key, (asked, paths) in targets.items():
                figures = load.read(
                    asked.port,
                    [(path, None) for path in paths],
                    seconds=1 if round_ < 0 else seconds,
                    scratch=scratch,
                )
                if round_ >= 0:
                    measured[key].append(figures)
    return _summary(measured)


def _summary(measured: dict[str, list[Load]]) -> tuple[Results, str]:
    rows, results = [], {}
    base: dict[str, str] = {}
    for key, loads in measured.items():
        work = key.rpartition(" ")[0]
        smallest = base.setdefault(work, key)
        rates = [one.rate for one in loads]
        slower = ratio([one.rate for one in measured[smallest]], rates)
        latencies = [
            number(Spread.of(values).median) for values in ([one.p50 for one in loads], [one.p99 for one in loads])
        ]
        judged = key != smallest and work in {"list", "get"}
        compared = ["", ""] if key == smallest else [slower, _TARGET.verdict(slower.median) if judged else ""]
        rows.append([f"{work}, {int(key.rpartition(' ')[2]):,}", Spread.of(rates), *latencies, *compared])
        results[key] = {"rates": rates, "slower": slower.to_dict()}
    headings = ["", "requests/s", "p50 ms", "p99 ms", "× slower than the smallest", "target"]
    return results, "### Growth\n\n" + table(headings, rows)


def _app(uri: str) -> tuple[Flask, WorkerTemplates]:
    app = Flask("growth")
    app.config.update(WORKER_TEMPLATES_MONGODB_URI=uri, WORKER_TEMPLATES_SEED="off")
    return app, WorkerTemplates(app)


def _fill(uri: str, count: int) -> None:
    app, _ = _app(uri)
    with app.app_context():
        store = current_state().store
        store.make_indexes()
        for start in range(0, count, 10_000):
            numbers = range(start, min(count, start + 10_000))
            seeds = [Seed(normalize(data.spec(number)), "templates.yaml") for number in numbers]
            store.create_missing(seeds, actor="seeder")


def _write_histories(uri: str, revisions: int) -> tuple[str, str]:
    """Make a template with few revisions and one with many; return their ids."""
    app, templates = _app(uri)
    ids = []
    with app.app_context():
        for number_of_template, wanted in enumerate((_FEW_REVISIONS, revisions)):
            template = templates.create(data.spec(number_of_template))
            for revision in range(2, wanted + 1):
                templates.update(template.id, {"description": f"revision {revision}", "max_nodes": 20 + revision % 50})
            ids.append(template.id)
    return ids[0], ids[1]


def _drop(uri: str) -> None:
    with MongoClient[dict[str, Any]](uri) as client:
        client.drop_database(client.get_default_database().name)
