"""The JSON documents that the commands print, checked by the schemas that are kept in files."""

from __future__ import annotations

import functools
import json
from typing import Any

from jsonschema import Draft202012Validator

from flask_worker_templates.cli.json_schema import NAMES
from tests.support.paths import ROOT

SCHEMAS = {
    "definition-file": ROOT / "config" / "worker_templates.schema.json",
    **{name: ROOT / "docs" / "schemas" / f"{name}-v1.schema.json" for name in NAMES if name != "definition-file"},
}


@functools.cache
def schema(name: str) -> Draft202012Validator:
    """A validator by the schema that is kept in a file."""
    document = json.loads(SCHEMAS[name].read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(document)
    return Draft202012Validator(document)


def checked(name: str, text: str) -> dict[str, Any]:
    """A JSON document, checked by its schema."""
    document: dict[str, Any] = json.loads(text)
    schema(name).validate(document)
    return document
