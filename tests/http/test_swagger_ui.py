"""Swagger UI in a real browser that reaches nothing but the app."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Browser, ConsoleMessage, Page, Route, expect
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from tests.support.apps import AppFactory
from tests.support.backends import mongomock_only
from tests.support.calls import URL, names
from tests.support.hosts import served
from tests.support.openapi_document import operations, own_document
from tests.support.specs import spec

pytestmark = mongomock_only
DOCS = "/api/v1/docs"


class Visit:
    """A page that reaches one origin only, and what went wrong on it."""

    def __init__(self, browser: Browser, origin: str) -> None:
        self.origin = origin
        self.complaints: list[str] = []
        self.strangers: list[str] = []
        self.page: Page = browser.new_page()
        self.page.route("**/*", self._route)
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("requestfailed", lambda request: self.complaints.append(f"failed: {request.url}"))
        self.page.on("response", self._response)

    def _route(self, route: Route) -> None:
        if route.request.url.startswith(self.origin):
            route.continue_()
        else:
            self.strangers.append(route.request.url)
            route.abort()

    def _console(self, message: ConsoleMessage) -> None:
        # A violation of the content policy is such an error too.
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    def _response(self, response: Any) -> None:
        if response.status >= 400:
            self.complaints.append(f"{response.status} {response.url}")


@pytest.fixture
def app(make_app: AppFactory) -> Flask:
    return make_app(templates=[spec("personal-standard"), spec("enterprise-large")])


def open_docs(browser: Browser, origin: str, path: str = DOCS) -> Visit:
    visit = Visit(browser, origin)
    visit.page.goto(origin + path)
    expect(visit.page.locator(".opblock").first).to_be_visible()
    return visit


def block(page: Page, operation_id: str) -> Any:
    return page.locator(f"[id$='-{operation_id}']")


def execute(page: Page, operation_id: str) -> Any:
    """Open an operation, press "Try it out" and Execute; the block of the live response."""
    found = block(page, operation_id)
    if "is-open" not in (found.get_attribute("class") or ""):
        found.locator(".opblock-summary-control").click()
        found.get_by_role("button", name="Try it out").click()
    found.locator("button.execute").click()
    live = found.locator(".live-responses-table .response-col_status").first
    expect(live).to_be_visible()
    return found.locator(".live-responses-table").first


def test_the_page_shows_every_operation_and_tries_them_out(app: Flask, browser: Browser, tmp_path: Any) -> None:
    with served(app) as origin:
        visit = open_docs(browser, origin)
        page = visit.page
        expect(page).to_have_title("Worker templates")
        documented = {described["operationId"] for _, _, described in operations(own_document())}
        assert page.locator(".opblock").count() == len(documented)
        for operation_id in documented:
            expect(block(page, operation_id)).to_be_visible()
        assert page.locator(".opblock-tag a").all_inner_texts() == ["Templates", "History", "Claims", "Files"]
        expect(page.locator(".info")).to_contain_text("A worker template is a named definition")
        block(page, "listWorkerTemplates").locator(".opblock-summary-control").click()
        expect(page.locator("button.execute")).to_have_count(0)  # until it is asked for
        block(page, "listWorkerTemplates").locator(".opblock-summary-control").click()

        listed = execute(page, "listWorkerTemplates")
        expect(listed).to_contain_text("200")
        expect(listed).to_contain_text("personal-standard")
        expect(listed).to_contain_text("enterprise-large")

        made = execute(page, "createWorkerTemplate")  # with the example that the document gives
        expect(made).to_contain_text("201")
        expect(made).to_contain_text('"gpu-nightly"')
        expect(made).to_contain_text("location")
        page.screenshot(path=tmp_path / "docs.png", full_page=True)

        assert visit.strangers == []
        assert visit.complaints == []
        page.close()
    assert names(app.test_client().get(URL)) == ["enterprise-large", "gpu-nightly", "personal-standard"]


def test_the_page_works_below_a_mount_point(app: Flask, browser: Browser) -> None:
    def nothing(environ: Any, start_response: Any) -> list[bytes]:
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"nothing is here"]

    with served(DispatcherMiddleware(nothing, {"/fleet/one": app.wsgi_app})) as origin:
        visit = open_docs(browser, origin, "/fleet/one" + DOCS)
        expect(execute(visit.page, "listWorkerTemplates")).to_contain_text("personal-standard")
        assert visit.strangers == []
        assert visit.complaints == []
        visit.page.close()


def test_the_page_follows_the_colour_scheme_of_the_system(app: Flask, browser: Browser) -> None:
    bright_title = """bright => {
        const colour = getComputedStyle(document.querySelector(".info .title")).color;
        return colour.match(/[0-9]+/g).every(part => (part > 160) === bright);
    }"""
    with served(app) as origin:
        visit = open_docs(browser, origin)
        for scheme in ("light", "dark", "light"):  # while the page is open
            visit.page.emulate_media(color_scheme=scheme)
            visit.page.wait_for_function(bright_title, arg=scheme == "dark")
            controls = visit.page.locator("html").evaluate("page => getComputedStyle(page).colorScheme")
            assert (controls == "dark") is (scheme == "dark")
        assert visit.complaints == []
        visit.page.close()


def test_an_inline_script_would_not_run(make_app: AppFactory, browser: Browser) -> None:
    title = "</title><script>document.documentElement.dataset.owned = 1</script><title>"
    with served(make_app(WORKER_TEMPLATES_API_TITLE=title)) as origin:
        visit = open_docs(browser, origin)
        assert visit.page.evaluate("document.documentElement.dataset.owned") is None
        assert visit.complaints == []
        visit.page.evaluate(
            "document.body.append(Object.assign(document.createElement('script'),"
            "{textContent: 'document.documentElement.dataset.owned = 1'}))"
        )
        assert visit.page.evaluate("document.documentElement.dataset.owned") is None
        assert any("Content Security Policy" in complaint for complaint in visit.complaints)
        visit.page.close()


def test_every_answer_of_the_page_carries_the_policy(client: FlaskClient) -> None:
    paths = (
        "",
        "/openapi.json",
        "/assets/swagger-ui-bundle.js",
        "/assets/nothing.js",
        "/assets/..%2f..%2fpyproject.toml",
    )
    for path in paths:
        answer = client.get(DOCS + path, buffered=True)
        policy = answer.headers.get("Content-Security-Policy", "")
        if path.endswith("toml"):
            assert answer.status_code == 404
            continue
        assert "script-src 'self';" in policy
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "private, no-cache"
    assert client.get(DOCS + "/").status_code == 200
    page = client.get(DOCS).text
    assert "<script>" not in page
    assert "://" not in page
