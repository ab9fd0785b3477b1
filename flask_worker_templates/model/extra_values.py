"""What any value of ``extra`` must be, whatever the host's schema says: JSON, small, with plain keys."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

import marshmallow as ma

KEY_PATTERN = "^[A-Za-z_][A-Za-z0-9_-]{0,62}$"


MAX_BYTES = 16_384


MAX_DEPTH = 20


KEY = re.compile(KEY_PATTERN.removesuffix("$") + r"\Z")


_bad_character = re.compile("[\u0000-\u0008\u000b-\u001f\u007f-\u009f\ud800-\udfff]")


_INTEGERS = range(-(2**63), 2**63)


def scalar_string(key: str, value: Any) -> str | None:
    """Return the string by which a list is filtered for a value of a key, None for what is no scalar."""
    if isinstance(value, Mapping | list):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # 4.0 and 4 are one number
    return f"{key}={json.dumps(value, ensure_ascii=False)}"


def same(one: Any, other: Any) -> bool:
    """Tell whether two values are the same as JSON has it: true is not 1, unlike in Python, and 1.0 is 1.

    What compares leaves of a spec, or specs, uses this: the host's own fields may hold either.
    """
    return one is other or (bool(one == other) and _same_kinds(one, other))


_LEAVES = frozenset({str, int, float, bool, type(None)})


def _same_kinds(one: Any, other: Any) -> bool:
    """Tell whether equal values have their booleans at the same places."""
    if type(one) is dict or isinstance(one, Mapping):
        for key, value in one.items():
            its = other[key]
            kind = type(value)
            # The first two tell of nearly all, in a tenth of the time: whole fleets are compared by this.
            if value is its or (kind is type(its) and kind in _LEAVES):
                continue
            if not _same_kinds(value, its):
                return False
        return True
    if isinstance(one, list | tuple):
        return all(map(_same_kinds, one, other))
    return isinstance(one, bool) == isinstance(other, bool)


def not_json(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield the path of each part of a value that JSON cannot hold, and what it is."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if isinstance(key, str):
                yield from not_json(inner, f"{path}.{key}")
            else:
                yield path, f"a dict with the key {key!r:.50}"
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from not_json(inner, f"{path}.{number}")
    elif not (value is None or isinstance(value, str | int | float)):
        yield path, type(value).__name__


def nested_errors(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return what no value of ``extra`` may hold, nested as the value is."""
    errors: dict[str, Any] = {}
    for path, message in faults_of(value):
        place = errors
        for part in path[:-1]:
            place = place.setdefault(part, {})
        place.setdefault(path[-1], []).append(message)
    return errors


def merged_errors(one: Any, other: Any) -> Any:
    """Return the errors of two checks; where both complain of one place, those of the first."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {
            key: merged_errors(one[key], other[key]) if key in one and key in other else {**other, **one}[key]
            for key in {**one, **other}
        }
    return one


def check_value(value: Mapping[str, Any]) -> None:
    """Raise `ValidationError` for what no value of ``extra`` may hold, or for one that is too large."""
    if errors := nested_errors(value):
        raise ma.ValidationError(errors)
    size = len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
    if size > MAX_BYTES:
        raise ma.ValidationError(f"At most {MAX_BYTES:,} bytes as JSON; this is {size:,}.")


def faults_of(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Yield the place of each thing that no value of ``extra`` may hold, and what is wrong with it."""
    if len(path) > MAX_DEPTH:
        yield path, f"At most {MAX_DEPTH} levels."
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            if isinstance(key, str) and KEY.match(key):
                yield from faults_of(inner, (*path, key))
            else:
                yield (*path, str(key)), KEY_RULE
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from faults_of(inner, (*path, number))
    elif fault := _scalar_fault(value):
        yield path, fault


KEY_RULE = "A key is 1–63 characters of A-Z a-z 0-9 _ -, and begins with no digit and no -."


def _scalar_fault(value: Any) -> str:
    if isinstance(value, str):
        bad = _bad_character.search(value)
        return "Must not contain control characters, except line breaks and tabs." if bad else ""
    if isinstance(value, int):
        return "" if value in _INTEGERS else "Must be an integer of at most 64 bits."
    if isinstance(value, float):
        return "" if math.isfinite(value) else "Special numeric values (nan or infinity) are not permitted."
    return "" if value is None else f"Must be what JSON can hold, not {type(value).__name__}."


def in_nfc(value: Any) -> Any:
    """Return a value with all its strings in Unicode normal form C."""
    if isinstance(value, str):
        return value if value.isascii() else unicodedata.normalize("NFC", value)
    if isinstance(value, Mapping):
        return {key: in_nfc(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [in_nfc(inner) for inner in value]
    return value
