"""The operations of the API, as the OpenAPI document describes them. Loaded only when a document is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask_worker_templates.model.parameters import ListSchema, PageSchema, TrailSchema
from flask_worker_templates.model.spec import WorkerTemplateSpecSchema
from flask_worker_templates.reconcile.diff_document import WorkerTemplateDriftSchema

from .openapi import (
    ETAG,
    IF_MATCH,
    IF_NONE_MATCH,
    LOCATION,
    PAGINATION,
    TEMPLATE_ID,
    WORKER_ID,
    answer,
    body,
    operation,
)
from .openapi_schemas import (
    CLAIM_EXAMPLE,
    DRIFT_EXAMPLE,
    EVENT_EXAMPLE,
    PATCH_EXAMPLE,
    SPEC_EXAMPLE,
    TEMPLATE_EXAMPLE,
    VALIDATION_EXAMPLE,
    WorkerTemplateClaimSchema,
    WorkerTemplateEventSchema,
    WorkerTemplatePatchSchema,
    WorkerTemplateRevertSchema,
    WorkerTemplateSchema,
    WorkerTemplateValidationSchema,
)
from .requests import MERGE_PATCH
from .responses import JSON

if TYPE_CHECKING:
    from apispec import APISpec
    from flask import Flask

_BODY_PROBLEMS = (400, 413, 415, 422)
_ONE = answer("The template.", WorkerTemplateSchema(), TEMPLATE_EXAMPLE, ETAG)
_EVENTS = answer("The events.", WorkerTemplateEventSchema(many=True), [EVENT_EXAMPLE], PAGINATION)
_SPEC_BODY = body(WorkerTemplateSpecSchema(), SPEC_EXAMPLE)
_PAGES = ({"in": "query", "schema": PageSchema()},)

OPERATIONS: dict[str, dict[str, Any]] = {
    "list_templates": operation(
        "listWorkerTemplates",
        {200: answer("The templates.", WorkerTemplateSchema(many=True), [TEMPLATE_EXAMPLE], PAGINATION)},
        (422,),
        parameters=({"in": "query", "schema": ListSchema()},),
    ),
    "create_template": operation(
        "createWorkerTemplate",
        {201: answer("The new template.", WorkerTemplateSchema(), TEMPLATE_EXAMPLE, {**ETAG, **LOCATION})},
        (*_BODY_PROBLEMS, 409),
        request_body=_SPEC_BODY,
    ),
    "get_template": operation(
        "getWorkerTemplate",
        {200: _ONE, 304: answer("The client has this revision.", headers=ETAG)},
        (404, 412, 422),
        parameters=(IF_MATCH, IF_NONE_MATCH),
    ),
    "replace_template": operation(
        "replaceWorkerTemplate",
        {200: _ONE},
        (*_BODY_PROBLEMS, 404, 409, 412, 428),
        parameters=(IF_MATCH,),
        request_body=_SPEC_BODY,
    ),
    "update_template": operation(
        "updateWorkerTemplate",
        {200: _ONE},
        (*_BODY_PROBLEMS, 404, 409, 412, 428),
        parameters=(IF_MATCH,),
        request_body=body(WorkerTemplatePatchSchema(), PATCH_EXAMPLE, MERGE_PATCH, JSON),
    ),
    "delete_template": operation(
        "deleteWorkerTemplate", {204: answer("It is deleted.")}, (404, 409, 412, 422, 428), parameters=(IF_MATCH,)
    ),
    "get_drift": operation(
        "getWorkerTemplateDrift",
        {200: answer("How every template stands.", WorkerTemplateDriftSchema(), DRIFT_EXAMPLE)},
        (422,),
    ),
    "validate_template": operation(
        "validateWorkerTemplate",
        {200: answer("What is wrong, or the normal form.", WorkerTemplateValidationSchema(), VALIDATION_EXAMPLE)},
        _BODY_PROBLEMS,
        # Any JSON is answered: what is wrong with it is the answer.
        request_body=body({"description": "A spec, or what may be one."}, SPEC_EXAMPLE),
    ),
    "list_events": operation(
        "listWorkerTemplateEvents",
        {200: _EVENTS},
        (422,),
        parameters=({"in": "query", "schema": TrailSchema()},),
    ),
    "get_history": operation("getWorkerTemplateHistory", {200: _EVENTS}, (404, 422), parameters=_PAGES),
    "revert_template": operation(
        "revertWorkerTemplate",
        {200: _ONE},
        (*_BODY_PROBLEMS, 404, 409, 412, 428),
        parameters=(IF_MATCH,),
        request_body=body(WorkerTemplateRevertSchema(), {"revision": 1}),
    ),
    "list_claims": operation(
        "listWorkerTemplateClaims",
        {200: answer("The claims.", WorkerTemplateClaimSchema(many=True), [CLAIM_EXAMPLE], PAGINATION)},
        (404, 422),
        parameters=_PAGES,
    ),
    "claim_template": operation(
        "claimWorkerTemplate",
        {
            201: answer("The new claim.", WorkerTemplateClaimSchema(), CLAIM_EXAMPLE),
            204: answer("The worker claims it already."),
        },
        (404, 409, 422),
    ),
    "release_template": operation(
        "releaseWorkerTemplate", {204: answer("The worker does not claim it any more.")}, (404, 422)
    ),
}
"""Description of each operation, by the name of its view."""


def describe(spec: APISpec, app: Flask, name: str) -> None:
    """Add the operations to an OpenAPI document.

    Args:
        spec: the document.
        app: the app that has the routes.
        name: of the blueprint, and of the tag.
    """
    rules = {rule.endpoint: rule for rule in app.url_map.iter_rules()}
    for view, described in OPERATIONS.items():
        endpoint = f"{name}.{view}"
        rule = rules[endpoint]
        (method,) = (rule.methods or set()) - {"HEAD", "OPTIONS"}
        summary = (app.view_functions[endpoint].__doc__ or "").splitlines()[0]
        spec.path(
            rule=rule,
            operations={method.lower(): {"summary": summary, "tags": [name], **described}},
            parameters=[one for one in (TEMPLATE_ID, WORKER_ID) if one["name"] in rule.arguments],
        )
