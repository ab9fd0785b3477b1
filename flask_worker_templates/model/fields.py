"""The kinds of field that a template has: strict, and documented by the patterns that they check."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import marshmallow as ma
from marshmallow import fields, validate

from .extra import ExtraFields
from .suggestions import did_you_mean

# C0, DEL and C1: they have no place in any string that ends in logs, terminals and HTML. Neither have lone
# surrogates, which `Pattern` refuses: a class that names them is an error in some regular expressions, and in others
# also means the halves of any character beyond U+FFFF.
_CONTROL = "\\u0000-\\u001f\\u007f-\\u009f"
_SURROGATE = re.compile("[\ud800-\udfff]")
# Besides: white space other than the plain space, all that is shown as nothing (Default_Ignorable_Code_Point, among
# which are the Hangul fillers), what changes the direction, and code points that are no characters.
_INVISIBLE = (
    "\\u00a0\\u00ad\\u034f\\u061c\\u115f\\u1160\\u1680\\u17b4\\u17b5\\u180b-\\u180f\\u2000-\\u200f\\u2028-\\u202f"
    "\\u205f-\\u206f\\u3000\\u3164\\ufdd0-\\ufdef\\ufe00-\\ufe0f\\ufeff\\uffa0\\ufff0-\\ufffb\\ufffe\\uffff"
)
# The same beyond U+FFFF, for which JSON Schema's patterns have no classes that all implementations share.
_INVISIBLE_BEYOND = re.compile(
    "[\ud800-\udfff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    + "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0x10000, 0x110000, 0x10000))
    + "]"
)
# The same text serves Python's `re` and JSON Schema (ECMA 262), so that the documentation cannot differ.
TEXT_PATTERN = f"^[^{_CONTROL}]*$"
NAME_PATTERN = f"^[^ {_CONTROL}{_INVISIBLE}]([^{_CONTROL}{_INVISIBLE}]*[^ {_CONTROL}{_INVISIBLE}])?$"
WORD_PATTERN = f"^[^ {_CONTROL}{_INVISIBLE}]+$"
_NO_LINE = "[^\\u0000-\\u0009\\u000b-\\u001f\\u007f-\\u009f]*"
LINES_PATTERN = f"^{_NO_LINE}(\\r\\n{_NO_LINE})*$"
LABEL_KEY_PATTERN = "^[A-Za-z0-9._/-]{1,63}$"


def is_utf8(text: str) -> bool:
    """Return whether a string has a form in UTF-8, which one with a lone surrogate has not: nothing is stored under it.

    A shell's argument that is not UTF-8 becomes such a string, and JSON may hold one.
    """
    return _SURROGATE.search(text) is None


class Pattern(validate.Validator):
    """The whole string matches a pattern that JSON Schema reads in the same way, and holds nothing of `never`.

    That is for what no such pattern can say: lone surrogates, and classes of characters beyond U+FFFF.
    ``marshmallow.validate.Regexp`` is not used, because its ``$`` lets a trailing line break pass.
    """

    def __init__(self, pattern: str, rule: str, never: re.Pattern[str] = _SURROGATE) -> None:
        self.rule = rule
        self._never = never
        # \Z instead of $: Python's $ also matches before a trailing line break.
        self._match = re.compile(pattern.removesuffix("$") + r"\Z").match

    def holds(self, text: str) -> bool:
        """Tell whether a string of ASCII matches; it holds nothing that is never allowed."""
        return self._match(text) is not None

    def __call__(self, value: Any) -> str:
        """Return the value if it is a string that matches."""
        if not isinstance(value, str) or self._match(value) is None or self._never.search(value):
            raise ma.ValidationError(self.rule)
        return value


def nfc(text: str) -> str:
    """Return a string in Unicode's normal form C: what looks alike is alike."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


class Text(fields.String):
    """A string and nothing else, without control characters. What is loaded is in Unicode's normal form C."""

    def __init__(
        self,
        *,
        min: int | None = None,  # noqa: A002  # the names of marshmallow's own validator
        max: int | None = None,  # noqa: A002
        pattern: str = TEXT_PATTERN,
        rule: str = "Must not contain control characters.",
        metadata: Mapping[str, Any] | None = None,
        **kw: Any,
    ) -> None:
        bounds = validate.Length(min=min, max=max)
        never = _INVISIBLE_BEYOND if pattern in (NAME_PATTERN, WORD_PATTERN) else _SURROGATE
        matches = Pattern(pattern, rule, never)
        self._least, self._most, self._matches = min or 0, max, matches
        super().__init__(validate=[bounds, matches], metadata={"pattern": pattern, **(metadata or {})}, **kw)

    def stays(self, value: Any) -> bool:
        """Tell of most strings, in a fifth of the time of loading them, that they are loaded as they are.

        Nothing is said of others: they may be wrong, be changed, or stay too.
        """
        if type(value) is not str or not value.isascii() or (self._most is not None and len(value) > self._most):
            return False
        return len(value) >= self._least and self._matches.holds(value)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kw: Any) -> str:
        if not isinstance(value, str):
            raise self.make_error("invalid")
        return nfc(value)


class Lines(Text):
    """A string that may have several lines: loaded with line feeds between them, and no blank space at its end."""

    def __init__(self, **kw: Any) -> None:
        super().__init__(pattern=LINES_PATTERN, rule="Must not contain control characters, except line breaks.", **kw)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kw: Any) -> str:
        return super()._deserialize(value, attr, data, **kw).replace("\r\n", "\n").rstrip(" \n")

    def stays(self, value: Any) -> bool:
        """Tell as `Text.stays`."""
        return super().stays(value) and "\r" not in value and not value.endswith((" ", "\n"))


class OneOf(validate.OneOf):
    """One of a few strings; the error of a misspelt one says which may be meant."""

    def __init__(self, choices: Sequence[str]) -> None:
        super().__init__(choices, error="Must be one of: {choices}.")

    def __call__(self, value: Any) -> Any:
        """Return the value if it is one of them."""
        try:
            return super().__call__(value)
        except ma.ValidationError as error:
            found = did_you_mean(str(value), self.choices)
            raise ma.ValidationError([f"{message}{found}" for message in error.messages]) from None


def choice_validator(choices: Sequence[str]) -> validate.OneOf:
    """Return the validator of a `Choice`."""
    return OneOf(choices)


class Choice(fields.String):
    """One of a few strings, written exactly so."""

    def __init__(self, choices: Sequence[str], **kw: Any) -> None:
        super().__init__(validate=choice_validator(choices), **kw)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kw: Any) -> str:
        if not isinstance(value, str):
            raise self.make_error("invalid")
        return value


class StrictInteger(fields.Integer):
    """An integer as JSON Schema defines it: 48 and 48.0, but not true, "48" or 3.9."""

    def __init__(self, minimum: int, maximum: int | None, **kw: Any) -> None:
        super().__init__(validate=validate.Range(minimum, maximum), **kw)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kw: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.make_error("invalid")
        if isinstance(value, float) and not value.is_integer():
            raise self.make_error("invalid")
        return int(value)


class StrictBoolean(fields.Boolean):
    """true or false; none of the words and numbers that marshmallow's own field also takes."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kw: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class Price(fields.Float):
    """A finite number, zero or more."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kw: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.make_error("invalid")
        try:
            number = float(value)
        except OverflowError:
            raise self.make_error("too_large") from None
        if not math.isfinite(number):
            raise self.make_error("special")
        return abs(number) if number == 0 else number  # -0.0 is 0.0


class Labels(fields.Dict):
    """A map of string to string. Its errors are keyed by the label: ``{"labels": {"a b": ["…"]}}``."""

    MAX = 64
    MAX_VALUE_LENGTH = 256

    _key = Pattern(LABEL_KEY_PATTERN, "A label key is 1–63 characters of A-Z a-z 0-9 . _ / -.")
    _value = Text(max=MAX_VALUE_LENGTH)

    def __init__(self, *, metadata: Mapping[str, Any] | None = None, **kw: Any) -> None:
        values = fields.String(metadata={"maxLength": self.MAX_VALUE_LENGTH, "pattern": TEXT_PATTERN})
        super().__init__(values=values, metadata={"maxProperties": self.MAX, **(metadata or {})}, **kw)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kw: Any) -> dict[Any, Any]:
        if not isinstance(value, Mapping):
            raise self.make_error("invalid")
        if len(value) > self.MAX:
            raise ma.ValidationError(f"At most {self.MAX} labels.")
        labels: dict[str, str] = {}
        errors: dict[str, list[str]] = {}
        for key, text in value.items():
            try:
                labels[self._key(key)] = str(self._value.deserialize(text))
            except ma.ValidationError as error:
                errors[str(key)] = [str(message) for message in error.messages]
        if errors:
            raise ma.ValidationError(errors)
        return dict(sorted(labels.items()))


class NullableNested(fields.Nested):
    """An object under a schema of its own, or null, which is its default.

    ``allow_none`` is not used: for it OpenAPI 3.0 documents say "this schema, or any object".
    """

    def __init__(self, nested: ma.Schema, *, metadata: Mapping[str, Any] | None = None, **kw: Any) -> None:
        described = {"nullable": True, "default": None, **(metadata or {})}
        super().__init__(nested, load_default=lambda: None, metadata=described, **kw)

    def deserialize(self, value: Any, attr: str | None = None, data: Any = None, **kw: Any) -> Any:
        """Return None for null, else what the schema makes of the value."""
        return None if value is None else super().deserialize(value, attr, data, **kw)


class Extra(fields.Dict):
    """The fields of the host's own, where the app declares none, or nobody knows which."""

    def __init__(self, extra: ExtraFields | None = None, **kw: Any) -> None:
        self._extra = extra or ExtraFields()
        super().__init__(**kw)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kw: Any) -> dict[str, Any]:
        return self._extra.normalize(value)


class DeclaredExtra(fields.Nested):
    """The fields of the host's own, under the schema that the app declares."""

    def __init__(self, extra: ExtraFields, **kw: Any) -> None:
        assert extra.schema is not None  # noqa: S101  # the caller looked
        self._extra = extra
        super().__init__(extra.schema, load_default=dict, metadata={"description": _EXTRA}, **kw)

    def deserialize(self, value: Any, attr: str | None = None, data: Any = None, **kw: Any) -> Any:
        """Return the normal form. What is left out is checked as an empty object: the schema may require a key."""
        return super().deserialize({} if value is ma.missing else value, attr, data, **kw)

    def _deserialize(self, value: Any, attr: str | None, data: Any, partial: Any = None, **kw: Any) -> dict[str, Any]:
        return self._extra.normalize(value)


_EXTRA = "Fields of the app's own."


def extra_field(extra: ExtraFields) -> fields.Field[Any]:
    """Return the field ``extra`` of an app."""
    if extra.schema is not None:
        return DeclaredExtra(extra)
    metadata = {"description": _EXTRA, "default": {}, "additionalProperties": extra.unchecked}
    return Extra(extra, load_default=dict, metadata=metadata)
