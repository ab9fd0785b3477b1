"""`WorkerTemplates`: the Python API, the host's hooks, the signals, and who may do what by default."""

from __future__ import annotations

import getpass
import os
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import mongoengine
import mongomock
import pytest
from flask import Flask

from flask_worker_templates import (
    Capacity,
    InvalidFiles,
    InvalidParameters,
    InvalidSpec,
    NameTaken,
    PortRange,
    RevisionMismatch,
    RevisionNotFound,
    Template,
    TemplateDisabled,
    TemplateInUse,
    TemplateNotFound,
    WorkerTemplates,
    template_created,
    template_deleted,
    template_updated,
    templates_seeded,
)
from tests.support.apps import AppFactory
from tests.support.backends import mongomock_only
from tests.support.specs import spec

URL = "/api/v1/templates"
NO_SUCH = "00000000-0000-4000-8000-000000000000"


class Host:
    """A host with a route that calls the Python API as the test says."""

    def __init__(self, make_app: AppFactory, *specs: dict[str, Any], **config: Any) -> None:
        self.app = Flask("plain_host")
        self.app.config.update(make_app.config(templates=specs, **config))
        self.templates = WorkerTemplates(self.app)

    def in_request(self, call: Callable[[], Any]) -> Any:
        """What `call` returns inside a request of a route of the host."""
        with self.app.test_request_context("/mine"):
            return call()


@pytest.fixture
def host(make_app: AppFactory) -> Host:
    return Host(make_app)


@pytest.fixture
def templates(host: Host) -> Any:
    """The extension of a host with an empty database, inside an app context."""
    with host.app.app_context():
        yield host.templates


# Reading and writing


def test_create_returns_the_template_that_is_then_read(templates: WorkerTemplates) -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    made = templates.create(spec(labels={"team": "qa"}, cost_per_hour_usd=1), actor="alice")
    assert templates.get(made.id) == made
    assert templates.get_by_name("small") == made
    assert (made.name, made.revision, made.is_seeded, made.etag) == ("small", 1, False, '"1"')
    assert (made.capacity, made.port_range) == (Capacity(2, 8, 50), PortRange(2000, 9999))
    assert (made.labels, made.cost_per_hour_usd) == ({"team": "qa"}, 1.0)
    assert before <= made.created_at == made.updated_at <= datetime.now(UTC)


def test_what_a_template_gives_away_cannot_change_it(templates: WorkerTemplates) -> None:
    made = templates.create(spec(labels={"team": "qa"}))
    made.to_dict()["labels"]["team"] = "x"
    made.spec["capacity"]["cpu_cores"] = 99
    assert made.to_dict()["labels"] == {"team": "qa"}
    assert made.spec["capacity"]["cpu_cores"] == 2
    with pytest.raises(AttributeError):
        made.name = "x"  # type: ignore[misc]


def test_update_replace_and_revert_each_make_a_revision(templates: WorkerTemplates) -> None:
    first = templates.create(spec(max_nodes=7))
    assert templates.update(first.id, {"max_nodes": 8, "labels": {"a": "1"}}).revision == 2
    replaced = templates.replace(first.id, spec("renamed"))
    assert (replaced.revision, replaced.name, replaced.max_nodes, replaced.labels) == (3, "renamed", 20, {})
    reverted = templates.revert(first.id, 1)
    assert reverted.revision == 4
    assert reverted.spec == first.spec
    assert [event.action for event in templates.history(first.id)] == ["reverted", "updated", "updated", "created"]


@pytest.mark.parametrize("revision", ["1", None, 1.0, True, {"$gt": 0}])
def test_a_revision_is_a_number(templates: WorkerTemplates, revision: Any) -> None:
    made = templates.create(spec())
    templates.update(made.id, {"max_nodes": 8})
    with pytest.raises(InvalidParameters) as caught:
        templates.revert(made.id, revision)
    assert caught.value.errors == {"revision": ["Not a valid integer."]}
    assert templates.get(made.id).revision == 2


def test_a_change_that_changes_nothing_is_none(templates: WorkerTemplates) -> None:
    made = templates.create(spec())
    assert templates.update(made.id, {"max_nodes": 20}) == made
    assert templates.replace(made.id, spec()) == made
    assert templates.revert(made.id, 1) == made
    assert len(templates.history(made.id)) == 1


def test_delete_returns_what_was_deleted(templates: WorkerTemplates) -> None:
    made = templates.create(spec())
    assert templates.delete(made.id, actor="bob") == made
    with pytest.raises(TemplateNotFound):
        templates.get(made.id)
    assert [(event.action, event.actor) for event in templates.history(made.id)] == [
        ("deleted", "bob"),
        ("created", "anonymous"),
    ]


def test_if_revision_guards_every_change(templates: WorkerTemplates) -> None:
    made = templates.create(spec())
    templates.update(made.id, {"max_nodes": 8}, if_revision=1)
    attempts: list[Callable[[], Any]] = [
        lambda: templates.update(made.id, {"max_nodes": 9}, if_revision=1),
        lambda: templates.replace(made.id, spec(), if_revision=1),
        lambda: templates.revert(made.id, 1, if_revision=1),
        lambda: templates.delete(made.id, if_revision=1),
    ]
    for attempt in attempts:
        with pytest.raises(RevisionMismatch) as caught:
            attempt()
        assert (caught.value.template_id, caught.value.current) == (made.id, 2)
    assert templates.get(made.id).max_nodes == 8
    templates.delete(made.id, if_revision=2)


def test_errors_carry_their_data(templates: WorkerTemplates) -> None:
    made, other = templates.create(spec()), templates.create(spec("other"))
    with pytest.raises(NameTaken) as taken:
        templates.create(spec())
    assert (taken.value.name, taken.value.template_id) == ("small", made.id)
    with pytest.raises(NameTaken) as taken:
        templates.update(other.id, {"name": "small"})
    assert taken.value.template_id == made.id
    with pytest.raises(InvalidSpec) as invalid:
        templates.create({**spec(), "max_nodes": 0, "capacity": {"cpu_cores": "2"}})
    assert {path for path, _ in invalid.value.flat()} == {
        "max_nodes",
        "capacity.cpu_cores",
        "capacity.memory_gb",
        "capacity.storage_gb",
    }
    with pytest.raises(RevisionNotFound) as revision:
        templates.revert(made.id, 7)
    assert (revision.value.template_id, revision.value.revision) == (made.id, 7)
    with pytest.raises(TemplateNotFound) as missing:
        templates.get_by_name("nobody")
    assert missing.value.key == "nobody"


NAMELESS: list[Any] = [NO_SUCH, "", {"$ne": None}, {"$gt": ""}, None, 1, "\udcff", "a\ud800"]


@pytest.mark.parametrize("template_id", NAMELESS)
def test_what_is_no_id_of_a_template_finds_none_and_changes_nothing(
    templates: WorkerTemplates, template_id: Any
) -> None:
    made = templates.create(spec())
    templates.claim(made.id, "w1")
    calls: list[Callable[[], Any]] = [
        lambda: templates.get(template_id),
        lambda: templates.get_by_name(template_id),
        lambda: templates.update(template_id, {"max_nodes": 1}),
        lambda: templates.replace(template_id, spec()),
        lambda: templates.revert(template_id, 1),
        lambda: templates.delete(template_id),
        lambda: templates.claims(template_id),
        lambda: templates.claim(template_id, "w2"),
        lambda: templates.release(template_id, "w1"),
    ]
    if template_id is not None:  # which means all templates
        calls.append(lambda: templates.history(template_id))
    for call in calls:
        with pytest.raises(TemplateNotFound):
            call()
    assert templates.get(made.id) == made
    assert [claim.worker_id for claim in templates.claims(made.id)] == ["w1"]


# Lists


@pytest.fixture
def crowd(templates: WorkerTemplates) -> WorkerTemplates:
    """Templates of all kinds."""
    large = {"cpu_cores": 48, "memory_gb": 192, "storage_gb": 500}
    templates.create(spec("cheap", cost_per_hour_usd=0.5, ami_pattern="CML-2.9.*", labels={"team": "qa", "gpu": "no"}))
    templates.create(spec("free", cost_per_hour_usd=0, max_nodes=5))
    templates.create(spec("large", cost_per_hour_usd=4, capacity=large, max_nodes=500, license_type="ENTERPRISE"))
    templates.create(spec("unknown price", capacity=large, labels={"team": "qa"}))
    templates.create(spec("a same price", cost_per_hour_usd=0.5))
    templates.create(spec("off", cost_per_hour_usd=0.1, enabled=False))
    return templates


def names(found: Any) -> list[str]:
    return [template.name for template in found]


def test_a_parameter_that_there_is_not_is_an_error_of_the_program(crowd: WorkerTemplates) -> None:
    reads: list[Any] = [crowd.list, crowd.history, crowd.drift, crowd.sync]
    for read in reads:
        with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
            read(colour="red")


def test_an_id_may_be_a_uuid_or_in_upper_case(templates: WorkerTemplates) -> None:
    made = templates.create(spec())
    for template_id in (uuid.UUID(made.id), made.id.upper()):
        assert templates.get(template_id).id == made.id
        templates.claim(template_id, "w1")
        assert len(templates.claims(template_id)) == 1
        assert templates.release(template_id, "w1")
        assert templates.update(template_id, {"max_nodes": 7}).max_nodes == 7
        templates.revert(template_id, 1)
        templates.replace(template_id, spec())
        assert templates.history(template_id)[-1].action == "created"
    assert templates.delete(uuid.UUID(made.id)).id == made.id


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, ["free", "a same price", "cheap", "large", "unknown price"]),
        ({"cpu_cores": 48}, ["large", "unknown price"]),
        ({"cpu_cores": 49}, []),
        ({"memory_gb": 9}, ["large", "unknown price"]),
        ({"storage_gb": 500}, ["large", "unknown price"]),
        ({"nodes": 6}, ["a same price", "cheap", "large", "unknown price"]),
        ({"license_type": "ENTERPRISE"}, ["large"]),
        ({"license_type": "EVALUATION"}, []),
        ({"ami": "CML-2.9.1"}, ["free", "a same price", "cheap", "large", "unknown price"]),
        ({"ami": "CML-3.0"}, ["free", "a same price", "large", "unknown price"]),
        ({"labels": {"team": "qa"}}, ["cheap", "unknown price"]),
        ({"labels": {"team": "qa", "gpu": "no"}}, ["cheap"]),
        ({"labels": {"team": "q"}}, []),
        ({"cpu_cores": 2, "memory_gb": 8, "storage_gb": 50, "nodes": 500, "ami": "x"}, ["large"]),
    ],
)
def test_select_gives_the_enabled_ones_that_fit_cheapest_first(
    crowd: WorkerTemplates, asked: dict[str, Any], found: list[str]
) -> None:
    assert names(crowd.select(**asked)) == found


@pytest.mark.parametrize(
    "asked",
    [
        {"cpu_cores": True},
        {"memory_gb": 1.5},
        {"nodes": {"$gt": 0}},
        {"license_type": {"$ne": "x"}},
        {"ami": {"$ne": "x"}},
        {"labels": {"b c": "d"}},
    ],
)
def test_select_refuses_what_is_no_value(crowd: WorkerTemplates, asked: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameters) as caught:
        crowd.select(**asked)
    assert set(caught.value.errors) == set(asked)


def test_list_takes_the_parameters_of_http(crowd: WorkerTemplates) -> None:
    page = crowd.list(sort="-name", page=2, page_size=4)
    assert names(page) == ["cheap", "a same price"]
    assert (page.total, page.page, page.page_size, len(page)) == (6, 2, 4, 2)
    assert (page[0].name, names(page[:1])) == ("cheap", ["cheap"])
    assert names(crowd.list(license_type=["ENTERPRISE"])) == names(crowd.list(license_type="ENTERPRISE")) == ["large"]
    assert names(crowd.list(label="team=qa", enabled=True)) == ["cheap", "unknown price"]
    assert names(crowd.list(label=["team=qa"], enabled=True)) == ["cheap", "unknown price"]
    assert names(crowd.list(name_prefix="un", min_cpu_cores=48)) == ["unknown price"]
    assert names(crowd.list(is_seeded=True)) == []


@pytest.mark.parametrize(
    ("parameters", "wrong"),
    [
        ({"page": 0, "page_size": 201}, {"page", "page_size"}),
        ({"sort": "_id"}, {"sort"}),
        ({"name": {"$ne": "x"}}, {"name"}),
        ({"enabled": {"$exists": True}}, {"enabled"}),
        ({"license_type": "FREE"}, {"license_type"}),
        ({"license_type": {"$ne": "FREE"}, "label": {"$ne": "x"}}, {"license_type", "label"}),
    ],
)
def test_list_refuses_what_it_does_not_know(
    crowd: WorkerTemplates, parameters: dict[str, Any], wrong: set[str]
) -> None:
    with pytest.raises(InvalidParameters) as caught:
        crowd.list(**parameters)
    assert set(caught.value.errors) == wrong


# History


def test_history_of_one_template_and_of_all(templates: WorkerTemplates) -> None:
    made = templates.create(spec(), actor="alice")
    time.sleep(0.002)  # times are kept in milliseconds
    templates.update(made.id, {"max_nodes": 8}, actor="bob")
    time.sleep(0.002)
    templates.create(spec("other"), actor="bob")
    newest, oldest = templates.history(made.id)
    assert (newest.actor, newest.revision, list(newest.changes)) == (
        "bob",
        2,
        [{"field": "max_nodes", "from": 20, "to": 8}],
    )
    assert (oldest.action, list(oldest.changes), oldest.spec) == ("created", [], made.spec)
    assert [event.name for event in templates.history()] == ["other", "small", "small"]
    assert len(templates.history(actor="bob")) == 2
    assert len(templates.history(action="updated", name="small")) == 1
    assert len(templates.history(since=newest.at, until=newest.at + timedelta(days=1))) >= 2
    page = templates.history(made.id, page=2, page_size=1)
    assert ([event.revision for event in page], page.total) == ([1], 2)


@pytest.mark.parametrize(
    ("parameters", "wrong"),
    [
        ({"action": "painted"}, {"action"}),
        ({"since": datetime(2026, 1, 1)}, {"since"}),  # noqa: DTZ001  # without an offset, which is the point
        ({"actor": {"$ne": ""}}, {"actor"}),
        ({"page": -1}, {"page"}),
    ],
)
def test_history_refuses_what_it_does_not_know(
    templates: WorkerTemplates, parameters: dict[str, Any], wrong: set[str]
) -> None:
    with pytest.raises(InvalidParameters) as caught:
        templates.history(**parameters)
    assert set(caught.value.errors) == wrong


def test_history_of_one_template_takes_pages_alone(templates: WorkerTemplates) -> None:
    made = templates.create(spec())
    with pytest.raises(InvalidParameters) as caught:
        templates.history(made.id, actor="x", name="y")
    assert set(caught.value.errors) == {"actor", "name"}


# Claims


def test_a_claim_is_idempotent_and_guards_against_deletion(templates: WorkerTemplates) -> None:
    made = templates.create(spec())
    claim = templates.claim(made.id, "worker-1", actor="fleet")
    assert (claim.worker_id, claim.actor) == ("worker-1", "fleet")
    assert templates.claim(made.id, "worker-1", actor="other") == claim
    for number in range(2, 9):
        templates.claim(made.id, f"worker-{number}")
    with pytest.raises(TemplateInUse) as caught:
        templates.delete(made.id)
    assert (caught.value.name, caught.value.claims) == ("small", 8)
    assert caught.value.workers == [f"worker-{number}" for number in range(1, 6)]
    page = templates.claims(made.id, page=2, page_size=6)
    assert ([one.worker_id for one in page], page.total) == (["worker-7", "worker-8"], 8)
    for number in range(1, 9):
        assert templates.release(made.id, f"worker-{number}") is True
    assert templates.release(made.id, "worker-1") is False
    assert templates.get(made.id).revision == 1
    templates.delete(made.id)


def test_a_disabled_template_is_not_claimed_anew(templates: WorkerTemplates) -> None:
    made = templates.create(spec())
    claim = templates.claim(made.id, "worker-1")
    templates.update(made.id, {"enabled": False})
    with pytest.raises(TemplateDisabled) as caught:
        templates.claim(made.id, "worker-2")
    assert caught.value.name == "small"
    assert templates.claim(made.id, "worker-1") == claim


WORKERS: list[Any] = ["", "a b", "../x", ".", "..", "a/b", "x" * 201, "a\n", "größe", {"$ne": None}, None, 1]


@pytest.mark.parametrize("worker_id", WORKERS)
def test_what_is_no_worker_id_is_refused(templates: WorkerTemplates, worker_id: Any) -> None:
    made = templates.create(spec())
    templates.claim(made.id, "w1")
    for call in (templates.claim, templates.release):
        with pytest.raises(InvalidParameters) as caught:
            call(made.id, worker_id)
        assert set(caught.value.errors) == {"worker_id"}
    assert len(templates.claims(made.id)) == 1


@pytest.mark.parametrize("window", [{"page": 0}, {"page_size": 0}, {"page_size": 201}, {"page": True}, {"page": None}])
def test_claims_refuses_pages_that_there_are_not(templates: WorkerTemplates, window: dict[str, Any]) -> None:
    made = templates.create(spec())
    with pytest.raises(InvalidParameters) as caught:
        templates.claims(made.id, **window)
    assert set(caught.value.errors) == set(window)


# Seeding


def test_seed_takes_other_files_and_can_be_tried_first(make_app: AppFactory, tmp_path: Path) -> None:
    host = Host(make_app, spec("configured"))
    other = tmp_path / "other.yaml"
    other.write_text(make_app.definition_file.read_text().replace("configured", "other"))
    with host.app.app_context():
        tried = host.templates.seed([other], dry_run=True)
        assert (tried.created, tried.existing, tried.dry_run) == (("other",), 0, True)
        done = host.templates.seed([str(other)])
        assert (done.created, done.existing, done.dry_run) == (("other",), 0, False)
        for paths in ([other], other, str(other)):  # one path needs no list
            again = host.templates.seed(paths)
            assert (again.created, again.existing) == ((), 1)
        assert names(host.templates.list()) == ["configured", "other"]  # its first use seeds as configured
        with pytest.raises(InvalidFiles) as caught:
            host.templates.seed(["no/such.yaml"])
    assert [fault.path for fault in caught.value.faults] == ["no/such.yaml"]


def test_status_tells_what_was_seeded(make_app: AppFactory) -> None:
    host = Host(make_app, spec())
    with host.app.app_context():
        assert host.templates.status().state == "pending"
        host.templates.list()
        status = host.templates.status()
    assert (status.state, status.ok, status.message) == ("ready", True, "")
    assert status.seeded is not None
    assert status.seeded.created == ("small",)


# Apps


@mongomock_only
def test_one_extension_object_serves_two_apps(tmp_path: Path, make_app: AppFactory) -> None:
    templates = WorkerTemplates()
    apps = []
    for number in (1, 2):
        alias = f"app-{number}"
        mongoengine.connect(alias, alias=alias, mongo_client_class=mongomock.MongoClient, uuidRepresentation="standard")
        app = Flask(alias)
        config = make_app.config(WORKER_TEMPLATES_SEED="off", WORKER_TEMPLATES_DB_ALIAS=alias)
        app.config.update(config, TESTING=True)
        templates.init_app(app)
        apps.append(app)

    def work(app: Flask) -> None:
        for number in range(50):
            with app.app_context():
                templates.create(spec(f"{app.name}-{number}"))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, apps))
    for app in apps:
        with app.app_context():
            assert len(templates.list(page_size=200)) == 50
            assert all(name.startswith(app.name) for name in names(templates.list(page_size=200)))


@mongomock_only
def test_a_second_init_of_an_app_is_refused(make_app: AppFactory) -> None:
    app = make_app()
    with pytest.raises(RuntimeError, match="has the worker templates extension already"):
        WorkerTemplates(app)
    assert app.test_client().get(URL).status_code == 200


@mongomock_only
def test_without_an_app_context_flask_says_what_is_missing(host: Host) -> None:
    with pytest.raises(RuntimeError, match="Working outside of application context"):
        host.templates.list()


@mongomock_only
def test_an_app_without_the_extension_is_told_so(host: Host) -> None:
    with (
        Flask("other").app_context(),
        pytest.raises(RuntimeError, match=r"call WorkerTemplates\(\)\.init_app\(app\) first"),
    ):
        host.templates.list()


# Who


def test_the_actor_of_a_request_is_what_the_hook_says(host: Host) -> None:
    host.templates.actor_loader(lambda: "alice")
    made = host.in_request(lambda: host.templates.create(spec()))
    with host.app.app_context():
        assert host.templates.history(made.id)[0].actor == "alice"
    assert host.app.test_client().post(URL, json=spec("other")).status_code == 201
    with host.app.app_context():
        assert host.templates.history(name="other")[0].actor == "alice"


def test_an_actor_given_wins_over_the_hook(host: Host) -> None:
    host.templates.actor_loader(lambda: "alice")
    made = host.in_request(lambda: host.templates.create(spec(), actor="job-7"))
    with host.app.app_context():
        assert host.templates.history(made.id)[0].actor == "job-7"


def test_without_a_hook_the_actor_is_anonymous(host: Host) -> None:
    made = host.in_request(lambda: host.templates.create(spec()))
    with host.app.app_context():
        assert host.templates.history(made.id)[0].actor == "anonymous"
        second = host.templates.create(spec("second"))  # without a request
        assert host.templates.history(second.id)[0].actor == "anonymous"


@pytest.mark.parametrize("empty", ["", None])
def test_a_hook_that_knows_nobody_means_anonymous(host: Host, empty: Any) -> None:
    host.templates.actor_loader(lambda: empty)
    made = host.in_request(lambda: host.templates.create(spec()))
    with host.app.app_context():
        assert host.templates.history(made.id)[0].actor == "anonymous"


@pytest.mark.parametrize("user", [0, 42, uuid.UUID(int=7)])
def test_an_actor_may_be_the_id_of_a_user_of_any_type(host: Host, user: Any) -> None:
    host.templates.actor_loader(lambda: user)
    made = host.in_request(lambda: host.templates.create(spec()))
    with host.app.app_context():
        assert host.templates.history(made.id)[0].actor == str(user)


def test_in_a_command_of_the_host_the_actor_is_the_user_of_the_system(host: Host) -> None:
    host.templates.actor_loader(lambda: "alice")

    @host.app.cli.command("mine")
    def mine() -> None:
        print(host.templates.history(host.templates.create(spec()).id)[0].actor)

    result = host.app.test_cli_runner().invoke(args=["mine"])
    assert result.output == f"cli:{getpass.getuser()}\n"


@mongomock_only
@pytest.mark.skipif(not hasattr(os, "getuid"), reason="users have numbers on POSIX alone")
def test_a_user_of_the_system_without_a_name_is_unknown(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 2_000_000_000)  # as in a container that runs under any number

    @host.app.cli.command("mine")
    def mine() -> None:
        print(host.templates.history(host.templates.create(spec()).id)[0].actor)

    assert host.app.test_cli_runner().invoke(args=["mine"]).output == "cli:unknown\n"


def test_an_actor_is_one_printable_line_of_bounded_length(host: Host) -> None:
    host.templates.actor_loader(lambda: "eve\r\nERROR all is lost\x1b[2J\0\u202e" + "x" * 1000)
    made = host.in_request(lambda: host.templates.create(spec()))
    with host.app.app_context():
        actor = host.templates.history(made.id)[0].actor
    assert actor.startswith("eve��ERROR all is lost�[2J��xxx")
    assert (len(actor), actor.isprintable()) == (256, True)


@mongomock_only
@pytest.mark.parametrize(
    ("hook", "name"), [("authorizer", "authorizer"), ("actor_loader", "actor loader"), ("usage_check", "usage check")]
)
def test_a_hook_is_no_async_function(host: Host, hook: str, name: str) -> None:
    async def function(*args: Any) -> Any:
        """Nothing would await it."""

    class Callable:
        async def __call__(self, *args: Any) -> Any:
            """Nor this."""

    for one in (function, Callable()):
        with pytest.raises(TypeError, match=f"^The {name} must not be an async function: .* nothing awaits it"):
            getattr(host.templates, hook)(one)
    assert host.app.test_client().post(URL, json=spec()).status_code == 201  # nothing was registered


# Signals


class Received:
    """What the receivers of all four signals were told, in order."""

    def __init__(self, app: Flask, look: Callable[[], Any] = lambda: None) -> None:
        self.told: list[tuple[str, dict[str, Any], Any]] = []
        self._look = look
        for signal in (template_created, template_updated, template_deleted, templates_seeded):
            signal.connect(self._receiver(signal.name), sender=app, weak=False)
        self._signals = (template_created, template_updated, template_deleted, templates_seeded)

    def _receiver(self, name: str) -> Callable[..., None]:
        def receive(sender: Flask, **data: Any) -> None:
            self.told.append((name, data, self._look()))

        return receive


def test_each_change_sends_its_signal_after_the_write(host: Host) -> None:
    with host.app.app_context():
        host.templates.list()
        seen = Received(host.app, lambda: names(host.templates.list()))
        made = host.templates.create(spec(), actor="alice")
        updated = host.templates.update(made.id, {"max_nodes": 8}, actor="bob")
        host.templates.replace(made.id, spec(max_nodes=8))  # changes nothing
        host.templates.revert(made.id, 1)
        host.templates.claim(made.id, "w1")
        host.templates.release(made.id, "w1")
        deleted = host.templates.delete(made.id, actor="carol")
    kinds = [(name.removeprefix("worker-template-"), data["action"], data["actor"]) for name, data, _ in seen.told]
    assert kinds == [
        ("created", "created", "alice"),
        ("updated", "updated", "bob"),
        ("updated", "reverted", "anonymous"),
        ("deleted", "deleted", "carol"),
    ]
    assert [data["template"] for _, data, _ in seen.told][:2] == [made, updated]
    assert seen.told[3][1]["template"] == deleted
    assert [found for _, _, found in seen.told] == [["small"], ["small"], ["small"], []]


def test_seeding_sends_one_signal_for_each_template_and_one_for_all(make_app: AppFactory) -> None:
    host = Host(make_app, spec("one"), spec("two"))
    seen = Received(host.app)
    with host.app.app_context():
        host.templates.list()
        host.templates.seed(dry_run=True)  # tells nobody
    assert [name for name, _, _ in seen.told] == ["worker-template-created"] * 2 + ["worker-templates-seeded"]
    assert [(data["action"], data["actor"]) for _, data, _ in seen.told[:2]] == [("seeded", "seeder")] * 2
    assert seen.told[2][1]["result"].created == ("one", "two")


def test_a_failing_receiver_breaks_neither_the_write_nor_the_other_receivers(
    host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[Template] = []

    def fail(sender: Flask, **data: Any) -> None:
        raise ZeroDivisionError("no such luck")

    async def later(sender: Flask, **data: Any) -> None:
        """Needs flask[async], which is not installed."""

    def hear(sender: Flask, template: Template, **data: Any) -> None:
        heard.append(template)

    receivers: list[Callable[..., Any]] = [fail, later, hear, lambda sender, **data: 1 / 0]
    for receiver in receivers:
        template_created.connect(receiver, sender=host.app)
    with host.app.app_context():
        made = host.templates.create(spec())
        assert host.templates.get(made.id) == made
    assert heard == [made]
    assert caplog.text.count("A receiver of the signal worker-template-created failed.") == 3
    assert "no such luck" in caplog.text


def test_a_muted_signal_is_silent(host: Host) -> None:
    seen = Received(host.app)
    with host.app.app_context(), template_created.muted():
        host.templates.create(spec())
    assert [name for name, _, _ in seen.told] == ["worker-templates-seeded"]


def test_the_signals_of_one_app_are_not_those_of_another(host: Host, make_app: AppFactory) -> None:
    other = Received(make_app())
    with host.app.app_context():
        host.templates.create(spec())
    assert other.told == []


# What the host says of use


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (1, "1 worker uses it"),
        (12, "12 workers use it"),
        ("the night run needs it", "the night run needs it"),
        ("It is on loan.", "It is on loan"),
    ],
)
def test_a_usage_check_keeps_a_template(host: Host, answer: int | str, reason: str) -> None:
    asked: list[Template] = []

    @host.templates.usage_check
    def in_use(template: Template) -> int | str:
        asked.append(template)
        return answer

    with host.app.app_context():
        made = host.templates.create(spec())
        with pytest.raises(TemplateInUse) as caught:
            host.templates.delete(made.id)
        assert host.templates.get(made.id) == made
    assert asked == [made]
    assert caught.value.claims == 0
    assert caught.value.reason == reason
    assert str(caught.value) == f"Worker template 'small' is in use and cannot be deleted: {reason}."


@pytest.mark.parametrize("answer", [0, -1, "", False, None])
def test_a_usage_check_that_finds_none_lets_it_go(host: Host, answer: Any) -> None:
    host.templates.usage_check(lambda template: answer)
    with host.app.app_context():
        host.templates.delete(host.templates.create(spec()).id)


@pytest.mark.parametrize("answer", [1.5, [], ["w1"], ("in use", 409), {"workers": 1}])
def test_a_usage_check_that_gives_neither_a_number_nor_a_reason_keeps_the_template(host: Host, answer: Any) -> None:
    host.templates.usage_check(lambda template: answer)
    with host.app.app_context():
        made = host.templates.create(spec())
        kind = type(answer).__name__
        with pytest.raises(TypeError, match=rf"^The usage check must return a number or a reason, not {kind}\.$"):
            host.templates.delete(made.id)
        assert host.templates.get(made.id) == made


def test_a_usage_check_that_fails_keeps_the_template(host: Host) -> None:
    host.templates.usage_check(lambda template: 1 // 0)
    with host.app.app_context():
        made = host.templates.create(spec())
        with pytest.raises(ZeroDivisionError):
            host.templates.delete(made.id)
        assert host.templates.get(made.id) == made


# Who may do what, where the host registers no authorizer


@mongomock_only
@pytest.mark.parametrize(
    ("config", "reading", "writing"),
    [
        ({"TESTING": False}, 200, 403),
        ({"TESTING": True}, 200, 201),
        ({"TESTING": False, "DEBUG": True}, 200, 201),
        ({"TESTING": True, "WORKER_TEMPLATES_ANONYMOUS": "none"}, 403, 403),
        ({"TESTING": True, "WORKER_TEMPLATES_ANONYMOUS": "read"}, 200, 403),
        ({"TESTING": False, "WORKER_TEMPLATES_ANONYMOUS": "write"}, 200, 201),
        ({"TESTING": False, "WORKER_TEMPLATES_ANONYMOUS": "none"}, 403, 403),
    ],
)
def test_what_is_open_without_an_authorizer(
    make_app: AppFactory, config: dict[str, Any], reading: int, writing: int
) -> None:
    host = Host(make_app, **config)
    client = host.app.test_client()
    assert client.get(URL).status_code == reading
    with host.app.app_context():
        made = host.templates.create(spec())  # the host's own code is never asked
    answers = [
        client.post(URL, json=spec("other")),
        client.put(f"{URL}/{made.id}/claims/w1"),
        client.delete(f"{URL}/{made.id}/claims/w1"),
        client.patch(f"{URL}/{made.id}", json={"max_nodes": 1}),
        client.put(f"{URL}/{made.id}", json=spec()),
        client.post(f"{URL}/{made.id}/revert", json={"revision": 1}),
        client.delete(f"{URL}/{made.id}"),
    ]
    allowed = [201, 201, 204, 200, 200, 200, 204]
    assert [answer.status_code for answer in answers] == (allowed if writing == 201 else [403] * 7)
    if writing == 403:
        assert answers[0].get_json()["message"] == (
            "Writing worker templates is not allowed: this app has no authorizer. Its developer can "
            "register a function with @templates.authorizer, or set WORKER_TEMPLATES_ANONYMOUS."
        )


@mongomock_only
def test_an_authorizer_is_asked_for_each_action_and_overrides_the_setting(make_app: AppFactory) -> None:
    host = Host(make_app, TESTING=False, WORKER_TEMPLATES_ANONYMOUS="none")
    asked: list[tuple[str, str | None]] = []

    @host.templates.authorizer
    def may(action: str, template: Template | None) -> bool:
        asked.append((action, template.name if template else None))
        return action != "delete"

    client = host.app.test_client()
    made = client.post(URL, json=spec()).get_json()
    for call in (
        client.get(URL),
        client.get(f"{URL}/{made['id']}"),
        client.patch(f"{URL}/{made['id']}", json={"max_nodes": 8}),
        client.put(f"{URL}/{made['id']}/claims/w1"),
        client.delete(f"{URL}/{made['id']}/claims/w1"),
    ):
        assert call.status_code < 300, call.text
    refused = client.delete(f"{URL}/{made['id']}")
    assert refused.status_code == 403
    assert refused.get_json()["message"] == "You are not allowed to delete this worker template."
    kinds = {action for action, _ in asked}
    assert kinds == {"create", "read", "update", "claim", "delete"}
    assert ("delete", "small") in asked
    assert ("create", None) in asked


def test_threads_of_one_app_see_one_state(host: Host) -> None:
    together = threading.Barrier(8)

    def make(number: int) -> int:
        together.wait(30)
        with host.app.app_context():
            host.templates.create(spec(f"t{number}"))
            return id(host.app.extensions["worker_templates"])

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(make, range(8)))) == 1
    with host.app.app_context():
        assert len(host.templates.list()) == 8


# Whose object


def test_an_object_works_only_for_the_apps_that_it_got(make_app: AppFactory) -> None:
    ours, theirs = Host(make_app), Host(make_app)
    with theirs.app.app_context():
        made = theirs.templates.create(spec())
    theirs.templates.usage_check(lambda template: "it is in use")
    ours.templates.authorizer(lambda action, template: True)
    calls: list[Callable[[], Any]] = [
        lambda: ours.templates.get(made.id),
        lambda: ours.templates.get_by_name("small"),
        ours.templates.select,
        ours.templates.history,
        lambda: ours.templates.claims(made.id),
        ours.templates.status,
        lambda: ours.templates.create(spec("other")),
        lambda: ours.templates.replace(made.id, spec("other")),
        lambda: ours.templates.update(made.id, {"max_nodes": 1}),
        lambda: ours.templates.revert(made.id, 1),
        lambda: ours.templates.delete(made.id),
        lambda: ours.templates.claim(made.id, "w1"),
        lambda: ours.templates.release(made.id, "w1"),
        ours.templates.seed,
        ours.templates.drift,
        ours.templates.sync,
        ours.templates.export,
        ours.templates.list,
    ]
    with theirs.app.app_context():
        for call in calls:
            with pytest.raises(RuntimeError, match=r"does not belong to the current app \('plain_host'\)"):
                call()
        assert list(theirs.templates.list()) == [made]


def test_an_object_may_have_several_apps(make_app: AppFactory) -> None:
    templates = WorkerTemplates()
    for number in (0, 1):
        app = Flask("plain_host")
        app.config.update(make_app.config())
        templates.init_app(app)
        with app.app_context():
            assert len(templates.list()) == number
            templates.create(spec(f"of-app-{number}"))
