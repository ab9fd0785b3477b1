"""JSON Schemas for editors and other programs, made from the same schemas that validate and document."""

from __future__ import annotations

import json
import re
from typing import Any

import click
import marshmallow as ma
from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import has_app_context

from flask_worker_templates.model.fields import LABEL_KEY_PATTERN
from flask_worker_templates.model.nullable import spell_null
from flask_worker_templates.model.rules import STANDARD, SpecRules
from flask_worker_templates.model.spec import DEFAULTS, WorkerTemplateSpecSchema
from flask_worker_templates.reconcile.diff_document import WorkerTemplateDriftSchema
from flask_worker_templates.reconcile.plan_document import SyncPlanSchema
from flask_worker_templates.reconcile.sync_document import WorkerTemplateSyncSchema
from flask_worker_templates.runtime.app_state import current_state

from .documents import DOCUMENTS
from .error_document import ErrorDocumentSchema
from .output import VERSION, command, examples, print_json

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def document_schema(document: str, rules: SpecRules = STANDARD) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a document.

    Args:
        rules: those of a spec in the app.
        document: one of `NAMES`.
    """
    if document == "definition-file":
        return definition_file_schema(rules)
    title, name, schema = _VERSIONED[document]
    definitions = _definitions(name, schema())
    return {"$schema": DIALECT, "title": title, **definitions.pop(name), "$defs": definitions}


def definition_file_schema(rules: SpecRules = STANDARD) -> dict[str, Any]:
    """Return the JSON Schema of a definition file."""
    definitions = _definitions("WorkerTemplateSpec", WorkerTemplateSpecSchema(rules))
    properties = definitions["WorkerTemplateSpec"]["properties"]
    # OpenAPI 3.0, which the same fields also describe, has no word for the one; generators of clients cannot read the
    # other.
    properties["labels"]["propertyNames"] = {"pattern": LABEL_KEY_PATTERN}
    properties["port_range"]["default"] = DEFAULTS["port_range"]
    for inner in _refs(properties["extra"]):
        definitions[inner].setdefault("additionalProperties", False)
    return {
        "$schema": DIALECT,
        "title": "Worker template definition file",
        "type": "object",
        "properties": {
            "$schema": {"type": "string", "description": "Where this schema is, for editors."},
            "templates": {"type": "array", "items": {"$ref": "#/$defs/WorkerTemplateSpec"}},
        },
        "patternProperties": {"^x-": {"description": "The author's own: the place for anchors."}},
        "required": ["templates"],
        "additionalProperties": False,
        "$defs": definitions,
    }


def _refs(described: Any) -> list[str]:
    """Return the names of the definitions that a description refers to."""
    return re.findall(r'"#/\$defs/([^"]+)"', json.dumps(described))


def _definitions(name: str, schema: ma.Schema) -> dict[str, Any]:
    document = APISpec("", "", "3.1.0", plugins=[MarshmallowPlugin()])
    document.components.schema(name, schema=schema)
    schemas = document.to_dict()["components"]["schemas"]
    definitions: dict[str, Any] = json.loads(json.dumps(schemas).replace("#/components/schemas/", "#/$defs/"))
    for definition in definitions.values():
        for described in definition["properties"].values():
            if "example" in described:  # a word of OpenAPI
                described["examples"] = [described.pop("example")]
    spell_null(definitions)
    return definitions


_VERSIONED: dict[str, tuple[str, str, type[ma.Schema]]] = {
    "diff": ("Worker template diff, version 1", "Diff", WorkerTemplateDriftSchema),
    "error": ("Worker template error, version 1", "ErrorDocument", ErrorDocumentSchema),
    "plan": ("Worker template sync plan, version 1", "Plan", SyncPlanSchema),
    "sync": ("Worker template sync result, version 1", "Sync", WorkerTemplateSyncSchema),
    **{
        name: (f"Worker templates: what {name} prints, version {VERSION}", schema.__name__, schema)
        for name, schema in DOCUMENTS.items()
    },
}
NAMES = ("definition-file", *sorted(_VERSIONED))
"""What there is a JSON Schema of."""


@click.command("json-schema")
@click.argument("document", type=click.Choice(NAMES), default="definition-file", metavar="[NAME]")
@click.option("--format", type=click.Choice(["text", "json"]), expose_value=False, hidden=True)
@command
@examples(
    "flask worker-templates json-schema > worker_templates.schema.json", "flask worker-templates json-schema list"
)
def json_schema(document: str) -> None:
    """Print the JSON Schema of a definition file, by which editors complete and check it.

    Or that of a JSON document that a command prints: NAME is the name of the command, or change (the output of every
    command that writes), compare (history --diff), error, event (show --revision), history (also log), plan
    (diff --out) or seed.
    """
    print_json(document_schema(document, current_state().rules if has_app_context() else STANDARD))
