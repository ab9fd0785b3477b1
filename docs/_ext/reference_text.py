"""The reference tables as Markdown, made from the package itself, so that they cannot differ from it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import click
from flask import Flask
from marshmallow import Schema, fields

from flask_worker_templates import WorkerTemplates
from flask_worker_templates.cli.json_schema import definition_file_schema
from flask_worker_templates.model.fields import Pattern
from flask_worker_templates.model.parameters import ListSchema, TrailSchema
from flask_worker_templates.model.spec import WorkerTemplateSpecSchema
from flask_worker_templates.settings import PREFIX, Settings

PACKAGE = "flask_worker_templates"
METHODS = ("get", "post", "put", "patch", "delete")


def host() -> Flask:
    """Return an app with the extension, and no database."""
    app = Flask("host")
    WorkerTemplates(app)
    return app


def markdown_table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    listed = [list(head), *map(list, rows)]
    listed.insert(1, ["---"] * len(listed[0]))
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in listed)


def settings_text() -> str:
    """Return each setting with what it may be, its default and its meaning, as a definition list."""
    return "\n".join(
        f"`{PREFIX}{field.name.upper()}`\n"
        f": {field.metadata['meaning']}\n\n"
        f"  *{allowed(field.metadata['check'])}; default* `{field.default!r}`\n"
        for field in dataclasses.fields(Settings)
    )


def allowed(check: Any) -> str:
    """Return what a setting may be, in the words of its own error message."""
    try:
        check(object())
    except ValueError as error:
        return str(error)
    raise AssertionError("a check that lets everything pass")


def field_rows() -> Iterator[tuple[str, str, str, str]]:
    """Yield name, rule, default and meaning of each field of a spec."""
    definitions = definition_file_schema()["$defs"]
    yield from _field_rows(definitions, definitions["WorkerTemplateSpec"], WorkerTemplateSpecSchema(), "")


def _field_rows(
    definitions: Mapping[str, Any], described: Mapping[str, Any], schema: Schema, prefix: str
) -> Iterator[tuple[str, str, str, str]]:
    for name, field in schema.fields.items():
        part = described["properties"][name]
        if isinstance(field, fields.Nested) and "$ref" in part:
            inner = definitions[part["$ref"].rsplit("/", 1)[1]]
            yield from _field_rows(definitions, inner, field.schema, f"{prefix}{name}.")
            continue
        default = "required" if field.required else f"`{json.dumps(part['default'])}`"
        yield f"`{prefix}{name}`", "; ".join(_rules(field, part)), default, part["description"]
        if isinstance(field, fields.Nested):
            inner = definitions[part["anyOf"][0]["$ref"].rsplit("/", 1)[1]]
            yield from _field_rows(definitions, inner, field.schema, f"{prefix}{name}.")


def _rules(field: fields.Field[Any], part: Mapping[str, Any]) -> Iterator[str]:
    if "enum" in part:
        yield "one of " + ", ".join(f"`{choice}`" for choice in part["enum"])
        return
    if "anyOf" in part:
        yield "object or null"
        return
    kinds = part["type"] if isinstance(part["type"], list) else [part["type"]]
    kind = " or ".join(kinds)
    if "maxLength" in part:
        kind += f", {part.get('minLength', 0):,}–{part['maxLength']:,} characters"
    elif "maximum" in part:
        kind += f", {part['minimum']:,}–{part['maximum']:,}"
    elif "minimum" in part:
        kind += f", {part['minimum']:g} or more"
    elif "maxProperties" in part:
        value = part["additionalProperties"]
        kind += f" of strings, at most {part['maxProperties']} keys of `{part['propertyNames']['pattern']}`, "
        kind += f"values of at most {value['maxLength']} characters"
    elif part.get("additionalProperties") is False:
        kind += ", empty unless the app declares fields of its own"
    yield kind
    for validator in field.validators:
        if isinstance(validator, Pattern):
            yield validator.rule[0].lower() + validator.rule[1:].rstrip(".")


def parameter_rows(schema: Schema) -> Iterator[tuple[str, str]]:
    """Yield name and meaning of each query parameter."""
    for name, field in schema.fields.items():
        many = " Repeatable." if isinstance(field, fields.List) else ""
        yield f"`{name}`", field.metadata.get("description", "") + many


def operation_rows() -> Iterator[tuple[str, str, str]]:
    """Yield call without the prefix, summary and status codes of success of each operation."""
    document = host().test_client().get("/api/v1/docs/openapi.json").get_json()
    for path, item in document["paths"].items():
        for method in METHODS:
            if operation := item.get(method):
                codes = ", ".join(sorted(code for code in operation["responses"] if code < "400"))
                rest = path.removeprefix(Settings().url_prefix).replace("template_id", "id") or "/"
                yield f"`{method.upper()} {rest}`", operation["summary"], codes


def command_names() -> Iterator[str]:
    """Yield the name of each of the extension's commands, as it is typed after ``flask``."""
    for name, registered in host().cli.commands.items():
        inner = registered.commands if isinstance(registered, click.Group) else {"": registered}
        for rest, one in inner.items():
            if one.callback and one.callback.__module__.startswith(PACKAGE):
                yield f"{name} {rest}".rstrip()


def commands_text() -> str:
    """Return a section for each command: its help, as ``flask COMMAND --help`` prints it."""
    return "\n\n".join(f"## {name}\n\n```text\n{help_text(name)}```" for name in command_names())


def help_text(command: str) -> str:
    """Return the help of a command, as ``flask COMMAND --help`` prints it."""
    result = host().test_cli_runner().invoke(args=[*command.split(), "--help"], prog_name="flask", terminal_width=100)
    if result.exit_code:
        raise ValueError(f"flask {command}: {result.output}")
    return result.output


REFERENCES = {
    "settings": settings_text,
    "fields": lambda: markdown_table(("Field", "Rule", "Default", "Meaning"), field_rows()),
    "list-parameters": lambda: markdown_table(("Parameter", "Meaning"), parameter_rows(ListSchema())),
    "trail-parameters": lambda: markdown_table(("Parameter", "Meaning"), parameter_rows(TrailSchema())),
    "operations": lambda: markdown_table(("Call", "Meaning", "Success"), operation_rows()),
    "commands": commands_text,
}
