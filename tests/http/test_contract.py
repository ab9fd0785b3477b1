"""Every status code of every documented operation, reached; the table holds no more and no less than the document."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from flask import abort
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.apps import AppFactory
from tests.support.backends import mongomock_only
from tests.support.calls import NOWHERE, URL, create, one, problem, snapshot
from tests.support.hosts import host
from tests.support.openapi_document import operation, operations, own_document, validator
from tests.support.specs import spec

CALLS: dict[str, tuple[str, str, Any]] = {
    "listWorkerTemplates": ("GET", "", None),
    "createWorkerTemplate": ("POST", "", spec("new")),
    "getWorkerTemplateDrift": ("GET", "/drift", None),
    "planWorkerTemplateSync": ("POST", "/plan", {}),
    "syncWorkerTemplates": ("POST", "/sync", {"digest": "0" * 64}),
    "validateWorkerTemplate": ("POST", "/validate", spec("new")),
    "selectWorkerTemplate": ("GET", "/select", None),
    "listWorkerTemplateEvents": ("GET", "/history", None),
    "getWorkerTemplate": ("GET", "/{id}", None),
    "replaceWorkerTemplate": ("PUT", "/{id}", spec("small", max_nodes=7)),
    "updateWorkerTemplate": ("PATCH", "/{id}", {"max_nodes": 7}),
    "deleteWorkerTemplate": ("DELETE", "/{id}", None),
    "getWorkerTemplateHistory": ("GET", "/{id}/history", None),
    "revertWorkerTemplate": ("POST", "/{id}/revert", {"revision": 1}),
    "listWorkerTemplateClaims": ("GET", "/{id}/claims", None),
    "restoreWorkerTemplate": ("POST", "/{id}/restore", {}),
    "getWorkerTemplateRevision": ("GET", "/{id}/revisions/1", None),
    "compareWorkerTemplateRevisions": ("GET", "/{id}/compare?from=1", None),
    "listAllWorkerTemplateClaims": ("GET", "/claims", None),
    "claimWorkerTemplate": ("PUT", "/{id}/claims/{worker}", None),
    "releaseWorkerTemplate": ("DELETE", "/{id}/claims/{worker}", None),
}
"""A valid call of each operation: method, path below the prefix, body."""

Scenario = Callable[[AppFactory], TestResponse]


def call(
    client: FlaskClient, operation_id: str, template_id: str = NOWHERE, *, worker: str = "w1", **options: Any
) -> TestResponse:
    method, path, body = CALLS[operation_id]
    path, _, query = path.partition("?")
    options["query_string"] = "&".join(filter(None, [query, options.get("query_string")]))
    if body is not None and "data" not in options:
        options.setdefault("json", body)
    return client.open(URL + path.format(id=template_id, worker=worker), method=method, **options)


def plain(operation_id: str, make_app: AppFactory, **options: Any) -> TestResponse:
    """On a template that is there, at its first revision, without claims."""
    client = make_app().test_client()
    return call(client, operation_id, create(client)["id"], **options)


def claimed(operation_id: str, make_app: AppFactory, **options: Any) -> TestResponse:
    client = make_app().test_client()
    template = create(client)
    assert client.put(one(template, "/claims/w1")).status_code == 201
    return call(client, operation_id, template["id"], **options)


def refused(operation_id: str, make_app: AppFactory) -> TestResponse:
    return call(make_app(WORKER_TEMPLATES_ANONYMOUS="none").test_client(), operation_id)


def unknown_caller(operation_id: str, make_app: AppFactory) -> TestResponse:
    app, templates = host(make_app)
    templates.authorizer(lambda action, template: abort(401))
    return call(app.test_client(), operation_id)


def missing(operation_id: str, make_app: AppFactory) -> TestResponse:
    return call(make_app().test_client(), operation_id)


def unconditional(operation_id: str, make_app: AppFactory) -> TestResponse:
    client = make_app(WORKER_TEMPLATES_REQUIRE_IF_MATCH=True).test_client()
    return call(client, operation_id, create(client)["id"])


def too_large(operation_id: str, make_app: AppFactory) -> TestResponse:
    client = make_app(WORKER_TEMPLATES_MAX_BODY_BYTES=1024).test_client()
    return call(client, operation_id, create(client)["id"], json={"description": "x" * 2000})


def without_database(operation_id: str, make_app: AppFactory) -> TestResponse:
    make_app.connection = {"WORKER_TEMPLATES_MONGODB_URI": "mongodb://127.0.0.1:9/nobody_listens_here"}
    return call(make_app(WORKER_TEMPLATES_DB_TIMEOUT_MS=50).test_client(), operation_id)


def name_taken(operation_id: str, make_app: AppFactory) -> TestResponse:
    client = make_app().test_client()
    create(client, "taken")
    return call(client, operation_id, create(client)["id"], json=spec("taken"))


def name_taken_since(operation_id: str, make_app: AppFactory) -> TestResponse:
    client = make_app().test_client()
    template = create(client, "before")
    assert client.patch(one(template), json={"name": "after"}).status_code == 200
    create(client, "before")
    return call(client, operation_id, template["id"])


def disabled(operation_id: str, make_app: AppFactory) -> TestResponse:
    client = make_app().test_client()
    return call(client, operation_id, create(client, enabled=False)["id"])


def wrong_comparison(operation_id: str, make_app: AppFactory) -> TestResponse:
    client = make_app().test_client()
    return client.get(one(create(client), "/compare?to=1"))


def deleted(operation_id: str, make_app: AppFactory) -> TestResponse:
    client = make_app().test_client()
    template = create(client)
    assert client.delete(one(template)).status_code == 204
    return call(client, operation_id, template["id"])


def restless(operation_id: str, make_app: AppFactory) -> TestResponse:
    """With an authorizer that changes the template each time that it is asked."""
    app, templates = host(make_app)
    client = app.test_client()
    template = create(client)
    client.put(one(template, "/claims/w1"))

    @templates.authorizer
    def authorize(action: str, found: Any) -> bool:
        if found is not None:
            templates.update(found.id, {"max_nodes": found.max_nodes + 1})
        return True

    return call(client, operation_id, template["id"])


def synced(make_app: AppFactory) -> TestResponse:
    client = make_app().test_client()
    digest = call(client, "planWorkerTemplateSync").get_json()["digest"]
    return call(client, "syncWorkerTemplates", json={"digest": digest})


_STRICT_BODIES = (
    "createWorkerTemplate",
    "replaceWorkerTemplate",
    "updateWorkerTemplate",
    "revertWorkerTemplate",
    "restoreWorkerTemplate",
)
_OPTIONS = ("planWorkerTemplateSync", "syncWorkerTemplates")
_BODIES = (
    *_STRICT_BODIES,
    *_OPTIONS,
    "claimWorkerTemplate",
    "validateWorkerTemplate",
)  # to the last, what is wrong with a body is no error
_CONDITIONAL = (
    "replaceWorkerTemplate",
    "updateWorkerTemplate",
    "deleteWorkerTemplate",
    "revertWorkerTemplate",
)
_ONE = tuple(operation_id for operation_id, (_, path, _) in CALLS.items() if "{id}" in path)
_STALE = {"If-Match": '"99"'}

TABLE: dict[tuple[str, int], Scenario] = {
    ("listWorkerTemplates", 200): partial(plain, "listWorkerTemplates"),
    ("createWorkerTemplate", 201): partial(plain, "createWorkerTemplate"),
    ("getWorkerTemplateDrift", 200): partial(plain, "getWorkerTemplateDrift"),
    ("planWorkerTemplateSync", 200): partial(plain, "planWorkerTemplateSync"),
    ("planWorkerTemplateSync", 422): partial(plain, "planWorkerTemplateSync", json={"prune": 1}),
    ("syncWorkerTemplates", 200): synced,
    ("syncWorkerTemplates", 409): partial(plain, "syncWorkerTemplates"),
    ("syncWorkerTemplates", 422): partial(plain, "syncWorkerTemplates", json={}),
    ("validateWorkerTemplate", 200): partial(plain, "validateWorkerTemplate"),
    ("selectWorkerTemplate", 200): partial(plain, "selectWorkerTemplate"),
    ("listWorkerTemplateEvents", 200): partial(plain, "listWorkerTemplateEvents"),
    ("getWorkerTemplate", 200): partial(plain, "getWorkerTemplate"),
    ("getWorkerTemplate", 304): partial(plain, "getWorkerTemplate", headers={"If-None-Match": '"1"'}),
    ("getWorkerTemplate", 412): partial(plain, "getWorkerTemplate", headers=_STALE),
    ("replaceWorkerTemplate", 200): partial(plain, "replaceWorkerTemplate"),
    ("updateWorkerTemplate", 200): partial(plain, "updateWorkerTemplate"),
    ("deleteWorkerTemplate", 204): partial(plain, "deleteWorkerTemplate"),
    ("getWorkerTemplateHistory", 200): partial(plain, "getWorkerTemplateHistory"),
    ("revertWorkerTemplate", 200): partial(plain, "revertWorkerTemplate"),
    ("listWorkerTemplateClaims", 200): partial(claimed, "listWorkerTemplateClaims"),
    ("restoreWorkerTemplate", 201): partial(deleted, "restoreWorkerTemplate"),
    ("restoreWorkerTemplate", 409): partial(plain, "restoreWorkerTemplate"),
    ("getWorkerTemplateRevision", 200): partial(deleted, "getWorkerTemplateRevision"),
    ("getWorkerTemplateRevision", 422): partial(plain, "getWorkerTemplateRevision", query_string="colour=red"),
    ("compareWorkerTemplateRevisions", 200): partial(plain, "compareWorkerTemplateRevisions"),
    ("compareWorkerTemplateRevisions", 422): partial(wrong_comparison, "compareWorkerTemplateRevisions"),
    ("listAllWorkerTemplateClaims", 200): partial(claimed, "listAllWorkerTemplateClaims"),
    ("listAllWorkerTemplateClaims", 422): partial(plain, "listAllWorkerTemplateClaims", query_string="expired=maybe"),
    ("claimWorkerTemplate", 200): partial(claimed, "claimWorkerTemplate", json={"ttl_seconds": 300}),
    ("releaseWorkerTemplate", 409): partial(restless, "releaseWorkerTemplate"),
    ("claimWorkerTemplate", 201): partial(plain, "claimWorkerTemplate"),
    ("claimWorkerTemplate", 204): partial(claimed, "claimWorkerTemplate"),
    ("releaseWorkerTemplate", 204): partial(claimed, "releaseWorkerTemplate"),
    ("createWorkerTemplate", 409): partial(name_taken, "createWorkerTemplate"),
    ("replaceWorkerTemplate", 409): partial(name_taken, "replaceWorkerTemplate"),
    ("updateWorkerTemplate", 409): partial(name_taken, "updateWorkerTemplate"),
    ("revertWorkerTemplate", 409): partial(name_taken_since, "revertWorkerTemplate"),
    ("deleteWorkerTemplate", 409): partial(claimed, "deleteWorkerTemplate"),
    ("claimWorkerTemplate", 409): partial(disabled, "claimWorkerTemplate"),
    ("listWorkerTemplates", 422): partial(plain, "listWorkerTemplates", query_string="colour=red"),
    ("getWorkerTemplateDrift", 422): partial(plain, "getWorkerTemplateDrift", query_string="colour=red"),
    ("selectWorkerTemplate", 422): partial(plain, "selectWorkerTemplate", query_string="cpu_cores=x"),
    ("validateWorkerTemplate", 422): partial(plain, "validateWorkerTemplate", query_string="colour=red"),
    ("listWorkerTemplateEvents", 422): partial(plain, "listWorkerTemplateEvents", query_string="since=today"),
    ("getWorkerTemplate", 422): partial(plain, "getWorkerTemplate", headers={"If-None-Match": "1"}),
    ("getWorkerTemplateHistory", 422): partial(plain, "getWorkerTemplateHistory", query_string="page=0"),
    ("listWorkerTemplateClaims", 422): partial(plain, "listWorkerTemplateClaims", query_string="page=0"),
    ("deleteWorkerTemplate", 422): partial(plain, "deleteWorkerTemplate", headers={"If-Match": "1"}),
    ("claimWorkerTemplate", 422): partial(plain, "claimWorkerTemplate", worker="a b"),
    ("releaseWorkerTemplate", 422): partial(plain, "releaseWorkerTemplate", worker="a b"),
    **{(name, 400): partial(plain, name, data="{", content_type="application/json") for name in _BODIES},
    **{(name, 413): partial(too_large, name) for name in _BODIES},
    **{(name, 415): partial(plain, name, data="a=b", content_type="text/plain") for name in _BODIES},
    **{(name, 422): partial(plain, name, json={"name": 1, "revision": "x"}) for name in _STRICT_BODIES},
    **{(name, 412): partial(plain, name, headers=_STALE) for name in _CONDITIONAL},
    **{(name, 428): partial(unconditional, name) for name in _CONDITIONAL},
    **{(name, 404): partial(missing, name) for name in _ONE},
    **{(name, 401): partial(unknown_caller, name) for name in CALLS},
    **{(name, 403): partial(refused, name) for name in CALLS},
    **{(name, 503): partial(without_database, name) for name in CALLS},
}


def test_the_table_holds_exactly_what_the_document_says() -> None:
    documented = {
        (described["operationId"], status)
        for _, _, described in operations(own_document())
        for status in described["responses"]
    }
    assert {(name, str(code)) for name, code in TABLE} == documented


_DATABASE_HAS_NO_PART = {400, 401, 403, 413, 415, 428, 503}


@pytest.mark.parametrize(("name", "code"), [key for key in TABLE if key[1] not in _DATABASE_HAS_NO_PART], ids=str)
def test_status(make_app: AppFactory, name: str, code: int) -> None:
    _check(TABLE[name, code](make_app), name, code)


@mongomock_only
@pytest.mark.parametrize(("name", "code"), [key for key in TABLE if key[1] in _DATABASE_HAS_NO_PART], ids=str)
def test_status_that_no_database_has_a_part_in(make_app: AppFactory, name: str, code: int) -> None:
    _check(TABLE[name, code](make_app), name, code)


@mongomock_only
@pytest.mark.parametrize("name", CALLS)
def test_a_parameter_that_an_operation_does_not_have_is_an_error_and_nothing_is_done(
    make_app: AppFactory, name: str
) -> None:
    client = make_app().test_client()
    template = create(client)
    if name == "releaseWorkerTemplate":
        assert client.put(one(template, "/claims/w1")).status_code == 201
    before = snapshot(client), client.get(one(template, "/claims")).get_json()
    for query in ("dry_run=true", "dry_run=", "dry_run", "dry_run=1&dry_run=2", "page=1&dry_run=true"):
        problem(call(client, name, template["id"], query_string=query), 422, "query.dry_run")
    assert (snapshot(client), client.get(one(template, "/claims")).get_json()) == before
    refused = 409 if name in {"syncWorkerTemplates", "restoreWorkerTemplate"} else 200  # no such plan; not deleted
    assert call(client, name, template["id"], query_string="").status_code in (200, 201, 204, refused)


def _check(answer: TestResponse, name: str, code: int) -> None:
    assert answer.status_code == code, answer.text
    document = own_document()
    described = operation(document, name)["responses"][str(code)]
    assert set(described.get("headers", {})) - {"X-Next-Cursor"} <= set(answer.headers.keys())
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert answer.headers["Vary"] == "Authorization, Cookie"
    if "content" in described:
        assert answer.mimetype == "application/json"
        schema = described["content"][answer.mimetype]["schema"]
        validator(document, schema).validate(answer.get_json())
    else:
        assert answer.data == b""
        assert "Content-Type" not in answer.headers
    if code >= 400:
        problem(answer, code)
