"""What a scene measured: samples by work and contestant, their ratios, and the table of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.benchmarks.contestants import CONTESTANTS, OURS, Contestant
from tests.benchmarks.load import Load
from tests.benchmarks.report import Results, Spread, number, ratio, table, verdict
from tests.benchmarks.scenes import Scene
from tests.benchmarks.servers import Serving
from tests.benchmarks.targets import LIMITS, Figures


@dataclass(slots=True)
class Sample:
    """What was measured of one contestant at one work in one round; CPU in microseconds a request."""

    load: Load
    worker_cpu: float
    mongod_cpu: float

    def to_dict(self) -> dict[str, Any]:
        """The sample for JSON."""
        return {"rate": self.load.rate, **asdict(self)}


Round = dict[str, dict[str, Sample]]
"""What one round measured, by work and contestant."""


@dataclass(slots=True)
class Outcome:
    """What one scene measured.

    Attributes:
        scene: which.
        servings: how each contestant was served.
        rounds: each whole round.
        alone: microseconds of the worker that the commands of a work cost alone, by work, in the order of the rounds.
        memory_mb: of the worker after its first answer.
    """

    scene: Scene
    servings: Mapping[str, Serving]
    rounds: list[Round] = field(default_factory=list)
    alone: dict[str, list[float]] = field(default_factory=dict)
    memory_mb: dict[str, float] = field(default_factory=dict)

    def samples(self, work: str, key: str) -> list[Sample]:
        """Of one contestant at one work, in the order of the rounds."""
        return [found[work][key] for found in self.rounds if key in found.get(work, {})]

    def keys(self, work: str) -> list[str]:
        """Who was measured at a work."""
        return [one.key for one in CONTESTANTS if self.samples(work, one.key)]

    def ratio(self, work: str, key: str) -> Spread:
        """Our requests a second against those of another, round by round."""
        ours, theirs = ([sample.load.rate for sample in self.samples(work, who)] for who in (OURS.key, key))
        return ratio(ours, theirs)

    def cpu(self, work: str, key: str) -> list[float]:
        """The worker's CPU time a request, round by round."""
        return [sample.worker_cpu for sample in self.samples(work, key)]

    def cpu_ratio(self, work: str, key: str) -> Spread:
        """Another's CPU time a request against ours, round by round: less moved by what else the machine does."""
        return ratio(self.cpu(work, key), self.cpu(work, OURS.key))

    @property
    def figures(self) -> Figures:
        """What the limits are compared with."""
        found: Figures = {}
        for work, row in self.scene.rows.items():
            keys = self.keys(work)
            if OURS.key not in keys:
                continue
            limits = LIMITS.get(row, {})
            columns = {key: self.ratio(work, key) for key in keys if key in limits}
            if "update" in limits and (updates := self.samples("update", OURS.key)):
                ours = [sample.load.rate for sample in self.samples(work, OURS.key)]
                columns["update"] = ratio(ours, [sample.load.rate for sample in updates])
            if work in self.alone and "constant" in keys:
                limit = [one + other for one, other in zip(self.cpu(work, "constant"), self.alone[work], strict=True)]
                columns["alone"] = ratio(self.cpu(work, OURS.key), limit)
            found[row] = columns
        return found

    def to_dict(self) -> Results:
        """The outcome for JSON."""
        works = [work for work in self.scene.works if self.keys(work)]
        return {
            "scene": self.scene.to_dict(),
            "servers": {key: serving.key for key, serving in self.servings.items()},
            "memory_mb": self.memory_mb,
            "alone": self.alone,
            "samples": {
                work: {key: [one.to_dict() for one in self.samples(work, key)] for key in self.keys(work)}
                for work in works
            },
            "ratios": {
                work: {
                    key: {**self.ratio(work, key).to_dict(), "cpu": self.cpu_ratio(work, key).to_dict()}
                    for key in self.keys(work)
                    if key != OURS.key
                }
                for work in works
            },
        }

    def __str__(self) -> str:
        rows = []
        for work in self.scene.works:
            for contestant in CONTESTANTS:
                if self.samples(work, contestant.key):
                    rows.append(self._row(work, contestant))
            if self.alone.get(work):
                cpu = Spread.of(self.alone[work])
                rows.append([f"{work}: its commands alone", "", "", "", "", number(cpu.median), "", "", "", ""])
        headings = [
            *("", "server", "requests/s", "p50 ms", "p99 ms", "CPU µs", "mongod µs", "ours × as fast", "target"),
            "CPU ×",
        ]
        titles = {contestant.key: contestant.title for contestant in CONTESTANTS}
        sizes = ", ".join(f"{titles[key]} {size:.0f}" for key, size in self.memory_mb.items())
        memory = f"Memory of the worker after its first answer, MB (this extension has seeded by then): {sizes}."
        return f"### {self.scene.title}, {len(self.rounds)} rounds\n\n{table(headings, rows)}\n\n{memory}"

    def _row(self, work: str, contestant: Contestant) -> list[object]:
        samples: Sequence[Sample] = self.samples(work, contestant.key)
        measured = [
            self.servings[contestant.key].key,
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
        compared = self.ratio(work, contestant.key)
        target = LIMITS.get(self.scene.rows.get(work, ""), {}).get(contestant.key)
        return [
            f"{work}: {contestant.title}",
            *measured,
            compared,
            verdict(target, compared.median),
            number(self.cpu_ratio(work, contestant.key).median),
        ]
