"""HTTP as the routes need it: bodies, query strings, conditional requests, and errors in flask-smorest's shape."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import unquote_to_bytes

from flask import Response, request
from werkzeug.datastructures import ETags
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.http import HTTP_STATUS_CODES, parse_etags

from .errors import (
    DatabaseUnavailable,
    InvalidInput,
    NameTaken,
    NotAllowed,
    NotReady,
    RevisionMismatch,
    RevisionNotFound,
    TemplateDisabled,
    TemplateInUse,
    TemplateNotFound,
)
from .store import Precondition
from .template import Page

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
_DEEPEST = 32  # levels of a JSON body; a spec has three

# RFC 9110, section 8.8.3; obs-text is left in, as the RFC does.
_ETAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
# Section 5.6.1 wants empty elements of a list put up with.
_ETAG_LIST = re.compile(rf"[ \t]*+(?:\*|(?:,[ \t]*+)*+{_ETAG}[ \t]*+(?:,[ \t]*+(?:{_ETAG}[ \t]*+)?)*+)[ \t]*+\Z")


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


HEADERS = (("X-Content-Type-Options", "nosniff"), ("Cache-Control", "no-cache"))
"""Of every answer. "no-cache": keep it, but ask each time whether it still holds."""
_JSON_HEADERS = (("Content-Type", JSON), *HEADERS)


def empty_response(code: int, headers: Mapping[str, str] | None = None) -> Response:
    """Return a response without a body, and so without a content type."""
    response = Response(status=code, headers=[*HEADERS, *(headers or {}).items()])
    del response.headers["Content-Type"]
    return response


def json_response(body: bytes, code: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON response."""
    return Response(body, code, [*_JSON_HEADERS, *(headers or {}).items()])


def problem_of(error: Exception) -> Problem:  # noqa: C901, PLR0911  # a table, read from top to bottom
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
        case InvalidInput():
            return Problem(422, "The request has errors.", {"json": error.errors})
        case TemplateNotFound() | RevisionNotFound():
            return Problem(404, str(error))
        case NotAllowed():
            return Problem(403, str(error))
        case NameTaken():
            return Problem(409, str(error), {"name": error.name, "id": error.template_id})
        case TemplateInUse():
            errors = {"claims": error.claims, "workers": error.workers, "reason": error.reason}
            return Problem(409, str(error), {key: value for key, value in errors.items() if value})
        case TemplateDisabled():
            return Problem(409, str(error))
        case RevisionMismatch():
            return Problem(412, str(error), {"revision": error.current}, {"ETag": etag(error.current)})
        case DatabaseUnavailable() | NotReady():
            retry = {"Retry-After": str(error.retry_after)} if error.retry_after else {}
            return Problem(503, str(error), headers=retry)
    raise error  # a bug of this package or of a hook, which may name what clients shall not know


def problem_response(error: Exception) -> Response:
    """Return the response that an exception means; the error handler of the blueprints."""
    if isinstance(error, HTTPException) and error.response is not None:
        return cast("Response", error.response)  # a hook of the host made one of its own
    return problem_of(error).response()


# Bodies


def read_json(accepted: tuple[str, ...], *, most: int) -> Any:
    """Return the JSON body of the current request, read strictly: no duplicate keys, no NaN, bounded size and depth.

    Args:
        accepted: the media types that it may have.
        most: bytes that it may have, where the host does not allow less.

    Raises:
        Problem: 415, 413 or 400, with what is wrong and where.
    """
    if request.mimetype not in accepted:
        sent = f"not {request.mimetype!r:.100}" if request.mimetype else "and the request has no Content-Type"
        raise Problem(
            415, f"The body must be {' or '.join(accepted)}, {sent}.", headers={"Accept": ", ".join(accepted)}
        )
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Problem(
            415, "The body must be sent as it is, without a Content-Encoding.", headers={"Accept-Encoding": "identity"}
        )
    try:
        text = _body(most).decode("utf-8-sig")  # some clients begin it with a byte order mark
    except UnicodeDecodeError as error:
        raise _bad_json(f"The body is not UTF-8: byte {error.start} cannot be read.") from None
    if _depth(text) > _DEEPEST:
        raise _bad_json(f"The body is nested more than {_DEEPEST} levels deep.")
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except json.JSONDecodeError as error:
        raise _bad_json(f"{error.msg.removesuffix(' at')} at line {error.lineno}, column {error.colno}.") from None
    except ValueError as error:  # duplicate keys, NaN, or an integer of thousands of digits
        raise _bad_json(str(error).split(";", maxsplit=1)[0].rstrip(".") + ".") from None


def _body(most: int) -> bytes:
    host = request.max_content_length
    most = most if host is None else min(host, most)
    # One byte more than is allowed, for Werkzeug cuts off without a word what is beyond where there is no
    # Content-Length: what is too large must be seen to be.
    request.max_content_length = most + 1
    try:
        body = request.get_data(cache=False)
    except RequestEntityTooLarge:
        body = None
    if body is None or len(body) > most:
        message = f"It must not be larger than {most:,} bytes."
        raise Problem(413, f"The body is too large. {message}", {"json": [message]})
    return body


# A string, also one that does not end: a match that can fail would be tried again from each quote inside it, which
# takes the square of the time.
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[{\]}]', re.DOTALL)


def _bad_json(message: str) -> Problem:
    return Problem(400, f"The body is not valid JSON: {message}", {"json": [message]})


def _depth(text: str) -> int:
    if text.count("[") + text.count("{") <= _DEEPEST:
        return 0
    depth = deepest = 0
    for token in _TOKEN.finditer(text):
        char = token[0][0]
        if char in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif char in "]}":
            depth -= 1
    return deepest


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise ValueError(f"The key {key!r:.100} is there twice.")
        result[key] = value
    return result


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number.")


# Query strings


def query_arguments(many: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Return the parameters of the query string; those in `many` as lists, all others at most once.

    Raises:
        Problem: 422 for a parameter that is given twice, or bytes that are no text.
    """
    arguments: dict[str, Any] = {}
    twice: dict[str, list[str]] = {}
    try:
        # Percent-encoded or not; Werkzeug fails for the latter, and takes the former for the text "%FF".
        unquote_to_bytes(request.query_string).decode()
    except UnicodeDecodeError as error:
        message = f"Is not UTF-8: byte {error.start} cannot be read."
        raise Problem(422, "The query has errors.", {"query": {"_schema": [message]}}) from None
    for key, values in request.args.lists():
        arguments[key] = values if key in many else values[0]
        if key not in many and len(values) > 1:
            twice[key] = ["Given more than once."]
    if twice:
        raise Problem(422, "The query has errors.", {"query": twice})
    return arguments


def no_query() -> None:
    """Refuse the parameters of a query string on a route that has none.

    Passed over in silence, one that is misplaced would do harm: ``DELETE …?dry_run=true`` would delete.

    Raises:
        Problem: 422 for every parameter.
    """
    if request.query_string and (given := query_arguments()):
        raise Problem(422, "The query has errors.", {"query": {name: ["Unknown field."] for name in given}})


def pagination(page: Page[Any]) -> dict[str, str]:
    """Return the ``X-Pagination`` header, with the members that flask-smorest gives it."""
    last = max(1, -(-page.total // page.page_size))
    data: dict[str, Any] = {"total": page.total, "total_pages": last if page.total else 0}
    if page.total:
        data |= {"first_page": 1, "last_page": last, "page": page.page}
        if page.page > 1:
            data["previous_page"] = min(page.page - 1, last)
        if page.page < last:
            data["next_page"] = page.page + 1
    return {"X-Pagination": json.dumps(data)}


# Conditional requests (RFC 9110, section 13)


def etag(revision: int) -> str:
    """Return the entity tag of a revision."""
    return f'"{revision}"'


def matches(revision: int) -> bool:
    """Return whether If-Match, if there is one, names this revision."""
    tags = _tags("If-Match")
    return tags is None or _contains(tags, revision)


def not_modified(revision: int) -> bool:
    """Return whether If-None-Match says that the client has this revision."""
    tags = _tags("If-None-Match")
    return tags is not None and _contains(tags, revision)


def precondition(*, required: bool) -> Precondition | None:
    """Return what the request's If-Match and If-None-Match say about a change.

    Weak tags count in If-Match too: a proxy that compresses makes the tag weak, and the revision says it all.

    Raises:
        Problem: 428 if If-Match is required and missing, 422 if a header is malformed.
    """
    wanted, unwanted = (_tags(name) for name in ("If-Match", "If-None-Match"))
    if wanted is None and required:
        raise Problem(428, "This change needs an If-Match header with the ETag of the template it was made for.")
    if wanted is None and unwanted is None:
        return None

    def allowed(revision: int) -> bool:
        if wanted is not None and not _contains(wanted, revision):
            return False
        return unwanted is None or not _contains(unwanted, revision)

    return allowed


def _tags(name: str) -> ETags | None:
    header = request.headers.get(name)
    if header is None:
        return None
    if _ETAG_LIST.match(header) is None:
        message = 'Must be * or entity tags in double quotes, such as "3".'
        raise Problem(422, f"The header {name} is malformed.", {"headers": {name: [message]}})
    return parse_etags(header.strip())  # Werkzeug before 3.1.9 takes blanks for a part of a tag


def _contains(tags: ETags, revision: int) -> bool:
    return tags.contains_weak(str(revision))
