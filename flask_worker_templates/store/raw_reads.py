"""Reads of few documents, each as the BSON bytes that the server sent, in one trip.

A cursor of PyMongo is for answers of several batches, and costs processor time that a read of one does not need. So
the command is sent as it is. The driver tries only a cursor again where a server has stepped down or a connection was
lost; so whatever goes wrong with the command, a cursor is asked, within the same time limit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import bson
from pymongo.collection import Collection
from pymongo.errors import OperationFailure, PyMongoError

from .adapter import is_real, raw_bytes, with_options
from .raw_documents import RAW, RAW_ARRAYS, each_document

Sort = Sequence[tuple[str, int]]

_NAMESPACE_NOT_FOUND = 26  # the collection was dropped meanwhile


def find_raw(
    collection: Collection[Any],
    query: Mapping[str, Any],
    projection: Mapping[str, Any],
    *,
    sort: Sort | None = None,
    skip: int = 0,
    limit: int = 0,
) -> list[bytes]:
    """Return the documents found, each as BSON bytes; in one trip where `limit` is set.

    With the read preference and read concern of the collection.
    """
    # Without a size the server would send the first 101 and wait to be asked for more; and so it waits after a batch
    # that is full, if it had to sort without an index.
    size = limit + 1 if limit else 0
    if limit and is_real(collection):
        command = {"find": collection.name, "filter": query, "projection": projection, "limit": limit}
        command |= {"batchSize": size, "skip": skip} | ({"sort": dict(sort)} if sort else {})
        try:
            return _one_batch(collection, command)
        except PyMongoError:
            pass
    found = with_options(collection, RAW).find(query, projection, sort=sort, skip=skip, limit=limit, batch_size=size)
    return [raw_bytes(document) for document in found]


class CountedPages:
    """Pages of a whole collection with the number of all its documents, in one trip, where that is likely to save one.

    A page that is not full needs no count. So the number is asked for along with the page only after a page was full;
    both answers are right at any time, and only the number of trips depends on it.
    """

    def __init__(self) -> None:
        self._likely_full = False
        self._is_supported = True

    def note(self, *, full: bool) -> None:
        """Take note whether there were more documents than a page holds."""
        self._likely_full = full

    def read(
        self, collection: Collection[Any], projection: Mapping[str, Any], *, sort: Sort, skip: int, limit: int
    ) -> tuple[list[bytes], int] | None:
        """Return the documents of a page, and how many the collection has by the server's own count.

        Returns:
            None where it is to be read in two trips: because the page may well not be full, or because the server
            cannot do this, or could not now.
        """
        if not (self._likely_full and self._is_supported and is_real(collection)):
            return None
        # One document holds the whole answer, so that there never is a second batch: with `$unionWith` in the place of
        # `$lookup`, a server of 6.0.5 reads memory that it has freed when it is asked for that. A page that is too
        # large for one document is an error. The number comes first: to push the page into a document that then looks
        # the number up takes the server longer.
        page = [
            {"$sort": dict(sort)},
            *([{"$skip": skip}] if skip else []),
            {"$limit": limit},
            {"$project": projection},
        ]
        pipeline = [
            {"$collStats": {"count": {}}},
            {"$group": {"_id": None, "count": {"$sum": "$count"}}},  # of every shard
            {"$lookup": {"from": collection.name, "pipeline": page, "as": "page"}},
        ]
        command = {"aggregate": collection.name, "pipeline": pipeline, "cursor": {}}
        try:
            found = _one_batch(collection, command)
        except OperationFailure as error:
            # Such as for a role that may not read the statistics, or a database that knows only a part of this.
            self._is_supported = error.timeout or error.code == _NAMESPACE_NOT_FOUND
            return None
        except PyMongoError:
            return None
        if not found:  # not even a number, from a database that only resembles MongoDB
            return None
        answer = bson.decode(found[0], RAW_ARRAYS)
        return each_document(answer["page"]), answer["count"]


def _one_batch(collection: Collection[Any], command: dict[str, Any]) -> list[bytes]:
    """Return the documents of the only batch that a command answers with.

    Raises:
        PyMongoError: if it fails, or if there is more than one answer can hold (16 MB).
    """
    if concern := collection.read_concern.document:
        command["readConcern"] = concern
    answer = collection.database.command(command, codec_options=RAW_ARRAYS, read_preference=collection.read_preference)
    cursor = answer["cursor"]
    if cursor["id"]:
        collection.database.command({"killCursors": collection.name, "cursors": [cursor["id"]]})
        raise PyMongoError("There is a second batch.")
    return each_document(cursor["firstBatch"])
