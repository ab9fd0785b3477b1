"""Conditional requests (RFC 9110, section 13). The entity tag of a template is its revision, quoted."""

from __future__ import annotations

import re

from flask import request
from werkzeug.datastructures import ETags
from werkzeug.http import parse_etags

from flask_worker_templates.store.store import Precondition

from .responses import Problem

# RFC 9110, section 8.8.3; obs-text is left in, as the RFC does.
_ETAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
# Section 5.6.1 wants empty elements of a list to be accepted.
_ETAG_LIST = re.compile(rf"[ \t]*+(?:\*|(?:,[ \t]*+)*+{_ETAG}[ \t]*+(?:,[ \t]*+(?:{_ETAG}[ \t]*+)?)*+)[ \t]*+\Z")

# What compresses an answer on its way gives it a tag of its own: Flask-Compress "1:gzip", Apache "1-gzip", others ";".
_SUFFIX = re.compile(r"[-:;](?:x-)?(?:gzip|br|zstd|deflate|compress)\Z")


def if_match_holds(revision: int) -> bool:
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
    return tags.star_tag or any(tag and _SUFFIX.sub("", tag) == str(revision) for tag in tags.as_set(include_weak=True))
