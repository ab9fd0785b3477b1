"""Making one process ready: indexes and seeding, once, before the extension serves anything.

Nothing here runs at import or in ``init_app``; the first request to the extension's routes, or the first use of its
Python API, does it, and others that come meanwhile wait for it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask_worker_templates._forks import renew_in_children
from flask_worker_templates.errors import DatabaseUnavailable, NotReady, WorkerTemplatesError
from flask_worker_templates.store.connection import DatabaseAccess, is_same_database

if TYPE_CHECKING:
    from flask_worker_templates.reconcile.seed import SeedResult

log = logging.getLogger("flask_worker_templates")

RETRY_SECONDS = 5.0
"""The least time between two attempts after a failure."""

MIN_WAIT_SECONDS = 30.0
"""Others wait at least so long for the one that prepares."""

# Not the number of the thread: an async receiver of a signal runs in a thread of its own, with the context of this one.
_preparing: ContextVar[tuple[Readiness, ...]] = ContextVar("worker_templates_preparing", default=())
"""Those whose preparation the current thread, greenlet or task is a part of."""


@dataclass(frozen=True, slots=True)
class Status:
    """How the extension of one process does.

    Attributes:
        state: ``pending`` (not used yet), ``ready`` or ``failed``.
        message: why it failed; empty otherwise.
        seeded: what this process seeded, or None.
        warnings: what is worth a look, in sentences: documents of the database that are no templates or events and so
            are left out, and stored values that break the rules.
    """

    state: str
    message: str = ""
    seeded: SeedResult | None = None
    warnings: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether a health check may say that all is well; True for ``pending``, which is no fault."""
        return self.state != "failed"


class Prepared:
    """Remembers which database something was done for.

    Args:
        access: the way to the database.
    """

    def __init__(self, access: DatabaseAccess) -> None:
        self._access = access
        self._database: object = None

    def note(self) -> None:
        """It is done for the database that is connected now."""
        self._database = self._access.current()

    def has_changed(self) -> bool:
        """Whether another database is connected now; none at all is no other one."""
        now = self._access.current()
        if now is None or now is self._database:
            return False
        if not is_same_database(now, self._database):
            return True
        self._database = now
        return False


class Readiness:
    """Carries out the preparation of one app in this process, at most once at a time.

    Args:
        prepare: does the work, and returns what was seeded, if anything.
        wait: the most seconds to wait for another thread that is at it.
        database: what it is prepared for: after a reconnection elsewhere it is all done again.
    """

    def __init__(self, prepare: Callable[[], SeedResult | None], *, wait: float, database: Prepared) -> None:
        self._prepare = prepare
        self._wait = wait
        self._database = database
        self.renew_locks()
        self._status = Status("pending")
        self._failure: WorkerTemplatesError | None = None
        self._next_attempt = 0.0
        renew_in_children(self)

    def renew_locks(self) -> None:
        """Make a new lock."""
        self._lock = threading.Lock()

    def ensure(self) -> None:
        """Return once this process is ready.

        At once for what the preparation itself calls, such as a receiver of a signal: it would wait for itself.

        Raises:
            NotReady: if it could not be made ready; it is tried again later, at most once every few seconds.
        """
        if self._is_ready() or self in _preparing.get():
            return
        if not self._lock.acquire(timeout=self._wait):
            raise NotReady("The worker templates are still being prepared.", retry_after=int(RETRY_SECONDS))
        try:
            if self._is_ready():
                return
            if self._is_elsewhere() or time.monotonic() >= self._next_attempt:
                self._attempt()
            if self._failure is not None:
                raise self._not_ready(self._failure) from self._failure
        finally:
            self._lock.release()

    def status(self) -> Status:
        """Return how it stands, at once and without asking the database.

        After a failure, and once the pause is over, a new attempt starts in the background: a health check that takes
        this process out of service would otherwise keep away the request that could put it right.
        """
        if self._is_elsewhere():
            return Status("pending")
        status = self._status
        # The lock is handed to the thread: however often a health check asks, there is one thread at a time.
        if self._due() and self._lock.acquire(blocking=False):
            try:
                threading.Thread(target=self._attempt_and_release, name="worker-templates", daemon=True).start()
            except RuntimeError:  # no more threads; a later call tries again
                self._lock.release()
        return status

    def _is_ready(self) -> bool:
        return self._status.state == "ready" and not self._is_elsewhere()

    def _is_elsewhere(self) -> bool:
        """Whether another database is connected now than the one that the last attempt was about."""
        return self._status.state != "pending" and self._database.has_changed()

    def _due(self) -> bool:
        return self._status.state == "failed" and time.monotonic() >= self._next_attempt

    def _attempt_and_release(self) -> None:
        try:
            if self._due():  # nobody else has tried since
                self._attempt()
        except Exception:
            log.exception("The worker templates are not ready, because of an unexpected error")
        finally:
            self._lock.release()

    def _attempt(self) -> None:
        before = _preparing.set((*_preparing.get(), self))
        try:
            self._database.note()
            result = self._prepare()
        except WorkerTemplatesError as failure:
            # Once for each cause; that the database is not available has been said where it was noticed.
            if not isinstance(failure, DatabaseUnavailable) and str(failure) != self._status.message:
                log.error("The worker templates are not ready:\n%s", failure)  # noqa: TRY400  # no traceback: it is no bug
            self._fail(failure)
        except Exception as error:
            # A bug, of this package or of a receiver of a signal: until the next attempt it is not "pending".
            self._fail(NotReady(f"An unexpected error ({type(error).__name__}); the log says more."))
            raise
        else:
            self._failure = None
            self._status = Status("ready", seeded=result)
        finally:
            _preparing.reset(before)

    def _fail(self, failure: WorkerTemplatesError) -> None:
        self._failure = failure
        self._status = Status("failed", str(failure))
        self._next_attempt = time.monotonic() + RETRY_SECONDS

    def _not_ready(self, failure: WorkerTemplatesError) -> NotReady:
        wait = max(1, round(self._next_attempt - time.monotonic()))
        if isinstance(failure, DatabaseUnavailable):
            return NotReady(str(failure), retry_after=wait)
        # The faults name files and lines of the server: they are for its log, not for its clients.
        return NotReady("The worker templates could not be prepared; the server's log says why.", retry_after=wait)
