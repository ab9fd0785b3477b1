"""Documents left as the BSON bytes that the server sent, and arrays of them.

The names of PyMongo's that begin with an underscore are those of its own `find_raw_batches`, whose cursor costs more
than a page of documents does.
"""

from __future__ import annotations

import struct
from typing import Any

import bson
from bson import raw_bson
from bson.codec_options import CodecOptions

RAW: CodecOptions[Any] = raw_bson.DEFAULT_RAW_BSON_OPTIONS
"""How documents are left as bytes."""

RAW_ARRAYS: CodecOptions[Any] = raw_bson._RAW_ARRAY_BSON_OPTIONS  # noqa: SLF001
"""How the arrays in them are left as bytes too, for `each_document`."""

_SIZE = struct.Struct("<i")  # with which each document begins


def each_document(array: bytes | memoryview) -> list[bytes]:
    """Return the documents of an array that holds nothing else; they are not looked into, and so cost little."""
    stream: bytes = bson._array_of_documents_to_buffer(array)  # noqa: SLF001
    found, at = [], 0
    while at < len(stream):
        end = at + _SIZE.unpack_from(stream, at)[0]
        found.append(stream[at:end])
        at = end
    return found
