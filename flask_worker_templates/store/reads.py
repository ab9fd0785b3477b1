"""Reading templates, their history and their claims; none of these writes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar, cast

from flask_worker_templates.errors import InvalidParameters, TemplateNotFound
from flask_worker_templates.model.fields import is_utf8, nfc
from flask_worker_templates.model.parameters import Paging
from flask_worker_templates.model.selection import Selection, selection
from flask_worker_templates.model.spec import DEFAULTS
from flask_worker_templates.model.template import Event, Page, Template

from . import audit
from .adapter import raw_bytes, with_options
from .connection import Collections, Document
from .decoding import CHECKED, decode, decoded
from .feed import follow
from .part import Part
from .presented import PRESENTED, checked, checked_raw, present_raw
from .queries import all_of, conditions, matching_patterns, order, same_name, scope_conditions, without
from .raw_documents import RAW
from .raw_reads import find_raw
from .recheck import recheck
from .scoped_events import Insiders, trail_within
from .stored_form import is_placeholder, template_of
from .stored_types import Malformed

R = TypeVar("R")

MAX_EXPLAINED = 10_000
"""The most templates of which a selection says why they do not fit."""


class Reads(Part):
    """The part of the store that reads."""

    def get(self, template_id: str) -> Template:
        """Return a template.

        Raises:
            TemplateNotFound: if there is none with this id.
        """
        return self._get(template_id, checked)[0]

    def get_by_name(self, name: str) -> Template:
        """Return the template of a name.

        Raises:
            TemplateNotFound: if there is none with this name.
        """
        if not isinstance(cast("object", name), str) or not is_utf8(name):  # any other value would be compared as it is
            raise TemplateNotFound(name)
        with self._access.operation() as db:
            found = list(db.templates.find(self._inside({"name": same_name(db.census.spellings(name), name)}), CHECKED))
            if not found:
                raise TemplateNotFound(name)
            # Where several are one name to people, the one that is spelled as asked.
            document = min(found, key=lambda found: (found["name"] != name, found["name"] != nfc(name)))
            return template_of(db.census.sound_template(document, name))

    def get_raw(self, template_id: str) -> tuple[int, bytes]:
        """Return a template's revision and its JSON.

        Raises:
            TemplateNotFound: if there is none with this id.
        """
        return self._get(template_id, checked_raw)

    def get_both(self, template_id: str) -> tuple[Template, bytes]:
        """Return a template and its JSON.

        Raises:
            TemplateNotFound: if there is none with this id.
        """
        return self._get(template_id, checked)

    def _get(self, template_id: str, read: Callable[[bytes], R]) -> R:
        with self._access.operation() as db:
            found = find_raw(db.templates, self._inside({"_id": template_id}), CHECKED, limit=1)
            shown, _ = self._read_all(db, found, read)
            if not shown:
                raise TemplateNotFound(template_id)
            recheck(db, template_id)
            db.known.note(template_id, found[0])
        return shown[0]

    def page(self, asked: Mapping[str, Any]) -> Page[Template]:
        """Return one page of the templates.

        Args:
            asked: parameters as `parameters.ListSchema` loads them.
        """
        return self._page(asked, lambda raw: template_of(decode(raw)))

    def page_raw(self, asked: Mapping[str, Any]) -> Page[bytes]:
        """Return one page of the templates, each as JSON."""
        return self._page(asked, present_raw)

    def _page(self, asked: Mapping[str, Any], read: Callable[[bytes], R]) -> Page[R]:
        """Return one page of the templates; counted only where the page and the one after it do not tell."""
        paging = Paging(asked["page"], asked["page_size"])
        with self._access.operation() as db:
            db.census.look_again(db)
            wanted = self._wanted(db, asked)
            absent = db.census.templates()
            while True:
                query = all_of([*wanted, *without(absent)])
                found, counted = _found(db, query, asked["sort"], paging)
                items, met = self._read_all(db, found, read)
                if not met:
                    break
                db.census.look(db, events=False)  # there may be more where these are
                absent += met + db.census.templates()
            if len(found) <= paging.size and (found or paging.page == 1):
                total = paging.skip + len(found)
            else:
                total = _count(db, wanted, query, absent) if counted is None else counted
                # What was found counts, whatever a count of a moment later or the server's own says of it.
                total = max(total, paging.skip + len(found)) if found else min(total, paging.skip)
        return Page(tuple(items[: paging.size]), total, paging.page, paging.size)

    def _read_all(
        self, db: Collections, found: Sequence[bytes], read: Callable[[bytes], R]
    ) -> tuple[list[R], list[Any]]:
        """Return what is read of the documents that are templates, and the ids of all others that there may be."""
        items: list[R] = []
        met: list[Any] = []
        for raw in found:
            try:
                items.append(read(raw))
            except Malformed as error:
                document = decoded(raw)
                db.census.met_template(document, error)
                met.append(document.get("_id"))
        return items, met

    def select(self, asked: Mapping[str, Any], *, explain: bool = False) -> Selection:
        """Return the templates that fit: enabled, not deprecated, cheapest first, unknown prices last, ties by name.

        Args:
            asked: parameters of the list, without paging and order.
            explain: read the others too, and say of each why it does not fit.

        Raises:
            InvalidParameters: if there are too many templates to explain.
        """
        with self._access.operation() as db:
            asked_of = {} if explain else {**asked, "enabled": True, "deprecated": False}
            query = all_of([*self._wanted(db, asked_of), *without(db.census.templates())])
            raw = find_raw(db.templates, query, PRESENTED, limit=MAX_EXPLAINED + 1 if explain else 0)
            found, _ = self._read_all(db, raw, lambda one: template_of(decode(one)))
        if explain and len(found) > MAX_EXPLAINED:
            raise InvalidParameters({"explain": [f"There are more than {MAX_EXPLAINED:,} templates to explain."]})
        return selection(found, asked)

    def foreign(self, name: str) -> Iterator[tuple[str, Any]]:
        """Yield the documents of any collection of this database, each with its key for people; to be imported.

        All of them, however long that takes.

        Raises:
            InvalidParameters: if there is no collection of this name.
        """
        with self._access.long_operation() as db:
            if name not in db.database.list_collection_names():
                raise InvalidParameters({"collection": [f"There is no collection {name!r} in the database."]})
            for raw in with_options(db.database[name], RAW).find():
                document = decoded(raw_bytes(raw))
                yield str(document.get("_id")), document

    def trail(self, asked: Mapping[str, Any]) -> Page[Event]:
        """Return the events of all templates, newest first, or those after a cursor, in the order they became known.

        Args:
            asked: parameters as `parameters.TrailSchema` loads them.
        """
        with self._access.operation() as db:
            if "after" in asked:
                return follow(db, asked, self._scope)
            if self._scope.everything:
                return audit.trail(db, asked)
            return trail_within(db, asked, self._scope)

    def names(self) -> set[str]:
        """Return the names, in NFC, that are taken; by templates, or by documents that are none."""
        with self._access.operation() as db:
            # The condition makes the server answer from the index on names alone.
            query = self._inside({"name": {"$gte": ""}})
            found = [document["name"] for document in db.templates_guarded.find(query, {"name": 1, "_id": 0})]
        return {nfc(name) for name in found if not is_placeholder(name)}

    def look_over(self) -> None:
        """Look for documents that are no templates or events, and tell the log of those that are new."""
        with self._access.operation() as db:
            db.census.look(db)

    def known_blocked(self) -> dict[str, str]:
        """Return the names that are taken by documents that are no templates, each with what is wrong with it.

        As far as that is known: whoever reads all templates, as `managed` does, looks for such documents first.
        """
        return self._access.collections.census.blocked()

    def warnings(self) -> tuple[str, ...]:
        """Return what is wrong with documents of the database, in sentences; at once, from what is known."""
        db = self._access.collections
        db.census.look_soon(db)
        return (*db.census.warnings(), *db.builds.warnings())

    def insiders(self, template_ids: Iterable[str]) -> set[str]:
        """Return those of some templates whose present state, or last one if they are gone, is inside the scope."""
        with self._access.operation() as db:
            return Insiders(db, self._scope).among(template_ids)

    def _wanted(self, db: Collections, asked: Mapping[str, Any]) -> list[Document]:
        found = conditions(dict(asked), db.census.spellings(asked["name"]) if "name" in asked else ())
        found += scope_conditions(self._scope)
        if "ami" in asked:
            patterns = matching_patterns(db, asked["ami"], scope_conditions(self._scope))
            # A document that lacks the field has its default.
            missing = [None] if DEFAULTS["ami_pattern"] in patterns else []
            found.append({"ami_pattern": {"$in": [*patterns, *missing]}})
        return found


def _found(db: Collections, query: Document, sort: str, paging: Paging) -> tuple[list[bytes], int | None]:
    """Return the documents of a page and one more, which says whether it is the last one; and how many there are.

    The number is None where it was not counted on the way.
    """
    by, limit = order(sort), paging.size + 1
    if query:
        return find_raw(db.templates, query, PRESENTED, sort=by, skip=paging.skip, limit=limit), None
    counted = db.counted_pages.read(db.templates, PRESENTED, sort=by, skip=paging.skip, limit=limit)
    found, total = counted or (find_raw(db.templates, query, PRESENTED, sort=by, skip=paging.skip, limit=limit), None)
    db.counted_pages.note(full=len(found) == limit)
    return found, total


def _count(db: Collections, wanted: Sequence[Any], query: Mapping[str, Any], absent: Sequence[Any]) -> int:
    if wanted:
        return db.templates.count_documents(query)
    found = db.templates.estimated_document_count()
    return found - (db.templates.count_documents({"_id": {"$in": list(absent)}}) if absent else 0)
