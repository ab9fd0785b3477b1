"""The history of one template: its events, single revisions, and what differs between two."""

from __future__ import annotations

from collections.abc import Callable

from flask_worker_templates.errors import RevisionNotFound, TemplateNotFound
from flask_worker_templates.model.parameters import Paging
from flask_worker_templates.model.records import Comparison
from flask_worker_templates.model.spec import changes
from flask_worker_templates.model.template import Event, Page, Template

from . import audit
from .connection import Collections, Document, TimeLimit
from .events import whole_spec
from .part import Part
from .recheck import recheck
from .scoped_events import events_within, history_within

ReadGuard = Callable[[Template], None]
"""Raises where a history may not be shown, given the present or the last state of its template.

Nothing that is later than this state is shown: the template may change between the question and the reading.
"""


class Revisions(Part):
    """The part of the store that reads what was; also of a deleted template."""

    def history(self, template_id: str, paging: Paging, *, guard: ReadGuard | None = None) -> Page[Event]:
        """Return the events of one template, newest first.

        Args:
            template_id: which one.
            paging: which of the events.
            guard: raises where they may not be shown.

        Raises:
            TemplateNotFound: if there never was such a template.
        """
        limit = self._access.time_limit()
        last = self._asked_about(template_id, limit, guard)
        with self._access.operation(limit) as db:
            if self._scope.everything:
                page = audit.events_up_to(db, last, paging)
            else:
                page = history_within(db, last, paging, self._scope)
            recheck(db, template_id)
        return page

    def last_state(self, template_id: str) -> Template:
        """Return a template as it is, or, if it is gone, as it was when it was deleted.

        Raises:
            TemplateNotFound: if there never was such a template.
        """
        return self._asked_about(template_id, self._access.time_limit(), None).template

    def revision(self, template_id: str, number: int, *, guard: ReadGuard | None = None) -> Event:
        """Return the event of a revision, which holds the spec that it made.

        Args:
            template_id: which template.
            number: which revision.
            guard: raises where it may not be shown.

        Raises:
            TemplateNotFound: if there never was such a template.
            RevisionNotFound: if it never had this revision.
        """
        limit = self._access.time_limit()
        last = self._asked_about(template_id, limit, guard)
        with self._access.operation(limit) as db:
            found = self._event(db, last.event, number)
            return events_within(db, [found], self._scope)[0]

    def compare(
        self, template_id: str, before: int, after: int | None = None, *, guard: ReadGuard | None = None
    ) -> Comparison:
        """Return the fields that differ between two revisions.

        Args:
            template_id: which template.
            before: one revision.
            after: the other one; by default the newest.
            guard: raises where they may not be shown.

        Raises:
            TemplateNotFound: if there never was such a template.
            RevisionNotFound: if it never had one of the revisions.
        """
        limit = self._access.time_limit()
        last = self._asked_about(template_id, limit, guard).event
        after = last["revision"] if after is None else after
        with self._access.operation(limit) as db:
            specs = [whole_spec(db, self._event(db, last, number)) for number in (before, after)]
        return Comparison(before, after, tuple(changes(*specs)))

    def _asked_about(self, template_id: str, limit: TimeLimit, guard: ReadGuard | None) -> audit.LastState:
        """Return the state that a guard was asked about."""
        with self._access.operation(limit) as db:
            last = audit.last_state(db, template_id)
        if not self._scope.contains(last.template.spec):
            raise TemplateNotFound(template_id)
        if guard is not None:
            with limit.stopped():
                guard(last.template)
        return last

    def _event(self, db: Collections, last: Document, number: int) -> Document:
        event: Document | None = last if number == last["revision"] else None
        if 0 < number < last["revision"]:
            event = db.events.find_one({"_id": audit.event_id(last["template_id"], number)})
        if event is None or not db.census.sound_events([event]) or not self._scope.contains(whole_spec(db, event)):
            raise RevisionNotFound(last["template_id"], number)
        return event
