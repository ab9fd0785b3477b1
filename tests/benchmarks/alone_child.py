"""Sees, counts or replays commands to MongoDB, in a process of its own, in the peers' environment: prints JSON.

Arguments: ``gevent`` or ``threads``; then ``count MODULE``, ``capture MODULE FILE`` or ``replay FILE``.
"""

from __future__ import annotations

import sys

if sys.argv[1] == "gevent":
    from gevent import monkey

    monkey.patch_all()

import importlib
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import bson
from flask.testing import FlaskClient
from pymongo import MongoClient, ReturnDocument, monitoring
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from flask_worker_templates.store.connection import Collections
from flask_worker_templates.store.indexes import ensure_indexes
from tests.benchmarks import data
from tests.benchmarks.peers.common import PATH, mongodb_uri

Document = dict[str, Any]
_TEMPLATES = 8
_EACH = 100
_WARM = 10
_OF_THE_SESSION = ("lsid", "maxTimeMS", "$clusterTime", "$db", "$readPreference", "txnNumber")


class Seen(monitoring.CommandListener):
    """The commands since they were last taken, as BSON: what the driver does with them afterwards does not matter."""

    def __init__(self) -> None:
        self._commands: list[bytes] = []

    def take(self) -> list[bytes]:
        """Return and forget them."""
        taken, self._commands = self._commands, []
        return taken

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.command_name in {"hello", "isMaster", "ping", "endSessions"}:
            return
        self._commands.append(
            bson.encode({key: value for key, value in event.command.items() if key not in _OF_THE_SESSION})
        )

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None: ...

    def failed(self, event: monitoring.CommandFailedEvent) -> None: ...


class Asking:
    """The app under test, asked without a server, and what it does to answer."""

    def __init__(self, module: str) -> None:
        self.seen = Seen()
        monitoring.register(self.seen)
        self._client: FlaskClient = importlib.import_module(module).create_app().test_client()
        self._number = itertools.count()
        for _ in range(_TEMPLATES):
            self.create()
        answers = self._client.get(PATH).json or []
        self.ids: list[str] = [item["id"] for item in answers if item["enabled"]]
        self._tags = dict.fromkeys(self.ids, '"1"')

    def ask(self, method: str, path: str, **arguments: Any) -> list[bytes]:
        """Ask, and return the commands."""
        self.seen.take()
        answer = self._client.open(path, method=method, **arguments)
        if answer.status_code >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text}")
        if method == "PATCH":
            self._tags[path.rpartition("/")[2]] = answer.headers["ETag"]
        return self.seen.take()

    def create(self) -> list[bytes]:
        number = next(self._number)
        return self.ask("POST", PATH, json={**data.spec(number), "enabled": True, "name": f"bench-{number:06}"})

    def get(self, template_id: str, **arguments: Any) -> list[bytes]:
        return self.ask("GET", f"{PATH}/{template_id}", **arguments)

    def not_modified(self, template_id: str) -> list[bytes]:
        return self.get(template_id, headers={"If-None-Match": self._tags[template_id]})

    def update(self, template_id: str) -> list[bytes]:
        change = {"description": f"changed {next(self._number)}"}
        return self.ask("PATCH", f"{PATH}/{template_id}", json=change, headers={"If-Match": self._tags[template_id]})

    def claim(self, template_id: str, worker: str) -> list[bytes]:
        return self.ask("PUT", f"{PATH}/{template_id}/claims/{worker}", json={"ttl_seconds": 300})


def count(module: str) -> dict[str, int]:
    """Count the commands of each work; of some, each after the first has made what it makes but once."""
    asking = Asking(module)
    one = asking.ids[0]
    works: dict[str, Callable[[int], list[bytes]]] = {
        "list": lambda _: asking.ask("GET", PATH),
        "get": lambda _: asking.get(one),
        "not modified": lambda _: asking.not_modified(one),
        "create": lambda _: asking.create(),
        "update": lambda _: asking.update(one),
        "claim": lambda number: asking.claim(one, f"worker-{number}"),
        "renew": lambda _: asking.claim(one, "renewing"),
    }
    # A list takes its count where the page is full, as it is in the measured ones.
    for _ in range(60):
        asking.create()
    return {work: [len(ask(number)) for number in range(5)][-1] for work, ask in works.items()}


def capture(module: str, file: Path) -> dict[str, int]:
    """Write the start and the commands of many gets, creates and updates; return how many commands each work takes."""
    asking = Asking(module)
    for template_id in asking.ids:
        asking.update(template_id)
    with MongoClient[Document](mongodb_uri()) as client:
        start = list(client.get_default_database()["worker_templates"].find({"_id": {"$in": asking.ids}}))
    taken: dict[str, int] = {}
    with file.open("wb") as stream:
        stream.write(bson.encode({"start": start}))
        for number in range(_EACH):
            for who, template_id in enumerate(asking.ids):
                for work, commands in (
                    ("get", asking.get(template_id)),
                    ("create", asking.create()),
                    ("update", asking.update(template_id)),
                ):
                    taken[work] = len(commands)
                    plain = [bson.decode(command) for command in commands]
                    stream.write(bson.encode({"work": work, "who": who, "number": number, "commands": plain}))
    return taken


def replay(file: Path) -> dict[str, float]:
    """Run the commands of a file by plain calls; return the microseconds of the processor for each work."""
    with file.open("rb") as stream:
        (begin, *operations) = bson.decode_file_iter(stream)
    client = MongoClient[Document](mongodb_uri())
    database = client.get_default_database()
    ensure_indexes(Collections.of(database))
    database["worker_templates"].insert_many(begin["start"])
    found = {}
    for work in ("get", "create", "update"):
        calls: list[list[Callable[[], object]]] = [[] for _ in begin["start"]]
        for operation in operations:
            if operation["work"] == work:
                calls[operation["who"]].append(partial(_all, list(_plain_calls(database, operation["commands"]))))
        _at_once([one[:_WARM] for one in calls])
        before = time.process_time()
        _at_once([one[_WARM:] for one in calls])
        found[work] = (time.process_time() - before) / sum(len(one) - _WARM for one in calls) * 1e6
    return found


def _at_once(calls: Iterable[list[Callable[[], object]]]) -> None:
    threads = [threading.Thread(target=_all, args=(one,)) for one in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _all(calls: Iterable[Callable[[], object]]) -> None:
    for call in calls:
        call()


def _plain_calls(database: Database[Document], commands: Iterable[Document]) -> Iterator[Callable[[], object]]:
    for command in commands:
        collection: Collection[Document] = database.get_collection(
            next(iter(command.values())),
            write_concern=WriteConcern(**command.get("writeConcern", {})),
            read_concern=ReadConcern(**command.get("readConcern", {})),
        )
        yield from _of_one_command(database, collection, command)


def _of_one_command(
    database: Database[Document], collection: Collection[Document], command: Document
) -> Iterator[Callable[[], object]]:
    match next(iter(command)):
        case "find":
            yield partial(_found, collection.find_one, command["filter"], command.get("projection"))
        case "insert":
            (document,) = command["documents"]
            yield partial(collection.insert_one, document)
        case "update":
            for update in command["updates"]:
                changes = update["u"] if isinstance(update["u"], Mapping) else {"$set": {}}
                if not next(iter(changes), "$").startswith("$"):
                    yield partial(collection.replace_one, update["q"], update["u"], upsert=update.get("upsert", False))
                else:
                    yield partial(
                        _changed, collection.update_one, update["q"], update["u"], upsert=update.get("upsert", False)
                    )
        case "findAndModify":
            yield partial(
                _found,
                collection.find_one_and_update,
                command["query"],
                command["update"],
                command.get("fields"),
                upsert=command.get("upsert", False),
                return_document=ReturnDocument.AFTER if command.get("new") else ReturnDocument.BEFORE,
            )
        case _:
            yield partial(database.command, command)


def _found(call: Callable[..., object], *arguments: object, **named: object) -> None:
    assert call(*arguments, **named) is not None, arguments


def _changed(call: Callable[..., Any], *arguments: object, **named: object) -> None:
    result = call(*arguments, **named)
    assert result.matched_count or result.upserted_id is not None, arguments


if __name__ == "__main__":
    what, *rest = sys.argv[2:]
    kinds: dict[str, Callable[..., Mapping[str, float]]] = {
        "count": count,
        "capture": lambda module, file: capture(module, Path(file)),
        "replay": lambda file: replay(Path(file)),
    }
    print(json.dumps(kinds[what](*rest)))
