"""The views of claims: which workers use a template."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from flask_worker_templates.errors import InvalidParameters, InvalidSpec
from flask_worker_templates.model.claim_parameters import (
    ClaimsSchema,
    WorkerTemplateClaimRequestSchema,
    claim_parameters,
    claims_parameters,
)
from flask_worker_templates.model.parameters import PageSchema
from flask_worker_templates.model.template import to_json

from .converters import WORKER_ID
from .operation import operation
from .requests import no_query, query_arguments
from .responses import empty_response, json_response
from .views_base import ONE, Views, page_response, paging, query, worker

CLAIMS = ONE + "/claims"
CLAIM = f"{CLAIMS}/{WORKER_ID}"


class ClaimViews(Views):
    """The views of claims."""

    TAG = "Claims"

    @operation(
        "GET",
        "/claims",
        "listAllWorkerTemplateClaims",
        lambda doc: doc.operation(
            {
                200: doc.answer(
                    "The claims.",
                    doc.schemas.WorkerTemplateListedClaimSchema(many=True),
                    [doc.schemas.LISTED_CLAIM_EXAMPLE],
                    doc.PAGINATION,
                )
            },
            (422,),
            parameters=(doc.query(ClaimsSchema()),),
        ),
    )
    def list_all_claims(self) -> Response:
        """List the claims of all templates, by template name, oldest claim first."""
        self._authorize("read")
        asked = query(claims_parameters, query_arguments())
        return page_response(query(self._store.all_claims, asked))

    @operation(
        "GET",
        CLAIMS,
        "listWorkerTemplateClaims",
        lambda doc: doc.operation(
            {
                200: doc.answer(
                    "The claims.",
                    doc.schemas.WorkerTemplateClaimSchema(many=True),
                    [doc.schemas.CLAIM_EXAMPLE],
                    doc.PAGINATION,
                )
            },
            (404, 422),
            parameters=(doc.query(PageSchema()),),
        ),
    )
    def list_claims(self, template_id: str) -> Response:
        """List the workers that claim a template, oldest claim first."""
        with self._asking("read", template_id) as guard:
            return page_response(self._store.claims(template_id, paging(), guard=guard))

    @operation(
        "PUT",
        CLAIM,
        "claimWorkerTemplate",
        lambda doc: doc.operation(
            {
                200: doc.answer(
                    "The renewed claim.", doc.schemas.WorkerTemplateClaimSchema(), doc.schemas.CLAIM_EXAMPLE
                ),
                201: doc.answer("The new claim.", doc.schemas.WorkerTemplateClaimSchema(), doc.schemas.CLAIM_EXAMPLE),
                204: doc.answer("The worker has this claim already."),
            },
            (*doc.BODY_PROBLEMS, 404, 409),
            request_body={
                **doc.body(WorkerTemplateClaimRequestSchema(), {"ttl_seconds": 300}),
                "required": False,
            },
        ),
    )
    def claim_template(self, template_id: str, worker_id: str) -> Response:
        """Register a worker's use of a template, which then cannot be deleted, or renew its lease."""
        with self._guarded("claim", template_id) as guard:
            no_query()
            worker_id = worker(worker_id)
            try:
                asked = claim_parameters(self._optional_json())
                claim, outcome = self._store.claim(
                    template_id, worker_id, actor=self._hooks.actor(), guard=guard, **asked
                )
            except InvalidParameters as error:
                raise InvalidSpec(error.errors) from None  # it stands in the body
        if outcome == "unchanged":
            return empty_response(204)
        return json_response(to_json(claim.to_dict()), 201 if outcome == "made" else 200)

    @operation(
        "DELETE",
        CLAIM,
        "releaseWorkerTemplate",
        lambda doc: doc.operation({204: doc.answer("The worker has no claim any more.")}, (404, 409, 422)),
    )
    def release_template(self, template_id: str, worker_id: str) -> Response:
        """End a worker's use of a template."""
        with self._guarded("claim", template_id) as guard:
            no_query()
            self._store.release(template_id, worker(worker_id), actor=self._hooks.actor(), guard=guard)
        return empty_response(204)

    def _optional_json(self) -> Any:
        chunked = "Transfer-Encoding" in request.headers
        return self._json() if request.content_length or chunked else {}
