"""What the example app does for those who use it: its workers, its pages, its two roles, its Swagger UI."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect

from tests.support.example import LARGE, NAMES, Example, Running
from tests.support.servers import Mongod
from tests.support.specs import spec

TEMPLATES = "/api/v1/templates"

# The app starts a server of its own; the fixture says what happens where none can run.
pytestmark = pytest.mark.usefixtures("mongod")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One example app that runs for all tests."""
    with Example(tmp_path_factory.mktemp("fleet")).run() as app:
        yield app


def make(app: Running, name: str, **changes: Any) -> str:
    """Make a template, and return its path."""
    answer = app.call("POST", TEMPLATES, spec(name, **changes))
    assert answer.code == 201, answer.text
    return f"{TEMPLATES}/{answer.json()['id']}"


class TestWorkers:
    def test_launches_from_the_cheapest_template_that_fits(self, fleet: Running) -> None:
        for needs, name in (
            ({}, "nightly-tests"),
            ({"cpu_cores": 3}, "gpu-notebook"),
            ({"cpu_cores": 3, "extra": {"gpu_count": 8}}, "gpu-training"),
            ({"cpu_cores": 3, "ami": "CML-2.9.1", "license_type": "ENTERPRISE", "nodes": 300}, LARGE),
        ):
            answer = fleet.call("POST", "/workers", needs)
            assert (answer.code, answer.json()["template"]) == (201, name)
            assert fleet.call("DELETE", f"/workers/{answer.json()['id']}").code == 204
        none = fleet.call("POST", "/workers", {"extra": {"gpu_count": 1}, "cpu_cores": 5})
        assert (none.code, none.json()["error"]) == (409, "No template fits this worker.")
        assert none.json()["reasons"]["gpu-notebook"] == "It has 4 cores, and 5 are needed."

    def test_a_worker_keeps_its_template_until_it_is_stopped(self, fleet: Running) -> None:
        path = make(fleet, "kept")
        worker = fleet.call("POST", "/workers", {"template": "kept"}).json()
        (claim,) = fleet.call("GET", f"{path}/claims").json()
        assert (claim["worker_id"], claim["expires_at"] is not None) == (worker["id"], True)
        refused = fleet.call("DELETE", path)
        assert (refused.code, refused.json()["errors"]["workers"]) == (409, [worker["id"]])
        assert fleet.call("DELETE", f"/workers/{worker['id']}").code == 204
        assert fleet.call("GET", f"{path}/claims").json() == []
        assert fleet.call("DELETE", path).code == 204
        assert fleet.call("DELETE", f"/workers/{worker['id']}").code == 404

    def test_a_worker_whose_template_was_taken_away_ends_and_can_be_stopped(self, fleet: Running) -> None:
        path = make(fleet, "taken")
        worker = fleet.call("POST", "/workers", {"template": "taken"}).json()
        assert fleet.call("DELETE", f"{path}/claims/{worker['id']}").code == 204
        assert fleet.call("DELETE", path).code == 204
        (listed,) = (one for one in fleet.call("GET", "/workers").json() if one["id"] == worker["id"])
        assert listed["template"] == "(deleted)"
        with fleet.sign_in(fleet.link).open(fleet.url) as page:
            assert "(deleted)" in page.read().decode()
        assert fleet.call("DELETE", f"/workers/{worker['id']}").code == 204

    @pytest.mark.parametrize(
        ("body", "code", "error"),
        [
            ({"template": "nix"}, 404, "There is no worker template 'nix'."),
            ({"cpu_cores": "8"}, 422, "The body has errors."),
            ({"cpus": 8}, 422, "The body has errors."),
            ({"license_type": "FREE"}, 422, "license_type: Must be one of: PERSONAL, ENTERPRISE, EVALUATION."),
        ],
    )
    def test_says_what_is_wrong_with_a_launch(self, fleet: Running, body: Any, code: int, error: str) -> None:
        answer = fleet.call("POST", "/workers", body)
        assert (answer.code, answer.json()["error"]) == (code, error)

    def test_a_string_that_is_no_unicode_is_an_error_of_the_client(self, fleet: Running) -> None:
        for body in ({"template": "a\ud800"}, {"license_type": "\udcff"}, {"ami": "\udcff"}):
            assert fleet.call("POST", "/workers", body).code in {404, 409, 422}
        assert "Traceback" not in fleet.output

    def test_a_disabled_template_launches_nothing(self, fleet: Running) -> None:
        make(fleet, "disabled", enabled=False)
        answer = fleet.call("POST", "/workers", {"template": "disabled"})
        assert (answer.code, answer.json()["error"]) == (
            409,
            "Worker template 'disabled' is disabled and cannot be claimed.",
        )

    def test_a_token_says_who_may_do_what(self, fleet: Running) -> None:
        path = make(fleet, "owned")
        for url, change in ((path, "PATCH"), ("/workers", "POST")):
            nobody = fleet.call("GET", url, role=None)
            assert nobody.code == 401
            assert nobody.headers["WWW-Authenticate"].lower().startswith("bearer realm=")
            for wrong in ("wrong", fleet.tokens["link"]):  # the link's token is for signing in alone
                assert fleet.call("GET", url, role=None, Authorization=f"Bearer {wrong}").code == 401
            assert fleet.call(change, url, {}, role=None).code == 401
            assert fleet.call("GET", url, role="viewer").code == 200
            assert fleet.call(change, url, {}, role="viewer").code == 403
        fleet.call("PATCH", path, {"description": "changed"})
        assert fleet.call("GET", f"{path}/history").json()[0]["actor"] == "admin"

    def test_its_own_pages_stay_as_they_are(self, fleet: Running) -> None:
        assert fleet.call("GET", TEMPLATES).code == 200
        own = fleet.call("GET", "/nix", role=None)
        assert (own.code, "Back to the fleet" in own.text) == (404, True)
        theirs = fleet.call("GET", f"{TEMPLATES}/nix")
        assert (theirs.code, theirs.json()["status"]) == (404, "Not Found")
        health = fleet.call("GET", "/healthz", role=None)
        assert (health.code, health.json()) == (200, {"worker_templates": "ready"})
        assert fleet.call("GET", "/", Host="elsewhere.example").code == 400


class TestServers:
    @pytest.mark.thorough
    def test_a_database_that_is_down_is_a_503_everywhere_and_comes_back(self, tmp_path: Any) -> None:
        example = Example(tmp_path)
        with Mongod() as server, example.run(MONGODB_URI=f"{server.uri}?serverSelectionTimeoutMS=500") as app:
            server.stop()
            assert app.call("GET", TEMPLATES).headers["Retry-After"]
            assert app.call("GET", "/healthz", role=None).code == 503
            page = app.call("GET", "/")
            assert (page.code, "Back to the fleet" in page.text) == (503, True)
            server.start()
            deadline = time.monotonic() + 30
            while app.call("GET", "/healthz", role=None).code == 503:  # tries again by itself
                assert time.monotonic() < deadline
                time.sleep(0.2)
            assert [one["name"] for one in app.call("GET", TEMPLATES).json()] == NAMES
            assert app.call("GET", "/").code == 200

    def test_health_fails_where_the_definition_file_is_wrong(self, tmp_path: Any) -> None:
        example = Example(tmp_path)
        (example.home / "config" / "worker_templates.yaml").write_text("templates: [{name: x}]\n")
        with example.run() as app:
            assert app.call("GET", "/healthz", role=None).json() == {"worker_templates": "pending"}
            assert app.call("GET", TEMPLATES).code == 503
            health = app.call("GET", "/healthz", role=None)
            assert (health.code, health.json()) == (503, {"worker_templates": "failed"})
            assert re.search(r"worker_templates\.yaml:1:13: instance_type: ", app.output)
            assert app.call("GET", "/sign-in", role=None).code == 200


@pytest.fixture
def page(browser: Browser, fleet: Running) -> Iterator[Page]:
    """A page of somebody who is not signed in. Fails if the browser complains, or asks another host."""
    complaints: list[str] = []
    context = browser.new_context()
    page = context.new_page()

    def look_at_request(request: Request) -> None:
        if not request.url.startswith((fleet.url, "data:")):
            complaints.append(request.url)

    def look_at_message(message: ConsoleMessage) -> None:
        if "Failed to load resource" not in message.text:  # a refusal with 4xx, which is meant
            complaints.append(message.text)  # such as a violation of the content policy

    page.on("request", look_at_request)
    page.on("console", look_at_message)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert complaints == []


class TestSignIn:
    def test_the_link_signs_in_and_its_token_leaves_the_address(self, page: Page, fleet: Running) -> None:
        page.goto(fleet.url)
        expect(page).to_have_url(f"{fleet.url}/sign-in?next=/")
        expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
        page.goto(fleet.link)
        expect(page).to_have_url(f"{fleet.url}/")
        expect(page.get_by_role("heading", level=1)).to_have_text("Workers")
        (cookie,) = page.context.cookies()
        assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == ("fleet", True, "Lax")
        assert fleet.tokens["link"] not in cookie["value"]
        page.get_by_role("button", name="Sign out").click()
        page.goto(f"{fleet.url}/worker-templates/drift")
        expect(page).to_have_url(f"{fleet.url}/sign-in?next=/worker-templates/drift")
        page.get_by_label("token").fill(fleet.tokens["link"])
        page.get_by_role("button", name="Sign in").click()
        expect(page).to_have_url(f"{fleet.url}/worker-templates/drift")

    def test_another_token_says_what_to_do(self, page: Page, fleet: Running) -> None:
        for wrong in ("wrong", "", fleet.tokens["admin"], "%ff%00"):
            answer = page.goto(f"{fleet.url}/sign-in?token={wrong}")
            assert answer is not None
            assert answer.status == 403
            expect(page.get_by_role("alert")).to_contain_text("Take the link that the app printed last.")
            expect(page.locator("main")).to_contain_text("flask --app example_app sign-in-link")
        page.goto(fleet.url)
        expect(page).to_have_url(f"{fleet.url}/sign-in?next=/")

    def test_it_leads_to_no_other_host(self, fleet: Running) -> None:
        for elsewhere in ("//evil.example/", "/%5Cevil.example", "https://evil.example", "/%09/evil.example", "evil"):
            with fleet.sign_in(fleet.link).open(f"{fleet.link}&next={elsewhere}") as page:
                assert page.url == f"{fleet.url}/"

    def test_a_token_of_the_api_is_no_way_to_another_role(self, fleet: Running) -> None:
        # A session that no link began has a CSRF token too.
        form = fleet.call("GET", "/sign-in", role=None)
        (token,) = re.findall(r'name="csrf_token" value="([^"]+)"', form.text)
        given = {"Cookie": form.headers["Set-Cookie"].partition(";")[0], "X-CSRFToken": token}
        assert fleet.call("POST", "/role?role=admin", role="viewer", **given).code == 403
        assert fleet.call("POST", "/role?role=admin", role="viewer").code == 400


def look(page: Page) -> None:
    """Look at a page in both schemes and widths: it is accessible, and nothing is cut off."""
    for scheme, width in (("light", 1280), ("dark", 360)):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
        violations = Axe().run(page).response["violations"]
        assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in violations] == []
    page.set_viewport_size({"width": 1280, "height": 800})


@pytest.mark.thorough
def test_workers_are_launched_renewed_stopped_and_killed_until_their_lease_ends(page: Page, fleet: Running) -> None:
    look_at = page.locator("tbody tr")
    for worker in fleet.call("GET", "/workers").json():  # what a test that failed has left
        fleet.call("DELETE", f"/workers/{worker['id']}")
    page.goto(fleet.link)
    expect(page.locator("main")).to_contain_text("No workers are running. Launch one above.")

    page.get_by_label("Cores").fill("5000")
    page.get_by_role("button", name="Launch").click()
    expect(page.get_by_role("alert")).to_contain_text("gpu-training: It has 96 cores, and 5000 are needed.")
    expect(page.get_by_label("Cores")).to_have_value("5000")
    page.get_by_label("Cores").fill("")
    for gpus, name in (("8", "gpu-training"), ("1", "gpu-notebook")):
        page.get_by_label("GPUs").select_option(gpus)
        page.get_by_role("button", name="Launch").click()
        expect(page.get_by_role("status")).to_contain_text(f"is launched from {name}, the cheapest template that fits.")
    training, notebook = look_at.nth(0), look_at.nth(1)
    training.get_by_role("button", name="Kill").click()
    expect(training).to_contain_text("Dead. Its machine was killed.")
    expect(training).to_contain_text("s left")
    claim = f"{TEMPLATES}/claims?template=gpu-notebook"
    (made,) = fleet.call("GET", claim).json()
    # What Swagger UI sends: the session, and the token that it was given, which then counts.
    create = """async headers => (await fetch("/api/v1/templates", {method: "POST", body: "{}",
        headers: {"Content-Type": "application/json", ...headers}})).status"""
    assert page.evaluate(create, {}) == 422
    assert page.evaluate(create, {"Authorization": f"Bearer {fleet.tokens['viewer']}"}) == 403

    # Meanwhile as a viewer, who sees all of it, and no button for what is refused.
    page.get_by_role("button", name="Become viewer").click()
    expect(look_at).to_have_count(2)
    expect(page.get_by_role("button", name=re.compile("Launch|Stop|Kill|Remove"))).to_have_count(0)
    sent = """async path => (await fetch(path, {method: "POST", headers: {
        "X-CSRFToken": document.querySelector("[name=csrf_token]").value}})).status"""
    for path in ("/launch", f"/workers/{made['worker_id']}/kill", f"/workers/{made['worker_id']}/stop"):
        assert page.evaluate(sent, path) == 403
    assert page.evaluate(sent.replace("X-CSRFToken", "X-Other"), "/launch") == 400
    page.get_by_role("link", name="Templates").click()
    expect(page.get_by_role("link", name="gpu-training")).to_be_visible()
    expect(page.get_by_role("link", name="New template")).to_have_count(0)
    page.goto(fleet.url)
    look(page)
    page.get_by_role("button", name="Become admin").click()
    look(page)

    # The page refreshes itself. The worker that lives has renewed its claim, the dead one's has ended.
    page.evaluate("window.stayed = true")
    expect(training).to_contain_text("Expired: its template can be deleted.", timeout=20_000)
    expect(notebook).to_contain_text("Running.")
    expect(notebook).to_contain_text("s left")
    assert page.evaluate("window.stayed")
    (renewed,) = fleet.call("GET", claim).json()
    assert renewed["worker_id"] == made["worker_id"]
    assert renewed["renewed_at"] > made["renewed_at"]

    fleet.call("PATCH", f"{TEMPLATES}/{fleet.template('gpu-notebook')['id']}", {"max_nodes": 3})
    expect(notebook).to_contain_text("Outdated. Changed since: max_nodes.")
    training.get_by_role("button", name="Remove").click()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("main")).to_contain_text("No workers are running.")
    assert fleet.call("GET", claim).json() == []
    page.context.clear_cookies()  # the session ends: the page that refreshes itself leads to the sign-in
    expect(page).to_have_url(f"{fleet.url}/sign-in")


@pytest.mark.thorough
def test_swagger_ui_takes_a_printed_token(page: Page, fleet: Running) -> None:
    page.goto(f"{fleet.url}/api/v1/docs")
    block = page.locator("[id$='-listWorkerTemplates']")
    block.locator(".opblock-summary-control").click()
    block.get_by_role("button", name="Try it out").click()
    block.get_by_role("button", name="Execute").click()
    answer = block.locator(".live-responses-table").first
    expect(answer).to_contain_text("This needs a token.")

    page.get_by_role("button", name="Authorize").first.click()
    dialog = page.locator(".dialog-ux")
    dialog.get_by_label("Value").first.fill(fleet.tokens["viewer"])
    dialog.locator("button.authorize").first.click()
    dialog.get_by_role("button", name="Close").last.click()
    block.get_by_role("button", name="Execute").click()
    for name in NAMES:
        expect(answer).to_contain_text(name)
