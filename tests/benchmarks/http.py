"""The REST API under load: every contestant on one server, in interleaved rounds."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from tests.benchmarks import agreement, data, load, processes
from tests.benchmarks.contestants import ALL, CONTESTANTS, OURS, Contestant, Server, id_of
from tests.benchmarks.load import Load
from tests.benchmarks.peers.common import PATH
from tests.benchmarks.report import Results, Spread, Target, number, ratio, table, verdict
from tests.support.servers import Mongod, with_database

WRITES = ("create", "update")


@dataclass(frozen=True, slots=True)
class Scene:
    """One table: who is compared at what, and how they are served.

    Attributes:
        key: short name.
        title: heading.
        worker: gunicorn's worker class.
        journal: whether all writes wait for the journal; else each contestant's defaults hold.
        templates: how many each holds.
        works: what is measured.
        judged: whether the targets are meant for it.
    """

    key: str
    title: str
    worker: str
    journal: bool
    templates: int
    works: tuple[str, ...] = ALL
    judged: bool = False


SCENES = (
    Scene("gevent-50", "gevent, journaled writes, 50 templates", "gevent", True, 50, judged=True),
    Scene("gevent-1000", "gevent, journaled writes, 1,000 templates", "gevent", True, 1000, judged=True),
    Scene("threads-1000", "threads, journaled writes, 1,000 templates", "gthread", True, 1000),
    Scene("defaults-1000", "gevent, each at its default durability, 1,000 templates", "gevent", False, 1000, WRITES),
)

TARGETS = {
    "list": {"smorest": 10.0, "eve": 6.0, "beanie": 3.5, "bare": 1.0},
    "get": {"smorest": 1.75, "eve": 1.6, "beanie": 1.0, "bare": 0.65},
    "create": {"smorest": 2.0, "eve": 3.5, "beanie": 1.0},
    "update": {"smorest": 2.5, "eve": 3.0, "beanie": 1.2},
}


@dataclass(slots=True)
class Sample:
    """What was measured of one contestant at one work in one round; CPU in microseconds a request."""

    load: Load
    worker_cpu: float
    mongod_cpu: float

    def to_dict(self) -> dict[str, Any]:
        """The sample for JSON."""
        return {"rate": self.load.rate, **asdict(self)}


@dataclass(slots=True)
class Outcome:
    """What one scene measured: samples by work and contestant, in the order of the rounds."""

    scene: Scene
    samples: dict[str, dict[str, list[Sample]]] = field(default_factory=dict)
    memory_mb: dict[str, float] = field(default_factory=dict)

    def ratio(self, work: str, key: str) -> Spread:
        """Our requests a second against those of another, round by round."""
        ours, theirs = ([sample.load.rate for sample in self.samples[work][who]] for who in (OURS.key, key))
        return ratio(ours, theirs)

    def cpu_ratio(self, work: str, key: str) -> Spread:
        """Another's CPU time a request against ours, round by round: less moved by what else the machine does."""
        theirs, ours = ([sample.worker_cpu for sample in self.samples[work][who]] for who in (key, OURS.key))
        return ratio(theirs, ours)

    def target(self, work: str, key: str) -> Target | None:
        """The target of a ratio, where there is one for this scene."""
        value = TARGETS.get(work, {}).get(key) if self.scene.judged else None
        return None if value is None else Target(value)

    def to_dict(self) -> Results:
        """The outcome for JSON."""
        return {
            "scene": asdict(self.scene),
            "memory_mb": self.memory_mb,
            "samples": {
                work: {key: [sample.to_dict() for sample in samples] for key, samples in by_key.items()}
                for work, by_key in self.samples.items()
            },
            "ratios": {
                work: {
                    key: {
                        **self.ratio(work, key).to_dict(),
                        "cpu": self.cpu_ratio(work, key).to_dict(),
                        "target": target.value if (target := self.target(work, key)) else None,
                    }
                    for key in by_key
                    if key != OURS.key
                }
                for work, by_key in self.samples.items()
            },
        }

    def __str__(self) -> str:
        rows = []
        for work, by_key in self.samples.items():
            for contestant in CONTESTANTS:
                if contestant.key in by_key:
                    rows.append(self._row(work, contestant, by_key[contestant.key]))
        headings = ["", "requests/s", "p50 ms", "p99 ms", "CPU µs", "mongod µs", "ours × as fast", "target", "CPU ×"]
        sizes = ", ".join(
            f"{contestant.title} {self.memory_mb[contestant.key]:.0f}"
            for contestant in CONTESTANTS
            if contestant.key in self.memory_mb
        )
        memory = f"Memory of the worker after its first answer, MB (this extension has seeded by then): {sizes}."
        return f"### {self.scene.title}\n\n{table(headings, rows)}\n\n{memory}"

    def _row(self, work: str, contestant: Contestant, samples: Sequence[Sample]) -> list[object]:
        compared = self.ratio(work, contestant.key)
        measured = [
            Spread.of([sample.load.rate for sample in samples]),
            *(
                number(Spread.of(values).median)
                for values in (
                    [sample.load.p50 for sample in samples],
                    [sample.load.p99 for sample in samples],
                    [sample.worker_cpu for sample in samples],
                    [sample.mongod_cpu for sample in samples],
                )
            ),
        ]
        if contestant == OURS:
            return [f"**{work}**: {contestant.title}", *measured, "", "", ""]
        goal = verdict(self.target(work, contestant.key), compared.median)
        return [
            f"{work}: {contestant.title}",
            *measured,
            compared,
            goal,
            number(self.cpu_ratio(work, contestant.key).median),
        ]


def run(
    mongod: Mongod,
    scene: Scene,
    *,
    rounds: int,
    seconds: int,
    logs: Path,
    contestants: Sequence[Contestant] = CONTESTANTS,
) -> Outcome:
    """Measure one scene."""
    outcome = Outcome(scene)
    specs = data.specs(scene.templates)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        templates = data.write_yaml(scratch / "templates.yaml", specs)
        entrants = []
        for contestant in contestants:
            if not set(contestant.works) & set(scene.works):
                continue
            entrant = _Entrant(contestant, scene, mongod=mongod, scratch=scratch, logs=logs, templates=templates)
            stack.callback(entrant.close)
            entrant.server.wait()
            outcome.memory_mb[contestant.key] = processes.rss_mb(entrant.server.pid)
            entrant.fill(specs)
            agreement.check(entrant.server, specs, journal=scene.journal or contestant == OURS)
            entrants.append(entrant)
        for number_of_round in range(-1, rounds):  # the first one only warms up
            for work in scene.works:
                for entrant in _turned(entrants, number_of_round):
                    if work not in entrant.contestant.works:
                        continue
                    sample = entrant.measure(work, 1 if number_of_round < 0 else seconds, number_of_round)
                    if number_of_round >= 0:
                        by_key = outcome.samples.setdefault(work, {})
                        by_key.setdefault(entrant.contestant.key, []).append(sample)
    return outcome


class _Entrant:
    """A contestant in one scene: its server, its database, and what it is asked."""

    def __init__(
        self, contestant: Contestant, scene: Scene, *, mongod: Mongod, scratch: Path, logs: Path, templates: Path
    ) -> None:
        self.contestant = contestant
        self._mongod = mongod
        self._scratch = scratch
        self._prefix = f"bench-{time.time_ns()}"
        durable = {"journal": "true"} if scene.journal else {}
        uri = with_database(mongod.uri, f"benchmark-{scene.key}-{contestant.key}", **durable)
        self._client: MongoClient[dict[str, Any]] = MongoClient(uri)
        if contestant.key == "bare":
            data.insert_stored(uri, data.specs(scene.templates))
        log = logs / f"{scene.key}-{contestant.key}.log"
        self.server = Server(contestant, uri, worker=scene.worker, log=log, templates=templates)

    def fill(self, specs: list[data.Spec]) -> None:
        """Give it its templates, unless it has them."""
        if self.contestant.key in {"smorest", "eve", "beanie"}:
            self.server.post_all(specs)
        items = self.server.ask("GET", PATH).items
        # The templates of the first page, of each contestant; one whose answers are constant takes any id.
        paths = [
            f"{PATH}/{id_of(item) if 'id' in item or '_id' in item else number}" for number, item in enumerate(items)
        ]
        self._paths = paths

    def measure(self, work: str, seconds: int, number_of_round: int) -> Sample:
        """Put it under load."""
        worker, mongod = processes.cpu_seconds(self.server.pid), processes.cpu_seconds(self._mongod.pid)
        measured = self._load(work, seconds, number_of_round)
        worker = processes.cpu_seconds(self.server.pid) - worker
        mongod = processes.cpu_seconds(self._mongod.pid) - mongod
        if work == "create":
            agreement.remove_created(self._client)
        return Sample(measured, worker / measured.requests * 1e6, mongod / measured.requests * 1e6)

    def _load(self, work: str, seconds: int, number_of_round: int) -> Load:
        port, scratch = self.server.port, self._scratch
        match work:
            case "list":
                return load.read(port, [(PATH, None)], seconds=seconds, scratch=scratch)
            case "get":
                return load.read(port, [(path, None) for path in self._paths], seconds=seconds, scratch=scratch)
            case "not modified":
                tags = [(path, self.server.ask("GET", path).headers["etag"]) for path in self._paths]
                return load.read(port, tags, seconds=seconds, scratch=scratch)
            case "create":
                prefix = f"{self._prefix}-{number_of_round}"
                return load.create(port, PATH, data.spec(0), prefix, seconds=seconds, scratch=scratch)
            case _:
                return load.update(port, self._paths, seconds=seconds, scratch=scratch)

    def close(self) -> None:
        """End its server and drop its database."""
        self.server.stop()
        self._client.drop_database(self._client.get_default_database().name)
        self._client.close()


def _turned(entrants: Sequence[_Entrant], by: int) -> list[_Entrant]:
    """The entrants, beginning with another one in each round."""
    start = by % len(entrants)
    return [*entrants[start:], *entrants[:start]]
