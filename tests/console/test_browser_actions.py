"""What people do in the console, in a real browser: with scripts and without, by keyboard, and against each other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask import Flask, abort, redirect, request, session
from flask_wtf import CSRFProtect
from playwright.sync_api import Browser, Page, expect
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.wrappers import Response

from flask_worker_templates import WorkerTemplates
from tests.support.apps import AppFactory
from tests.support.backends import mongomock_only
from tests.support.browser import visiting
from tests.support.calls import create, one
from tests.support.console import CONSOLE, named
from tests.support.specs import spec

pytestmark = mongomock_only

SCRIPTS = pytest.mark.parametrize(
    "scripts", [pytest.param(True, id="scripts"), pytest.param(False, id="no-scripts", marks=pytest.mark.thorough)]
)


def press(page: Page, name: str) -> None:
    page.locator("main").get_by_role("button", name=name, exact=True).click()


def told(page: Page, words: str) -> None:
    expect(page.locator(".note[role=status]").first).to_contain_text(words)


def title(page: Page, words: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(words)


@SCRIPTS
def test_a_template_lives_from_the_form_to_its_restore(make_app: AppFactory, browser: Browser, scripts: bool) -> None:
    with visiting(browser, make_app(), scripts=scripts) as visit:
        page = visit.go("/")
        page.get_by_role("link", name="New template").first.click()
        page.locator("[name=name]").fill("made")
        page.locator("[name=instance_type]").fill("m5.large")
        page.locator("[name='capacity.cpu_cores']").fill("many")
        page.locator("[name='capacity.memory_gb']").fill("16")
        page.locator("[name='capacity.storage_gb']").fill("100")
        page.locator("[name=license_type]").select_option(index=1)
        press(page, "Create")
        wrong = page.locator("[name='capacity.cpu_cores']")
        expect(wrong).to_have_attribute("aria-invalid", "true")
        expect(wrong).to_have_value("many")
        page.get_by_role("alert").get_by_role("link", name="CPU cores").click()
        expect(wrong).to_be_focused()
        wrong.fill("4")
        press(page, "Create")
        told(page, "made is created.")

        page.get_by_role("link", name="Edit", exact=True).click()
        page.locator("[name=max_nodes]").fill("33")
        page.locator("[name=message]").fill("more room")
        press(page, "Save")
        told(page, "saved as revision 2")
        expect(page.locator("ol.timeline")).to_contain_text("more room")
        press(page, "Undo")
        told(page, "It is as it was before.")
        page.get_by_role("link", name="Compare", exact=True).click()
        page.get_by_label("From revision").select_option("2")
        press(page, "Compare")
        press(page, "Revert to revision 2")
        told(page, "has the values of revision 2 again")
        press(page, "Disable")
        told(page, "made is disabled.")

        page.get_by_role("link", name="Copy").click()
        page.locator("[name=name]").fill("copy")
        press(page, "Create")
        told(page, "copy is created.")
        page.get_by_role("link", name="Delete").click()
        page.locator("[name=name]").fill("other")
        press(page, "Delete")
        expect(page.get_by_role("alert")).to_contain_text("Type the name")
        page.locator("[name=name]").fill("copy")
        press(page, "Delete")
        told(page, "copy is deleted.")
        press(page, "Undo")
        told(page, "It is as it was before.")


@SCRIPTS
def test_the_fleet_is_searched_changed_and_released(
    make_app: AppFactory, browser: Browser, tmp_path: Path, scripts: bool
) -> None:
    app = make_app(templates=[spec("alpha", labels={"team": "qa"}), spec("alto"), spec("beta")])
    client = app.test_client()
    client.put(f"{one(named(client, 'alpha'))}/claims/worker-1")
    with visiting(browser, app, scripts=scripts) as visit:
        page = visit.go("/")
        if scripts:
            page.evaluate("window.stayed = true")
            page.get_by_label("Search").press_sequentially("al")
        else:
            page.get_by_label("Search").fill("al")
            page.get_by_role("search").get_by_role("button", name="Search").click()
        expect(page.locator("#list")).not_to_contain_text("beta")
        expect(page.locator("#list")).to_contain_text("2 templates found")
        expect(page).to_have_url(re.compile(r"[?&]q=al(&|$)"))
        if scripts:
            assert page.evaluate("window.stayed")
            page.reload()  # what a colleague sees, who got the URL
            expect(page.get_by_label("Search")).to_have_value("al")

        # The filters outlive an edit, and a change of several.
        page.get_by_role("link", name="alto").click()
        page.get_by_role("link", name="Edit", exact=True).click()
        page.locator("[name=max_nodes]").fill("7")
        press(page, "Save")
        page.locator("main").get_by_role("link", name="Templates").click()
        expect(page).to_have_url(re.compile(r"[?&]q=al(&|$)"))
        if scripts:
            page.get_by_label("Select all").check()
        else:
            for box in page.locator("input[name=id]").all():
                box.check()
        press(page, "Disable")
        told(page, "alpha, alto are disabled.")
        expect(page.locator("#list")).not_to_contain_text("beta")
        press(page, "Undo")
        told(page, "It is as it was before.")
        expect(page.locator("#list")).to_contain_text("2 templates found")

        page.get_by_label("Select alpha").check()
        press(page, "Label")
        page.get_by_label("Label", exact=True).fill("team")
        page.get_by_label("Value").fill("ops")
        press(page, "Label")
        told(page, "alpha is labelled.")

        page = visit.go("/claims")
        press(page, "Release worker-1")
        told(page, "worker-1 does not claim alpha any more.")
        press(page, "Undo")
        told(page, "worker-1 claims alpha again.")

        page = visit.go("/log?action=updated")
        with page.expect_download() as download:
            page.get_by_role("link", name="Download as CSV").click()
        download.value.save_as(tmp_path / "log.csv")
        assert (tmp_path / "log.csv").read_text(encoding="utf-8-sig").count("updated") == 4


@SCRIPTS
def test_drift_is_chosen_previewed_and_applied(make_app: AppFactory, browser: Browser, scripts: bool) -> None:
    client = make_app(templates=[spec("conflict", max_nodes=5), spec("orphan"), spec("edited")]).test_client()
    conflict, edited = named(client, "conflict"), named(client, "edited")
    client.patch(one(conflict), json={"max_nodes": 6})
    client.patch(one(edited), json={"max_nodes": 7})
    app = make_app(templates=[spec("conflict", max_nodes=8), spec("edited")])
    with visiting(browser, app, scripts=scripts) as visit:
        page = visit.go("/drift")
        page.locator("input[name='choice:max_nodes:conflict'][value=file]").check()
        page.locator("input[name=prune][value=orphan]").check()
        press(page, "Preview")
        title(page, "Preview")
        expect(page.locator("main")).to_contain_text("orphan")
        press(page, "Apply")
        title(page, "What was done")
        shown = client.get("/api/v1/templates").get_json()
        assert [(one["name"], one["max_nodes"]) for one in shown] == [("conflict", 8), ("edited", 7)]
        press(page, "Undo")
        title(page, "Drift")
        shown = client.get("/api/v1/templates").get_json()
        assert [(one["name"], one["max_nodes"]) for one in shown] == [("conflict", 6), ("edited", 7), ("orphan", 20)]


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


def test_the_keyboard_alone_will_do(make_app: AppFactory, browser: Browser) -> None:
    app = make_app(templates=[spec("small")])
    with visiting(browser, app) as visit:
        page = visit.go("/")
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        page.keyboard.press("Enter")
        reach(page, "tbody input[type=checkbox]")
        page.keyboard.press("Space")
        reach(page, "button[value=disable]")
        page.keyboard.press("Enter")
        told(page, "small is disabled.")
        reach(page, "tbody a")
        page.keyboard.press("Enter")
        title(page, "small")
        reach(page, "a[href*='/edit']")
        page.keyboard.press("Enter")
        title(page, "Edit small")
        reach(page, "[name=max_nodes]")
        page.keyboard.press("Control+a")
        page.keyboard.type("12")
        reach(page, "main button:not([type=button])")
        page.keyboard.press("Enter")
        told(page, "small is saved as revision 3.")


def test_a_field_is_checked_when_it_is_left_and_rows_come_and_go(make_app: AppFactory, browser: Browser) -> None:
    app = make_app(templates=[spec("small", labels={"a": "1"}), spec("other")])
    with visiting(browser, app) as visit:
        page = visit.go("/?name=small")
        page.get_by_role("link", name="small").click()
        page.get_by_role("link", name="Edit", exact=True).click()
        cores, name = page.locator("[name='capacity.cpu_cores']"), page.locator("[name=name]")
        cores.fill("many")
        name.fill("other")
        expect(page.locator("#field-capacity-cpu_cores-fault")).to_contain_text("integer")
        expect(cores).to_have_attribute("aria-invalid", "true")
        page.keyboard.press("Tab")
        expect(page.locator("#field-name-fault")).to_contain_text("already exists")
        cores.fill("4")
        name.fill("small")
        page.keyboard.press("Tab")
        expect(page.locator("#field-name-fault")).to_be_empty()
        expect(page.locator("#field-capacity-cpu_cores-fault")).to_be_empty()
        expect(cores).not_to_have_attribute("aria-invalid", "true")

        rows = page.locator("#field-labels-rows .row-of")
        expect(rows).to_have_count(2)
        page.locator("#field-labels").get_by_role("button", name="Add a row").click()
        expect(rows).to_have_count(3)
        rows.nth(2).locator("input").nth(0).fill("b")
        rows.nth(2).locator("input").nth(1).fill("2")
        rows.nth(0).get_by_role("button", name="Remove").click()
        press(page, "Save")
        told(page, "saved as revision 2")
    assert named(app.test_client(), "small")["labels"] == {"b": "2"}


def test_claims_refresh_themselves_without_the_page(make_app: AppFactory, browser: Browser) -> None:
    app = make_app(templates=[spec("small")])
    client = app.test_client()
    small = named(client, "small")
    with visiting(browser, app) as visit:
        visit.page.clock.install()
        page = visit.go(f"/t/{small['id']}")
        client.put(f"{one(small)}/claims/worker-1")
        with page.expect_response(lambda answer: answer.request.headers.get("hx-target") == "claims-panel") as answer:
            page.clock.fast_forward(10_500)
        assert "<h1" not in answer.value.text()
        expect(page.locator("#claims-panel")).to_contain_text("worker-1")
        page.evaluate("Object.defineProperty(document, 'hidden', {value: true})")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.clock.fast_forward(60_000)
        page.evaluate("Promise.resolve()")
        assert asked == []  # nobody sees it


def signed_host(make_app: AppFactory) -> DispatcherMiddleware:
    """A host below a prefix, with a sign-in by session and Flask-WTF's protection, as many are."""
    app = Flask("host")
    app.config.update(
        make_app.config(templates=[spec("small"), spec("other")]),
        SECRET_KEY="a secret of the test",
        WORKER_TEMPLATES_LOGIN_URL="/fleet/login",
    )
    CSRFProtect(app)
    templates = WorkerTemplates(app)

    @app.get("/login")
    def login() -> Response:
        session["user"] = "ada"
        return redirect(request.args["next"])

    @templates.authorizer
    def may(action: str, template: object) -> bool:
        if "user" not in session:
            abort(401)
        return True

    templates.actor_loader(lambda: session["user"])
    return DispatcherMiddleware(Flask("front"), {"/fleet": app})


def test_a_session_that_ends_loses_nothing_below_a_prefix_under_csrf_protection(
    make_app: AppFactory, browser: Browser
) -> None:
    with visiting(browser, signed_host(make_app), prefix="/fleet" + CONSOLE) as visit:
        page = visit.go("/?q=small")
        expect(page).to_have_url(visit.origin + visit.prefix + "/?q=small")  # by way of the sign-in
        page.get_by_label("Search").fill("")
        page.get_by_label("Search").press_sequentially("sma")
        expect(page.locator("#list")).not_to_contain_text("other")
        page.get_by_role("link", name="small").click()
        page.get_by_role("link", name="Edit", exact=True).click()
        page.locator("[name='capacity.cpu_cores']").fill("many")
        page.keyboard.press("Tab")
        expect(page.locator("#field-capacity-cpu_cores-fault")).to_contain_text("integer")  # the check has its token
        page.locator("[name='capacity.cpu_cores']").fill("6")
        page.locator("[name=description]").fill("typed for long")
        visit.context.clear_cookies()
        with page.expect_response(lambda answer: answer.url.partition("?")[0].endswith("/check")):
            page.keyboard.press("Tab")  # the check of this field finds nobody signed in: it says nothing
        press(page, "Save")
        expect(page.locator("main")).to_contain_text("Nothing was changed")  # the token was the session's
        visit.context.clear_cookies()
        page.goto(page.url)
        press(page, "Take it up again")
        expect(page.locator("[name=description]")).to_have_value("typed for long")
        press(page, "Save")
        told(page, "small is saved as revision 2.")
        expect(page.locator("ol.timeline")).to_contain_text("Changed by ada")
        press(page, "Undo")
        told(page, "It is as it was before.")
        page.locator("main").get_by_role("link", name="Templates").click()
        expect(page).to_have_url(re.compile("/fleet/worker-templates/.*q=sma"))
        page.get_by_role("button", name="Dark colours").click()
        expect(page).to_have_url(re.compile("/fleet/worker-templates/.*q=sma"))


def test_two_editors_at_once_lose_nothing(make_app: AppFactory, browser: Browser) -> None:
    app = make_app()
    client = app.test_client()
    small = create(client, "small", max_nodes=5)
    with visiting(browser, app) as visit:
        page = visit.go(f"/t/{small['id']}/edit")
        page.locator("[name=max_nodes]").fill("6")
        page.locator("[name=description]").fill("mine")
        page.locator("[name=message]").fill("my reason")
        client.patch(one(small), json={"max_nodes": 7, "startup_time_minutes": 3})
        press(page, "Save")
        title(page, "small was changed meanwhile")
        row = page.get_by_role("row").filter(has_text="max_nodes")
        expect(row).to_contain_text(re.compile(r"5\s*7\s*6"))
        press(page, "Save mine")
        told(page, "small is saved as revision 3.")
        expect(page.locator("ol.timeline")).to_contain_text("my reason")
    after = named(client, "small")
    assert (after["max_nodes"], after["description"], after["startup_time_minutes"]) == (6, "mine", 3)
