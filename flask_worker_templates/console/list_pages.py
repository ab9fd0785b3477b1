"""The list of templates, and what is done to several at once."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from flask import redirect, request
from markupsafe import Markup
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from flask_worker_templates.errors import (
    InvalidInput,
    InvalidParameters,
    NotAllowed,
    TemplateNotFound,
    WorkerTemplatesError,
)
from flask_worker_templates.model.template import Page, Template, to_json

from .door import Door
from .filters import Filter, filters
from .notes import TAKEN_BACK
from .origin import file_mark
from .page import MESSAGES, Note, PageContext, back_to, fragment_of, render, with_message
from .routes import Route
from .rows import Link, Rows, Wanted, shown_id
from .undo import REFUSED, Attempt, Done, code_of, note_of_several, packed, undo_of

MAX_SELECTED = 200

_DONE = {"enable": "enabled", "disable": "disabled", "label": "labelled", "delete": "deleted"}
_NOTES = {
    "undone": TAKEN_BACK,
    "none": Note("Nothing was selected. Tick the templates first.", "warn"),
    "unchanged": Note("Nothing was different, so nothing was changed.", "warn"),
}


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
            page, templates = self._page(self.state.rules.list_parameters(given))
        except InvalidInput as error:
            faults = [f"{path}: {text}" for path, text in error.flat()]
            page, templates = Page[bytes]((), 0, 1, 50), None
        may_update, may_delete = self._changeable(templates, page)
        return render(
            "list" if fragment_of("list") else "templates",
            "templates",
            notes=tuple(self._notes()),
            page=page,
            rows=self._rows(page, may_update, may_delete),
            filters=self._filters,
            more_used=any(one.name in given for one in self._filters if not one.often),
            filtered=bool(given.keys() - {"page", "page_size", "sort"}),
            faults=faults,
            may_create=self.may("create"),
            may_update=any(may_update),
            may_delete=any(may_delete),
        )

    def _page(self, asked: Mapping[str, Any]) -> tuple[Page[bytes], Sequence[Template] | None]:
        """Return a page as the API shows it, and its templates where the authorizer wants to see them."""
        if self.hooks.authorizer is None:
            return self.store.page_raw(asked), None
        found = self.store.page(asked)
        shown = tuple(to_json(template.to_dict()) for template in found)
        return Page(shown, found.total, found.page, found.page_size), found.items

    def _changeable(self, templates: Sequence[Template] | None, page: Page[bytes]) -> tuple[list[bool], list[bool]]:
        """Return of each template whether it may be updated, and whether it may be deleted."""
        if templates is None:
            return [self.may("update")] * len(page), [self.may("delete")] * len(page)
        return [self.may("update", one) for one in templates], [self.may("delete", one) for one in templates]

    def _rows(self, page: Page[bytes], may_update: Sequence[bool], may_delete: Sequence[bool]) -> list[Markup]:
        ids = [shown_id(shown) for shown in page]
        found = self.store.overviews(ids) if ids else {}
        selects = any(may_update) or any(may_delete)
        link = Link()
        return [
            self._made.html(Wanted(shown, found.get(one), (update or delete) if selects else None), link)
            for one, shown, update, delete in zip(ids, page, may_update, may_delete, strict=True)
        ]

    @cached_property
    def _made(self) -> Rows:
        return Rows()

    @cached_property
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
        attempts = [self._change_one(template, action, message) for template in templates]
        of = packed(one.done for one in attempts if one.done is not None)
        if any(one.problem for one in attempts):
            heading = f"Not all are {_DONE[action]}"
            undo = undo_of(of, back)
            page = render("attempts", "templates", heading=heading, attempts=attempts, back=back, undo=undo)
            return page, code_of(attempts)
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

    def _change_one(self, template: Template, action: str, message: str | None) -> Attempt:
        actor = self.actor()
        try:
            if action == "delete":
                gone = self.store.delete(template.id, actor=actor, message=message, guard=self.deleting)
                return Attempt(template.name, done=Done(gone.id, gone.revision + 1))
            patch = self._patch(action)
            changed = self.store.update(
                template.id,
                lambda spec: self.state.rules.patched(spec, patch),
                actor=actor,
                message=message,
                guard=self.updating,
            )
        except (NotAllowed, HTTPException):
            return Attempt(template.name, REFUSED, refused=True)
        except WorkerTemplatesError as error:
            return Attempt(template.name, str(error))
        same = changed.revision == template.revision
        return Attempt(template.name, done=None if same else Done(changed.id, changed.revision))

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
