"""Single revisions of a template, and what differs between two."""

from __future__ import annotations

from flask_worker_templates.errors import RevisionNotFound, TemplateNotFound
from flask_worker_templates.model.records import Comparison
from flask_worker_templates.model.spec import changes
from flask_worker_templates.model.template import Event

from . import audit
from .connection import Collections, Document
from .events import whole_spec
from .part import Part
from .scoped_events import events_within


class Revisions(Part):
    """The part of the store that reads single revisions; also of a deleted template."""

    def revision(self, template_id: str, number: int) -> Event:
        """Return the event of a revision, which holds the spec that it made.

        Raises:
            TemplateNotFound: if there never was such a template.
            RevisionNotFound: if it never had this revision.
        """
        with self._access.operation() as db:
            found = self._event(db, self._last(db, template_id), number)
            return events_within(db, [found], self._scope)[0]

    def compare(self, template_id: str, before: int, after: int | None = None) -> Comparison:
        """Return the fields that differ between two revisions.

        Args:
            template_id: which template.
            before: one revision.
            after: the other one; by default the newest.

        Raises:
            TemplateNotFound: if there never was such a template.
            RevisionNotFound: if it never had one of the revisions.
        """
        with self._access.operation() as db:
            last = self._last(db, template_id)
            after = last["revision"] if after is None else after
            specs = [whole_spec(db, self._event(db, last, number)) for number in (before, after)]
        return Comparison(before, after, tuple(changes(*specs)))

    def _last(self, db: Collections, template_id: str) -> Document:
        last = audit.last_state(db, template_id)
        if not self._scope.contains(last.template.spec):
            raise TemplateNotFound(template_id)
        return last.event

    def _event(self, db: Collections, last: Document, number: int) -> Document:
        event: Document | None = last if number == last["revision"] else None
        if 0 < number < last["revision"]:
            event = db.events.find_one({"_id": audit.event_id(last["template_id"], number)})
        if event is None or not db.census.sound_events([event]) or not self._scope.contains(whole_spec(db, event)):
            raise RevisionNotFound(last["template_id"], number)
        return event
