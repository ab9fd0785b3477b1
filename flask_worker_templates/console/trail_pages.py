"""The whole audit trail, as a page and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from flask import Response

from flask_worker_templates.errors import InvalidInput
from flask_worker_templates.model.parameters import trail_parameters
from flask_worker_templates.model.template import Event, Page, rfc3339

from .door import Door
from .list_pages import given_parameters
from .page import render
from .routes import Route

_CSV_PAGE = 200
_CSV_PAGES = 50
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class TrailPages(Door):
    """The log."""

    def routes(self) -> Iterator[Route]:
        """Yield the routes."""
        yield Route("/log", self.log)
        yield Route("/log.csv", self.log_as_csv)

    def log(self) -> str:
        """Show the trail, newest first."""
        self.authorize("read")
        faults: list[str] = []
        try:
            events = self.store.trail(trail_parameters(given_parameters()))
        except InvalidInput as error:
            faults = [f"{path}: {text}" for path, text in error.flat()]
            events = Page((), 0, 1, 50)
        return render("log", "log", events=events, faults=faults, actions=ACTIONS)

    def log_as_csv(self) -> Response:
        """Return the trail as CSV: the newest 10,000 events that the filters let through."""
        self.authorize("read")
        given = {key: value for key, value in given_parameters().items() if key not in ("page", "page_size")}
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\r\n")
        rows.writerow(["at", "template", "revision", "action", "actor", "message", "changes"])
        for event in self._events(given):
            rows.writerow([cell(value) for value in _row(event)])
        name = "worker-template-log.csv"
        return Response(
            text.getvalue().encode("utf-8-sig"),
            headers={
                "Content-Type": "text/csv; charset=utf-8",
                "Content-Disposition": f'attachment; filename="{name}"',
            },
        )

    def _events(self, given: dict[str, Any]) -> Iterator[Event]:
        for number in range(1, _CSV_PAGES + 1):
            page = self.store.trail(trail_parameters({**given, "page": str(number), "page_size": str(_CSV_PAGE)}))
            yield from page
            if len(page) < _CSV_PAGE:
                return


ACTIONS = ("seeded", "created", "updated", "synced", "reverted", "deleted", "restored")


def _row(event: Event) -> list[str]:
    changed = "; ".join(
        f"{change['field']}: {change.get('from', '')} → {change.get('to', '')}" for change in event.changes
    )
    message = getattr(event, "message", None) or ""
    return [rfc3339(event.at), event.name, str(event.revision), event.action, event.actor, message, changed]


def cell(text: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text
