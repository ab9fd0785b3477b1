"""Templates as this process last read or wrote them, so that a change made for a known revision need not read again.

A client that names the revision which it changes (If-Match) has seen the template a moment ago, often by this very
process. What is remembered of that revision is only a guess: a change that is decided on it is written on the condition
that the document is still exactly that, also where somebody has edited it by hand and left its revision. Whatever else
comes of the guess is forgotten, and the document is read.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import bson

from flask_worker_templates.model.claim import Claim

from .decoding import SHOWN, decode
from .presented import MAX_REMEMBERED

Document = dict[str, Any]


class Known:
    """Documents by the ids of their templates, each without its claims and found to be sound."""

    MAX = 1024

    def __init__(self) -> None:
        self._raw: dict[str, bytes] = {}

    def note(self, template_id: str, raw: bytes) -> None:
        """Remember the BSON bytes of a document, unless they are many."""
        self._raw.pop(template_id, None)
        if len(raw) <= MAX_REMEMBERED:
            self._raw[template_id] = raw
        while len(self._raw) > self.MAX:
            with suppress(KeyError, RuntimeError, StopIteration):  # another thread does the same
                del self._raw[next(iter(self._raw))]

    def note_written(self, document: Document) -> None:
        """Remember a document as it was written."""
        self.note(document["_id"], bson.encode({key: value for key, value in document.items() if key != "claims"}))

    def take(self, template_id: str) -> Document | None:
        """Return a document, and forget it: what it was good for, a write, makes another of it."""
        raw = self._raw.pop(template_id, None)  # at once: only one of several threads has it
        return None if raw is None else decode(raw)

    def of(self, template_id: str) -> Document | None:
        """Return a document, each time a new one."""
        raw = self._raw.get(template_id)
        return None if raw is None else decode(raw)

    def forget(self, template_id: str) -> None:
        """Take note that a document is not as it is remembered."""
        self._raw.pop(template_id, None)


class KnownClaims:
    """Leases that this process has made or renewed, and that may well hold: a renewal of one is a cheaper command.

    Where the guess is wrong, the command finds nothing, and the one that makes a claim follows.
    """

    MAX = 10_000

    def __init__(self) -> None:
        self._leases: dict[tuple[str, str], tuple[float, Claim]] = {}

    def note(self, template_id: str, claim: Claim) -> None:
        """Remember a lease, as it was just made or renewed, for as long as it holds; a claim without end is none."""
        self.forget(template_id, claim.worker_id)
        if claim.expires_at is not None and claim.ttl_seconds is not None:
            self._leases[template_id, claim.worker_id] = time.monotonic() + claim.ttl_seconds, claim
        while len(self._leases) > self.MAX:
            with suppress(KeyError, RuntimeError, StopIteration):  # another thread does the same
                del self._leases[next(iter(self._leases))]

    def forget(self, template_id: str, worker_id: str) -> None:
        """Take note that a lease has ended."""
        self._leases.pop((template_id, worker_id), None)

    def of(self, template_id: str, worker_id: str) -> Sequence[Claim]:
        """Return the lease that a worker seems to have, if any."""
        end, *leases = self._leases.get((template_id, worker_id), (-math.inf,))
        return leases if time.monotonic() < end else ()


def unchanged(document: Document) -> Document:
    """Return the condition that nobody has changed what a write is decided on, and written over, by any way."""
    condition: Document = {name: {"$eq": document[name]} if name in document else {"$exists": False} for name in SHOWN}
    condition["last_event.token"] = document["last_event"]["token"]
    condition["base"] = None if document.get("base") is None else {"$ne": None}
    return condition
