"""Mistakes that other consoles make, and what the addresses of pages hold."""

from __future__ import annotations

import gzip
import re
from typing import Any

import marshmallow as ma
import pytest
from flask import Flask, abort, request
from flask.testing import FlaskClient
from marshmallow import fields

from flask_worker_templates import WorkerTemplates
from flask_worker_templates.model.template import Template
from tests.support.apps import AppFactory
from tests.support.backends import mongomock_only
from tests.support.calls import create, one, snapshot
from tests.support.console import CONSOLE, FORM, named, page, said, words
from tests.support.specs import spec

pytestmark = mongomock_only


def test_filters_outlive_each_action_of_a_template(client: FlaskClient) -> None:
    template = create(client, labels={"team": "qa"})
    shown = client.get(CONSOLE + "/?label=team%3Dqa&sort=-name&done=undone")
    [link] = re.findall(r'href="([^"]+/t/[^"]+)"', shown.text)
    back = "back=" + CONSOLE + "/?label%3Dteam%253Dqa%26sort%3D-name"
    assert link == page(template, "?" + back)
    opened = client.get(link)
    onward = re.findall(r'(?:href|action)="([^"]+/t/[^"]+)"', opened.text)
    assert len(onward) == 4  # edit, switch, copy, delete
    assert all(back in url for url in onward if not url.endswith("/release")), onward
    query = {"back": CONSOLE + "/?label=team%3Dqa&sort=-name"}
    for tail, data in (
        ("/switch", {"action": "disable"}),
        ("/edit", {**FORM, "name": "small", "revision": "2"}),
        ("/revert", {"revision": "1"}),
        ("/copy", {**FORM, "name": "copy"}),
    ):
        answer = client.post(page(template, tail), data=data, query_string=query)
        assert back in answer.headers["Location"], answer.headers["Location"]
    deleted = client.post(page(template, "/delete"), data={"name": "small", "revision": "4"}, query_string=query)
    assert deleted.headers["Location"].startswith(CONSOLE + "/?label=team%3Dqa&sort=-name&done=deleted")
    elsewhere = client.get(page(named(client, "copy")), query_string={"back": "https://evil.example/"})
    assert not re.search(r'(?:href|action)="[^"]*evil', elsewhere.text)


@pytest.mark.parametrize("key", ["endpoint", "_external", "_anchor", "_scheme", "filename", "self", "template_id"])
def test_no_parameter_of_an_address_is_one_of_the_code(client: FlaskClient, key: str) -> None:
    template = create(client)
    for path in (CONSOLE + "/", CONSOLE + "/log", CONSOLE + "/claims", page(template), page(template, "/edit")):
        answer = client.get(path, query_string={key: "//evil.example", "page": "1"})
        assert answer.status_code == 200
        assert 'href="http' not in answer.text
        assert "evil.example/" not in answer.text


def test_no_address_changes_anything_whatever_is_asked(client: FlaskClient) -> None:
    template = create(client)
    client.put(f"{one(template)}/claims/worker-1")
    before = snapshot(client), client.get(f"{one(template)}/claims").get_json()
    ours = "worker-templates-console."
    rules = [rule for rule in client.application.url_map.iter_rules() if rule.endpoint.startswith(ours)]
    queries: list[dict[str, str]] = [
        {"action": "delete", "id": template["id"], "confirmed": "yes", "name": "small", "revision": "1"},
        {"done": "deleted", "of": "!!!", "n": "x", "worker": "<b>", "ttl": "-1"},
        {"page": "0"},
        {"from": "0", "to": "99999999999", "sort": "$where", "q": "\x00", "since": "never"},
        {"tab": "yaml", "back": "javascript:alert(1)"},
    ]
    for rule in rules:
        url = rule.rule.replace("<template_id>", template["id"]).replace("<path:filename>", "console.css")
        for query in queries:
            for headers in ({}, {"HX-Request": "true", "HX-Target": "claims-panel"}, {"HX-Target": "list"}):
                with client.get(url, query_string=query, headers=headers) as answer:
                    assert answer.status_code in (200, 404, 405, 422), (url, query, answer.status_code)
    assert (snapshot(client), client.get(f"{one(template)}/claims").get_json()) == before


def test_a_cleared_number_is_its_default_or_none_and_never_nought(client: FlaskClient) -> None:
    template = create(client, max_nodes=7, max_claims=3, cost_per_hour_usd=1.5, startup_time_minutes=4)
    cleared = {"max_nodes": "", "max_claims": "", "cost_per_hour_usd": " ", "startup_time_minutes": ""}
    form = {**FORM, **cleared, "name": "small", "revision": "1"}
    assert client.post(page(template, "/edit"), data=form).status_code == 303
    after = named(client, "small")
    assert [after[field] for field in cleared] == [20, None, None, 20]
    required = client.post(page(template, "/edit"), data={**form, "revision": "2", "capacity.cpu_cores": ""})
    assert required.status_code == 422


def test_an_error_is_told_once_beside_its_field_and_once_on_top(client: FlaskClient) -> None:
    answer = client.post(
        CONSOLE + "/new", data={**FORM, "max_nodes": "0", "labels:key": ["no good!"], "labels:value": [""]}
    )
    assert answer.status_code == 422
    [fault] = re.findall(r'<div class="faults" id="field-max_nodes-fault">(.*?)</div></div>', answer.text, re.DOTALL)
    text = words(fault)
    assert words(answer.text).count(text) == 2
    assert "max_nodes" in words(answer.text)
    assert "Maximum nodes" in words(answer.text)
    assert words(answer.text).count("no good!:") == 1  # beside the row; the list on top names the field


def test_a_deletion_names_what_goes_who_uses_it_and_what_brings_it_back(make_app: AppFactory) -> None:
    client = make_app(templates=[spec("kept")]).test_client()
    kept, byhand = named(client, "kept"), create(client, "byhand")
    client.put(f"{one(byhand)}/claims/worker-1")
    asked = client.post(CONSOLE + "/several", data={"action": "delete", "id": [kept["id"], byhand["id"]]})
    text = words(asked.text)
    assert "kept Its file worker_templates.yaml may bring it back." in text
    assert "byhand In use by 1 worker: it is kept." in text
    alone = words(client.get(page(byhand, "/delete")).text)
    assert "1 worker claims it: worker-1" in alone
    again = words(client.get(page(kept, "/delete")).text)
    assert "worker_templates.yaml, line 2" in again
    assert "the next seeding creates it again" in again


def test_a_state_is_a_word_and_an_icon(client: FlaskClient) -> None:
    template = create(client, enabled=False, deprecation={"message": "Old.", "replaced_by": None})
    for path in (CONSOLE + "/", page(template)):
        text = client.get(path).text
        for state in ("Deprecated", "Disabled"):
            assert re.search(rf'<span class="state [a-z]+"><svg[^>]+aria-hidden="true">.*?</svg> {state}</span>', text)


class Gpu(ma.Schema):
    """Graphics cards."""

    model = fields.String(load_default="A10G", dump_default="A10G")


class Own(ma.Schema):
    """Fields of the app's own."""

    count = fields.Integer(load_default=1, dump_default=1)
    gpu = fields.Nested(Gpu, allow_none=True, load_default=None, dump_default=None)


def test_a_key_that_the_app_does_not_know_any_more_survives_an_edit_in_the_form(make_app: AppFactory) -> None:
    client = make_app(extra=ma.Schema.from_dict({"old": fields.String(), "count": fields.Integer()})()).test_client()
    template = create(client, extra={"old": "kept", "count": 2})
    client = make_app(extra=Own()).test_client()
    assert "kept" in client.get(page(template)).text
    inside = create(client, "with-gpu", extra={"gpu": {}})
    assert "GPU: Model A10G" in words(client.get(page(inside)).text)
    form = {**FORM, "name": "small", "revision": "1", "extra.count": "3"}
    assert client.post(page(template, "/edit"), data=form).status_code == 303
    assert named(client, "small")["extra"] == {"count": 3, "gpu": None, "old": "kept"}


def test_the_authorizer_is_asked_about_what_a_form_would_create(make_app: AppFactory) -> None:
    app = Flask("host")
    app.config.update(make_app.config())

    @WorkerTemplates(app).authorizer
    def small_only(action: str, template: Template | None) -> bool:
        return action == "read" or template is None or template.capacity.cpu_cores < 8

    client = app.test_client()
    assert client.post(CONSOLE + "/new", data={**FORM, "capacity.cpu_cores": "8"}).status_code == 403
    assert client.post(CONSOLE + "/new", data=FORM).status_code == 303
    assert (
        client.post(page(named(client, "made"), "/edit"), data={**FORM, "capacity.cpu_cores": "8"}).status_code == 403
    )


def test_a_claim_is_released_where_its_template_may_be_claimed(make_app: AppFactory) -> None:
    app = Flask("host")
    app.config.update(make_app.config(templates=[spec("mine"), spec("theirs")]))
    open_to_all = {"yes": True}

    @WorkerTemplates(app).authorizer
    def may(action: str, template: Template | None) -> bool:
        return action == "read" or open_to_all["yes"] or (template is not None and template.name == "mine")

    client = app.test_client()
    for name in ("mine", "theirs"):
        client.put(f"{one(named(client, name))}/claims/worker-of-{name}")
    open_to_all["yes"] = False
    text = words(client.get(CONSOLE + "/claims").text)
    assert "Release worker-of-mine" in text
    assert "Release worker-of-theirs" not in text
    assert (
        client.post(page(named(client, "theirs"), "/release"), data={"worker_id": "worker-of-theirs"}).status_code
        == 403
    )


def test_a_field_is_checked_by_the_rules_and_nothing_is_stored(client: FlaskClient) -> None:
    create(client)
    before = snapshot(client)

    def checked(field: str, **changes: Any) -> str:
        answer = client.post(CONSOLE + "/check", data={**FORM, **changes, "check": field})
        assert answer.status_code == 200
        return words(answer.text)

    assert checked("max_nodes") == ""
    assert "100000" in checked("max_nodes", max_nodes="0").replace(",", "")
    assert "already exists" in checked("name", name="small", max_nodes="many")
    assert checked("capacity.cpu_cores", max_nodes="many") == ""  # another field's error is not this one's
    assert "no good!" in checked("labels", **{"labels:key": ["no good!"], "labels:value": ["x"]})
    assert snapshot(client) == before


def test_a_list_page_of_fifty_is_below_30_kilobytes(make_app: AppFactory) -> None:
    declared = [
        spec(
            f"template-{number:03}",
            description=f"Number {number} of the fleet in region {number % 7}",
            max_nodes=number,
        )
        for number in range(1, 61)
    ]
    client = make_app(templates=declared).test_client()
    text = client.get(CONSOLE + "/").text
    assert text.count('name="id"') == 50
    assert len(gzip.compress(text.encode())) < 30_000
    part = client.get(CONSOLE + "/?q=001", headers={"HX-Request": "true", "HX-Target": "list"})
    assert "<html" not in part.text
    assert "1 template found" in words(part.text)
    assert "HX-Target" in part.headers["Vary"]


def test_who_must_sign_in_comes_back_to_the_page_and_a_part_of_a_page_does_not_become_the_sign_in(
    make_app: AppFactory,
) -> None:
    app = Flask("host")
    app.config.update(make_app.config(templates=[spec()]), WORKER_TEMPLATES_LOGIN_URL="/login?from=console")

    @WorkerTemplates(app).authorizer
    def signed_in(action: str, template: Template | None) -> bool:
        return True if request.headers.get("X-User") else abort(401)

    client = app.test_client()
    known = {"X-User": "ada"}
    [template] = client.get("/api/v1/templates", headers=known).get_json()
    edit = client.post(page(template, "/edit?tab=yaml"), data={"yaml": "x"})
    assert edit.headers["Location"] == f"/login?from=console&next={page(template, '/edit')}%3Ftab%3Dyaml"
    for referer, wanted in (
        (f"http://localhost{page(template)}?page=1", page(template) + "%3Fpage%3D1"),
        ("https://evil.example/x", ""),
    ):
        switch = client.post(page(template, "/switch"), data={"action": "disable"}, headers={"Referer": referer})
        assert switch.headers["Location"] == "/login?from=console&next=" + wanted
    part = client.get(page(template), headers={"HX-Request": "true", "HX-Target": "claims-panel"})
    assert part.status_code == 401
    assert "Location" not in part.headers


def test_a_host_that_knows_tokens_only_shows_the_refusal_as_a_page(make_app: AppFactory) -> None:
    app = Flask("host")
    app.config.update(make_app.config(templates=[spec()]))

    @WorkerTemplates(app).authorizer
    def token(action: str, template: Template | None) -> bool:
        if request.authorization is None:
            abort(401, www_authenticate=None)
        return request.authorization.token == "secret"

    client = app.test_client()
    for path in ("/", "/new", "/drift", "/log", "/claims"):
        refused = client.get(CONSOLE + path)
        assert refused.status_code == 401
        assert "Sign in first" in words(refused.text)
    with_token = {"Authorization": "Bearer secret"}
    assert client.get("/api/v1/templates", headers=with_token).status_code == 200
    assert client.get(CONSOLE + "/", headers=with_token).status_code == 200


def test_assets_are_sent_compressed_to_who_takes_that(client: FlaskClient) -> None:
    url = CONSOLE + "/static/vendor/bootstrap.min.css"
    with client.get(url, headers={"Accept-Encoding": "gzip, br"}) as small, client.get(url) as plain:
        assert small.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(small.data) == plain.data
        assert "Content-Encoding" not in plain.headers
        assert "Accept-Encoding" in small.headers["Vary"]
        assert "Accept-Encoding" in plain.headers["Vary"]
        etag = small.headers["ETag"]
    with client.get(url, headers={"Accept-Encoding": "gzip", "If-None-Match": etag}) as same:
        assert same.status_code == 304
    with client.get(url, headers={"Accept-Encoding": "gzip", "Range": "bytes=0-9"}) as part:
        assert (part.status_code, len(part.data)) == (206, 10)
    for path in ("/static/../page.py", "/static/%2e%2e/page.py", "/static/nothing.css"):
        assert client.get(CONSOLE + path, headers={"Accept-Encoding": "gzip"}).status_code == 404
    assert said(client.get(CONSOLE + "/")) == ""
