"""Creating, editing and copying a template: a form, a YAML tab, and what happens if someone else was faster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from flask import redirect, request
from werkzeug.wrappers import Response

from flask_worker_templates.errors import InvalidInput, InvalidSpec, NameTaken
from flask_worker_templates.files.dump import YAML, declaration
from flask_worker_templates.files.parse_yaml import parse_yaml
from flask_worker_templates.model.rules import SpecRules
from flask_worker_templates.model.spec import Spec, flatten, same, unflatten
from flask_worker_templates.model.template import Template

from .door import Door, number_of
from .fields import Control, controls, filled
from .forms import spec_of
from .page import PageContext, render
from .routes import Route

Tab = Literal["form", "yaml"]


@dataclass(frozen=True, slots=True)
class Draft:
    """What a person typed: as a spec, whether or not it is valid, and as text."""

    spec: Any
    text: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class MapRow:
    """One row of a map or a list."""

    key: str
    value: str
    path: str


class EditPages(Door):
    """The pages with the form."""

    def routes(self) -> Iterator[Route]:
        """Yield the routes."""
        yield Route("/new", self.new_template)
        yield Route("/new", self.create_template, "POST")
        yield Route("/t/<template_id>/copy", self.copy_template)
        yield Route("/t/<template_id>/copy", self.create_copy, "POST")
        yield Route("/t/<template_id>/edit", self.edit_template)
        yield Route("/t/<template_id>/edit", self.save_template, "POST")

    @property
    def controls(self) -> tuple[Control, ...]:
        """The controls of the form."""
        # Without fields of the app's own there is nothing that `extra` may hold.
        return tuple(one for one in controls(self.state.rules.schema) if (one.path, one.kind) != ("extra", "map"))

    def new_template(self) -> str:
        """Show an empty form."""
        self.authorize("create")
        return self._form("New template", "Create", Draft({"enabled": True}, _EMPTY), PageContext.url("templates"))

    def create_template(self) -> Response | tuple[str, int]:
        """Create what was typed."""
        return self._create("New template", PageContext.url("templates"))

    def copy_template(self, template_id: str) -> str:
        """Show the form with the values of another template."""
        template = self.readable(template_id)
        self.authorize("create")
        spec = {**template.spec, "name": ""}
        draft = Draft(spec, yaml_of(spec, self.state.rules))
        return self._form(
            f"Copy {template.name}", "Create", draft, PageContext.url("template", template_id=template_id)
        )

    def create_copy(self, template_id: str) -> Response | tuple[str, int]:
        """Create the copy."""
        template = self.readable(template_id)
        return self._create(f"Copy {template.name}", PageContext.url("template", template_id=template_id))

    def edit_template(self, template_id: str) -> str:
        """Show the form with the values of a template."""
        template = self.readable(template_id)
        self.authorize("update", template)
        draft = Draft(template.spec, yaml_of(template.spec, self.state.rules))
        return self._edit_form(template, draft)

    def save_template(self, template_id: str) -> Response | str | tuple[str, int]:
        """Save what was typed; ask where somebody else changed the same fields meanwhile."""
        template = self.readable(template_id)
        self.authorize("update", template)
        draft = self._typed()
        if draft.problem:
            return self._edit_form(template, draft, problem=draft.problem), 422
        seen = number_of("revision", request.form.get("revision"), template.revision)
        try:
            wanted = self.state.rules.normalize(draft.spec, template.spec)
            message = self.message()
        except InvalidInput as error:
            return self._edit_form(template, draft, error), 422
        before = self.store.revision(template_id, seen, guard=self.reading).spec

        def merged(current: Spec) -> Spec:
            return self.state.rules.normalize(unflatten(_three_way(before, current, wanted)), current)

        try:
            saved = self.store.update(template_id, merged, actor=self.actor(), message=message, guard=self.updating)
        except _BothChanged:
            return self._conflict(self.readable(template_id), before, wanted), 412
        except InvalidSpec as error:
            return self._edit_form(template, draft, error), 422
        except NameTaken as error:
            return self._edit_form(template, draft, InvalidSpec({"name": [str(error)]})), 409
        done = "unchanged" if saved.revision == template.revision and saved.spec == template.spec else "saved"
        return redirect(PageContext.url("template", template_id=template_id, done=done), 303)

    # What they share

    def _create(self, heading: str, cancel: str) -> Response | tuple[str, int]:
        self.authorize("create")
        draft = self._typed()
        if draft.problem:
            return self._form(heading, "Create", draft, cancel, problem=draft.problem), 422
        try:
            spec = self.state.rules.normalize(draft.spec)
            message = self.message()
        except InvalidInput as error:
            return self._form(heading, "Create", draft, cancel, error), 422
        try:
            made = self.store.create(spec, actor=self.actor(), message=message)
        except NameTaken as error:
            return self._form(heading, "Create", draft, cancel, InvalidSpec({"name": [str(error)]})), 409
        return redirect(PageContext.url("template", template_id=made.id, done="created"), 303)

    def _typed(self) -> Draft:
        if "yaml" not in request.form:
            spec = spec_of(request.form, self.controls)
            return Draft(spec, yaml_of(spec, self.state.rules))
        text = request.form["yaml"].replace("\r\n", "\n")
        parsed = parse_yaml(text)
        if parsed.problems:
            places = [f"line {one.line}, column {one.column}: {one.message}" for one in parsed.problems]
            return Draft(None, text, "The YAML cannot be read. " + " ".join(places))
        return Draft(parsed.value, text)

    def _edit_form(
        self, template: Template, draft: Draft, error: InvalidInput | None = None, *, problem: str = ""
    ) -> str:
        revision = number_of("revision", request.form.get("revision"), template.revision)
        cancel = PageContext.url("template", template_id=template.id)
        return self._form(f"Edit {template.name}", "Save", draft, cancel, error, problem=problem, revision=revision)

    def _form(
        self,
        heading: str,
        button: str,
        draft: Draft,
        cancel: str,
        error: InvalidInput | None = None,
        *,
        problem: str = "",
        revision: int | None = None,
    ) -> str:
        tab: Tab = "yaml" if request.args.get("tab") == "yaml" else "form"
        errors: dict[str, list[str]] = {}
        for path, text in error.flat() if error else ():
            errors.setdefault(path, []).append(text)
        known = {control.path: control.id for one in self.controls for control in (one, *one.walk())}
        values = draft.spec if isinstance(draft.spec, Mapping) else {}
        return render(
            "form",
            "templates",
            heading=heading,
            button=button,
            cancel=cancel,
            tab=tab,
            text=draft.text,
            controls=self.controls,
            errors=errors,
            problem=problem,
            revision=revision,
            message=request.form.get("message", ""),
            shown=lambda control: filled(values, control),
            rows=lambda control: list(_rows(values, control)),
            anchor=lambda path: "yaml" if tab == "yaml" else _anchor(path, known),
        )

    def _conflict(self, template: Template, before: Spec, yours: Spec) -> str:
        paths = _both_changed(before, template.spec, yours)
        old, theirs, mine = flatten(before), flatten(template.spec), flatten(yours)
        rows = [(path, old.get(path), theirs.get(path), mine.get(path)) for path in paths]
        # All that they changed elsewhere stays; where both changed a field, what was typed.
        agreed = _three_way(before, template.spec, unflatten(_taking(mine, paths, theirs)))
        merged = unflatten(_taking(agreed, paths, mine))
        return render(
            "conflict",
            "templates",
            template=template,
            rows=rows,
            text=yaml_of(merged, self.state.rules),
            message=request.form.get("message", ""),
        )


class _BothChanged(Exception):  # becomes the page that asks
    pass


def _both_changed(before: Spec, theirs: Spec, yours: Spec) -> list[str]:
    """Return the leaves that both sides changed, to different values."""
    old, now, mine = flatten(before), flatten(theirs), flatten(yours)
    return [
        path
        for path in dict.fromkeys((*old, *now, *mine))
        if not (
            same(now.get(path), old.get(path))
            or same(mine.get(path), old.get(path))
            or same(now.get(path), mine.get(path))
        )
    ]


def _three_way(before: Spec, theirs: Spec, yours: Spec) -> dict[str, Any]:
    """Return the leaves with the changes of both sides.

    Raises:
        _BothChanged: if both changed a leaf, to different values.
    """
    old, now, mine = flatten(before), flatten(theirs), flatten(yours)
    if both := _both_changed(before, theirs, yours):
        raise _BothChanged(", ".join(both))
    leaves = dict(now)
    for path in dict.fromkeys((*old, *mine)):
        if not same(mine.get(path), old.get(path)):
            if path in mine:
                leaves[path] = mine[path]
            else:
                leaves.pop(path, None)
    return leaves


def _taking(leaves: Mapping[str, Any], paths: Sequence[str], others: Mapping[str, Any]) -> dict[str, Any]:
    """Return leaves, with those of `paths` as others have them."""
    kept = {path: value for path, value in leaves.items() if path not in paths}
    return kept | {path: others[path] for path in paths if path in others}


def yaml_of(spec: Mapping[str, Any], rules: SpecRules) -> str:
    """Return a spec, or what may become one, as the text of an entry of a definition file."""
    try:
        entry = declaration(rules.normalize(spec), rules)
    except InvalidSpec:
        entry = dict(spec)
    return "\n".join(YAML.lines(entry, 2)) + "\n"


def _rows(values: Mapping[str, Any], control: Control) -> Iterator[MapRow]:
    value = filled(values, control)
    if isinstance(value, Mapping):
        for key, text in value.items():
            yield MapRow(str(key), str(text), f"{control.path}.{key}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield MapRow("", str(item), f"{control.path}.{number}")
    yield MapRow("", "", f"{control.path}.")  # an empty one, to be filled in


def _anchor(path: str, known: Mapping[str, str]) -> str:
    while path and path not in known:
        path = path.rpartition(".")[0]
    return known.get(path, "content")


_EMPTY = """name:
instance_type:
capacity:
  cpu_cores:
  memory_gb:
  storage_gb:
license_type:
"""
