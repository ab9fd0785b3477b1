"""What the server itself can tell of documents: a JSON Schema that finds those worth a closer look.

A scan of all documents by this process would cost a hundred times as much as one by the server. What passes the schema
is a template, or an event, as far as `stored_form` is concerned, and within its bounds; what does not pass is only
suspect (a name beyond ASCII, 48.0 for 48), and is looked at here. So the schema may be strict, but never lax.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

import marshmallow as ma
from marshmallow import fields, validate

from flask_worker_templates.errors import HostSchemaError
from flask_worker_templates.model.extra import ExtraFields
from flask_worker_templates.model.fields import WORD_PATTERN, Choice, Labels, Price, StrictBoolean, StrictInteger, Text
from flask_worker_templates.model.rules import SpecRules
from flask_worker_templates.model.spec import WorkerTemplateSpecSchema

Schema = dict[str, Any]

_STRING: Schema = {"bsonType": "string"}
_REVISION: Schema = {"bsonType": ["int", "long"], "minimum": 1}
_DATE: Schema = {"bsonType": "date"}
_NULL: Schema = {"bsonType": "null"}
_LAST = datetime(9999, 12, 31)  # noqa: DTZ001  # naive UTC, as MongoDB keeps it
_FIRST = datetime(1, 1, 2)  # noqa: DTZ001
_PRINTABLE, _VISIBLE = "[\\x20-\\x7e]", "[\\x21-\\x7e]"
_FITTING: list[dict[str, Any]] = [
    {"$lte": ["$port_range.start", "$port_range.end"]},
    {"$eq": ["$revision", "$last_event.revision"]},
    {"$eq": ["$_id", "$last_event.template_id"]},
]
"""What no schema can say, because it is about two values together."""


def _object(properties: Mapping[str, Schema], required: list[str]) -> Schema:
    return {"bsonType": "object", "properties": dict(properties), **({"required": required} if required else {})}


_CLAIM: Schema = {"worker_id": _STRING, "actor": _STRING, "claimed_at": _DATE}
# Claims of older versions lack these.
_LEASE: Schema = {
    "revision": {"bsonType": ["int", "long", "null"], "minimum": 1},
    "ttl_seconds": {"bsonType": ["int", "long", "null"]},
    "renewed_at": {"bsonType": ["date", "null"]},
}
_CLAIMS: Schema = {"bsonType": "array", "items": _object({**_CLAIM, **_LEASE}, list(_CLAIM))}


def suspect_templates(rules: SpecRules) -> dict[str, Any]:
    """Return the query for the documents of the templates that may be none, or out of the bounds of an app."""
    dates = ("created_at", "updated_at", "last_event.at")
    return _not_surely(_template(rules), dates, {"$expr": {"$and": _FITTING}})


@cache
def suspect_events() -> dict[str, Any]:
    """Return the query for the documents of the events that may be none: one for all who ask, so leave it as it is."""
    return _not_surely(_event(_spec(bounds=False)), ("at",))


def bad_claims() -> dict[str, Any]:
    """Return the query for the documents of templates whose claims may be none."""
    return {"$nor": [{"$jsonSchema": _object({"claims": _CLAIMS}, ["claims"])}]}


def _not_surely(schema: Schema, dates: tuple[str, ...], *others: dict[str, Any]) -> dict[str, Any]:
    within = [{date: {"$gte": _FIRST, "$lt": _LAST}} for date in dates]
    return {"$nor": [{"$and": [{"$jsonSchema": schema}, *within, *others]}]}


def _template(rules: SpecRules) -> Schema:
    spec, values = _spec(bounds=True), _spec(bounds=False)
    of_the_app: dict[str, Schema] = {"license_type": _STRING | {"enum": list(rules.license_types)}}
    if not _fits(rules.extra, {}):  # a key is required: no value is surely fine
        of_the_app["extra"] = {"not": {}}
    return _object(
        {
            **spec["properties"],
            **of_the_app,
            "_id": _STRING,
            "revision": _REVISION,
            "is_seeded": {"bsonType": "bool"},
            "created_at": _DATE,
            "updated_at": _DATE,
            "base": _nullable(values),
            "source": _nullable(_STRING),
            "claims": _CLAIMS,
            "last_event": _event(values),
        },
        [*spec["required"], "_id", "revision", "is_seeded", "created_at", "updated_at", "claims", "last_event"],
    )


def _event(spec: Schema) -> Schema:
    owned = dict.fromkeys(("_id", "template_id", "name", "action", "actor", "token"), _STRING)
    owned |= {"revision": _REVISION, "at": _DATE, "spec": spec}
    return _object(owned, list(owned))


@cache
def _spec(*, bounds: bool) -> Schema:
    """Return the schema of a spec's fields, with their bounds or with their types alone."""
    return _nested(WorkerTemplateSpecSchema().fields, bounds)


def _fits(extra: ExtraFields, value: dict[str, Any]) -> bool:
    try:
        extra.normalize(value)
    except (ma.ValidationError, HostSchemaError):
        return False
    return True


def _nested(known: Mapping[str, fields.Field[Any]], bounds: bool) -> Schema:
    # With bounds a field that is missing makes a document suspect, so that its default is looked at.
    required = [name for name, field in known.items() if field.required or bounds]
    return _object({name: _field(field, bounds) for name, field in known.items()}, required)


def _field(field: fields.Field[Any], bounds: bool) -> Schema:
    schema = _of(field, bounds)
    # `NullableNested` takes null without `allow_none`; its default is null.
    default = field.load_default() if callable(field.load_default) else field.load_default
    return _nullable(schema) if field.allow_none or default is None else schema


def _of(field: fields.Field[Any], bounds: bool) -> Schema:  # noqa: PLR0911  # a table
    match field:
        case Text():
            length = next(it for it in field.validators if isinstance(it, validate.Length))
            least, most = length.min or 0, "" if length.max is None else length.max
            kind = _VISIBLE if field.metadata.get("pattern") == WORD_PATTERN else _PRINTABLE
            # Spaces at the ends, which most fields refuse, are looked at.
            pattern = f"^(?! ){kind}{{{least},{most}}}(?<! )\\z"
            return _STRING | ({"pattern": pattern} if bounds else {})
        case Choice():
            one_of = next(it for it in field.validators if isinstance(it, validate.OneOf))
            return _STRING | ({"enum": list(one_of.choices)} if bounds else {})
        case StrictInteger():
            within = next(it for it in field.validators if isinstance(it, validate.Range))
            limits = {"minimum": within.min, "maximum": within.max} if bounds else {}
            return {"bsonType": ["int", "long"], **limits}
        case StrictBoolean():
            return {"bsonType": "bool"}
        case Price():  # a number that is finite, which NaN is not
            return {"bsonType": ["double", "int", "long"], "minimum": 0 if bounds else -1e308, "maximum": 1e308}
        case Labels():
            label = f"^[A-Za-z0-9._/-]{{1,63}}={_PRINTABLE}{{0,{Labels.MAX_VALUE_LENGTH}}}\\z" if bounds else "="
            at_most = {"maxItems": Labels.MAX} if bounds else {}
            return {"bsonType": "array", "items": {**_STRING, "pattern": label}, **at_most}
        case fields.Nested():
            return _nested(field.schema.fields, bounds)
        case _:  # free-form: only what is empty is surely fine
            return {"bsonType": "object", "maxProperties": 0}


def _nullable(schema: Schema) -> Schema:
    return {"anyOf": [_NULL, schema]}
