"""What the list says beside each template, going back from a deletion, and errors as pages."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from flask import Flask, abort, request
from flask.testing import FlaskClient

from flask_worker_templates import WorkerTemplates
from flask_worker_templates.store.connection import TEMPLATES
from tests.support.apps import AppFactory
from tests.support.backends import mongomock_only
from tests.support.calls import NOWHERE, URL, create, one, snapshot
from tests.support.console import CONSOLE, page, undo, words
from tests.support.specs import spec


def row(client: FlaskClient, name: str) -> str:
    """The words of a row of the list."""
    text = client.get(CONSOLE + "/").text
    [found] = [part for part in re.findall(r"<tr>.*?</tr>", text, re.DOTALL) if f"<bdi>{name}</bdi></a>" in part]
    return words(found)


def test_the_list_tells_claims_and_which_are_outdated_or_expired(client: FlaskClient, database: Any) -> None:
    used = create(client, "used", max_claims=5)
    create(client, "free")
    for number in range(3):
        client.put(f"{one(used)}/claims/worker-{number}")
    client.patch(one(used), json={"labels": {"team": "qa"}})  # matters to no machine
    assert "3 of 5" in row(client, "used")
    assert "outdated" not in row(client, "used")
    client.patch(one(used), json={"max_nodes": 7})
    client.put(f"{one(used)}/claims/worker-3")
    client.put(f"{one(used)}/claims/worker-4", json={"ttl_seconds": 60})
    collection = database[TEMPLATES]
    document = collection.find_one({"name": "used"})
    ended = [
        {**claim, "renewed_at": claim["renewed_at"].replace(year=2020)} if claim.get("renewed_at") else claim
        for claim in document["claims"]
    ]
    collection.update_one({"_id": document["_id"]}, {"$set": {"claims": ended}})
    assert "4 of 5" in row(client, "used")
    assert "3 outdated" in row(client, "used")
    assert "1 expired" in row(client, "used")
    assert "outdated" not in row(client, "free")


@mongomock_only
def test_the_list_tells_the_file_and_whether_it_was_edited_since(make_app: AppFactory) -> None:
    client = make_app(templates=[spec("kept"), spec("same")]).test_client()
    create(client, "byhand")
    [kept] = client.get(URL, query_string={"name": "kept"}).get_json()
    client.patch(one(kept), json={"max_nodes": 7})
    assert "worker_templates.yaml edited here" in row(client, "kept")
    assert "edited here" not in row(client, "same")
    assert "edited here" not in row(client, "byhand")
    text = client.get(page(kept)).text
    assert "Edited here since its file was last applied: max_nodes." in text
    assert "Settle the drift" in text
    [same] = client.get(URL, query_string={"name": "same"}).get_json()
    text = client.get(page(same)).text
    assert "The same as in its file" in text
    assert "Settle the drift" not in text


@mongomock_only
def test_a_template_is_shown_where_its_file_cannot_be_read(make_app: AppFactory) -> None:
    client = make_app(templates=[spec("kept")]).test_client()
    [kept] = client.get(URL, query_string={"name": "kept"}).get_json()
    make_app.definition_file.write_text("{")
    answer = client.get(page(kept))
    assert answer.status_code == 200
    assert "cannot be read" in answer.text


@mongomock_only
def test_a_deletion_is_undone_from_the_list_and_from_its_own_page(client: FlaskClient) -> None:
    template = create(client, "lost")
    answer = client.post(page(template, "/delete"), data={"name": "lost", "revision": "1"})
    told = client.get(answer.headers["Location"])
    assert "lost is deleted." in told.text
    back = undo(client, told)
    assert "It is as it was before." in back.text
    assert client.get(one(template)).get_json()["revision"] == 3
    assert "is deleted" not in client.get(answer.headers["Location"]).text  # it is there again

    client.delete(one(template))
    gone = client.get(page(template))
    assert gone.status_code == 200
    assert ">Restore<" in gone.text
    restored = client.post(page(template, "/restore"), follow_redirects=True)
    assert "lost is back, with its history." in restored.text
    again = client.post(page(template, "/restore"))
    assert again.status_code == 409
    assert again.mimetype == "text/html"


@mongomock_only
def test_a_restore_asks_the_authorizer(make_app: AppFactory) -> None:
    app = Flask("host")
    app.config.update(make_app.config())
    asked = {"allowed": True}
    WorkerTemplates(app).authorizer(lambda action, template: asked["allowed"] or action == "read")
    client = app.test_client()
    template = create(client, "lost")
    done = client.post(page(template, "/delete"), data={"name": "lost", "revision": "1"}).headers["Location"]
    assert ">Undo<" in client.get(done).text
    asked["allowed"] = False
    assert ">Restore<" not in client.get(page(template)).text
    assert ">Undo<" not in client.get(done).text
    assert client.post(page(template, "/restore")).status_code == 403
    of = dict(parse_qsl(urlsplit(done).query))["of"]
    assert client.post(CONSOLE + "/undo", data={"of": of}).status_code == 403
    assert client.get(one(template)).status_code == 404


@mongomock_only
def test_what_cannot_be_meant_or_done_is_a_page(client: FlaskClient) -> None:
    template = create(client)
    create(client, "other")
    client.put(f"{one(template)}/claims/worker-1")
    before = snapshot(client)
    for path, data, code in (
        (page(template, "?page=many"), None, 422),
        (page(template, "/compare?from=first"), None, 422),
        (page(template, "/compare?from=1&to=99"), None, 404),
        (CONSOLE + "/log.csv?since=yesterday-ish", None, 422),
        (page(template, "/edit"), {"revision": "first", "name": "x"}, 422),
        (page(template, "/revert"), {"revision": "-1"}, 422),
        (page(template, "/revert"), {"revision": "9"}, 404),
        (page(template, "/switch"), {"action": "disable", "message": "x" * 501}, 422),
        (page(template, "/delete"), {"name": "small", "revision": "1"}, 409),
        (page(template, "/release"), {"worker_id": "not a worker\n"}, 422),
        (f"{CONSOLE}/t/{NOWHERE}/restore", {}, 404),
        (page(template, "/restore"), {}, 409),
        (CONSOLE + "/drift/preview", {"choice:max_nodes:small": "mine"}, 422),
    ):
        answer = client.get(path) if data is None else client.post(path, data=data)
        assert answer.status_code == code, (path, answer.status_code, answer.text[-600:])
        assert answer.mimetype == "text/html", path
        assert len(re.findall("<h1", answer.text)) == 1, path
        assert "Content-Security-Policy" in answer.headers, path
    assert snapshot(client) == before


@mongomock_only
def test_a_form_that_the_host_refuses_is_a_page(make_app: AppFactory) -> None:
    app = Flask("host")
    app.config.update(make_app.config())

    @app.before_request
    def check() -> None:
        if request.method == "POST" and request.form.get("csrf_token") != "good":
            abort(400, "The CSRF token has expired.")

    app.context_processor(lambda: {"csrf_token": lambda: "good"})
    WorkerTemplates(app)
    client = app.test_client()
    text = client.get(CONSOLE + "/new").text
    assert text.count('name="csrf_token" value="good"') == text.count('method="post"')
    refused = client.post(CONSOLE + "/theme", data={"theme": "dark"})
    assert refused.status_code == 400
    assert "The CSRF token has expired." in refused.text
    assert "load it again" in refused.text
    assert client.post(CONSOLE + "/theme", data={"theme": "dark", "csrf_token": "good"}).status_code == 303


@mongomock_only
@pytest.mark.parametrize(
    "target", ["//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:alert(1)"]
)
def test_going_back_never_leads_to_another_site(client: FlaskClient, target: str) -> None:
    answer = client.post(CONSOLE + "/theme", data={"theme": "dark", "back": target})
    assert "evil" not in answer.headers["Location"]
    assert "javascript" not in answer.headers["Location"]


@mongomock_only
def test_a_row_is_what_the_database_holds_now(client: FlaskClient, database: Any) -> None:
    create(client, "small", max_nodes=7)
    create(client, "other")
    assert " 7 " in row(client, "small")
    database[TEMPLATES].update_one({"name": "small"}, {"$set": {"max_nodes": 8}})  # by hand: no revision
    assert " 8 " in row(client, "small")
    database[TEMPLATES].update_one({"name": "small"}, {"$set": {"source": "elsewhere.yaml", "base": None}})
    database[TEMPLATES].update_one({"name": "small"}, {"$set": {"name": "renamed"}})
    assert " 8 " in row(client, "renamed")
    assert 'href="/worker-templates/t/' in client.get(CONSOLE + "/?q=ren").text
    assert "back=/worker-templates/?q" in client.get(CONSOLE + "/?q=ren").text
    assert "back=" not in client.get(CONSOLE + "/").text.split("<tbody>")[1].split("</tbody>")[0]
