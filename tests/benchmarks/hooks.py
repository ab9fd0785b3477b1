"""What the hooks that real hosts have cost a worker: the same requests with them and without, in blocks in turn.

In one process, without a server: only the processor time of the worker counts, which tells one part in a hundred.
Requests a second of a server told one in ten.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

from pymongo import MongoClient
from pymongo.collection import Collection

from tests.benchmarks import stored
from tests.benchmarks.in_process import CONSTANT, client_of, works
from tests.benchmarks.report import Results, ratio, table
from tests.benchmarks.targets import LIMITS, NAMES, Figures, hooked
from tests.support.servers import Mongod, with_database

_DATABASES = ("benchmark-without-hooks", "benchmark-with-hooks")
_TEMPLATES = 1000
_REQUESTS = 50
"""Of a block."""

Work = Callable[[], object]
Seconds = tuple[list[float], list[float], list[float]]
"""Of one request in each block: without hooks, of a read alone, and with hooks."""


def run(mongod: Mongod, *, rounds: int) -> tuple[Results, str, Figures]:
    """Measure each work in turn with hooks and without, and return the results, the table and the figures.

    Args:
        mongod: the server.
        rounds: blocks of each work, with hooks and without.
    """
    with MongoClient[dict[str, Any]](mongod.uri) as client:
        for database in _DATABASES:
            stored.write_templates(client[database], _TEMPLATES)
        try:
            plain, with_hooks = (
                works(client_of(with_database(mongod.uri, database, journal="true"), hooks=hooks))
                for database, hooks in zip(_DATABASES, (False, True), strict=True)
            )
            read = _read(client[_DATABASES[0]]["worker_templates"])
            measured = {
                work: _in_turn(plain[work], read, with_hooks[work], rounds) for work in plain if work != CONSTANT
            }
        finally:
            for database in _DATABASES:
                client.drop_database(database)
    names = ("without", "read", "with hooks")
    results = {work: dict(zip(names, found, strict=True)) for work, found in measured.items()}
    figures = compared(measured)
    rows = []
    for work, found in measured.items():
        ((column, spread),) = figures[_row(work)].items()
        medians = (f"{statistics.median(one) * 1e6:,.0f}" for one in found)
        rows.append([work, *medians, spread, LIMITS[_row(work)][column].verdict(spread.median)])
    headings = ["µs of the worker", "without", "a read alone", "with hooks", "without / with", "limit"]
    text = f"### Hooks, {rounds} blocks of {_REQUESTS} requests each\n\n{table(headings, rows)}"
    note = "A claim and a renewal are compared with themselves and a read: with hooks, they read the template first."
    return results, f"{text}\n\n{note}", figures


def compared(measured: Mapping[str, Seconds]) -> Figures:
    """Return, of each work, what it costs without hooks against what it costs with them."""
    figures: Figures = {}
    for work, (without, read, with_hooks) in measured.items():
        row = _row(work)
        column = "without" if "without" in LIMITS[row] else "without, and a read"
        allowed = without if column == "without" else [one + more for one, more in zip(without, read, strict=True)]
        figures[row] = {column: ratio(allowed, with_hooks)}
    return figures


def _row(work: str) -> str:
    return hooked(next((key for key, name in NAMES.items() if name == work), work))


def _read(templates: Collection[dict[str, Any]]) -> Work:
    """Return what reads a template by a plain call of PyMongo."""
    ids = itertools.cycle([one["_id"] for one in templates.find({}, {"_id": 1}).limit(8)])
    return lambda: templates.find_one({"_id": next(ids)})


def _in_turn(plain: Work, read: Work, with_hooks: Work, rounds: int) -> Seconds:
    """Ask for one after the other, block by block."""
    found: Seconds = ([], [], [])
    for round_ in range(-1, rounds):
        order = zip((plain, read, with_hooks), found, strict=True)
        for request, seconds in order if round_ % 2 else reversed(list(order)):
            each = _processor_time(request)
            if round_ >= 0:
                seconds.append(each)
    return found


def _processor_time(request: Work) -> float:
    begin = time.process_time()
    for _ in range(_REQUESTS):
        request()
    return (time.process_time() - begin) / _REQUESTS
