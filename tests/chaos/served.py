"""The host app under gunicorn, with worker processes that can be killed."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from tests.chaos.host import CONFIG
from tests.support.paths import ROOT
from tests.support.processes import children
from tests.support.servers import free_port

START_SECONDS = 60.0


class Gunicorn:
    """The host app on 127.0.0.1, as a context manager.

    Args:
        directory: where its definition file and its log go.
        config: config of the app; ``WORKER_TEMPLATES_ANONYMOUS`` is ``write`` unless it says otherwise.
        seeds: specs of its definition file.
        workers: number of worker processes.
        threads: threads in each.
    """

    def __init__(
        self,
        directory: Path,
        config: Mapping[str, Any],
        *,
        seeds: list[dict[str, Any]] | None = None,
        workers: int = 3,
        threads: int = 4,
    ) -> None:
        self.log = directory / "gunicorn.log"
        self.definitions = directory / "worker_templates.yaml"
        self.define(seeds or [])
        self._config = {
            "WORKER_TEMPLATES_ANONYMOUS": "write",
            "WORKER_TEMPLATES_CONFIG_PATH": str(self.definitions),
            **config,
        }
        self._size = workers, threads
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        workers, threads = self._size
        command = [
            *(sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{self.port}", "--no-control-socket"),
            *("--workers", str(workers), "--worker-class", "gthread", "--threads", str(threads)),
            *("--graceful-timeout", "2", "--log-level", "warning", "tests.chaos.host:create()"),
        ]
        if setpriv := shutil.which("setpriv"):  # it ends with this process however that ends
            command = [setpriv, "--pdeathsig", "KILL", "--", *command]
        root = ROOT
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                cwd=root,
                env={**os.environ, CONFIG: json.dumps(self._config), "PYTHONPATH": str(root)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            self._wait_until_it_listens()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()
        if isinstance(error, Exception):
            error.add_note(f"--- log of gunicorn\n{self.log_text()[-4000:]}")

    def define(self, seeds: list[dict[str, Any]]) -> None:
        """Write its definition file anew; who reads it meanwhile sees the old one or the new one."""
        written = self.definitions.with_suffix(".new")
        written.write_text(yaml.safe_dump({"templates": seeds}, sort_keys=False), encoding="utf-8")
        written.replace(self.definitions)

    def workers(self) -> list[int]:
        """Process ids of the workers that run now."""
        assert self._process is not None
        return children(self._process.pid)

    def kill_worker(self, random_: random.Random) -> bool:
        """Kill a worker that runs; gunicorn starts another. Returns whether there was one."""
        workers = self.workers()
        if not workers:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(random_.choice(workers), signal.SIGKILL)
        return True

    def log_text(self) -> str:
        """All that gunicorn and the app have logged."""
        return self.log.read_text(errors="replace")

    def get(self, path: str, timeout: float = 60) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Status, headers and body of a GET."""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        with contextlib.closing(link):
            link.request("GET", path)
            answer = link.getresponse()
            return answer.status, answer.headers, answer.read()

    def _wait_until_it_listens(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            assert self._process is not None
            assert self._process.poll() is None, self.log_text()
            assert time.monotonic() < deadline, self.log_text()
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.get("/health")[0]:
                    return
            time.sleep(0.05)

    def _stop(self) -> None:
        if self._process is None:
            return
        workers = self.workers() if self._process.poll() is None else []
        self._process.terminate()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            for pid in workers:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
