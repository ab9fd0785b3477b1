"""What the parts of the store share: the way to the database, and who is told of changes."""

from __future__ import annotations

from collections.abc import Callable

from .commit import Copied
from .connection import DatabaseAccess, Document

Observer = Callable[[Document, Document], None]
"""Told of every change after its write: the event, and the document after it (for a deletion, before it)."""


class Part:
    """One part of a `Store`.

    Args:
        access: the way to the database.
        observer: told of every change after its write.
    """

    def __init__(self, access: DatabaseAccess, observer: Observer | None = None) -> None:
        self._access = access
        self._observer = observer
        self._copied = Copied()

    def _tell(self, event: Document, document: Document) -> None:
        if self._observer is not None:
            self._observer(event, document)
