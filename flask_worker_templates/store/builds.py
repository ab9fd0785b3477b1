"""The indexes that are being built while requests go on."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from flask_worker_templates.errors import WorkerTemplatesError

log = logging.getLogger("flask_worker_templates")


class Builds:
    """What this process builds in the background on one database."""

    def __init__(self) -> None:
        self._waiting: list[str] = []
        self._failed: dict[str, str] = {}

    def start(self, names: Sequence[str], build: Callable[[], None]) -> None:
        """Build indexes in a thread of its own, unless it is at it."""
        if self._waiting:
            return
        self._waiting = list(names)
        log.warning("Indexes are being built while requests go on: %s.", ", ".join(names))
        threading.Thread(target=self._run, args=(build,), name="worker-templates-indexes", daemon=True).start()

    def _run(self, build: Callable[[], None]) -> None:
        try:
            build()
        except WorkerTemplatesError as error:
            self._failed = dict.fromkeys(self._waiting, str(error))
            log.error("Indexes could not be built: %s", error)  # noqa: TRY400  # no traceback: it is no bug
        else:
            self._failed = {}
            log.warning("The indexes are built: %s.", ", ".join(self._waiting))
        finally:
            self._waiting = []

    def warnings(self) -> tuple[str, ...]:
        """Return what is worth a look, in sentences."""
        if self._waiting:
            return (f"Indexes are being built: {', '.join(self._waiting)}. Until then some lists are slow.",)
        if self._failed:
            reason = next(iter(self._failed.values()))
            names = ", ".join(self._failed)
            what_to_do = "Run flask seed-templates, which builds them and waits."
            return (f"Indexes could not be built: {names}. Some lists are slow. {reason} {what_to_do}",)
        return ()
