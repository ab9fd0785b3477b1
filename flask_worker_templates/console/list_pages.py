"""The list of templates, and what is done to several at once."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask import redirect, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from flask_worker_templates.errors import (
    InvalidInput,
    InvalidParameters,
    NotAllowed,
    TemplateNotFound,
    WorkerTemplatesError,
)
from flask_worker_templates.model.template import Page, Template
from flask_worker_templates.store.overview import Overview

from .door import Door
from .filters import Filter, filters
from .notes import TAKEN_BACK
from .origin import FileMark, file_mark
from .page import MESSAGES, Note, PageContext, back_to, fragment_of, render, with_message
from .routes import Route
from .undo import REFUSED, Done, Outcome, code_of, note_of_several, packed, undo_of

if TYPE_CHECKING:
    from flask_worker_templates.runtime.hooks import Permission

MAX_SELECTED = 200

_DONE = {"enable": "enabled", "disable": "disabled", "label": "labelled", "delete": "deleted"}
_NOTES = {
    "undone": TAKEN_BACK,
    "none": Note("Nothing was selected. Tick the templates first.", "warn"),
    "unchanged": Note("Nothing was different, so nothing was changed.", "warn"),
}
_CHANGES: tuple[Permission, Permission] = ("update", "delete")


@dataclass(frozen=True, slots=True)
class Row:
    """One template in the list."""

    template: Template
    overview: Overview | None
    file: FileMark
    may_update: bool
    may_delete: bool


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
        rows = self._rows(page)
        return render(
            "list" if fragment_of("list") else "templates",
            "templates",
            notes=tuple(self._notes()),
            page=page,
            rows=rows,
            filters=self._filters(),
            more_used=any(one.name in given for one in self._filters() if not one.often),
            filtered=bool(given.keys() - {"page", "page_size", "sort"}),
            faults=faults,
            may_create=self.may("create"),
            may_update=any(row.may_update for row in rows),
            may_delete=any(row.may_delete for row in rows),
        )

    def _rows(self, page: Page[Template]) -> list[Row]:
        found = self.store.overviews([template.id for template in page]) if page else {}
        rows = []
        asks = self.hooks.authorizer is not None
        always = {action: asks or self.may(action) for action in _CHANGES}
        for template in page:
            overview = found.get(template.id)
            may_update, may_delete = (self.may(action, template) if asks else always[action] for action in _CHANGES)
            mark = file_mark(overview.managed if overview else None)
            rows.append(Row(template, overview, mark, may_update=may_update, may_delete=may_delete))
        return rows

    def _filters(self) -> tuple[Filter, ...]:
        return filters(self.state.rules.list_schema)

    def _notes(self) -> Iterator[Note]:
        done = request.args.get("done", "")
        if done in _NOTES:
            yield _NOTES[done]
        else:
            yield from note_of_several(self, done, request.args.get("of", ""), PageContext("").here)

    def change_several(self) -> Response | str | tuple[str, int]:
        """Enable, disable, label or delete the selected templates, each by itself, and say what became of each."""
        action = request.form.get("action", "")
        if action not in _DONE:
            raise InvalidParameters({"action": [f"Must be one of: {', '.join(_DONE)}."]})
        ids = request.form.getlist("id")[:MAX_SELECTED]
        back = back_to(request.form.get("back", ""), PageContext.url("templates"))
        if not ids:
            return redirect(with_message(back, done="none"), 303)
        templates = [template for template in map(self._found, ids) if template is not None]
        key = request.form.get("label_key", "").strip()
        if action in ("label", "delete") and ("confirmed" not in request.form or (action == "label" and not key)):
            return self._ask(action, templates, back)
        message = self.message()
        outcomes = [self._change_one(template, action, message) for template in templates]
        of = packed(one.done for one in outcomes if one.done is not None)
        if any(one.problem for one in outcomes):
            heading = f"Not all are {_DONE[action]}"
            undo = undo_of(of, back)
            page = render("outcomes", "templates", heading=heading, outcomes=outcomes, back=back, undo=undo)
            return page, code_of(outcomes)
        return redirect(with_message(back, done=_DONE[action] if of else "unchanged", of=of), 303)

    def _ask(self, action: str, templates: Sequence[Template], back: str) -> str | tuple[str, int]:
        fault = "Name the label." if "confirmed" in request.form else ""
        overviews = self.store.overviews([template.id for template in templates])
        page = render(
            "several",
            "templates",
            action=action,
            templates=templates,
            overviews=overviews,
            marks={one: file_mark(overview.managed) for one, overview in overviews.items()},
            back=back,
            fault=fault,
        )
        return (page, 422) if fault else page

    def _found(self, template_id: str) -> Template | None:
        try:
            return self.readable(template_id)
        except TemplateNotFound:
            return None

    def _change_one(self, template: Template, action: str, message: str | None) -> Outcome:
        actor = self.actor()
        try:
            if action == "delete":
                gone = self.store.delete(template.id, actor=actor, message=message, guard=self.deleting)
                return Outcome(template.name, done=Done(gone.id, gone.revision + 1))
            patch = self._patch(action)
            changed = self.store.update(
                template.id,
                lambda spec: self.state.rules.patched(spec, patch),
                actor=actor,
                message=message,
                guard=self.updating,
            )
        except (NotAllowed, HTTPException):
            return Outcome(template.name, REFUSED, refused=True)
        except WorkerTemplatesError as error:
            return Outcome(template.name, str(error))
        same = changed.revision == template.revision
        return Outcome(template.name, done=None if same else Done(changed.id, changed.revision))

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
        if filled and key not in MESSAGES:
            given[key] = filled if key in repeatable else filled[0]
    return given
