"""Definition files that come through a pipe: standard input, and what a shell gives for ``<(command)``."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from .parsed import printable
from .paths import MAX_BYTES, TOO_LARGE, FoundFile
from .snapshot import SnapshotFile

STANDARD_INPUT = "-"


def is_pipe(path: str) -> bool:
    """Tell whether a path is a pipe or a socket, or ``-`` for standard input."""
    if path == STANDARD_INPUT:
        return True
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116  # Path.stat is for files
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def read_pipe(path: str) -> SnapshotFile:
    """Read a pipe to its end. It waits for who writes, and reads no more than a definition file may hold."""
    display = "standard input" if path == STANDARD_INPUT else printable(path)
    found = FoundFile(display, Path(path), Path(path), is_pipe=True)
    try:
        if path == STANDARD_INPUT:
            data = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with open(path, "rb") as stream:  # noqa: PTH123  # not a file
                data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        return SnapshotFile(found, problem=f"Cannot be read: {error.strerror}.")
    return SnapshotFile(found, data) if len(data) <= MAX_BYTES else SnapshotFile(found, problem=TOO_LARGE)
