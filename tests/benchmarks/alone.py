"""What the extension's commands to MongoDB are, how many each work takes, and what they cost a worker alone.

The commands are those that a listener of PyMongo saw. Alone means: by plain calls of PyMongo, in a process of the
worker's kind, on documents like the extension's, eight at a time as the load is.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from tests.benchmarks import environment
from tests.benchmarks.contestants import HOOKED, OURS
from tests.benchmarks.report import Results, Spread, table
from tests.benchmarks.targets import HOOKED as EQUAL
from tests.benchmarks.targets import NAMES, Figures, hooked
from tests.support.servers import Mongod, with_database

WORKS = ("list", "get", "not modified", "create", "update", "claim", "renew")


class Alone:
    """Replays the commands of gets, creates and updates, and measures the processor time of that.

    Args:
        mongod: the server.
        scratch: a directory.
        gevent: whether the worker runs greenlets instead of threads.
    """

    def __init__(self, mongod: Mongod, scratch: Path, *, gevent: bool) -> None:
        self._uri = mongod.uri
        self._file = scratch / "commands.bson"
        self._worker = "gevent" if gevent else "threads"
        database = f"benchmark-capture-{time.time_ns()}"
        _child(with_database(self._uri, database, journal="true"), "threads", "capture", OURS.app.module, self._file)
        _drop(self._uri, database)

    def measure(self) -> dict[str, float]:
        """Return the microseconds of the processor for one get, create and update."""
        database = f"benchmark-replay-{time.time_ns()}"
        found: dict[str, float] = _child(with_database(self._uri, database), self._worker, "replay", self._file)
        _drop(self._uri, database)
        return found


def count(mongod: Mongod) -> tuple[Results, str, Figures]:
    """Count the commands of each work, with and without hooks, and return the figures and the table."""
    counted: dict[str, dict[str, int]] = {}
    for contestant in (OURS, HOOKED):
        database = f"benchmark-count-{contestant.key}"
        uri = with_database(mongod.uri, database, journal="true")
        counted[contestant.key] = _child(uri, "threads", "count", contestant.app.module)
        _drop(mongod.uri, database)
    plain, with_hooks = counted[OURS.key], counted[HOOKED.key]
    figures: Figures = {work: {"commands": _exactly(plain[work])} for work in ("claim", "renew")}
    for work in (*EQUAL, "claim", "renew"):
        figures[hooked(work)] = {"more commands": _exactly(with_hooks[work] - plain[work])}
    rows = [[NAMES.get(work, work), plain[work], with_hooks[work]] for work in WORKS]
    text = "### Commands to MongoDB for one request\n\n" + table(["", "commands", "with hooks"], rows)
    return counted, text, figures


def _exactly(value: float) -> Spread:
    return Spread(value, value, value)


def _child(uri: str, worker: str, *arguments: object) -> Any:
    run = subprocess.run(
        [environment.PYTHON, "-m", "tests.benchmarks.alone_child", worker, *map(str, arguments)],
        cwd=environment.ROOT,
        env={**os.environ, "BENCHMARK_MONGODB_URI": uri, "PYTHONPATH": str(environment.ROOT)},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return json.loads(run.stdout)


def _drop(uri: str, database: str) -> None:
    with MongoClient[dict[str, Any]](uri) as client:
        client.drop_database(database)
