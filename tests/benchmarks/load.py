"""Load by `wrk`: eight connections, one a thread, and what it measured."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LUA = Path(__file__).parent / "lua"
CONNECTIONS = 8


class LoadError(RuntimeError):
    """The load could not be run, or requests failed; the message says which."""


@dataclass(frozen=True, slots=True)
class Load:
    """What one run of `wrk` measured; latencies in milliseconds."""

    requests: int
    seconds: float
    p50: float
    p99: float
    failed: int

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds


def parse(output: str) -> Load:
    """Read the output of `wrk` with `report.lua`: its last line of JSON.

    Raises:
        LoadError: if there is none, as when the script had an error.
    """
    for line in reversed(output.splitlines()):
        if line.startswith("{"):
            found: dict[str, Any] = json.loads(line)
            return Load(
                found["requests"],
                found["microseconds"] / 1e6,
                found["p50"] / 1e3,
                found["p99"] / 1e3,
                found["failed"],
            )
    raise LoadError(f"wrk reported nothing:\n{output}")


def read(port: int, targets: Iterable[tuple[str, str | None]], *, seconds: int, scratch: Path) -> Load:
    """GET paths in turn, with the entity tag in If-None-Match where one is given."""
    return _wrk(port, "read.lua", [_lines(scratch, (f"{path} {tag or ''}" for path, tag in targets))], seconds)


def create(port: int, path: str, spec: dict[str, Any], prefix: str, *, seconds: int, scratch: Path) -> Load:
    """POST templates like `spec`, each under a name of its own that begins with `prefix`."""
    body = scratch / "body"
    body.write_text(json.dumps({**spec, "name": "@NAME@"}))
    return _wrk(port, "create.lua", [path, str(body), prefix], seconds)


def update(port: int, paths: Sequence[str], *, seconds: int, scratch: Path) -> Load:
    """PATCH templates, one for each connection, always with the entity tag of the last answer in If-Match."""
    return _wrk(port, "update.lua", [_lines(scratch, paths[:CONNECTIONS])], seconds)


def claim(port: int, paths: Sequence[str], prefix: str, *, seconds: int, scratch: Path) -> Load:
    """PUT claims of ever new workers, whose ids begin with `prefix`, on templates in turn."""
    return _wrk(port, "claim.lua", [_lines(scratch, paths), prefix], seconds)


def renew(port: int, paths: Sequence[str], prefix: str, *, seconds: int, scratch: Path) -> Load:
    """PUT the claim of one worker on one template for each connection, over and over."""
    return _wrk(port, "renew.lua", [_lines(scratch, paths[:CONNECTIONS]), prefix], seconds)


def _lines(scratch: Path, lines: Iterable[str]) -> str:
    listed = scratch / "targets"
    listed.write_text("".join(f"{line}\n" for line in lines))
    return str(listed)


def _wrk(port: int, script: str, arguments: Sequence[str], seconds: int) -> Load:
    if shutil.which("wrk") is None:
        raise LoadError("wrk is not installed (Debian package wrk)")
    run = subprocess.run(
        [
            *("wrk", "--threads", str(CONNECTIONS), "--connections", str(CONNECTIONS)),
            *("--duration", f"{seconds}s", "--timeout", "10s", "--script", str(LUA / script)),
            *(f"http://127.0.0.1:{port}/", "--", *arguments),
        ],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "BENCHMARK_LUA": str(LUA)},
    )
    if run.returncode:
        raise LoadError(f"wrk ended with {run.returncode}:\n{run.stdout}{run.stderr}")
    measured = parse(run.stdout)
    if measured.failed or not measured.requests:
        raise LoadError(f"{measured.failed} of {measured.requests} requests failed ({script} on port {port})")
    return measured
