"""What of a database is no template or no event, as far as this process knows: found by a scan, or met by a reader.

Readers leave out what is listed here by its ids, so that pages and totals are right; what they meet besides, they add.
A scan is the server's work (see `stored_schema`). It is made when the process gets ready, and again from time to time,
never for more than a hundredth of the time.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import pymongo
from pymongo.errors import PyMongoError

from flask_worker_templates._forks import renew_in_children
from flask_worker_templates.errors import TemplateNotFound
from flask_worker_templates.model.fields import nfc
from flask_worker_templates.model.rules import STANDARD

from .scan import EVENTS, MAX_KNOWN, TEMPLATES, Bad, Known, key_of, scan_events, scan_templates
from .soundness import check_template
from .stored_claims import check_claims
from .stored_events import check_event
from .stored_form import is_placeholder
from .stored_types import Malformed, Placeholder

if TYPE_CHECKING:
    from .connection import Collections, Document

log = logging.getLogger("flask_worker_templates")

T = TypeVar("T")

SHARE = 100
"""A scan is made again when this many times its own duration has passed."""

MIN_PAUSE_SECONDS = 1.0
"""The least time between two scans."""

AT_ONCE_SECONDS = 0.025
"""A scan that takes longer than this is made by a thread of its own, while requests go on."""

MAX_SECONDS = 1.0
"""The most time for the scan of one collection; what it does not reach is found when a reader meets it."""

MAX_NAMED = 20
"""The most documents of one kind that are named in the warnings; the others are counted."""


class _Schedule:
    """When one collection was scanned, and when it is scanned again: never before it was once asked for."""

    def __init__(self) -> None:
        self.next = math.inf
        self.seconds = 0.0

    @property
    def is_due(self) -> bool:
        return time.monotonic() >= self.next

    def done(self, seconds: float) -> None:
        self.seconds = seconds
        self.next = time.monotonic() + max(MIN_PAUSE_SECONDS, SHARE * seconds)


class Census:
    """Keeps what one process knows of the documents of one database that are in the way."""

    def __init__(self) -> None:
        self.rules = STANDARD
        """Those of a spec in the app; they say what is out of bounds."""
        self._known = Known()
        self._of_templates, self._of_events = _Schedule(), _Schedule()
        self._said: set[str] = set()
        self.renew_locks()
        renew_in_children(self)

    def renew_locks(self) -> None:
        """Make a new lock."""
        self._lock = threading.Lock()

    # What is known

    def templates(self) -> list[Any]:
        """Return the ids of the documents that are no templates."""
        return [bad.id for bad in self._known.templates.values()]

    def events(self) -> list[Any]:
        """Return the ids of the documents that are no events."""
        return [bad.id for bad in self._known.events.values()]

    def has_bad_events(self, template_id: str) -> bool:
        """Tell whether documents among a template's events are none."""
        return any(bad.template_id == template_id for bad in self._known.events.values())

    def blocked(self) -> dict[str, str]:
        """Return the names that are blocked by documents that are no templates, each with what is wrong with it."""
        return {nfc(bad.name): bad.problem for bad in self._known.templates.values() if bad.name is not None}

    def spellings(self, name: str) -> tuple[str, ...]:
        """Return the stored names that are not in NFC, and whose NFC is that of a name."""
        spelled = self._known.spelled
        return spelled.get(nfc(name), ()) if spelled else ()

    def warnings(self) -> tuple[str, ...]:
        """Return what is worth a look, in sentences."""
        known = self._known
        return (
            *_few([*known.templates.values()], _no_template, "other documents are no worker templates"),
            *_few([*known.events.values()], _no_event, "other documents are no events of worker templates"),
            *_few([*known.out_of_bounds.values()], str, "other worker templates hold values that break the rules"),
            *_few([names for names in known.spelled.values() if len(names) > 1], _alike, "other names have two forms"),
        )

    # What is found

    def met_template(self, document: Mapping[str, Any], error: Malformed) -> None:
        """Keep in mind that a document is no template."""
        if not (isinstance(error, Placeholder) or is_placeholder(document.get("name"))):
            name = document.get("name")
            bad = Bad(document.get("_id"), name if type(name) is str else None, str(error))
            self._met(self._known.templates, bad, _no_template)

    def met_event(self, document: Mapping[str, Any], error: Malformed) -> None:
        """Keep in mind that a document is no event."""
        bad = Bad(document.get("_id"), None, str(error), document.get("template_id"))
        self._met(self._known.events, bad, _no_event)

    def _met(self, known: dict[bytes, Bad], bad: Bad, sentence: Callable[[Bad], str]) -> None:
        key = key_of(bad.id)
        if key not in known and len(known) < MAX_KNOWN:
            known[key] = bad
            if len(known) <= MAX_NAMED:
                self._say(sentence(bad))

    def forget(self, template_id: str) -> None:
        """Take note that a document is a template, though it was listed as none."""
        self._known.templates.pop(key_of(template_id), None)

    def suspects(self, template_id: str) -> bool:
        """Tell whether a document is listed as no template."""
        known = self._known.templates
        return bool(known) and key_of(template_id) in known

    def sound_template(self, document: Document, key: str, *, claims: bool = False) -> Document:
        """Return a document if it is a template.

        Args:
            document: all of it, except its claims.
            key: what it was asked for by.
            claims: whether its claims are there too.

        Raises:
            TemplateNotFound: if it is none.
        """
        try:
            check_template(document)
            if claims:
                check_claims(document)
        except Malformed as error:
            self.met_template(document, error)
            raise TemplateNotFound(key) from None
        return document

    def sound_events(self, found: Iterable[Document]) -> list[Document]:
        """Return the documents that are events."""
        events = []
        for document in found:
            try:
                check_event(document)
            except Malformed as error:
                self.met_event(document, error)
            else:
                events.append(document)
        return events

    # Scans

    def look(self, db: Collections, *, events: bool = True) -> None:
        """Scan now; the templates alone, or the events too."""
        with self._lock:
            self._scan_templates(db)
            if events:
                self._scan_events(db)

    def look_again(self, db: Collections) -> None:
        """Scan what was scanned long ago; a long scan is made by a thread of its own, for later readers."""
        due = [one for one in (self._of_templates, self._of_events) if one.is_due]
        if not due or not self._lock.acquire(blocking=False):
            return  # or another thread is at it
        if max(one.seconds for one in due) > AT_ONCE_SECONDS:
            self._start(db)
            return
        try:
            self._scan_due(db)
        finally:
            self._lock.release()

    def look_soon(self, db: Collections) -> None:
        """Have what was scanned long ago scanned by a thread of its own."""
        if (self._of_templates.is_due or self._of_events.is_due) and self._lock.acquire(blocking=False):
            self._start(db)

    def _start(self, db: Collections) -> None:
        # The lock is handed to the thread: there is one scan at a time.
        try:
            threading.Thread(target=self._scan_and_release, args=(db,), name="worker-templates", daemon=True).start()
        except RuntimeError:  # no more threads; a later call tries again
            self._lock.release()

    def _scan_and_release(self, db: Collections) -> None:
        try:
            self._scan_due(db)
        finally:
            self._lock.release()

    def _scan_due(self, db: Collections) -> None:
        if self._of_templates.is_due:
            self._scan_templates(db)
        if self._of_events.is_due:
            self._scan_events(db)

    def _scan_templates(self, db: Collections) -> None:
        found = Known()
        if self._timed(lambda: scan_templates(db, self._known, found, self.rules), self._of_templates):
            self._known = replace(found, events=self._known.events)
        else:
            self._known.templates.update(found.templates)
        self._tell()

    def _scan_events(self, db: Collections) -> None:
        found = Known()
        if self._timed(lambda: scan_events(db, self._known, found), self._of_events):
            self._known.events = found.events
        else:
            self._known.events.update(found.events)
        self._tell()

    @staticmethod
    def _timed(scan: Callable[[], None], schedule: _Schedule) -> bool:
        start = time.monotonic()
        try:
            with pymongo.timeout(MAX_SECONDS):
                scan()
        except PyMongoError as error:  # the database is away or slow, which others tell of, or this takes too long
            log.debug("The documents could not all be looked at: %.300s", error)
            return False
        finally:
            schedule.done(time.monotonic() - start)
        return True

    def _tell(self) -> None:
        for warning in self.warnings():
            self._say(warning)

    def _say(self, warning: str) -> None:
        if warning not in self._said and len(self._said) < MAX_KNOWN:
            self._said.add(warning)
            log.warning("%s", warning)


def _no_template(bad: Bad) -> str:
    name = "" if bad.name is None else f" Its name {bad.name!r} cannot be used."
    return (
        f"Document {bad.id!r} of the collection {TEMPLATES!r} is no worker template: {bad.problem}. It is left out "
        f"everywhere, and never changed.{name}"
    )


def _no_event(bad: Bad) -> str:
    return (
        f"Document {bad.id!r} of the collection {EVENTS!r} is no event of a worker template: {bad.problem}. It is left "
        "out everywhere, and never changed."
    )


def _alike(names: Sequence[str]) -> str:
    return (
        f"The names {' and '.join(ascii(name) for name in names)} are one name to people ({nfc(names[0])!r}). All are "
        "kept, and none is pruned. Rename all but one."
    )


def _few(found: Sequence[T], sentence: Callable[[T], str], others: str) -> Iterator[str]:
    """Yield a sentence for each of the first few, and how many others there are."""
    yield from map(sentence, found[:MAX_NAMED])
    if len(found) > MAX_NAMED:
        at_least = "At least " if len(found) >= MAX_KNOWN else ""
        yield f"{at_least}{len(found) - MAX_NAMED:,} {others}."
