"""The kinds of value that a query string has: strings to begin with, checked as strictly as a body."""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

import marshmallow as ma
from marshmallow import fields, validate

from .extra_values import scalar_string
from .fields import StrictBoolean, is_utf8

# A number beyond all bounds is told the bounds; Python reads no more digits than these at any setting of its own.
_INTEGER = re.compile(r"-?[0-9]{1,640}\Z")


_DECIMAL = re.compile(r"-?[0-9]{1,100}(\.[0-9]{1,100})?([eE][+-]?[0-9]{1,3})?\Z")


class QueryInteger(fields.Integer):
    """An integer of a query string: decimal digits only."""

    def __init__(self, minimum: int, maximum: int, **kw: Any) -> None:
        super().__init__(validate=validate.Range(minimum, maximum), **kw)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kw: Any) -> int:
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        if not isinstance(value, str) or _INTEGER.match(value) is None:
            raise self.make_error("invalid")
        return int(value)


class QueryBoolean(StrictBoolean):
    """A boolean of a query string: true or false."""

    default_error_messages: ClassVar[dict[str, Any]] = {"invalid": "Must be true or false."}  # type: ignore[misc]

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kw: Any) -> bool:
        if isinstance(value, str):
            value = {"true": True, "false": False}.get(value, value)
        return super()._deserialize(value, attr, data, **kw)


_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")


class QueryTime(fields.DateTime):
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


@dataclass(frozen=True, slots=True)
class ExtraCondition:
    """What a list asks of one key of ``extra``: any of a few values.

    marshmallow loads ``extra.KEY`` into a dict ``extra``, by key.

    Attributes:
        key: which.
        values: what is asked for, as `extra.scalar_string` writes it.
        or_absent: whether a template that lacks the key has one of these values, because it is the default.
    """

    key: str
    values: tuple[str, ...]
    or_absent: bool


class ExtraFilter(fields.List[Any]):
    """The values of a key of ``extra`` in a query string, or in Python."""

    def __init__(self, key: str, declared: fields.Field[Any], default: Any) -> None:
        self._key = key
        self._default = default
        described = declared.metadata.get("description", "")
        super().__init__(
            _ExtraValue(declared),
            metadata={"description": f"One of these values of the field `extra.{key}`. {described}".strip()},
        )

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kw: Any) -> Any:
        values = super()._deserialize(value if isinstance(value, list) else [value], attr, data, **kw)
        strings = tuple(scalar_string(self._key, one) for one in values)
        absent = scalar_string(self._key, self._default) if self._default is not ma.missing else None
        return ExtraCondition(self._key, tuple(one for one in strings if one is not None), absent in strings)


class _ExtraValue(fields.Field[Any]):
    """One value, in the normal form that the declared field gives it. Its own validators are not asked."""

    def __init__(self, declared: fields.Field[Any]) -> None:
        self._declared = declared
        kind = "boolean" if isinstance(declared, fields.Boolean) else "string"
        if isinstance(declared, fields.Number):
            kind = "integer" if isinstance(declared, fields.Integer) else "number"
        super().__init__(allow_none=True, metadata={"type": kind})

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kw: Any) -> Any:
        declared = self._declared
        if isinstance(value, str) and not isinstance(declared, fields.String):
            if value == "null" and declared.allow_none:
                return None
            numbers = _INTEGER if isinstance(declared, fields.Integer) else _DECIMAL
            if isinstance(declared, fields.Boolean):
                value = {"true": True, "false": False}.get(value, value)
            elif numbers.match(value):
                value = json.loads(value)
            if isinstance(value, str):
                kind = "true or false" if isinstance(declared, fields.Boolean) else "a number"
                raise ma.ValidationError(f"Must be {kind}.")
        try:
            normal = declared.serialize("value", {"value": declared._deserialize(value, None, None)})  # noqa: SLF001
        except ma.ValidationError:
            raise
        except (TypeError, ValueError, OverflowError):
            raise ma.ValidationError("Not a valid value.") from None
        if isinstance(normal, str):
            if not is_utf8(normal):
                raise ma.ValidationError("Not valid UTF-8.")
            normal = unicodedata.normalize("NFC", normal)
        return normal
