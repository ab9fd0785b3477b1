"""Faults under load: clients in processes of their own change templates through several worker processes meanwhile.

Faults are paced by what gets done, and not by the clock: on a machine that is busy otherwise the same happens, later.
The short forms are for the thorough run. The long forms run on request, and print a summary:
``pytest -m chaos --chaos-seconds=600 tests/chaos``.
"""

from __future__ import annotations

import itertools
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from tests.chaos import child
from tests.chaos.checker import violations
from tests.chaos.load import Load, Summary, longest_gap, longest_recovery
from tests.chaos.served import Gunicorn
from tests.support.needs import missing
from tests.support.servers import Mongod, ReplicaSet, ServerMissingError, with_database
from tests.support.strategies import spec_with

pytestmark = pytest.mark.server

TIMEOUT_MS = 4000
CLIENTS = 3
MIN = 60
"""So many changes are acknowledged in a run, if need be after its time is over."""
PATIENCE = 120.0
"""So many seconds after the time of a run it ends all the same."""
RECOVERY = 10.0
"""Seconds from when there is a server, or a primary, to the first change that is acknowledged."""
STALL = 60.0
"""Seconds without an acknowledged change: a fault, and on a loaded machine the start of processes one by one."""

Raw = Database[dict[str, Any]]
Faults = Counter[str]
Inject = Callable[[Gunicorn, random.Random, Faults], float]
"""Does harm, counts it, and returns the moment (`time.monotonic`) at which the harm was over."""


def _seeds(edition: int) -> list[dict[str, Any]]:
    """The definition file; its editions differ in what no client changes."""
    return [dict(spec_with(f"seeded-{number:02}", cost_per_hour_usd=edition)) for number in range(20)]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        try:
            yield opened
        except ServerMissingError as error:
            missing(str(error))


def _started(stack: ExitStack, server: Any) -> Any:
    try:
        return stack.enter_context(server)
    except ServerMissingError as error:
        missing(str(error))


@contextmanager
def _load(app: Gunicorn, secrets: Sequence[str]) -> Iterator[Load]:
    load = Load(app.port, clients=CLIENTS, secrets=secrets)
    try:
        yield load
    finally:
        load.close()


def _run(
    name: str,
    uri: str,
    directory: Path,
    seconds: float,
    inject: Inject,
    *,
    bursts: Sequence[int],
    fewest: int,
    enough: Callable[[Raw], bool] = lambda raw: True,
) -> Summary:
    """Run the load with a fault now and then, and a little longer without; then check.

    Args:
        name: of the run.
        uri: of the database.
        directory: for the files of the app.
        seconds: how long at least.
        inject: the fault.
        bursts: how many faults may come before something must be acknowledged; one of these numbers each time.
        fewest: so many faults at least.
        enough: what else must have happened before it ends.
    """
    seed = random.randrange(1 << 32)
    random_ = random.Random(seed)
    password = urlsplit(uri).password
    secrets = [password] if password else []
    faults: Faults = Counter()
    healed: list[float] = []
    config = {
        "WORKER_TEMPLATES_MONGODB_URI": uri,
        "WORKER_TEMPLATES_DB_TIMEOUT_MS": TIMEOUT_MS,
        "WORKER_TEMPLATES_SYNC_ON_START": "safe",
    }
    with MongoClient[dict[str, Any]](uri) as client:
        raw = client.get_default_database()
        with Gunicorn(directory, config, seeds=_seeds(0)) as app, _load(app, secrets) as load:
            load.wait_for_more(1)  # clients that are not up yet are no load
            begun = time.monotonic()

            def unfinished() -> bool:
                if time.monotonic() < begun + seconds:
                    return True
                done = load.acknowledged >= MIN and sum(faults.values()) >= fewest and enough(raw)
                return not done and time.monotonic() < begun + seconds + PATIENCE

            while unfinished():
                for _ in range(random_.choice(bursts)):
                    over = inject(app, random_, faults)
                healed.append(over)
                load.wait_for_more(1)
            load.wait_for_more(CLIENTS + 1)  # more than what was under way
            told = load.told()
        found = _seeding_completes(uri, app.definitions, raw)
        found += violations(raw, told.writes, told.uses, once=True)
        synced = raw.worker_template_events.count_documents({"action": "synced"})
    log = app.log_text()
    found += [f"in the log: {line}" for line in log.splitlines() if "Traceback" in line][:3]
    found += ["the password is in the log" for secret in secrets if secret in log]
    if len([moment for moment in told.times if moment > healed[-1]]) <= CLIENTS:
        found.append("next to nothing was acknowledged after the last fault")
    found = [f"{name}, random seed {seed}"] * bool(found) + found
    return Summary(
        name,
        told,
        faults,
        told.wrong + found,
        longest_stall=longest_gap(told.times, begun, told.times[-1] if told.times else begun),
        longest_recovery=longest_recovery(told.times, healed),
        synced=synced,
    )


def _seeding_completes(uri: str, definitions: Path, raw: Raw) -> list[str]:
    """Seed once more, and return what is wrong with that."""
    outcomes = [child.run(uri, "seed", str(definitions)).outcome for _ in range(2)]
    wrong = [f"seeding again: {outcome}" for outcome in outcomes if outcome is None or outcome[0] != "ok"]
    if not wrong and outcomes[1] and outcomes[1][1]["created"]:
        wrong.append(f"seeding did not complete the first time: {outcomes}")
    absent = {spec["name"] for spec in _seeds(0)} - set(raw.worker_templates.distinct("name"))
    return [*wrong, *(f"{name} was not seeded" for name in sorted(absent))]


def _assert_fine(
    summary: Summary, *, faults: int, stall: float, recovery: float | None = None, at_least: int = MIN
) -> None:
    print(summary)
    assert not summary.violations, "\n".join(summary.violations[:50])
    assert sum(summary.faults.values()) >= faults
    assert len(summary.told.writes) >= at_least
    assert len(summary.told.workers) > 1
    assert summary.longest_stall < stall
    assert recovery is None or summary.longest_recovery < recovery


# Kill -9 of workers


def _kill_workers(seconds: float, directory: Path, mongod: Mongod) -> Summary:
    """Each worker that starts has a new edition of the definition file to sync."""
    editions = itertools.count(1)
    uri = with_database(mongod.uri, f"chaos_workers_{random.randrange(1 << 32):x}")

    def inject(app: Gunicorn, random_: random.Random, faults: Faults) -> float:
        app.define(_seeds(next(editions)))
        faults["kill -9 of a worker"] += app.kill_worker(random_)
        killed = time.monotonic()
        time.sleep(random_.uniform(0.05, 0.6))
        return killed

    def synced(raw: Raw) -> bool:
        return raw.worker_template_events.find_one({"action": "synced"}) is not None

    return _run(
        *("kill -9 of application workers", uri, directory, seconds, inject),
        bursts=(1, 2, 3, 4),
        fewest=3,
        enough=synced,
    )


# Kill -9 of a standalone server


def _kill_server(seconds: float, directory: Path, stack: ExitStack) -> Summary:
    server: Mongod = _started(stack, Mongod(auth=True))
    uri = with_database(server.uri, "chaos", w="1", journal="false")

    def inject(app: Gunicorn, random_: random.Random, faults: Faults) -> float:
        time.sleep(random_.uniform(0.3, 1.5))
        server.kill()
        faults["kill -9 of mongod"] += 1
        time.sleep(random_.uniform(0, 0.6))
        server.start()
        return time.monotonic()

    return _run("kill -9 of a standalone mongod", uri, directory, seconds, inject, bursts=(1, 1, 2), fewest=2)


# The primary of a replica set


def _kill_primary(seconds: float, directory: Path, stack: ExitStack) -> Summary:
    members: ReplicaSet = _started(stack, ReplicaSet())
    uri = with_database(members.uri, "chaos", w="1", journal="false")

    def inject(app: Gunicorn, random_: random.Random, faults: Faults) -> float:
        time.sleep(random_.uniform(0.3, 1.5))
        if random_.random() < 0.25:
            members.step_down(seconds=2)
            faults["step-down of the primary"] += 1
            members.primary()
            elected = time.monotonic()
        else:
            # Both others fetch nothing for a moment before, so that the last writes are on the primary alone: with a
            # write concern of 1 they would have been acknowledged, and be rolled back now.
            with ExitStack() as behind:
                for member in members.secondaries():
                    behind.enter_context(member.fail_point("stopReplProducer"))
                time.sleep(0.3)
                killed = members.kill_primary()
            faults["kill -9 of the primary"] += 1
            members.primary()
            elected = time.monotonic()
            time.sleep(random_.uniform(0.2, 1))
            killed.start()
        members.start()
        return elected

    return _run("kill -9 of the primary, URI with w=1", uri, directory, seconds, inject, bursts=(1, 1, 2), fewest=2)


@pytest.mark.thorough
def test_kill_9_of_random_workers(tmp_path: Path, mongod: Mongod) -> None:
    summary = _kill_workers(6, tmp_path, mongod)
    _assert_fine(summary, faults=3, stall=STALL)
    assert summary.synced > 0


@pytest.mark.thorough
def test_kill_9_of_a_standalone_server(tmp_path: Path, stack: ExitStack) -> None:
    summary = _kill_server(8, tmp_path, stack)
    _assert_fine(summary, faults=2, stall=STALL, recovery=RECOVERY)
    _only_success_or_503(summary)


@pytest.mark.thorough
def test_kill_9_of_the_primary_of_a_replica_set(tmp_path: Path, stack: ExitStack) -> None:
    summary = _kill_primary(12, tmp_path, stack)
    _assert_fine(summary, faults=2, stall=STALL, recovery=RECOVERY)
    _only_success_or_503(summary)


def _only_success_or_503(summary: Summary) -> None:
    assert summary.told.broken == 0
    assert summary.told.slowest < 2 * TIMEOUT_MS / 1000 + 2  # it may wait for a seeding, and then do its own work


@pytest.mark.chaos
@pytest.mark.parametrize("scenario", ["workers", "server", "primary"])
def test_long(scenario: str, tmp_path: Path, mongod: Mongod, stack: ExitStack, pytestconfig: pytest.Config) -> None:
    seconds = pytestconfig.getoption("--chaos-seconds") / 3
    if scenario == "workers":
        summary = _kill_workers(seconds, tmp_path, mongod)
    elif scenario == "server":
        summary = _kill_server(seconds, tmp_path, stack)
    else:
        summary = _kill_primary(seconds, tmp_path, stack)
    with pytestconfig.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print(summary, flush=True)
    recovery = None if scenario == "workers" else RECOVERY
    _assert_fine(
        summary, at_least=max(MIN, int(seconds)), faults=max(3, int(seconds / 10)), stall=STALL, recovery=recovery
    )
    if scenario == "workers":
        assert summary.synced > 0
    else:
        _only_success_or_503(summary)
