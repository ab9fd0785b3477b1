"""Renews the claims of the workers that run.

In a real fleet each worker does this itself, on its own machine, by `PUT /api/v1/templates/ID/claims/WORKER`. Here no
machine runs, and a thread of the app stands in for all of them. Several processes may do it at once: that does no harm.
"""

from __future__ import annotations

import threading
import time

from flask import Flask
from pymongo.errors import PyMongoError

from flask_worker_templates import WorkerTemplatesError

from .fleet import LEASE_SECONDS, Worker, renew

RENEW_SECONDS = LEASE_SECONDS / 3
"""A third of the lease, so that one renewal that fails does no harm."""


def install(app: Flask) -> None:
    """Start the thread with the first request: not in a command, and not before a server forks."""
    start = threading.Lock()

    @app.before_request
    def start_once() -> None:
        if start.acquire(blocking=False):
            threading.Thread(target=_beat, args=(app,), name="heartbeat", daemon=True).start()


def _beat(app: Flask) -> None:
    while True:
        try:
            with app.app_context():
                for worker in Worker.objects(ended=""):
                    renew(worker)
        except (PyMongoError, WorkerTemplatesError) as error:
            app.logger.warning("The claims of the workers are not renewed, next try in a moment: %s", error)
        time.sleep(RENEW_SECONDS)
