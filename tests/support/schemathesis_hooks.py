"""What schemathesis cannot read from the document, and what its generators get wrong; loaded by its command line.

No check is switched off here. These functions only keep data from being *called* valid that is not.
"""

from __future__ import annotations

import os
import re
from typing import Any, TypeGuard

import schemathesis
from schemathesis import Case, GenerationMode, HookContext

from flask_worker_templates.http.openapi import ETAG_PATTERN
from flask_worker_templates.model.fields import LABEL_KEY_PATTERN

DELETED = "SCHEMATHESIS_DELETED"
"""The environment variable that holds the id of a deleted template."""


@schemathesis.hook
def filter_case(context: HookContext, case: Case[Any]) -> bool:
    """Leave out "valid" entity tags that are none.

    The coverage phase makes header values of letters and digits alone, whatever the pattern of the header says.
    """
    if case.meta is None or case.meta.generation.mode is GenerationMode.NEGATIVE:
        return True
    tags = [value for name, value in (case.headers or {}).items() if name in {"If-Match", "If-None-Match"}]
    return all(re.fullmatch(ETAG_PATTERN.removeprefix("^").removesuffix("$"), str(value)) for value in tags)


@schemathesis.hook
def map_case(context: HookContext, case: Case[Any]) -> Case[Any]:
    """Keep rules that OpenAPI 3.0 has no words for: ports are in order, label keys have an alphabet, and some more."""
    if case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE:
        _keep_to_what_there_is(case)
    if isinstance(case.body, dict):
        body = dict(case.body)
        if isinstance(ports := body.get("port_range"), dict):
            body["port_range"] = _in_order(ports)
        if isinstance(labels := body.get("labels"), dict):
            body["labels"] = {
                key if re.fullmatch(LABEL_KEY_PATTERN, str(key)) else f"k{number}": value
                for number, (key, value) in enumerate(labels.items())
            }
        if body != case.body:
            case.body = body
    return case


def _keep_to_what_there_is(case: Case[Any]) -> None:
    """Keep three more in what is called valid: of cursors, pages beside them, and revisions that workers run.

    And restore a template that was deleted: no link of the document leads to one.
    """
    if case.query and "after" in case.query:  # only the trail has cursors, and only it can say others
        case.query = {**{key: value for key, value in case.query.items() if key != "page"}, "after": "start"}
    place = case.operation.path
    if place.endswith("/claims/{worker_id}") and isinstance(case.body, dict) and "revision" in case.body:
        case.body = {**case.body, "revision": 1}
    if place.endswith("/{template_id}/restore") and (deleted := os.environ.get(DELETED)):
        case.path_parameters = {**(case.path_parameters or {}), "template_id": deleted}


def _in_order(ports: dict[str, Any]) -> dict[str, Any]:
    start, end = ports.get("start"), ports.get("end")
    if _is_port(start) and _is_port(end):
        return {**ports, "start": min(start, end), "end": max(start, end)}
    # The other end is a default, or what the template has.
    if _is_port(start) and end is None:
        return {**ports, "end": 65_535}
    if _is_port(end) and start is None:
        return {**ports, "start": 1}
    return ports


def _is_port(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
