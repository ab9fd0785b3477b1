"""A real terminal, or real pipes, around a command that runs in this process: what is seen, without a start of Python.

What needs a controlling terminal of its own (Ctrl-C) needs a process: see `Terminal.spawn`.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import pty
import re
import struct
import sys
import termios
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest
from flask import Flask
from flask.cli import ScriptInfo

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_SECONDS = 60


@dataclass(frozen=True)
class Screen:
    """What was shown, and the exit code."""

    text: str
    code: int

    @property
    def plain(self) -> str:
        """The text without its colours."""
        return _ANSI.sub("", self.text)

    @property
    def lines(self) -> list[str]:
        """Its lines, without colours."""
        return self.plain.splitlines()


def on_terminal(
    app: Flask,
    *arguments: str,
    dialog: Sequence[tuple[str, str]] = (),
    columns: int = 80,
    lines: int = 50,
    code: int | None = 0,
) -> Screen:
    """Run a command of an app on a pseudo-terminal.

    Args:
        app: whose command.
        arguments: the command line.
        dialog: what is typed after what was shown.
        columns: of the terminal.
        lines: of the terminal.
        code: the exit code that there must be; None for any.
    """
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    person = _Person(master, dialog)
    with _standard_streams(slave, slave, slave):
        os.close(slave)
        found = _run(app, arguments)
    shown = Screen(person.end(), found)
    assert code is None or found == code, shown.text
    return shown


def in_pipes(app: Flask, *arguments: str, encoding: str = "utf-8", closed: bool = False) -> tuple[int, bytes, bytes]:
    """Run a command of an app whose output goes into pipes; return its exit code and what came out of them.

    Args:
        app: whose command.
        arguments: the command line.
        encoding: of the output.
        closed: whether nobody reads the standard output.
    """
    nothing = os.open(os.devnull, os.O_RDONLY)
    pipes = [os.pipe() for _ in range(2)]
    if closed:
        os.close(pipes[0][0])
    readers = [_Reader(-1 if closed else pipes[0][0]), _Reader(pipes[1][0])]
    with _standard_streams(nothing, pipes[0][1], pipes[1][1], encoding=encoding):
        for descriptor in (nothing, pipes[0][1], pipes[1][1]):
            os.close(descriptor)
        code = _run(app, arguments)
    return code, readers[0].end(), readers[1].end()


def _run(app: Flask, arguments: Sequence[str]) -> int:
    with pytest.raises(SystemExit) as ended:
        app.cli.main(args=list(arguments), prog_name="flask", obj=ScriptInfo(create_app=lambda: app))
    return ended.value.code if isinstance(ended.value.code, int) else 1


class _Reader(threading.Thread):
    """Reads a pipe to its end."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(daemon=True)
        self._descriptor = descriptor
        self._read = b""
        self.start()

    def run(self) -> None:
        while self._descriptor >= 0 and (data := os.read(self._descriptor, 65_536)):
            self._read += data

    def end(self) -> bytes:
        self.join(_SECONDS)
        if self._descriptor >= 0:
            os.close(self._descriptor)
        return self._read


class _Person(threading.Thread):
    """Reads what is shown, and types what the dialog says."""

    def __init__(self, master: int, dialog: Sequence[tuple[str, str]]) -> None:
        super().__init__(daemon=True)
        self._master = master
        self._dialog = list(dialog)
        self._shown = b""
        self._from = 0
        self.start()

    def run(self) -> None:
        while True:
            try:
                data = os.read(self._master, 4096)
            except OSError:  # nobody has the other end any more
                return
            if not data:
                return
            self._shown += data
            while self._dialog:
                expected, typed = self._dialog[0]
                at = self._shown.find(expected.encode(), self._from)
                if at < 0:
                    break
                self._from = at + len(expected.encode())
                del self._dialog[0]
                os.write(self._master, typed.encode())

    def end(self) -> str:
        self.join(_SECONDS)
        os.close(self._master)
        text = self._shown.decode(errors="replace").replace("\r\n", "\n")
        assert not self._dialog, f"{self._dialog[0][0]!r} was not shown in {text!r}"
        return text


@contextlib.contextmanager
def _standard_streams(*descriptors: int, encoding: str = "utf-8") -> Iterator[None]:
    """Put others in the place of the three standard streams, for this process and those that it starts."""
    streams = sys.stdin, sys.stdout, sys.stderr
    for stream in streams[1:]:
        stream.flush()
    saved = [os.dup(descriptor) for descriptor in range(3)]
    for standard, descriptor in enumerate(descriptors):
        os.dup2(descriptor, standard)
    sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)), encoding=encoding)
    sys.stdout, sys.stderr = (
        io.TextIOWrapper(io.BufferedWriter(io.FileIO(n, "wb", closefd=False)), encoding=encoding, line_buffering=True)
        for n in (1, 2)
    )
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):
                stream.flush()
        sys.stdin, sys.stdout, sys.stderr = streams
        for standard, original in enumerate(saved):
            os.dup2(original, standard)
            os.close(original)
