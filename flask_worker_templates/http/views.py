"""The views of templates: list, create, get, replace, update, delete."""

from __future__ import annotations

from flask import Response, request, url_for

from flask_worker_templates.errors import RevisionMismatch
from flask_worker_templates.model.template import Template, to_json

from .conditional import if_match_holds, not_modified
from .operation import operation
from .requests import MERGE_PATCH, no_query, query_arguments
from .responses import JSON, Problem, empty_response, etag, json_response
from .views_base import NAME, ONE, Views, array_response, message, query, template_response

MAX_ANSWER_BYTES = 8_000_000
"""The largest answer."""


class TemplateViews(Views):
    """The views of templates."""

    TAG = "Templates"

    @operation(
        "GET",
        "",
        "listWorkerTemplates",
        lambda doc: doc.operation(
            {
                200: doc.answer(
                    "The templates.",
                    doc.schemas.WorkerTemplateSchema(many=True),
                    [doc.schemas.TEMPLATE_EXAMPLE],
                    doc.PAGINATION,
                )
            },
            (422,),
            parameters=(doc.query(doc.rules.list_schema),),
        ),
    )
    def list_templates(self) -> Response:
        """List the templates."""
        self._authorize("read")
        arguments = query_arguments(self._rules.repeatable) if request.query_string else {}
        page = self._store.page_raw(query(self._rules.list_parameters, arguments))
        return array_response(page, page)

    @operation(
        "GET",
        "/select",
        "selectWorkerTemplate",
        lambda doc: doc.operation(
            {
                200: doc.answer(
                    "The templates that fit, best first.",
                    doc.schemas.WorkerTemplateSelectionSchema(),
                    doc.schemas.SELECTION_EXAMPLE,
                )
            },
            (422,),
            parameters=(doc.query(doc.rules.select_schema),),
        ),
    )
    def select_template(self) -> Response:
        """Choose a template: which ones fit, cheapest first, and why the others do not."""
        self._authorize("read")
        asked = query(self._rules.select_parameters, query_arguments(self._rules.repeatable))
        explain = asked.pop("explain")
        found = query(lambda asked: self._store.select(asked, explain=explain), asked)
        body = to_json(found.to_dict())
        if len(body) > MAX_ANSWER_BYTES:
            message = "The answer is too large: ask for more, or without explain, so that fewer templates are shown."
            raise Problem(422, message, {"query": {"explain": [message]}})
        return json_response(body)

    @operation(
        "POST",
        "",
        "createWorkerTemplate",
        lambda doc: doc.operation(
            {201: doc.template("The new template.", {**doc.ETAG, **doc.LOCATION})},
            (*doc.BODY_PROBLEMS, 409),
            parameters=(doc.MESSAGE,),
            request_body=doc.spec_body(),
        ),
    )
    def create_template(self) -> Response:
        """Create a template."""
        self._authorize("create")
        why = message()
        template = self._store.create(
            self._rules.normalize(self._json()), actor=self._hooks.actor(), message=why, guard=self._shown_to("create")
        )
        location = url_for(f"{NAME}.get_template", template_id=template.id)
        return template_response(template, 201, {"Location": location})

    @operation(
        "GET",
        ONE,
        "getWorkerTemplate",
        lambda doc: doc.operation(
            {200: doc.template(), 304: doc.answer("The client has this revision.", headers=doc.ETAG)},
            (404, 412, 422),
            parameters=(doc.IF_MATCH, doc.IF_NONE_MATCH),
        ),
    )
    def get_template(self, template_id: str) -> Response:
        """Get a template."""
        if self._hooks.authorizer is None:
            self._authorize("read")
            revision, shown = self._store.get_raw(template_id)
        else:
            template, shown = self._authorized("read", template_id)
            revision = template.revision
        no_query()
        headers = {"ETag": etag(revision)}
        known = not_modified(revision)  # first, so that a malformed header is told of in any case
        if not if_match_holds(revision):
            raise RevisionMismatch(template_id, revision)
        if known:
            return empty_response(304, headers)
        return json_response(shown, headers=headers)

    @operation(
        "PUT",
        ONE,
        "replaceWorkerTemplate",
        lambda doc: doc.operation(
            {200: doc.template()},
            (*doc.BODY_PROBLEMS, *doc.CHANGE_PROBLEMS),
            parameters=(doc.MESSAGE, doc.IF_MATCH),
            request_body=doc.spec_body(),
        ),
    )
    def replace_template(self, template_id: str) -> Response:
        """Replace a template's spec."""
        with self._guarded("update", template_id) as guard:
            why = message()
            return self._change(template_id, self._rules.replacement(self._json()), why, guard)

    @operation(
        "PATCH",
        ONE,
        "updateWorkerTemplate",
        lambda doc: doc.operation(
            {200: doc.template()},
            (*doc.BODY_PROBLEMS, *doc.CHANGE_PROBLEMS),
            parameters=(doc.MESSAGE, doc.IF_MATCH),
            request_body=doc.body(
                doc.schemas.WorkerTemplatePatchSchema(), doc.schemas.PATCH_EXAMPLE, MERGE_PATCH, JSON
            ),
        ),
    )
    def update_template(self, template_id: str) -> Response:
        """Change some fields of a template (JSON Merge Patch, RFC 7396)."""
        with self._guarded("update", template_id) as guard:
            why = message()
            patch = self._json(MERGE_PATCH, JSON)
            return self._change(template_id, lambda current: self._rules.patched(current, patch), why, guard)

    @operation(
        "DELETE",
        ONE,
        "deleteWorkerTemplate",
        lambda doc: doc.operation(
            {204: doc.answer("The template is deleted.")},
            (*doc.CHANGE_PROBLEMS, 422),
            parameters=(doc.MESSAGE, doc.IF_MATCH),
        ),
    )
    def delete_template(self, template_id: str) -> Response:
        """Delete a template that is not in use."""
        with self._guarded("delete", template_id) as authorized:
            why = message()
            guards = [guard for guard in (authorized, self._hooks.usage_guard) if guard]

            def guard(template: Template, after: Template | None) -> None:
                for one in guards:
                    one(template, after)

            self._store.delete(
                template_id,
                actor=self._hooks.actor(),
                message=why,
                allowed=self._precondition(),
                guard=guard if guards else None,
            )
        return empty_response(204)
