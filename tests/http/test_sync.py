"""Plan and sync over HTTP: what was shown is what is done, with a choice for each field in conflict."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo.database import Database

from flask_worker_templates import SyncRefused
from tests.support.apps import AppFactory
from tests.support.calls import URL, problem
from tests.support.deployment import Deployment
from tests.support.specs import spec
from tests.support.trail import contents

Documents = Database[dict[str, Any]]


@pytest.fixture
def conflict(make_app: AppFactory) -> Deployment:
    """Template t in conflict in two fields, and u, which the file changed."""
    deployment = Deployment(make_app, spec("t"), spec("u"), WORKER_TEMPLATES_SEED="off")
    deployment.edit("t", max_nodes=40, description="by hand")
    deployment.write(spec("t", max_nodes=500, description="by file"), spec("u", max_nodes=7))
    return deployment


def plan(deployment: Deployment, **options: Any) -> dict[str, Any]:
    answer = deployment.client().post(URL + "/plan", json=options)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.get_json()
    return document


def test_what_was_planned_is_done_with_a_choice_for_each_field(conflict: Deployment) -> None:
    refused = plan(conflict)
    assert "max_nodes" in refused["refusals"][0]
    choices = {"t": {"max_nodes": "file", "description": "db"}}
    planned = plan(conflict, choices=choices)
    assert planned["refusals"] == []
    answer = conflict.client().post(
        URL + "/sync?message=as+agreed", json={"choices": choices, "digest": planned["digest"]}
    )
    assert answer.status_code == 200, answer.text
    document = answer.get_json()
    assert document["complete"]
    assert {change["name"]: change["action"] for change in document["changes"]} == {"t": "update", "u": "update"}
    assert (conflict.get("t").max_nodes, conflict.get("t").description) == (500, "by hand")
    assert conflict.events("t")[-1].message == "as agreed"
    assert plan(conflict)["digest"] == plan(conflict)["digest"]


@pytest.mark.parametrize(
    ("options", "happens"),
    [
        ({}, lambda d: None),
        ({"on_conflict": "db"}, lambda d: d.edit("u", max_nodes=9)),
        ({"on_conflict": "db"}, lambda d: d.write(spec("t"), spec("u", max_nodes=8))),
        ({"on_conflict": "db"}, lambda d: d.delete("t")),
    ],
    ids=["conflict", "edited", "file", "deleted"],
)
def test_nothing_is_written_if_it_is_refused_or_anything_moved(
    conflict: Deployment, database: Documents, options: dict[str, Any], happens: Any
) -> None:
    digest = plan(conflict, **options)["digest"]
    happens(conflict)
    before = contents(database)
    answer = conflict.client().post(URL + "/sync", json={**options, "digest": digest})
    assert problem(answer, 409)["errors"]["reasons"]
    assert contents(database) == before


def test_other_options_are_another_plan(conflict: Deployment, database: Documents) -> None:
    digest = plan(conflict, on_conflict="db")["digest"]
    before = contents(database)
    answer = conflict.client().post(URL + "/sync", json={"on_conflict": "file", "digest": digest})
    problem(answer, 409)
    assert contents(database) == before


def test_only_the_named_templates_are_synced(conflict: Deployment) -> None:
    planned = plan(conflict, only=["u"])
    assert planned["refusals"] == []
    assert conflict.client().post(URL + "/sync", json={"only": ["u"], "digest": planned["digest"]}).status_code == 200
    assert conflict.states() == {"t": "conflict", "u": "in_sync"}
    assert [item["action"] for item in plan(conflict, only=[])["templates"]] == ["none", "none"]


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"t": {"instance_type": "file"}, "nobody": {"max_nodes": "file"}}, "'nobody': no definition file has it"),
        ({"u": {"max_nodes": "file"}}, "max_nodes of 'u': only one side changed it"),
    ],
)
def test_choices_that_cannot_be_meant_are_refused(conflict: Deployment, choices: Any, said: str) -> None:
    assert any(said in text for text in plan(conflict, on_conflict="db", choices=choices)["refusals"])


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"on_conflict": "mine"}, "json.on_conflict"),
        ({"choices": {"t": {"max_nodes": "mine"}}}, "json.choices"),
        ({"prune": 1}, "json.prune"),
        ({"colour": 1}, "json.colour"),
    ],
)
def test_options_are_read_strictly(conflict: Deployment, body: dict[str, Any], place: str) -> None:
    problem(conflict.client().post(URL + "/plan", json=body), 422, place)
    problem(conflict.client().post(URL + "/sync", json={"digest": "0" * 64, **body}), 422, place)
    problem(conflict.client().post(URL + "/sync", json={}), 422, "json.digest")


def test_an_orphan_in_use_is_kept_and_named_and_the_answer_is_200(conflict: Deployment) -> None:
    with conflict.app.app_context():
        conflict.templates.claim(conflict.get("t").id, "w1")
    conflict.write(spec("u", max_nodes=7))
    planned = plan(conflict, prune=True)
    answer = conflict.client().post(URL + "/sync", json={"prune": True, "digest": planned["digest"]})
    assert answer.status_code == 200
    document = answer.get_json()
    assert not document["complete"]
    assert {change["name"]: change["status"] for change in document["changes"]} == {"t": "in_use", "u": "applied"}


def test_the_authorizer_is_asked_to_sync_each_template_as_it_is_and_as_it_would_be(
    conflict: Deployment, database: Documents
) -> None:
    asked: list[tuple[str, str | None, int | None]] = []

    @conflict.templates.authorizer
    def authorize(action: str, template: Any) -> bool:
        asked.append((action, template and template.name, template and template.max_nodes))
        return template is None or template.max_nodes != 7

    digest = plan(conflict, on_conflict="file")["digest"]
    before = contents(database)
    answer = conflict.client().post(URL + "/sync", json={"on_conflict": "file", "digest": digest})
    problem(answer, 403)
    assert contents(database) == before
    about_t, about_u = [("sync", "t", 40), ("sync", "t", 500)], [("sync", "u", 20), ("sync", "u", 7)]
    assert asked[-5:] == [("sync", None, None), *about_t, *about_u]


def test_a_deleted_template_that_comes_back_is_judged_by_its_last_state_too(
    conflict: Deployment, database: Documents
) -> None:
    conflict.delete("u")  # with 20 nodes; its entry has 7
    options = {"restore": ["u"], "only": ["u"]}
    refused: set[int] = set()

    @conflict.templates.authorizer
    def authorize(action: str, template: Any) -> bool:
        return template is None or template.max_nodes not in refused

    digest = plan(conflict, **options)["digest"]
    before = contents(database)
    for number in (20, 7):
        refused.add(number)
        problem(conflict.client().post(URL + "/sync", json={**options, "digest": digest}), 403)
        assert contents(database) == before
        refused.clear()
    assert conflict.client().post(URL + "/sync", json={**options, "digest": digest}).status_code == 200
    assert (conflict.get("u").max_nodes, conflict.get("u").revision) == (7, 3)


def test_the_drift_is_paged_and_filtered_and_its_summary_counts_all(conflict: Deployment) -> None:
    client = conflict.client()
    first = client.get(URL + "/drift?page_size=1")
    assert [item["name"] for item in first.get_json()["templates"]] == ["t"]
    assert first.get_json()["summary"]["file_changed"] == 1
    assert '"total": 2' in first.headers["X-Pagination"]
    found = client.get(URL + "/drift?state=file_changed&state=missing").get_json()
    assert [item["name"] for item in found["templates"]] == ["u"]
    assert found["summary"]["conflict"] == 1
    problem(client.get(URL + "/drift?state=odd"), 422, "query.state")


def test_python_plans_and_syncs_with_choices_too(conflict: Deployment, database: Documents) -> None:
    with conflict.app.app_context():
        templates = conflict.templates
        planned = templates.plan(choices={"t": {"max_nodes": "file"}}, only=["t"], on_conflict="db")
        before = contents(database)
        with pytest.raises(SyncRefused, match="plan again"):
            templates.sync(on_conflict="db", digest=planned.digest)
        assert contents(database) == before
        result = templates.sync(
            choices={"t": {"max_nodes": "file"}}, only=["t"], on_conflict="db", digest=planned.digest, message="agreed"
        )
    assert result.complete
    assert (conflict.get("t").max_nodes, conflict.get("t").description, conflict.get("u").max_nodes) == (
        500,
        "by hand",
        20,
    )
