"""The example app as its user runs it: a copy of the checkout's files, the command line, a real process."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.interrupts import heed_interrupts
from tests.support.paths import ROOT
from tests.support.servers import free_port

BIN = Path(sys.executable).parent
SECONDS = 60.0
NAMES = ["enterprise-large", "gpu-notebook", "gpu-training", "nightly-tests", "personal-standard"]
"""Of the templates that it seeds."""
LARGE, STANDARD = NAMES[0], NAMES[-1]


@dataclass(frozen=True)
class Answer:
    """An HTTP response."""

    code: int
    headers: Mapping[str, str]
    text: str

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.text)


class Running:
    """A process that serves the example app."""

    def __init__(self, process: subprocess.Popen[bytes], home: Path, port: int) -> None:
        self.process = process
        self.home = home
        self.url = f"http://127.0.0.1:{port}"

    @property
    def output(self) -> str:
        """What it has written to standard output and standard error."""
        return (self.home / "output.txt").read_text()

    @property
    def tokens(self) -> dict[str, str]:
        """The token of each role, and of the link."""
        found: dict[str, str] = json.loads((self.home / "instance" / "keys.json").read_text())
        return found

    @property
    def link(self) -> str:
        """The link that signs in, as the app printed it."""
        found = re.search(r"http\S+/sign-in\?token=\S+", self.output)
        assert found is not None
        return found[0]

    def sign_in(self, link: str) -> urllib.request.OpenerDirector:
        """Follow a link that signs in; what opens pages as this person does."""
        person = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        person.open(link, timeout=30).close()
        return person

    def call(self, method: str, path: str, body: Any = None, *, role: str | None = "admin", **headers: str) -> Answer:
        """Send a request, with the token of a role."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, method=method)
        if data is not None:
            request.add_header("Content-Type", "application/json")
        if role is not None:
            request.add_header("Authorization", f"Bearer {self.tokens[role]}")
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return Answer(response.status, dict(response.headers), response.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, dict(error.headers), error.read().decode())

    def template(self, name: str) -> dict[str, Any]:
        """The template of a name."""
        found: dict[str, Any] = self.call("GET", f"/api/v1/templates?name={name}").json()[0]
        return found

    def end(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it by a signal, and wait."""
        self.process.send_signal(how)
        self.process.wait(timeout=SECONDS)


class Example:
    """A copy of the example app and its definition file, with an instance folder of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        ignore = shutil.ignore_patterns("__pycache__")
        for part in ("example_app", "config"):
            shutil.copytree(ROOT / part, home / part, ignore=ignore)

    @contextlib.contextmanager
    def run(self, command: Sequence[str] = ("flask", "--app", "example_app", "run"), **env: str) -> Iterator[Running]:
        """Run a command that serves the app; ``{port}`` in it stands for a free port."""
        port = free_port()
        arguments = [part.format(port=port) for part in command]
        with (self.home / "output.txt").open("wb") as output:
            process = subprocess.Popen(
                [str(BIN / arguments[0]), *arguments[1:]],
                cwd=self.home,
                env=self.environment(FLASK_RUN_PORT=str(port), **env),
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=heed_interrupts,  # noqa: PLW1509  # calls one function that is safe here
            )
        running = Running(process, self.home, port)
        try:
            self._wait(running)
            yield running
        except BaseException as error:
            error.add_note(running.output)
            raise
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=SECONDS)

    def command(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the app to its end."""
        return subprocess.run(
            [str(BIN / "flask"), "--app", "example_app", *arguments],
            cwd=self.home,
            env=self.environment(**env),
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )

    def environment(self, **env: str) -> dict[str, str]:
        """The environment of the processes."""
        kept = {key: value for key, value in os.environ.items() if key != "MONGODB_URI"}
        return {**kept, "PYTHONUNBUFFERED": "1", **env}

    def servers(self) -> list[int]:
        """Process ids of the ``mongod`` that run on this copy's data."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                arguments = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
                if "--dbpath" in arguments and str(self.home / "instance" / "mongod" / "data") in arguments:
                    found.append(int(folder.name))
        return found

    def wait_until_stopped(self) -> None:
        """Wait until no server runs."""
        deadline = time.monotonic() + SECONDS
        while self.servers():
            assert time.monotonic() < deadline, "the MongoDB server outlives the app"
            time.sleep(0.05)

    @staticmethod
    def _wait(running: Running) -> None:
        deadline = time.monotonic() + SECONDS
        while True:
            with contextlib.suppress(OSError):
                running.call("GET", "/healthz", role=None)
                return
            assert running.process.poll() is None, "the app ended"
            assert time.monotonic() < deadline, "the app does not listen"
            time.sleep(0.05)
