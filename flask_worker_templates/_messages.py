"""The messages of errors: their plain words, and their places in a nested structure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_PLAIN = {
    "Missing data for required field.": "Required.",
    "Field may not be null.": "Must not be null.",
    "Not a valid mapping type.": "Must be a mapping (in JSON, an object).",
}
"""What marshmallow says, and the shorter words for it. A schema of the host keeps whatever else it says."""


def in_plain_words(errors: Any) -> Any:
    """Return messages, nested in any way, in plain words."""
    if isinstance(errors, Mapping):
        return {key: in_plain_words(inner) for key, inner in errors.items()}
    if isinstance(errors, str):
        return _PLAIN.get(errors, errors)
    return [in_plain_words(one) for one in errors] if isinstance(errors, list | tuple) else errors


def flattened(errors: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield the dotted path of each message, and the message; the path is empty for the whole."""
    if isinstance(errors, Mapping):
        for key, value in errors.items():
            inner = path if key == "_schema" else f"{path}.{key}" if path else str(key)
            yield from flattened(value, inner)
    elif isinstance(errors, str):
        yield path, errors
    else:
        for message in errors:
            yield path, str(message)
