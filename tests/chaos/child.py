"""One operation of the store in a process of its own, which stops at a given command: dead or frozen.

The process is forked from a server that has the package imported and no threads, so that it starts in milliseconds.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from flask import Flask
from pymongo import monitoring

from flask_worker_templates import WorkerTemplates
from flask_worker_templates.model.claim import KEEP_TTL
from flask_worker_templates.model.spec import Spec, patched
from flask_worker_templates.reconcile.options import SyncOptions
from flask_worker_templates.reconcile.seed import seed
from flask_worker_templates.reconcile.sync import apply
from flask_worker_templates.reconcile.sync_plan import plan_sync
from flask_worker_templates.settings import Settings
from flask_worker_templates.store.connection import DatabaseAccess
from flask_worker_templates.store.store import Store
from tests.support.ownership import read_owned
from tests.support.processes import state

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload([__name__])

SECONDS = 60.0
"""Longest wait for a child. It takes a fraction of a second; the rest is for a loaded machine."""

_SHORT = {"worker_templates": "T", "worker_template_events": "E", "worker_template_log": "L"}

READS = {"find", "aggregate", "getMore", "listIndexes"}


@dataclass(frozen=True, slots=True)
class Stop:
    """Where a process is stopped: before a command is sent, or after its answer has come.

    Attributes:
        command: as `Child.commands` names it.
        nth: which of the commands of this name, from 0.
        after: whether after its answer.
        signal: by which it is stopped.
    """

    command: str
    nth: int = 0
    after: bool = False
    signal: signal.Signals = signal.SIGKILL


def writes_of(commands: Iterable[str]) -> tuple[str, ...]:
    """Return the commands that change something. Between two of them, a kill finds the same data everywhere."""
    return tuple(command for command in commands if command.split()[0] not in READS)


def after_each(writes: Sequence[str]) -> list[Stop]:
    """Return the stops after each of these commands."""
    return [Stop(command, writes[:number].count(command), after=True) for number, command in enumerate(writes)]


def make_store(uri: str, timeout_ms: int = 20_000) -> Store:
    """Return a store on a database."""
    return Store(DatabaseAccess(Settings(mongodb_uri=uri, db_timeout_ms=timeout_ms)))


def _create(store: Store, spec: Spec) -> Any:
    return store.create(spec, actor="child").to_dict()


def _update(store: Store, template_id: str, patch: Mapping[str, Any], if_revision: int | None = None) -> Any:
    allowed = None if if_revision is None else if_revision.__eq__
    return store.update(template_id, lambda spec: patched(spec, patch), actor="child", allowed=allowed).to_dict()


def _revert(store: Store, template_id: str, revision: int) -> Any:
    return store.revert(template_id, revision, actor="child").to_dict()


def _delete(store: Store, template_id: str, actor: str = "child") -> Any:
    return store.delete(template_id, actor=actor).to_dict()


def _restore(store: Store, template_id: str) -> Any:
    return store.restore(template_id, actor="child").to_dict()


def _claim(store: Store, template_id: str, worker_id: str, ttl: int | None = None) -> Any:
    return store.claim(template_id, worker_id, actor="child", ttl=KEEP_TTL if ttl is None else ttl)[1]


def _release(store: Store, template_id: str, worker_id: str) -> Any:
    return store.release(template_id, worker_id, actor="test")


def _prepare(store: Store) -> Any:
    return store.make_indexes()


def _seed(store: Store, path: str) -> Any:
    return seed(store, read_owned([path], Path(path).parent)).to_dict()


def _sync(store: Store, path: str) -> Any:
    files = read_owned([path], Path(path).parent)
    return apply(store, plan_sync(store, files, SyncOptions(prune=True)), actor="child").to_dict()


def _sync_over_http(store: Store, uri: str, path: str, options: Mapping[str, Any]) -> Any:
    """Plan, and sync by that plan, through the API of an app."""
    app = Flask("chaos_sync")
    app.config.update(
        TESTING=True,
        WORKER_TEMPLATES_MONGODB_URI=uri,
        WORKER_TEMPLATES_CONFIG_PATH=path,
        WORKER_TEMPLATES_SEED="off",
    )
    WorkerTemplates(app).actor_loader(lambda: "child")
    client = app.test_client()
    digest = client.post("/api/v1/templates/plan", json=options).get_json()["digest"]
    answer = client.post("/api/v1/templates/sync", json={**options, "digest": digest})
    assert answer.status_code == 200, answer.text
    return answer.get_json()


OPERATIONS: dict[str, Callable[..., Any]] = {
    "create": _create,
    "update": _update,
    "revert": _revert,
    "delete": _delete,
    "restore": _restore,
    "claim": _claim,
    "release": _release,
    "prepare": _prepare,
    "seed": _seed,
    "sync": _sync,
    "sync over HTTP": _sync_over_http,
}


class _Stopper(monitoring.CommandListener):
    """Reports each command on the collections, and stops this process at some of them."""

    def __init__(self, stops: Sequence[Stop], reports: Connection) -> None:
        self._stops = stops
        self._reports = reports
        self._sent: Counter[str] = Counter()
        self._running: dict[int, Stop] = {}

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        collection = _SHORT.get(str(event.command.get(event.command_name)))
        if collection is None:
            return
        command = f"{event.command_name} {collection}"
        place = Stop(command, self._sent[command])
        self._sent[command] += 1
        self._running[event.request_id] = replace(place, after=True)
        self._reports.send(command)
        self._reach(place)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        self._reach(self._running.get(event.request_id))

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        self._reach(self._running.get(event.request_id))

    def _reach(self, place: Stop | None) -> None:
        for stop in self._stops:
            if place == replace(stop, signal=signal.SIGKILL):
                os.kill(os.getpid(), stop.signal)


def _main(uri: str, operation: str, arguments: tuple[Any, ...], stops: Sequence[Stop], reports: Connection) -> None:
    monitoring.register(_Stopper(stops, reports))
    try:
        result = OPERATIONS[operation](make_store(uri), *arguments)
    except Exception as error:  # the parent judges it
        reports.send((type(error).__name__, str(error)))
    else:
        reports.send(("ok", result))


@dataclass(slots=True)
class Child:
    """A running operation.

    Attributes:
        commands: the commands it has sent, as ``"insert T"`` (templates) or ``"find E"`` (events).
        outcome: ``("ok", result)`` or the name of the exception and its message; None while it has none.
    """

    process: Any
    reports: Connection
    commands: list[str] = field(default_factory=list)
    outcome: tuple[str, Any] | None = None

    def wait_frozen(self) -> None:
        """Return once it has stopped itself by SIGSTOP."""
        deadline = time.monotonic() + SECONDS
        while state(self.process.pid) != "T":
            assert time.monotonic() < deadline, "the child did not stop"
            time.sleep(0.002)

    def go_on(self) -> None:
        """Let a frozen one go on."""
        os.kill(self.process.pid, signal.SIGCONT)

    def kill(self) -> None:
        """Kill it where it stands."""
        self.process.kill()

    def join(self) -> Child:
        """Wait for its end and take over what it has reported."""
        while True:
            try:
                report = self.reports.recv() if self.reports.poll(SECONDS) else None
            except EOFError:
                break
            assert report is not None, "the child hangs"
            if isinstance(report, str):
                self.commands.append(report)
            else:
                self.outcome = report
        self.process.join()
        return self

    @property
    def died(self) -> bool:
        """Whether a SIGKILL ended it."""
        return bool(self.process.exitcode == -signal.SIGKILL)


def start(uri: str, operation: str, *arguments: Any, stops: Sequence[Stop] = ()) -> Child:
    """Start an operation (a key of `OPERATIONS`) in a process of its own."""
    reports, theirs = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=_main, args=(uri, operation, arguments, stops, theirs), daemon=True)
    process.start()
    theirs.close()
    return Child(process, reports)


def run(uri: str, operation: str, *arguments: Any, stop: Stop | None = None) -> Child:
    """Run an operation in a process of its own to its end."""
    return start(uri, operation, *arguments, stops=[stop] if stop else []).join()
