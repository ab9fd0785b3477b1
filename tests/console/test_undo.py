"""Messages after an action, and the button that takes it back."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_worker_templates import WorkerTemplates
from flask_worker_templates.model.template import Template
from tests.support.apps import AppFactory
from tests.support.backends import mongomock_only
from tests.support.calls import URL, create, names, one
from tests.support.console import CONSOLE, FORM, named, page, said, undo, words
from tests.support.specs import spec

pytestmark = mongomock_only


def several(client: FlaskClient, action: str, *templates: dict[str, object], **data: str) -> str:
    """Do something to several templates at once; the URL that it leads to."""
    ids = [template["id"] for template in templates]
    answer = client.post(CONSOLE + "/several", data={"action": action, "id": ids, **data})
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"]


def test_what_was_done_to_several_is_said_and_taken_back(client: FlaskClient) -> None:
    templates = [create(client, name) for name in ("a", "b", "c", "d")]
    back = CONSOLE + "/?q=&sort=-name"
    for action, told, data in (
        ("disable", "a, b, c and 1 more are disabled.", {}),
        ("label", "a, b, c and 1 more are labelled.", {"confirmed": "yes", "label_key": "team", "label_value": "qa"}),
        ("delete", "a, b, c and 1 more are deleted.", {"confirmed": "yes"}),
    ):
        before = [
            {key: value for key, value in client.get(one(template)).get_json().items() if key in spec()}
            for template in templates
        ]
        shown = client.get(several(client, action, *templates, back=back, **data))
        assert told in said(shown)
        undone = undo(client, shown)
        assert "It is as it was before." in said(undone)
        assert undone.request.args["sort"] == "-name"  # the filters are still there
        after = [
            {key: value for key, value in client.get(one(template)).get_json().items() if key in spec()}
            for template in templates
        ]
        assert after == before


def test_what_did_not_change_or_was_not_selected_is_said(client: FlaskClient) -> None:
    template = create(client)
    assert "Nothing was different" in said(client.get(several(client, "enable", template)))
    assert "Tick the templates first" in said(client.get(several(client, "enable")))
    assert client.post(CONSOLE + "/several", data={"action": "explode", "id": [template["id"]]}).status_code == 422
    unnamed = client.post(
        CONSOLE + "/several", data={"action": "label", "id": [template["id"]], "confirmed": "yes", "label_key": " "}
    )
    assert unnamed.status_code == 422
    assert "Name the label." in unnamed.text
    assert named(client, "small")["revision"] == 1


def test_nobody_elses_change_is_taken_back(client: FlaskClient) -> None:
    template = create(client)
    shown = client.get(several(client, "disable", template))
    client.patch(one(template), json={"max_nodes": 9})
    answer = undo(client, shown)
    assert answer.status_code == 409
    assert "It was changed since." in words(answer.text)
    assert client.get(one(template)).get_json()["max_nodes"] == 9
    assert "are disabled" not in said(client.get(CONSOLE + "/"))


def test_one_edit_a_switch_and_a_revert_are_taken_back(client: FlaskClient) -> None:
    template = create(client)
    edited = client.post(page(template, "/edit"), data={**FORM, "name": "small", "revision": "1", "max_nodes": "7"})
    undo(client, client.get(edited.headers["Location"]))
    assert named(client, "small")["max_nodes"] == 20
    switched = client.post(page(template, "/switch"), data={"action": "disable"})
    undo(client, client.get(switched.headers["Location"]))
    assert named(client, "small")["enabled"] is True
    reverted = client.post(page(template, "/revert"), data={"revision": "2"})
    undo(client, client.get(reverted.headers["Location"]))
    after = named(client, "small")
    assert (after["max_nodes"], after["revision"]) == (20, 7)
    assert client.post(page(template, "/switch"), data={"action": "else"}).status_code == 422


def test_a_release_is_taken_back_with_its_revision_and_lease(client: FlaskClient) -> None:
    template = create(client)
    client.put(f"{one(template)}/claims/worker-1", json={"ttl_seconds": 300})
    client.patch(one(template), json={"max_nodes": 7})
    for back in (page(template), CONSOLE + "/claims?outdated=true"):
        released = client.post(page(template, "/release"), data={"worker_id": "worker-1", "back": back})
        assert client.get(f"{one(template)}/claims").get_json() == []
        shown = client.get(released.headers["Location"])
        assert "worker-1 does not claim small any more." in said(shown)
        again = undo(client, shown)
        assert "worker-1 claims small again." in said(again)
        [claim] = client.get(f"{one(template)}/claims").get_json()
        assert (claim["worker_id"], claim["revision"], claim["ttl_seconds"]) == ("worker-1", 1, 300)
    gone = client.post(page(template, "/release"), data={"worker_id": "worker-9"}, follow_redirects=True)
    assert "There was no such claim any more." in said(gone)


def test_a_sync_leads_to_what_was_done_and_is_taken_back(make_app: AppFactory) -> None:
    client = make_app(templates=[spec("changed"), spec("orphan")]).test_client()
    orphan, changed = named(client, "orphan"), named(client, "changed")
    client = make_app(templates=[spec("changed", max_nodes=9), spec("new")], WORKER_TEMPLATES_SEED="off").test_client()
    chosen = {"only": ["changed", "new"], "prune": "orphan"}
    preview = client.post(CONSOLE + "/drift/preview", data=chosen)
    digest = re.search(r'name="digest" value="([0-9a-f]+)"', preview.text)
    assert digest
    shown_before = words(preview.text)
    done = client.post(CONSOLE + "/drift/apply", data={**chosen, "digest": digest[1], "message": "as in Git"})
    assert done.status_code == 303, done.text
    shown = client.get(done.headers["Location"])
    for text in ("changed updated", "max_nodes 20 9", "new created", "orphan deleted"):
        assert text in words(shown.text)
    assert "max_nodes 20 9" in shown_before
    assert names(client.get(URL)) == ["changed", "new"]
    undone = undo(client, shown)
    assert "It is as it was before." in said(undone)
    assert client.get(one(changed)).get_json()["max_nodes"] == 20
    assert client.get(one(orphan)).status_code == 200
    assert client.get(CONSOLE + "/drift/done").status_code == 200


@pytest.mark.parametrize("action", ["enable", "delete"])
def test_who_may_change_nothing_of_several_is_refused(make_app: AppFactory, action: str) -> None:
    app = Flask("host")
    app.config.update(make_app.config(templates=[spec("mine"), spec("theirs", enabled=False)]))

    @WorkerTemplates(app).authorizer
    def only_mine(asked: str, template: Template | None) -> bool:
        return asked == "read" or (template is not None and template.name == "mine")

    client = app.test_client()
    theirs = named(client, "theirs")
    text = client.get(CONSOLE + "/").text
    assert text.count('name="id"') == 1  # the box of the one that may be changed
    assert 'aria-label="Select mine"' in text
    data = {"action": action, "id": [theirs["id"]], "confirmed": "yes"}
    refused = client.post(CONSOLE + "/several", data=data)
    assert refused.status_code == 403
    assert named(client, "theirs") == theirs
    both = client.post(CONSOLE + "/several", data={**data, "id": [named(client, "mine")["id"], theirs["id"]]})
    assert both.status_code == 409
    assert "You are not allowed to change it." in words(both.text)
    assert named(client, "theirs") == theirs
