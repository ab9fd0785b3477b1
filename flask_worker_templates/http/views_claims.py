"""The views of claims: which workers use a template."""

from __future__ import annotations

from flask import Response

from flask_worker_templates.model.parameters import PageSchema
from flask_worker_templates.model.template import to_json

from .converters import WORKER_ID
from .operation import operation
from .requests import no_query
from .responses import empty_response, json_response
from .views_base import ONE, Views, page_response, window, worker

CLAIMS = ONE + "/claims"
CLAIM = f"{CLAIMS}/{WORKER_ID}"


class ClaimViews(Views):
    """The views of claims."""

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
        self._authorized_or_open("read", template_id)
        return page_response(self._store.claims(template_id, window()))

    @operation(
        "PUT",
        CLAIM,
        "claimWorkerTemplate",
        lambda doc: doc.operation(
            {
                201: doc.answer("The new claim.", doc.schemas.WorkerTemplateClaimSchema(), doc.schemas.CLAIM_EXAMPLE),
                204: doc.answer("The worker has a claim already."),
            },
            (404, 409, 422),
        ),
    )
    def claim_template(self, template_id: str, worker_id: str) -> Response:
        """Register a worker's use of a template, which then cannot be deleted."""
        self._authorized_or_open("claim", template_id)
        no_query()
        claim, made = self._store.claim(template_id, worker(worker_id), actor=self._hooks.actor())
        return json_response(to_json(claim.to_dict()), 201) if made else empty_response(204)

    @operation(
        "DELETE",
        CLAIM,
        "releaseWorkerTemplate",
        lambda doc: doc.operation({204: doc.answer("The worker has no claim any more.")}, (404, 422)),
    )
    def release_template(self, template_id: str, worker_id: str) -> Response:
        """End a worker's use of a template."""
        self._authorized_or_open("claim", template_id)
        no_query()
        self._store.release(template_id, worker(worker_id))
        return empty_response(204)
