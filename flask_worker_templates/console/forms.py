"""What a form sends, as a spec, and back: the inputs are named by the dotted path of their field.

Nothing is judged here. What is no number is passed on as the string that was typed, so that the rules of a spec say
what is wrong with it, in the words that they use everywhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from werkzeug.datastructures import MultiDict

from .fields import Control

_WHOLE = re.compile(r"[+-]?[0-9]{1,30}\Z")
_DECIMAL = re.compile(r"[+-]?([0-9]{1,30}\.?[0-9]{0,30}|\.[0-9]{1,30})([eE][+-]?[0-9]{1,3})?\Z")
_LEFT_OUT = object()


def spec_of(
    form: MultiDict[str, str], controls: Sequence[Control], kept: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the spec that a form means.

    An input that was emptied leaves its field out, so that it gets its default, or is missed if it has none.

    Args:
        form: what was sent.
        controls: the form's.
        kept: what fields hold that the form does not know.
    """
    spec: dict[str, Any] = dict(kept or {})
    for control in controls:
        value = _value(form, control)
        if value is not _LEFT_OUT:
            spec[control.path.rpartition(".")[2]] = value
    return spec


def _value(form: MultiDict[str, str], control: Control) -> Any:
    match control.kind:
        case "group":
            inner = spec_of(form, control.inner)
            return _LEFT_OUT if not inner and (control.nullable or not control.required) else inner
        case "switch":
            return control.path in form
        case "map":
            return _pairs(form, control)
        case "list":
            items = [_read(text, control.item) for text in form.getlist(control.path) if text.strip()]
            return items if items or not control.nullable else _LEFT_OUT
    text = form.get(control.path, "")
    if text.strip() == "":
        return _LEFT_OUT
    return _read(text, control)


def _read(text: str, control: Control | None) -> Any:  # noqa: PLR0911  # a table
    if control is None:
        return text
    if control.kind == "number":
        stripped = text.strip()
        if _WHOLE.match(stripped):
            return int(stripped)
        return float(stripped) if _DECIMAL.match(stripped) else text
    if control.kind == "json":
        try:
            return json.loads(text)
        except ValueError:
            return text
    if control.kind == "area":
        return text.replace("\r\n", "\n")
    return text.strip() if control.kind == "text" else text


def _pairs(form: MultiDict[str, str], control: Control) -> dict[str, str]:
    """Return a map: the two inputs of each row have the path and ``:key`` or ``:value`` for names."""
    keys, values = form.getlist(f"{control.path}:key"), form.getlist(f"{control.path}:value")
    return {key.strip(): value for key, value in zip(keys, values, strict=False) if key.strip() or value.strip()}
