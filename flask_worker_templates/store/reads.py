"""Reading templates, their history and their claims; none of these writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC
from typing import Any

import bson

from flask_worker_templates.errors import DuplicateNames, TemplateNotFound
from flask_worker_templates.model.parameters import Window
from flask_worker_templates.model.records import Deletion, Managed
from flask_worker_templates.model.template import Event, Page, Template

from . import audit
from .connection import Collections, Document, find_raw
from .feed import follow
from .indexes import duplicate_names
from .part import Part
from .queries import all_of, conditions, matching_patterns, order, scope_conditions
from .scoped_events import Insiders, history_within, trail_within
from .stored_form import PRESENTED, from_stored, present_raw, template_of


class Reads(Part):
    """The part of the store that reads."""

    def get(self, template_id: str) -> Template:
        """Return a template.

        Raises:
            TemplateNotFound: if there is none with this id.
        """
        return self._read({"_id": template_id}, template_id)

    def get_by_name(self, name: str) -> Template:
        """Return the template of a name.

        Raises:
            TemplateNotFound: if there is none with this name.
        """
        return self._read({"name": {"$eq": name}}, name)

    def get_raw(self, template_id: str) -> tuple[int, bytes]:
        """Return a template's revision and its JSON.

        Raises:
            TemplateNotFound: if there is none with this id.
        """
        with self._access.operation() as db:
            found = find_raw(db, self._inside({"_id": template_id}), PRESENTED, limit=1)
        if not found:
            raise TemplateNotFound(template_id)
        return present_raw(found[0])

    def page(self, asked: Mapping[str, Any]) -> Page[Template]:
        """Return one page of the templates.

        Args:
            asked: parameters as `query.ListSchema` loads them.
        """
        page = self._page(asked)
        items = tuple(template_of(bson.decode(raw)) for raw in page)
        return Page(items, page.total, page.page, page.page_size)

    def page_raw(self, asked: Mapping[str, Any]) -> Page[bytes]:
        """Return one page of the templates, each as JSON."""
        page = self._page(asked)
        return Page(tuple([present_raw(raw)[1] for raw in page]), page.total, page.page, page.page_size)

    def _page(self, asked: Mapping[str, Any]) -> Page[bytes]:
        """Return one page of the templates as BSON; counted only where the page and the one after it do not tell."""
        window = Window(asked["page"], asked["page_size"])
        with self._access.operation() as db:
            query = self._query(db, asked)
            # One more than the page holds: it says whether this page is the last one.
            found = find_raw(db, query, PRESENTED, sort=order(asked["sort"]), skip=window.skip, limit=window.size + 1)
            if len(found) <= window.size and (found or window.page == 1):
                total = window.skip + len(found)
            else:
                total = db.templates.count_documents(query) if query else db.templates.estimated_document_count()
                # What was found counts, whatever a count of a moment later or the server's own says of it.
                total = max(total, window.skip + len(found)) if found else min(total, window.skip)
        return Page(tuple(found[: window.size]), total, window.page, window.size)

    def select(self, asked: Mapping[str, Any]) -> list[Template]:
        """Return the enabled templates that fit, cheapest first, unknown prices last, ties by name.

        Args:
            asked: parameters of the list, without paging and order.
        """
        with self._access.operation() as db:
            query = self._query(db, {**asked, "enabled": True})
            found = [template_of(document) for document in db.templates.find(query, PRESENTED)]
        return sorted(found, key=lambda t: (t.cost_per_hour_usd is None, t.cost_per_hour_usd or 0.0, t.name))

    def history(self, template_id: str, window: Window) -> Page[Event]:
        """Return the events of one template, newest first; also of one that was deleted.

        Raises:
            TemplateNotFound: if there never was such a template.
        """
        with self._access.operation() as db:
            if self._scope.everything:
                return audit.history(db, template_id, window)
            return history_within(db, template_id, window, self._scope)

    def trail(self, asked: Mapping[str, Any]) -> Page[Event]:
        """Return the events of all templates, newest first, or those after a cursor, in the order they became known.

        Args:
            asked: parameters as `query.TrailSchema` loads them.
        """
        with self._access.operation() as db:
            if "after" in asked:
                return follow(db, asked, self._scope)
            if self._scope.everything:
                return audit.trail(db, asked)
            return trail_within(db, asked, self._scope)

    def names(self) -> set[str]:
        """Return the names of all templates."""
        with self._access.operation() as db:
            # The condition makes the server answer from the index on names alone.
            query = self._inside({"name": {"$gte": ""}})
            return {document["name"] for document in db.templates_guarded.find(query, {"name": 1, "_id": 0})}

    def managed(self) -> Iterator[Managed]:
        """Return every template with its base, for the drift comparison; ordered by name.

        Raises:
            DuplicateNames: if several templates have one name, so that no entry of a file is that of one of them.
        """
        projection = {**PRESENTED, "base": 1, "source": 1}
        with self._access.operation() as db:
            found = list(db.templates_guarded.find(self._inside({}), projection).sort([("name", 1)]))
            if len({document["name"] for document in found}) < len(found):  # the unique index was dropped
                raise DuplicateNames(duplicate_names(db.templates), db.templates.name)
        for document in found:
            base = document["base"]
            yield Managed(
                document["_id"],
                document["revision"],
                from_stored(document),
                None if base is None else from_stored(base),
                document["source"],
            )

    def deletions(self, names: Sequence[str]) -> dict[str, Deletion]:
        """Return, by name, the newest deletion of a template that came from a file, among names that are free."""
        with self._access.operation() as db:
            found = audit.deletions(db, names)
            inside = Insiders(db, self._scope).among(event["template_id"] for event in found.values())
        return {
            name: Deletion(name, event["template_id"], event["actor"], event["at"].replace(tzinfo=UTC))
            for name, event in found.items()
            if event["template_id"] in inside
        }

    def insiders(self, template_ids: Iterable[str]) -> set[str]:
        """Return those of some templates whose present state, or last one if they are gone, is inside the scope."""
        with self._access.operation() as db:
            return Insiders(db, self._scope).among(template_ids)

    def _query(self, db: Collections, asked: Mapping[str, Any]) -> Document:
        found = conditions(dict(asked)) + scope_conditions(self._scope)
        if "ami" in asked:
            found.append({"ami_pattern": {"$in": matching_patterns(db, asked["ami"], scope_conditions(self._scope))}})
        return all_of(found)

    def _read(self, query: Document, key: str) -> Template:
        with self._access.operation() as db:
            document = db.templates.find_one(self._inside(query), PRESENTED)
        if document is None:
            raise TemplateNotFound(key)
        return template_of(document)
