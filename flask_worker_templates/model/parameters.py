"""What a list can be asked for: its parameters, their types and their bounds."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import marshmallow as ma
from marshmallow import fields, validate

from flask_worker_templates._defaults import LICENSE_TYPES
from flask_worker_templates.errors import InvalidParameters

from .fields import LABEL_KEY_PATTERN, TEXT_PATTERN, Choice, OneOf, Text
from .query_fields import ExtraFilter, QueryBoolean, QueryInteger, QueryTime
from .schema import Rules
from .suggestions import MAX_EXPLAINED, UNKNOWN, unknown
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

MAX_PAGE_SIZE = 200
MAX_PAGES = 1_000_000
MAX_NAME_LENGTH = 100
MAX_CURSOR_LENGTH = 256
_MAX_REMEMBERED_LENGTH = 100


class PageSchema(ma.Schema):
    """The parameters of every list."""

    class Meta:
        """Strict: an unknown parameter is an error."""

        unknown = ma.RAISE

    page = QueryInteger(1, MAX_PAGES, load_default=1, metadata={"description": "Page number, from 1."})
    page_size = QueryInteger(1, MAX_PAGE_SIZE, load_default=50, metadata={"description": "Items per page."})


class ListSchema(PageSchema):
    """The parameters of the list of templates."""

    sort = fields.String(
        load_default="name",
        validate=OneOf([sign + name for name in SORTS for sign in ("", "-")]),
        metadata={"description": "Sort order; a leading `-` means descending. Ties are ordered by id."},
    )
    q = Text(
        min=1,
        max=100,
        metadata={
            "description": "Text in the name, description, instance type or labels; upper and lower case are the same."
        },
    )
    name = Text(max=MAX_NAME_LENGTH, metadata={"description": "Exactly this name."})
    name_prefix = Text(max=MAX_NAME_LENGTH, metadata={"description": "Names that start with this."})
    license_type = fields.List(
        Choice(LICENSE_TYPES),
        # No example: Swagger UI would send it with "Try it out".
        metadata={"description": "One of these licence types."},
    )
    instance_type = Text(max=64, metadata={"description": "Exactly this instance type."})
    enabled = QueryBoolean(metadata={"description": "Only enabled, or only disabled ones."})
    deprecated = QueryBoolean(metadata={"description": "Only deprecated ones, or only those that are not."})
    is_seeded = QueryBoolean(metadata={"description": "Only seeded ones, or only ones created by hand."})
    label = fields.List(
        Text(
            max=320,
            pattern=LABEL_KEY_PATTERN.removesuffix("$") + "=" + TEXT_PATTERN.removeprefix("^"),
            rule="Must be key=value, the key 1–63 characters of A-Z a-z 0-9 . _ / -.",
        ),
        metadata={"description": "Has this label, as `key=value`. Repeated: has all of them."},
    )
    ami = Text(max=256, metadata={"description": "Templates whose `ami_pattern` matches this image name."})
    min_cpu_cores = QueryInteger(0, 999_999_999, metadata={"description": "Minimum number of cores."})
    min_memory_gb = QueryInteger(0, 999_999_999, metadata={"description": "Minimum memory, in GB."})
    min_storage_gb = QueryInteger(0, 999_999_999, metadata={"description": "Minimum storage, in GB."})
    min_nodes = QueryInteger(0, 999_999_999, metadata={"description": "Minimum of `max_nodes`."})


_SELECTION = {
    "cpu_cores": ("min_cpu_cores", "Minimum number of cores."),
    "memory_gb": ("min_memory_gb", "Minimum memory, in GB."),
    "storage_gb": ("min_storage_gb", "Minimum storage, in GB."),
    "nodes": ("min_nodes", "Minimum of `max_nodes`."),
}
"""Parameters of a selection, and what the list of templates calls them."""


class SelectSchema(ma.Schema):
    """The parameters of a selection. They are loaded under the names that the list of templates has for them."""

    class Meta:
        """Strict: an unknown parameter is an error."""

        unknown = ma.RAISE

    explain = QueryBoolean(
        load_default=False, metadata={"description": "Also show the templates that do not fit, each with the reasons."}
    )


class TrailSchema(PageSchema):
    """The parameters of the whole audit trail."""

    actor = Text(max=256, metadata={"description": "Changes made by exactly this actor."})
    action = fields.String(
        validate=validate.OneOf(ACTIONS),
        metadata={"description": "Only this kind of change."},
    )
    name = Text(max=MAX_NAME_LENGTH, metadata={"description": "Templates that had exactly this name after the change."})
    since = QueryTime(metadata={"description": "Changes at this time or later (RFC 3339, or a date)."})
    until = QueryTime(metadata={"description": "Changes before this time (RFC 3339, or a date)."})
    after = Text(
        max=MAX_CURSOR_LENGTH,
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


class CompareSchema(ma.Schema):
    """The parameters of a comparison of two revisions."""

    class Meta:
        """Strict: an unknown parameter is an error."""

        unknown = ma.RAISE

    before = QueryInteger(1, 2**31 - 1, required=True, data_key="from", metadata={"description": "One revision."})
    after = QueryInteger(1, 2**31 - 1, data_key="to", metadata={"description": "The other one; by default the newest."})


def list_schema(rules: Rules) -> ListSchema:
    """Return the parameters of the list of templates of one app: its licence types, and the fields of its own."""
    extra = rules.extra
    added = {
        f"extra.{key}": ExtraFilter(key, field, extra.defaults.get(key, ma.missing))
        for key, field in extra.filters.items()
    }
    types = fields.List(Choice(rules.license_types), metadata={"description": "One of these licence types."})
    return ListSchema.from_dict({"license_type": types, **added}, name="WorkerTemplateListSchema")()  # type: ignore[return-value]


def select_schema(listing: ma.Schema) -> ma.Schema:
    """Return the parameters of a selection in one app: those of its list that say what a template must have."""
    listed = listing.fields
    amounts = {
        name: QueryInteger(0, 999_999_999, attribute=meant, metadata={"description": said})
        for name, (meant, said) in _SELECTION.items()
    }
    same = {name: listed[name] for name in listed if name in ("license_type", "ami", "label") or "." in name}
    return SelectSchema.from_dict({**amounts, **same}, name="WorkerTemplateSelectSchema")()


def repeatable(schema: ma.Schema) -> frozenset[str]:
    """Return the parameters that may be given several times."""
    return frozenset(name for name, field in schema.fields.items() if isinstance(field, fields.List))


class WriteSchema(ma.Schema):
    """The parameters of every change."""

    class Meta:
        """Strict: an unknown parameter is an error."""

        unknown = ma.RAISE

    message = Text(max=500, metadata={"description": "Why the change is made; the audit trail keeps it."})


_trail = TrailSchema()
_page = PageSchema()
_write = WriteSchema()
_compare = CompareSchema()


def trail_parameters(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Load the parameters of the whole audit trail.

    Raises:
        InvalidParameters: as `load_parameters`.
    """
    return load_parameters(_trail, asked)


def page_parameters(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Load the parameters of any other list.

    Raises:
        InvalidParameters: as `load_parameters`.
    """
    return load_parameters(_page, asked)


def compare_parameters(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Load the parameters of a comparison: `before`, and `after` if it is given.

    Raises:
        InvalidParameters: as `load_parameters`.
    """
    return load_parameters(_compare, asked)


def write_parameters(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Load the parameters of a change.

    Raises:
        InvalidParameters: as `load_parameters`.
    """
    return load_parameters(_write, asked)


def message_of(message: str | None) -> str | None:
    """Return the message of a change, or None if there is none.

    Raises:
        InvalidParameters: if it is no string, too long, or holds control characters.
    """
    return None if message is None else write_parameters({"message": message})["message"] or None


def load_parameters(schema: ma.Schema, asked: Mapping[str, Any], *, remember: bool = True) -> dict[str, Any]:
    """Load parameters, with the defaults of those left out.

    Args:
        schema: of the parameters.
        asked: those that were given.
        remember: whether the same parameters always mean the same, as they do by fields of our own.

    Raises:
        InvalidParameters: with every parameter that is unknown or has a value that it cannot take.
    """
    if (remember or not asked) and isinstance(asked, dict) and all(map(_is_small, asked.values())):
        # With the types, because 1 and True are the same key. Copied, because the caller may change it.
        return dict(_remembered(schema, tuple([(name, type(value), value) for name, value in asked.items()])))
    return _load(schema, asked)


def _is_small(value: Any) -> bool:
    return value is None or isinstance(value, int) or (isinstance(value, str) and len(value) <= _MAX_REMEMBERED_LENGTH)


@functools.lru_cache(maxsize=1024)
def _remembered(schema: ma.Schema, items: tuple[tuple[str, type, Any], ...]) -> dict[str, Any]:
    return _load(schema, {name: value for name, _, value in items})


def _load(schema: ma.Schema, asked: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return dict(schema.load(asked))
    except ma.ValidationError as error:
        found = error.messages_dict
        few = len(found) <= MAX_EXPLAINED
        raise InvalidParameters(
            {
                name: [unknown(name, schema.fields)] if text == [UNKNOWN] and few else text
                for name, text in found.items()
            }
        ) from None


@dataclass(frozen=True, slots=True)
class Paging:
    """Which part of a list: page `page` of `size` items."""

    page: int
    size: int

    @property
    def skip(self) -> int:
        """How many items come before this page."""
        return (self.page - 1) * self.size
