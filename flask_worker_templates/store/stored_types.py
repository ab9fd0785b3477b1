"""The types that stored values must have.

Each function here reads one kind of value: it returns it as the rest of the package knows it, or raises `Malformed`.
A document is in MongoDB whatever wrote it there (a shell, another program, a damaged disk), so nothing is taken for
granted. Bounds are not checked: a value of the right type that is out of bounds is still a value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

Reader = Callable[[Any, str], Any]
"""Given a stored value and its path, returns the value, or raises `Malformed`."""


class Malformed(Exception):  # never seen by callers: it becomes "there is no such template"
    """A document is no template, or no event.

    Attributes:
        path: dotted path of the value that is wrong; empty for the document as a whole.
        problem: what is wrong with it, as the end of a sentence.
    """

    def __init__(self, path: str, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(path, problem)

    def __str__(self) -> str:
        return f"{self.path} {self.problem}" if self.path else f"it {self.problem}"


class Placeholder(Malformed):
    """The document holds the place of a template that is being restored: it is taken for absent."""


_KINDS = {
    "NoneType": "null",
    "bool": "a boolean",
    "int": "a number",
    "Int64": "a number",
    "float": "a number",
    "str": "a string",
    "dict": "an object",
    "list": "an array",
    "datetime": "a date",
    "DatetimeMS": "a date out of range",
    "bytes": "binary data",
}


def wrong(path: str, value: Any, wanted: str) -> Malformed:
    """Return the error for a value of another type than is wanted."""
    kind = type(value).__name__
    return Malformed(path, f"is {_KINDS.get(kind, f'of the type {kind}')} and must be {wanted}")


def missing(path: str) -> Malformed:
    """Return the error for a value that must be there."""
    return Malformed(path, "is missing")


def text(value: Any, path: str) -> str:
    """Read a string."""
    if type(value) is not str:  # bson.Code is a str too
        raise wrong(path, value, "a string")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Malformed(path, "is a string that is not UTF-8") from None
    return value


def whole(value: Any, path: str) -> int:
    """Read an integer; 48.0 is one, because the shells of MongoDB write all numbers as doubles."""
    if type(value) is int:
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)  # bson.Int64
    if isinstance(value, float) and value.is_integer():
        return int(value)
    raise wrong(path, value, "a whole number")


def revision(value: Any, path: str) -> int:
    """Read the number of a revision."""
    number = whole(value, path)
    if number < 1:
        raise Malformed(path, "is below 1")
    return number


def flag(value: Any, path: str) -> bool:
    """Read a boolean."""
    if not isinstance(value, bool):
        raise wrong(path, value, "a boolean")
    return value


def price(value: Any, path: str) -> float:
    """Read a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise wrong(path, value, "a finite number")
    return float(value)


def moment(value: Any, path: str) -> datetime:
    """Read a time, as an aware one in UTC."""
    if not isinstance(value, datetime):  # a DatetimeMS is a time that Python cannot express
        raise wrong(path, value, "a date between the years 1 and 9999")
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def mapping(value: Any, path: str) -> dict[str, Any]:
    """Read an object."""
    if not isinstance(value, dict):
        raise wrong(path, value, "an object")
    return value


def array(value: Any, path: str) -> list[Any]:
    """Read an array."""
    if not isinstance(value, list):
        raise wrong(path, value, "an array")
    return value


def labels(value: Any, path: str) -> dict[str, str]:
    """Read labels, each stored as ``key=value``."""
    read: dict[str, str] = {}
    for label in array(value, path):
        # A label key holds no "=", so the first one divides.
        key, divider, inner = text(label, path).partition("=")
        if not divider:
            raise Malformed(path, 'holds a label without "="')
        read[key] = inner
    return read


def json_object(value: Any, path: str) -> dict[str, Any]:
    """Read an object of which all values are such as JSON has."""
    return {text(key, path): _json(inner, f"{path}.{key}") for key, inner in mapping(value, path).items()}


def _json(value: Any, path: str) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return text(value, path)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, dict):
        return json_object(value, path)
    if isinstance(value, list):
        return [_json(inner, path) for inner in value]
    raise wrong(path, value, "a value that JSON has")


def optional(read: Reader) -> Reader:
    """Return a reader that also takes null."""

    def read_optional(value: Any, path: str) -> Any:
        return None if value is None else read(value, path)

    return read_optional


def nested(readers: dict[str, Reader], defaults: dict[str, Any]) -> Reader:
    """Return a reader of an object with these fields; others, of a newer version, are passed over."""

    def read_nested(value: Any, path: str) -> dict[str, Any]:
        found = mapping(value, path)
        read: dict[str, Any] = {}
        for name, reader in readers.items():
            if name in found:
                read[name] = reader(found[name], f"{path}.{name}")
            elif name in defaults:
                read[name] = defaults[name]
            else:
                raise missing(f"{path}.{name}")
        return read

    return read_nested


class below:  # noqa: N801  # read as a statement
    """Puts a path before those of the errors inside."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Malformed):
            error.path = f"{self._path}.{error.path}" if error.path else self._path


def read_fields(readers: Mapping[str, Reader], document: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Read the fields that must be there, each by its reader."""
    try:
        return {name: read(document[name], prefix + name) for name, read in readers.items()}
    except KeyError as error:
        raise missing(prefix + error.args[0]) from None
