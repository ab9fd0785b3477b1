"""All templates of a list, however many: read in batches, each within the time limit, and never held together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flask_worker_templates.model.template import Template

from .decoding import decode
from .presented import PRESENTED
from .queries import all_of, order, without
from .raw_reads import find_raw
from .reads import Reads
from .stored_form import template_of

BATCH = 1000
"""The most templates that are read at a time."""


class WholeReads(Reads):
    """The part of the store that reads lists from their beginning to their end."""

    def each(self, asked: Mapping[str, Any]) -> Iterator[Template]:
        """Yield all templates that parameters let through, whatever page they ask for.

        Which there are and their order is that of one moment. Each is shown as it is when its batch is read; what does
        not fit any more by then is left out.

        Args:
            asked: parameters as `parameters.ListSchema` loads them.

        Raises:
            InvalidParameters: if a parameter cannot be searched for.
        """
        with self._access.operation() as db:
            db.census.look_again(db)
            wanted = self._wanted(db, asked)
            sort = order(asked["sort"])
            # Without the rest of the documents, so that the server sorts any number of them in memory.
            pipeline = [
                {"$match": all_of([*wanted, *without(db.census.templates())])},
                {"$project": {field: 1 for field, _ in sort}},
                {"$sort": dict(sort)},
                {"$project": {"_id": 1}},
            ]
            found = (row["_id"] for row in db.templates.aggregate(pipeline))
            ids = [template_id for template_id in found if isinstance(template_id, str)]
        for start in range(0, len(ids), BATCH):
            batch = ids[start : start + BATCH]
            with self._access.operation() as db:
                query = all_of([{"_id": {"$in": batch}}, *wanted])
                documents = find_raw(db.templates, query, PRESENTED, limit=len(batch))
                templates, _ = self._read_all(db, documents, lambda raw: template_of(decode(raw)))
            there = {template.id: template for template in templates}
            for template_id in batch:
                if template_id in there:
                    yield there[template_id]
