"""Answers: JSON, and errors in flask-smorest's shape."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, cast

from flask import Blueprint, Response, current_app
from werkzeug.exceptions import HTTPException, default_exceptions
from werkzeug.http import HTTP_STATUS_CODES

from flask_worker_templates.errors import (
    ClaimRefused,
    DatabaseRefused,
    DatabaseUnavailable,
    DuplicateNames,
    InvalidInput,
    InvalidParameters,
    NameTaken,
    NotAllowed,
    NotReady,
    RestoreRefused,
    RevisionMismatch,
    RevisionNotFound,
    TemplateInUse,
    TemplateKeepsChanging,
    TemplateNotFound,
    WorkerTemplatesError,
)
from flask_worker_templates.model.template import Page

log = logging.getLogger("flask_worker_templates")

JSON = "application/json"


class Problem(Exception):
    """An HTTP error that the routes themselves find."""

    def __init__(
        self,
        code: int,
        message: str | None = None,
        errors: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.code = code
        self.message = message
        self.errors = errors
        self.headers = dict(headers or {})
        super().__init__(message)

    def response(self) -> Response:
        """Return the response: flask-smorest's error shape."""
        body: dict[str, Any] = {"code": self.code, "status": HTTP_STATUS_CODES.get(self.code, "Unknown Error")}
        if self.message:
            body["message"] = self.message
        if self.errors:
            body["errors"] = self.errors
        return json_response(quoting_json(body), self.code, self.headers)


def quoting_json(value: Any) -> bytes:
    """Return JSON that quotes what was sent: in ASCII, because a lone surrogate among it has no form in UTF-8."""
    return json.dumps(value, allow_nan=False).encode("ascii")


HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Cache-Control", "private, no-cache"),
    ("Vary", "Authorization, Cookie"),
)
"""Of every answer. "private, no-cache": keep it for this caller alone, but ask each time whether it still holds."""
_JSON_HEADERS = (("Content-Type", JSON), *HEADERS)


def _response(body: bytes | None, code: int, headers: list[tuple[str, str]]) -> Response:
    # The host's own class, whose attributes its hooks may use; with every header that it might have a default for.
    return current_app.response_class(body, code, headers)


def empty_response(code: int, headers: Mapping[str, str] | None = None) -> Response:
    """Return a response without a body, and so without a content type."""
    response = _response(None, code, [*HEADERS, *(headers or {}).items()])
    del response.headers["Content-Type"]
    return response


MAX_BYTES = 8_000_000
"""The size of an answer. No answer grows without a bound, however much was stored."""


def json_response(body: bytes, code: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON response. It ends with a newline, for people at a terminal.

    Raises:
        Problem: 422 if it would be larger than an answer may be.
    """
    if len(body) > MAX_BYTES:
        raise Problem(422, f"The answer would be larger than {MAX_BYTES:,} bytes: ask for less at a time.")
    return _response(body + b"\n", code, [*_JSON_HEADERS, *(headers or {}).items()])


def problem_of(error: Exception) -> Problem:  # noqa: C901, PLR0911, PLR0912  # a table, read from top to bottom
    """Return the HTTP problem that an exception means."""
    match error:
        case Problem():
            return error
        case HTTPException():
            data = getattr(error, "data", None) or {}
            headers = {
                name: value
                for name, value in [*error.get_headers(), *dict(data.get("headers") or {}).items()]
                if name != "Content-Type"
            }
            errors = data.get("errors") or data.get("messages")
            return Problem(error.code or 500, data.get("message") or error.description, errors, headers)
        case InvalidParameters():
            return Problem(422, "The query has errors.", {"query": error.errors})
        case InvalidInput():
            return Problem(422, "The request has errors.", {"json": error.errors})
        case TemplateNotFound() | RevisionNotFound():
            return Problem(404, str(error))
        case NotAllowed():
            return Problem(403, str(error))
        case NameTaken():
            errors = {"name": error.name, "id": error.template_id}
            return Problem(409, str(error), {key: value for key, value in errors.items() if value})
        case TemplateInUse():
            errors = {"claims": error.claims, "workers": error.workers, "reason": error.reason}
            return Problem(409, str(error), {key: value for key, value in errors.items() if value})
        case ClaimRefused():
            given = {key: value for key, value in vars(error).items() if key != "name"}
            return Problem(409, str(error), {"reason": error.reason, **given})
        case TemplateKeepsChanging() | RestoreRefused() | DatabaseRefused():
            return Problem(409, str(error))
        case RevisionMismatch():
            return Problem(412, str(error), {"revision": error.current}, {"ETag": etag(error.current)})
        case DuplicateNames():
            # The names are for the server's log: not every client may know each of them.
            log.error("%s", error)
            return Problem(503, "The database holds several templates of one name; the server's log says which.")
        case DatabaseUnavailable() | NotReady():
            retry = {"Retry-After": str(error.retry_after)} if error.retry_after else {}
            return Problem(503, str(error), headers=retry)
    raise error  # a bug of this package or of a hook, which may name what clients shall not know


def problem_response(error: Exception) -> Response:
    """Return the response that an exception means; the error handler of the blueprints."""
    if isinstance(error, HTTPException) and error.response is not None:
        return cast("Response", error.response)  # a hook of the host made one of its own
    return problem_of(error).response()


def etag(revision: int) -> str:
    """Return the entity tag of a revision."""
    return f'"{revision}"'


def pagination(page: Page[Any]) -> dict[str, str]:
    """Return the ``X-Pagination`` header, with the members that flask-smorest gives it."""
    last = max(1, -(-page.total // page.page_size))
    data: dict[str, Any] = {"total": page.total, "total_pages": last if page.total else 0} if page.exact else {}
    if page.total:
        data |= {"first_page": 1, "last_page": last, "page": page.page}
        if not page.exact:
            del data["last_page"]
        if page.page > 1:
            data["previous_page"] = min(page.page - 1, last)
        if page.page < last:
            data["next_page"] = page.page + 1
    return {"X-Pagination": json.dumps(data)}


def handle_errors(blueprint: Blueprint) -> None:
    """Have a blueprint answer the errors of the host's own hooks too, such as a limit on requests, as JSON.

    For each status code, because the host's handler of one would go before the blueprint's of all. What is a bug (500)
    is left to the host, which may report it.
    """
    kinds: list[type[Exception] | int] = [HTTPException, WorkerTemplatesError, Problem]
    kinds += [code for code in default_exceptions if code != HTTPStatus.INTERNAL_SERVER_ERROR]
    for kind in kinds:
        blueprint.register_error_handler(kind, problem_response)
