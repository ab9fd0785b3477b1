"""What callers get: templates, events, claims and pages, and the one function that presents a template.

Documents come from MongoDB in the stored form (`to_stored`): the spec's fields at the top, labels as ``key=value``
strings, so that a label is found through an index.
"""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar, overload

import bson

from .spec import FIELDS, Spec

PRESENTED = {**dict.fromkeys(FIELDS, 1), "revision": 1, "is_seeded": 1, "created_at": 1, "updated_at": 1}
"""Projection of the fields that `present` reads."""

T = TypeVar("T")


def to_stored(spec: Spec) -> dict[str, Any]:
    """Return the stored form of a spec."""
    # A label key holds no "=", so the first one divides.
    return {**spec, "labels": [f"{key}={value}" for key, value in spec["labels"].items()]}


def from_stored(document: Mapping[str, Any]) -> Spec:
    """Return the spec that a document, an event or a base holds."""
    spec = {name: document[name] for name in FIELDS}
    spec["capacity"] = dict(spec["capacity"])
    spec["port_range"] = dict(spec["port_range"])
    spec["labels"] = dict(label.split("=", 1) for label in spec["labels"])
    return spec


def rfc3339(moment: datetime) -> str:
    """Return a UTC time as RFC 3339 with milliseconds and ``Z``; a naive time is UTC, as PyMongo returns it."""
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return moment.isoformat(timespec="milliseconds") + "Z"


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


def to_json(value: Any) -> bytes:
    """Return compact UTF-8 JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


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


@dataclass(frozen=True, slots=True)
class Capacity:
    """What one machine has: cores, and memory and storage in GB."""

    cpu_cores: int
    memory_gb: int
    storage_gb: int


@dataclass(frozen=True, slots=True)
class PortRange:
    """The ports that a machine opens, both ends included."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Template:
    """One worker template, as it was when it was read. Changing it is the store's affair."""

    id: str
    revision: int
    is_seeded: bool
    created_at: datetime
    updated_at: datetime
    name: str
    description: str
    instance_type: str
    capacity: Capacity
    license_type: str
    max_nodes: int
    ami_pattern: str
    startup_time_minutes: int
    port_range: PortRange
    enabled: bool
    cost_per_hour_usd: float | None
    labels: Mapping[str, str]
    _presented: Mapping[str, Any]

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Template:
        """Return the template that a document of the database holds."""
        presented = present(document)
        values = {
            **presented,
            "capacity": Capacity(**presented["capacity"]),
            "port_range": PortRange(**presented["port_range"]),
            "created_at": datetime.fromisoformat(presented["created_at"]),
            "updated_at": datetime.fromisoformat(presented["updated_at"]),
        }
        return cls(**values, _presented=presented)

    def to_dict(self) -> dict[str, Any]:
        """Return the template as the API shows it."""
        return copy.deepcopy(dict(self._presented))

    def to_json(self) -> bytes:
        """Return the template as the API sends it."""
        return to_json(self._presented)

    @property
    def spec(self) -> Spec:
        """The editable part, in normal form."""
        return copy.deepcopy({name: self._presented[name] for name in FIELDS})

    @property
    def etag(self) -> str:
        """The entity tag: the revision, quoted."""
        return f'"{self.revision}"'


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of the audit trail.

    Attributes:
        spec: the spec after the change; for a deletion, the spec that was deleted.
        changes: the leaves that the change changed, as ``{"field": path, "from": old, "to": new}``.
    """

    template_id: str
    name: str
    revision: int
    action: str
    actor: str
    at: datetime
    spec: Spec
    changes: Sequence[Mapping[str, Any]]

    def to_dict(self) -> dict[str, Any]:
        """Return the event as the API shows it."""
        return {
            "template_id": self.template_id,
            "name": self.name,
            "revision": self.revision,
            "action": self.action,
            "actor": self.actor,
            "at": rfc3339(self.at),
            "changes": [dict(change) for change in self.changes],
            "spec": copy.deepcopy(self.spec),
        }


@dataclass(frozen=True, slots=True)
class Claim:
    """A worker's registered use of a template."""

    worker_id: str
    actor: str
    claimed_at: datetime

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Claim:
        """Return the claim that a template's document holds."""
        return cls(stored["worker_id"], stored["actor"], stored["claimed_at"].replace(tzinfo=UTC))

    def to_dict(self) -> dict[str, Any]:
        """Return the claim as the API shows it."""
        return {"worker_id": self.worker_id, "actor": self.actor, "claimed_at": rfc3339(self.claimed_at)}


@dataclass(frozen=True, slots=True)
class Page(Sequence[T], Generic[T]):
    """One page of a longer list; itself the sequence of its items.

    Attributes:
        total: how many items all pages hold. Of an unfiltered list it comes from the server's own count of the
            collection, which may be off after a crash of the server until that was corrected by a write.
        page: this page's number, from 1.
        page_size: the most items that a page holds.
    """

    items: tuple[T, ...]
    total: int
    page: int
    page_size: int

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)
