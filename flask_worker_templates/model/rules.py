"""The rules of a spec in one app: its licence types and the fields of its own are the host's to say.

Made once for each app. `STANDARD` serves where there is no app: ``worker-templates-validate``.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import marshmallow as ma

from flask_worker_templates._defaults import LICENSE_TYPES
from flask_worker_templates.errors import HostSchemaError, InvalidSpec

from .extra import ExtraFields
from .extra_values import same
from .fields import Text
from .merge_patch import merge_patch
from .parameters import list_schema, load_parameters, repeatable, select_schema
from .schema import FIELDS, NESTED, SERVER_OWNED, Rules, Spec, WorkerTemplateSpecSchema
from .suggestions import MAX_EXPLAINED, READ_ONLY, UNKNOWN, unknown

_KEYS = frozenset(FIELDS)
_DISTINCT = ("name", "description")  # hardly ever the same twice
_SMALL = 4  # keys of a mapping that is remembered: what anybody sends for a check must not fill the memory


class SpecRules(Rules):
    """The rules of a spec.

    Args:
        license_types: what ``license_type`` may be.
        license_default: what it is where a spec leaves it out; None requires it.
        extra: what ``extra`` may hold.
    """

    def __init__(
        self,
        license_types: Sequence[str] = LICENSE_TYPES,
        license_default: str | None = None,
        extra: ExtraFields | None = None,
    ) -> None:
        self.license_types = tuple(license_types)
        self.license_default = license_default
        self.extra = extra or ExtraFields()
        self._schema = WorkerTemplateSpecSchema(self)
        self._defaults = {name: it.load_default for name, it in self._schema.fields.items() if not it.required}
        self.list_schema = list_schema(self)
        self.repeatable = repeatable(self.list_schema)
        """Parameters of the list of templates that may be given several times."""
        # One a set of rules, so that what one app's rules made of a value is never another's.
        self.remembered = functools.lru_cache(maxsize=4096)(self._deserialized)

    @property
    def schema(self) -> ma.Schema:
        """The schema of a spec."""
        return self._schema

    @functools.cached_property
    def select_schema(self) -> ma.Schema:
        """The parameters of a selection, which not every app asks for."""
        return select_schema(self.list_schema)

    def normalize(self, data: Any, stored: Spec | None = None) -> Spec:
        """Return the normal form of a spec.

        Args:
            data: a mapping as read from a file, a request body or Python.
            stored: the spec that it takes the place of. Keys of ``extra`` that it holds, and that the app does not
                declare any more, may stay as they are.

        Raises:
            InvalidSpec: with every error of the spec and its path.
            HostSchemaError: if the app's schema of ``extra`` does not do its part.
        """
        kept: dict[str, Any] = {}
        if stored is not None and (unknown := self.extra.unknown(stored["extra"])) and isinstance(data, Mapping):
            extra = data.get("extra")
            if isinstance(extra, Mapping):
                kept = {key: value for key, value in unknown.items() if key in extra and same(extra[key], value)}
                data = {**data, "extra": {key: value for key, value in extra.items() if key not in kept}}
        spec = self._normalized(data)
        if kept:
            spec["extra"] = {**spec["extra"], **kept}
        return spec

    def _normalized(self, data: Any) -> Spec:
        try:
            return self._load_by_field(data)
        except (ma.ValidationError, TypeError, KeyError):
            pass  # something is wrong or unusual: the whole schema says all of it
        try:
            loaded = self._schema.load(data)
        except ma.ValidationError as error:
            raise InvalidSpec(self._explained(error.messages_dict, ())) from None
        return {name: loaded[name] for name in FIELDS}

    def _explained(self, errors: Mapping[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
        """Return the schema's errors, with what an unknown field may mean, unless there are too many for a mistake."""
        if len(errors) > MAX_EXPLAINED:
            return dict(errors)
        return {
            name: self._explained(found, (*path, str(name)))
            if isinstance(found, dict)
            else self._unknown(str(name), path)
            if found == [UNKNOWN]
            else found
            # Unknown fields come as a set, of which the order is another in each process.
            for name, found in sorted(errors.items(), key=lambda one: str(one[0]) if one[1] == [UNKNOWN] else "")
        }

    def _unknown(self, name: str, path: tuple[str, ...]) -> list[str]:
        if not path:
            return [READ_ONLY if name in SERVER_OWNED else unknown(name, FIELDS)]
        return [unknown(name, self.extra.keys_at(path[1:]) if path[0] == "extra" else NESTED.get(path[0], ()))]

    def patched(self, spec: Spec, patch: Any) -> Spec:
        """Return the normal form of `spec` with a merge patch applied; ``null`` brings a field's default back.

        Raises:
            InvalidSpec: if the result breaks a rule, or the patch names a field that there is not, even as null. An
                error of a stored value that the patch does not touch says so.
            HostSchemaError: as `normalize`.
        """
        if not isinstance(patch, Mapping):
            raise InvalidSpec({"_schema": ["Invalid input type: a merge patch is an object."]})
        result = merge_patch(spec, patch)
        # A null takes a field away, also one that there is not; put back, that one is an error among the others.
        result |= {key: None for key in patch if key not in FIELDS}
        known = {**NESTED, "extra": (*self.extra.keys, *spec["extra"])}
        for name, keys in known.items():
            if isinstance(patch.get(name), Mapping):
                result[name] |= {key: None for key in patch[name] if key not in keys}
        try:
            return self.normalize(result, spec)
        except InvalidSpec as error:
            raise InvalidSpec(_with_stored(error.errors, result, patch)) from None

    def replacement(self, data: Any) -> Callable[[Spec], Spec]:
        """Return the change that puts a whole spec in the place of another.

        The spec is checked at once, and again only where it holds what only the stored one can explain.

        Raises:
            InvalidSpec, HostSchemaError: as `normalize`.
        """
        unknown: set[str] = set()
        if isinstance(data, Mapping) and isinstance(data.get("extra"), Mapping):
            unknown = set(self.extra.unknown(data["extra"]))
        if unknown:
            return lambda stored: self.normalize(data, stored)
        wanted = self.normalize(data)
        return lambda stored: wanted

    def today(self, stored: Spec) -> Spec:
        """Return the normal form, by the rules of today, of a stored spec.

        For comparisons: without the keys of ``extra`` that the app does not declare (any more). What cannot be
        normalised stands as it is.
        """
        return self.judged(stored)[0]

    def judged(self, stored: Spec) -> tuple[Spec, bool]:
        """Return the same as `today`, and whether all of it could be normalised, so that no rule forbids it."""
        known = {**stored, "extra": self.extra.today(stored["extra"])}
        try:
            return self._normalized(known), True
        except (InvalidSpec, HostSchemaError):
            pass
        for name in FIELDS:
            if name != "extra":
                with suppress(ma.ValidationError):
                    known[name] = self._schema.fields[name].deserialize(known[name])
        return known, False

    def field_today(self, name: str, stored: Any) -> Any:
        """Return the normal form, by the rules of today, of a stored value of one field. No rule spans several.

        Raises:
            ValidationError: if the rules forbid it.
            HostSchemaError: as `normalize`.
        """
        field = self._schema.fields[name]
        if name != "extra":
            return stored if isinstance(field, Text) and field.stays(stored) else field.deserialize(stored)
        return field.deserialize(self.extra.today(stored)) if stored or self.extra.schema is not None else {}

    def revived(self, stored: Spec) -> Spec:
        """Return a spec of the past, if the rules of today allow it.

        Raises:
            InvalidSpec: with each value that they forbid.
            HostSchemaError: as `normalize`.
        """
        return self.patched(stored, {})

    def keeping(self, spec: Spec, stored: Spec) -> Spec:
        """Return a spec with the keys of ``extra`` that are stored and that the app does not declare (any more)."""
        unknown = self.extra.unknown(stored["extra"])
        return {**spec, "extra": {**unknown, **spec["extra"]}} if unknown else spec

    def faults(self, stored: Spec) -> list[tuple[str, str]]:
        """Return the path and the message of each stored value that the rules of today forbid."""
        try:
            self._normalized({**stored, "extra": dict(stored["extra"])} | self._known_extra(stored))
        except InvalidSpec as error:
            return error.flat()
        return []

    def _known_extra(self, stored: Spec) -> dict[str, Any]:
        unknown = self.extra.unknown(stored["extra"])
        return {"extra": {key: value for key, value in stored["extra"].items() if key not in unknown}}

    def list_parameters(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Load the parameters of the list of templates, with the defaults of those left out.

        Raises:
            InvalidParameters: with every parameter that is unknown or has a value that it cannot take.
        """
        return load_parameters(self.list_schema, asked, remember=self.extra.schema is None)

    def select_parameters(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Load the parameters of a selection, as the list of templates calls them, and ``explain``.

        Raises:
            InvalidParameters: as `list_parameters`.
        """
        return load_parameters(self.select_schema, asked, remember=self.extra.schema is None)

    def _load_by_field(self, data: Any) -> Spec:
        """Load a spec field by field, remembering what the schema's fields made of values seen before.

        A fleet's templates differ in their names and share most other values, so that thousands of them are loaded in
        a third of the time that the whole schema takes.

        Raises:
            ValidationError, TypeError, KeyError: if the whole schema must look at it.
        """
        if type(data) is not dict or not _KEYS.issuperset(data):
            raise TypeError
        spec: Spec = {}
        get, remembered, missing = data.get, self.remembered, ma.missing
        for name, field in self._schema.fields.items():
            value = get(name, missing)
            kind: Any = type(value)
            if value is missing and name != "extra":
                default = self._defaults[name]
                spec[name] = default() if callable(default) else default
            elif name in _DISTINCT:
                spec[name] = value if isinstance(field, Text) and field.stays(value) else field.deserialize(value)
            elif name == "extra":
                # Never remembered: what the host's validators say may depend on more than the value.
                nothing = value is missing or (kind is dict and not value)
                spec[name] = {} if nothing and self.extra.schema is None else field.deserialize(value)
            elif kind is not dict:
                # With the type, because 1, 1.0 and True are the same key.
                spec[name] = remembered(name, kind, value)
            elif len(value) <= _SMALL:
                # Copied, because the caller may change it.
                items = tuple([(key, type(inner), inner) for key, inner in value.items()])
                spec[name] = dict(remembered(name, kind, items))
            else:
                spec[name] = field.deserialize(value)
        return spec

    def _deserialized(self, name: str, kind: type, value: Any) -> Any:
        if kind is dict:
            value = {key: inner for key, _, inner in value}
        return self._schema.fields[name].deserialize(value)


def _with_stored(errors: Mapping[str, Any], result: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Return the errors of a patched spec, with the stored value named where the patch did not touch it."""

    def named(inner: Any, value: Any, touched: Any) -> Any:
        if isinstance(inner, Mapping):
            return {
                key: named(
                    one,
                    value.get(key) if isinstance(value, Mapping) else None,
                    touched.get(key) if isinstance(touched, Mapping) and key in touched else _UNTOUCHED,
                )
                for key, one in inner.items()
            }
        if touched is not _UNTOUCHED or value is None:
            return inner
        shown = json.dumps(value, ensure_ascii=False, default=str)
        return [f"The stored value {shown[:100]} is not allowed any more. {message}" for message in inner]

    return {
        key: named(inner, result.get(key), patch[key]) if key in patch else named(inner, result.get(key), _UNTOUCHED)
        for key, inner in errors.items()
    }


_UNTOUCHED = object()

STANDARD = SpecRules()
"""The rules without settings and without a host."""


def normalize(data: Any) -> Spec:
    """Return the normal form of a spec by the rules that hold without settings, see `SpecRules.normalize`."""
    return STANDARD.normalize(data)


def patched(spec: Spec, patch: Any) -> Spec:
    """Return a spec with a merge patch applied, by the rules that hold without settings."""
    return STANDARD.patched(spec, patch)
