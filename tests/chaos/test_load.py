"""Faults under load: clients in processes of their own change templates through several worker processes meanwhile.

The short forms run with the other tests. The long forms run on request, and print a summary:
``pytest -m chaos --chaos-seconds=600 tests/chaos``.
"""

from __future__ import annotations

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

from tests.chaos.checker import violations
from tests.chaos.load import Load, Summary, longest_gap
from tests.chaos.served import Gunicorn
from tests.needs import missing
from tests.servers import Mongod, ReplicaSet, ServerMissingError, with_database
from tests.strategies import spec_with

pytestmark = pytest.mark.server

SEEDS = [dict(spec_with(f"seeded-{number:02}")) for number in range(20)]
TIMEOUT_MS = 4000
CLIENTS = 3
RECOVERY_SECONDS = 2.5
"""Time after the last fault in which a change must be acknowledged."""

Faults = Counter[str]


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
    name: str, uri: str, directory: Path, seconds: float, inject: Callable[[Gunicorn, random.Random, Faults], None]
) -> Summary:
    """Run the load with a fault now and then for a time, and a little longer without; then check."""
    seed = random.randrange(1 << 32)
    random_ = random.Random(seed)
    password = urlsplit(uri).password
    secrets = [password] if password else []
    faults: Faults = Counter()
    config = {"WORKER_TEMPLATES_MONGODB_URI": uri, "WORKER_TEMPLATES_DB_TIMEOUT_MS": TIMEOUT_MS}
    with Gunicorn(directory, config, seeds=SEEDS) as app:
        begun = time.monotonic()
        with _load(app, secrets) as load:
            time.sleep(0.5)
            while time.monotonic() < begun + seconds:
                inject(app, random_, faults)
            healed = time.monotonic()
            time.sleep(RECOVERY_SECONDS)
            told = load.told()
    with MongoClient[dict[str, Any]](uri) as client:
        found = violations(client.get_default_database(), told.writes, told.uses, once=True)
    found = [f"{name}, random seed {seed}"] * bool(found) + found
    log = app.log_text()
    found += [f"in the log: {line}" for line in log.splitlines() if "Traceback" in line][:3]
    found += ["the password is in the log" for secret in secrets if secret in log]
    if not [moment for moment in told.times if moment > healed]:
        found.append("nothing was acknowledged after the last fault")
    end = told.times[-1] if told.times else begun
    return Summary(name, told, faults, told.wrong + found, longest_gap(told.times, begun, end))


def _assert_fine(summary: Summary, *, at_least: int, faults: int, stall: float) -> None:
    print(summary)
    assert not summary.violations, "\n".join(summary.violations[:50])
    assert sum(summary.faults.values()) >= faults
    assert len(summary.told.writes) >= at_least
    assert summary.longest_stall < stall


# Kill -9 of workers


def _kill_workers(seconds: float, directory: Path, mongod: Mongod) -> Summary:
    uri = with_database(mongod.uri, f"chaos_workers_{random.randrange(1 << 32):x}")

    def inject(app: Gunicorn, random_: random.Random, faults: Faults) -> None:
        faults["kill -9 of a worker"] += app.kill_worker(random_)
        time.sleep(random_.uniform(0.05, 0.6))

    return _run("kill -9 of application workers", uri, directory, seconds, inject)


# Kill -9 of a standalone server


def _kill_server(seconds: float, directory: Path, stack: ExitStack) -> Summary:
    server: Mongod = _started(stack, Mongod(auth=True))
    uri = with_database(server.uri, "chaos", w="1", journal="false")

    def inject(app: Gunicorn, random_: random.Random, faults: Faults) -> None:
        time.sleep(random_.uniform(0.3, 1.5))
        server.kill()
        faults["kill -9 of mongod"] += 1
        time.sleep(random_.uniform(0, 0.6))
        server.start()

    return _run("kill -9 of a standalone mongod", uri, directory, seconds, inject)


# The primary of a replica set


def _kill_primary(seconds: float, directory: Path, stack: ExitStack) -> Summary:
    members: ReplicaSet = _started(stack, ReplicaSet())
    uri = with_database(members.uri, "chaos", w="1", journal="false")

    def inject(app: Gunicorn, random_: random.Random, faults: Faults) -> None:
        time.sleep(random_.uniform(0.3, 1.5))
        if random_.random() < 0.25:
            members.step_down(seconds=2)
            faults["step-down of the primary"] += 1
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
            time.sleep(random_.uniform(0.2, 1))
            killed.start()
        members.start()

    return _run("kill -9 of the primary, URI with w=1", uri, directory, seconds, inject)


def test_kill_9_of_random_workers(tmp_path: Path, mongod: Mongod) -> None:
    summary = _kill_workers(6, tmp_path, mongod)
    _assert_fine(summary, at_least=50, faults=3, stall=15)


def test_kill_9_of_a_standalone_server(tmp_path: Path, stack: ExitStack) -> None:
    summary = _kill_server(8, tmp_path, stack)
    _assert_fine(summary, at_least=50, faults=2, stall=20)
    _only_success_or_503(summary)


def test_kill_9_of_the_primary_of_a_replica_set(tmp_path: Path, stack: ExitStack) -> None:
    summary = _kill_primary(12, tmp_path, stack)
    _assert_fine(summary, at_least=50, faults=1, stall=20)
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
    _assert_fine(summary, at_least=int(seconds), faults=max(1, int(seconds / 10)), stall=30)
    if scenario != "workers":
        _only_success_or_503(summary)
