"""Two versions of the package side by side on one database, and data that the older one left behind.

``tests/support/previous/flask_worker_templates.zip`` is the package as it was at commit dc701f9, before specs had
``max_claims``, ``deprecation`` and ``extra``, so that this runs in a copy without history.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from tests.support.apps import AppFactory
from tests.support.backends import mongod_only
from tests.support.calls import URL, one
from tests.support.specs import spec

PREVIOUS = Path(__file__).parents[1] / "support" / "previous" / "flask_worker_templates.zip"
OLD_PROCESS = """
import json, sys
from flask import Flask
import flask_worker_templates
assert ".zip" in flask_worker_templates.__file__
config, calls = json.load(sys.stdin)
app = Flask("old")
app.config.update(config)
flask_worker_templates.WorkerTemplates(app)
client = app.test_client()
answers = []
for method, url, body in calls:
    answer = client.open(url, method=method, json=body) if body is not None else client.open(url, method=method)
    answers.append([answer.status_code, answer.get_json(silent=True)])
json.dump(answers, sys.stdout)
"""


def old(config: dict[str, Any], *calls: tuple[str, str, Any]) -> list[Any]:
    """What a process of the older version answers to calls."""
    env = {**os.environ, "PYTHONPATH": str(PREVIOUS)}
    done = subprocess.run(
        [sys.executable, "-c", OLD_PROCESS],
        input=json.dumps([config, calls]),
        capture_output=True,
        text=True,
        env=env,
        cwd=PREVIOUS.parent,  # not here, where the package of today is
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    answers: list[Any] = json.loads(done.stdout)
    return answers


@mongod_only
@pytest.mark.thorough
def test_both_versions_work_on_one_database(make_app: AppFactory, database: Database[dict[str, Any]]) -> None:
    config = make_app.config(templates=[spec("seeded", max_nodes=5)], WORKER_TEMPLATES_DB_TIMEOUT_MS=30_000)
    made, edited = old(
        config,
        ("POST", URL, spec("by-hand")),
        ("GET", URL, None),
    )
    assert made[0] == 201
    seeded = next(template for template in edited[1] if template["name"] == "seeded")
    old(config, ("PATCH", one(made[1]), {"max_nodes": 7}), ("PUT", one(made[1], "/claims/w1"), None))

    # What it left is read with the defaults, and nothing is rewritten.
    stored = list(database.worker_templates.find())
    app = make_app(templates=[spec("seeded", max_nodes=5)], WORKER_TEMPLATES_SYNC_ON_START="safe")
    client = app.test_client()
    shown = {template["name"]: template for template in client.get(URL).get_json()}
    assert set(shown) == {"seeded", "by-hand"}
    assert shown["by-hand"]["max_claims"] is None
    assert shown["by-hand"]["deprecation"] is None
    assert shown["by-hand"]["extra"] == {}
    assert client.get(URL + "/drift").get_json()["drift"] is False
    assert client.get(one(made[1], "/claims")).get_json()[0]["worker_id"] == "w1"
    assert app.extensions["worker_templates"].status().warnings == ()
    keys = [set(document) for document in database.worker_templates.find()]
    assert not any("max_claims" in document for document in keys)
    assert len(stored) == 2

    # The new one changes what only it knows, the old one something else: nothing is lost.
    changed = client.patch(one(made[1]), json={"max_claims": 3, "deprecation": {"message": "old"}})
    assert changed.status_code == 200, changed.text
    answer = old(config, ("PATCH", one(made[1]), {"description": "by the old one"}), ("GET", one(made[1]), None))
    assert [code for code, _ in answer] == [200, 200]
    now = client.get(one(made[1])).get_json()
    assert (now["max_claims"], now["description"], now["revision"]) == (3, "by the old one", 4)
    newest, *_ = client.get(one(made[1], "/history")).get_json()
    assert newest["spec"]["max_claims"] == 3
    assert [change["field"] for change in newest["changes"]] == ["description"]

    # A revision of the old one says nothing of the new fields: reverting to it leaves them alone.
    reverted = client.post(one(made[1], "/revert"), json={"revision": 1})
    assert reverted.status_code == 200, reverted.text
    assert reverted.get_json()["max_claims"] == 3
    assert reverted.get_json()["max_nodes"] == 20

    # The old one reads, and deletes, what the new one wrote.
    answers = old(
        config,
        ("GET", one(made[1], "/history"), None),
        ("DELETE", one(made[1], "/claims/w1"), None),
        ("DELETE", one(made[1]), None),
        ("GET", URL, None),
    )
    assert [code for code, _ in answers] == [200, 204, 204, 200]
    assert len(answers[0][1]) == 5
    assert client.get(one(made[1])).status_code == 404
    history = client.get(one(made[1], "/history")).get_json()
    assert [event["action"] for event in history][:2] == ["deleted", "reverted"]
    assert client.get(one(seeded)).get_json()["max_nodes"] == 5
