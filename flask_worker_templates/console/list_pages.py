"""The list of templates, and what is done to several at once."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from flask import redirect, request
from werkzeug.wrappers import Response

from flask_worker_templates.errors import InvalidInput, TemplateNotFound, WorkerTemplatesError
from flask_worker_templates.model.template import Page, Template
from flask_worker_templates.store.overview import Overview

from .door import Door
from .filters import Filter, filters
from .origin import FileMark, file_mark
from .page import Note, PageContext, Undo, back_to, render
from .routes import Route

MAX_SELECTED = 200


@dataclass(frozen=True, slots=True)
class Row:
    """One template in the list."""

    template: Template
    overview: Overview | None
    file: FileMark


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one of several templates."""

    name: str
    problem: str = ""


class ListPages(Door):
    """The list."""

    def routes(self) -> Iterator[Route]:
        """Yield the routes."""
        yield Route("/", self.templates)
        yield Route("/several", self.change_several, "POST")

    def templates(self) -> str:
        """List the templates."""
        self.authorize("read")
        given = given_parameters(self.state.rules.repeatable)
        faults: Sequence[str] = ()
        try:
            page = self.store.page(self.state.rules.list_parameters(given))
        except InvalidInput as error:
            faults = [f"{path}: {text}" for path, text in error.flat()]
            page = Page((), 0, 1, 50)
        return render(
            "templates",
            "templates",
            notes=tuple(self._notes()),
            page=page,
            rows=self._rows(page),
            filters=self._filters(),
            more_used=any(one.name in given for one in self._filters() if not one.often),
            filtered=bool(given.keys() - {"page", "page_size", "sort"}),
            faults=faults,
            may_create=self.may("create"),
            may_change=self.may("update"),
        )

    def _rows(self, page: Page[Template]) -> list[Row]:
        found = self.store.overviews([template.id for template in page]) if page else {}
        overviews = [found.get(template.id) for template in page]
        return [
            Row(template, one, file_mark(one.managed if one else None))
            for template, one in zip(page, overviews, strict=True)
        ]

    def _filters(self) -> tuple[Filter, ...]:
        return filters(self.state.rules.list_schema)

    def _notes(self) -> Iterator[Note]:
        if request.args.get("done") != "deleted":
            return
        deleted = request.args.get("of", "")
        with suppress(TemplateNotFound):
            last = self.store.last_state(deleted)
            if self.may("read", last) and not self.store.overviews([deleted]):
                restore = Undo("Undo", PageContext.url("restore_template", template_id=deleted))
                yield Note(f"{last.name} is deleted.", undo=restore if self.may("update", last) else None)

    def change_several(self) -> Response | str:
        """Enable, disable, label or delete the selected templates, each by itself, and say what became of each."""
        action = request.form.get("action", "")
        ids = request.form.getlist("id")[:MAX_SELECTED]
        back = back_to(request.form.get("back", ""), "./")
        if not ids:
            return redirect(back, 303)
        templates = [template for template in map(self._found, ids) if template is not None]
        if action in ("label", "delete") and "confirmed" not in request.form:
            return render("several", "templates", action=action, templates=templates, back=back)
        outcomes = [self._change_one(template, action) for template in templates]
        return render("several", "templates", action=action, outcomes=outcomes, back=back)

    def _found(self, template_id: str) -> Template | None:
        try:
            return self.readable(template_id)
        except TemplateNotFound:
            return None

    def _change_one(self, template: Template, action: str) -> Outcome:
        try:
            if action == "delete":
                self.store.delete(template.id, actor=self.actor(), message=self.message(), guard=self.deleting)
            else:
                self.store.update(
                    template.id,
                    lambda spec: self.state.rules.patched(spec, self._patch(action)),
                    actor=self.actor(),
                    message=self.message(),
                    guard=self.updating,
                )
        except WorkerTemplatesError as error:
            return Outcome(template.name, str(error))
        return Outcome(template.name)

    @staticmethod
    def _patch(action: str) -> dict[str, Any]:
        if action == "label":
            key, value = request.form.get("label_key", "").strip(), request.form.get("label_value", "")
            return {"labels": {key: value if "label_remove" not in request.form else None}}
        return {"enabled": action == "enable"}


def given_parameters(repeatable: Container[str] = ()) -> dict[str, Any]:
    """Return the parameters of the query string that are filled in; an empty input of a form is none."""
    given: dict[str, Any] = {}
    for key, values in request.args.lists():
        filled = [value for value in values if value != ""]
        if filled and key not in ("done", "of", "n"):
            given[key] = filled if key in repeatable else filled[0]
    return given
