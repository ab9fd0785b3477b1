"""That contestants are comparable: the same data, the same checks, the same audit trail, the same durability."""

from __future__ import annotations

from typing import Any

from pymongo import MongoClient

from tests.benchmarks import data
from tests.benchmarks.contestants import WRITES, Answer, Contestant, Server, id_of
from tests.benchmarks.data import Spec
from tests.benchmarks.peers.common import PAGE_SIZE, PATH

Document = dict[str, Any]
FIELDS = tuple(data.spec(0))
_SYNCED_CREATES = 20


class DisagreementError(AssertionError):
    """A contestant does something else than the others; comparing it would mean nothing."""


def check(server: Server, specs: list[Spec], *, journal: bool | None) -> None:
    """Check one contestant that holds `specs`, and leave its templates as they were.

    Args:
        server: it, being served.
        specs: what it was given, in the order of their names.
        journal: whether its writes must be in the journal before they are acknowledged; None checks nothing.

    Raises:
        DisagreementError: saying what differs.
    """
    contestant = server.contestant
    if contestant.key == "constant":
        return
    page = server.ask("GET", PATH)
    _same(contestant, "the list", [_spec_of(item) for item in page.items], specs[:PAGE_SIZE])
    _same(contestant, "the total", page.total, len(specs))
    ids = [id_of(item) for item in page.items]
    one = server.ask("GET", f"{PATH}/{ids[7]}")
    _same(contestant, "a template", _spec_of(one.json), specs[7])
    if "not modified" in contestant.works:
        again = server.ask("GET", f"{PATH}/{ids[7]}", headers={"If-None-Match": one.headers["etag"]})
        _same(contestant, "an unchanged template", again.status, 304)
    if set(WRITES) <= set(contestant.works):
        with MongoClient[Document](server.uri) as client:
            _check_writes(server, client, ids[8], journal=journal)


def _check_writes(server: Server, client: MongoClient[Document], template_id: str, *, journal: bool | None) -> None:
    contestant, database = server.contestant, client.get_default_database()

    def documents() -> int:
        return sum(database[name].count_documents({}) for name in database.list_collection_names())

    def change(answer: Answer, text: str) -> Answer:
        headers = {"If-Match": answer.headers["etag"]}
        return server.ask("PATCH", f"{PATH}/{template_id}", {"description": text}, headers)

    before = documents()
    first = server.ask("GET", f"{PATH}/{template_id}")
    second = change(first, "changed")
    _same(contestant, "an update", second.status, 200)
    _same(contestant, "documents after an update (its event)", documents(), before + 1)
    _same(contestant, "an update of what has changed since", change(first, "lost").status, 412)
    third = change(second, first.json["description"])
    _same(contestant, "a second update", third.status, 200)
    syncs = _journal_syncs(client)
    for number in range(_SYNCED_CREATES):
        created = server.ask("POST", PATH, {**data.spec(0), "name": f"bench-agreement-{number:03}"})
        _same(contestant, "a create", created.status, 201)
    syncs = _journal_syncs(client) - syncs
    _same(contestant, "documents after creates", documents(), before + 2 + 2 * _SYNCED_CREATES)
    if journal and syncs < 2 * _SYNCED_CREATES:
        raise DisagreementError(f"{contestant.title}: {_SYNCED_CREATES} creates synced the journal {syncs} times only")
    remove_created(client)


def remove_created(client: MongoClient[Document]) -> None:
    """Remove the templates that a measurement created, so that each begins with the same ones."""
    database = client.get_default_database()
    for name in database.list_collection_names():
        if not name.startswith(("audit_events", "oplog", "worker_template_events")):
            database[name].delete_many({"name": {"$gte": "bench-", "$lt": "bench."}})


def remove_claims(client: MongoClient[Document]) -> None:
    """Remove the claims that a measurement made."""
    templates = client.get_default_database()["worker_templates"]
    templates.update_many({"claims": {"$ne": []}}, {"$set": {"claims": []}})


def _journal_syncs(client: MongoClient[Document]) -> int:
    return int(client.admin.command("serverStatus")["wiredTiger"]["log"]["log sync operations"])


def _spec_of(item: Document) -> Spec:
    return {name: item.get(name) for name in FIELDS}


def _same(contestant: Contestant, what: str, found: object, expected: object) -> None:
    if found != expected:
        raise DisagreementError(f"{contestant.title}: {what} should be {expected!r:.300}, but is {found!r:.300}")
