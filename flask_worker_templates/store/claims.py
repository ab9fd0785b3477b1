"""Claims: which workers use a template. They stand in the template's own document, and change no revision."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from flask_worker_templates.errors import TemplateDisabled, TemplateNotFound
from flask_worker_templates.model.parameters import Window
from flask_worker_templates.model.template import Claim, Page

from .commit import now
from .connection import Collections, Document
from .loop import attempts
from .part import Part
from .queries import all_of, scope_conditions
from .stored_form import claim_of


class Claims(Part):
    """The part of the store that keeps claims."""

    def claims(self, template_id: str, window: Window) -> Page[Claim]:
        """Return the claims of a template, oldest first.

        Raises:
            TemplateNotFound: if there is none with this id.
        """
        with self._access.operation() as db:
            total, shown = read_claims(db, template_id, window, scope_conditions(self._scope))
        return Page(tuple(claim_of(claim) for claim in shown), total, window.page, window.size)

    def claim(self, template_id: str, worker_id: str, *, actor: str) -> tuple[Claim, bool]:
        """Register a worker's use of a template; once for each worker, however often it is called.

        Returns:
            The claim, and whether this call made it.

        Raises:
            TemplateNotFound: if there is none with this id.
            TemplateDisabled: if it is disabled, and the worker does not claim it yet.
        """
        claim = {"worker_id": worker_id, "actor": actor, "claimed_at": now()}
        free = self._inside({"_id": template_id, "enabled": True, "claims.worker_id": {"$ne": worker_id}})
        with self._access.operation() as db:
            for _ in attempts():
                if db.templates_guarded.update_one(free, {"$push": {"claims": claim}}).matched_count:
                    return claim_of(claim), True
                document = db.templates_guarded.find_one(
                    self._inside({"_id": template_id}),
                    {"name": 1, "enabled": 1, "claims": {"$elemMatch": {"worker_id": worker_id}}},
                )
                if document is None:
                    raise TemplateNotFound(template_id)
                if document.get("claims"):
                    return claim_of(document["claims"][0]), False
                if not document["enabled"]:
                    raise TemplateDisabled(document["name"])
        raise AssertionError  # pragma: no cover  # attempts never ends by itself

    def release(self, template_id: str, worker_id: str) -> bool:
        """End a worker's use of a template.

        Returns:
            Whether there was a claim to end.

        Raises:
            TemplateNotFound: if there is none with this id.
        """
        with self._access.operation() as db:
            held = self._inside({"_id": template_id, "claims.worker_id": worker_id})
            if db.templates_guarded.update_one(held, {"$pull": {"claims": {"worker_id": worker_id}}}).matched_count:
                return True
            if db.templates_guarded.find_one(self._inside({"_id": template_id}), {"_id": 1}) is None:
                raise TemplateNotFound(template_id)
            return False


def read_claims(
    db: Collections, template_id: str, window: Window, within: Sequence[Document] = ()
) -> tuple[int, Collection[Document]]:
    """Return how many claims a template has, and those of a window.

    Args:
        db: where from.
        template_id: which template.
        window: which claims.
        within: conditions that the template must meet.

    Raises:
        TemplateNotFound: if there is none with this id, or it does not meet them.
    """
    is_array = {"$isArray": "$claims"}
    array = {"$cond": [is_array, "$claims", []]}
    pipeline: list[dict[str, Any]] = [
        {"$match": all_of([{"_id": template_id}, *within])},
        {
            "$addFields": {
                _IS_ARRAY: is_array,
                _TOTAL: {"$size": array},
                "claims": {"$slice": [array, window.skip, window.size]},
            }
        },
    ]
    for document in db.templates_guarded.aggregate(pipeline):
        if not document[_IS_ARRAY]:
            del document["claims"]
        db.census.sound_template(document, template_id, claims=True)
        return document[_TOTAL], document["claims"]
    raise TemplateNotFound(template_id)


_IS_ARRAY = "claims are an array"
_TOTAL = "total number of claims"  # no name that a field of a document has
