"""The controls of a form, made from the fields of a spec: one that is added to the schema appears by itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import marshmallow as ma
from marshmallow import fields, validate

Kind = Literal["text", "area", "number", "switch", "choice", "list", "map", "group", "json"]

_LONG = 200  # characters; what may be longer gets a text area


@dataclass(frozen=True, slots=True)
class Control:
    """One field of a form.

    Attributes:
        path: dotted path of the field, which is the name of its input.
        label: for people.
        kind: which control it gets.
        help: what the field means.
        required: whether it must be filled in.
        default: what it is where it is left empty.
        choices: what can be chosen.
        minimum, maximum: bounds of a number.
        whole: whether a number has no fraction.
        nullable: whether null is a value of its own.
        inner: the fields of a group.
        item: of a list or a map, the control of one value.
    """

    path: str
    label: str
    kind: Kind
    help: str = ""
    required: bool = False
    default: Any = None
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    max_length: int | None = None
    whole: bool = True
    nullable: bool = False
    inner: tuple[Control, ...] = ()
    item: Control | None = None

    @property
    def id(self) -> str:
        """The id of its input."""
        return "field-" + self.path.replace(".", "-")

    def walk(self) -> Iterator[Control]:
        """Yield the control, or those of its group."""
        if self.kind == "group":
            for inner in self.inner:
                yield from inner.walk()
        else:
            yield self


def controls(schema: ma.Schema, prefix: str = "") -> tuple[Control, ...]:
    """Return a control for each field of a schema, in its order."""
    return tuple(
        _control(f"{prefix}{field.data_key or name}", field, _label(field.data_key or name))
        for name, field in schema.fields.items()
        if not field.dump_only
    )


def spec_controls(schema: ma.Schema) -> tuple[Control, ...]:
    """Return the controls of the schema of a spec; without fields of the app's own there is nothing to show of them."""
    return tuple(one for one in controls(schema) if (one.path, one.kind) != ("extra", "map"))


def _control(path: str, field: fields.Field[Any], label: str) -> Control:  # noqa: C901, PLR0911  # a table
    default = field.load_default
    if callable(default):
        default = default()
    common: dict[str, Any] = {
        "path": path,
        "label": label,
        "help": _help(field.metadata.get("description", "")),
        "required": field.required,
        "default": None if default is ma.missing else default,
        "nullable": bool(field.allow_none or field.metadata.get("nullable")),
    }
    match field:
        case fields.Nested():
            inner = controls(field.schema, path + ".")
            if common["nullable"]:  # as a whole it may be left empty
                inner = tuple(replace(one, required=False) for one in inner)
            return Control(kind="group", inner=inner, **common)
        case fields.Boolean():
            return Control(kind="switch", **common)
        case fields.Integer() | fields.Float() | fields.Decimal():
            low, high = _bounds(field)
            return Control(kind="number", minimum=low, maximum=high, whole=isinstance(field, fields.Integer), **common)
        case fields.List():
            return Control(kind="list", item=_control(path, field.inner, label), **common)
        case fields.Dict():
            return Control(kind="map", **common)
        case fields.String():
            chosen = _choices(field)
            if chosen:
                return Control(kind="choice", choices=chosen, **common)
            longest = _longest(field)
            kind: Kind = "area" if longest is None or longest > _LONG else "text"
            return Control(kind=kind if path != "ami_pattern" else "text", max_length=longest, **common)
    if isinstance(field, fields.DateTime | fields.Date | fields.Time | fields.UUID | fields.TimeDelta | fields.Enum):
        return Control(kind="text", **common)
    return Control(kind="json", **common)


def _help(description: str) -> str:
    """Return what a field means, in the words of a form instead of those of JSON."""
    return re.sub(r"\bnull\b", "empty", description.replace("`", ""))


_SPELT = {
    "ami": "AMI",
    "cpu": "CPU",
    "gb": "(GB)",
    "gpu": "GPU",
    "id": "ID",
    "license": "licence",
    "max": "maximum",
    "minutes": "(minutes)",
    "url": "URL",
    "usd": "(USD)",
}


def _label(name: str) -> str:
    words = name.replace("_", " ").replace("-", " ").split()
    shown = [_SPELT.get(word, word) for word in words]
    return " ".join([shown[0][:1].upper() + shown[0][1:], *shown[1:]]) if shown else name


def _bounds(field: fields.Field[Any]) -> tuple[float | None, float | None]:
    for one in field.validators:
        if isinstance(one, validate.Range):
            return one.min, one.max
    return None, None


def _choices(field: fields.Field[Any]) -> tuple[str, ...]:
    for one in field.validators:
        if isinstance(one, validate.OneOf):
            return tuple(str(choice) for choice in one.choices)
    return ()


def _longest(field: fields.Field[Any]) -> int | None:
    return next((one.max for one in field.validators if isinstance(one, validate.Length)), None)


def labelled(shown: Iterable[Control], group: str = "") -> Iterator[tuple[str, str]]:
    """Yield path and label of each field, with the label of its group."""
    for control in shown:
        label = f"{group}: {control.label}" if group else control.label
        yield control.path, label
        yield from labelled(control.inner, label)


def filled(values: Mapping[str, Any], control: Control) -> Any:
    """Return what a control shows of a spec, or of the text that was typed."""
    value: Any = values
    for part in control.path.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value
