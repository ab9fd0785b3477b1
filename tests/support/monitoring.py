"""What a client sends to a real server, seen by PyMongo's command monitoring."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import mongoengine
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

READS = {"find", "aggregate", "listIndexes", "getMore", "distinct", "count", "endSessions", "hello", "ping"}
"""Commands that change no data."""


class Commands(CommandListener):
    """Keeps the names of the commands that a client sent."""

    def __init__(self) -> None:
        self.names: list[str] = []

    @property
    def writes(self) -> list[str]:
        """Those that may change data."""
        return [name for name in self.names if name not in READS]

    def started(self, event: CommandStartedEvent) -> None:
        self.names.append(event.command_name)

    def succeeded(self, event: CommandSucceededEvent) -> None:
        pass

    def failed(self, event: CommandFailedEvent) -> None:
        pass


@contextmanager
def monitored(uri: str) -> Iterator[tuple[dict[str, str | None], Commands]]:
    """A connection of the host to the database at `uri`, as config keys, and what is sent through it."""
    commands, alias = Commands(), f"monitored_{uuid.uuid4().hex}"
    mongoengine.connect(host=uri, alias=alias, event_listeners=[commands], uuidRepresentation="standard")
    try:
        yield {"WORKER_TEMPLATES_MONGODB_URI": None, "WORKER_TEMPLATES_DB_ALIAS": alias}, commands
    finally:
        mongoengine.disconnect(alias)
