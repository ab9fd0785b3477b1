"""`GET /drift` and `POST /validate`."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pymongo.database import Database

from flask_worker_templates.model.spec import normalize
from tests.support.apps import AppFactory
from tests.support.backends import mongod_only, mongomock_only
from tests.support.calls import URL, create, problem, snapshot
from tests.support.deployment import Deployment
from tests.support.hosts import host
from tests.support.monitoring import monitored
from tests.support.paths import ROOT
from tests.support.specs import spec
from tests.support.strategies import UNICODE, raw_specs
from tests.support.trail import contents

DIFF_SCHEMA = ROOT / "docs" / "schemas" / "diff-v1.schema.json"

Documents = Database[dict[str, Any]]


@pytest.fixture
def drifted(make_app: AppFactory) -> Deployment:
    deployment = Deployment(make_app, spec("t"), spec("gone"), WORKER_TEMPLATES_SEED="off")
    deployment.edit(description="by hand")
    deployment.write(spec("t", max_nodes=500), spec("u"))
    return deployment


# --- drift ---


def test_the_drift_is_the_json_of_diff(drifted: Deployment) -> None:
    answer = drifted.client().get(URL + "/drift")
    assert answer.status_code == 200
    shown = drifted.app.test_cli_runner().invoke(args=["worker-templates", "diff", "--format", "json"])
    assert answer.get_json() == json.loads(shown.stdout)
    Draft202012Validator(json.loads(DIFF_SCHEMA.read_text(encoding="utf-8"))).validate(answer.get_json())
    assert {item["name"]: item["state"] for item in answer.get_json()["templates"]} == {
        "t": "diverged",
        "gone": "orphaned",
        "u": "missing",
    }


def test_the_drift_is_that_of_the_files_as_they_are_now(drifted: Deployment) -> None:
    client = drifted.client()
    assert client.get(URL + "/drift").get_json()["drift"] is True
    drifted.write(spec("t", description="by hand"), spec("gone"))
    assert client.get(URL + "/drift").get_json()["drift"] is False


@mongod_only
def test_the_drift_writes_nothing(drifted: Deployment, database_uri: str) -> None:
    with monitored(database_uri) as (config, commands):
        client = drifted.process(**config)[0].test_client()
        assert client.get(URL).status_code == 200
        commands.names.clear()
        assert client.get(URL + "/drift").status_code == 200
    assert commands.writes == []
    assert "find" in commands.names


def test_no_path_outside_the_configured_set_is_shown(drifted: Deployment, tmp_path: Path) -> None:
    secret = tmp_path / "secret" / "other.yaml"
    secret.parent.mkdir()
    secret.write_text(json.dumps({"templates": [spec("elsewhere")]}))
    with drifted.app.app_context():
        drifted.templates.seed([secret])
    shown = drifted.app.test_cli_runner().invoke(args=["worker-templates", "diff", "--format", "json"]).stdout
    assert str(secret) in shown  # to who has the server's shell
    answer = drifted.client().get(URL + "/drift")
    assert "secret" not in answer.text
    items = {item["name"]: item for item in answer.get_json()["templates"]}
    assert items["elsewhere"]["source"] is None
    assert items["gone"]["source"] == str(drifted.path)


def test_files_that_became_invalid_are_503_and_the_faults_are_in_the_log(
    drifted: Deployment, caplog: pytest.LogCaptureFixture
) -> None:
    client = drifted.client()
    assert client.get(URL).status_code == 200
    drifted.path.write_text("templates:\n- name: secret name\n  max_nodes: many\n")
    with caplog.at_level(logging.ERROR, "flask_worker_templates"):
        answer = client.get(URL + "/drift")
    body = problem(answer, 503)
    assert "the server's log says why" in body["message"]
    assert str(drifted.path) not in answer.text
    assert "secret name" not in answer.text
    assert f"{drifted.path}:3:14: max_nodes: " in caplog.text
    assert client.get(URL).status_code == 200  # all else goes on


@mongomock_only
def test_a_missing_file_at_the_default_path_is_a_warning(
    make_app: AppFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where an app stands that has no module
    app, _ = host(make_app, WORKER_TEMPLATES_CONFIG_PATH=None)
    answer = app.test_client().get(URL + "/drift")
    document = answer.get_json()
    assert (document["drift"], document["files"], document["templates"]) == (False, [], [])
    assert document["warnings"] == ["There is no definition file."]
    assert str(tmp_path) not in answer.text  # where it was looked for is for the log


@mongomock_only
@pytest.mark.parametrize(("method", "path"), [("GET", "/drift"), ("POST", "/validate")])
def test_both_ask_the_authorizer_whether_it_may_be_read(make_app: AppFactory, method: str, path: str) -> None:
    app, templates = host(make_app)
    asked: list[tuple[str, Any]] = []
    allowed = [True]

    @templates.authorizer
    def authorize(action: str, template: Any) -> bool:
        asked.append((action, template))
        return allowed[0]

    client = app.test_client()
    assert client.open(URL + path, method=method, json=spec("t")).status_code == 200
    allowed[0] = False
    problem(client.open(URL + path, method=method, json=spec("t")), 403)
    assert asked == [("read", None), ("read", None)]


@mongomock_only
def test_who_may_not_read_learns_nothing_of_the_body(make_app: AppFactory) -> None:
    client = make_app(WORKER_TEMPLATES_ANONYMOUS="none").test_client()
    problem(client.post(URL + "/validate", data="{", content_type="application/json"), 403)


# --- validate ---


def test_a_valid_spec_comes_back_in_normal_form_and_is_not_stored(make_app: AppFactory, database: Documents) -> None:
    client = make_app().test_client()
    before = snapshot(client), contents(database)
    answer = client.post(URL + "/validate", json=spec("t", labels={"b": "2", "a": "1"}))
    assert answer.status_code == 200
    assert answer.get_json() == {
        "valid": True,
        "errors": {},
        "spec": normalize(spec("t", labels={"a": "1", "b": "2"})),
    }
    assert (snapshot(client), contents(database)) == before


def test_an_invalid_spec_comes_back_with_all_its_errors(make_app: AppFactory) -> None:
    sent = spec("t", max_nodes="48", colour="red", capacity={"cpu_cores": True, "memory_gb": 1})
    answer = make_app().test_client().post(URL + "/validate", json=sent)
    assert answer.status_code == 200
    body = answer.get_json()
    assert (body["valid"], body["spec"]) == (False, None)
    assert set(body["errors"]) == {"max_nodes", "colour", "capacity"}
    assert set(body["errors"]["capacity"]) == {"cpu_cores", "storage_gb"}


ANY_JSON: list[Any] = [None, True, 7, "text", [], [spec("t")], {}, {"$where": 1}, {"name": "\ud800"}]


@mongomock_only
@pytest.mark.parametrize("sent", ANY_JSON, ids=repr)
def test_any_json_is_answered(make_app: AppFactory, sent: Any) -> None:
    client = make_app().test_client()
    answer = client.post(URL + "/validate", data=json.dumps(sent), content_type="application/json")
    assert answer.status_code == 200, answer.text
    body = answer.get_json()
    assert (body["valid"], body["spec"]) == (False, None)
    assert body["errors"]


@mongomock_only
def test_what_is_no_json_is_an_error(make_app: AppFactory) -> None:
    client = make_app().test_client()
    problem(client.post(URL + "/validate", data="{", content_type="application/json"), 400)
    problem(client.post(URL + "/validate", data='{"a": 1, "a": 2}', content_type="application/json"), 400)
    problem(client.post(URL + "/validate", data="name=t"), 415)
    problem(client.post(URL + "/validate", json={"description": "x" * 300_000}), 413)
    problem(client.get(URL + "/validate"), 405)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(UNICODE),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(UNICODE), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def _almost_specs(draw: st.DrawFn) -> dict[str, Any]:
    """Valid specs but for one member, which may be anything."""
    one = draw(raw_specs())
    return {**one, draw(st.sampled_from([*one])): draw(JSON)}


@mongomock_only
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sent=raw_specs() | JSON | _almost_specs())
def test_law_it_says_valid_exactly_where_creating_would_work(make_app: AppFactory, sent: Any) -> None:
    client = make_app().test_client()
    body = json.dumps(sent)
    checked = client.post(URL + "/validate", data=body, content_type="application/json").get_json()
    created = client.post(URL, data=body, content_type="application/json")
    if checked["valid"]:
        assert created.status_code == 201, created.text
        assert client.delete(f"{URL}/{created.get_json()['id']}").status_code == 204
        assert {key: created.get_json()[key] for key in checked["spec"]} == checked["spec"]
    else:
        assert problem(created, 422)["errors"] == {"json": checked["errors"]}


def test_several_templates_of_one_name_are_a_fault_of_the_database_and_no_500(
    make_app: AppFactory, database: Database[dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    client = make_app().test_client()
    create(client, "twin")
    database["worker_templates"].drop_index("name_unique")
    create(client, "twin")
    answer = problem(client.get(URL + "/drift"), 503)
    assert answer["message"] == ("The database holds several templates of one name; the server's log says which.")
    assert "'twin' (2 times)" in caplog.text
