"""`WorkerTemplate`, the MongoEngine document: it is queried and referenced, and it does not write."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import mongoengine as me
import mongomock
import pytest
from flask import Flask
from mongoengine.connection import ConnectionFailure
from mongoengine.queryset.base import BaseQuerySet
from pymongo import MongoClient
from pymongo.database import Database

from flask_worker_templates import NotReady, WorkerTemplate, WorkerTemplates, WorkerTemplatesError
from flask_worker_templates.model.spec import FIELDS
from flask_worker_templates.store.connection import TEMPLATES
from tests.support.apps import AppFactory
from tests.support.backends import mongod_only, mongomock_only, new_database
from tests.support.servers import with_database
from tests.support.specs import spec

SMALL = spec(
    "small",
    labels={"team": "qa", "a.b": "c=d"},
    cost_per_hour_usd=0.5,
    max_claims=7,
    deprecation={"message": "old", "replaced_by": "large"},
)
LARGE = spec("large", capacity={"cpu_cores": 48, "memory_gb": 192, "storage_gb": 500}, license_type="ENTERPRISE")


@pytest.fixture
def templates(make_app: AppFactory) -> Iterator[WorkerTemplates]:
    """The extension of an app whose database holds two templates, inside an app context."""
    app = Flask("plain_host")
    app.config.update(make_app.config(templates=[SMALL, LARGE]))
    extension = WorkerTemplates(app)
    with app.app_context():
        assert len(extension.list()) == 2
        yield extension


# Reading


def test_a_document_shows_leases_and_the_revision_of_claims(templates: WorkerTemplates) -> None:
    template = templates.get_by_name("small")
    templates.update(template.id, {"deprecation": None})
    templates.claim(template.id, "worker-1", ttl_seconds=60)
    templates.claim(template.id, "worker-2")
    lease, claim = WorkerTemplate.objects.get(name="small").claims
    assert (lease.revision, lease.ttl_seconds, type(lease.renewed_at)) == (2, 60, datetime)
    assert (claim.revision, claim.ttl_seconds, claim.renewed_at) == (2, None, None)


@pytest.mark.parametrize("part", ["capacity", "port_range", "deprecation", "claims.0"])
def test_a_document_reads_what_a_newer_version_keeps_in_its_parts(
    templates: WorkerTemplates, database: Database[dict[str, Any]], part: str
) -> None:
    template = templates.get_by_name("small")
    claims = [{"worker_id": "worker-1", "actor": "fleet", "claimed_at": datetime(2026, 1, 31, tzinfo=UTC)}]
    database[TEMPLATES].update_one({"_id": template.id}, {"$set": {"claims": claims}})
    database[TEMPLATES].update_one({"_id": template.id}, {"$set": {f"{part}.of_a_newer_version": 1}})
    document = WorkerTemplate.objects.get(name="small")
    assert (document.capacity.cpu_cores, document.port_range.start, document.claims[0].worker_id) == (
        2,
        2000,
        "worker-1",
    )
    assert document.deprecation.message == "old"


def test_a_document_shows_what_the_template_is(templates: WorkerTemplates) -> None:
    template = templates.get_by_name("small")
    deprecation = template.spec["deprecation"]
    templates.update(template.id, {"deprecation": None})  # what is deprecated takes no new claims
    templates.claim(template.id, "worker-1", actor="fleet")
    template = templates.update(template.id, {"deprecation": deprecation})
    document = WorkerTemplate.objects.get(name="small")
    assert document.id == document.pk == template.id
    for name in FIELDS:
        if name not in ("capacity", "port_range", "labels", "deprecation"):
            assert getattr(document, name) == getattr(template, name), name
    assert (document.capacity.cpu_cores, document.capacity.memory_gb, document.capacity.storage_gb) == (2, 8, 50)
    assert (document.port_range.start, document.port_range.end) == (2000, 9999)
    assert (document.deprecation.message, document.deprecation.replaced_by) == ("old", "large")
    assert document.labels == ["a.b=c=d", "team=qa"]
    assert (document.revision, document.is_seeded) == (template.revision, True)
    assert isinstance(document.created_at, datetime)
    assert [(claim.worker_id, claim.actor) for claim in document.claims] == [("worker-1", "fleet")]
    assert document.base["name"] == "small"
    assert document.last_event["action"] == "updated"
    assert document.validate() is None


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["large", "small"]),
        ({"name": "small"}, ["small"]),
        ({"capacity__cpu_cores__gte": 48}, ["large"]),
        ({"labels": "team=qa"}, ["small"]),
        ({"license_type__in": ["ENTERPRISE", "EVALUATION"]}, ["large"]),
        ({"cost_per_hour_usd": None}, ["large"]),
        ({"deprecation": None}, ["large"]),
        ({"deprecation__replaced_by": "large"}, ["small"]),
        ({"max_claims__lt": 10}, ["small"]),
        ({"name__startswith": "sm"}, ["small"]),
        ({"claims__worker_id": "worker-1"}, []),
    ],
)
def test_queries(templates: WorkerTemplates, query: dict[str, Any], found: list[str]) -> None:
    assert [document.name for document in WorkerTemplate.objects(**query).order_by("name")] == found
    assert WorkerTemplate.objects(**query).count() == len(found)


def test_query_sets_read_in_every_way(templates: WorkerTemplates) -> None:
    objects = WorkerTemplate.objects.order_by("name")
    assert objects.first().name == "large"
    assert list(objects.scalar("name")) == ["large", "small"]
    assert [one.name for one in objects.no_cache()] == ["large", "small"]
    assert [one.name for one in objects.no_cache().cache()] == ["large", "small"]
    assert [one.name for one in objects.skip(1).limit(1)] == ["small"]
    assert objects.only("name").first().name == "large"
    assert next(iter(objects.as_pymongo()))["name"] == "large"
    assert objects.distinct("license_type") in (["ENTERPRISE", "PERSONAL"], ["PERSONAL", "ENTERPRISE"])
    assert objects.sum("max_nodes") == 40
    assert len(list(objects.aggregate([{"$match": {"max_nodes": 20}}]))) == 2
    document = objects.first()
    assert document.reload().name == "large"


def test_fields_of_a_newer_version_do_not_keep_it_from_reading(
    templates: WorkerTemplates, database: Database[dict[str, Any]]
) -> None:
    database[TEMPLATES].update_many({}, {"$set": {"invented_later": 1}})
    assert WorkerTemplate.objects(name="small").first().name == "small"


def test_reading_makes_no_index(templates: WorkerTemplates, database: Database[dict[str, Any]]) -> None:
    before = set(database[TEMPLATES].index_information())
    list(WorkerTemplate.objects)
    assert set(database[TEMPLATES].index_information()) == before


# Its first use


@pytest.fixture
def unused(make_app: AppFactory) -> Flask:
    """An app whose definition file holds two templates, and that nobody has used yet."""
    return make_app(templates=[SMALL, LARGE])


def test_a_route_that_only_queries_sees_what_is_seeded(unused: Flask) -> None:
    unused.add_url_rule("/count", "count", lambda: str(WorkerTemplate.objects.count()))
    assert unused.test_client().get("/count").text == "2"


def test_a_command_that_only_queries_seeds_nothing(unused: Flask) -> None:
    unused.cli.command("count")(lambda: print(WorkerTemplate.objects.count()))
    assert unused.test_cli_runner().invoke(args=["count"]).output == "0\n"


@mongomock_only
def test_where_seeding_failed_a_query_raises(make_app: AppFactory) -> None:
    app = make_app(templates=[spec("bad", max_nodes=0)])
    with app.app_context(), pytest.raises(NotReady):
        WorkerTemplate.objects.count()


# References


class ReferringWorker(me.Document):  # type: ignore[misc]
    """A document of a host. Of a name of its own: MongoEngine knows documents by name when it disconnects them."""

    template = me.ReferenceField(WorkerTemplate)
    name = me.StringField()
    meta = {"db_alias": "documents-host"}  # noqa: RUF012


@pytest.fixture
def host_connection(backend: str, request: pytest.FixtureRequest) -> Iterator[None]:
    """A database of the host's own, another one than the extension's."""
    name = f"host_{uuid.uuid4().hex}"
    common = {"alias": "documents-host", "uuidRepresentation": "standard"}
    if backend == "mongomock":
        me.connect(name, mongo_client_class=mongomock.MongoClient, **common)
        yield
    else:
        uri = request.getfixturevalue("server_uri")
        me.connect(name, host=uri, **common)
        yield
        with MongoClient[dict[str, Any]](uri) as client:
            client.drop_database(name)
    me.disconnect("documents-host")


@pytest.mark.usefixtures("host_connection")
def test_a_document_of_the_host_references_a_template(templates: WorkerTemplates) -> None:
    small = WorkerTemplate.objects.get(name="small")
    worker = ReferringWorker(template=small, name="w").save()
    read = ReferringWorker.objects.get(id=worker.id)
    assert read.template == small
    assert read.template.capacity.cpu_cores == 2
    assert ReferringWorker.objects(template=small).count() == 1
    assert [one.template.name for one in ReferringWorker.objects.select_related()] == ["small"]
    read.name = "renamed"
    read.save(cascade=True)  # the template did not change, so nothing of it is saved
    assert ReferringWorker.objects.get(id=worker.id).name == "renamed"


@pytest.mark.usefixtures("host_connection")
def test_a_cascading_save_of_the_host_does_not_reach_a_template(templates: WorkerTemplates) -> None:
    worker = ReferringWorker(template=WorkerTemplate.objects.get(name="small")).save()
    worker.template.max_nodes = 99
    with pytest.raises(WorkerTemplatesError, match="WorkerTemplate is for reading"):
        worker.save(cascade=True)
    assert templates.get_by_name("small").max_nodes == 20


# Writing


def document() -> Any:
    found = WorkerTemplate.objects.get(name="small")
    found.max_nodes = 99
    return found


def save_claims(one: Any) -> None:
    one.claims.save(validate=True)  # the document is kept: its list refers to it weakly


WRITES: dict[str, Callable[[], Any]] = {
    "document.save": lambda: document().save(),
    "document.save of a new one": lambda: WorkerTemplate(id="x", **spec("new")).save(force_insert=True),
    "document.cascade_save": lambda: document().cascade_save(),
    "document.update": lambda: document().update(max_nodes=99),
    "document.modify": lambda: document().modify(max_nodes=99),
    "document.delete": lambda: document().delete(),
    "embedded documents": lambda: save_claims(document()),
    "class.drop_collection": WorkerTemplate.drop_collection,
    "objects.create": lambda: WorkerTemplate.objects.create(id="x", **spec("new")),
    "objects.insert": lambda: WorkerTemplate.objects.insert([WorkerTemplate(id="x")]),
    "objects.update": lambda: WorkerTemplate.objects(name="small").update(max_nodes=99),
    "objects.update upsert": lambda: WorkerTemplate.objects(name="new").update(upsert=True, set__max_nodes=99),
    "objects.update_one": lambda: WorkerTemplate.objects(name="small").update_one(max_nodes=99),
    "objects.upsert_one": lambda: WorkerTemplate.objects(name="small").upsert_one(max_nodes=99),
    "objects.modify": lambda: WorkerTemplate.objects(name="small").modify(max_nodes=99),
    "objects.modify remove": lambda: WorkerTemplate.objects(name="small").modify(remove=True),
    "objects.delete": lambda: WorkerTemplate.objects().delete(),
    "filtered, then deleted": lambda: WorkerTemplate.objects(name="small").order_by("name").limit(1).delete(),
    "cloned, then deleted": lambda: WorkerTemplate.objects.clone().delete(),
    "without a cache": lambda: WorkerTemplate.objects.no_cache().delete(),
    "without a cache and filtered": lambda: WorkerTemplate.objects.no_cache().filter(name="small").update(max_nodes=99),
    "with a cache again": lambda: WorkerTemplate.objects.no_cache().cache().delete(),
    "an aggregation into a collection": lambda: WorkerTemplate.objects.aggregate([{"$match": {}}, {"$out": "other"}]),
    "an aggregation that merges": lambda: WorkerTemplate.objects.aggregate({"$merge": "worker_templates"}),
    "map and reduce into a collection": lambda: WorkerTemplate.objects.map_reduce("f", "g", "other"),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_every_write_is_refused_and_names_the_way(
    templates: WorkerTemplates, database: Database[dict[str, Any]], write: Callable[[], Any]
) -> None:
    before = list(database[TEMPLATES].find())
    with pytest.raises(WorkerTemplatesError) as caught:
        write()
    assert str(caught.value) == (
        "WorkerTemplate is for reading. Change worker templates through the extension (WorkerTemplates.create, "
        ".update, .delete …), whose store keeps revisions and the audit trail."
    )
    assert list(database[TEMPLATES].find()) == before


def switched_db() -> None:
    with me.context_managers.switch_db(WorkerTemplate, "elsewhere") as switched:
        switched.objects.count()


def switched_collection() -> None:
    with me.context_managers.switch_collection(WorkerTemplate, "elsewhere") as switched:
        switched.objects.count()


OTHERS: dict[str, tuple[Callable[[], Any], str]] = {
    "document.switch_db": (lambda: document().switch_db("elsewhere"), "Query inside the app context"),
    "document.switch_collection": (lambda: document().switch_collection("elsewhere"), "Query inside the app context"),
    "objects.using": (lambda: WorkerTemplate.objects.using("elsewhere"), "Query inside the app context"),
    "without a cache": (lambda: WorkerTemplate.objects.no_cache().using("elsewhere"), "Query inside the app context"),
    "switch_db of the class": (switched_db, "Query inside the app context"),
    "switch_collection of the class": (switched_collection, "Query inside the app context"),
    "create_index": (lambda: WorkerTemplate.create_index("description"), "makes the indexes"),
    "ensure_indexes": (WorkerTemplate.ensure_indexes, "makes the indexes"),
    "register_delete_rule": (
        lambda: WorkerTemplate.register_delete_rule(ReferringWorker, "template", me.DENY),
        "claim it",
    ),
}


@pytest.mark.parametrize(("operation", "message"), OTHERS.values(), ids=OTHERS)
@new_database
def test_what_else_does_not_work_refuses_and_says_what_does(
    templates: WorkerTemplates, database: Database[dict[str, Any]], operation: Callable[[], Any], message: str
) -> None:
    alias = "elsewhere"
    me.connect(alias, alias=alias, mongo_client_class=mongomock.MongoClient, uuidRepresentation="standard")
    before = database[TEMPLATES].index_information()
    with pytest.raises(WorkerTemplatesError, match=message):
        operation()
    assert database[TEMPLATES].index_information() == before
    assert me.get_db(alias).list_collection_names() == []
    assert WorkerTemplate.objects.count() == 2  # and it goes on working


@pytest.mark.parametrize("rule", [me.DENY, me.CASCADE, me.NULLIFY, me.PULL])
def test_a_delete_rule_of_the_host_is_refused_where_it_is_written(rule: int) -> None:
    field = me.ReferenceField(WorkerTemplate, reverse_delete_rule=rule)
    with pytest.raises(WorkerTemplatesError, match="A reverse_delete_rule has no effect for WorkerTemplate"):
        type("Denying", (me.Document,), {"template": field})


# Every public name of MongoEngine's, so that a new one is looked at.
READING = frozenset(
    """aggregate all all_fields allow_disk_use as_pymongo average batch_size clear_cls_query clear_initial_query clone
    collation comment count distinct exclude exec_js explain fields filter first from_json get hint in_bulk
    item_frequencies limit map_reduce max_time_ms no_dereference no_sub_classes none only order_by read_concern
    read_preference rewind scalar search_text select_related skip snapshot sum timeout to_json values_list where
    with_id""".split()  # noqa: SIM905  # a word a line would be a page
)
WRITING = {"create", "delete", "insert", "modify", "update", "update_one", "upsert_one"}


def test_no_method_of_mongoengine_is_overlooked() -> None:
    methods = {name for name in dir(BaseQuerySet) if name[0] != "_" and callable(getattr(BaseQuerySet, name))}
    assert methods - READING == WRITING | {"using"}
    refusing = WorkerTemplate._meta["queryset_class"]
    assert all(getattr(refusing, name) is not getattr(BaseQuerySet, name) for name in WRITING)


DOCUMENT_READING = frozenset(
    """clean clear_changed_fields compare_indexes from_json get_text_score list_indexes my_metaclass objects pk
    reload select_related to_dbref to_json to_mongo validate""".split()  # noqa: SIM905
)
DOCUMENT_REFUSING = frozenset(
    """cascade_save create_index delete drop_collection ensure_indexes modify register_delete_rule save
    switch_collection switch_db update""".split()  # noqa: SIM905
)


def test_no_method_of_a_document_is_overlooked() -> None:
    methods = {name for name in dir(me.Document) if name[0] != "_" and callable(getattr(me.Document, name))}
    assert methods - DOCUMENT_READING == DOCUMENT_REFUSING
    assert set(vars(WorkerTemplate)) >= DOCUMENT_REFUSING


# Which database


def test_the_private_names_that_choose_the_database_are_those_of_mongoengine(
    templates: WorkerTemplates, database: Database[dict[str, Any]]
) -> None:
    for name in ("_get_db", "_get_collection"):
        assert callable(getattr(me.Document, name))
        assert name in vars(WorkerTemplate)
    assert callable(me.Document._get_collection_name)
    assert callable(BaseQuerySet._clone_into)
    queryset = WorkerTemplate.objects
    assert (queryset._document, queryset._collection.name) == (WorkerTemplate, TEMPLATES)
    assert WorkerTemplate._meta.get("db_alias", "default") == "default"
    assert WorkerTemplate._get_db().name == database.name
    assert WorkerTemplate.objects._collection == WorkerTemplate._get_collection()
    assert WorkerTemplate._get_collection().name == TEMPLATES


@mongod_only
def test_it_needs_no_connection_of_mongoengine(templates: WorkerTemplates) -> None:
    with pytest.raises(ConnectionFailure):
        me.get_connection()
    assert WorkerTemplate.objects.count() == 2


@mongomock_only
def test_it_reads_through_a_mongomock_client_of_the_host(templates: WorkerTemplates) -> None:
    assert type(WorkerTemplate._get_db()).__module__ == "mongomock.database"
    assert WorkerTemplate.objects.count() == 2


@pytest.fixture
def two_apps(backend: str, make_app: AppFactory) -> Iterator[list[tuple[Flask, WorkerTemplates]]]:
    """Two apps in this process, with a database each."""
    config = make_app.config()
    if backend == "mongomock":
        alias = f"second_{uuid.uuid4().hex}"
        me.connect(alias, alias=alias, mongo_client_class=mongomock.MongoClient, uuidRepresentation="standard")
        second = {"WORKER_TEMPLATES_DB_ALIAS": alias}
    else:
        uri = config["WORKER_TEMPLATES_MONGODB_URI"]
        second = {"WORKER_TEMPLATES_MONGODB_URI": with_database(uri, f"second_{uuid.uuid4().hex}")}
    pairs = []
    for name, keys in (("first", {}), ("second", second)):
        app = Flask(name)
        app.config.update({**config, **keys})
        pairs.append((app, WorkerTemplates(app)))
    yield pairs
    if backend == "mongod":
        with MongoClient[dict[str, Any]](second["WORKER_TEMPLATES_MONGODB_URI"]) as client:
            client.drop_database(client.get_default_database())


def test_two_apps_in_threads_each_read_their_own_database(two_apps: list[tuple[Flask, WorkerTemplates]]) -> None:
    def work(pair: tuple[Flask, WorkerTemplates], thread: int) -> int:
        app, templates = pair
        wrong = 0
        for number in range(20):
            with app.app_context():
                made = templates.create(spec(f"{app.name}-{thread}-{number}"))
                wrong += WorkerTemplate.objects.get(id=made.id).name != made.name
                wrong += any(not one.name.startswith(app.name) for one in WorkerTemplate.objects)
        return wrong

    with ThreadPoolExecutor(6) as pool:
        jobs = [pool.submit(work, two_apps[number % 2], number) for number in range(6)]
        assert [job.result(60) for job in jobs] == [0] * 6
    for app, _ in two_apps:
        with app.app_context():
            assert WorkerTemplate.objects.count() == 60


@mongomock_only
def test_outside_of_an_app_context_flask_says_what_is_missing(make_app: AppFactory) -> None:
    make_app()
    with pytest.raises(RuntimeError, match="Working outside of application context"):
        WorkerTemplate.objects.count()


def test_an_app_without_the_extension_is_told_so() -> None:
    with (
        Flask("other").app_context(),
        pytest.raises(RuntimeError, match=r"call WorkerTemplates\(\)\.init_app\(app\) first"),
    ):
        WorkerTemplate.objects.count()
