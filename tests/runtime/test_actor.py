"""Who acts: what a hook of the host may say, and what it may not."""

from __future__ import annotations

import pytest

from tests.support.apps import AppFactory
from tests.support.backends import mongomock_only
from tests.support.calls import URL, create, one
from tests.support.hosts import host
from tests.support.specs import spec


@mongomock_only
@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("alice", "alice"),
        ("seeder", "user:seeder"),
        ("Seeder ", "user:Seeder "),
        ("cli:root", "user:cli:root"),
        ("CLI:root", "user:CLI:root"),
        ("user:seeder", "user:seeder"),
        ("client:7", "client:7"),
        ("seeder-2", "seeder-2"),
        ("anonymous", "anonymous"),
    ],
)
def test_an_actor_of_a_hook_cannot_pass_for_one_of_ours(make_app: AppFactory, said: str, kept: str) -> None:
    app, templates = host(make_app)
    templates.actor_loader(lambda: said)
    client = app.test_client()
    template = create(client)
    (event,) = client.get(one(template, "/history")).get_json()
    assert event["actor"] == kept


@mongomock_only
def test_seeding_in_a_request_asks_no_hook(make_app: AppFactory) -> None:
    app, templates = host(make_app, templates=[spec("seeded")])
    templates.actor_loader(lambda: "alice")
    (event,) = app.test_client().get(URL + "/history").get_json()
    assert event["actor"] == "seeder"


@mongomock_only
def test_what_the_hosts_code_says_itself_is_kept(make_app: AppFactory) -> None:
    app, templates = host(make_app)
    with app.app_context():
        template = templates.create(spec(), actor="cli:deploy")
        assert templates.history(template.id)[0].actor == "cli:deploy"
