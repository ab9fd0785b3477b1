"""The fields of the host's own: what ``extra`` holds, under the marshmallow schema that the host declares.

The normal form of ``extra`` is what the schema dumps of what it loads. It is JSON, stable under another round, and
small. What a person gave wrongly is a `ValidationError`; what the schema does wrongly is a `HostSchemaError`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import marshmallow as ma
from marshmallow import fields

from flask_worker_templates.errors import HostSchemaError, SettingsError

from .extra_values import KEY, KEY_RULE, check_value, faults_of, in_nfc, merged_errors, nested_errors, not_json, same

NOT_DECLARED = "Unknown field. This app declares no fields of its own: see `WorkerTemplates(app, extra=SCHEMA)`."

SCALARS: tuple[type[fields.Field[Any]], ...] = (fields.String, fields.Number, fields.Boolean)
"""Kinds of field that a list can be filtered by."""


class ExtraFields:
    """What ``extra`` may hold in one app.

    Args:
        schema: a marshmallow schema, class or instance; None for an app that declares no fields of its own.
        unchecked: take any JSON instead. For where there is no app that could say.

    Raises:
        SettingsError: if the schema cannot work. It names the field.
    """

    def __init__(self, schema: ma.Schema | type[ma.Schema] | None = None, *, unchecked: bool = False) -> None:
        self.unchecked = unchecked
        self.schema = _schema_of(schema)
        self.defaults: dict[str, Any] = {}
        """Key to what it means where it is left out, in normal form."""
        if self.schema is not None:
            _check_fields(self.schema, "")
            self.defaults = {key: _default(self.schema, key) for key in self.keys if _has_default(self._field(key))}

    @property
    def keys(self) -> tuple[str, ...]:
        """The declared keys, in the order of the schema."""
        if self.schema is None:
            return ()
        return tuple(field.data_key or name for name, field in self.schema.fields.items())

    @property
    def filters(self) -> dict[str, fields.Field[Any]]:
        """The declared keys that a list can be filtered by, each with its field."""
        return {key: self._field(key) for key in self.keys if isinstance(self._field(key), SCALARS)}

    def _field(self, key: str) -> fields.Field[Any]:
        assert self.schema is not None  # noqa: S101  # there are no keys without it
        return next(field for name, field in self.schema.fields.items() if (field.data_key or name) == key)

    def keys_at(self, path: Sequence[str | int]) -> tuple[str, ...]:
        """Return the keys that an object may have which stands at a path below ``extra``."""
        schemas = [self.schema] if self.schema is not None else []
        for part in path:
            if isinstance(part, str):
                found = [
                    field for one in schemas for name, field in one.fields.items() if (field.data_key or name) == part
                ]
                schemas = [inner for field in found for inner in _inner_schemas(field, part)]
        return tuple(field.data_key or name for one in schemas for name, field in one.fields.items())

    def example(self) -> dict[str, Any]:
        """Return a value that the schema allows, made of its fields' examples and defaults; empty if none does."""
        if self.schema is None:
            return {}
        shown = {
            field.data_key or name: field.metadata["example"]
            for name, field in self.schema.fields.items()
            if "example" in field.metadata
        }
        for given in (shown, {}):
            try:
                return self.normalize(given)
            except (ma.ValidationError, HostSchemaError):
                continue
        return {}

    def unknown(self, stored: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is stored under keys that the schema does not know, or does not know any more."""
        if not stored or self.unchecked:
            return {}
        known = set(self.keys)
        return {key: value for key, value in stored.items() if key not in known}

    def normalize(self, given: Any) -> dict[str, Any]:
        """Return the normal form of a value of ``extra``.

        Raises:
            ValidationError: with every error and its place.
            HostSchemaError: if the schema does not do its part.
        """
        if not isinstance(given, Mapping):
            raise ma.ValidationError("Must be a mapping (in JSON, an object).")
        if self.schema is None and not self.unchecked:
            if given:
                raise ma.ValidationError({str(key): [NOT_DECLARED] for key in given})
            return {}
        self._check_input(given)
        data = in_nfc(given)
        if self.schema is None:
            return dict(data)
        normal = _round(self.schema, data)
        check_value(normal)
        again = _again(self.schema, normal)
        if not same(normal, again):
            key = next((key for key in {**normal, **again} if not same(normal.get(key), again.get(key))), "")
            raise HostSchemaError(
                f"extra.{key}", "is not stable: what the schema dumps, it loads and dumps as something else"
            )
        return normal

    def _check_input(self, given: Mapping[str, Any]) -> None:
        """Raise what is wrong with a value before the schema sees it, and then all that the schema says besides."""
        errors = nested_errors(given)
        if errors and self.schema is not None:
            try:
                _load(self.schema, given)
            except ma.ValidationError as error:
                errors = merged_errors(errors, error.messages_dict)
            except HostSchemaError:
                pass  # no schema has to accept such a value
        if errors:
            raise ma.ValidationError(errors)
        check_value(given)

    def today(self, stored: Mapping[str, Any]) -> dict[str, Any]:
        """Return the normal form, by the rules of today, of what is stored, without unknown keys.

        What cannot be normalised stands as it is.
        """
        known = {key: value for key, value in stored.items() if self.unchecked or key in set(self.keys)}
        try:
            return self.normalize(known)
        except (ma.ValidationError, HostSchemaError):
            return {**self.defaults, **known}

    def declaration(self, value: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a definition file writes for a value: without what it means anyway, and without unknown keys."""
        if self.schema is None:
            return dict(value) if self.unchecked else {}
        known = {key: value[key] for key in self.keys if key in value}
        shorter = {
            key: inner
            for key, inner in known.items()
            if key not in self.defaults or not same(self.defaults[key], inner)
        }
        try:
            return shorter if same(self.normalize(shorter), known) else known
        except (ma.ValidationError, HostSchemaError):
            return known


def _schema_of(schema: Any) -> ma.Schema | None:
    if isinstance(schema, type) and issubclass(schema, ma.Schema):
        try:
            schema = schema()
        except Exception as error:
            raise SettingsError(f"extra: the schema {schema.__name__} cannot be made: {error}") from error
    if schema is not None and not isinstance(schema, ma.Schema):
        raise SettingsError(f"extra must be a marshmallow schema (a class or an instance), not {schema!r:.200}")
    if schema is not None and schema.many:
        raise SettingsError("extra must be the schema of one object: it is made with many=True.")
    return schema


def _check_fields(schema: ma.Schema, prefix: str, above: tuple[type[ma.Schema], ...] = ()) -> None:
    for name, field in schema.fields.items():
        key = field.data_key or name
        path = f"extra.{prefix}{key}"
        if KEY.match(key) is None or key == "_schema":
            raise SettingsError(f"{path}: {KEY_RULE} _schema is none.")
        if field.load_only or field.dump_only:
            what, lacks = ("load_only", "shown") if field.load_only else ("dump_only", "set")
            raise SettingsError(f"{path} is {what}, so that it could not be {lacks}.")
        for inner in _inner_schemas(field, path):
            if type(inner) not in above:
                _check_fields(inner, f"{prefix}{key}.", (*above, type(schema)))


def _inner_schemas(field: fields.Field[Any], path: str) -> Iterator[ma.Schema]:
    if isinstance(field, fields.Pluck):
        return
    if isinstance(field, fields.Nested):
        try:
            yield field.schema
        except Exception as error:
            raise SettingsError(f"{path}: its schema cannot be made: {error}") from error
    elif isinstance(field, fields.List):
        yield from _inner_schemas(field.inner, path)
    elif isinstance(field, fields.Mapping) and field.value_field is not None:
        yield from _inner_schemas(field.value_field, path)


def _has_default(field: fields.Field[Any]) -> bool:
    return field.load_default is not ma.missing and not field.required


def _default(schema: ma.Schema, key: str) -> Any:
    """Return the normal form of a key's default."""
    name, field = next((name, field) for name, field in schema.fields.items() if (field.data_key or name) == key)
    path = f"extra.{key}"
    try:
        loaded = [field.load_default() if callable(field.load_default) else field.load_default for _ in range(2)]
        first, second = (field.serialize(field.attribute or name, {field.attribute or name: one}) for one in loaded)
        found = list(faults_of(first))
        again = field.serialize(
            field.attribute or name, {field.attribute or name: None if first is None else field.deserialize(first)}
        )
    except Exception as error:
        raise SettingsError(f"{path}: its default cannot be used: {error}") from error
    if found:
        raise SettingsError(f"{path}: its default cannot be used: {found[0][1]}")
    if first is ma.missing:
        raise SettingsError(f"{path}: its default cannot be dumped.")
    if not same(first, second) or not same(first, again):
        raise SettingsError(f"{path}: its default is not the same each time.")
    return first


def _load(schema: ma.Schema, data: Mapping[str, Any]) -> Any:
    try:
        return schema.load(data, unknown=ma.RAISE)
    except ma.ValidationError:
        raise
    except RecursionError:
        raise ma.ValidationError("Nested too deeply.") from None
    except Exception as error:
        raise HostSchemaError("extra", f"could not be checked: {type(error).__name__}: {error}") from error


def _dump(schema: ma.Schema, loaded: Any) -> dict[str, Any]:
    try:
        dumped = schema.dump(loaded)
    except Exception as error:
        raise HostSchemaError("extra", f"could not be dumped: {type(error).__name__}: {error}") from error
    if not isinstance(dumped, Mapping):
        raise HostSchemaError("extra", f"is dumped as {type(dumped).__name__}, not as a dict")
    for path, kind in not_json(dumped, "extra"):
        raise HostSchemaError(path, f"is dumped as {kind}, which is no JSON")
    return dict(dumped)


def _round(schema: ma.Schema, data: Mapping[str, Any]) -> dict[str, Any]:
    normal = in_nfc(_dump(schema, _load(schema, data)))
    return dict(normal)


def _again(schema: ma.Schema, normal: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return _round(schema, normal)
    except ma.ValidationError as error:
        raise HostSchemaError("extra", f"is not stable: what the schema dumps, it refuses: {error}") from error
