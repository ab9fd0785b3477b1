"""How one template stands, read by itself: the same as in a plan of all."""

from __future__ import annotations

from flask_worker_templates.model.scope import ALL, Scope, scope_of
from flask_worker_templates.reconcile.one_template import drift_of
from flask_worker_templates.runtime.app_state import AppState
from flask_worker_templates.store.store import Store
from tests.support.apps import AppFactory
from tests.support.calls import create, one
from tests.support.console import named
from tests.support.specs import spec


def test_one_template_stands_as_it_does_among_all(make_app: AppFactory) -> None:
    names = ("same", "edited", "changed", "both", "diverged", "gone", "from", "swapped")
    client = make_app(templates=[spec(name, max_nodes=5) for name in names]).test_client()
    for name, patch in (
        ("edited", {"max_nodes": 6}),
        ("both", {"max_nodes": 6}),
        ("diverged", {"description": "mine"}),
        ("from", {"name": "renamed", "labels": {"team": "qa"}}),
        ("swapped", {"name": "other"}),
    ):
        client.patch(one(named(client, name)), json=patch)
    create(client, "byhand")
    create(client, "swapped", max_nodes=9)
    declared = [
        spec("same", max_nodes=5),
        spec("edited", max_nodes=5),
        spec("changed", max_nodes=8),
        spec("both", max_nodes=8),
        spec("diverged", max_nodes=8),
        spec("from", max_nodes=5),
        spec("swapped", max_nodes=5),
        spec("byhand", max_nodes=7),
    ]
    app = make_app(templates=declared, WORKER_TEMPLATES_SEED="off")
    state: AppState = app.extensions["worker_templates"]
    state.store.make_indexes()
    files = state.read_files()
    seen = set()
    scopes: list[Scope] = [ALL, scope_of({"name_prefix": "b"}), scope_of([{"label": "team=qa"}, {"name": "from"}])]
    for scope in scopes:
        store: Store = state.store.within(scope)
        planned = {
            step.drift.stored.id: step.drift for step in state.plan(files, store=store).steps if step.drift.stored
        }
        for template in client.get("/api/v1/templates").get_json():
            assert drift_of(store, state.ownership(files), template["id"]) == planned.get(template["id"])
            if template["id"] in planned:
                seen.add(planned[template["id"]].state.value)
    assert seen >= {"in_sync", "edited", "file_changed", "conflict", "diverged", "orphaned", "collision", "unmanaged"}
