"""The console in a real browser."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from flask import Flask
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect

from tests.support.apps import AppFactory
from tests.support.backends import mongomock_only
from tests.support.calls import create, one
from tests.support.hosts import served
from tests.support.specs import spec

pytestmark = mongomock_only

CONSOLE = "/worker-templates"
WIDE, NARROW = (1280, 900), (360, 740)
PICTURES = os.environ.get("CONSOLE_PICTURES")
"""A directory to put pictures of all pages into, for people who look at them."""


class Visit:
    """A page, and what went wrong on it: messages of the browser, and requests to elsewhere."""

    def __init__(self, browser: Browser, origin: str, *, scripts: bool = True) -> None:
        self.origin = origin
        self.complaints: list[str] = []
        self.context = browser.new_context(java_script_enabled=scripts)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(15_000)
        self.page.on("request", self._request)  # not a route, which would switch off the cache of the browser
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _request(self, request: Request) -> None:
        if not request.url.startswith((self.origin, "data:")):
            self.complaints.append(f"request elsewhere: {request.url}")

    def _console(self, message: ConsoleMessage) -> None:
        # A violation of the content policy is such a message too; that a form was refused with 4xx is meant.
        if "Failed to load resource" not in message.text:
            self.complaints.append(f"{message.type}: {message.text}")

    def go(self, path: str) -> Page:
        """Open a page of the console."""
        self.page.goto(self.origin + CONSOLE + path)
        return self.page


@contextmanager
def visiting(browser: Browser, app: Flask, *, scripts: bool = True) -> Iterator[Visit]:
    """Serve an app, and visit it; fails where the browser had something to say."""
    with served(app) as origin:
        visit = Visit(browser, origin, scripts=scripts)
        try:
            yield visit
        finally:
            visit.context.close()
        assert visit.complaints == []


def world(make_app: AppFactory) -> tuple[Flask, dict[str, dict[str, Any]]]:
    """An app whose templates show all that pages can show, and the templates."""
    declared = [spec("conflict", max_nodes=5), spec("deleted"), spec("edited"), spec("orphan")]
    client = make_app(templates=declared).test_client()
    found = {template["name"]: template for template in client.get("/api/v1/templates").get_json()}
    client.patch(one(found["conflict"]), json={"max_nodes": 6})
    client.patch(one(found["edited"]), json={"max_nodes": 7, "labels": {"team": "qa"}})
    client.delete(one(found["deleted"]))
    hostile = "<script>alert(1)</script>"
    long = "W" * 100
    found["long"] = create(client, long, description=f"{hostile} עברית مرحبا " + "very_long_word_" * 30, enabled=False)
    found["used"] = create(client, "used", max_claims=5, cost_per_hour_usd=12.5, labels={"k" * 40: "v" * 60})
    for worker in ("worker-1", "w" * 100):
        client.put(f"{one(found['used'])}/claims/{worker}")
    client.patch(one(found["used"]), json={"max_nodes": 9, "deprecation": {"message": "Old.", "replaced_by": "edited"}})
    app = make_app(templates=[spec("conflict", max_nodes=8), spec("deleted"), spec("edited"), spec("missing")])
    return app, found


def pages_of(found: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Every kind of page, by the name of its picture."""
    used, long, gone = (f"/t/{found[name]['id']}" for name in ("used", "long", "deleted"))
    return {
        "list": "/",
        "nothing-found": "/?q=nothing-like-this",
        "wrong-filter": "/?min_cpu_cores=many",
        "template": used,
        "long": long,
        "deleted": gone,
        "undo": f"/?done=deleted&of={found['deleted']['id']}",
        "new": "/new",
        "edit": used + "/edit",
        "yaml": used + "/edit?tab=yaml",
        "copy": long + "/copy",
        "compare": used + "/compare",
        "delete": used + "/delete",
        "drift": "/drift",
        "log": "/log",
        "claims": "/claims",
        "error": "/t/0b0e6a3e-7a0c-4f0f-9a53-5a0b8f4b2d10",
    }


def look(page: Page, name: str) -> list[str]:
    """Look at a page in both widths and schemes, and return what is wrong with it."""
    faults = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        for size in (WIDE, NARROW):
            page.set_viewport_size({"width": size[0], "height": size[1]})
            place = f"{name} at {size[0]}, {scheme}"
            over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            if over > 0:
                faults.append(f"{place}: scrolls sideways by {over}")
            if PICTURES:
                page.screenshot(path=Path(PICTURES) / f"{name}-{size[0]}-{scheme}.png", full_page=True)
            if (scheme == "light") != (size == WIDE):
                continue  # what depends on the width only is looked at in one scheme, and the other way round
            for violation in Axe().run(page).response["violations"]:
                nodes = [f"{node['target']} {node['html'][:160]}" for node in violation["nodes"][:3]]
                faults.append(f"{place}: {violation['id']}: {nodes}")
    return faults


def test_every_page_is_accessible_quiet_and_fits_in_both_schemes(make_app: AppFactory, browser: Browser) -> None:
    app, found = world(make_app)
    with visiting(browser, app) as visit:
        faults = []
        for name, path in pages_of(found).items():
            faults += look(visit.go(path), name)
        page = visit.go("/drift")
        page.get_by_label("File").first.check()
        page.get_by_role("button", name="Preview").click()
        faults += look(page, "preview")
        page = visit.go("/")
        for box in page.locator("input[name=id]").all()[:2]:
            box.check()
        page.get_by_role("button", name="Delete").click()
        faults += look(page, "several")
        page = visit.go("/new")
        page.get_by_role("button", name="Create").click()
        faults += look(page, "form-errors")
        edited = found["edited"]
        page = visit.go(f"/t/{edited['id']}/edit")
        page.locator("[name=max_nodes]").fill("31")
        app.test_client().patch(one(edited), json={"max_nodes": 32})
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("changed meanwhile")
        faults += look(page, "conflict-of-editors")
        assert faults == [], "\n".join(faults)


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_a_template_is_made_corrected_edited_deleted_and_restored(
    make_app: AppFactory, browser: Browser, scripts: bool
) -> None:
    with visiting(browser, make_app(), scripts=scripts) as visit:
        page = visit.go("/")
        page.get_by_role("link", name="New template").first.click()
        page.locator("[name=name]").fill("made")
        page.locator("[name=instance_type]").fill("m5.large")
        page.locator("[name='capacity.cpu_cores']").fill("many")
        page.locator("[name='capacity.memory_gb']").fill("16")
        page.locator("[name='capacity.storage_gb']").fill("100")
        page.locator("[name=license_type]").select_option(index=1)
        page.get_by_role("button", name="Create").click()
        wrong = page.locator("[name='capacity.cpu_cores']")
        expect(wrong).to_have_attribute("aria-invalid", "true")
        expect(wrong).to_have_value("many")
        page.get_by_role("alert").get_by_role("link", name="capacity.cpu_cores").click()
        expect(wrong).to_be_focused()
        wrong.fill("4")
        page.get_by_role("button", name="Create").click()
        expect(page.get_by_role("status")).to_contain_text("made is created.")

        page.get_by_role("link", name="Edit", exact=True).click()
        page.locator("[name=max_nodes]").fill("33")
        page.locator("[name=message]").fill("more room")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("status")).to_contain_text("saved as revision 2")
        expect(page.locator("ol.timeline")).to_contain_text("more room")
        page.get_by_role("status").get_by_role("button", name="Undo").click()
        expect(page.get_by_role("status")).to_contain_text("revision 1 again")

        page.get_by_role("link", name="Delete").click()
        page.locator("[name=name]").fill("other")
        page.get_by_role("button", name="Delete").click()
        expect(page.get_by_role("alert")).to_contain_text("Type the name")
        page.locator("[name=name]").fill("made")
        page.get_by_role("button", name="Delete").click()
        page.get_by_role("status").get_by_role("button", name="Undo").click()
        expect(page.get_by_role("status")).to_contain_text("made is back, with its history.")


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_drift_is_chosen_previewed_and_applied(make_app: AppFactory, browser: Browser, scripts: bool) -> None:
    app, found = world(make_app)
    with visiting(browser, app, scripts=scripts) as visit:
        page = visit.go("/drift")
        page.locator("input[name='choice:max_nodes:conflict'][value=file]").check()
        page.locator("input[name=prune][value=orphan]").check()
        page.get_by_role("button", name="Preview").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Preview")
        expect(page.locator("main")).to_contain_text("orphan")
        page.get_by_role("button", name="Apply").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("What was done")
        client = app.test_client()
        assert client.get(one(found["conflict"])).get_json()["max_nodes"] == 8
        assert client.get(one(found["orphan"])).status_code == 404
        assert client.get(one(found["edited"])).get_json()["max_nodes"] == 7


def test_the_list_is_searched_while_one_types(make_app: AppFactory, browser: Browser) -> None:
    app = make_app(templates=[spec("alpha"), spec("beta")])
    with visiting(browser, app) as visit:
        page = visit.go("/")
        page.evaluate("window.stayed = true")
        page.get_by_label("Search").press_sequentially("alp")
        expect(page.locator("#list")).not_to_contain_text("beta")
        expect(page.locator("#list")).to_contain_text("alpha")
        expect(page).to_have_url(re.compile(r"[?&]q=alp(&|$)"))
        assert page.evaluate("window.stayed")
        page.reload()
        expect(page.get_by_label("Search")).to_have_value("alp")
        expect(page.locator("#list")).not_to_contain_text("beta")


def reach(page: Page, selector: str) -> None:
    """Press Tab until the element is focused, as somebody without a mouse does."""
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            shadow = page.evaluate("getComputedStyle(document.activeElement).boxShadow")
            assert outline != "none" or shadow != "none", f"the focus cannot be seen on {selector}"
            return
    raise AssertionError(f"Tab never reaches {selector}")


def test_a_template_is_edited_by_keyboard_alone(make_app: AppFactory, browser: Browser) -> None:
    app = make_app(templates=[spec("small")])
    with visiting(browser, app) as visit:
        page = visit.go("/")
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        page.keyboard.press("Enter")
        reach(page, "tbody a")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("small")
        reach(page, "a[href$='/edit']")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Edit small")
        reach(page, "[name=max_nodes]")
        page.keyboard.press("Control+a")
        page.keyboard.type("12")
        reach(page, "main button:not([type=button])")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_contain_text("small is saved as revision 2.")


def test_a_row_is_added_and_removed(make_app: AppFactory, browser: Browser) -> None:
    with visiting(browser, make_app(templates=[spec("small", labels={"a": "1"})])) as visit:
        page = visit.go("/")
        page.get_by_role("link", name="small").click()
        page.get_by_role("link", name="Edit", exact=True).click()
        rows = page.locator("#field-labels-rows .row-of")
        expect(rows).to_have_count(2)
        page.locator("#field-labels").get_by_role("button", name="Add a row").click()
        expect(rows).to_have_count(3)
        rows.nth(2).locator("input").nth(0).fill("b")
        rows.nth(2).locator("input").nth(1).fill("2")
        rows.nth(0).get_by_role("button", name="Remove").click()
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("status")).to_contain_text("saved as revision 2")
        expect(page.locator("dl.facts").first).to_contain_text("labels.b")
        expect(page.locator("dl.facts").first).not_to_contain_text("labels.a")
