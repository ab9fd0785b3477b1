"""Ctrl-C in the processes that tests start."""

from __future__ import annotations

import signal
import time

from tests.support.processes import state


def heed_interrupts() -> None:
    """For `preexec_fn`: a shell makes what it runs in the background ignore Ctrl-C, this run of the tests perhaps."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def until_it_reads(pid: int) -> None:
    """Wait until a process that has shown its question sleeps until it is answered.

    A signal between the two is lost: Python notes it, and then reads all the same until a key is pressed. To send it
    again after a while would end a process that is slow to clean up.
    """
    deadline = time.monotonic() + 60
    asleep = 0
    while asleep < 10:  # in a row: it may also sleep for a moment because another of its threads is at work
        if time.monotonic() > deadline:
            raise TimeoutError(f"process {pid} asks, and never waits for an answer")
        time.sleep(0.01)
        asleep = asleep + 1 if state(pid) == "S" else 0
