"""The stored form of templates and events: what a document has to be, and what it says.

The spec's fields stand at the top of the document, labels as ``key=value`` strings, so that a label is found through an
index. Whether a document is a template or an event at all is decided here, and nowhere else: all functions that read
raise `Malformed` for one that is not. A field with a default that an older version did not know has its default; fields
that only a newer version knows are passed over.
"""

from __future__ import annotations

import copy
import functools
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import bson
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.errors import InvalidBSON

from flask_worker_templates.model.claim import Claim
from flask_worker_templates.model.extra import scalar_string
from flask_worker_templates.model.records import ABSENT, Exported, ExportedLeaf, Managed, Origin
from flask_worker_templates.model.spec import DEFAULTS, FIELDS, NESTED, Spec
from flask_worker_templates.model.template import Template, rfc3339, spec_values, to_json

from .stored_types import (
    Malformed,
    Placeholder,
    Reader,
    array,
    flag,
    json_object,
    labels,
    mapping,
    missing,
    moment,
    nested,
    optional,
    price,
    revision,
    text,
    whole,
)

EXTRA_VALUES = "extra_values"
"""The field of a document with ``key=JSON`` strings of the scalars of `extra`: one index serves them all."""

PRESENTED = {**dict.fromkeys(FIELDS, 1), "revision": 1, "is_seeded": 1, "created_at": 1, "updated_at": 1}
"""Projection of the fields that `present` reads."""

CHECKED = {"claims": 0}
"""Projection of the fields that `check_template` looks at; the claims may be many."""

# A date that Python cannot express, or a string that is not UTF-8, must not keep others from being read.
PLAIN: CodecOptions[dict[str, Any]] = CodecOptions(
    datetime_conversion=DatetimeConversion.DATETIME_AUTO, unicode_decode_error_handler="surrogateescape"
)
"""How documents are decoded, whatever a host's client is set to."""

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
_EVENT: dict[str, Reader] = {
    "_id": text,
    "template_id": text,
    "revision": revision,
    "name": text,
    "action": text,
    "actor": text,
    "at": moment,
    "token": text,
}
_EVENT_OPTIONAL: dict[str, Reader] = {
    "message": optional(text),
    "reverted_to": optional(revision),
    "pruned": flag,
    "managed": flag,
}
_CLAIM: dict[str, Reader] = {"worker_id": text, "actor": text, "claimed_at": moment}
_LEASE: dict[str, Reader] = {
    "revision": optional(revision),
    "ttl_seconds": optional(whole),
    "renewed_at": optional(moment),
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


def present(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a template as the API shows it, ready for JSON. The one place where that is decided.

    Raises:
        Malformed: if the document is no template.
    """
    owned = _owned(document)
    return {
        "id": owned["_id"],
        **from_stored(document),
        "revision": owned["revision"],
        "is_seeded": owned["is_seeded"],
        "created_at": rfc3339(owned["created_at"]),
        "updated_at": rfc3339(owned["updated_at"]),
    }


_LARGEST_REMEMBERED = 8192  # bytes; so that what is remembered is bounded too, by some 64 MB


def present_raw(raw: bytes) -> tuple[int, bytes]:
    """Return the revision and the JSON of a template, given the BSON bytes that the server returned.

    Remembered by those bytes: what is shown is always what the server said a moment ago, and a template that did not
    change is not decoded again.

    Raises:
        Malformed: if the document is no template.
    """
    return _remembered(raw) if len(raw) <= _LARGEST_REMEMBERED else _decoded(raw)


def _decoded(raw: bytes) -> tuple[int, bytes]:
    shown = present(decode(raw))
    return shown["revision"], to_json(shown)


_remembered = functools.lru_cache(maxsize=4096)(_decoded)


def checked_raw(raw: bytes) -> tuple[int, bytes]:
    """Return the same of a whole document (but its claims), after a look at everything of it.

    Raises:
        Malformed: if the document is no template.
    """
    return _checked(raw) if len(raw) <= _LARGEST_REMEMBERED else _decoded_and_checked(raw)


def _decoded_and_checked(raw: bytes) -> tuple[int, bytes]:
    document = decode(raw)
    check_template(document)
    shown = present(document)
    return shown["revision"], to_json(shown)


_checked = functools.lru_cache(maxsize=1024)(_decoded_and_checked)


def decoded(raw: bytes) -> dict[str, Any]:
    """Return the document that BSON bytes hold, as far as they can be decoded."""
    try:
        return decode(raw)
    except Malformed:
        return {}


def decode(raw: bytes) -> dict[str, Any]:
    """Return the document that BSON bytes hold.

    Raises:
        Malformed: if they hold none.
    """
    try:
        return bson.decode(raw, PLAIN)
    except InvalidBSON:
        raise Malformed("", "is damaged BSON") from None


def template_of(document: Mapping[str, Any]) -> Template:
    """Return the template that a document holds.

    Raises:
        Malformed: if it holds none.
    """
    spec, owned = from_stored(document), _owned(document)
    return Template(
        id=owned["_id"],
        **spec_values(spec),
        revision=owned["revision"],
        is_seeded=owned["is_seeded"],
        created_at=owned["created_at"],
        updated_at=owned["updated_at"],
    )


def claim_of(stored: Any, now: datetime | None = None, changed: Sequence[str] = ()) -> Claim:
    """Return the claim that a template's document holds.

    Args:
        stored: as it is stored.
        now: the time by the clock of leases; None if the claim is known to be live, or it does not matter.
        changed: the fields that make it outdated.

    Raises:
        Malformed: if it is none.
    """
    found = mapping(stored, "claims")
    # Claims of older versions lack the others.
    lease = {name: read(found[name], f"claims.{name}") for name, read in _LEASE.items() if name in found}
    ttl, renewed_at = lease.get("ttl_seconds"), lease.get("renewed_at")
    expires_at = None if ttl is None or renewed_at is None else _after(renewed_at, ttl)
    return Claim(
        **_read(_CLAIM, found, "claims."),
        revision=lease.get("revision"),
        ttl_seconds=ttl,
        renewed_at=None if expires_at is None else renewed_at,
        expires_at=expires_at,
        expired=expires_at is not None and now is not None and expires_at <= moment(now, "now"),
        changed=tuple(changed),
    )


def _after(moment: datetime, seconds: int) -> datetime | None:
    try:
        return moment + timedelta(seconds=seconds)
    except OverflowError:  # no end that anyone lives to see
        return None


def check_claims(document: Mapping[str, Any]) -> None:
    """Look at the claims of a document.

    Raises:
        Malformed: if they are none.
    """
    if "claims" not in document:
        raise missing("claims")
    for claim in array(document["claims"], "claims"):
        claim_of(claim)


def managed_of(document: Mapping[str, Any]) -> Managed:
    """Return what a comparison needs to know of a template.

    Raises:
        Malformed: if the document is none.
    """
    owned = _owned(document)
    file_set = document.get("file_set")
    return Managed(
        owned["_id"],
        owned["revision"],
        from_stored(document),
        base_of(document),
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
    with _below("base"):
        return from_stored(mapping(base, ""))


def source_of(document: Mapping[str, Any]) -> str | None:
    """Return the source of a document's base, or None.

    Raises:
        Malformed: if it holds something else.
    """
    source = document.get("source")
    return None if source is None else text(source, "source")


def check_template(document: Mapping[str, Any]) -> None:
    """Look at everything of a document but its claims.

    Raises:
        Malformed: if it is no template.
    """
    if is_placeholder(document.get("name")):
        raise Placeholder("", "is being restored")
    from_stored(document)
    owned = _owned(document)
    base_of(document)
    source_of(document)
    if "last_event" not in document:
        raise missing("last_event")
    with _below("last_event"):
        event = mapping(document["last_event"], "")
        check_event(event)
        if event["template_id"] != owned["_id"] or event["revision"] != owned["revision"]:
            raise Malformed("", "is that of another revision or another template")


def check_event(stored: Mapping[str, Any]) -> None:
    """Look at everything of an event.

    Raises:
        Malformed: if it is none.
    """
    _read(_EVENT, stored)
    for name, read in _EVENT_OPTIONAL.items():
        if name in stored:
            read(stored[name], name)
    event_spec(stored)


def is_event(stored: Any) -> bool:
    """Tell whether a value is an event."""
    try:
        check_event(mapping(stored, ""))
    except Malformed:
        return False
    return True


def event_spec(stored: Mapping[str, Any]) -> Spec:
    """Return the spec after an event, without the fields that who wrote it did not know: those are unchanged.

    Raises:
        Malformed: if it holds none.
    """
    if "spec" not in stored:
        raise missing("spec")
    with _below("spec"):
        spec = mapping(stored["spec"], "")
        return {name: value for name, value in from_stored(spec).items() if name in spec}


def owned_by_event(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a sound event says besides its spec, as arguments of `Event`."""
    return {
        "template_id": stored["template_id"],
        "name": stored["name"],
        "revision": int(stored["revision"]),
        "action": stored["action"],
        "actor": stored["actor"],
        "at": moment(stored["at"], "at"),
        "message": stored.get("message"),
        "reverted_to": stored.get("reverted_to"),
        "pruned": stored.get("pruned", False),
    }


def nfc(text: str) -> str:
    """Return the Unicode normal form that names are matched by."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def is_placeholder(name: Any) -> bool:
    """Tell whether a document of this name holds the place of a template that is being restored."""
    return isinstance(name, str) and name.startswith(PLACEHOLDER)


class _below:  # noqa: N801  # read as a statement
    """Puts a path before those of the errors inside."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Malformed):
            error.path = f"{self._path}.{error.path}" if error.path else self._path


def _owned(document: Mapping[str, Any]) -> dict[str, Any]:
    return _read(_OWNED, document)


def _read(readers: Mapping[str, Reader], document: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    try:
        return {name: read(document[name], prefix + name) for name, read in readers.items()}
    except KeyError as error:
        raise missing(prefix + error.args[0]) from None


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
    with _below("exported"):
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
