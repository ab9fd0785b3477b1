"""What a reader of the documentation makes: the README's app in a directory, which runs while commands are typed."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path

import pexpect

from tests.support.markdown import Command, agrees, blocks
from tests.support.paths import ROOT
from tests.support.servers import free_port

README = ROOT / "README.md"
DATABASE = "mongodb://localhost:27017/fleet"
ADDRESS = "localhost:5000"
SECONDS = 60.0
_MARK = "--- end of a command ---"


class Reader:
    """A directory with the README's ``app.py`` and a definition file, on a database of its own.

    Args:
        home: the directory.
        database_uri: what stands for the URI of the documentation.
        definitions: the definition file's text.
    """

    def __init__(self, home: Path, database_uri: str, definitions: str) -> None:
        self.home = home
        self._database_uri = database_uri
        self._port = free_port()
        (home / "config").mkdir()
        (home / "config" / "worker_templates.yaml").write_text(definitions)
        (home / "app.py").write_text(self.here(blocks(README, "python")[0].text))

    def here(self, text: str) -> str:
        """A text of the documentation, with this reader's database and port."""
        return text.replace(DATABASE, self._database_uri).replace(ADDRESS, f"127.0.0.1:{self._port}")

    def documented(self, text: str) -> str:
        """What was printed, with the documentation's port."""
        return text.replace(f"127.0.0.1:{self._port}", ADDRESS)

    @property
    def _environment(self) -> dict[str, str]:
        # The commands of the environment that runs the tests come first, as in one that is activated.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return {**os.environ, "PATH": path, "FLASK_RUN_PORT": str(self._port), "LC_ALL": "C.UTF-8"}

    @contextlib.contextmanager
    def serving(self, command: str) -> Iterator[None]:
        """Run the command that serves the app."""
        with (self.home / "server.log").open("w") as log:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {command}"],
                cwd=self.home,
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            self._wait(process)
            yield
        except BaseException as error:
            error.add_note((self.home / "server.log").read_text())
            raise
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=SECONDS)

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + SECONDS
        while True:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{self._port}/api/v1/docs"):
                return
            assert process.poll() is None, "the app ended"
            assert time.monotonic() < deadline, "the app does not listen"
            time.sleep(0.05)

    def type(self, commands: Iterable[Command], *, terminal: bool = False) -> None:
        """Type commands into one shell, and compare what each prints with what the page says.

        Args:
            commands: of a page.
            terminal: whether the page shows what is seen on a terminal.
        """
        listed = list(commands)
        # The mark keeps the exit code for a following `echo $?`.
        script = "".join(f"{self.here(one.text)}\n(code=$?; echo '{_MARK}'; exit $code)\n" for one in listed)
        done = self._on_terminal(script) if terminal else self._in_pipes(script)
        printed = self.documented(done).split(_MARK)
        assert len(printed) == len(listed) + 1, done
        for one, output in zip(listed, printed, strict=False):
            assert agrees(one.expected, output.strip("\n")), f"{one.place} prints\n{output}\nnot\n{one.expected}"

    def _in_pipes(self, script: str) -> str:
        return subprocess.run(
            ["bash"],
            input=script,
            cwd=self.home,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=SECONDS * 4,
        ).stdout

    def _on_terminal(self, script: str) -> str:
        (self.home / "script.sh").write_text(script, encoding="utf-8")
        shown = pexpect.run(
            "bash script.sh",
            cwd=str(self.home),
            env={**self._environment, "NO_COLOR": "1", "TERM": "xterm"},
            dimensions=(1000, 120),
            timeout=SECONDS * 4,
            encoding="utf-8",
        )
        # A progress bar overwrites itself.
        return re.sub(r"[^\n]*\r(?!\n)", "", str(shown)).replace("\r\n", "\n")
