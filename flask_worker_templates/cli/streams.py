"""Standard output and standard error that never stop a command: what cannot be printed is escaped or dropped.

A command that fails to print after it has written would look like one that has not written.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator

from .terminal import takes_utf8


class _Stdio(io.FileIO):
    """Writes to a descriptor, and drops what nobody reads any more (``| head -1``)."""

    def write(self, data: object) -> int:
        try:
            return super().write(data)  # type: ignore[arg-type]
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            return super().write(data)  # type: ignore[arg-type]


@contextlib.contextmanager
def tolerant_streams() -> Iterator[None]:
    """Drop what goes to a closed pipe, and escape what the encoding of an output does not have."""
    originals = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (_tolerant(stream) for stream in originals)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        sys.stdout, sys.stderr = originals


def is_own_process() -> bool:
    """Tell whether a command has its process to itself, and is not run by a program that goes on, such as a test.

    To be asked before `tolerant_streams`.
    """
    return sys.stdout is sys.__stdout__


def _tolerant(stream: object) -> io.TextIOWrapper:
    if not isinstance(stream, io.TextIOWrapper):
        return stream  # type: ignore[return-value]  # whoever replaced it knows what it takes
    errors = stream.errors if takes_utf8(stream) else "backslashreplace"
    try:
        descriptor = stream.fileno()
    except OSError:  # no file, such as the output that a test collects
        stream.reconfigure(errors=errors)
        return stream
    stream.flush()
    raw = io.BufferedWriter(_Stdio(descriptor, "wb", closefd=False))
    return io.TextIOWrapper(raw, stream.encoding, errors, line_buffering=stream.line_buffering)
