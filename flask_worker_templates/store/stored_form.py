"""The stored form of a template, and the one function that presents a document.

The spec's fields stand at the top of the document, labels as ``key=value`` strings, so that a label is found through an
index.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import bson

from flask_worker_templates.model.spec import DEFAULTS, FIELDS, Spec
from flask_worker_templates.model.template import Claim, Template, rfc3339, spec_values, to_json

PRESENTED = {**dict.fromkeys(FIELDS, 1), "revision": 1, "is_seeded": 1, "created_at": 1, "updated_at": 1}
"""Projection of the fields that `present` reads."""


def to_stored(spec: Spec) -> dict[str, Any]:
    """Return the stored form of a spec."""
    # A label key holds no "=", so the first one divides.
    return {**spec, "labels": [f"{key}={value}" for key, value in spec["labels"].items()]}


def from_stored(document: Mapping[str, Any]) -> Spec:
    """Return the spec that a document, an event or a base holds.

    A field that an older version did not know has its default.
    """
    try:
        spec = {name: document[name] for name in FIELDS}
    except KeyError:
        spec = {name: DEFAULTS[name] if name in DEFAULTS else document[name] for name in FIELDS} | {
            name: document[name] for name in FIELDS if name in document
        }
    spec["capacity"] = dict(spec["capacity"])
    spec["port_range"] = dict(spec["port_range"])
    spec["extra"] = dict(spec["extra"])
    spec["labels"] = dict(label.split("=", 1) for label in spec["labels"])
    return spec


def present(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a template as the API shows it, ready for JSON. The one place where that is decided."""
    return {
        "id": document["_id"],
        **from_stored(document),
        "revision": document["revision"],
        "is_seeded": document["is_seeded"],
        "created_at": rfc3339(document["created_at"]),
        "updated_at": rfc3339(document["updated_at"]),
    }


_LARGEST_REMEMBERED = 8192  # bytes; so that what is remembered is bounded too, by some 64 MB


def present_raw(raw: bytes) -> tuple[int, bytes]:
    """Return the revision and the JSON of a template, given the BSON bytes that the server returned.

    Remembered by those bytes: what is shown is always what the server said a moment ago, and a template that did not
    change is not decoded again.
    """
    return _remembered(raw) if len(raw) <= _LARGEST_REMEMBERED else _decoded(raw)


def _decoded(raw: bytes) -> tuple[int, bytes]:
    document = bson.decode(raw)
    return document["revision"], to_json(present(document))


_remembered = functools.lru_cache(maxsize=4096)(_decoded)


def template_of(document: Mapping[str, Any]) -> Template:
    """Return the template that a document holds."""
    return Template(
        id=document["_id"],
        **spec_values(from_stored(document)),
        revision=document["revision"],
        is_seeded=document["is_seeded"],
        created_at=_in_utc(document["created_at"]),
        updated_at=_in_utc(document["updated_at"]),
    )


def claim_of(stored: Mapping[str, Any]) -> Claim:
    """Return the claim that a template's document holds."""
    return Claim(stored["worker_id"], stored["actor"], _in_utc(stored["claimed_at"]))


def _in_utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
