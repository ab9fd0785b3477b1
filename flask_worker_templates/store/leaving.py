"""The end of a short process: PyMongo's background threads are not waited for."""

from __future__ import annotations

import atexit
import importlib


def end_at_once() -> None:
    """Let this process end without a wait for PyMongo's background threads.

    When a process ends, PyMongo waits until each of its threads has noticed, which takes half a second: more than all
    that a command does. They are daemon threads and hold nothing that has to be kept, so they may just end with the
    process. PyMongo has no public way to say so; a version of it that lacks this one waits as before.
    """
    try:
        wait = importlib.import_module("pymongo.synchronous.monitor")._shutdown_resources  # noqa: SLF001  # see above
    except (ImportError, AttributeError):
        return
    atexit.unregister(wait)
