"""The stored form of a template: what a document has to be, and what it says.

The spec's fields stand at the top of the document, labels as ``key=value`` strings, so that a label is found through an
index. All functions that read raise `Malformed` for a document that is no template. A field with a default that an
older version did not know has its default; fields that only a newer version knows are passed over.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from flask_worker_templates.model.extra_values import scalar_string
from flask_worker_templates.model.records import ABSENT, Exported, ExportedLeaf, Managed, Origin
from flask_worker_templates.model.spec import DEFAULTS, NESTED, Spec
from flask_worker_templates.model.template import Template, spec_values

from .stored_types import (
    Reader,
    array,
    below,
    flag,
    json_object,
    labels,
    mapping,
    missing,
    moment,
    nested,
    optional,
    price,
    read_fields,
    revision,
    text,
    whole,
)

EXTRA_VALUES = "extra_values"
"""The field of a document with ``key=JSON`` strings of the scalars of `extra`: one index serves them all."""


PLACEHOLDER = "\0restoring:"
"""What the name begins with of a document that holds the place of a template that is being restored."""

_CAPACITY: dict[str, Reader] = {"cpu_cores": whole, "memory_gb": whole, "storage_gb": whole}
_SPEC: dict[str, Reader] = {
    "name": text,
    "description": text,
    "instance_type": text,
    "capacity": nested(_CAPACITY, {}),
    "license_type": text,
    "max_nodes": whole,
    "ami_pattern": text,
    "startup_time_minutes": whole,
    "port_range": nested({"start": whole, "end": whole}, DEFAULTS["port_range"]),
    "enabled": flag,
    "cost_per_hour_usd": optional(price),
    "labels": labels,
    "max_claims": optional(whole),
    "deprecation": optional(nested({"message": text, "replaced_by": optional(text)}, {"replaced_by": None})),
    "extra": json_object,
}
_OWNED: dict[str, Reader] = {
    "_id": text,
    "revision": revision,
    "is_seeded": flag,
    "created_at": moment,
    "updated_at": moment,
}


def to_stored(spec: Spec) -> dict[str, Any]:
    """Return the stored form of a spec."""
    # A label key holds no "=", so the first one divides.
    return {**spec, "labels": [f"{key}={value}" for key, value in spec["labels"].items()]}


def keeping_unknown(document: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return the stored form of a spec with the parts that only a newer version knows, as the document has them."""
    kept = dict(stored)
    for name, known in NESTED.items():
        before, after = document.get(name), stored[name]
        if isinstance(before, dict) and isinstance(after, dict):
            kept[name] = {**{key: value for key, value in before.items() if key not in known}, **after}
    return kept


def stored_at_top(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a template's document holds of a stored spec: also the strings by which `extra` is found."""
    strings = [scalar_string(key, value) for key, value in stored["extra"].items()]
    return {**stored, EXTRA_VALUES: [one for one in strings if one is not None]}


def from_stored(document: Mapping[str, Any]) -> Spec:
    """Return the spec that a document or a base holds.

    Raises:
        Malformed: if it holds none.
    """
    spec: Spec = {}
    for name, read in _SPEC.items():
        if name in document:
            spec[name] = read(document[name], name)
        elif name in DEFAULTS:
            spec[name] = copy.copy(DEFAULTS[name])
        else:
            raise missing(name)
    return spec


def template_of(document: Mapping[str, Any]) -> Template:
    """Return the template that a document holds.

    Raises:
        Malformed: if it holds none.
    """
    return _template(from_stored(document), owned_by_template(document))


def _template(spec: Spec, owned: Mapping[str, Any]) -> Template:
    return Template(
        id=owned["_id"],
        **spec_values(spec),
        revision=owned["revision"],
        is_seeded=owned["is_seeded"],
        created_at=owned["created_at"],
        updated_at=owned["updated_at"],
    )


def check_presented(document: Mapping[str, Any]) -> None:
    """Look at all of a document that is shown of a template.

    Raises:
        Malformed: if it holds none.
    """
    from_stored(document)
    owned_by_template(document)


class Found:
    """A template as it was found: its document, and what that says, which is read once.

    Args:
        document: the template's.
        spec: that it holds, where that is known already.
        is_known: whether it is only remembered: what is written on it must demand that it still is so.
    """

    def __init__(self, document: dict[str, Any], spec: Spec | None = None, *, is_known: bool = False) -> None:
        self.document = document
        self.is_known = is_known
        if spec is not None:
            self.spec = spec

    @cached_property
    def spec(self) -> Spec:
        """The spec; nobody's to change.

        Raises:
            Malformed: if the document holds none.
        """
        return from_stored(self.document)

    @property
    def template(self) -> Template:
        """The template, each time a new one, whose mappings are its own.

        Raises:
            Malformed: if the document holds none.
        """
        return _template(self.spec, self._owned)

    def changed_to(self, spec: Spec) -> Template:
        """Return the template that a change to this spec would make; its mappings are its own, too.

        Raises:
            Malformed: if the document holds none.
        """
        return _template(spec, {**self._owned, "revision": self._owned["revision"] + 1})

    @cached_property
    def _owned(self) -> dict[str, Any]:
        return owned_by_template(self.document)


def managed_of(document: Mapping[str, Any]) -> Managed:
    """Return what a comparison needs to know of a template.

    Raises:
        Malformed: if the document is none.
    """
    return managed_with(document, from_stored(document), base_of(document))


def managed_with(document: Mapping[str, Any], spec: Spec, base: Spec | None) -> Managed:
    """Return the same of a document whose spec and base are known already."""
    owned = owned_by_template(document)
    file_set = document.get("file_set")
    return Managed(
        owned["_id"],
        owned["revision"],
        spec,
        base,
        source_of(document),
        None if file_set is None else text(file_set, "file_set"),
        exported_of(document.get("exported")),
    )


def base_of(document: Mapping[str, Any]) -> Spec | None:
    """Return the base that a document holds, or None.

    Raises:
        Malformed: if it holds something else.
    """
    base = document.get("base")
    if base is None:
        return None
    with below("base"):
        return from_stored(mapping(base, ""))


def source_of(document: Mapping[str, Any]) -> str | None:
    """Return the source of a document's base, or None.

    Raises:
        Malformed: if it holds something else.
    """
    source = document.get("source")
    return None if source is None else text(source, "source")


def is_placeholder(name: Any) -> bool:
    """Tell whether a document of this name holds the place of a template that is being restored."""
    return isinstance(name, str) and name.startswith(PLACEHOLDER)


def owned_by_template(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a template besides its spec that are shown."""
    return read_fields(_OWNED, document)


def origin_fields(origin: Origin) -> dict[str, Any]:
    """Return the fields of a template's document that say where it comes from."""
    return {
        "base": None if origin.base is None else to_stored(origin.base),
        "source": origin.source,
        "file_set": origin.file_set,
        "exported": None if origin.exported is None else stored_exported(origin.exported),
    }


def exported_of(stored: Any) -> Exported | None:
    """Return what a document notes of exports.

    Raises:
        Malformed: if it holds something else.
    """
    if stored is None:
        return None
    with below("exported"):
        noted = mapping(stored, "")
        leaves = [mapping(leaf, "leaves") for leaf in array(noted.get("leaves"), "leaves")]
        return Exported(
            text(noted.get("file_set"), "file_set"),
            tuple(
                ExportedLeaf(text(leaf.get("field"), "leaves"), leaf.get("base", ABSENT), leaf.get("file", ABSENT))
                for leaf in leaves
            ),
        )


def stored_exported(exported: Exported) -> dict[str, Any]:
    """Return the stored form of what a document notes of exports."""
    leaves = [
        {"field": leaf.field}
        | ({} if leaf.base is ABSENT else {"base": leaf.base})
        | ({} if leaf.file is ABSENT else {"file": leaf.file})
        for leaf in exported.leaves
    ]
    # The name once more, for the index by which a renamed template is found.
    named = {} if exported.name is None else {"name": exported.name}
    return {"file_set": exported.file_set, **named, "leaves": leaves}
