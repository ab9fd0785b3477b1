"""Who takes part, and each while it is being served."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.benchmarks import environment
from tests.benchmarks.data import Spec
from tests.benchmarks.peers.common import PATH
from tests.benchmarks.servers import App, Serving
from tests.support.servers import free_port

READS = ("list", "get")
WRITES = ("create", "update")
ALL = (*READS, "not modified", *WRITES)
CLAIMS = ("claim", "renew")


@dataclass(frozen=True, slots=True)
class Contestant:
    """One of those compared.

    Attributes:
        key: short name, also of its database.
        title: name in tables.
        app: what the server loads.
        works: which work it takes part in.
    """

    key: str
    title: str
    app: App
    works: tuple[str, ...] = ALL

    @property
    def is_ours(self) -> bool:
        """Whether it is this extension, in whatever app."""
        return self.key.startswith("ours")


_PEERS = "tests.benchmarks.peers"
OURS = Contestant("ours", "this extension", App(f"{_PEERS}.ours"), works=(*ALL, *CLAIMS))
HOOKED = Contestant("ours-hooked", "this extension with hooks", App(f"{_PEERS}.ours_hooked"), works=(*ALL, *CLAIMS))
SMOREST = Contestant("smorest", "flask-smorest + MongoEngine", App(f"{_PEERS}.smorest_mongoengine"))
EVE = Contestant("eve", "Eve, tuned", App(f"{_PEERS}.eve_tuned"))
BEANIE = Contestant("beanie", "FastAPI + Beanie", App(f"{_PEERS}.fastapi_beanie", asgi=True))
BARE = Contestant("bare", "bare WSGI + PyMongo + orjson", App(f"{_PEERS}.bare_wsgi"), works=READS)
CONSTANT = Contestant("constant", "Flask, constant bytes", App(f"{_PEERS}.constant"), works=(*READS, *WRITES))
PEERS = (SMOREST, EVE, BEANIE)
CONTESTANTS = (OURS, HOOKED, *PEERS, BARE, CONSTANT)


class Answer:
    """What a contestant answered, whatever form it gives its pages."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = {name.lower(): value for name, value in headers.items()}
        self.body = body

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)

    @property
    def items(self) -> list[dict[str, Any]]:
        """The templates of a page."""
        body = self.json
        found: list[dict[str, Any]] = body if isinstance(body, list) else body["_items"]
        return found

    @property
    def total(self) -> int:
        """How many templates all pages hold."""
        if "x-pagination" in self.headers:
            return int(json.loads(self.headers["x-pagination"])["total"])
        return int(self.headers["x-total-count"])


def id_of(item: Mapping[str, Any]) -> str:
    """The id of a template, as its contestant shows it."""
    return str(item["id"] if "id" in item else item["_id"])


class Server:
    """A contestant that is being served, on a database of its own.

    Args:
        contestant: who.
        uri: URI of its database.
        serving: the server, which suits the contestant's app.
        log: file for what the server says.
        templates: definition file, for the contestant that reads one.
    """

    def __init__(
        self, contestant: Contestant, uri: str, *, serving: Serving, log: Path, templates: Path | None = None
    ) -> None:
        self.contestant = contestant
        self.uri = uri
        self.port = free_port()
        self.log = log
        command = serving.arguments(contestant.app, self.port)
        variables = {"BENCHMARK_MONGODB_URI": uri, "PYTHONPATH": str(environment.ROOT)}
        if templates is not None:
            variables["BENCHMARK_TEMPLATES"] = str(templates)
        with log.open("ab") as stream:
            self._process = subprocess.Popen(
                [str(environment.PYTHON), "-m", *command],
                cwd=environment.ROOT,
                env={**os.environ, **variables},
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Process id of the server; its worker is a child of it, or itself."""
        return self._process.pid

    def wait(self, seconds: float = 60) -> Self:
        """Return when it answers its list.

        Raises:
            RuntimeError: if it ends or does not answer in time; the message holds its log.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                if self.ask("GET", PATH).status == 200:
                    return self
            except OSError:
                pass
            time.sleep(0.05)
        raise RuntimeError(f"{self.contestant.title} does not answer:\n{self.log.read_text(errors='replace')}")

    def ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send one request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            sent = {"Content-Type": "application/json", **(headers or {})}
            connection.request(method, path, None if body is None else json.dumps(body), sent)
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def post_all(self, specs: list[Spec]) -> None:
        """Create templates through the contestant's own API, over one connection."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            for spec in specs:
                connection.request("POST", PATH, json.dumps(spec), {"Content-Type": "application/json"})
                response = connection.getresponse()
                said = response.read()
                if response.status != 201:
                    raise RuntimeError(f"{self.contestant.title}: POST answered {response.status}: {said!r}")
        finally:
            connection.close()

    def stop(self) -> None:
        """End it and wait for its end."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
            try:
                self._process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
