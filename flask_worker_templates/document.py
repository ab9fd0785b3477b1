"""`WorkerTemplate`, the MongoEngine document that hosts query and reference. It reads; the store writes.

Which database it reads is decided at each use by the current app, so that two apps with two databases work in one
process, also in threads. MongoEngine's own `switch_db` changes the class for everybody, which is why it is not used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NoReturn, TypeVar

import mongoengine as me
from mongoengine.connection import DEFAULT_CONNECTION_NAME
from mongoengine.queryset import QuerySetNoCache

from .errors import WorkerTemplatesError
from .runtime.app_state import ready_state
from .store.connection import TEMPLATES


def _refusing(what: str) -> Callable[..., NoReturn]:
    def refuse(*args: Any, **kwargs: Any) -> NoReturn:
        """Refuse, and name what works instead."""
        raise WorkerTemplatesError(what)

    return refuse


_refuse_write = _refusing(
    "WorkerTemplate is for reading. Change worker templates through the extension (WorkerTemplates.create, "
    ".update, .delete …), whose store keeps revisions and the audit trail."
)
_refuse_switch = _refusing(
    "WorkerTemplate reads the database and the collection of the current app, and no other. Query inside the app "
    "context of the app whose templates you mean."
)
_refuse_index = _refusing("The extension makes the indexes of WorkerTemplate itself, and no others can be added here.")
_refuse_delete_rule = _refusing(
    "A reverse_delete_rule has no effect for WorkerTemplate, because templates are not deleted through MongoEngine. "
    "To protect a template that is in use, claim it (WorkerTemplates.claim) or register a @templates.usage_check."
)


class _Reading:
    """Takes away what a query set of another document may write, and where it may look."""

    insert = create = update = update_one = upsert_one = modify = delete = _refuse_write
    using = _refuse_switch

    def aggregate(self, pipeline: Any, *suppl_pipeline: Any, **kwargs: Any) -> Any:
        """Run an aggregation that writes no collection."""
        stages = [pipeline] if isinstance(pipeline, Mapping) else list(pipeline)
        if any(not {"$out", "$merge"}.isdisjoint(stage) for stage in (*stages, *suppl_pipeline)):
            _refuse_write()
        return super().aggregate(stages, *suppl_pipeline, **kwargs)  # type: ignore[misc]

    def map_reduce(self, map_f: Any, reduce_f: Any, output: Any, *args: Any, **kwargs: Any) -> Any:
        """Run a map and reduce whose result is returned."""
        if output != "inline":
            _refuse_write()
        return super().map_reduce(map_f, reduce_f, output, *args, **kwargs)  # type: ignore[misc]


class ReadingQuerySet(_Reading, me.QuerySet):  # type: ignore[misc]
    """A query set whose writing methods refuse."""

    def no_cache(self) -> ReadingQuerySetNoCache:
        """Return a query set that does not keep what it read."""
        return _clone_into(self, ReadingQuerySetNoCache)


class ReadingQuerySetNoCache(_Reading, QuerySetNoCache):  # type: ignore[misc]
    """The same, without keeping what it read."""

    def cache(self) -> ReadingQuerySet:
        """Return a query set that keeps what it read."""
        return _clone_into(self, ReadingQuerySet)


Q = TypeVar("Q", bound=_Reading)


def _clone_into(queryset: Any, kind: Callable[[Any, Any], Q]) -> Q:
    return queryset._clone_into(kind(queryset._document, queryset._collection))  # type: ignore[no-any-return] # noqa: SLF001


_TOLERANT = {"strict": False}
"""A newer version may keep more fields; reading must go on."""


class CapacityDocument(me.EmbeddedDocument):  # type: ignore[misc]
    """What one machine has: cores, and memory and storage in GB."""

    meta: ClassVar[dict[str, Any]] = _TOLERANT

    cpu_cores = me.IntField(required=True)
    memory_gb = me.IntField(required=True)
    storage_gb = me.IntField(required=True)


class PortRangeDocument(me.EmbeddedDocument):  # type: ignore[misc]
    """The ports that a machine opens, both ends included."""

    meta: ClassVar[dict[str, Any]] = _TOLERANT

    start = me.IntField(required=True)
    end = me.IntField(required=True)


class DeprecationDocument(me.EmbeddedDocument):  # type: ignore[misc]
    """Why the template should not be used any more, and the name of the one to use instead."""

    meta: ClassVar[dict[str, Any]] = _TOLERANT

    message = me.StringField(required=True)
    replaced_by = me.StringField(null=True)


class ClaimDocument(me.EmbeddedDocument):  # type: ignore[misc]
    """A worker's registered use of the template."""

    meta: ClassVar[dict[str, Any]] = _TOLERANT

    worker_id = me.StringField(required=True)
    actor = me.StringField(required=True)
    claimed_at = me.DateTimeField(required=True)
    revision = me.IntField(null=True)
    ttl_seconds = me.IntField(null=True)
    renewed_at = me.DateTimeField(null=True)


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
    license_type = me.StringField(required=True)
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

    save = update = delete = modify = cascade_save = _refuse_write
    switch_db = switch_collection = _refuse_switch
    drop_collection = staticmethod(_refuse_write)
    create_index = ensure_indexes = staticmethod(_refuse_index)
    register_delete_rule = staticmethod(_refuse_delete_rule)

    # MongoEngine's private names, which a test pins: the only way to choose the database without changing the class.

    @classmethod
    def _get_db(cls) -> Any:
        return ready_state().access.collections.database

    @classmethod
    def _get_collection(cls) -> Any:
        # MongoEngine's context managers `switch_db` and `switch_collection` change these two.
        place = cls._meta.get("db_alias", DEFAULT_CONNECTION_NAME), cls._get_collection_name()
        if place != (DEFAULT_CONNECTION_NAME, TEMPLATES):
            _refuse_switch()
        return cls._get_db()[TEMPLATES]
