"""Coverage-guided fuzzing of what reads requests: a value that keeps its promises or a documented error, never slow.

    pip install -e '.[fuzz]'
    python tests/fuzz/fuzz_requests.py -max_total_time=30

Takes libFuzzer's options and, if wanted, a corpus directory to start from and to add to. The first byte of an input
says which part of a request the rest of it is. No database is needed.
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(include=["flask_worker_templates"]):
    import bson
    from flask import Flask, request

    from flask_worker_templates.errors import InvalidInput
    from flask_worker_templates.http import conditional, requests, responses
    from flask_worker_templates.model import claim_parameters, parameters
    from flask_worker_templates.model.image_name import ami_matches
    from flask_worker_templates.model.rules import STANDARD
    from flask_worker_templates.model.spec import flatten, normalize, patched
    from flask_worker_templates.store import queries

MAX = 2048  # bytes of a body; below the longest input, so that the limit is met too
OPERATORS = {"$eq", "$gte", "$lte", "$lt", "$in", "$all"}

SPEC: dict[str, Any] = {
    "name": "a",
    "instance_type": "m5zn.metal",
    "capacity": {"cpu_cores": 48, "memory_gb": 192, "storage_gb": 500},
    "license_type": "PERSONAL",
    "cost_per_hour_usd": 1.5e0,
    "labels": {"team": "\u00e9"},
}
NORMAL = normalize(SPEC)

app = Flask(__name__)


def read_body(accepted: tuple[str, ...]) -> Any:
    """Read the body of the current request, which must be what Python's own reader makes of it."""
    body = request.environ["wsgi.input"].getvalue()
    found = requests.read_json(accepted, most=MAX)
    if len(body) > MAX or found != json.loads(body.decode("utf-8-sig")):
        raise AssertionError(found)
    return found


def spec_body() -> None:
    """A spec: POST, PUT. What is accepted is in normal form, which is stable, and MongoDB can hold it."""
    spec = normalize(read_body((responses.JSON,)))
    if normalize(spec) != spec or patched(spec, {}) != spec:
        raise AssertionError(spec)
    bson.encode(spec)
    json.dumps(spec, allow_nan=False).encode()


def patch_body() -> None:
    """A merge patch. Applied twice it does what it does once."""
    patch = read_body((requests.MERGE_PATCH, responses.JSON))
    spec = patched(NORMAL, patch)
    if patched(spec, patch) != spec or set(flatten(spec)) - set(flatten(normalize(spec))):
        raise AssertionError(spec)


def conditional_headers() -> None:
    """If-Match and If-None-Match: with both the same, no revision is allowed that either one excludes."""
    allowed = conditional.precondition(required=True)
    if allowed is None:
        raise AssertionError(request.headers)
    for revision in (1, 2, 10):
        named, known = conditional.if_match_holds(revision), conditional.not_modified(revision)
        if allowed(revision) is not (named and not known):
            raise AssertionError(revision)


def list_query() -> None:
    """The parameters of the list, which become operands of a query, and never operators."""
    asked = STANDARD.list_parameters(requests.query_arguments(STANDARD.repeatable))
    for condition in queries.conditions(asked):
        only_compares(condition)
    if "ami" in asked:
        ami_matches("*", asked["ami"])
    queries.order(asked["sort"])
    check_window(asked)


def trail_query() -> None:
    """The parameters of the audit trail."""
    asked = parameters.trail_parameters(requests.query_arguments())
    for condition in queries.trail_conditions(asked):
        only_compares(condition)
    check_window(asked)


def worker_id() -> None:
    """A worker id, which is a segment of a path."""
    found = claim_parameters.worker_id_of(request.query_string.decode("utf-8", "replace"))
    if not found.isascii() or not found.isprintable() or "/" in found or found in {".", ".."}:
        raise AssertionError(found)


def only_compares(condition: dict[str, Any]) -> None:
    """Check that a condition is one field with operators of the code, and scalars as their operands."""
    [(field, comparison)] = condition.items()
    if field.startswith("$") or not comparison.keys() <= OPERATORS:
        raise AssertionError(condition)
    for operand in comparison.values():
        if any(isinstance(one, dict | list) for one in (operand if isinstance(operand, list) else [operand])):
            raise AssertionError(condition)
    bson.encode(condition)


def check_window(asked: dict[str, Any]) -> None:
    """Check that the page asked for is one that MongoDB can skip to."""
    if not 0 <= parameters.Paging(asked["page"], asked["page_size"]).skip < 2**31 or asked["page_size"] > 200:
        raise AssertionError(asked)


PARTS: list[Callable[[], None]] = [spec_body, patch_body, conditional_headers, list_query, trail_query, worker_id]

SEEDS = [
    (0, json.dumps(SPEC).encode()),
    (0, b'\xef\xbb\xbf{"name": "\\ud83d\\ude00", "capacity": null, "max_nodes": -1.5e+3, "enabled": true}'),
    (1, b'{"labels": {"a": null, "b": "c"}, "capacity": {"cpu_cores": 48.0}, "max_nodes": null}'),
    (2, b'W/"1", "2" ,,"\xe9"'),
    (2, b"*"),
    (3, b"page=2&page_size=200&sort=-updated_at&license_type=PERSONAL&license_type=ENTERPRISE&label=a%3Db"),
    (3, b"name=%00&name_prefix=%F0%9F%98%80&ami=CML-2.9.1&min_cpu_cores=4&instance_type=m5&is_seeded=false"),
    (4, b"actor=anonymous&action=synced&since=2026-01-31T12:00:00Z&until=2026-01-31T12:00:00%2B01:00&name=a"),
    (5, b"i-0abc.d_e:f@g+h=i,j"),
]


def check(data: bytes) -> None:
    """Read one input.

    Raises:
        Exception: whatever else than `Problem` and `InvalidInput` a reader lets out, or a promise that is broken.
    """
    part, rest = PARTS[data[0] % len(PARTS)] if data else spec_body, data[1:]
    text = rest.decode("latin-1").replace("\r", " ").replace("\n", " ")  # servers let no line ends into headers
    environ = {
        "REQUEST_METHOD": "POST",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(rest),
        "CONTENT_TYPE": responses.JSON,
        "CONTENT_LENGTH": str(len(rest)),
        "QUERY_STRING": text,
        "HTTP_IF_MATCH": text,
    }
    if len(rest) % 2:
        environ["HTTP_IF_NONE_MATCH"] = text[::-1]
    with app.request_context(environ):
        try:
            part()
        except (responses.Problem, InvalidInput) as error:
            response = responses.problem_response(error)
            shown = json.loads(response.get_data())
            if shown["code"] != response.status_code or not 400 <= response.status_code < 500 or not shown["message"]:
                raise AssertionError(shown) from None


def main() -> None:
    """Run libFuzzer over `check`, with one second as the limit of a single input."""
    with tempfile.TemporaryDirectory() as directory:
        for number, (part, rest) in enumerate(SEEDS):
            Path(directory, str(number)).write_bytes(bytes([part]) + rest)
        options = ["-timeout=1", "-rss_limit_mb=1024", "-max_len=4096"]
        atheris.Setup([sys.argv[0], *options, *sys.argv[1:], directory], check)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
