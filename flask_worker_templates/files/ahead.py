"""Work on a large set of definition files, done by processes beside this one.

Parsing is most of what reading costs, and each parser keeps one processor busy. So a command that reads 40 MB has
forks of its process parse them: files and results are the only data, and what a fork does not deliver is done here.
A fork is safe where there is a single thread, so only commands do this, and only where that can be seen.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeVar, cast

T = TypeVar("T")
R = TypeVar("R")

MIN_AHEAD = 4 * 1024 * 1024
"""Bytes from which on it is worth it: a second's work."""
MAX_PROCESSES = 4
_THREADS = Path("/proc/self/task")


class _Process(NamedTuple):
    """A fork, and the end of its pipe."""

    number: int
    results: BinaryIO

    def next_result(self) -> Any | None:
        """Return the result for its next item; None once it has ended."""
        try:
            return pickle.load(self.results)  # noqa: S301  # of a fork of this process
        except (EOFError, pickle.UnpicklingError):
            return None

    def end(self) -> None:
        self.results.close()
        # Its number is its own until it was waited for, also if it has ended.
        os.kill(self.number, signal.SIGKILL)
        os.waitpid(self.number, 0)


def work_ahead(work: Callable[[T], R], items: deque[T], *, forks: bool) -> Generator[tuple[T, R]]:
    """Give each item with the result of the work on it, in order; an item leaves the queue when its turn comes.

    To be closed, so that no process is left behind.

    Args:
        work: depends on nothing but the item; its result, never None, can be pickled.
        items: what it is done on.
        forks: whether it may be done in forks of this process.
    """
    number = min(len(items), MAX_PROCESSES, _processors()) if forks and _may_fork() else 1
    processes: deque[_Process] = deque()
    try:
        if number > 1:
            for first in range(number):
                processes.append(_start(work, list(items)[first::number]))
        while items:
            item = items.popleft()
            result = processes[0].next_result() if processes else None
            processes.rotate(-1)
            yield item, work(item) if result is None else cast(R, result)
    finally:
        for process in processes:
            process.end()


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


def _may_fork() -> bool:
    """Tell whether this process is known to have a single thread, be it Python's or not."""
    if "gevent" in sys.modules or "eventlet" in sys.modules:  # their threads are none to the system
        return False
    try:
        return len(list(_THREADS.iterdir())) == 1
    except OSError:  # not Linux
        return False


def _start(work: Callable[[T], object], items: Sequence[T]) -> _Process:
    """Start a process that works on some items."""
    reading, writing = os.pipe()
    process = os.fork()
    if process:
        os.close(writing)
        return _Process(process, os.fdopen(reading, "rb"))
    try:  # from here on nothing is the parent's: no handler of signals, no output, no way back
        os.close(reading)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with suppress(Exception), os.fdopen(writing, "wb") as results:
            for item in items:
                pickle.dump(work(item), results, pickle.HIGHEST_PROTOCOL)
                results.flush()
    finally:
        os._exit(0)
