"""Templates as the API shows them, from the bytes that the server sent."""

from __future__ import annotations

import copy
import functools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flask_worker_templates.model.template import Template, rfc3339, to_json

from .adapter import Projection
from .decoding import SHOWN, decode
from .soundness import check_template
from .stored_form import from_stored, owned_by_template, template_of

PRESENTED = Projection(dict.fromkeys(SHOWN, 1))
"""Projection of the fields that `present` reads."""


def present(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a template as the API shows it, ready for JSON. The one place where that is decided.

    Raises:
        Malformed: if the document is no template.
    """
    owned = owned_by_template(document)
    return {
        "id": owned["_id"],
        **from_stored(document),
        "revision": owned["revision"],
        "is_seeded": owned["is_seeded"],
        "created_at": rfc3339(owned["created_at"]),
        "updated_at": rfc3339(owned["updated_at"]),
    }


MAX_REMEMBERED = 8192  # bytes; so that what is remembered is bounded too, by some 64 MB


def present_raw(raw: bytes) -> bytes:
    """Return the JSON of a template, given the BSON bytes that the server returned.

    Remembered by those bytes: what is shown is always what the server said a moment ago, and a template that did not
    change is not decoded again.

    Raises:
        Malformed: if the document is no template.
    """
    return _remembered(raw) if len(raw) <= MAX_REMEMBERED else _decoded(raw)


def _decoded(raw: bytes) -> bytes:
    return to_json(present(decode(raw)))


_remembered = functools.lru_cache(maxsize=4096)(_decoded)


def checked(raw: bytes) -> tuple[Template, bytes]:
    """Return the template and its JSON of a whole document (but its claims), after a look at everything of it.

    Raises:
        Malformed: if the document is no template.
    """
    template, shown = _whole(raw)
    # What is remembered is nobody's to change: each caller gets mappings of its own.
    return replace(template, labels=dict(template.labels), extra=copy.deepcopy(template.extra)), shown


def checked_raw(raw: bytes) -> tuple[int, bytes]:
    """Return the revision and the JSON of the same.

    Raises:
        Malformed: if the document is no template.
    """
    template, shown = _whole(raw)
    return template.revision, shown


def _whole(raw: bytes) -> tuple[Template, bytes]:
    return (_checked if len(raw) <= MAX_REMEMBERED else _decoded_and_checked)(raw)


def _decoded_and_checked(raw: bytes) -> tuple[Template, bytes]:
    document = decode(raw)
    check_template(document)
    return template_of(document), to_json(present(document))


_checked = functools.lru_cache(maxsize=1024)(_decoded_and_checked)
