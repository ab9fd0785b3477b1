"""Documents as nobody of ours writes them: every field missing, null, of each wrong type, out of range."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bson import Binary, Code, Decimal128, Int64, MaxKey, ObjectId, Regex, Timestamp

Document = dict[str, Any]

MISSING = object()
"""Stands for the value of a field that is not there."""

MOMENT = datetime(2026, 1, 31, 12, tzinfo=UTC)
KINDS: dict[str, Any] = {
    "missing": MISSING,
    "null": None,
    "string": "\x1b[31mtext\u202e",
    "int": 7,
    "long": Int64(2**40),
    "double": 3.9,
    "nan": float("nan"),
    "infinity": float("inf"),
    "bool": True,
    "array": [],
    "array_of_one": [{"a": 1}],
    "object": {},
    "object_of_one": {"a": 1},
    "date": MOMENT,
    "id": ObjectId("0123456789abcdef01234567"),
    "decimal": Decimal128("48"),
    "binary": Binary(b"\0\xff"),
}
"""Values of each type of BSON that people come by."""

ODD_KINDS: dict[str, Any] = {
    "regex": Regex("^a"),
    "code": Code("a"),
    "timestamp": Timestamp(1, 1),
    "max_key": MaxKey(),
}
"""Values that mongomock cannot hold."""

_STRING, _WHOLE, _NUMBER, _FLAG, _DATE = (
    {"string"},
    {"int", "long"},
    {"int", "long", "double"},
    {"bool"},
    {"date"},
)

SPEC: dict[str, set[str]] = {
    "name": _STRING,
    "description": _STRING | {"missing"},
    "instance_type": _STRING,
    "capacity": set(),
    "capacity.cpu_cores": _WHOLE,
    "capacity.memory_gb": _WHOLE,
    "capacity.storage_gb": _WHOLE,
    "license_type": _STRING,
    "max_nodes": _WHOLE | {"missing"},
    "ami_pattern": _STRING | {"missing"},
    "startup_time_minutes": _WHOLE | {"missing"},
    "port_range": {"missing", "object", "object_of_one"},
    "port_range.start": _WHOLE | {"missing"},
    "port_range.end": _WHOLE | {"missing"},
    "enabled": _FLAG | {"missing"},
    "cost_per_hour_usd": _NUMBER | {"missing", "null"},
    "labels": {"missing", "array"},
    "max_claims": _WHOLE | {"missing", "null"},
    "deprecation": {"missing", "null"},
    "extra": {"missing", "object", "object_of_one"},
}
"""The fields of a spec, each with the kinds of value that it may have, in bounds or not."""

OWNED: dict[str, set[str]] = {
    "revision": set(),  # another one than that of the last event is none
    "is_seeded": _FLAG,
    "created_at": _DATE,
    "updated_at": _DATE,
    "source": _STRING | {"missing", "null"},
    "base": {"missing", "null"},
    "claims": {"array"},
    "last_event": set(),
}
EVENT: dict[str, set[str]] = {
    "template_id": set(),
    "revision": set(),
    "name": _STRING,
    "action": _STRING,
    "actor": _STRING,
    "at": _DATE,
    "token": _STRING,
    "spec": set(),
}

TEMPLATE: dict[str, set[str]] = {
    **SPEC,
    **OWNED,
    **{f"base.{path}": kinds for path, kinds in SPEC.items()},
    **{f"last_event.{path}": kinds for path, kinds in EVENT.items()},
    **{f"last_event.spec.{path}": kinds for path, kinds in SPEC.items()},
}
"""The fields of a template's document, each with the kinds of value that it may have."""

OF_EVENTS: dict[str, set[str]] = {
    **EVENT,
    "template_id": _STRING,
    "revision": _WHOLE,
    **{f"spec.{path}": kinds for path, kinds in SPEC.items()},
}
"""The fields of an event's document."""


@dataclass(frozen=True, slots=True)
class Case:
    """One corruption: where, what, and whether the document is still one of its kind."""

    path: str
    kind: str
    value: Any
    sound: bool

    def __str__(self) -> str:
        return f"{self.path}:{self.kind}"


SPECIAL: tuple[Case, ...] = (
    Case("labels", "without =", ["team"], sound=False),
    Case("labels", "numbers", [1], sound=False),
    Case("labels", "null", [None], sound=False),
    Case("claims", "numbers", [3], sound=False),
    Case("claims", "objects", [{}], sound=False),
    Case("claims", "no date", [{"worker_id": "w", "actor": "a", "claimed_at": "today"}], sound=False),
    Case("deprecation", "no message", {"replaced_by": None}, sound=False),
    Case("deprecation", "sound", {"message": "old"}, sound=True),
    Case("extra", "no JSON", {"a": {"b": [ObjectId("0123456789abcdef01234567")]}}, sound=False),
    Case("extra", "nan", {"a": float("nan")}, sound=False),
    Case("revision", "string", "1", sound=False),
    Case("revision", "zero", 0, sound=False),
    Case("revision", "ahead", 2, sound=False),
    Case("max_nodes", "whole double", 48.0, sound=True),
    Case("max_nodes", "negative", -1, sound=True),
    Case("max_nodes", "huge", Int64(2**62), sound=True),
    Case("port_range", "reversed", {"start": 9000, "end": 80}, sound=True),
    Case("license_type", "retired", "TRIAL", sound=True),
    Case("description", "long", "x" * 5000, sound=True),
    Case("instance_type", "empty", "", sound=True),
    Case("cost_per_hour_usd", "negative", -1.5, sound=True),
    Case("cost_per_hour_usd", "decimal", Decimal128("NaN"), sound=False),
    Case("labels", "out of bounds", ["=", "a b=c", "x=" + "y" * 1000], sound=True),
    Case("newer", "unknown field", {"of": "a newer version"}, sound=True),
    Case("capacity.gpus", "unknown field", 4, sound=True),
)


def cases(fields: Mapping[str, set[str]], kinds: Mapping[str, Any], special: tuple[Case, ...] = ()) -> Iterator[Case]:
    """Yield every field with every kind of value."""
    for path, allowed in fields.items():
        for kind, value in kinds.items():
            yield Case(path, kind, value, sound=kind in allowed)
    yield from special


def corrupted(document: Mapping[str, Any], case: Case) -> Document:
    """Return a document with one value changed."""
    changed = copy.deepcopy(dict(document))
    *outer, last = case.path.split(".")
    place = changed
    for key in outer:
        place = place[key]
    if case.value is MISSING:
        place.pop(last, None)
    else:
        place[last] = copy.deepcopy(case.value)
    return changed
