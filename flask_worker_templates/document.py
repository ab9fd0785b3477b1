"""`WorkerTemplate`, the MongoEngine document that hosts query and reference. It reads; the store writes.

Which database it reads is decided at each use by the current app, so that two apps with two databases work in one
process, also in threads. MongoEngine's own `switch_db` changes the class for everybody, which is why it is not used.
"""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn

import mongoengine as me
from mongoengine.queryset import QuerySetNoCache

from .errors import WorkerTemplatesError
from .model.spec import LICENSE_TYPES
from .runtime.app_state import ready_state
from .store.connection import TEMPLATES


def _refuse(*args: Any, **kwargs: Any) -> NoReturn:
    """Refuse, and name the way that keeps the audit trail."""
    raise WorkerTemplatesError(
        "WorkerTemplate is for reading. Change worker templates through the extension (WorkerTemplates.create, "
        ".update, .delete …), whose store keeps revisions and the audit trail."
    )


class _Reading:
    """Takes a query set's writing methods away."""

    insert = create = update = update_one = upsert_one = modify = delete = _refuse


class ReadingQuerySet(_Reading, me.QuerySet):  # type: ignore[misc]
    """A query set whose writing methods refuse."""

    def no_cache(self) -> ReadingQuerySetNoCache:
        """Return a query set that does not keep what it read."""
        return self._clone_into(ReadingQuerySetNoCache(self._document, self._collection))  # type: ignore[no-any-return]


class ReadingQuerySetNoCache(_Reading, QuerySetNoCache):  # type: ignore[misc]
    """The same, without keeping what it read."""

    def cache(self) -> ReadingQuerySet:
        """Return a query set that keeps what it read."""
        return self._clone_into(ReadingQuerySet(self._document, self._collection))  # type: ignore[no-any-return]


class CapacityDocument(me.EmbeddedDocument):  # type: ignore[misc]
    """What one machine has: cores, and memory and storage in GB."""

    cpu_cores = me.IntField(required=True)
    memory_gb = me.IntField(required=True)
    storage_gb = me.IntField(required=True)


class PortRangeDocument(me.EmbeddedDocument):  # type: ignore[misc]
    """The ports that a machine opens, both ends included."""

    start = me.IntField(required=True)
    end = me.IntField(required=True)


class DeprecationDocument(me.EmbeddedDocument):  # type: ignore[misc]
    """Why the template should not be used any more, and the name of the one to use instead."""

    message = me.StringField(required=True)
    replaced_by = me.StringField(null=True)


class ClaimDocument(me.EmbeddedDocument):  # type: ignore[misc]
    """A worker's registered use of the template."""

    worker_id = me.StringField(required=True)
    actor = me.StringField(required=True)
    claimed_at = me.DateTimeField(required=True)


class WorkerTemplate(me.Document):  # type: ignore[misc]
    """A worker template as MongoDB keeps it, for the host's queries and references.

    Like the rest of the Python API it waits for the seeding, and raises `NotReady` where that failed.

    ``labels`` holds ``key=value`` strings: ``WorkerTemplate.objects(labels="team=qa")``.
    """

    meta: ClassVar[dict[str, Any]] = {
        "collection": TEMPLATES,
        "queryset_class": ReadingQuerySet,
        "auto_create_index": False,  # the store makes the indexes
        "strict": False,  # a newer version may keep more fields; reading must go on
    }

    id = me.StringField(primary_key=True)
    name = me.StringField(required=True)
    description = me.StringField()
    instance_type = me.StringField(required=True)
    capacity = me.EmbeddedDocumentField(CapacityDocument, required=True)
    license_type = me.StringField(required=True, choices=LICENSE_TYPES)
    max_nodes = me.IntField()
    ami_pattern = me.StringField()
    startup_time_minutes = me.IntField()
    port_range = me.EmbeddedDocumentField(PortRangeDocument)
    enabled = me.BooleanField()
    cost_per_hour_usd = me.FloatField(null=True)
    labels = me.ListField(me.StringField())
    max_claims = me.IntField(null=True)
    deprecation = me.EmbeddedDocumentField(DeprecationDocument, null=True)
    extra = me.DictField()
    revision = me.IntField()
    is_seeded = me.BooleanField()
    created_at = me.DateTimeField()
    updated_at = me.DateTimeField()
    source = me.StringField(null=True)
    base = me.DictField(null=True)
    claims = me.EmbeddedDocumentListField(ClaimDocument)
    last_event = me.DictField()

    save = update = delete = modify = cascade_save = _refuse

    @classmethod
    def _get_db(cls) -> Any:
        return ready_state().access.collections.database

    @classmethod
    def _get_collection(cls) -> Any:
        return cls._get_db()[TEMPLATES]

    @classmethod
    def drop_collection(cls) -> NoReturn:
        """Refuse: dropping the collection would break the audit trail."""
        _refuse()
