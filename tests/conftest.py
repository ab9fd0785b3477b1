"""The fixtures that the whole suite shares, and what the suite does about servers and browsers."""

from __future__ import annotations

import gc
import os
import sys
import uuid
from collections.abc import Generator, Iterator
from contextlib import ExitStack, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import hypothesis
import mongoengine
import mongomock
import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Browser, expect, sync_playwright
from pymongo import MongoClient
from pymongo.database import Database

from tests.support.apps import AppFactory
from tests.support.databases import Databases
from tests.support.needs import CI, missing
from tests.support.pages import compile_each_page_once
from tests.support.paths import CHROMIUM
from tests.support.routes import compile_each_route_once
from tests.support.servers import Mongod, ReplicaSet, ServerMissingError, live_servers

REAL_FIXTURES = {"mongod", "replica_set", "server_uri", "database_uri", "browser"}

ON_BOTH = (
    "tests/store/test_store.py",
    "tests/store/test_claims.py",
    "tests/store/test_feed.py",
    "tests/store/test_loop.py",
    "tests/http/test_templates.py",
    "tests/cli/test_show.py",
    "tests/laws/test_store_machine.py",
)
"""Where tests run on mongomock and on a real server each time: what all of the store is made of, and one file of each
layer above. Elsewhere the real server is the thorough run's, unless mongomock cannot do what is tested."""

LONGEST = (
    "tests/integration/test_schemathesis.py",
    "tests/laws/test_sync_machine.py",
    "tests/integration/test_docs.py",
    "tests/files/test_hostile.py",
    "tests/console/test_browser_pages.py",
    "tests/reconcile/test_seed.py",
    "tests/console/test_list_and_restore.py",
    "tests/laws/",
    "tests/chaos/",
    "tests/integration/",
    "tests/console/",
    "tests/cli/test_sync.py",
)
"""What takes longest, and comes first: else one worker is still at it when the others have nothing left."""

# No deadlines: the machine that runs the tests may be shared, and a slow example is not a wrong one.
hypothesis.settings.register_profile("plain", deadline=None, max_examples=30, print_blob=CI)
hypothesis.settings.register_profile("few", hypothesis.settings.get_profile("plain"), max_examples=10)
hypothesis.settings.load_profile("plain")

compile_each_route_once()
compile_each_page_once()

# Some hundred processes that the tests start, and the workers of this run: each would compile the package anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the length of the runs that `-m chaos` asks for."""
    parser.addoption(
        "--chaos-seconds", type=float, default=60.0, help="seconds of all long fault-injection runs together (-m chaos)"
    )


def pytest_xdist_auto_num_workers() -> int:
    """Take half as many workers again as there are cores: tests wait for servers, browsers and other processes."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores + (cores + 1) // 2


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Let each worker compile a share of the files first, and find the rest in the cache: else each compiles all."""
    worker, workers = os.environ.get("PYTEST_XDIST_WORKER"), int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if worker is not None and session.config.args == session.config.getini("testpaths"):
        files = sorted((session.config.rootpath / "tests").rglob("test_*.py"))
        for file in files[int(worker.removeprefix("gw")) :: workers]:
            with suppress(Exception):  # which the collection will report
                import_module(".".join(file.relative_to(session.config.rootpath).with_suffix("").parts))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a server or a browser (`-m "not server"`), and what only the thorough run repeats on a server."""
    for item in items:
        callspec = getattr(item, "callspec", None)
        backend = callspec.params.get("backend") if callspec else None
        if backend == "mongod" or REAL_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.server)
        if backend == "mongod" and not _only_there(item) and not item.nodeid.startswith(ON_BOTH):
            item.add_marker(pytest.mark.thorough)
    items.sort(key=_place)


def pytest_collection_finish() -> None:
    """Let the garbage collector leave alone what the whole run keeps: else it takes a quarter of the processor time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def _place(item: pytest.Item) -> int:
    return next((place for place, path in enumerate(LONGEST) if item.nodeid.startswith(path)), len(LONGEST))


def _only_there(item: pytest.Item) -> bool:
    return any(mark.args[0] == "backend" for mark in item.iter_markers("parametrize"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of each server's log under a test that failed."""
    report = yield
    if report.failed:
        report.sections += [(f"mongod at {server.address}", server.log_tail()) for server in live_servers()]
    return report


@pytest.fixture(scope="session")
def mongod() -> Iterator[Mongod]:
    """One standalone server for the whole run. A test that harms its server starts one of its own."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(Mongod())
        except ServerMissingError as error:
            missing(str(error))
        yield server


@pytest.fixture(scope="session")
def replica_set() -> Iterator[ReplicaSet]:
    """One replica set of three for the tests that leave it healthy."""
    with ExitStack() as stack:
        try:
            members = stack.enter_context(ReplicaSet())
        except ServerMissingError as error:
            missing(str(error))
        yield members


@pytest.fixture(scope="session")
def server_uri(request: pytest.FixtureRequest) -> str:
    """URI of the server of the plain suite: ``MONGODB_URI``, else the run's own standalone."""
    if uri := os.environ.get("MONGODB_URI"):
        return uri
    server: Mongod = request.getfixturevalue("mongod")
    return server.uri


@pytest.fixture(scope="session")
def databases(server_uri: str) -> Iterator[Databases]:
    """The databases of the run."""
    lent = Databases(server_uri)
    yield lent
    lent.drop()


@pytest.fixture
def database_uri(databases: Databases, request: pytest.FixtureRequest) -> Iterator[str]:
    """URI of a database of the test's own on a real server: a new one, but for what repeats a run on mongomock."""
    repeats = "backend" in request.fixturenames and not _only_there(request.node)
    used = repeats and not request.node.nodeid.startswith("tests/store/test_indexes")
    with databases.new() if not used or request.node.get_closest_marker("new_database") else databases.empty() as uri:
        yield uri


@pytest.fixture(params=["mongomock", "mongod"])
def backend(request: pytest.FixtureRequest) -> str:
    """The kind of database that the test runs on; `mongod_only` and `mongomock_only` restrict it."""
    name: str = request.param
    return name


@pytest.fixture
def connection(backend: str, request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """The config keys that point the extension to the test's own database."""
    if backend == "mongod":
        yield {"WORKER_TEMPLATES_MONGODB_URI": request.getfixturevalue("database_uri")}
    else:
        alias = f"test_{uuid.uuid4().hex}"
        mongoengine.connect(
            "worker_templates_test",
            alias=alias,
            mongo_client_class=mongomock.MongoClient,
            uuidRepresentation="standard",
        )
        yield {"WORKER_TEMPLATES_DB_ALIAS": alias}
    mongoengine.disconnect_all()  # also the connections that the extension and the test's hosts made


@pytest.fixture
def database(connection: dict[str, str]) -> Iterator[Database[dict[str, Any]]]:
    """The test's database itself, for looking at what is in it without the package."""
    if uri := connection.get("WORKER_TEMPLATES_MONGODB_URI"):
        with MongoClient[dict[str, Any]](uri, tz_aware=True) as client:
            yield client.get_default_database()
    else:
        yield mongoengine.get_db(connection["WORKER_TEMPLATES_DB_ALIAS"])


@pytest.fixture
def make_app(connection: dict[str, str], tmp_path: Path) -> AppFactory:
    """Builds apps on the test's database: ``make_app(templates=[spec, ...], **config)``."""
    return AppFactory(connection, tmp_path)


@pytest.fixture
def client(make_app: AppFactory) -> FlaskClient:
    """A client of a plain app whose database is empty."""
    return make_app().test_client()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, headless. One a module: while Playwright runs, `asyncio.run` fails in its thread."""
    if not CHROMIUM.exists():
        missing(f"no browser: {CHROMIUM} is not there (Debian package chromium)")
    expect.set_options(timeout=30_000)  # milliseconds: the machine may be busy
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM)
        yield chromium
        chromium.close()
