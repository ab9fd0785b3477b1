"""The way to MongoDB: which database, with which guarantees, within which time, and what a failure means.

The client belongs to the host (its MongoEngine alias) or is the extension's own alias; it is looked up at each use
and never kept, so that a fork, a `mongoengine.disconnect_all` or a reconnect by the host does no harm.
"""

from __future__ import annotations

import itertools
import logging
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import mongoengine
import pymongo
from bson.errors import InvalidDocument
from pymongo import ReadPreference
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import (
    BulkWriteError,
    DocumentTooLarge,
    DuplicateKeyError,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
)
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from flask_worker_templates._forks import renew_in_children
from flask_worker_templates.errors import DatabaseRefused, DatabaseUnavailable
from flask_worker_templates.model.rules import STANDARD, SpecRules
from flask_worker_templates.settings import Settings

from .adapter import with_options
from .builds import Builds
from .census import Census
from .decoding import PLAIN
from .known import Known, KnownClaims
from .raw_documents import RAW
from .raw_reads import CountedPages
from .refusals import TOO_LARGE, refusal_of
from .scan import EVENTS as EVENTS  # noqa: PLC0414  # exported
from .scan import TEMPLATES as TEMPLATES  # noqa: PLC0414
from .uri import check_uri, with_bounded_lookup

log = logging.getLogger("flask_worker_templates")

Document = dict[str, Any]

LOG = "worker_template_log"

# What a client's own settings cannot weaken. Without `j` a standalone server loses acknowledged writes when it is
# killed; without `majority` a replica set rolls them back when its primary is.
_DURABLE = WriteConcern(w="majority", j=True)
_MAJORITY = ReadConcern("majority")


_UNAUTHORIZED, _AUTHENTICATION_FAILED, NAMESPACE_NOT_FOUND = 13, 18, 26
_LOG_AGAIN_SECONDS = 60.0
_DRIVERS_STATE = re.compile(r" \(configured timeouts: [^)]*\)|, Timeout: [0-9.]+s, Topology Description: .*", re.DOTALL)
_serial = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Collections:
    """The collections, each for reading and for the write protocol."""

    database: Database[Document]
    templates: Collection[Document]  # reads for presentation: the host's read preference
    templates_raw: Collection[Any]  # the same, as the BSON bytes that the server sends
    events: Collection[Document]
    events_raw: Collection[Any]
    templates_guarded: Collection[Document]  # writes, and the reads that guard them
    events_guarded: Collection[Document]
    log: Collection[Document]  # in which order the events became known; guarded too
    census: Census = field(default_factory=Census)
    builds: Builds = field(default_factory=Builds)
    counted_pages: CountedPages = field(default_factory=CountedPages)
    known: Known = field(default_factory=Known)
    known_claims: KnownClaims = field(default_factory=KnownClaims)

    @classmethod
    def of(cls, database: Database[Document]) -> Collections:
        """Return the collections of a database."""
        templates = with_options(database[TEMPLATES], PLAIN)
        events = with_options(database[EVENTS], PLAIN)
        durable: dict[str, Any] = {
            "read_preference": ReadPreference.PRIMARY,
            "read_concern": _MAJORITY,
            "write_concern": _DURABLE,
        }
        return cls(
            database,
            templates,
            with_options(templates, RAW),
            events,
            with_options(events, RAW),
            templates.with_options(**durable),
            events.with_options(**durable),
            with_options(database[LOG], PLAIN).with_options(**durable),
        )


class TimeLimit:
    """How long the database may take for several operations together; the time of the host's own code is left out."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def seconds_left(self) -> float:
        """The seconds that are left, at least zero."""
        return max(0.0, self._end - time.monotonic())

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Let no time count that passes inside."""
        start = time.monotonic()
        try:
            yield
        finally:
            self._end += time.monotonic() - start


class _StillConnecting(TimeoutError):
    """Another thread connects to the database, and took longer than this one may wait."""


class DatabaseAccess:
    """One app's access to its database.

    Args:
        settings: the app's settings; nothing is connected before the first use.

    Raises:
        SettingsError: if ``WORKER_TEMPLATES_MONGODB_URI`` is malformed or names no database.
    """

    def __init__(self, settings: Settings, rules: SpecRules = STANDARD) -> None:
        _close_abandoned()
        self._rules = rules
        self._uri = settings.mongodb_uri
        self._alias = settings.db_alias
        self._seconds = settings.db_timeout_ms / 1000
        self.renew_locks()
        self._collections: Collections | None = None
        self._outage: set[str] = set()
        self._logged: dict[str, float] = {}
        if self._uri is not None:
            check_uri(self._uri)
            self._uri = with_bounded_lookup(self._uri, self._seconds)
            self._alias = f"worker-templates-{next(_serial)}"
        renew_in_children(self)

    def current(self) -> object:
        """Return what stands for the database that is connected now, or None where there is none; without waiting.

        With a URI of the app's own, that is always the same one.
        """
        if self._uri is not None:
            return self
        try:
            return _steadily(mongoengine.get_db, self._alias)
        except (mongoengine.connection.ConnectionFailure, KeyError):
            return None

    def abandon(self) -> None:
        """Have the client of the app's own closed soon. For a finalizer, which may run at any place of any thread."""
        if self._uri is not None:
            _abandoned.append(self._alias)

    def renew_locks(self) -> None:
        """Make new locks."""
        self._lock = threading.Lock()
        self._log_lock = threading.Lock()

    @property
    def collections(self) -> Collections:
        """The collections of the database as it is connected now."""
        database = self._database()
        known = self._collections
        if known is None or known.database is not database:
            known = self._collections = Collections.of(database)
            known.census.rules = self._rules
        return known

    def _database(self) -> Database[Document]:
        if self._uri is None:
            return self._connected(
                f"MongoEngine has no usable connection {self._alias!r}; connect it with mongoengine.connect, name "
                "another in WORKER_TEMPLATES_DB_ALIAS, or set WORKER_TEMPLATES_MONGODB_URI."
            )
        lock = self._lock  # one at a time: MongoEngine would let two threads open a client each
        if not lock.acquire(timeout=self._seconds):
            raise DatabaseUnavailable(self._too_slow()) from _StillConnecting
        try:
            return self._own_database(time.monotonic() + self._seconds)
        finally:
            lock.release()

    def _own_database(self, deadline: float) -> Database[Document]:
        _close_abandoned()
        problem = "the server of WORKER_TEMPLATES_MONGODB_URI cannot be looked up"
        try:
            return _steadily(mongoengine.get_db, self._alias)  # type: ignore[no-any-return]
        except mongoengine.connection.ConnectionFailure as error:
            if time.monotonic() > deadline:  # it is registered, and the client's own lookup took all the time
                raise DatabaseUnavailable(problem) from error
            # Registered at the first use, so that no client is opened before a fork, and again after the host has
            # disconnected every alias.
            mongoengine.register_connection(
                self._alias, host=self._uri, uuidRepresentation="standard", appname="flask-worker-templates"
            )
        return self._connected(problem)

    def _connected(self, problem: str) -> Database[Document]:
        try:
            return _steadily(mongoengine.get_db, self._alias)  # type: ignore[no-any-return]
        except (mongoengine.connection.ConnectionFailure, KeyError) as error:  # KeyError: disconnected at this moment
            raise DatabaseUnavailable(problem) from error

    def time_limit(self) -> TimeLimit:
        """Return a new time limit, for several operations that are one to their caller."""
        return TimeLimit(self._seconds)

    @contextmanager
    def operation(self, limit: TimeLimit | None = None) -> Iterator[Collections]:
        """Hold the time limit over everything that is done inside, and translate what fails.

        Args:
            limit: what is left of the time of an operation that this is a part of; a whole one if left out.

        Raises:
            DatabaseRefused: where MongoDB would refuse the same again.
            DatabaseUnavailable: for whatever else MongoDB could not or would not do, except a duplicate key.
        """
        with self._translating():
            seconds = self._seconds if limit is None else limit.seconds_left
            if not seconds:
                raise DatabaseUnavailable(self._too_slow())
            with pymongo.timeout(seconds):
                yield self.collections

    @contextmanager
    def long_operation(self) -> Iterator[Collections]:
        """Translate what fails, as `operation`, but let it take as long as it takes: for building indexes."""
        with self._translating():
            yield self.collections

    @contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except DuplicateKeyError:
            raise
        except DatabaseUnavailable as error:
            if not isinstance(error.__cause__, _StillConnecting):  # the thread that connects says what is wrong
                self._note_failure(error.reason, error.__cause__)
            raise
        except InvalidDocument as error:  # what the driver does not even send
            too_large = isinstance(error, DocumentTooLarge)
            raise DatabaseRefused(TOO_LARGE if too_large else "a value has no form in MongoDB.") from error
        except PyMongoError as error:
            if (refusal := refusal_of(error)) is not None:
                raise DatabaseRefused(refusal) from error
            reason = self._reason(error)
            self._note_failure(reason, error)
            raise DatabaseUnavailable(reason) from error
        if self._outage:
            self._note_recovery()

    def _note_failure(self, reason: str, error: BaseException | None) -> None:
        # Once for each cause, not once for each request: a fault must not bury the log that explains it.
        now = time.monotonic()
        refused = isinstance(error, OperationFailure) and error.code != _AUTHENTICATION_FAILED and not error.timeout
        with self._log_lock:
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
        source = f"the MongoEngine connection {self._alias!r}" if self._uri is None else "WORKER_TEMPLATES_MONGODB_URI"
        log.error("The worker template database (see %s) is not available: %s (%s)", source, reason, detail)

    def _note_recovery(self) -> None:
        with self._log_lock:
            recovered, self._outage = self._outage, set()
        if recovered:
            log.warning("The worker template database answers again.")

    def _reason(self, error: PyMongoError) -> str:
        if error.timeout:
            return self._too_slow()
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

    def _too_slow(self) -> str:
        return f"it did not answer within {self._seconds * 1000:,.0f} ms"


_abandoned: deque[str] = deque()
"""Aliases of apps that are no more. They are closed at the next opportunity, not by the finalizer, which must not wait
for a lock that its own thread may hold."""


def _steadily(function: Callable[[str], Any], alias: str) -> Any:
    """Call what walks over all aliases of MongoEngine, again where another thread changed them meanwhile."""
    for _ in range(100):
        try:
            return function(alias)
        except (RuntimeError, KeyError):  # the dictionary changed, or what it held a moment ago is gone
            time.sleep(0.001)
    return function(alias)


def _close_abandoned() -> None:
    while _abandoned:
        with suppress(IndexError):  # another thread was faster
            _steadily(mongoengine.disconnect, _abandoned.popleft())


def is_same_database(one: object, other: object) -> bool:
    """Return whether two are the same database, even if they were connected one after the other."""
    return one is other or (isinstance(one, Database) and one == other)
