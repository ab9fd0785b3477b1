"""The views of the audit trail: the history of one template and of all, and going back."""

from __future__ import annotations

import marshmallow as ma
from flask import Response

from flask_worker_templates.errors import InvalidSpec
from flask_worker_templates.model.parameters import (
    CompareSchema,
    PageSchema,
    TrailSchema,
    compare_parameters,
    trail_parameters,
)
from flask_worker_templates.model.template import to_json

from .operation import operation
from .requests import no_query, query_arguments
from .responses import json_response
from .views_base import ONE, Views, message, page_response, paging, query, template_response


class HistoryViews(Views):
    """The views of the audit trail."""

    TAG = "History"

    @operation(
        "GET",
        "/history",
        "listWorkerTemplateEvents",
        lambda doc: doc.operation({200: doc.events(followed=True)}, (422,), parameters=(doc.query(TrailSchema()),)),
    )
    def list_events(self) -> Response:
        """List the changes of all templates, newest first, or those after a cursor."""
        self._authorize("read")
        return page_response(self._store.trail(query(trail_parameters, query_arguments())))

    @operation(
        "GET",
        ONE + "/history",
        "getWorkerTemplateHistory",
        lambda doc: doc.operation({200: doc.events()}, (404, 422), parameters=(doc.query(PageSchema()),)),
    )
    def get_history(self, template_id: str) -> Response:
        """List the changes of a template, newest first; also of one that was deleted."""
        with self._asking("read", template_id) as guard:
            return page_response(self._store.history(template_id, paging(), guard=guard))

    @operation(
        "POST",
        ONE + "/revert",
        "revertWorkerTemplate",
        lambda doc: doc.operation(
            {200: doc.template()},
            (*doc.BODY_PROBLEMS, *doc.CHANGE_PROBLEMS),
            parameters=(doc.MESSAGE, doc.IF_MATCH),
            request_body=doc.body(doc.schemas.WorkerTemplateRevertSchema(), {"revision": 1}),
        ),
    )
    def revert_template(self, template_id: str) -> Response:
        """Make a new revision with the spec of an earlier one."""
        from .openapi_schemas import WorkerTemplateRevertSchema

        with self._guarded("update", template_id) as guard:
            why = message()
            try:
                revision = WorkerTemplateRevertSchema().load(self._json())["revision"]
            except ma.ValidationError as error:
                raise InvalidSpec(error.messages_dict) from None
            template = self._store.revert(
                template_id,
                revision,
                actor=self._hooks.actor(),
                message=why,
                allowed=self._precondition(),
                guard=guard,
            )
        return template_response(template)

    @operation(
        "POST",
        ONE + "/restore",
        "restoreWorkerTemplate",
        lambda doc: doc.operation(
            {201: doc.template("The restored template.")},
            (*doc.BODY_PROBLEMS, 404, 409),
            parameters=(doc.MESSAGE,),
            request_body=doc.body(doc.schemas.WorkerTemplateRestoreSchema(), {}),
        ),
    )
    def restore_template(self, template_id: str) -> Response:
        """Bring a deleted template back, under its id and with its history."""
        from .openapi_schemas import WorkerTemplateRestoreSchema

        with self._guarded("update", template_id) as guard:
            why = message()
            try:
                WorkerTemplateRestoreSchema().load(self._json())
            except ma.ValidationError as error:
                raise InvalidSpec(error.messages_dict) from None
            template = self._store.restore(template_id, actor=self._hooks.actor(), message=why, guard=guard)
        return template_response(template, 201)

    @operation(
        "GET",
        f"{ONE}/revisions/<int:revision>",
        "getWorkerTemplateRevision",
        lambda doc: doc.operation(
            {
                200: doc.answer(
                    "The event of the revision.", doc.schemas.WorkerTemplateEventSchema(), doc.schemas.EVENT_EXAMPLE
                )
            },
            (404, 422),
        ),
    )
    def get_revision(self, template_id: str, revision: str) -> Response:
        """Get one revision of a template: its spec, and the change that made it; also of one that was deleted."""
        with self._asking("read", template_id) as guard:
            no_query()
            return json_response(to_json(self._store.revision(template_id, int(revision), guard=guard).to_dict()))

    @operation(
        "GET",
        ONE + "/compare",
        "compareWorkerTemplateRevisions",
        lambda doc: doc.operation(
            {
                200: doc.answer(
                    "The fields that differ.",
                    doc.schemas.WorkerTemplateComparisonSchema(),
                    doc.schemas.COMPARISON_EXAMPLE,
                )
            },
            (404, 422),
            parameters=(doc.query(CompareSchema()),),
        ),
    )
    def compare_revisions(self, template_id: str) -> Response:
        """Compare two revisions of a template; also of one that was deleted."""
        with self._asking("read", template_id) as guard:
            asked = query(compare_parameters, query_arguments())
            return json_response(to_json(self._store.compare(template_id, **asked, guard=guard).to_dict()))
