"""Many documents, made fast: written in their stored form, past the extension, or by the server itself."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId
from pymongo.collection import Collection
from pymongo.database import Database

from flask_worker_templates.model.records import Origin
from flask_worker_templates.model.spec import Spec, normalize
from flask_worker_templates.store.audit import event_id
from flask_worker_templates.store.commit import new_document, now
from flask_worker_templates.store.connection import Collections
from flask_worker_templates.store.indexes import ensure_indexes
from flask_worker_templates.store.stored_form import stored_at_top, to_stored
from tests.benchmarks import data

Document = dict[str, Any]
_CHUNK = 5_000
_IN_A_MILLISECOND = 8
"""Templates seeded, as fast as the extension does it."""


def make_indexes(database: Database[Document]) -> None:
    """Make all indexes, and wait for them, however many documents there are."""
    for missing in ensure_indexes(Collections.of(database)):
        missing.collection.create_indexes(list(missing.models))


def write_templates(
    database: Database[Document], count: int, *, source_of: Callable[[int], str] = str, file_set: str = "default"
) -> None:
    """Write the first so many templates as if they had been seeded from files, each with its event.

    Args:
        database: where; an empty one.
        count: how many.
        source_of: the definition file of the template of a number.
        file_set: its set.
    """
    templates, events = database["worker_templates"], database["worker_template_events"]
    # Everything that does not differ is taken from a document that the extension made.
    first = normalize(data.spec(0))
    model = new_document(first, actor="seeder", action="seeded", origin=Origin(first, source_of(0), file_set))
    extras = {key: value for key, value in first.items() if key not in data.spec(0)}
    begin = now() - timedelta(minutes=1)
    for start in range(0, count, _CHUNK):
        chunk = [
            _document(
                model,
                {**data.spec(number), **extras},
                source_of(number),
                begin + timedelta(milliseconds=number // _IN_A_MILLISECOND),
            )
            for number in range(start, min(count, start + _CHUNK))
        ]
        _insert(events, (document["last_event"] for document in chunk))
        _insert(templates, chunk)
    make_indexes(database)


def _document(model: Document, spec: Spec, source: str, at: datetime) -> Document:
    template_id, kept = str(uuid.uuid4()), to_stored(spec)
    event = {
        **model["last_event"],
        "_id": event_id(template_id, 1),
        "template_id": template_id,
        "name": spec["name"],
        "at": at,
        "token": str(ObjectId()),
        "spec": kept,
    }
    return {
        **model,
        "_id": template_id,
        **stored_at_top(kept),
        "source": source,
        "base": kept,
        "created_at": at,
        "updated_at": at,
        "last_event": event,
    }


def write_revisions(database: Database[Document], revisions: int) -> None:
    """Give each template so many revisions: the server itself writes their events.

    Each differs from the one before it in two fields. All are made by ``ci-0`` to ``ci-9`` in turn, a second apart, the
    last one now.
    """
    templates, events = database["worker_templates"], database["worker_template_events"]
    text: Document = {"$toString": "$n"}
    events.aggregate(
        [
            {"$set": {"n": {"$range": [1, revisions + 1]}}},
            {"$unwind": "$n"},
            {
                "$set": {
                    "_id": {"$concat": ["$template_id", ":", text]},
                    "revision": "$n",
                    "at": {"$add": ["$at", {"$multiply": [{"$subtract": ["$n", revisions]}, 1000]}]},
                    "action": {"$cond": [{"$eq": ["$n", 1]}, "$action", "updated"]},
                    "actor": {"$concat": ["ci-", {"$toString": {"$mod": ["$n", 10]}}]},
                    "token": {"$concat": ["$token", "-", text]},
                    "spec.description": {"$concat": ["revision ", text]},
                    "spec.max_nodes": {"$add": [20, {"$mod": ["$n", 50]}]},
                }
            },
            {"$unset": "n"},
            {"$out": "worker_template_events_made"},
        ],
        allowDiskUse=True,
    )
    events.drop()
    database["worker_template_events_made"].rename("worker_template_events")
    make_indexes(database)
    events.aggregate(
        [
            {"$match": {"revision": revisions}},
            {
                "$project": {
                    "_id": "$template_id",
                    "revision": "$revision",
                    "updated_at": "$at",
                    "description": "$spec.description",
                    "max_nodes": "$spec.max_nodes",
                    "last_event": "$$ROOT",
                }
            },
            {"$merge": {"into": "worker_templates", "whenMatched": "merge", "whenNotMatched": "fail"}},
        ]
    )
    templates.update_many({}, [{"$set": {"created_at": {"$subtract": ["$updated_at", (revisions - 1) * 1000]}}}])


def write_claims(templates: Collection[Document], template_id: str, count: int) -> None:
    """Give a template so many claims, all with leases of a day."""
    at = now()
    claims = [
        {
            "worker_id": f"worker-{number:05}",
            "actor": "fleet",
            "claimed_at": at,
            "revision": 1,
            "ttl_seconds": 86_400,
            "renewed_at": at,
        }
        for number in range(count)
    ]
    templates.update_one({"_id": template_id}, {"$set": {"claims": claims}})


def _insert(collection: Collection[Document], documents: Iterable[Document]) -> None:
    collection.insert_many(documents, ordered=False, bypass_document_validation=True)
