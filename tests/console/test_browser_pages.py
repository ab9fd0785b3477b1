"""Every page of the console in a real browser: accessible, quiet, fitting, in both schemes, and without scripts."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from flask import Flask
from marshmallow import fields, validate
from playwright.sync_api import Browser, Page, expect

from flask_worker_templates import WorkerTemplates
from tests.support.apps import AppFactory
from tests.support.backends import mongomock_only
from tests.support.browser import NARROW, visiting
from tests.support.calls import create, one
from tests.support.console import CONSOLE
from tests.support.hosts import host
from tests.support.specs import spec

pytestmark = mongomock_only

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)> \"'{{7*7}} עברית مرحبا "


class Gpu(ma.Schema):
    """Graphics cards."""

    model = fields.String(validate=validate.OneOf(["A10G", "H100"]), load_default="A10G", dump_default="A10G")
    count = fields.Integer(required=True, validate=validate.Range(0, 16), metadata={"description": "Cards."})


class Own(ma.Schema):
    """Fields of the app's own, one for each kind of control."""

    gpu = fields.Nested(Gpu, allow_none=True, load_default=None, dump_default=None)
    zones = fields.List(fields.String(), load_default=list, metadata={"description": "Zones to start in."})
    tags = fields.Dict(keys=fields.String(), values=fields.String(), load_default=dict)
    notes = fields.String(load_default="", dump_default="", metadata={"description": "Notes of the operator."})
    spot = fields.Boolean(load_default=False, dump_default=False)


def host_of(make_app: AppFactory, **config: Any) -> Flask:
    """An app with fields of its own, whose actor has a hostile name."""
    app = Flask("host")
    app.config.update(make_app.config(**config))
    WorkerTemplates(app, extra=Own()).actor_loader(lambda: HOSTILE)
    return app


def world(make_app: AppFactory) -> tuple[Flask, dict[str, dict[str, Any]]]:
    """An app whose templates show all that pages can show, and the templates."""
    declared = [spec("conflict", max_nodes=5), spec("deleted"), spec("edited"), spec("orphan")]
    client = host_of(make_app, templates=declared).test_client()
    found = {template["name"]: template for template in client.get("/api/v1/templates").get_json()}
    client.patch(one(found["conflict"]), json={"max_nodes": 6})
    client.patch(one(found["edited"]), json={"max_nodes": 7, "labels": {"team": "qa"}})
    client.delete(one(found["deleted"]))
    found["long"] = create(
        client,
        (HOSTILE + "W" * 100)[:100],
        description=(HOSTILE + "very_long_word_" * 60)[:1000],
        instance_type="m" * 64,
        ami_pattern=(HOSTILE + "W" * 256)[:256].strip(),
        labels={"k" * 63: (HOSTILE + "v" * 256)[:256], "empty": ""},
        deprecation={"message": HOSTILE + "W" * 300, "replaced_by": HOSTILE.strip()},
        extra={"notes": HOSTILE * 3, "zones": [HOSTILE, "Z" * 200], "tags": {"k" * 63: HOSTILE}},
        capacity={"cpu_cores": 10_000, "memory_gb": 1_000_000, "storage_gb": 100_000_000},
        cost_per_hour_usd=0.000125,
        enabled=False,
        max_nodes=100_000,
    )
    found["used"] = create(
        client, "used", max_claims=5, cost_per_hour_usd=12.5, labels={"team": "qa"}, extra={"gpu": {"count": 4}}
    )
    for worker in ("worker-1", "w" * 100):
        client.put(f"{one(found['used'])}/claims/{worker}", json={"ttl_seconds": 600} if worker == "worker-1" else {})
    client.patch(
        one(found["used"], "?message=" + "W" * 200),
        json={"max_nodes": 9, "deprecation": {"message": "Old.", "replaced_by": "edited"}},
    )
    declared = [spec("conflict", max_nodes=8), spec("deleted"), spec("edited"), spec("missing")]
    return host_of(make_app, templates=declared), found


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
        "new": "/new",
        "edit": long + "/edit",
        "yaml": used + "/edit?tab=yaml",
        "copy": used + "/copy",
        "compare": used + "/compare",
        "compare-same": used + "/compare?from=2&to=2",
        "delete": used + "/delete",
        "drift": "/drift",
        "done": "/drift/done",
        "log": "/log",
        "no-log": "/log?actor=nobody",
        "claims": "/claims",
        "no-claims": "/claims?worker_id=nobody",
        "error": "/t/0b0e6a3e-7a0c-4f0f-9a53-5a0b8f4b2d10",
    }


def test_every_page_is_accessible_quiet_and_fits_in_both_schemes(make_app: AppFactory, browser: Browser) -> None:
    app, found = world(make_app)
    with visiting(browser, app) as visit:
        faults = []
        for name, path in pages_of(found).items():
            visit.go(path)
            faults += visit.look(name)
        page = visit.go("/drift")
        page.get_by_label("File").first.check()
        page.locator("input[name=prune]").check()
        page.get_by_role("button", name="Preview").click()
        faults += visit.look("preview")
        page.get_by_role("button", name="Apply").click()
        faults += visit.look("done-something")
        page = visit.go("/")
        for box in page.locator("input[name=id]").all():
            box.check()
        page.get_by_role("button", name="Label").click()
        faults += visit.look("label")
        page = visit.go("/")
        page.get_by_label("Select all").check()
        page.get_by_role("button", name="Delete").click()
        faults += visit.look("several")
        page.get_by_role("button", name="Delete").click()
        faults += visit.look("outcomes")
        page = visit.go("/new")
        page.get_by_role("button", name="Create").click()
        faults += visit.look("form-errors")
        used = found["used"]
        page = visit.go(f"/t/{used['id']}/edit")
        page.locator("[name=max_nodes]").fill("31")
        app.test_client().patch(one(used), json={"max_nodes": 32})
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("changed meanwhile")
        faults += visit.look("conflict-of-editors")
        assert faults == [], "\n".join(faults)


def test_every_page_is_whole_without_scripts_on_a_phone_in_a_chosen_scheme(
    make_app: AppFactory, browser: Browser
) -> None:
    app, found = world(make_app)
    with visiting(browser, app, scripts=False) as visit:
        page = visit.page
        page.set_viewport_size(NARROW)  # type: ignore[arg-type]
        visit.go("/")
        page.get_by_role("button", name="Dark colours").click()
        expect(page.get_by_role("button", name="Dark colours")).to_have_attribute("aria-pressed", "true")
        for name, path in pages_of(found).items():
            visit.go(path)
            assert page.locator("h1").count() == 1, name
            assert page.locator("html[data-bs-theme=dark]").count() == 1, name
            for control in page.locator("[aria-hidden=false], [hidden]").all():
                assert not control.is_visible(), name


def test_an_empty_console_says_what_to_do(make_app: AppFactory, browser: Browser) -> None:
    app, _ = host(make_app)
    with visiting(browser, app) as visit:
        faults = []
        for name, path, advice in (
            ("empty", "/", "flask seed-templates"),
            ("empty-drift", "/drift", "No drift"),
            ("empty-log", "/log", "Nothing has happened yet"),
            ("empty-claims", "/claims", "flask worker-templates claim"),
        ):
            expect(visit.go(path).locator("main")).to_contain_text(advice)
            faults += visit.look(name)
        assert faults == [], "\n".join(faults)


def first_load(page: Page) -> int:
    """Return the bytes that came over the network for the page that is open."""
    found: int = page.evaluate(
        """() => [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
               .reduce((sum, entry) => sum + entry.transferSize, 0)"""
    )
    return found


def test_what_is_loaded_first_is_kept(make_app: AppFactory, browser: Browser) -> None:
    with visiting(browser, make_app(templates=[spec(f"t{number}") for number in range(5)])) as visit:
        page = visit.go("/")
        assert 30_000 < first_load(page) < 100_000
        page = visit.go("/log")
        assert first_load(page) < 30_000
        assert page.url.endswith(CONSOLE + "/log")
