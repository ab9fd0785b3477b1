"""Processes, as /proc tells of them.

Each and each of its threads may end while it is looked at: between the list and the file (``FileNotFoundError``), and
between opening the file and reading it (``ProcessLookupError``). What has ended has no text.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def read(path: str | Path) -> str:
    """The text of a file in /proc; empty once what it is about has ended."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(path).read_text()
    return ""


def state(pid: int) -> str:
    """The letter of a process's state, as proc(5) has it; empty once it has ended and was waited for."""
    return "".join(_stat(pid)[:1])


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody has waited for yet does not."""
    return state(pid) not in ("", "Z")


def children(pid: int) -> list[int]:
    """The processes that a process has started, by whichever of its threads."""
    return [int(child) for thread in _entries(f"/proc/{pid}/task") for child in read(thread / "children").split()]


def open_files(pid: int) -> list[str]:
    """What a process's file descriptors stand for: paths, ``socket:[12345]`` and such."""
    found = []
    for descriptor in _entries(f"/proc/{pid}/fd"):
        with suppress(FileNotFoundError):
            found.append(str(descriptor.readlink()))
    return found


def tree(pid: int) -> list[int]:
    """A process and all that it started, directly or not."""
    return [pid, *(member for child in children(pid) for member in tree(child))]


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and all that it started, in seconds."""
    return sum(int(ticks) for member in tree(pid) for ticks in _stat(member)[11:13]) / _TICK


def rss_mb(pid: int) -> float:
    """Resident memory of the process of the tree that has the most: the worker. In MB of 1,000,000 bytes."""
    return max(int(size) for member in tree(pid) for size in read(f"/proc/{member}/statm").split()[1:2]) * _PAGE / 1e6


def _entries(folder: str) -> list[Path]:
    with suppress(FileNotFoundError, ProcessLookupError):
        return list(Path(folder).iterdir())
    return []


def _stat(pid: int) -> list[str]:
    # The second field is the command's name, in parentheses, and may hold blanks: what counts is after it.
    return read(f"/proc/{pid}/stat").rpartition(")")[2].split()
