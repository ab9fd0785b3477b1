"""Documents left as the BSON bytes that the server sent."""

from __future__ import annotations

from typing import Any

from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument


class RawDocument(RawBSONDocument):
    """A document left as the bytes that the server sent, which becomes PyMongo's own with the first look into it.

    The decoder that makes it has read the size and knows the options. PyMongo's class looks at both again, which costs
    a list of 50 templates a twentieth of its time.
    """

    __slots__ = ("_arguments",)

    def __init__(self, *arguments: Any) -> None:
        self._arguments = arguments

    @property
    def raw(self) -> bytes | memoryview:
        """Its bytes."""
        return self._arguments[0]  # type: ignore[no-any-return]

    def __getattr__(self, name: str) -> Any:
        """Fill the slots of PyMongo's class, one of which was asked for."""
        if name == "_arguments":  # of one that is being copied
            raise AttributeError(name)
        super().__init__(*self._arguments)
        return object.__getattribute__(self, name)


RAW: CodecOptions[RawDocument] = CodecOptions(document_class=RawDocument)
"""How documents are left as the bytes that the server sent."""
