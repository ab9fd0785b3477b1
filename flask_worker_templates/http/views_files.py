"""The views of definition files: how the database stands to them, and whether a spec is valid."""

from __future__ import annotations

import dataclasses
import logging
from typing import Any

from flask import Response

from flask_worker_templates.errors import InvalidFiles, InvalidSpec
from flask_worker_templates.model.spec import normalize
from flask_worker_templates.model.template import to_json

from .operation import operation
from .requests import no_query
from .responses import Problem, json_response, quoting_json
from .views_base import Views

log = logging.getLogger("flask_worker_templates")


class FileViews(Views):
    """The views of definition files."""

    @operation(
        "GET",
        "/drift",
        "getWorkerTemplateDrift",
        lambda doc: doc.operation(
            {200: doc.answer("How every template stands.", doc.WorkerTemplateDriftSchema(), doc.schemas.DRIFT_EXAMPLE)},
            (422,),
        ),
    )
    def get_drift(self) -> Response:
        """Compare the definition files with the database: what differs, and what a sync would do."""
        self._authorize("read")
        no_query()
        try:
            files = self._state.read_files()
        except InvalidFiles as error:
            # As while seeding: the faults are for the server's log, not for its clients.
            log.error("The definition files cannot be compared with the database:\n%s", error)  # noqa: TRY400
            message = "The definition files cannot be read; the server's log says why."
            raise Problem(503, message) from None
        if files.warnings:  # they name the directory where the file was looked for: for people at the server
            files = dataclasses.replace(files, warnings=("There is no definition file.",))
        from flask_worker_templates.reconcile.diff_document import diff_document

        # A template may have come from a file that is none of the configured ones.
        return json_response(to_json(diff_document(self._state.plan(files, store=self._store), show_sources=False)))

    @operation(
        "POST",
        "/validate",
        "validateWorkerTemplate",
        lambda doc: doc.operation(
            {
                200: doc.answer(
                    "What is wrong, or the normal form.",
                    doc.schemas.WorkerTemplateValidationSchema(),
                    doc.schemas.VALIDATION_EXAMPLE,
                )
            },
            doc.BODY_PROBLEMS,
            # Any JSON is answered: what is wrong with it is the answer.
            request_body=doc.body({"description": "A spec, or what may be one."}, doc.schemas.SPEC_EXAMPLE),
        ),
    )
    def validate_template(self) -> Response:
        """Check a spec and say everything that is wrong with it; nothing is stored."""
        self._authorize("read")
        no_query()
        sent = self._json()
        try:
            answered: dict[str, Any] = {"valid": True, "errors": {}, "spec": normalize(sent)}
        except InvalidSpec as error:
            answered = {"valid": False, "errors": error.errors, "spec": None}
        return json_response(quoting_json(answered))
