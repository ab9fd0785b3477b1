"""The console's stylesheets, scripts and icon: their URLs, and sending them compressed.

Nothing of a person is in them, so that compressing them gives nothing away, which it could with a page.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from functools import cache
from pathlib import Path

from flask import Response, request, send_from_directory, url_for

STATIC = Path(__file__).parent / "static"

_COMPRESSED = frozenset({".css", ".js", ".svg"})


def asset_url(endpoint: str, name: str) -> str:
    """Return the URL of a static file, which changes with its content, so that browsers may keep it."""
    return url_for(endpoint, filename=name, v=_digest(name))


def send_asset(filename: str) -> Response:
    """Send a static file, compressed where the browser takes that and wants the whole."""
    content = None if "Range" in request.headers or not request.accept_encodings["gzip"] else _compressed(filename)
    if content is None:
        answer = send_from_directory(STATIC, filename)
    else:
        answer = Response(content, mimetype=mimetypes.guess_type(filename)[0])
        answer.content_encoding = "gzip"
        answer.set_etag(f"{_digest(filename)}-gzip")
        answer.make_conditional(request)
    answer.vary.add("Accept-Encoding")
    return answer


@cache
def _names() -> frozenset[str]:
    return frozenset(path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*") if path.suffix in _COMPRESSED)


@cache
def _digest(name: str) -> str:
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]


def _compressed(name: str) -> bytes | None:
    return _content(name) if name in _names() else None  # no other path is ever opened here


@cache
def _content(name: str) -> bytes:
    return gzip.compress((STATIC / name).read_bytes(), mtime=0)
