"""Ctrl-C in the processes that tests start."""

from __future__ import annotations

import signal


def heed_interrupts() -> None:
    """For `preexec_fn`: a shell makes what it runs in the background ignore Ctrl-C, this run of the tests perhaps."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
