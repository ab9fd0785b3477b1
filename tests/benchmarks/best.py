"""Which server is the best for each contestant: a short measurement on those that suit it."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks import data
from tests.benchmarks.contestants import BARE, CONSTANT, CONTESTANTS, HOOKED, OURS, PEERS, READS
from tests.benchmarks.http import Entrant, turned
from tests.benchmarks.report import Results, Spread, table
from tests.benchmarks.scenes import Scene
from tests.benchmarks.servers import SERVINGS, Serving, candidates, usual
from tests.support.servers import Mongod

_WORKS = (*READS, "update")
_SCENE = Scene("best", "Which server is the best for each, 50 templates", 50, _WORKS, {})
_TRIED = (OURS, *PEERS, BARE)

Servings = dict[str, Serving]


def of_the_usual() -> Servings:
    """The usual server of each contestant."""
    return {contestant.key: usual(contestant.app) for contestant in CONTESTANTS}


@dataclass(slots=True)
class Choice:
    """What was measured.

    Attributes:
        rates: requests a second by contestant, server and work, in the order of the rounds.
    """

    rates: dict[str, dict[str, dict[str, list[float]]]] = field(default_factory=dict)

    def best(self) -> Servings:
        """The best server of each contestant: that of the highest geometric mean over the works."""
        chosen = of_the_usual()
        for key, by_server in self.rates.items():
            best = max(by_server, key=lambda server: self._mean(by_server[server]))
            chosen[key] = SERVINGS[best]
        # What shows where the time of another goes is served as that is.
        chosen[HOOKED.key] = chosen[CONSTANT.key] = chosen[OURS.key]
        return chosen

    @staticmethod
    def _mean(works: Mapping[str, list[float]]) -> float:
        return math.prod(Spread.of(rates).median for rates in works.values())

    def to_dict(self) -> Results:
        """The choice for JSON."""
        return {"rates": self.rates, "best": {key: serving.key for key, serving in self.best().items()}}

    def text(self, installed: Mapping[str, str]) -> str:
        """The table, with the versions of the servers."""
        best = self.best()
        rows = [
            [
                contestant.title,
                SERVINGS[server].versions(installed),
                *(Spread.of(works[work]) if work in works else "" for work in _WORKS),
                "✓" if best[contestant.key].key == server else "",
            ]
            for contestant in _TRIED
            for server, works in self.rates[contestant.key].items()
        ]
        return f"### {_SCENE.title}\n\n" + table(["", "server", *(f"{work}, requests/s" for work in _WORKS), ""], rows)


def choose(mongod: Mongod, *, rounds: int, seconds: int, logs: Path) -> Choice:
    """Measure each contestant on each server that suits it."""
    choice = Choice()
    specs = data.specs(_SCENE.templates)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        templates = data.write_yaml(scratch / "templates.yaml", specs)
        entrants = []
        for contestant in _TRIED:
            for serving in candidates(contestant.app):
                entrant = Entrant(
                    contestant,
                    _SCENE,
                    serving=serving,
                    mongod=mongod,
                    scratch=scratch,
                    logs=logs,
                    templates=templates,
                )
                stack.callback(entrant.close)
                entrant.server.wait()
                entrant.fill(specs)
                entrant.warm()
                entrants.append(entrant)
        for number_of_round in range(rounds):
            for work in _WORKS:
                for entrant in turned(entrants, number_of_round):
                    if work not in entrant.contestant.works:
                        continue
                    sample = entrant.measure(work, seconds, number_of_round)
                    by_server = choice.rates.setdefault(entrant.contestant.key, {})
                    by_server.setdefault(entrant.serving.key, {}).setdefault(work, []).append(sample.load.rate)
    return choice
