"""What the tests of the HTTP API share: plain specs, calls, and what every answer must look like."""

from __future__ import annotations

import json
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.specs import spec

URL = "/api/v1/templates"
NOWHERE = "0b0e6a3e-7a0c-4f0f-9a53-5a0b8f4b2d10"
"""An id that no template has."""


def create(client: FlaskClient, name: str = "small", **changes: Any) -> dict[str, Any]:
    """Create a template and return it as the API shows it."""
    answer = client.post(URL, json=spec(name, **changes))
    assert answer.status_code == 201, answer.text
    template: dict[str, Any] = answer.get_json()
    return template


def one(template: dict[str, Any], tail: str = "") -> str:
    """The URL of a template, or of something below it."""
    return f"{URL}/{template['id']}{tail}"


def snapshot(client: FlaskClient) -> tuple[Any, Any]:
    """All that the API shows: the templates and the whole trail. Equal before and after where nothing changed."""
    return client.get(URL).get_json(), client.get(URL + "/history").get_json()


def names(answer: TestResponse) -> list[str]:
    """The names in a list of templates, in its order."""
    assert answer.status_code == 200, answer.text
    return [template["name"] for template in answer.get_json()]


def pagination(answer: TestResponse) -> dict[str, int]:
    """The ``X-Pagination`` header."""
    found: dict[str, int] = json.loads(answer.headers["X-Pagination"])
    return found


def problem(answer: TestResponse, code: int, *places: str) -> dict[str, Any]:
    """Check that an answer is an error in flask-smorest's shape, and return it.

    Args:
        answer: the answer.
        code: the status code it must have.
        places: dotted paths that its ``errors`` must hold messages for, such as ``json.capacity.cpu_cores``.
    """
    assert answer.status_code == code, answer.text
    assert answer.mimetype == "application/json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert answer.headers["Vary"] == "Authorization, Cookie"
    body: dict[str, Any] = answer.get_json()
    assert set(body) <= {"code", "status", "message", "errors"}
    assert body["code"] == code
    assert body["status"] == answer.status.split(" ", 1)[1].title() or body["status"].upper() == answer.status[4:]
    assert body["message"]
    for place in places:
        found: Any = body["errors"]
        for key in place.split("."):
            assert key in found, f"{place} is not in {body['errors']}"
            found = found[key]
        assert found
    return body
