"""Work on a large set of definition files, done by forks of this process while it goes on.

Parsing is most of what reading costs, and keeps one processor busy. So a command that reads 40 MB has two forks parse
the files, one after the other. A fork gets nothing but its files, and what it does not deliver is done here. It is safe
where there is a single thread, so only a command that has its process to itself does this.
"""

from __future__ import annotations

import gc
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
FORKS = 2
"""Two parse as fast as this process takes what they deliver."""
_THREADS = Path("/proc/self/task")


class _Fork(NamedTuple):
    """A fork, and the end of its pipe."""

    pid: int
    results: BinaryIO

    def next_result(self) -> Any | None:
        """Return the result for its next item; None once there is none to come."""
        if self.results.closed:
            return None
        try:
            return pickle.load(self.results)  # noqa: S301  # of a fork of this process
        except (EOFError, pickle.UnpicklingError):
            self.results.close()
            return None

    def end(self) -> None:
        """End it, whatever it does."""
        self.results.close()
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(self.pid, signal.SIGKILL)  # if it has ended, its number stays its own until it is waited for
            os.waitpid(self.pid, 0)


def work_ahead(work: Callable[[T], R], items: deque[T], *, forks: bool) -> Generator[tuple[T, R], None, None]:
    """Give each item with the result of the work on it, in order; an item leaves the queue when its turn comes.

    To be closed, so that no process is left behind.

    Args:
        work: depends on nothing but the item; its result, never None, can be pickled.
        items: what it is done on.
        forks: whether it may be done in forks of this process.
    """
    started: deque[_Fork] = deque()
    try:
        if forks and min(len(items), _processors()) >= FORKS and _may_fork():
            _start(work, list(items), started)
        while items:
            item = items.popleft()
            result = started[0].next_result() if started else None
            started.rotate(-1)
            yield item, work(item) if result is None else cast(R, result)
            del item, result  # before the next one is made
    finally:
        for fork in started:
            fork.end()


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


def _may_fork() -> bool:
    """Tell whether this process is known to have a single thread, be it Python's or not, and to reap its children."""
    if "gevent" in sys.modules or "eventlet" in sys.modules:  # their threads are none to the system
        return False
    try:
        threads = len(list(_THREADS.iterdir()))
    except OSError:  # not Linux
        return False
    # Who has a handler of its own, or ignores the signal, may have waited for a child before we do.
    return threads == 1 and signal.getsignal(signal.SIGCHLD) is signal.SIG_DFL


def _start(work: Callable[[T], object], items: Sequence[T], started: deque[_Fork]) -> None:
    """Start the forks, each of which works on every other item, or none where the system does not let us."""
    # No signal between a fork and the note of it; and never one in the fork: its handlers would be those of the parent.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        for first in range(FORKS):
            reading, writing = os.pipe()
            try:
                pid = os.fork()
            except OSError:
                os.close(reading)
                os.close(writing)
                raise
            if not pid:
                _be_fork(work, items[first::FORKS], writing, [reading, *(fork.results.fileno() for fork in started)])
            os.close(writing)
            started.append(_Fork(pid, os.fdopen(reading, "rb")))
    except OSError:  # such as too many processes, or too many open files
        while started:
            started.pop().end()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _be_fork(work: Callable[[T], object], items: Sequence[T], writing: int, others: Sequence[int]) -> None:
    """Work in a fork until all is done or nobody reads it; from here there is no way back to the code of the parent."""
    try:
        gc.disable()  # it would look at what is the parent's, and end it too
        for end in others:
            os.close(end)  # so that nobody reads if the parent is gone
        nowhere = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(nowhere, standard)  # so that whoever waits for the end of the parent's output waits for the parent
        with suppress(Exception), os.fdopen(writing, "wb") as results:
            for item in items:
                pickle.dump(work(item), results, pickle.HIGHEST_PROTOCOL)
                results.flush()
    finally:
        os._exit(0)
