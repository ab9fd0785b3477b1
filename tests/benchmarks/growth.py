"""Whether everything stays as fast while the collections grow.

In one process, without a server: seconds of the clock for one request after another, MongoDB's included. Each figure is
the median of a round's requests.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from pymongo import MongoClient

from flask_worker_templates import WorkerTemplates
from tests.benchmarks import stored
from tests.benchmarks.growing import PAGE, WORKS, Place, Work
from tests.benchmarks.report import Results, Spread, number, table, verdict
from tests.benchmarks.targets import LIMITS, Figures, growth
from tests.support.servers import Mongod, with_database

_IN_A_TRAIL = 100
"""Templates among which the events of a trail are divided."""
_ENOUGH_SECONDS = 0.25
"""Of requests for a figure of one round, of which there are two at least."""
_BESIDE_CLAIMS = 60
"""Templates beside the claimed one: more than a page."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How far everything grows, smallest first.

    Attributes:
        templates: numbers of templates.
        events: numbers of events, of a hundred templates: each of these has a hundredth of them as revisions.
        claims: numbers of claims on one template; with a page of them only where they are shown.
    """

    templates: tuple[int, ...] = (100, 10_000, 100_000)
    events: tuple[int, ...] = (10_000, 1_000_000)
    claims: tuple[int, ...] = (10, PAGE, 1_000, 10_000)


QUICK = Sizes(templates=(100, 10_000, 30_000), events=(10_000, 200_000))

Times = dict[str, dict[str, dict[int, list[float]]]]
"""Seconds of one request by work, by what grows and its size, in the order of the rounds."""


def run(mongod: Mongod, *, sizes: Sizes, rounds: int, tell: Callable[[str], None]) -> tuple[Results, str, Figures]:
    """Measure, and return the results, the table and the figures.

    Args:
        mongod: the server.
        sizes: how far everything grows.
        rounds: interleaved rounds.
        tell: is told what is done.
    """
    times: Times = {}
    with ExitStack() as stack:
        places = []
        for place in _places(mongod, sizes, stack):
            places.append(place)
            tell(f"growth: {place.size:,} {place.grows} are there")
        for round_ in range(-1, rounds):
            for work in WORKS:
                for place in places:
                    if work.takes(place) and (round_ >= 0 or not work.linear):
                        median = statistics.median(_seconds(work, place, round_))
                        by_size = times.setdefault(work.name, {}).setdefault(place.grows, {})
                        if round_ >= 0:
                            by_size.setdefault(place.size, []).append(median)
    figures: Figures = {}
    for work in WORKS:
        for grows, by_size in times[work.name].items():
            if len(by_size) > 1:
                figures.setdefault(growth(work.name), {}).update(work.grown(by_size, grows))
    results: Results = {"milliseconds": _milliseconds(times)}
    return results, _text(times, figures), figures


def _milliseconds(times: Times) -> dict[str, dict[str, dict[int, float]]]:
    return {
        work: {
            grows: {size: statistics.median(seconds) * 1e3 for size, seconds in by_size.items()}
            for grows, by_size in by_grows.items()
        }
        for work, by_grows in times.items()
    }


def _seconds(work: Work, place: Place, round_: int) -> Iterator[float]:
    enough = time.perf_counter() + _ENOUGH_SECONDS
    for number_of_request in range(work.requests):
        if number_of_request > 1 and time.perf_counter() > enough:
            return
        path = work.path(place, f"{round_}-{number_of_request}")
        begin = time.perf_counter()
        answer = place.client.open(path, method=work.method, json=work.body)
        yield time.perf_counter() - begin
        if answer.status_code >= 400:
            raise RuntimeError(f"{work.name}, {place.size:,} {place.grows}: {answer.status_code} {answer.text[:500]}")
        if work.undone:
            place.client.delete(path)


def _places(mongod: Mongod, sizes: Sizes, stack: ExitStack) -> Iterator[Place]:
    def place(grows: str, size: int, templates: int) -> tuple[Place, Any]:
        name = f"benchmark-growth-{grows}-{size}"
        client = stack.enter_context(MongoClient[dict[str, Any]](mongod.uri))
        stack.callback(client.drop_database, name)
        database = client[name]
        stored.write_templates(database, templates)
        first = database["worker_templates"].find_one({"enabled": True}, {"_id": 1}, sort=[("name", 1)]) or {}
        return Place(grows, size, first["_id"], _client(with_database(mongod.uri, name, journal="true"))), database

    for size in sizes.templates:
        yield place("templates", size, size)[0]
    for size in sizes.events:
        found, database = place("events", size, _IN_A_TRAIL)
        stored.write_revisions(database, size // _IN_A_TRAIL)
        yield found
    for size in sizes.claims:
        found, database = place("claims", size, _BESIDE_CLAIMS)
        stored.write_claims(database["worker_templates"], found.template_id, size)
        yield found


def _client(uri: str) -> FlaskClient:
    app = Flask("growth")
    app.config.update(WORKER_TEMPLATES_MONGODB_URI=uri, WORKER_TEMPLATES_SEED="off", WORKER_TEMPLATES_ANONYMOUS="write")
    WorkerTemplates(app)
    return app.test_client()


def _text(times: Times, figures: Figures) -> str:
    rows: list[Sequence[object]] = []
    for work in WORKS:
        row, limits = figures.get(growth(work.name), {}), LIMITS.get(growth(work.name), {})
        for grows, by_size in times[work.name].items():
            sizes = ", ".join(f"{size:,}" for size in by_size)
            milliseconds = ", ".join(number(Spread.of(seconds).median * 1e3) for seconds in by_size.values())
            columns = [column for column in row if column == grows or grows == "claims" == column.partition(" ")[2]]
            grown = ", ".join(str(row[column]) for column in columns)
            judged = ", ".join(verdict(limits.get(column), row[column].median) for column in columns)
            rows.append([work.name, grows, sizes, milliseconds, grown, judged])
    note = "How many times slower than with the least; for what reads all, for each one that it reads."
    return f"### Growth\n\n{note}\n\n" + table(["", "of", "how many", "ms", "× slower", "limit"], rows)
