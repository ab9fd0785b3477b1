"""Clients that change templates over HTTP as fast as they can, in processes of their own, and note what they are told.

Every change has an actor of its own, so that one that was made twice shows. A client never repeats a request.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import math
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.checker import Use, Write
from tests.chaos.child import CONTEXT

URL = "/api/v1/templates"
FINE = {200, 201, 204, 304}
LOGICAL = {404, 409, 412}
"""Answers that the load brings upon itself: gone, taken, in use, moved on."""
SHARED_NAMES = 5
MAX_TEMPLATES = 40
SEEDS = 20
"""Templates of the definition file, ``seeded-00`` and so on, which clients sync."""
CONNECTION_REQUESTS = 25
"""Requests that a client sends over one connection. Over the next one, another worker process may answer."""


@dataclass(slots=True)
class Told:
    """What one client was told.

    Attributes:
        writes: acknowledged changes.
        uses: acknowledged claims, not ended.
        times: when each change was acknowledged (`time.monotonic`, the same in all processes).
        statuses: how many answers of each status.
        slowest: seconds that the slowest request took.
        broken: connections that ended without an answer.
        workers: the processes of the app that answered.
        wrong: answers that must not be, and other things that must not be seen.
    """

    writes: list[Write] = field(default_factory=list)
    uses: set[Use] = field(default_factory=set)
    times: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    slowest: float = 0.0
    broken: int = 0
    workers: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)


def together(parts: Sequence[Told]) -> Told:
    """Return what all clients were told."""
    whole = Told()
    for part in parts:
        whole.writes += part.writes
        whole.uses |= part.uses
        whole.times += part.times
        whole.statuses += part.statuses
        whole.slowest = max(whole.slowest, part.slowest)
        whole.broken += part.broken
        whole.workers |= part.workers
        whole.wrong += part.wrong
    whole.times.sort()
    return whole


class Client:
    """One client.

    Args:
        port: where the app is, on 127.0.0.1.
        name: the first part of the actors, names and worker ids that it uses.
        secrets: texts that no answer may hold.
        count: a number that all clients share: of the changes that were acknowledged.
    """

    def __init__(self, port: int, name: str, secrets: Sequence[str] = (), count: Any = None) -> None:
        self.told = Told()
        self._count = count
        self._sent = 0
        self._link = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._name = name
        self._random = random.Random(name)
        self._serial = itertools.count(1)
        self._known: dict[str, int] = {}
        self._deleted: list[str] = []
        self._secrets = secrets
        self._steps: list[Callable[[str], None]] = [
            *[self._patch] * 8,
            *[self._create] * 3,
            *[self._patch_if_unchanged] * 3,
            *[self._claim_and_release] * 2,
            self._restore,
            self._sync_one,
            self._rename,
            self._revert,
            self._revert,
            self._delete,
            self._look,
            self._read_history,
        ]

    def run(self, ended: Callable[[], bool]) -> Told:
        """Work until `ended` says so, and return what it was told."""
        self._look("")
        while not ended():
            self._random.choice(self._steps)(f"{self._name}-{next(self._serial)}")
        return self.told

    def call(self, method: str, path: str, actor: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Send one request. Returns the status, 0 where none came, and the decoded body."""
        if self._sent % CONNECTION_REQUESTS == 0:
            self._link.close()
        self._sent += 1
        begun = time.monotonic()
        try:
            sent = None if body is None else json.dumps(body).encode()
            extra = {"Content-Type": "application/json"} if sent is not None else {}
            self._link.request(method, URL + path, sent, {"X-Actor": actor, **extra, **headers})
            answer = self._link.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            # The worker is dead. Whether the change was made is not known, and nobody was told that it was.
            self._link.close()
            self.told.broken += 1
            time.sleep(0.01)
            return 0, None
        self.told.slowest = max(self.told.slowest, time.monotonic() - begun)
        self.told.statuses[answer.status] += 1
        self.told.workers.add(answer.headers.get("X-Worker", ""))
        if answer.status == 503:
            if not answer.headers.get("Retry-After", "").isdigit():
                self._wrong(f"503 without Retry-After to {method} {path}")
            time.sleep(0.05)
        elif answer.status not in FINE | LOGICAL:
            self._wrong(f"{answer.status} to {method} {path}: {text[:300]!r}")
        for secret in self._secrets:
            if secret in text.decode(errors="replace"):
                self._wrong(f"a secret in the answer to {method} {path}")
        return answer.status, json.loads(text) if text else None

    def _acknowledged(self) -> None:
        self.told.times.append(time.monotonic())
        if self._count is not None:
            with self._count.get_lock():
                self._count.value += 1

    def _wrong(self, what: str) -> None:
        if len(self.told.wrong) < 20:
            self.told.wrong.append(what)

    def _changed(self, action: str, actor: str, template: dict[str, Any]) -> None:
        self._acknowledged()
        self._known[template["id"]] = template["revision"]
        may_be_nothing = action == "reverted"
        self.told.writes.append(
            Write(template["id"], action, template["revision"], actor, template, may_be_nothing=may_be_nothing)
        )

    def _some(self) -> str | None:
        return self._random.choice(list(self._known)) if self._known else None

    def _change(self, template_id: str, actor: str, body: Any, **headers: str) -> None:
        revert = "revision" in body
        method, tail, action = ("POST", "/revert", "reverted") if revert else ("PATCH", "", "updated")
        status, template = self.call(method, f"/{template_id}{tail}", actor, body, **headers)
        if status == 200:
            self._changed(action, actor, template)
        elif status == 404:
            self._known.pop(template_id, None)

    # What it does. Each step is given an actor of its own.

    def _create(self, actor: str) -> None:
        if len(self._known) >= MAX_TEMPLATES:
            return self._delete(actor)
        name = f"shared-{self._random.randrange(SHARED_NAMES)}" if self._random.random() < 0.5 else actor
        spec = {
            "name": name,
            "description": actor,
            "instance_type": "m5zn.metal",
            "capacity": {"cpu_cores": 48, "memory_gb": 192, "storage_gb": 500},
            "license_type": "PERSONAL",
        }
        status, template = self.call("POST", "", actor, spec)
        if status == 201:
            self._changed("created", actor, template)
        return None

    def _patch(self, actor: str) -> None:
        if one := self._some():
            self._change(one, actor, {"description": actor})

    def _patch_if_unchanged(self, actor: str) -> None:
        if one := self._some():
            tag = {"If-Match": f'"{self._known[one]}"'}
            self._change(one, actor, {"description": actor}, **tag)

    def _rename(self, actor: str) -> None:
        if one := self._some():
            name = f"shared-{self._random.randrange(SHARED_NAMES)}"
            self._change(one, actor, {"name": name, "description": actor})

    def _revert(self, actor: str) -> None:
        if one := self._some():
            revision = self._random.randint(1, self._known[one])
            self._change(one, actor, {"revision": revision})

    def _delete(self, actor: str) -> None:
        one = self._some()
        if one is None:
            return
        status, _ = self.call("DELETE", f"/{one}", actor)
        if status == 204:
            self._acknowledged()
            self.told.writes.append(Write(one, "deleted", actor=actor))
            self._deleted.append(one)
        if status in {204, 404}:
            self._known.pop(one, None)

    def _claim_and_release(self, actor: str) -> None:
        one = self._some()
        if one is None:
            return
        use = Use(one, actor)
        lease = {"ttl_seconds": 600} if self._random.random() < 0.5 else None
        status, _ = self.call("PUT", f"/{one}/claims/{actor}", actor, lease)
        if status in {201, 204}:
            self.told.uses.add(use)
            status, _ = self.call("PUT", f"/{one}/claims/{actor}", actor)
            if status in {201, 404, 409}:  # what was acknowledged was a renewal's to renew
                self._wrong(f"{status} to the renewal of the claim of {actor} on {one}")
        if status == 404:
            self._known.pop(one, None)
        elif self._random.random() < 0.9:
            # From here on nobody may rely on it, whatever the answer is. But it lived until now.
            held = use in self.told.uses
            self.told.uses.discard(use)
            status, _ = self.call("DELETE", f"/{one}/claims/{actor}", actor)
            if held and status == 404:
                self._wrong(f"{one} was deleted while {actor} claimed it")

    def _restore(self, actor: str) -> None:
        if not self._deleted:
            return
        one = self._deleted.pop(self._random.randrange(len(self._deleted)))
        status, template = self.call("POST", f"/{one}/restore", actor, {})
        if status == 201:
            self._changed("restored", actor, template)

    def _sync_one(self, actor: str) -> None:
        """Sync one template with its file by a plan, so that the actor makes one change at most."""
        name = f"seeded-{self._random.randrange(SEEDS):02}"
        options: dict[str, Any] = {"only": [name], "on_conflict": "file", "restore": [name]}
        status, plan = self.call("POST", "/plan", actor, options)
        if status == 200:
            self.call("POST", "/sync", actor, {**options, "digest": plan["digest"]})

    def _look(self, actor: str) -> None:
        status, templates = self.call("GET", "?page_size=200", actor)
        if status == 200:
            self._known = {template["id"]: template["revision"] for template in templates}

    def _read_history(self, actor: str) -> None:
        if one := self._some():
            status, events = self.call("GET", f"/{one}/history?page_size=20", actor)
            if status == 200:
                revisions = [event["revision"] for event in events]
                if revisions != list(range(revisions[0], revisions[0] - len(revisions), -1)):
                    self._wrong(f"the history of {one} shows the revisions {revisions}")


def _client(port: int, name: str, secrets: Sequence[str], shared: tuple[Any, Any], results: Any) -> None:
    end, count = shared
    results.send(Client(port, name, secrets, count).run(end.is_set))


class Load:
    """Clients in processes of their own that work until they are asked what they were told.

    Args:
        port: where the app is.
        clients: how many.
        secrets: texts that no answer may hold.
    """

    def __init__(self, port: int, *, clients: int, secrets: Sequence[str] = ()) -> None:
        self._end = CONTEXT.Event()
        self._count = CONTEXT.Value("Q", 0)
        self._running = []
        for number in range(clients):
            results, theirs = CONTEXT.Pipe(duplex=False)
            process = CONTEXT.Process(
                target=_client, args=(port, f"c{number}", secrets, (self._end, self._count), theirs), daemon=True
            )
            process.start()
            theirs.close()
            self._running.append((process, results))

    @property
    def acknowledged(self) -> int:
        """How many changes were acknowledged until now."""
        return int(self._count.value)

    def wait_for_more(self, changes: int) -> None:
        """Return once so many more changes were acknowledged, or after a minute, which the summary will show."""
        wanted = self.acknowledged + changes
        deadline = time.monotonic() + 60
        while self.acknowledged < wanted and time.monotonic() < deadline:
            time.sleep(0.01)

    def told(self) -> Told:
        """End it, and return what all clients were told."""
        self._end.set()
        parts: list[Told] = []
        for process, results in self._running:
            assert results.poll(120), "a client hangs"
            parts.append(results.recv())
            process.join()
        return together(parts)

    def close(self) -> None:
        """Kill clients that are left, after a failure."""
        for process, _ in self._running:
            with contextlib.suppress(OSError):
                process.kill()


@dataclass(slots=True)
class Summary:
    """What a run has shown, to be printed and asserted.

    Attributes:
        name: of the run.
        told: what the clients were told.
        faults: what was done to the app or its database, and how often.
        violations: sentences on what is lost or wrong.
        longest_stall: seconds in which no change was acknowledged.
        longest_recovery: seconds from the end of a fault to the first change that was acknowledged after it.
        synced: changes that processes of the app took from the definition file when they started.
    """

    name: str
    told: Told
    faults: Counter[str]
    violations: list[str]
    longest_stall: float
    longest_recovery: float
    synced: int

    def __str__(self) -> str:
        """Several lines for people."""
        injected = ", ".join(f"{count} × {what}" for what, count in sorted(self.faults.items())) or "none"
        statuses = ", ".join(f"{count} × {status}" for status, count in sorted(self.told.statuses.items()))
        return "\n".join(
            [
                f"\n{self.name}",
                f"  operations acknowledged: {len(self.told.writes)} changes, {len(self.told.uses)} claims held",
                f"  app:                     {len(self.told.workers)} processes answered, {self.synced} changes synced",
                f"  faults injected:         {injected}",
                f"  lost or wrong:           {len(self.violations) or 'nothing'}",
                f"  longest stall:           {self.longest_stall:.1f} s without an acknowledged change",
                f"  longest recovery:        {self.longest_recovery:.1f} s to the first one after the end of a fault",
                f"  answers:                 {statuses}; {self.told.broken} connections broken",
                f"  slowest request:         {self.told.slowest:.1f} s",
            ]
        )


def longest_gap(times: Sequence[float], begin: float, end: float) -> float:
    """The longest time in which nothing happened."""
    moments = [begin, *(moment for moment in times if begin < moment < end), end]
    return max(later - earlier for earlier, later in itertools.pairwise(moments))


def longest_recovery(times: Sequence[float], healed: Sequence[float]) -> float:
    """The longest time from one of the moments `healed` to the first of the sorted `times` after it."""
    return max(next((later for later in times if later > moment), math.inf) - moment for moment in healed)
