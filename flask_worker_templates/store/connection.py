"""The way to MongoDB: which database, with which guarantees, within which time, and what a failure means.

The client belongs to the host (its MongoEngine alias) or is the extension's own alias; it is looked up at each use
and never kept, so that a fork, a `mongoengine.disconnect_all` or a reconnect by the host does no harm.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import mongoengine
import pymongo
from pymongo import ReadPreference
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from flask_worker_templates._forks import renew_in_children
from flask_worker_templates.errors import DatabaseUnavailable
from flask_worker_templates.model.rules import STANDARD, SpecRules
from flask_worker_templates.settings import Settings

from .adapter import with_options
from .builds import Builds
from .census import Census
from .decoding import PLAIN
from .failures import Failures, StillConnecting
from .known import Known, KnownClaims
from .raw_documents import RAW
from .raw_reads import CountedPages
from .scan import EVENTS as EVENTS  # noqa: PLC0414  # exported
from .scan import TEMPLATES as TEMPLATES  # noqa: PLC0414
from .uri import check_uri, with_bounded_lookup

Document = dict[str, Any]

LOG = "worker_template_log"

# What a client's own settings cannot weaken. Without `j` a standalone server loses acknowledged writes when it is
# killed; without `majority` a replica set rolls them back when its primary is.
_DURABLE = WriteConcern(w="majority", j=True)
_MAJORITY = ReadConcern("majority")


NAMESPACE_NOT_FOUND = 26
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
        self._collections: Collections | None = None
        source = f"the MongoEngine connection {self._alias!r}" if self._uri is None else "WORKER_TEMPLATES_MONGODB_URI"
        self.failures = Failures(source, self._seconds)
        self.renew_locks()
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
        self.failures.renew_locks()

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
            raise DatabaseUnavailable(self.failures.too_slow()) from StillConnecting
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

    def operation(self, limit: TimeLimit | None = None) -> _Operation:
        """Hold the time limit over everything that is done inside, and translate what fails.

        Args:
            limit: what is left of the time of an operation that this is a part of; a whole one if left out.

        Raises:
            DatabaseRefused: where MongoDB would refuse the same again.
            DatabaseUnavailable: for whatever else MongoDB could not or would not do, except a duplicate key.
        """
        return _Operation(self, limit or self.time_limit())

    def long_operation(self) -> _Operation:
        """Translate what fails, as `operation`, but let it take as long as it takes: for building indexes."""
        return _Operation(self, None)


class _Operation:
    """What `DatabaseAccess.operation` returns. A class, because it stands around each command of each request."""

    __slots__ = ("_access", "_limit", "_timeout")

    def __init__(self, access: DatabaseAccess, limit: TimeLimit | None) -> None:
        self._access = access
        self._limit = limit
        self._timeout: AbstractContextManager[object] | None = None

    def __enter__(self) -> Collections:
        try:
            if self._limit is not None:
                seconds = self._limit.seconds_left
                if not seconds:
                    raise DatabaseUnavailable(self._access.failures.too_slow())
                self._timeout = pymongo.timeout(seconds)
                self._timeout.__enter__()
            collections = self._access.collections
        except BaseException as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise
        return collections

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timeout is not None:
            self._timeout.__exit__(kind, error, trace)
        if error is None:
            self._access.failures.note_success()
        elif isinstance(error, Exception):
            self._access.failures.translate(error)


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
