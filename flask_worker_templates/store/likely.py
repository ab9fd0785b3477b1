"""Stored templates that are as their entries in definition files say, told by the bytes that the server sent.

Of a fleet that is compared with its files, nearly all are. To decode such a document and to look at each of its values
costs three times as much as to see that it holds the very bytes that the entry is stored as.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Mapping

import bson

from flask_worker_templates.model.records import Managed
from flask_worker_templates.model.spec import Spec

from .decoding import decode
from .stored_form import managed_of, managed_with, to_stored
from .stored_types import Malformed

_LENGTH = struct.Struct("<i")
_HEADER = _LENGTH.size
"""Bytes of a document before its first element; behind its last one there is one more."""
_ID, _NAME = b"\x02_id\0", b"\x02name\0"
_BASE = b"\x03base\0"
_ENDS = (b"\0", b"\x0aexported\0\0")
"""What may come after the base: nothing, or that nothing was exported."""


class ManagedReader:
    """Reads documents for a comparison.

    Args:
        likely: by their names, specs in normal form that the templates are likely to have, and that were last applied.
    """

    def __init__(self, likely: Mapping[str, Spec]) -> None:
        self._likely = likely

    def __call__(self, raw: bytes) -> Managed:
        """Return what a comparison needs to know of a template.

        If its spec and its base both are as is likely, they are the very object that was given.

        Raises:
            Malformed: if the document is none.
        """
        found = self._as_likely(raw) if self._likely else None
        return managed_of(decode(raw)) if found is None else found

    def _as_likely(self, raw: bytes) -> Managed | None:
        """Return a template that holds what is likely, twice; None says nothing: then all of it is read."""
        template_id, name_at = _string(raw, 4, _ID)
        spec = self._likely.get(_string(raw, name_at, _NAME)[0])
        if spec is None:
            return None
        stored = bson.encode(to_stored(spec))
        # The fields of a spec stand together, in their order, where this version wrote all of them.
        if not raw.startswith(stored[_HEADER:-1], name_at):
            return None
        between = raw[name_at + len(stored) - _HEADER - 1 :]
        for end in _ENDS:
            base = _BASE + stored + end
            if between.endswith(base):
                break
        else:
            return None
        owned = _owned(between[: -len(base)])
        return None if owned is None else Managed(template_id, owned.revision, spec, spec, owned.source, owned.file_set)


@functools.lru_cache(maxsize=256)
def _owned(elements: bytes) -> Managed | None:
    """Return what a document says between its spec and its base; None if that has to be read with them.

    Remembered: of templates that were created in the same millisecond, that is the same.
    """
    try:
        document = decode(_LENGTH.pack(_HEADER + len(elements) + 1) + elements + b"\0")
        return managed_with({**document, "_id": ""}, {}, None) if document.get("exported") is None else None
    except Malformed:
        return None


def _string(raw: bytes, at: int, key: bytes) -> tuple[str, int]:
    """Return the string that an element of BSON is, and where the next element begins; empty if it is another one."""
    start = at + len(key) + _LENGTH.size
    if not raw.startswith(key, at) or start > len(raw):
        return "", at
    (length,) = _LENGTH.unpack_from(raw, at + len(key))
    try:
        return raw[start : start + length - 1].decode(), start + length
    except UnicodeDecodeError:
        return "", at
