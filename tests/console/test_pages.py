"""The pages of the console, as a browser without scripts uses them."""

from __future__ import annotations

import csv
import io
import re

import pytest
from flask import Flask, abort
from flask.testing import FlaskClient

from flask_worker_templates import Template, WorkerTemplates
from tests.support.apps import AppFactory
from tests.support.backends import mongomock_only
from tests.support.calls import create, snapshot
from tests.support.console import CONSOLE, FORM, named, page
from tests.support.hosts import host
from tests.support.specs import spec

pytestmark = mongomock_only


# Every page


def test_every_page_has_one_heading_and_its_headers_and_changes_nothing(client: FlaskClient) -> None:
    template = create(client)
    before = snapshot(client)
    rules = [
        rule
        for rule in client.application.url_map.iter_rules()
        if rule.endpoint.startswith("worker-templates-console.")
    ]
    shown = 0
    for rule in rules:
        if "GET" not in (rule.methods or ()) or rule.endpoint.endswith(".static"):
            continue
        answer = client.get(rule.rule.replace("<template_id>", template["id"]))
        assert answer.status_code == 200, (rule.rule, answer.text[:500])
        assert "unsafe-inline" not in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert "private" in answer.headers["Cache-Control"]
        if answer.mimetype == "text/html":
            assert len(re.findall("<h1", answer.text)) == 1, rule.rule
            assert "<script>" not in answer.text
            assert " style=" not in answer.text
            shown += 1
    assert shown >= 8
    assert snapshot(client) == before


def test_nothing_is_loaded_from_elsewhere(client: FlaskClient) -> None:
    text = client.get(CONSOLE + "/").text
    assert re.findall(r'(?:src|href)="(?:https?:)?//', text) == []
    for path in re.findall(r'(?:src|href)="([^"]+/static/[^"]+)"', text):
        with client.get(path.replace("&amp;", "&")) as answer:  # a file, which is closed with it
            assert answer.status_code == 200


def test_what_is_not_there_is_a_page_of_its_own(client: FlaskClient) -> None:
    answer = client.get(f"{CONSOLE}/t/0b0e6a3e-7a0c-4f0f-9a53-5a0b8f4b2d10")
    assert answer.status_code == 404
    assert answer.mimetype == "text/html"


def test_html_in_every_string_is_data(client: FlaskClient) -> None:
    hostile = "<script>alert(1)</script>"
    create(client, "<b>bold</b>", description=hostile, labels={"k": hostile})
    template = named(client, "<b>bold</b>")
    for path in (CONSOLE + "/", page(template), page(template, "/edit"), page(template, "/delete"), CONSOLE + "/log"):
        text = client.get(path).text
        assert hostile not in text
        assert "<b>bold</b>" not in text


# The list


def test_filters_are_in_the_url_and_are_those_of_the_api(client: FlaskClient) -> None:
    create(client, "alpha", labels={"team": "qa"})
    create(client, "beta")
    text = client.get(CONSOLE + "/", query_string={"label": "team=qa", "name_prefix": ""}).text
    assert "alpha" in text
    assert "beta" not in text
    assert 'value="team=qa"' in text


def test_a_filter_that_cannot_be_meant_is_said(client: FlaskClient) -> None:
    answer = client.get(CONSOLE + "/?min_cpu_cores=many")
    assert answer.status_code == 200
    assert "min_cpu_cores" in answer.text


def test_several_are_changed_each_by_itself(client: FlaskClient) -> None:
    free, used = create(client, "free"), create(client, "used")
    client.put(f"/api/v1/templates/{used['id']}/claims/worker-1")
    ids = [free["id"], used["id"]]
    asked = client.post(CONSOLE + "/several", data={"action": "delete", "id": ids})
    assert "Delete 2 templates" in asked.text
    assert named(client, "free")
    done = client.post(CONSOLE + "/several", data={"action": "delete", "id": ids, "confirmed": "yes", "message": "old"})
    assert "worker-1" in done.text
    assert client.get("/api/v1/templates").get_json()[0]["name"] == "used"
    client.post(CONSOLE + "/several", data={"action": "disable", "id": [used["id"]]})
    assert named(client, "used")["enabled"] is False


# The form


def test_a_template_is_created_and_an_emptied_number_is_its_default(client: FlaskClient) -> None:
    answer = client.post(CONSOLE + "/new", data={**FORM, "message": "for the lab"})
    assert answer.status_code == 303, answer.text
    made = named(client, "made")
    assert made["max_nodes"] == 20
    assert made["labels"] == {"team": "qa"}
    assert "for the lab" in client.get(page(made)).text


def test_every_error_is_beside_its_field_and_linked_on_top(client: FlaskClient) -> None:
    answer = client.post(CONSOLE + "/new", data={**FORM, "name": "", "capacity.cpu_cores": "many"})
    assert answer.status_code == 422
    for path in ("name", "capacity.cpu_cores"):
        anchor = "field-" + path.replace(".", "-")
        assert f'href="#{anchor}"' in answer.text
        assert re.search(rf'id="{anchor}"[^>]*aria-invalid="true"', answer.text) or re.search(
            rf'aria-describedby="[^"]*{anchor}-fault[^"]*"[^>]*aria-invalid="true"', answer.text
        )
    assert 'value="many"' in answer.text
    assert client.get("/api/v1/templates").get_json() == []


def test_the_yaml_tab_goes_through_the_same_door(client: FlaskClient) -> None:
    text = "name: made\ninstance_type: m5.large\nlicense_type: PERSONAL\n"
    text += "capacity: {cpu_cores: 4, memory_gb: 16, storage_gb: 1}\n"
    assert client.post(CONSOLE + "/new?tab=yaml", data={"yaml": text}).status_code == 303
    assert named(client, "made")["capacity"]["cpu_cores"] == 4
    wrong = client.post(CONSOLE + "/new?tab=yaml", data={"yaml": "name: [\n"})
    assert wrong.status_code == 422
    assert "name: [" in wrong.text


def test_an_edit_keeps_what_another_changed_meanwhile(client: FlaskClient) -> None:
    template = create(client)
    client.patch(f"/api/v1/templates/{template['id']}", json={"max_nodes": 77})
    form = {**FORM, "name": "small", "revision": "1", "description": "mine", "max_nodes": "20"}
    answer = client.post(page(template, "/edit"), data=form)
    assert answer.status_code == 303, answer.text
    after = named(client, "small")
    assert (after["max_nodes"], after["description"]) == (77, "mine")


def test_an_edit_of_what_another_changed_too_asks_and_loses_nothing(client: FlaskClient) -> None:
    template = create(client)
    client.patch(f"/api/v1/templates/{template['id']}", json={"max_nodes": 77, "description": "theirs"})
    answer = client.post(page(template, "/edit"), data={**FORM, "name": "small", "revision": "1", "max_nodes": "55"})
    assert answer.status_code == 412
    assert "77" in answer.text
    assert "max_nodes: 55" in answer.text
    assert "description: theirs" in answer.text  # what only they changed would not be lost either
    assert named(client, "small")["max_nodes"] == 77


def test_saving_what_did_not_change_makes_no_revision(client: FlaskClient) -> None:
    template = create(client)
    text = client.get(page(template, "/edit?tab=yaml")).text
    yaml = re.search(r"<textarea[^>]*>(.*?)</textarea>", text, re.DOTALL)
    assert yaml
    assert client.post(page(template, "/edit?tab=yaml"), data={"yaml": yaml[1], "revision": "1"}).status_code == 303
    assert named(client, "small")["revision"] == 1


# Actions


def test_disable_compare_and_revert(client: FlaskClient) -> None:
    template = create(client)
    assert client.post(page(template, "/switch"), data={"action": "disable"}).status_code == 303
    compared = client.get(page(template, "/compare?from=1&to=2")).text
    assert "enabled" in compared
    assert "1 field differs" in compared
    client.post(page(template, "/revert"), data={"revision": "1", "message": "mistake"})
    after = named(client, "small")
    assert (after["enabled"], after["revision"]) == (True, 3)


def test_a_deletion_wants_the_name_and_is_refused_while_in_use(client: FlaskClient) -> None:
    template = create(client)
    assert client.post(page(template, "/delete"), data={"name": "other", "revision": "1"}).status_code == 409
    client.put(f"/api/v1/templates/{template['id']}/claims/worker-1")
    refused = client.post(page(template, "/delete"), data={"name": "small", "revision": "1"})
    assert refused.status_code == 409
    assert "worker-1" in refused.text
    released = client.post(page(template, "/release"), data={"worker_id": "worker-1", "back": "//evil.example/"})
    assert released.headers["Location"].startswith(CONSOLE + "/claims?done=released&")
    assert client.post(page(template, "/delete"), data={"name": "small", "revision": "1"}).status_code == 303
    assert client.get("/api/v1/templates").get_json() == []


def test_drift_is_previewed_and_exactly_that_is_applied(make_app: AppFactory) -> None:
    client = make_app(templates=[spec("kept", max_nodes=5)]).test_client()
    template = named(client, "kept")
    client.patch(f"/api/v1/templates/{template['id']}", json={"max_nodes": 6})
    client = make_app(templates=[spec("kept", max_nodes=7)]).test_client()
    assert "Both changed the same field" in client.get(CONSOLE + "/drift").text
    chosen = {"only": "kept", "choice:max_nodes:kept": "file"}
    preview = client.post(CONSOLE + "/drift/preview", data=chosen).text
    digest = re.search(r'name="digest" value="([0-9a-f]+)"', preview)
    assert digest
    assert named(client, "kept")["max_nodes"] == 6
    stale = client.post(CONSOLE + "/drift/apply", data={**chosen, "digest": "0" * 64})
    assert stale.status_code == 409
    applied = client.post(CONSOLE + "/drift/apply", data={**chosen, "digest": digest[1]}, follow_redirects=True)
    assert "updated" in applied.text
    assert named(client, "kept")["max_nodes"] == 7
    assert "No drift" in client.get(CONSOLE + "/drift").text


def test_a_cell_of_the_csv_is_no_formula(client: FlaskClient) -> None:
    create(client, "=1+1")
    text = client.get(CONSOLE + "/log.csv").data.decode("utf-8-sig")
    [head, row] = csv.reader(io.StringIO(text))
    assert row[head.index("template")] == "'=1+1"


# Who may


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "null"},
        {"Origin": "http://localhost:8080"},
        {"Origin": "https://localhost"},
        {"Origin": "http://evil.localhost"},
    ],
)
def test_a_post_of_another_site_is_refused(client: FlaskClient, headers: dict[str, str]) -> None:
    assert client.post(CONSOLE + "/new", data=FORM, headers=headers).status_code == 403
    assert client.get("/api/v1/templates").get_json() == []


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "same-origin"}, {"Origin": "http://localhost"}, {}])
def test_a_post_of_the_console_itself_is_taken(client: FlaskClient, headers: dict[str, str]) -> None:
    assert client.post(CONSOLE + "/new", data=FORM, headers=headers).status_code == 303


def test_a_viewer_sees_no_button_and_a_post_by_hand_is_refused(make_app: AppFactory) -> None:
    app = Flask("host")
    app.config.update(make_app.config(templates=[spec()]))
    WorkerTemplates(app).authorizer(lambda action, template: action == "read")
    client = app.test_client()
    template = named(client, "small")
    for path in (CONSOLE + "/", page(template), CONSOLE + "/drift", CONSOLE + "/claims"):
        text = client.get(path).text
        assert not re.search(r"<button[^>]*>(Disable|Delete|Edit|Preview|Release|Create)<", text)
        assert "New template" not in text
    for path, data in (
        (CONSOLE + "/new", FORM),
        (page(template, "/edit"), FORM),
        (page(template, "/switch"), {"action": "disable"}),
        (page(template, "/delete"), {"name": "small", "revision": "1"}),
        (page(template, "/revert"), {"revision": "1"}),
        (CONSOLE + "/drift/preview", {}),
    ):
        assert client.post(path, data=data).status_code == 403, path
    assert client.get(page(template, "/edit")).status_code == 403


def test_who_is_not_signed_in_is_led_to_the_login(make_app: AppFactory) -> None:
    app = Flask("host")
    app.config.update(make_app.config(templates=[spec()]), WORKER_TEMPLATES_LOGIN_URL="/login")

    def nobody(action: str, template: object) -> bool:
        abort(401)

    WorkerTemplates(app).authorizer(nobody)
    answer = app.test_client().get(CONSOLE + "/?name=x")
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/login?next=/worker-templates/%3Fname%3Dx"


# In a host


def test_it_can_be_switched_off_and_moved(make_app: AppFactory) -> None:
    assert make_app(WORKER_TEMPLATES_CONSOLE="off").test_client().get(CONSOLE + "/").status_code == 404
    moved = make_app(WORKER_TEMPLATES_CONSOLE_URL_PREFIX="/admin/fleet").test_client()
    assert moved.get("/admin/fleet/").status_code == 200
    assert moved.get(CONSOLE + "/").status_code == 404


def test_a_route_of_the_host_at_its_prefix_wins_with_a_warning(
    make_app: AppFactory, caplog: pytest.LogCaptureFixture
) -> None:
    app = Flask("host")
    app.config.update(make_app.config())
    app.add_url_rule(CONSOLE, "mine", lambda: "the host's")
    WorkerTemplates(app)
    assert app.test_client().get(CONSOLE).text == "the host's"
    assert "WORKER_TEMPLATES_CONSOLE_URL_PREFIX" in caplog.text


def test_the_colour_scheme_is_remembered(client: FlaskClient) -> None:
    assert 'data-bs-theme="auto"' in client.get(CONSOLE + "/").text
    answer = client.post(CONSOLE + "/theme", data={"theme": "dark", "back": CONSOLE + "/log"})
    assert answer.headers["Location"] == CONSOLE + "/log"
    assert 'data-bs-theme="dark"' in client.get(CONSOLE + "/log").text


@pytest.mark.parametrize("tail", ["", "/compare", "/delete"])
def test_what_became_forbidden_meanwhile_is_not_shown(make_app: AppFactory, tail: str) -> None:
    app, templates = host(make_app)
    client = app.test_client()
    template = create(client)

    @templates.authorizer
    def authorize(action: str, template: Template | None) -> bool:
        if template is not None and action == "read":
            if "secret" in template.description:
                return False
            # It becomes secret between the question and the reading of its history and claims.
            templates.update(template.id, {"description": "secret"}, actor="another")
            templates.claim(template.id, "hidden-worker", actor="another")
        return True

    shown = client.get(page(template, tail))
    assert shown.status_code == 403
    assert "hidden-worker" not in shown.text
