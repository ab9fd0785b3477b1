"""Creating, editing and copying a template: a form, a YAML tab, and what happens if someone else was faster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from flask import redirect, request
from werkzeug.wrappers import Response

from flask_worker_templates.errors import InvalidInput, InvalidSpec, NameTaken, TemplateNotFound
from flask_worker_templates.files.dump import YAML, declaration
from flask_worker_templates.files.parse_yaml import parse_yaml
from flask_worker_templates.model.rules import SpecRules
from flask_worker_templates.model.spec import Spec, flatten, unflatten
from flask_worker_templates.model.template import Template

from .door import Door, number_of
from .fields import Control, filled, labelled, spec_controls
from .forms import spec_of
from .merge import BothChanged, both_changed, taking, three_way
from .page import PageContext, list_url, onward, render
from .routes import Route

Tab = Literal["form", "yaml"]


@dataclass(frozen=True, slots=True)
class Entered:
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
        yield Route("/check", self.check_field, "POST")

    @property
    def controls(self) -> tuple[Control, ...]:
        """The controls of the form."""
        return spec_controls(self.state.rules.schema)

    def new_template(self) -> str:
        """Show an empty form."""
        self.authorize("create")
        return self._form("New template", "Create", Entered({"enabled": True}, _EMPTY), list_url())

    def create_template(self) -> Response | tuple[str, int]:
        """Create what was typed."""
        return self._create("New template", list_url())

    def copy_template(self, template_id: str) -> str:
        """Show the form with the values of another template."""
        template = self.readable(template_id)
        self.authorize("create")
        spec = {**template.spec, "name": ""}
        draft = Entered(spec, yaml_of(spec, self.state.rules))
        return self._form(f"Copy {template.name}", "Create", draft, onward("template", template_id=template_id))

    def create_copy(self, template_id: str) -> Response | tuple[str, int]:
        """Create the copy."""
        template = self.readable(template_id)
        return self._create(f"Copy {template.name}", onward("template", template_id=template_id))

    def edit_template(self, template_id: str) -> str:
        """Show the form with the values of a template."""
        template = self.readable(template_id)
        self.authorize("update", template)
        draft = Entered(template.spec, yaml_of(template.spec, self.state.rules))
        return self._edit_form(template, draft)

    def save_template(self, template_id: str) -> Response | str | tuple[str, int]:
        """Save what was typed; ask where somebody else changed the same fields meanwhile."""
        template = self.readable(template_id)
        self.authorize("update", template)
        draft = self._typed(template.spec)
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
            return self.state.rules.normalize(unflatten(three_way(before, current, wanted)), current)

        try:
            saved = self.store.update(template_id, merged, actor=self.actor(), message=message, guard=self.updating)
        except BothChanged:
            return self._conflict(self.readable(template_id), before, wanted), 412
        except InvalidSpec as error:
            return self._edit_form(template, draft, error), 422
        except NameTaken as error:
            return self._edit_form(template, draft, InvalidSpec({"name": [str(error)]})), 409
        done = "unchanged" if saved.revision == template.revision and saved.spec == template.spec else "saved"
        return redirect(onward("template", template_id=template_id, done=done), 303)

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
            made = self.store.create(
                spec, actor=self.actor(), message=message, guard=lambda made: self.authorize("create", made)
            )
        except NameTaken as error:
            return self._form(heading, "Create", draft, cancel, InvalidSpec({"name": [str(error)]})), 409
        return redirect(onward("template", template_id=made.id, done="created"), 303)

    def check_field(self) -> str:
        """Return what is wrong with one field of what is typed so far; nothing is stored."""
        self.authorize("read")
        path, of = request.form.get("check", ""), request.args.get("of", "")
        stored = self.readable(of).spec if of else None
        typed = self._typed(stored)
        errors: dict[str, list[str]] = {}
        try:
            self.state.rules.normalize(typed.spec, stored)
        except InvalidInput as error:
            errors = by_path(error)
        if path == "name" and path not in errors and isinstance(typed.spec, Mapping):
            errors |= self._taken(typed.spec.get("name"), stored)
        return render("faults", "templates", path=path, errors=errors)

    def _taken(self, name: Any, stored: Spec | None) -> dict[str, list[str]]:
        with suppress(TemplateNotFound):
            if stored is None or stored["name"] != name:
                self.store.get_by_name(name)
                return {"name": [str(NameTaken(name, None))]}
        return {}

    def _typed(self, stored: Spec | None = None) -> Entered:
        """Return what was typed.

        Args:
            stored: the template that is edited. What its `extra` holds and the app does not declare stays; the form
                does not show it, and the YAML does.
        """
        if "yaml" not in request.form:
            spec = spec_of(request.form, self.controls)
            if stored is not None and (unknown := self.state.rules.extra.unknown(stored["extra"])):
                spec["extra"] = {**spec.get("extra", {}), **unknown}
            return Entered(spec, yaml_of(spec, self.state.rules))
        text = request.form["yaml"].replace("\r\n", "\n")
        parsed = parse_yaml(text)
        if parsed.problems:
            places = [f"line {one.line}, column {one.column}: {one.message}" for one in parsed.problems]
            return Entered(None, text, "The YAML cannot be read. " + " ".join(places))
        return Entered(parsed.value, text)

    def _edit_form(
        self, template: Template, draft: Entered, error: InvalidInput | None = None, *, problem: str = ""
    ) -> str:
        revision = number_of("revision", request.form.get("revision"), template.revision)
        cancel = onward("template", template_id=template.id)
        return self._form(
            f"Edit {template.name}", "Save", draft, cancel, error, problem=problem, revision=revision, of=template.id
        )

    def _form(
        self,
        heading: str,
        button: str,
        draft: Entered,
        cancel: str,
        error: InvalidInput | None = None,
        *,
        problem: str = "",
        revision: int | None = None,
        of: str | None = None,
    ) -> str:
        tab: Tab = "yaml" if request.args.get("tab") == "yaml" else "form"
        errors = by_path(error) if error else {}
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
            check=PageContext.url("check_field", of=of),
            message=request.form.get("message", ""),
            labels=dict(labelled(self.controls)),
            shown=lambda control: filled(values, control),
            rows=lambda control: list(_rows(values, control)),
            anchor=lambda path: "yaml" if tab == "yaml" else _anchor(path, known),
        )

    def _conflict(self, template: Template, before: Spec, yours: Spec) -> str:
        paths = both_changed(before, template.spec, yours)
        old, theirs, mine = flatten(before), flatten(template.spec), flatten(yours)
        rows = [(path, old.get(path), theirs.get(path), mine.get(path)) for path in paths]
        # All that they changed elsewhere stays; where both changed a field, what was typed.
        agreed = three_way(before, template.spec, unflatten(taking(mine, paths, theirs)))
        merged = unflatten(taking(agreed, paths, mine))
        return render(
            "conflict",
            "templates",
            template=template,
            rows=rows,
            text=yaml_of(merged, self.state.rules),
            message=request.form.get("message", ""),
        )


def by_path(error: InvalidInput) -> dict[str, list[str]]:
    """Return the words of an error by the path of the field."""
    errors: dict[str, list[str]] = {}
    for path, text in error.flat():
        errors.setdefault(path, []).append(text)
    return errors


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
