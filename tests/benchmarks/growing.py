"""What is asked while everything grows, and how much slower it may become. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask.testing import FlaskClient

from tests.benchmarks.peers.common import PATH
from tests.benchmarks.report import Spread, ratio

PAGE = 50
"""What a page shows by default."""

_CONSOLE = "/worker-templates"
_LEASE = {"ttl_seconds": 86_400}
_ANY = ("templates", "events", "claims")


@dataclass(frozen=True, slots=True)
class Place:
    """An app whose database holds much of something.

    Attributes:
        grows: of what: templates, events or claims.
        size: how many.
        template_id: of one that has its share of it.
        client: asks the app.
    """

    grows: str
    size: int
    template_id: str
    client: FlaskClient


@dataclass(frozen=True, slots=True)
class Work:
    """Something that is asked.

    Attributes:
        name: of it.
        path: what is asked, given the place and a word that no other request has.
        grows: where it is asked.
        method: of the request.
        body: of the request.
        undone: whether a DELETE of the same path undoes it, unmeasured.
        linear: whether it reads all, so that it may take as long for each one; it is asked where there is much.
        most: the most there may be where it is asked.
        least: the least claims there may be on the template: what a page shows, so that as much is shown everywhere.
        requests: in one round.
    """

    name: str
    path: Callable[[Place, str], str]
    grows: Sequence[str] = _ANY
    method: str = "GET"
    body: Mapping[str, Any] | None = None
    undone: bool = False
    linear: bool = False
    most: int | None = None
    least: int = 0
    requests: int = 11

    def takes(self, place: Place) -> bool:
        """Whether it is asked in a place."""
        if self.most is not None and place.size > self.most:
            return False
        if place.grows == "claims" and (place.size < self.least or (not self.least and place.size == PAGE)):
            return False
        return place.grows in self.grows and not (self.linear and place.size < 1000)

    def grown(self, by_size: Mapping[int, Sequence[float]], grows: str) -> dict[str, Spread]:
        """How many times slower it is than with the least there is, round by round, by column of the limits."""
        least, *more = sorted(by_size)
        columns = {f"{size:,} claims": size for size in more} if grows == "claims" else {grows: more[-1]}
        grown = {}
        for column, size in columns.items():
            slower = ratio(by_size[size], by_size[least])
            share = size / least if self.linear else 1
            grown[column] = Spread(slower.median / share, slower.low / share, slower.high / share)
        return grown


def _one(below: str = "") -> Callable[[Place, str], str]:
    return lambda place, _: f"{PATH}/{place.template_id}{below}"


def _always(path: str) -> Callable[[Place, str], str]:
    return lambda _, __: path


def _last_page(place: Place, _: str) -> str:
    return f"{PATH}/{place.template_id}/history?page={place.size // 100 // 50}"


WORKS = (
    Work("list", _always(PATH)),
    Work("get", _one()),
    Work("history", _one("/history")),
    Work("history, last page", _last_page, grows=("events",)),
    Work("log", _always(f"{PATH}/history")),
    Work("log of one actor", _always(f"{PATH}/history?actor=ci-3"), grows=("events",)),
    Work("console: list", _always(f"{_CONSOLE}/")),
    Work("console: template", lambda place, _: f"{_CONSOLE}/t/{place.template_id}"),
    Work("console: log", _always(f"{_CONSOLE}/log")),
    Work("console: claims", _always(f"{_CONSOLE}/claims"), least=PAGE),
    Work("renewal", _one("/claims/worker-00003"), grows=("claims",), method="PUT", body=_LEASE),
    Work(
        "new claim",
        lambda place, word: f"{PATH}/{place.template_id}/claims/new-{word}",
        grows=("claims",),
        method="PUT",
        body=_LEASE,
        undone=True,
        most=1000,
    ),
    Work("search by q", _always(f"{PATH}?q=no+such+words"), grows=("templates",), linear=True, requests=2),
    Work("claims of one template", _one("/claims"), grows=("claims",), linear=True),
)
