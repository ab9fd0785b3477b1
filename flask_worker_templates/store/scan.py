"""One scan of the database for documents that are no templates or events, and for values that break the rules."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import bson
from pymongo.collection import Collection

from flask_worker_templates.model.fields import nfc
from flask_worker_templates.model.printable import printable
from flask_worker_templates.model.rules import SpecRules

from .adapter import is_real, raw_bytes
from .decoding import CHECKED, decoded
from .soundness import check_template
from .stored_claims import check_claims
from .stored_events import check_event
from .stored_form import from_stored
from .stored_schema import bad_claims, suspect_events, suspect_templates
from .stored_types import Malformed, Placeholder

if TYPE_CHECKING:
    from .connection import Collections, Document

TEMPLATES = "worker_templates"
EVENTS = "worker_template_events"

MAX_KNOWN = 10_000
"""The most documents of one kind that are kept in mind."""


@dataclass(frozen=True, slots=True)
class Bad:
    """A document that is no template or no event.

    Attributes:
        id: its ``_id``, of whatever type.
        name: the name that it blocks, if it has one.
        problem: what is wrong with it, as a clause.
        template_id: for an event, the template that it says it is of.
    """

    id: Any
    name: str | None
    problem: str
    template_id: Any = None


@dataclass(slots=True)
class Known:
    """What is known of one database."""

    templates: dict[bytes, Bad] = field(default_factory=dict)
    events: dict[bytes, Bad] = field(default_factory=dict)
    out_of_bounds: dict[str, str] = field(default_factory=dict)
    spelled: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """By NFC name, the names as stored, where they are not in NFC themselves."""


def scan_templates(db: Collections, before: Known, found: Known, rules: SpecRules) -> None:
    """Add to `found` what there is among the templates; what was known before is looked at again."""
    unclear: list[str] = []
    names: dict[str, list[str]] = defaultdict(list)
    for raw in _suspects(db.templates_raw, suspect_templates(rules), before.templates, CHECKED):
        document = decoded(raw)
        name = document.get("name")
        if type(name) is str and nfc(name) != name:
            names[nfc(name)].append(name)
        try:
            check_template(document)
        except Placeholder:
            continue
        except Malformed as error:
            _add(found.templates, Bad(document.get("_id"), name if type(name) is str else None, str(error)))
            continue
        unclear.append(document["_id"])
        if problems := _out_of_bounds(document, rules):
            found.out_of_bounds[document["_id"]] = (
                f"Worker template {name!r} ({document['_id']}) holds values that break the rules: {problems} They are "
                "shown as they are. Its next change has to correct them."
            )
    for document in _with_bad_claims(db, unclear):
        name = document["name"]
        _add(found.templates, Bad(document["_id"], name if type(name) is str else None, "claims are malformed"))
    composed = {}
    if names:
        query = {"name": {"$in": list(names)}}
        composed = {document["name"]: document["name"] for document in db.templates.find(query, {"name": 1})}
    found.spelled = {nfc: tuple(sorted(stored)) + ((nfc,) if nfc in composed else ()) for nfc, stored in names.items()}


def scan_events(db: Collections, before: Known, found: Known) -> None:
    """Add to `found` what there is among the events; what was known before is looked at again."""
    for raw in _suspects(db.events_raw, suspect_events(), before.events, None):
        document = decoded(raw)
        try:
            check_event(document)
        except Malformed as error:
            _add(found.events, Bad(document.get("_id"), None, str(error), document.get("template_id")))


def key_of(document_id: Any) -> bytes:
    """Return what stands for an ``_id`` of any type."""
    return bson.encode({"_id": document_id})


def _add(known: dict[bytes, Bad], bad: Bad) -> None:
    if len(known) < MAX_KNOWN:
        known[key_of(bad.id)] = bad


def _suspects(
    collection: Collection[Any], query: dict[str, Any], known: Mapping[bytes, Bad], projection: dict[str, int] | None
) -> Iterator[bytes]:
    if not is_real(collection):
        query = {}
    elif known:
        query = {"$or": [query, {"_id": {"$in": [bad.id for bad in known.values()]}}]}
    for document in collection.find(query, projection):
        yield raw_bytes(document)


def _with_bad_claims(db: Collections, ids: list[str]) -> list[Document]:
    suspect = bad_claims() if is_real(db.templates) else {}
    found: list[Document] = []
    for start in range(0, len(ids), MAX_KNOWN):
        query = {"_id": {"$in": ids[start : start + MAX_KNOWN]}, **suspect}
        found += filter(_claims_are_bad, db.templates.find(query, {"name": 1, "claims": 1}))
    return found


def _claims_are_bad(document: Document) -> bool:
    try:
        check_claims(document)
    except Malformed:
        return True
    return False


def _out_of_bounds(document: Document, rules: SpecRules) -> str:
    faults = rules.faults(from_stored(document))
    return printable("; ".join(f"{path}: {text}" for path, text in faults)) + "." if faults else ""
