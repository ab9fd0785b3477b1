"""The tables of the REST API under load: who is compared at what, with how many templates, and how all are served."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tests.benchmarks.contestants import ALL, CLAIMS, READS, WRITES, Contestant
from tests.benchmarks.servers import GTHREAD, Serving
from tests.benchmarks.targets import row_of


@dataclass(frozen=True, slots=True)
class Scene:
    """One table.

    Attributes:
        key: short name.
        title: heading.
        templates: how many each contestant holds.
        works: what is measured.
        rows: the rows of the limits that the works stand for, by work.
        journal: whether all writes wait for the journal; else each contestant's defaults hold.
        threads: whether WSGI apps are served by gunicorn's threads, as most hosts are; else each by the best for it.
        left_out: contestants that do not take part.
    """

    key: str
    title: str
    templates: int
    works: tuple[str, ...]
    rows: Mapping[str, str]
    journal: bool = True
    threads: bool = False
    left_out: tuple[str, ...] = ()

    def serving(self, contestant: Contestant, best: Mapping[str, Serving]) -> Serving:
        """How a contestant is served, given the best server of each."""
        return GTHREAD if self.threads and not contestant.app.asgi else best[contestant.key]

    def takes(self, contestant: Contestant) -> bool:
        """Whether a contestant takes part."""
        return contestant.key not in self.left_out and bool(set(contestant.works) & set(self.works))

    def to_dict(self) -> dict[str, Any]:
        """The scene for JSON."""
        return asdict(self)


SCENES = (
    Scene(
        "page-50",
        "The best server for each, 50 templates",
        50,
        ("list",),
        {"list": "list, 50 of 50"},
        left_out=("ours-hooked",),
    ),
    Scene(
        "best-1000",
        "The best server for each, journaled writes, 1,000 templates",
        1000,
        (*ALL, *CLAIMS),
        {work: row_of(work) for work in (*ALL, *CLAIMS)},
    ),
    Scene(
        "threads-1000",
        "WSGI by gunicorn's threads, 1,000 templates",
        1000,
        READS,
        {work: f"threads: {work}" for work in READS},
        threads=True,
        left_out=("ours-hooked",),
    ),
    Scene(
        "defaults-1000",
        "The best server for each, each at its default durability, 1,000 templates",
        1000,
        WRITES,
        {},
        journal=False,
        left_out=("ours-hooked", "constant"),
    ),
)
