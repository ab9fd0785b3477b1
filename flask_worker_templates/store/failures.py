"""What a failure of the database means to callers, and what of it is logged."""

from __future__ import annotations

import logging
import re
import threading
import time

from bson.errors import InvalidDocument
from pymongo.errors import (
    BulkWriteError,
    DocumentTooLarge,
    DuplicateKeyError,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
)

from flask_worker_templates.errors import DatabaseRefused, DatabaseUnavailable

from .refusals import TOO_LARGE, refusal_of

log = logging.getLogger("flask_worker_templates")

_UNAUTHORIZED, _AUTHENTICATION_FAILED = 13, 18
_LOG_AGAIN_SECONDS = 60.0
_DRIVERS_STATE = re.compile(r" \(configured timeouts: [^)]*\)|, Timeout: [0-9.]+s, Topology Description: .*", re.DOTALL)


class StillConnecting(TimeoutError):
    """Another thread connects to the database, and took longer than this one may wait."""


class Failures:
    """The failures of one app's database.

    Args:
        source: what says which database it is: a setting, or a connection of MongoEngine.
        seconds: that it may take to answer.
    """

    def __init__(self, source: str, seconds: float) -> None:
        self._source = source
        self._seconds = seconds
        self._outage: set[str] = set()
        self._logged: dict[str, float] = {}
        self.renew_locks()

    def renew_locks(self) -> None:
        """Make new locks, in a child that was forked."""
        self.lock = threading.Lock()

    def too_slow(self) -> str:
        """Say that the database took too long."""
        return f"it did not answer within {self._seconds * 1000:,.0f} ms"

    def translate(self, error: Exception) -> None:
        """Raise what a failure means, where it is one of the database, and log that; else return.

        Raises:
            DatabaseRefused: where MongoDB would refuse the same again.
            DatabaseUnavailable: for whatever else MongoDB could not or would not do, except a duplicate key.
        """
        match error:
            case DuplicateKeyError():
                return
            case DatabaseUnavailable():
                if not isinstance(error.__cause__, StillConnecting):  # the thread that connects says what is wrong
                    self._note(error.reason, error.__cause__)
            case InvalidDocument():  # what the driver does not even send
                too_large = isinstance(error, DocumentTooLarge)
                raise DatabaseRefused(TOO_LARGE if too_large else "a value has no form in MongoDB.") from error
            case PyMongoError():
                if (refusal := refusal_of(error)) is not None:
                    raise DatabaseRefused(refusal) from error
                reason = self._reason(error)
                self._note(reason, error)
                raise DatabaseUnavailable(reason) from error

    def note_success(self) -> None:
        """Take note that the database did what it was asked."""
        if not self._outage:
            return
        with self.lock:
            recovered, self._outage = self._outage, set()
        if recovered:
            log.warning("The worker template database answers again.")

    def _note(self, reason: str, error: BaseException | None) -> None:
        # Once for each cause, not once for each request: a fault must not bury the log that explains it.
        now = time.monotonic()
        refused = isinstance(error, OperationFailure) and error.code != _AUTHENTICATION_FAILED and not error.timeout
        with self.lock:
            if refused:
                # That others succeed says nothing of this one, so that there is no end of it to be noticed.
                said = now - self._logged.get(reason, -_LOG_AGAIN_SECONDS) < _LOG_AGAIN_SECONDS
            else:
                said = reason in self._outage
                self._outage.add(reason)
            if said:
                return
            self._logged[reason] = now
        # What the driver says names every server first, and then all that it knows of each, in a page of text.
        detail = _DRIVERS_STATE.sub("", str(error))[:500]
        log.error("The worker template database (see %s) is not available: %s (%s)", self._source, reason, detail)

    def _reason(self, error: PyMongoError) -> str:
        if error.timeout:
            return self.too_slow()
        if isinstance(error, WriteConcernError) or (
            isinstance(error, BulkWriteError) and error.details.get("writeConcernErrors")
        ):
            return "it did not confirm the write"
        if isinstance(error, OperationFailure):
            if error.code == _AUTHENTICATION_FAILED:
                return "it refused the login"
            if error.code == _UNAUTHORIZED:
                return "its user is not authorized for this operation"
            name = (error.details or {}).get("codeName") or f"code {error.code}"
            return f"it refused the operation ({name})"
        return "it cannot be reached"
