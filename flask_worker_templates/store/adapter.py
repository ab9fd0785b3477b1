"""What only mongomock needs: it keeps no BSON, decodes nothing, and judges no JSON Schemas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import bson
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import UpdateOne
from pymongo.collection import Collection


class Projection(dict[str, int]):
    """The fields that a query returns, for queries of several threads at once.

    mongomock writes ``_id`` into the projection that it is given and takes it out again, so that two threads with one
    dictionary get in each other's way. This one cannot be written to.
    """

    def __setitem__(self, key: str, value: int) -> None:
        """Leave everything as it is."""


def is_real(collection: Any) -> bool:
    """Tell whether a collection is that of a server."""
    return isinstance(collection, Collection)


def with_options(collection: Any, codec_options: CodecOptions[Any]) -> Any:
    """Return a collection that decodes as the options say; mongomock hands out what it was given."""
    return collection.with_options(codec_options=codec_options) if is_real(collection) else collection


def update_each(collection: Any, updates: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> None:
    """Carry out updates of one document each, given as query and change, in a few trips.

    mongomock takes none in bulk from a current PyMongo.
    """
    if is_real(collection):
        collection.bulk_write([UpdateOne(query, change) for query, change in updates], ordered=False)
        return
    for query, change in updates:
        collection.update_one(query, change)


def raw_bytes(document: Any) -> bytes:
    """Return the BSON bytes of a document that was read from a collection of raw ones."""
    return bytes(document.raw) if isinstance(document, RawBSONDocument) else bson.encode(document)
