"""Reading claims: of one template and of all, each with what makes it expired or outdated."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from pymongo.errors import OperationFailure

from flask_worker_templates.errors import InvalidParameters, TemplateNotFound
from flask_worker_templates.model.claim import Claim, ClaimCount
from flask_worker_templates.model.parameters import Paging
from flask_worker_templates.model.scope import Scope
from flask_worker_templates.model.spec import Spec, changes, flatten
from flask_worker_templates.model.template import Page, Template

from .audit import event_id
from .claim_rules import CLAIMS, ClaimRules
from .connection import Collections, Document
from .indexes import CLAIMED, IS_CLAIMED, UNIQUE_NAME
from .part import Part
from .presented import PRESENTED
from .queries import all_of, scope_conditions
from .stored_claims import claim_of
from .stored_events import event_spec
from .stored_form import from_stored, template_of
from .stored_types import Malformed

MAX_READ = 10_000
"""The most claims that are read to find the outdated or the expired ones among them."""

_CHUNK = 1000  # events in one query
_BAD_VALUE = 2  # the code for a hint at an index that there is not

# No names that a field of a document has.
_IS_ARRAY, _TOTAL, _NOW = "claims are an array", "total number of claims", "time of the clock"


class ClaimReads(Part):
    """The part of the store that reads claims."""

    def claims(
        self, template_id: str, paging: Paging, *, guard: Callable[[Template], None] | None = None
    ) -> Page[Claim]:
        """Return the claims of a template, oldest first.

        Args:
            template_id: which one.
            paging: which of the claims.
            guard: raises where they may not be shown, given the template that they were read with.

        Raises:
            TemplateNotFound: if there is none with this id.
        """
        limit = self._access.time_limit()
        with self._access.operation(limit) as db:
            now = self._rules.clock.now(db)
            document = read_claims(db, template_id, paging, scope_conditions(self._scope), now)
        if guard is not None:
            with limit.stopped():
                guard(template_of(document))
        with self._access.operation(limit) as db:
            rows = [{"_id": template_id, "claims": claim, "now": document[_NOW]} for claim in document["claims"]]
            items = _shown(db, rows, {template_id: document}, self._rules, self._scope)
        return Page(tuple(items), document[_TOTAL], paging.page, paging.size)

    def claim_counts(self, template_ids: Sequence[str]) -> dict[str, ClaimCount]:
        """Return how many claims each of some templates has; those that there are not are left out."""
        counts: dict[str, ClaimCount] = {}
        with self._access.operation() as db:
            counted = {"all": {"$size": CLAIMS}, "live": {"$size": self._rules.live(db)}}
            for start in range(0, len(template_ids), _CHUNK):
                key = {"_id": {"$in": list(template_ids[start : start + _CHUNK])}}
                query = all_of([key, *scope_conditions(self._scope)])
                for row in db.templates.aggregate([{"$match": query}, {"$project": counted}]):
                    counts[row["_id"]] = ClaimCount(row["live"], row["all"] - row["live"])
        return counts

    def all_claims(self, asked: Mapping[str, Any]) -> Page[Claim]:
        """Return one page of the claims of all templates, by the templates' names, and then oldest first.

        Args:
            asked: parameters as `claim_parameters.ClaimsSchema` loads them.

        Raises:
            InvalidParameters: if more claims than `MAX_READ` would have to be read.
        """
        paging = Paging(asked["page"], asked["page_size"])
        filtered = [key for key in ("outdated", "expired") if key in asked]
        with self._access.operation() as db:
            pipeline, hint = _rows(asked, self._rules.clock.now(db), scope_conditions(self._scope))
            if filtered:
                rows = _aggregate(db, [*pipeline, {"$limit": MAX_READ + 1}], hint, batchSize=MAX_READ + 2)
                if len(rows) > MAX_READ:
                    raise InvalidParameters(
                        {
                            key: [f"There are more than {MAX_READ:,} claims: name a template or a worker too."]
                            for key in filtered
                        }
                    )
                claims = [
                    claim
                    for claim in _shown_with_templates(db, rows, self._rules, self._scope)
                    if all(getattr(claim, key) == asked[key] for key in filtered)
                ]
                page, total = claims[paging.skip : paging.skip + paging.size], len(claims)
            else:
                paged = [*pipeline, {"$skip": paging.skip}, {"$limit": paging.size}]
                rows = _aggregate(db, paged, hint, batchSize=paging.size + 1)
                page = _shown_with_templates(db, rows, self._rules, self._scope)
                total = paging.skip + len(rows)
                if len(rows) == paging.size or (not rows and paging.page > 1):
                    counted = _aggregate(db, [*pipeline, {"$group": {"_id": None, "total": {"$sum": 1}}}], hint)
                    total = max(total if rows else 0, counted[0]["total"] if counted else 0)
        return Page(tuple(page), total, paging.page, paging.size)


def read_claims(
    db: Collections, template_id: str, paging: Paging, within: Sequence[Document] = (), now: Any = None
) -> Document:
    """Return a template with the claims of one page, how many it has, and the time.

    Args:
        db: where from.
        template_id: which template.
        paging: which of the claims.
        within: conditions that the template must meet.
        now: expression for the time.

    Raises:
        TemplateNotFound: if there is none with this id, or it does not meet them.
    """
    shown = {
        _IS_ARRAY: {"$isArray": "$claims"},
        _TOTAL: {"$size": CLAIMS},
        "claims": {"$slice": [CLAIMS, paging.skip, paging.size]},
        _NOW: now,
    }
    pipeline: list[dict[str, Any]] = [{"$match": all_of([{"_id": template_id}, *within])}, {"$addFields": shown}]
    for document in db.templates_guarded.aggregate(pipeline):
        if not document[_IS_ARRAY]:
            del document["claims"]
        db.census.sound_template(document, template_id, claims=True)
        return document
    raise TemplateNotFound(template_id)


def live_claims(db: Collections, template_id: str, rules: ClaimRules, most: int) -> tuple[int, Sequence[Document]]:
    """Return how many live claims a template has, and the first few.

    Raises:
        TemplateNotFound: if there is none with this id.
    """
    live = rules.live(db)
    shown = {"total": {"$size": live}, "shown": {"$slice": [live, 0, most]}}
    for row in db.templates_guarded.aggregate([{"$match": {"_id": template_id}}, {"$project": shown}]):
        return row["total"], row["shown"]
    raise TemplateNotFound(template_id)


def claim_shown(db: Collections, document: Document, now: datetime | None, rules: ClaimRules, scope: Scope) -> Claim:
    """Return the one claim that the document of a template holds, with the fields that make it outdated."""
    row = {"_id": document["_id"], "claims": document["claims"][0], "now": now}
    (claim,) = _shown(db, [row], {document["_id"]: document}, rules, scope)
    return claim


def _rows(asked: Mapping[str, Any], now: Any, within: list[Document]) -> tuple[list[dict[str, Any]], str | None]:
    match: dict[str, Any] = {}
    hint = None
    if "template" in asked:
        match["name"] = {"$eq": asked["template"]}
    if "worker_id" in asked:
        match["claims.worker_id"] = {"$eq": asked["worker_id"]}
    if not match:
        # By an index on names, and so in its order: sorting the documents would take too much memory.
        match, hint = {"name": {"$gte": ""}, **IS_CLAIMED}, CLAIMED
    one = [{"$match": {"claims.worker_id": {"$eq": asked["worker_id"]}}}] if "worker_id" in asked else []
    return [
        {"$match": all_of([match, *within])},
        {"$sort": {"name": 1}},
        {"$project": {"claims": 1, "now": now}},
        {"$unwind": "$claims"},
        *one,
    ], hint


def _aggregate(db: Collections, pipeline: list[dict[str, Any]], hint: str | None, **options: Any) -> list[Document]:
    if hint is None:
        return list(db.templates.aggregate(pipeline, **options))
    try:
        return list(db.templates.aggregate(pipeline, hint=hint, **options))
    except OperationFailure as error:
        if error.code != _BAD_VALUE:
            raise
        return list(db.templates.aggregate(pipeline, hint=UNIQUE_NAME, **options))  # the index is still being built


def _shown_with_templates(db: Collections, rows: Sequence[Document], rules: ClaimRules, scope: Scope) -> list[Claim]:
    ids = list(dict.fromkeys(row["_id"] for row in rows))
    templates: dict[str, Document] = {}
    for start in range(0, len(ids), _CHUNK):
        query = all_of([{"_id": {"$in": ids[start : start + _CHUNK]}}, *scope_conditions(scope)])
        found = db.templates.find(query, PRESENTED).batch_size(_CHUNK + 1)
        templates.update((document["_id"], document) for document in found)
    there = [row for row in rows if row["_id"] in templates and _is_claim(row["claims"])]
    return [
        replace(claim, template_id=row["_id"], template_name=templates[row["_id"]]["name"])
        for row, claim in zip(there, _shown(db, there, templates, rules, scope), strict=True)
    ]


def _is_claim(stored: Any) -> bool:
    try:
        claim_of(stored)
    except Malformed:  # the next scan lists its template
        return False
    return True


def _shown(
    db: Collections, rows: Sequence[Document], templates: Mapping[str, Document], rules: ClaimRules, scope: Scope
) -> list[Claim]:
    pairs = {(row["_id"], row["claims"].get("revision")) for row in rows}
    changed = changed_since(db, pairs, templates, rules, scope)
    return [
        claim_of(row["claims"], row["now"], changed.get((row["_id"], row["claims"].get("revision")), ()))
        for row in rows
    ]


def changed_since(
    db: Collections,
    pairs: Iterable[tuple[str, int | None]],
    templates: Mapping[str, Document],
    rules: ClaimRules,
    scope: Scope,
) -> dict[tuple[str, int | None], list[str]]:
    """Return, for revisions of templates, the fields that matter to a machine and are others now."""
    ids = [event_id(one, n) for one, n in pairs if n is not None and n != templates[one]["revision"]]
    now: dict[str, Spec] = {}
    found: dict[tuple[str, int | None], list[str]] = {}
    for start in range(0, len(ids), _CHUNK):
        query = {"_id": {"$in": ids[start : start + _CHUNK]}}
        found_then = db.events.find(query, {"template_id": 1, "revision": 1, "spec": 1}).batch_size(_CHUNK + 1)
        for event in found_then:
            one = event["template_id"]
            if one not in now:
                now[one] = from_stored(templates[one])
            then = {**now[one], **event_spec(event)}
            paths = [change["field"] for change in changes(then, now[one])]
            if not scope.contains(then):  # nothing of it may be told: no field that it alone has
                paths = [path for path in paths if path in flatten(now[one])]
            found[one, event["revision"]] = [path for path in paths if rules.matters(path)]
    return found
