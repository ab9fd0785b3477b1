"""What mongomock does that a driver of a server does not, and that must harm nobody."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

from flask.testing import FlaskClient

from flask_worker_templates import store
from tests.support.backends import mongomock_only
from tests.support.calls import URL, create, one


def constants() -> dict[str, Any]:
    """The dictionaries that the modules of the store share between threads, as they are now."""
    modules = [
        importlib.import_module(f"{store.__name__}.{found.name}") for found in pkgutil.iter_modules(store.__path__)
    ]
    return {
        f"{module.__name__}.{name}": dict(value)
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, dict) and not name.startswith("__")
    }


@mongomock_only
def test_reads_and_writes_leave_the_projections_as_they_are(client: FlaskClient) -> None:
    """Threads share them: a change by one, even for a moment, is seen by a query of another."""
    before = constants()
    template = create(client, "one")
    client.patch(one(template), json={"description": "changed"})
    client.put(one(template, "/claims/worker"))
    for path in ("", "/claims", "/history", "/select?explain=true", "/drift"):
        assert client.get(URL + path).status_code == 200
    for path in ("", "/claims", "/history", "/revisions/1", "/compare?from=1"):
        assert client.get(one(template, path)).status_code == 200
    client.delete(one(template, "/claims/worker"))
    assert client.delete(one(template)).status_code == 204
    assert client.post(one(template, "/restore"), json={}).status_code == 201
    assert constants() == before
