"""OpenAPI 3.0 says ``nullable`` where JSON Schema, and OpenAPI since 3.1, has the type null."""

from __future__ import annotations

from typing import Any

_VALUES = frozenset({"default", "enum", "const", "example", "examples"})
"""Keywords whose values are data, not schemas."""

_ANNOTATIONS = frozenset({*_VALUES, "title", "description", "deprecated"}) - {"enum", "const"}
"""Keywords that allow and forbid nothing."""


def spell_null(schema: Any) -> None:
    """Replace ``nullable`` by the type null, everywhere in a schema, in place."""
    if isinstance(schema, list):
        for inner in schema:
            spell_null(inner)
    elif isinstance(schema, dict):
        for key, inner in schema.items():
            if key not in _VALUES:
                spell_null(inner)
        if isinstance(schema.get("nullable"), bool) and schema.pop("nullable"):
            restricting = {key: schema.pop(key) for key in list(schema) if key not in _ANNOTATIONS}
            schema["anyOf"] = [restricting, {"type": "null"}]
