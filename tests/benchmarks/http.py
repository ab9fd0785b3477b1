"""The REST API under load: every contestant on one server, in interleaved rounds."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from tests.benchmarks import agreement, data, load
from tests.benchmarks.alone import Alone
from tests.benchmarks.contestants import CONTESTANTS, OURS, Contestant, Server, id_of
from tests.benchmarks.load import Load
from tests.benchmarks.outcome import Outcome, Round, Sample
from tests.benchmarks.peers.common import PATH
from tests.benchmarks.scenes import Scene
from tests.benchmarks.servers import Serving
from tests.support import processes
from tests.support.servers import Mongod, with_database


def run(
    mongod: Mongod,
    scene: Scene,
    *,
    best: Mapping[str, Serving],
    rounds: int,
    seconds: int,
    logs: Path,
    tell: Callable[[Outcome], None],
) -> Outcome:
    """Measure one scene.

    Args:
        mongod: the server.
        scene: what is measured.
        best: the best server of each contestant.
        rounds: how often.
        seconds: of load for each figure.
        logs: directory for the logs of the servers.
        tell: is told the outcome after each round.
    """
    entered = [contestant for contestant in CONTESTANTS if scene.takes(contestant)]
    outcome = Outcome(scene, {contestant.key: scene.serving(contestant, best) for contestant in entered})
    specs = data.specs(scene.templates)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        templates = data.write_yaml(scratch / "templates.yaml", specs)
        entrants = []
        for contestant in entered:
            entrant = Entrant(
                contestant,
                scene,
                serving=outcome.servings[contestant.key],
                mongod=mongod,
                scratch=scratch,
                logs=logs,
                templates=templates,
            )
            stack.callback(entrant.close)
            entrant.server.wait()
            outcome.memory_mb[contestant.key] = processes.rss_mb(entrant.server.pid)
            entrant.fill(specs)
            agreement.check(entrant.server, specs, journal=scene.journal or contestant.is_ours)
            entrant.warm()
            entrants.append(entrant)
        alone = None
        if {"create", "update"} <= set(scene.rows):
            alone = Alone(mongod, scratch, gevent=outcome.servings[OURS.key].gevent)
        for number_of_round in range(rounds):
            outcome.rounds.append(_round(scene, entrants, number_of_round, seconds))
            for work, cost in (alone.measure() if alone else {}).items():
                outcome.alone.setdefault(work, []).append(cost)
            tell(outcome)
    return outcome


def _round(scene: Scene, entrants: Sequence[Entrant], number_of_round: int, seconds: int) -> Round:
    measured: Round = {}
    for work in scene.works:
        for entrant in turned(entrants, number_of_round):
            if work in entrant.contestant.works:
                sample = entrant.measure(work, seconds, number_of_round)
                measured.setdefault(work, {})[entrant.contestant.key] = sample
    return measured


class Entrant:
    """A contestant in one scene: its server, its database, and what it is asked."""

    def __init__(
        self,
        contestant: Contestant,
        scene: Scene,
        *,
        serving: Serving,
        mongod: Mongod,
        scratch: Path,
        logs: Path,
        templates: Path,
    ) -> None:
        self.contestant = contestant
        self.serving = serving
        self._mongod = mongod
        self._scratch = scratch
        self._prefix = f"bench-{time.time_ns()}"
        durable = {"journal": "true"} if scene.journal else {}
        uri = with_database(mongod.uri, f"benchmark-{scene.key}-{contestant.key}-{serving.key}", **durable)
        self._client: MongoClient[dict[str, Any]] = MongoClient(uri)
        if contestant.key == "bare":
            data.insert_stored(uri, data.specs(scene.templates))
        log = logs / f"{scene.key}-{contestant.key}-{serving.key}.log"
        self.server = Server(contestant, uri, serving=serving, log=log, templates=templates)

    def fill(self, specs: list[data.Spec]) -> None:
        """Give it its templates, unless it has them."""
        if self.contestant.key in {"smorest", "eve", "beanie"}:
            self.server.post_all(specs)
        items = self.server.ask("GET", PATH).items
        # The templates of the first page, of each contestant; one whose answers are constant takes any id.
        self._paths = [
            f"{PATH}/{id_of(item) if 'id' in item or '_id' in item else number}" for number, item in enumerate(items)
        ]
        # A disabled template takes no claim.
        enabled = self._client.get_default_database()["worker_templates"].find({"enabled": True}, {"_id": 1})
        self._claimable = [f"{PATH}/{found['_id']}" for found in enabled] if self.contestant.is_ours else []

    def warm(self) -> None:
        """Ask for everything that is read once or more, from as many connections as the load has, before it counts."""
        with ThreadPoolExecutor(max_workers=load.CONNECTIONS) as pool:
            list(pool.map(lambda path: self.server.ask("GET", path), [PATH] * 2 * load.CONNECTIONS + 2 * self._paths))

    def measure(self, work: str, seconds: int, number_of_round: int) -> Sample:
        """Put it under load."""
        worker, mongod = processes.cpu_seconds(self.server.pid), processes.cpu_seconds(self._mongod.pid)
        measured = self._load(work, seconds, number_of_round)
        worker = processes.cpu_seconds(self.server.pid) - worker
        mongod = processes.cpu_seconds(self._mongod.pid) - mongod
        if work == "create":
            agreement.remove_created(self._client)
        elif work in {"claim", "renew"}:
            agreement.remove_claims(self._client)
        return Sample(measured, worker / measured.requests * 1e6, mongod / measured.requests * 1e6)

    def _load(self, work: str, seconds: int, number_of_round: int) -> Load:
        if work in {"list", "get", "not modified"}:
            return load.read(self.server.port, self._targets(work), seconds=seconds, scratch=self._scratch)
        return self._write(work, seconds=seconds, prefix=f"{self._prefix}-{number_of_round}")

    def _targets(self, work: str) -> list[tuple[str, str | None]]:
        if work == "list":
            return [(PATH, None)]
        tagged = work == "not modified"
        return [(path, self.server.ask("GET", path).headers["etag"] if tagged else None) for path in self._paths]

    def _write(self, work: str, *, seconds: int, prefix: str) -> Load:
        port, scratch = self.server.port, self._scratch
        match work:
            case "create":
                return load.create(port, PATH, data.spec(0), prefix, seconds=seconds, scratch=scratch)
            case "update":
                return load.update(port, self._paths, seconds=seconds, scratch=scratch)
            case "claim":
                return load.claim(port, self._claimable, prefix, seconds=seconds, scratch=scratch)
            case _:
                return load.renew(port, self._claimable, prefix, seconds=seconds, scratch=scratch)

    def close(self) -> None:
        """End its server and drop its database."""
        self.server.stop()
        self._client.drop_database(self._client.get_default_database().name)
        self._client.close()


def turned(entrants: Sequence[Entrant], by: int) -> list[Entrant]:
    """The entrants, beginning with another one in each round."""
    start = by % len(entrants)
    return [*entrants[start:], *entrants[:start]]
