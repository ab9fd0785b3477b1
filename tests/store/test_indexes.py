"""The indexes: made once, never twice; and every query that the API can send is served by one or is bounded.

What the server is really sent is recorded and explained on 3,000 templates and 9,000 events. *Bounded* means: a query
on templates may look at each of them once, in the order of an index or keeping no more than a page, because templates
are definitions that people write; it may never look at all events, whose number only grows.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import mongoengine
import pytest
from bson.codec_options import CodecOptions, DatetimeConversion
from pymongo import MongoClient, UpdateOne, monitoring
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from flask_worker_templates.errors import DuplicateNames
from flask_worker_templates.model.claim_parameters import claims_parameters
from flask_worker_templates.model.parameters import SORTS, Paging, trail_parameters
from flask_worker_templates.model.query_fields import ExtraCondition
from flask_worker_templates.model.records import Seed
from flask_worker_templates.model.rules import STANDARD
from flask_worker_templates.settings import Settings
from flask_worker_templates.store import indexes
from flask_worker_templates.store import store as store_module
from flask_worker_templates.store.connection import DatabaseAccess
from flask_worker_templates.store.indexes import CLAIMED, UNIQUE_NAME
from flask_worker_templates.store.reads import MAX_EXPLAINED
from flask_worker_templates.store.store import Store
from tests.support.servers import Mongod, with_database
from tests.support.strategies import spec_with

Raw = Database[dict[str, Any]]
TEMPLATES = 3000
REVISIONS = 3
PAGE = 50

# The bounds of an index hold the last time that there is, and strings cut off in the middle of a character.
LENIENT = CodecOptions[dict[str, Any]](
    unicode_decode_error_handler="replace", datetime_conversion=DatetimeConversion.DATETIME_AUTO
)


# Making them (on both backends)


@pytest.fixture
def store(connection: dict[str, str]) -> Store:
    return Store(DatabaseAccess(Settings.from_config({**connection, "WORKER_TEMPLATES_DB_TIMEOUT_MS": 30_000})))


def test_they_are_there_after_preparing_twice(store: Store, database: Raw) -> None:
    for _ in range(2):
        store.make_indexes()
    found = database.worker_templates.index_information()
    assert found[UNIQUE_NAME]["unique"]
    assert list(found[UNIQUE_NAME]["key"]) == [("name", 1)]
    assert set(found) == {
        *("_id_", UNIQUE_NAME, "updated_at", "created_at", "cost_per_hour_usd", "instance_type", "labels"),
        *("ami_pattern", "extra_values", "unlogged", "base_name", "exported_name", "claims_worker", CLAIMED),
    }
    assert set(database.worker_template_events.index_information()) == {
        *("_id_", "template_revision", "at", "name_at", "actor_at", "action_at", "unlogged"),
        *("open_in", "base_name", "exported_name"),
    }
    assert set(database.worker_template_log.index_information()) == {"_id_", "event_unique"}
    database.worker_templates.insert_one({"_id": "1", "name": "one"})
    with pytest.raises(DuplicateKeyError):
        database.worker_templates.insert_one({"_id": "2", "name": "one"})


@pytest.mark.parametrize("wait", [False, True], ids=["in the background", "waited for"])
def test_those_that_are_new_on_a_large_collection_hold_nobody_up(
    wait: bool, store: Store, database: Raw, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(indexes, "SMALL", 100)
    store.make_indexes()
    database.worker_template_events.insert_many([{"_id": str(number)} for number in range(200)])
    for name in ("at", "actor_at"):
        database.worker_template_events.drop_index(name)
    begin, built = threading.Event(), indexes.build

    def slowly(*arguments: Any) -> None:
        assert begin.wait(60)
        built(*arguments)

    monkeypatch.setattr(store_module, "build", slowly)
    if wait:
        begin.set()
    store.make_indexes(wait=wait)
    assert ("at" in database.worker_template_events.index_information()) is wait
    assert any("at, actor_at" in warning for warning in store.warnings()) is not wait
    store.make_indexes()  # starts no second build
    begin.set()
    for _ in range(1000):
        if not any("being built" in warning for warning in store.warnings()):
            break
        time.sleep(0.01)
    assert {"at", "actor_at"} <= set(database.worker_template_events.index_information())


def test_the_one_on_names_is_waited_for_on_a_large_collection_too(
    store: Store, database: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexes, "SMALL", 100)
    database.worker_templates.insert_many([{"_id": str(number), "name": str(number)} for number in range(200)])
    store.make_indexes()
    assert database.worker_templates.index_information()[UNIQUE_NAME]["unique"]
    store.make_indexes(wait=True)
    assert "labels" in database.worker_templates.index_information()


def test_one_that_is_missing_is_made_and_others_are_left_alone(store: Store, database: Raw) -> None:
    store.make_indexes()
    database.worker_templates.drop_index("labels")
    database.worker_templates.create_index([("description", 1)], name="of_the_host")
    store.make_indexes()
    assert {"labels", "of_the_host"} <= set(database.worker_templates.index_information())


def test_names_that_are_there_twice_are_listed_and_left_alone(store: Store, database: Raw) -> None:
    documents = [{"_id": str(number), "name": name} for number, name in enumerate(["b", "a", "b", "c", "a", "b"])]
    database.worker_templates.insert_many(documents)
    with pytest.raises(DuplicateNames) as caught:
        store.make_indexes()
    assert caught.value.names == {"a": 2, "b": 3}
    assert list(database.worker_templates.find()) == documents
    assert UNIQUE_NAME not in database.worker_templates.index_information()


@pytest.mark.parametrize(("there", "more"), [(20, False), (21, True), (30, True)])
def test_of_many_names_that_are_there_twice_the_first_are_listed_and_that_there_are_more(
    there: int, more: bool, store: Store, database: Raw
) -> None:
    names = [f"name-{number:02}" for number in range(there)]
    database.worker_templates.insert_many([{"_id": f"{turn}-{name}", "name": name} for turn in "abc" for name in names])
    with pytest.raises(DuplicateNames) as caught:
        store.make_indexes()
    assert caught.value.names == dict.fromkeys(names[:20], 3)
    assert caught.value.more is more
    listed = str(caught.value).partition(": ")[2].partition(". ")[0]
    assert listed.startswith("'name-00' (3 times), 'name-01' (3 times), ")
    assert listed.endswith("'name-19' (3 times), and more" if more else "'name-19' (3 times)")


# Using them (on a real server)


class Recorder(monitoring.CommandListener):
    """Keeps the reads of the two collections, and the commands that claim."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.command_name in {"find", "aggregate", "count", "distinct", "findAndModify"}:
            kept = (
                "writeConcern",
                "txnNumber",
                "lsid",
                "$db",
                "$readPreference",
                "readConcern",
                "$clusterTime",
                "maxTimeMS",
            )
            self.sent.append({key: value for key, value in event.command.items() if key not in kept})

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        pass

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        pass


class Recorded:
    """A store with data, and what it sends."""

    def __init__(self, uri: str, raw: Raw) -> None:
        self.recorder = Recorder()
        alias = f"recorded_{raw.name}"
        mongoengine.connect(host=uri, alias=alias, uuidRepresentation="standard", event_listeners=[self.recorder])
        self.store = Store(DatabaseAccess(Settings(db_alias=alias, db_timeout_ms=60_000)))
        self.raw = raw
        self.store.make_indexes()
        self._fill()

    def _fill(self) -> None:
        seeds = [
            Seed(
                spec_with(
                    f"t{number:05}",
                    instance_type=f"type{number % 60}",
                    license_type=["PERSONAL", "ENTERPRISE", "EVALUATION"][number % 3],
                    ami_pattern=f"CML-2.{number % 20}.*",
                    cost_per_hour_usd=number % 100,
                    enabled=number % 2 == 0,
                    max_nodes=1 + number % 700,
                    capacity__cpu_cores=1 + number % 96,
                    labels__team=f"team{number % 300}",
                ),
                "a.yaml",
            )
            for number in range(TEMPLATES)
        ]
        self.store.create_missing(seeds, actor="seeder")
        self.ids = [document["_id"] for document in self.raw.worker_templates.find({}, {"_id": 1}).sort("name", 1)]
        # Histories as updates make them, in bulk and over some days.
        start = datetime(2026, 1, 1, tzinfo=UTC)
        found = {document["_id"]: document for document in self.raw.worker_templates.find({}, {"last_event": 1})}
        for revision in range(1, REVISIONS + 1):
            events = []
            for number, template_id in enumerate(self.ids):
                event = found[template_id]
                at = start + timedelta(days=revision, seconds=number)
                rare = number % 1000 == 0
                events.append(
                    {
                        **event["last_event"],
                        "_id": f"{template_id}:{revision}",
                        "revision": revision,
                        "action": "seeded" if revision == 1 else "reverted" if rare else "updated",
                        "actor": "rare" if rare else f"user{number % 4}",
                        "at": at,
                        "token": f"{template_id}:{revision}",
                        "spec": {**event["last_event"]["spec"], "extra": {"gpu_count": number % 300}},
                    }
                )
            self.raw.worker_template_events.delete_many({"revision": revision})
            self.raw.worker_template_events.insert_many(events)
        self.raw.worker_templates.bulk_write(
            [
                UpdateOne(
                    {"_id": event["template_id"]},
                    {
                        "$set": {
                            "revision": REVISIONS,
                            "updated_at": event["at"],
                            "last_event": event,
                            "extra": {"gpu_count": number % 300},
                            "extra_values": [f"gpu_count={number % 300}"],
                        }
                    },
                )
                for number, event in enumerate(events)
            ]
        )

    def sent_by(self, work: Callable[[Store], object]) -> list[dict[str, Any]]:
        self.recorder.sent.clear()
        work(self.store)
        return list(self.recorder.sent)

    def explain(self, command: Mapping[str, Any]) -> Plan:
        answer = self.raw.command("explain", dict(command), verbosity="executionStats", codec_options=LENIENT)
        return Plan(answer)


class Plan:
    """What the server says of how it ran one command."""

    def __init__(self, answer: Mapping[str, Any]) -> None:
        self.stages: list[Mapping[str, Any]] = []
        self.examined = 0
        self.keys = 0
        self._walk(answer)

    def _walk(self, node: Any, *, counted: bool = False) -> None:
        if isinstance(node, Mapping):
            if "stage" in node and ("nReturned" in node or "works" in node):
                self.stages.append(node)
            if "totalDocsExamined" in node and not counted:  # the stages below may say it again
                counted = True
                self.examined += node["totalDocsExamined"]
                self.keys += node["totalKeysExamined"]
            for key, value in node.items():
                if key not in {"rejectedPlans", "allPlansExecution", "queryPlanner"}:
                    self._walk(value, counted=counted)
        elif isinstance(node, list):
            for value in node:
                self._walk(value, counted=counted)

    @property
    def names(self) -> set[str]:
        return {stage["stage"] for stage in self.stages}

    @property
    def indexes(self) -> set[str]:
        return {stage["indexName"] for stage in self.stages if "indexName" in stage}

    @property
    def sorted_in_memory(self) -> list[int]:
        """The limit of each sort that no index made: 0 where there is none."""
        return [stage.get("limitAmount", 0) for stage in self.stages if stage["stage"] == "SORT"]


@pytest.fixture(scope="module")
def recorded(mongod: Mongod) -> Iterator[Recorded]:
    uri = with_database(mongod.uri, "worker_templates_explain")
    with MongoClient[dict[str, Any]](uri) as client:
        client.drop_database("worker_templates_explain")
        yield Recorded(uri, client.get_default_database())
        client.drop_database("worker_templates_explain")
    mongoengine.disconnect_all()


FILTERS: dict[str, Any] = {
    "name": "t00007",
    "name_prefix": "t0001",
    "license_type": ["PERSONAL"],
    "instance_type": "type7",
    "enabled": True,
    "is_seeded": False,
    "label": ["team=team7"],
    "ami": "CML-2.7.1",
    "min_cpu_cores": 96,
    "min_memory_gb": 999_999,
    "min_storage_gb": 999_999,
    "min_nodes": 700,
}
SELECTIVE = {"name", "name_prefix", "instance_type", "label"}
"""Filters that tell many templates apart: through an index, whatever the order."""


def _lists() -> list[dict[str, Any]]:
    orders = [sign + name for name in SORTS for sign in ("", "-")]
    return [
        *[{"sort": order} for order in orders],
        *[{key: value} for key, value in FILTERS.items()],
        *[{key: value, "sort": order} for (key, value), order in itertools.product(FILTERS.items(), orders[2:5])],
        *[dict(pair) for pair in itertools.combinations(FILTERS.items(), 2)],
    ]


def _id(asked: dict[str, Any]) -> str:
    return ",".join(f"{key}={value}" for key, value in asked.items()) or "all"


@pytest.mark.server
def test_every_list_is_served_by_an_index_or_bounded(recorded: Recorded) -> None:
    for asked in _lists():
        loaded = STANDARD.list_parameters({**asked, "page_size": PAGE})
        for command in recorded.sent_by(lambda store: store.page_raw(loaded)):  # noqa: B023
            plan = recorded.explain(command)
            case = f"{_id(asked)}: {command} {plan.names}"
            assert plan.examined <= TEMPLATES, case
            assert all(0 < limit <= PAGE + 1 for limit in plan.sorted_in_memory), case
            if SELECTIVE & set(asked):
                assert "COLLSCAN" not in plan.names, case
                assert plan.examined <= TEMPLATES / 20, case


def _of_cards(*values: int, absent: bool = False) -> dict[str, Any]:
    strings = tuple(f"gpu_count={value}" for value in values)
    return {"extra": {"gpu_count": ExtraCondition("gpu_count", strings, or_absent=absent)}}


@pytest.mark.server
@pytest.mark.parametrize(
    ("asked", "most"),
    [
        (_of_cards(7), 10),
        (_of_cards(7, 8), 20),
        (_of_cards(0, absent=True), TEMPLATES),  # also who lacks the key has its default
        ({"deprecated": True}, TEMPLATES),
        ({"deprecated": False}, TEMPLATES),
        ({"q": "t0001"}, TEMPLATES),
        ({"min_nodes": 5}, TEMPLATES),  # below the default, so that who lacks the field is found too
    ],
    ids=str,
)
def test_other_filters_are_served_by_an_index_or_bounded(asked: dict[str, Any], most: int, recorded: Recorded) -> None:
    for order in ("name", "-updated_at"):
        loaded = STANDARD.list_parameters({"sort": order, "page_size": PAGE}) | asked
        for command in recorded.sent_by(lambda store: store.page_raw(loaded)):  # noqa: B023
            plan = recorded.explain(command)
            assert plan.examined <= most, (command, plan.names)
            assert all(0 < limit <= PAGE + 1 for limit in plan.sorted_in_memory), (command, plan.names)
    [find] = recorded.sent_by(lambda store: store.select(asked))
    assert recorded.explain(find).examined <= most


@pytest.mark.server
def test_a_selection_that_is_explained_reads_a_bounded_number(recorded: Recorded) -> None:
    [find] = recorded.sent_by(lambda store: store.select({"min_cpu_cores": 90}, explain=True))
    assert find["limit"] == MAX_EXPLAINED + 1


@pytest.mark.server
@pytest.mark.parametrize("order", ["name", "updated_at", "created_at", "cost_per_hour_usd", "instance_type"])
@pytest.mark.parametrize("sign", ["", "-"])
def test_the_first_page_of_an_indexed_order_reads_one_page(order: str, sign: str, recorded: Recorded) -> None:
    asked = STANDARD.list_parameters({"sort": sign + order, "page_size": PAGE})
    recorded.store.page_raw(asked | {"page": 10_000})  # a page that is not full: the next one is not counted on the way
    find, count = recorded.sent_by(lambda store: store.page_raw(asked))
    assert recorded.explain(count).examined == 0
    [both] = recorded.sent_by(lambda store: store.page_raw(asked))
    for command in (find, both):
        plan = recorded.explain(command)
        assert plan.examined == PAGE + 1
        assert not plan.sorted_in_memory


@pytest.mark.server
def test_one_template_is_one_document(recorded: Recorded) -> None:
    for work in (
        lambda store: store.get_raw(recorded.ids[7]),
        lambda store: store.get_by_name("t00007"),
        lambda store: store.claims(recorded.ids[7], Paging(1, 10)),
    ):
        for command in recorded.sent_by(work):
            plan = recorded.explain(command)
            assert plan.examined == 1, command
            assert "COLLSCAN" not in plan.names


@pytest.mark.server
def test_the_names_are_read_from_their_index_alone(recorded: Recorded) -> None:
    (command,) = recorded.sent_by(lambda store: store.names())
    plan = recorded.explain(command)
    assert plan.indexes == {UNIQUE_NAME}
    assert plan.examined == 0


@pytest.mark.server
@pytest.mark.parametrize("page", [1, 2])
def test_a_history_reads_one_page(page: int, recorded: Recorded) -> None:
    for command in recorded.sent_by(lambda store: store.history(recorded.ids[7], Paging(page, 2))):
        plan = recorded.explain(command)
        assert plan.examined <= 3, command
        assert "COLLSCAN" not in plan.names


MOMENT = "2026-01-03T00:10:00Z"
TRAILS: list[dict[str, Any]] = [
    {},
    {"actor": "rare"},
    {"actor": "user1"},
    {"actor": "nobody"},
    {"action": "reverted"},
    {"action": "deleted"},
    {"action": "updated"},
    {"name": "t00007"},
    {"name": "never"},
    {"since": MOMENT},
    {"until": MOMENT},
    {"since": MOMENT, "until": "2026-01-03T00:20:00Z"},
    {"actor": "rare", "action": "reverted"},
    {"actor": "rare", "name": "t00000"},
    {"actor": "rare", "since": MOMENT},
    {"action": "reverted", "until": MOMENT},
    {"name": "t00007", "action": "seeded", "actor": "user3", "since": "2026-01-01T00:00:00Z"},
]


@pytest.mark.server
@pytest.mark.parametrize("page", [1, 3])
@pytest.mark.parametrize("asked", TRAILS, ids=_id)
def test_the_trail_never_reads_all_events(page: int, asked: dict[str, Any], recorded: Recorded) -> None:
    loaded = trail_parameters({**asked, "page": page, "page_size": 10})
    found = recorded.store.trail(loaded)
    for command in recorded.sent_by(lambda store: store.trail(loaded)):
        plan = recorded.explain(command)
        case = f"{command} {plan.names} {plan.indexes}"
        assert not plan.sorted_in_memory, case
        if command.get("find") == "worker_templates":  # events that are not copied: each template once at most
            assert plan.examined <= TEMPLATES, case
        elif "count" in command or "aggregate" in command:
            assert "COLLSCAN" not in plan.names, case
            assert plan.examined <= max(found.total, 20), case
        else:
            assert "COLLSCAN" not in plan.names, case
            assert plan.examined <= 2 * page * 10 + 20, case


@pytest.mark.server
def test_the_first_page_of_the_trail_reads_few_templates(recorded: Recorded) -> None:
    loaded = trail_parameters({"page_size": 10})
    sent = recorded.sent_by(lambda store: store.trail(loaded))
    of_templates = [command for command in sent if command.get("find") == "worker_templates"]
    assert of_templates
    for command in of_templates:
        assert recorded.explain(command).examined <= 20


@pytest.mark.server
def test_deletions_of_names_are_found_by_their_index(recorded: Recorded) -> None:
    for command in recorded.sent_by(
        lambda store: store.deletions([f"t{number:05}" for number in range(200)], "default")
    ):
        plan = recorded.explain(command)
        assert "COLLSCAN" not in plan.names
        assert plan.indexes <= {"name_at", "action_at", "base_name", "template_revision", "_id_"}
        assert plan.examined <= 200 * REVISIONS


CLAIMS = 300
"""Claims that there are: of every tenth template one, by a worker of its own, of the first revision."""


@pytest.fixture(scope="module")
def claimed(recorded: Recorded) -> Recorded:
    now = datetime.now(UTC)
    updates = []
    for number in range(0, TEMPLATES, TEMPLATES // CLAIMS):
        claim = {"worker_id": f"w{number}", "actor": "fleet", "claimed_at": now, "revision": 1}
        lease = {"ttl_seconds": 60, "renewed_at": now - timedelta(seconds=90 * (number % 20 == 0))}
        updates.append(UpdateOne({"_id": recorded.ids[number]}, {"$set": {"claims": [claim | lease]}}))
    recorded.raw.worker_templates.bulk_write(updates)
    return recorded


LISTS_OF_CLAIMS: list[tuple[dict[str, Any], int, int]] = [
    ({}, PAGE, CLAIMS),
    ({"page": 3}, PAGE, CLAIMS),
    ({"page": 99}, 0, CLAIMS),
    ({"worker_id": "w10"}, 1, 1),
    ({"worker_id": "nobody"}, 0, 1),
    ({"template": "t00010"}, 1, 1),
    ({"template": "t00010", "worker_id": "w10"}, 1, 1),
    ({"template": "t00010", "outdated": "true"}, 0, 1),
    ({"worker_id": "w10", "expired": "false"}, 1, 1),
    ({"outdated": "false"}, PAGE, CLAIMS),
    ({"expired": "true"}, PAGE, CLAIMS),
    ({"outdated": "true", "expired": "true"}, 0, CLAIMS),
]
"""What is asked of all claims, how many are on the page, and how many templates each command may look at."""


@pytest.mark.server
@pytest.mark.parametrize(("asked", "shown", "most"), LISTS_OF_CLAIMS, ids=str)
def test_every_list_of_claims_is_served_by_an_index_or_bounded(
    asked: dict[str, Any], shown: int, most: int, claimed: Recorded
) -> None:
    loaded = claims_parameters({"page_size": str(PAGE), **asked})
    found: list[Any] = []
    sent = claimed.sent_by(lambda store: found.append(store.all_claims(loaded)))
    assert len(found[0]) == shown
    for command in sent:
        plan = claimed.explain(command)
        assert "COLLSCAN" not in plan.names
        assert plan.sorted_in_memory in ([], [0]) if most == 1 else plan.sorted_in_memory == []
        if command.get("find"):  # the templates and the events of the claims, by their ids
            assert plan.indexes == {"_id_"}
            assert plan.examined <= CLAIMS
        else:
            by_name = UNIQUE_NAME if "template" in asked else CLAIMED
            assert plan.examined <= most
            assert plan.indexes == ({"claims_worker"} if set(asked) & {"worker_id"} else {by_name}) or (
                {"template", "worker_id"} <= set(asked) and plan.indexes <= {"claims_worker", UNIQUE_NAME}
            )


@pytest.mark.server
def test_claims_are_listed_while_their_index_is_being_built(claimed: Recorded) -> None:
    asked = claims_parameters({"page_size": str(PAGE)})
    before = claimed.store.all_claims(asked)
    claimed.raw.worker_templates.drop_index(CLAIMED)
    try:
        assert claimed.store.all_claims(asked) == before
    finally:
        claimed.store.make_indexes(wait=True)


@pytest.mark.server
def test_claims_look_at_one_template(claimed: Recorded) -> None:
    one = claimed.ids[10]
    for work in (
        lambda store: store.claim(one, "w10", actor="fleet"),
        lambda store: store.claim(one, "new", actor="fleet", ttl=60),
        lambda store: store.claim(one, "new", actor="fleet", guard=lambda template, after: None),
        lambda store: store.release(one, "new", actor="fleet"),
        lambda store: store.check_unclaimed(claimed.ids[11], "t00011"),
        lambda store: store.claim_counts([one]),
    ):
        sent = claimed.sent_by(work)
        assert sent
        for command in sent:
            plan = claimed.explain(command)
            assert plan.names & {"IDHACK", "IXSCAN"}
            assert plan.indexes <= {"_id_"}
            assert plan.examined <= 1


@pytest.mark.server
def test_the_counts_of_a_page_look_at_its_templates_alone(claimed: Recorded) -> None:
    (command,) = claimed.sent_by(lambda store: store.claim_counts(claimed.ids[:PAGE]))
    plan = claimed.explain(command)
    assert (plan.indexes, plan.examined) == ({"_id_"}, PAGE)
