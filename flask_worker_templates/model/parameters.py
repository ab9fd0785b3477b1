"""What a list can be asked for: its parameters, their types and their bounds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

import marshmallow as ma
from marshmallow import fields, validate

from flask_worker_templates.errors import InvalidParameters

from .claim import KEEP_TTL, MAX_TTL_SECONDS, MIN_TTL_SECONDS
from .fields import LABEL_KEY_PATTERN, TEXT_PATTERN, Choice, Flag, Pattern, Text, Whole
from .spec import LICENSE_TYPES
from .template import ACTIONS

SORTS = {
    "name": "name",
    "created_at": "created_at",
    "updated_at": "updated_at",
    "cost_per_hour_usd": "cost_per_hour_usd",
    "instance_type": "instance_type",
    "license_type": "license_type",
    "max_nodes": "max_nodes",
    "cpu_cores": "capacity.cpu_cores",
    "memory_gb": "capacity.memory_gb",
    "storage_gb": "capacity.storage_gb",
}
"""Names that a list can be sorted by, and the stored fields they mean."""

MOST_PAGE_SIZE = 200
MOST_PAGES = 1_000_000
LONGEST_NAME = 100
LONGEST_CURSOR = 256

# A number beyond all bounds is told the bounds; Python reads no more digits than these at any setting of its own.
_INTEGER = re.compile(r"-?[0-9]{1,640}\Z")


class Number(fields.Integer):
    """An integer of a query string: decimal digits only."""

    def __init__(self, minimum: int, maximum: int, **kw: Any) -> None:
        super().__init__(validate=validate.Range(minimum, maximum), **kw)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kw: Any) -> int:
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        if not isinstance(value, str) or _INTEGER.match(value) is None:
            raise self.make_error("invalid")
        return int(value)


class Truth(Flag):
    """A boolean of a query string: true or false."""

    default_error_messages: ClassVar[dict[str, Any]] = {"invalid": "Must be true or false."}  # type: ignore[misc]

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kw: Any) -> bool:
        if isinstance(value, str):
            value = {"true": True, "false": False}.get(value, value)
        return super()._deserialize(value, attr, data, **kw)


_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")


class Moment(fields.DateTime):
    """A time with its offset from UTC, as RFC 3339 writes it, or a date, which means its first moment in UTC.

    Loaded as naive UTC, as MongoDB keeps it.
    """

    default_error_messages: ClassVar[dict[str, Any]] = {  # type: ignore[misc]
        "invalid": "Must be a date, such as 2026-01-31, or a time with its offset, such as 2026-01-31T12:00:00Z; "
        "in a URL, + is written %2B."
    }

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kw: Any) -> datetime:
        try:
            moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).upper())
            if not isinstance(value, datetime) and _DATE.match(str(value)):  # a `date` too
                moment = moment.replace(tzinfo=UTC)
            if moment.tzinfo is None:
                raise ValueError
            return moment.astimezone(UTC).replace(tzinfo=None)
        except (ValueError, OverflowError):
            raise self.make_error("invalid") from None


class PageSchema(ma.Schema):
    """The parameters of every list."""

    class Meta:
        """Strict: an unknown parameter is an error."""

        unknown = ma.RAISE

    page = Number(1, MOST_PAGES, load_default=1, metadata={"description": "Page number, from 1."})
    page_size = Number(1, MOST_PAGE_SIZE, load_default=50, metadata={"description": "Items a page."})


class ListSchema(PageSchema):
    """The parameters of the list of templates."""

    sort = fields.String(
        load_default="name",
        validate=validate.OneOf([sign + name for name in SORTS for sign in ("", "-")]),
        metadata={"description": "Order; a leading `-` turns it around. Ties are ordered by id."},
    )
    name = Text(max=LONGEST_NAME, metadata={"description": "Exactly this name."})
    name_prefix = Text(max=LONGEST_NAME, metadata={"description": "Names that begin so."})
    license_type = fields.List(
        Choice(LICENSE_TYPES),
        # No example: Swagger UI would send it with "Try it out".
        metadata={"description": "One of these licence types."},
    )
    instance_type = Text(max=64, metadata={"description": "Exactly this instance type."})
    enabled = Truth(metadata={"description": "Only enabled, or only disabled ones."})
    is_seeded = Truth(metadata={"description": "Only seeded ones, or only ones created by hand."})
    label = fields.List(
        Text(
            max=320,
            pattern=LABEL_KEY_PATTERN.removesuffix("$") + "=" + TEXT_PATTERN.removeprefix("^"),
            rule="Must be key=value, the key 1–63 characters of A-Z a-z 0-9 . _ / -.",
        ),
        metadata={"description": "Has this label, as `key=value`; all of them where repeated."},
    )
    ami = Text(max=256, metadata={"description": "Templates whose `ami_pattern` matches this image name."})
    min_cpu_cores = Number(0, 999_999_999, metadata={"description": "At least so many cores."})
    min_memory_gb = Number(0, 999_999_999, metadata={"description": "At least so much memory, in GB."})
    min_storage_gb = Number(0, 999_999_999, metadata={"description": "At least so much storage, in GB."})
    min_nodes = Number(0, 999_999_999, metadata={"description": "`max_nodes` of at least this."})


class TrailSchema(PageSchema):
    """The parameters of the whole audit trail."""

    actor = Text(max=256, metadata={"description": "Changes made by exactly this actor."})
    action = fields.String(
        validate=validate.OneOf(ACTIONS),
        metadata={"description": "Only this kind of change."},
    )
    name = Text(max=LONGEST_NAME, metadata={"description": "Templates that had exactly this name after the change."})
    since = Moment(metadata={"description": "Changes at this time or later (RFC 3339, or a date)."})
    until = Moment(metadata={"description": "Changes before this time (RFC 3339, or a date)."})
    after = Text(
        max=LONGEST_CURSOR,
        metadata={
            "description": "Follows the trail: the events after this cursor, oldest first. Each comes exactly once, "
            "even if it is committed later under an earlier time. `start` begins with the first event. The next cursor "
            "is in the header `X-Next-Cursor` of every answer."
        },
    )

    @ma.validates_schema(pass_original=True)
    def _one_way_of_paging(self, data: Any, given: Any, **kw: Any) -> None:
        if "after" in data and "page" in given:
            raise ma.ValidationError("Not together with after, which takes the place of the page.", "page")


class ClaimsSchema(PageSchema):
    """The parameters of the list of all claims."""

    worker_id = Text(max=200, metadata={"description": "Claims of exactly this worker."})
    template = Text(max=LONGEST_NAME, metadata={"description": "Claims of the template of exactly this name."})
    outdated = Truth(
        metadata={
            "description": "Only claims of an earlier revision since which a field that matters to a machine has "
            "changed, or only the others."
        }
    )
    expired = Truth(metadata={"description": "Only leases that have ended, or only live claims."})


class WorkerTemplateClaimRequestSchema(ma.Schema):
    """What a worker says with a claim; all of it is optional."""

    class Meta:
        """Strict: an unknown field is an error."""

        unknown = ma.RAISE

    ttl_seconds = Whole(
        MIN_TTL_SECONDS,
        MAX_TTL_SECONDS,
        allow_none=True,
        metadata={
            "description": "Seconds after which the claim ends unless it is renewed; null for no end. Without it a "
            "lease keeps the time that it has, and a new claim has no end.",
            "example": 300,
        },
    )
    revision = Whole(
        1,
        2**31 - 1,
        metadata={"description": "The revision that the worker runs; by default the present one.", "example": 3},
    )


class WriteSchema(ma.Schema):
    """The parameters of every change."""

    class Meta:
        """Strict: an unknown parameter is an error."""

        unknown = ma.RAISE

    message = Text(max=500, metadata={"description": "Why the change is made; the audit trail keeps it."})


_list = ListSchema()
REPEATABLE = frozenset(name for name, field in _list.fields.items() if isinstance(field, fields.List))
"""Parameters of the list of templates that may be given several times."""
_trail = TrailSchema()
_page = PageSchema()
_write = WriteSchema()
_claims = ClaimsSchema()
_claim = WorkerTemplateClaimRequestSchema()


def list_parameters(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Load the parameters of the list of templates, with the defaults of those left out.

    Raises:
        InvalidParameters: with every parameter that is unknown or has a value that it cannot take.
    """
    return _load(_list, asked)


def trail_parameters(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Load the parameters of the whole audit trail.

    Raises:
        InvalidParameters: as `list_parameters`.
    """
    return _load(_trail, asked)


def page_parameters(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Load the parameters of any other list.

    Raises:
        InvalidParameters: as `list_parameters`.
    """
    return _load(_page, asked)


def claims_parameters(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Load the parameters of the list of all claims.

    Raises:
        InvalidParameters: as `list_parameters`.
    """
    return _load(_claims, asked)


def claim_parameters(asked: Any) -> dict[str, Any]:
    """Load what a worker says with a claim: `ttl` (with `KEEP_TTL` for nothing) and `revision` (or None).

    Raises:
        InvalidParameters: as `list_parameters`.
    """
    loaded = _load(_claim, asked)
    return {"ttl": loaded.get("ttl_seconds", KEEP_TTL), "revision": loaded.get("revision")}


def write_parameters(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Load the parameters of a change.

    Raises:
        InvalidParameters: as `list_parameters`.
    """
    return _load(_write, asked)


def message_of(message: str | None) -> str | None:
    """Return the message of a change, or None if there is none.

    Raises:
        InvalidParameters: if it is no string, too long, or holds control characters.
    """
    return None if message is None else write_parameters({"message": message})["message"] or None


def _load(schema: ma.Schema, asked: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return dict(schema.load(asked))
    except ma.ValidationError as error:
        raise InvalidParameters(error.messages_dict) from None


WORKER_ID_PATTERN = "^(?!\\.{1,2}$)[A-Za-z0-9._:@+=,-]{1,200}$"
_worker_id = Pattern(WORKER_ID_PATTERN, "A worker id is 1–200 characters of A-Z a-z 0-9 . _ : @ + = , -.")


def worker_id_of(value: str) -> str:
    """Return a worker id that has the form of one.

    Raises:
        InvalidParameters: if it has not.
    """
    try:
        return _worker_id(value)
    except ma.ValidationError as error:
        raise InvalidParameters({"worker_id": error.messages}) from None


@dataclass(frozen=True, slots=True)
class Window:
    """Which part of a list: page `page` of `size` items."""

    page: int
    size: int

    @property
    def skip(self) -> int:
        """How many items come before this page."""
        return (self.page - 1) * self.size
