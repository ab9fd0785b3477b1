"""An app of this extension in the process of the benchmark, and what it is asked for: for parts without a server."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

from flask import Flask, current_app
from flask.testing import FlaskClient

from flask_worker_templates import Template, WorkerTemplates
from tests.benchmarks import data
from tests.benchmarks.peers.common import PATH

CONSTANT = "a constant route"


def client_of(uri: str, *, hooks: bool) -> FlaskClient:
    """Return a client of an app, with the hooks that real hosts have or without."""
    app = Flask("in-process")
    app.config.update(WORKER_TEMPLATES_MONGODB_URI=uri, WORKER_TEMPLATES_SEED="off", WORKER_TEMPLATES_ANONYMOUS="write")
    templates = WorkerTemplates()
    if hooks:
        templates.authorizer(lambda action, template: True)
        templates.actor_loader(lambda: "somebody")
        templates.usage_check(_unused)
    templates.init_app(app)

    @app.get("/constant")
    def constant() -> Any:
        return current_app.response_class(b"{}", 200, [("Content-Type", "application/json")])

    return app.test_client()


def _unused(_: Template) -> int:
    return 0


def works(client: FlaskClient) -> dict[str, Callable[[], object]]:
    """Return what asks for each work once."""
    numbers = itertools.count()
    made = time.time_ns()
    listed = client.get(PATH, query_string={"page_size": 200}).json or []
    items = [item for item in listed if item["enabled"]]
    ids = itertools.cycle(item["id"] for item in items[:8])
    claimed = itertools.cycle(item["id"] for item in items[10:])
    tags = {item["id"]: f'"{item["revision"]}"' for item in items}

    def ask(method: str, path: str, **arguments: Any) -> Any:
        answer = client.open(path, method=method, **arguments)
        if answer.status_code >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer

    def update() -> None:
        one = next(ids)
        change = {"description": f"changed {next(numbers)}"}
        tags[one] = ask("PATCH", f"{PATH}/{one}", json=change, headers={"If-Match": tags[one]}).headers["ETag"]

    def create() -> None:
        ask("POST", PATH, json={**data.spec(3), "name": f"made-{made}-{next(numbers)}"})

    def claim(template_id: str, worker: str) -> None:
        ask("PUT", f"{PATH}/{template_id}/claims/{worker}", json={"ttl_seconds": 300})

    return {
        CONSTANT: lambda: ask("GET", "/constant"),
        "list": lambda: ask("GET", PATH),
        "get": lambda: ask("GET", f"{PATH}/{next(ids)}"),
        "get → 304": lambda: ask("GET", f"{PATH}/{items[8]['id']}", headers={"If-None-Match": tags[items[8]["id"]]}),
        "update": update,
        "create": create,
        "claim": lambda: claim(next(claimed), f"worker-{made}-{next(numbers)}"),
        "renew": lambda: claim(items[9]["id"], f"worker-{made}"),
    }
