"""What callers get: templates, events, claims and pages, as values. Changing a template is the store's affair."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any, Generic, Literal, TypeVar, get_args, overload

from .extra_values import same
from .schema import FIELDS, Spec

T = TypeVar("T")

Action = Literal["seeded", "created", "updated", "synced", "reverted", "deleted", "restored"]
"""What an event of the audit trail says was done."""

ACTIONS: tuple[Action, ...] = get_args(Action)


def rfc3339(moment: datetime) -> str:
    """Return a UTC time as RFC 3339 with milliseconds and ``Z``; a naive time is UTC, as PyMongo returns it."""
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return moment.isoformat(timespec="milliseconds") + "Z"


_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def to_json(value: Any) -> bytes:
    """Return compact UTF-8 JSON."""
    return _compact(value).encode()


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
class Deprecation:
    """Why a template should not be used any more, and the name of the one to use instead."""

    message: str
    replaced_by: str | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Template:
    """One worker template, as it was when it was read: a value, equal to another that says the same.

    Its fields are those that the API shows, in their order, which is also what ``flask.jsonify`` makes of it.
    """

    id: str
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
    max_claims: int | None
    deprecation: Deprecation | None
    extra: Mapping[str, Any]
    revision: int
    is_seeded: bool
    created_at: datetime
    updated_at: datetime

    def __repr__(self) -> str:
        return f"<Template {self.name!r} at revision {self.revision}>"

    def __hash__(self) -> int:
        return hash((self.id, self.revision))

    @property
    def spec(self) -> Spec:
        """The editable part, in normal form."""
        spec = {name: getattr(self, name) for name in FIELDS}
        spec |= {name: _part(spec[name], names) for name, names in _PARTS.items()}
        spec["labels"] = dict(self.labels)
        spec["extra"] = copy.deepcopy(dict(self.extra)) if self.extra else {}
        return spec

    def to_dict(self) -> dict[str, Any]:
        """Return the template as the API shows it."""
        return {
            "id": self.id,
            **self.spec,
            "revision": self.revision,
            "is_seeded": self.is_seeded,
            "created_at": rfc3339(self.created_at),
            "updated_at": rfc3339(self.updated_at),
        }

    def with_spec(self, spec: Spec) -> Template:
        """Return the template that a change to this spec would make; itself if the spec is the one that it has."""
        if same(spec, self.spec):
            return self
        return replace(self, **spec_values(spec), revision=self.revision + 1)

    @property
    def etag(self) -> str:
        """The entity tag: the revision, quoted."""
        return f'"{self.revision}"'


def spec_values(spec: Spec) -> dict[str, Any]:
    """Return the fields of a `Template` that a spec in normal form gives it; its mappings are new ones."""
    return {
        **spec,
        "labels": dict(spec["labels"]),
        "extra": copy.deepcopy(spec["extra"]) if spec["extra"] else {},
        "capacity": Capacity(**spec["capacity"]),
        "port_range": PortRange(**spec["port_range"]),
        "deprecation": None if spec["deprecation"] is None else Deprecation(**spec["deprecation"]),
    }


_PARTS = {
    "capacity": tuple(field.name for field in fields(Capacity)),
    "port_range": tuple(field.name for field in fields(PortRange)),
    "deprecation": tuple(field.name for field in fields(Deprecation)),
}


def _part(value: Any, names: Sequence[str]) -> dict[str, Any] | None:
    return None if value is None else {name: getattr(value, name) for name in names}


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of the audit trail.

    Attributes:
        spec: the spec after the change; for a deletion, the spec that was deleted.
        changes: the leaves that the change changed, as ``{"field": path, "from": old, "to": new}``.
        message: why, in the words of who made the change; None if they gave none.
        reverted_to: the revision that was gone back to, for the action ``reverted``. None in events of older versions.
        pruned: whether a sync deleted the template because its entry is gone from the files.
    """

    template_id: str
    name: str
    revision: int
    action: Action
    actor: str
    at: datetime
    spec: Spec
    changes: Sequence[Mapping[str, Any]]
    message: str | None = None
    reverted_to: int | None = None
    pruned: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the event as the API shows it."""
        shown: dict[str, Any] = {
            "template_id": self.template_id,
            "name": self.name,
            "revision": self.revision,
            "action": self.action,
            "actor": self.actor,
            "at": rfc3339(self.at),
            "message": self.message,
            "changes": [dict(change) for change in self.changes],
            "spec": copy.deepcopy(self.spec),
        }
        if self.action == "reverted":
            shown["reverted_to"] = self.reverted_to
        if self.action == "deleted":
            shown["pruned"] = self.pruned
        return shown


@dataclass(frozen=True, slots=True)
class Page(Sequence[T], Generic[T]):
    """One page of a longer list; itself the sequence of its items.

    Attributes:
        total: how many items all pages hold. Of an unfiltered list it comes from the server's own count of the
            collection, which may be off after a crash of the server until that was corrected by a write.
        page: this page's number, from 1.
        page_size: the most items that a page holds.
        exact: whether `total` counts all pages. Else it is a minimum, and there may be another page.
        cursor: of a trail that is followed: what to ask for to get the events that come after these.
    """

    items: tuple[T, ...]
    total: int
    page: int
    page_size: int
    exact: bool = True
    cursor: str | None = None

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
