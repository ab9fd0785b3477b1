"""Requests: bodies and query strings, read strictly."""

from __future__ import annotations

import json
import re
from typing import Any, cast
from urllib.parse import unquote_to_bytes

from flask import Request, request
from werkzeug.exceptions import RequestEntityTooLarge

from .responses import Problem

MERGE_PATCH = "application/merge-patch+json"
_DEEPEST = 32  # levels of a JSON body; a spec has three


def read_json(accepted: tuple[str, ...], *, most: int) -> Any:
    """Return the JSON body of the current request, read strictly: no duplicate keys, no NaN, bounded size and depth.

    Args:
        accepted: the media types that it may have.
        most: bytes that it may have, where the host does not allow less.

    Raises:
        Problem: 415, 413 or 400, with what is wrong and where.
    """
    asked = current_request()
    if asked.mimetype not in accepted:
        sent = f"not {asked.mimetype!r:.100}" if asked.mimetype else "and the request has no Content-Type"
        raise Problem(
            415, f"The body must be {' or '.join(accepted)}, {sent}.", headers={"Accept": ", ".join(accepted)}
        )
    if asked.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Problem(
            415, "The body must be sent as it is, without a Content-Encoding.", headers={"Accept-Encoding": "identity"}
        )
    try:
        text = _body(asked, most).decode("utf-8-sig")  # some clients begin it with a byte order mark
    except UnicodeDecodeError as error:
        raise _bad_json(f"The body is not UTF-8: byte {error.start} cannot be read.") from None
    if _depth(text) > _DEEPEST:
        raise _bad_json(f"The body is nested more than {_DEEPEST} levels deep.")
    try:
        return _parse(text)
    except json.JSONDecodeError as error:
        raise _bad_json(f"{error.msg.removesuffix(' at')} at line {error.lineno}, column {error.colno}.") from None
    except ValueError as error:  # duplicate keys, NaN, or an integer of thousands of digits
        raise _bad_json(str(error).split(";", maxsplit=1)[0].rstrip(".") + ".") from None


def current_request() -> Request:
    """Return the request itself: each attribute of Flask's `request` takes the way to it anew."""
    return cast("Request", request._get_current_object())  # type: ignore[attr-defined]  # noqa: SLF001  # its public door


def _body(asked: Request, most: int) -> bytes:
    host = asked.max_content_length
    most = most if host is None else min(host, most)
    # One byte more than is allowed, for Werkzeug cuts off without a word what is beyond where there is no
    # Content-Length: what is too large must be seen to be.
    asked.max_content_length = most + 1
    try:
        body = asked.get_data(cache=False)
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
            raise ValueError(f"The key {key!r:.100} is a duplicate.")
        result[key] = value
    return result


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number.")


_parse = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant).decode


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
