"""The view that checks a spec."""

from __future__ import annotations

import logging
from typing import Any

from flask import Response

from flask_worker_templates.errors import InvalidSpec

from .operation import operation
from .requests import no_query
from .responses import json_response, quoting_json
from .views_base import Views

log = logging.getLogger("flask_worker_templates")


class FileViews(Views):
    """The view that checks a spec."""

    TAG = "Files"

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
            request_body=doc.body({"description": "A spec to check."}, doc.schemas.SPEC_EXAMPLE),
        ),
    )
    def validate_template(self) -> Response:
        """Check a spec and say everything that is wrong with it; nothing is stored."""
        self._authorize("read")
        no_query()
        sent = self._json()
        try:
            answered: dict[str, Any] = {"valid": True, "errors": {}, "spec": self._rules.normalize(sent)}
        except InvalidSpec as error:
            answered = {"valid": False, "errors": error.errors, "spec": None}
        return json_response(quoting_json(answered))
