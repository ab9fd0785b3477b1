"""Documents left as the BSON bytes that the server sent."""

from __future__ import annotations

from typing import Any

import bson
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument

_SLOTS = f"_{RawBSONDocument.__name__}__"


class RawDocument(RawBSONDocument):
    """A document that becomes PyMongo's own with the first look into it; for one thread.

    The decoder in C that makes it has read the size and knows the options. PyMongo's class looks at both again, which
    costs a list of 50 templates a twentieth of its time.
    """

    __slots__ = ("_arguments",)

    def __init__(self, bson_bytes: bytes | memoryview, codec_options: CodecOptions[Any] | None = None) -> None:
        self._arguments = (bson_bytes, codec_options)

    @property
    def raw(self) -> bytes | memoryview:
        """Its bytes."""
        return self._arguments[0]

    def __getattr__(self, name: str) -> Any:
        """Fill the slots of PyMongo's class, one of which was asked for while it was empty."""
        if not name.startswith(_SLOTS):
            raise AttributeError(name)
        super().__init__(*self._arguments)
        return object.__getattribute__(self, name)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy it as it was made, with bytes of its own."""
        return type(self), (bytes(self.raw), self._arguments[1])


RAW: CodecOptions[Any] = CodecOptions(document_class=RawDocument if bson.has_c() else RawBSONDocument)
"""How documents are left as the bytes that the server sent."""
