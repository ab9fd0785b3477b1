"""Laws of the API: what is presented is what is documented, everywhere the same; and merge patches (RFC 7396)."""

from __future__ import annotations

import functools
from typing import Any

from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pymongo.database import Database

from flask_worker_templates.errors import InvalidSpec
from flask_worker_templates.model.spec import FIELDS, merge_patch, normalize, patched
from flask_worker_templates.runtime.app_state import ready_state
from flask_worker_templates.store import presented
from flask_worker_templates.store.connection import EVENTS, TEMPLATES
from tests.support.backends import mongomock_only
from tests.support.calls import URL, one, problem
from tests.support.openapi_document import component, own_document
from tests.support.specs import spec
from tests.support.strategies import UNICODE, edits, names, raw_specs, spec_with, specs

# The database is that of one test; each example finds it empty, whatever became of the one before.
on_a_database = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])


def empty(database: Database[dict[str, Any]]) -> None:
    for name in (TEMPLATES, EVENTS):
        database[name].delete_many({})


@functools.cache
def documented(name: str) -> Draft202012Validator:
    return component(own_document(), name)


@on_a_database
@given(
    raw=raw_specs(),
    other=raw_specs(),
    worker=st.from_regex(r"[A-Za-z0-9._:@+=,-]{3,20}", fullmatch=True, alphabet=UNICODE),
)
def test_presented_is_documented_and_everywhere_the_same(
    client: FlaskClient, database: Database[dict[str, Any]], raw: dict[str, Any], other: dict[str, Any], worker: str
) -> None:
    empty(database)
    documented("WorkerTemplateSpec").validate(raw)
    created = client.post(URL, json=raw)
    template = created.get_json()
    assert created.status_code == 201, created.text
    documented("WorkerTemplate").validate(template)
    assert list(template) == ["id", *FIELDS, "revision", "is_seeded", "created_at", "updated_at"]
    assert {key: template[key] for key in FIELDS} == normalize(raw)

    assert client.get(one(template)).data == created.data
    assert client.get(URL).data == b"[" + created.data.rstrip() + b"]\n"
    with client.application.app_context():
        store = ready_state().store
        assert store.get(template["id"]).to_dict() == template
        assert store.get(template["id"]).spec == normalize(raw)

    replaced = client.put(one(template), json=other)
    documented("WorkerTemplate").validate(replaced.get_json())
    assert client.get(one(template)).data == replaced.data
    events = client.get(one(template, "/history")).get_json()
    for event in events:
        documented("WorkerTemplateEvent").validate(event)
    trail = client.get(URL + "/history").get_json()
    assert [event for event in trail if event["template_id"] == template["id"]] == events
    assert events[-1]["spec"] == normalize(raw)
    claim = client.put(one(template, f"/claims/{worker}"))
    if claim.status_code == 201:
        documented("WorkerTemplateClaim").validate(claim.get_json())
        client.delete(one(template, f"/claims/{worker}"))
    else:
        assert claim.status_code == 409
        assert not replaced.get_json()["enabled"] or replaced.get_json()["deprecation"]


@on_a_database
@given(raw=raw_specs())
def test_what_is_presented_can_be_put_back(
    client: FlaskClient, database: Database[dict[str, Any]], raw: dict[str, Any]
) -> None:
    empty(database)
    template = client.post(URL, json=raw).get_json()
    answer = client.put(one(template), json={key: template[key] for key in FIELDS})
    assert answer.get_json() == template  # no new revision: nothing is lost or changed on the way


@on_a_database
@given(data=st.data())
def test_a_patch_is_a_put_of_what_was_merged(
    client: FlaskClient, database: Database[dict[str, Any]], data: st.DataObject
) -> None:
    spec = data.draw(specs(names()))
    wanted = data.draw(edits(spec_with("x")))
    patch = {key: wanted[key] for key in data.draw(st.sets(st.sampled_from(FIELDS[1:])))}
    empty(database)
    a = client.post(URL, json={**spec, "name": "a"}).get_json()
    b = client.post(URL, json={**spec, "name": "b"}).get_json()
    merged = merge_patch({key: b[key] for key in FIELDS}, patch)
    by_patch, by_put = client.patch(one(a), json=patch), client.put(one(b), json=merged)
    assert by_patch.status_code == by_put.status_code
    if by_patch.status_code == 200:
        differs = ("id", "name", "created_at", "updated_at")
        assert {k: v for k, v in by_patch.get_json().items() if k not in differs} == {
            k: v for k, v in by_put.get_json().items() if k not in differs
        }
        again = client.patch(one(a), json=patch)
        assert again.get_json() == by_patch.get_json()  # idempotent: not even a revision
    else:
        problem(by_patch, 422, "json")


# The examples of RFC 7396's appendix A are in test_spec.py, beside the other laws of `merge_patch`.


def test_the_example_of_the_rfcs_section_3() -> None:
    target = {
        "title": "Goodbye!",
        "author": {"givenName": "John", "familyName": "Doe"},
        "tags": ["example", "sample"],
        "content": "This will be unchanged",
    }
    patch = {
        "title": "Hello!",
        "phoneNumber": "+01-123-456-7890",
        "author": {"familyName": None},
        "tags": ["example"],
    }
    assert merge_patch(target, patch) == {
        "title": "Hello!",
        "author": {"givenName": "John"},
        "tags": ["example"],
        "content": "This will be unchanged",
        "phoneNumber": "+01-123-456-7890",
    }


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(UNICODE, max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(target=_JSON, patch=_JSON)
def test_merging_twice_is_merging_once(target: Any, patch: Any) -> None:
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once


@given(target=_JSON)
def test_an_empty_patch_changes_no_object(target: Any) -> None:
    assert merge_patch(target, {}) == (target if isinstance(target, dict) else {})


@settings(max_examples=20)
@given(spec=specs(), data=st.data())
def test_a_patch_that_is_documented_is_taken_or_breaks_a_rule_across_fields(spec: Any, data: st.DataObject) -> None:
    wanted = data.draw(raw_specs())
    patch = {key: data.draw(st.sampled_from([wanted[key], None])) for key in wanted}
    valid = documented("WorkerTemplatePatch").is_valid(patch)
    try:
        result = patched(spec, patch)
    except InvalidSpec as error:
        refused: set[str] = set(error.errors)
    else:
        refused = set()
        assert result == normalize(result)
    across = {"port_range", "labels"}  # the two rules that a schema cannot say: order, and how many in all
    assert refused <= across if valid else refused


@mongomock_only
def test_what_is_remembered_of_large_templates_is_nothing(client: FlaskClient) -> None:
    labels = {f"label-{number}": "\N{SNOWMAN}" * 256 for number in range(64)}
    large = client.post(URL, json={**spec("large"), "labels": labels}).get_json()
    small = client.post(URL, json=spec("small")).get_json()
    for template, kept in ((large, 0), (small, 1)):
        for memory in (presented._remembered, presented._checked):  # of lists, and of single ones
            memory.cache_clear()
        for _ in range(2):
            assert client.get(one(template)).get_json() == template
            assert client.get(URL, query_string={"name": template["name"]}).get_json() == [template]
        assert presented._checked.cache_info().currsize == kept
        assert presented._remembered.cache_info().currsize == kept
