"""The errors of `WorkerTemplates.select` name its arguments, not the list's parameters that they become."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from flask_worker_templates import InvalidParameters, WorkerTemplates

BOUNDS = ["Must be greater than or equal to 0 and less than or equal to 999999999."]
KEYS = ["Must be key=value, the key 1–63 characters of A-Z a-z 0-9 . _ / -."]
LICENSES = ["Must be one of: PERSONAL, ENTERPRISE, EVALUATION."]


@pytest.mark.parametrize(
    ("arguments", "errors"),
    [
        ({"cpu_cores": -1, "nodes": -1}, {"cpu_cores": BOUNDS, "nodes": BOUNDS}),
        ({"license_type": "FREE"}, {"license_type": LICENSES}),
        ({"labels": {"team": "qa", "two words": ""}}, {"labels": {"two words": KEYS}}),
    ],
)
def test_the_errors_name_the_arguments(arguments: dict[str, Any], errors: dict[str, Any]) -> None:
    app = Flask("host")
    templates = WorkerTemplates(app)
    with app.app_context(), pytest.raises(InvalidParameters) as raised:
        templates.select(**arguments)
    assert raised.value.errors == errors
