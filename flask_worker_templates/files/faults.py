"""The faults of a definition file, each with the place where a person mends it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from marshmallow import fields

from flask_worker_templates.errors import Fault
from flask_worker_templates.model.fields import LABEL_KEY_PATTERN
from flask_worker_templates.model.spec import FREE_KEYS, NESTED, WorkerTemplateSpecSchema
from flask_worker_templates.model.suggestions import READ_ONLY, UNKNOWN

from .parsed import Parsed, describe, printable, shown

_fields = WorkerTemplateSpecSchema().fields
_TEXT_FIELDS = frozenset(name for name, it in _fields.items() if isinstance(it, fields.String)) | {"labels"}
_MAPPINGS = [(name,) for name in (*NESTED, *FREE_KEYS)]
_REQUIRED = {(name,) for name, it in _fields.items() if it.required} | {
    (name, key)
    for name, it in _fields.items()
    if isinstance(it, fields.Nested)
    for key, inner in it.schema.fields.items()
    if inner.required
}
_LABEL_KEY = re.compile(LABEL_KEY_PATTERN.removesuffix("$") + r"\Z")
_MAX_MESSAGE_LENGTH = 300
_MAX_NAME_LENGTH = 60


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault whose place is not known yet: a path into the parsed value."""

    path: tuple[str | int, ...]
    message: str
    complete: bool = True
    """Whether the message already says what was found."""


def leaves(errors: Mapping[Any, Any], data: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the path and the text of every error of a spec."""
    for key, inner in errors.items():
        known = key in data if isinstance(data, dict) else isinstance(data, list) and key in range(len(data))
        # What concerns a mapping as a whole is under `_schema`, which may also be a key of the file.
        deeper = (*path, key) if known or key != "_schema" else path
        if isinstance(inner, Mapping):
            yield from leaves(inner, data[key] if known else None, deeper)
        else:
            for message in inner:
                yield deeper, str(message)


def located_faults(path: str, parsed: Parsed, findings: Sequence[Finding]) -> list[Fault]:
    """Return the faults of a file in the order of their places, each once."""
    faults = [Fault(path, found.line, found.column, None, found.message) for found in parsed.problems]
    # A value that the reader refused is a stand-in: what the spec says of it would only confuse.
    refused = {(fault.line, fault.column) for fault in faults}
    for finding in findings:
        fault, there = _located(path, parsed, finding)
        if not there or (fault.line, fault.column) not in refused:
            faults.append(fault)
    # An alias or a merge brings the same fault once for each use.
    return sorted(dict.fromkeys(faults), key=lambda fault: (fault.line or 0, fault.column or 0))


def _located(path: str, parsed: Parsed, finding: Finding) -> tuple[Fault, bool]:
    """Return the fault, and whether what it complains of is there, or missing."""
    place, value, there = parsed.find(finding.path)
    in_entry = len(finding.path) > 1 and finding.path[0] == "templates"
    inner = finding.path[2:] if in_entry else finding.path
    name = ".".join(printable(str(part)[:_MAX_NAME_LENGTH]) for part in inner) or None
    message = printable(finding.message[:_MAX_MESSAGE_LENGTH])
    at_key = not there
    if finding.message.startswith(UNKNOWN) or finding.message == READ_ONLY:
        at_key = True
    elif there and not finding.complete and place.text == "" and value is None:
        message = _nothing_written(inner)
    elif there and not finding.complete:
        at_key = inner[0] == "labels" and inner[1:] != () and _LABEL_KEY.match(str(inner[-1])) is None
        if not at_key and not (isinstance(value, dict) and inner in _MAPPINGS):
            message = f"{message} {_found(inner, value, place.text)}"
    line, column = (place.key_line, place.key_column) if at_key else (place.line, place.column)
    return Fault(path, line, column, name, message), there


def _nothing_written(path: Sequence[str | int]) -> str:
    required = tuple(path) in _REQUIRED
    what = "{}" if path in _MAPPINGS and not required else "a value"
    return f"Nothing is written here: write {what}{'' if required else ' or remove the key'}."


def _found(path: Sequence[str | int], value: object, text: str | None) -> str:
    """Return a sentence on what a faulty field holds."""
    is_text = path[0] in _TEXT_FIELDS or (path[0] == "deprecation" and len(path) > 1)
    if text is not None and not isinstance(value, str) and is_text:
        return f"YAML reads {shown(text)} as {describe(value)}: quote it to mean the string."
    return f"Found {shown(value)}."
