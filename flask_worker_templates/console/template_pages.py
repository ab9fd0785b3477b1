"""The page of one template, comparing its revisions, and what its buttons do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from flask import redirect, request
from werkzeug.wrappers import Response

from flask_worker_templates.errors import InvalidParameters, RevisionMismatch, TemplateInUse, TemplateNotFound
from flask_worker_templates.model.parameters import Paging, page_parameters
from flask_worker_templates.model.spec import Spec, flatten, same

from .door import Door, number_of
from .fields import Control, filled, labelled, spec_controls
from .notes import note_of
from .origin import standing_of
from .page import fragment_of, list_url, onward, render, with_message
from .routes import Route
from .undo import Done, packed

_CLAIMS_SHOWN = 10
_EVENTS_SHOWN = 20
_LISTED = 200  # revisions in a list to choose from; of more, the number is typed


class TemplatePages(Door):
    """The pages about one template."""

    def routes(self) -> Iterator[Route]:
        """Yield the routes."""
        one = "/t/<template_id>"
        yield Route(one, self.template)
        yield Route(one + "/compare", self.compare_revisions)
        yield Route(one + "/revert", self.revert_template, "POST")
        yield Route(one + "/switch", self.switch_template, "POST")
        yield Route(one + "/restore", self.restore_template, "POST")
        yield Route(one + "/delete", self.delete_template, "GET")
        yield Route(one + "/delete", self.carry_out_deletion, "POST")

    def template(self, template_id: str) -> str:
        """Show one template."""
        asked = page_parameters({"page": request.args.get("page", "1"), "page_size": str(_EVENTS_SHOWN)})
        paging = Paging(asked["page"], asked["page_size"])
        try:
            template = self.readable(template_id)
        except TemplateNotFound:
            return self._deleted(template_id, paging)
        claims = self.store.claims(template.id, Paging(1, _CLAIMS_SHOWN), guard=self.reading)
        may_claim = self.may("claim", template)
        if fragment_of("claims-panel"):
            return render("claims_panel", "templates", template=template, claims=claims, may_claim=may_claim)
        return render(
            "template",
            "templates",
            notes=note_of(self, template),
            template=template,
            facts=grouped(facts(template.spec, self.controls)),
            standing=standing_of(self, template),
            claims=claims,
            events=self.store.history(template.id, paging, guard=self.reading),
            may_claim=may_claim,
            may={action: self.may(action, template) for action in ("create", "update", "delete")},
        )

    @cached_property
    def controls(self) -> tuple[Control, ...]:
        """The fields of a template, for people."""
        return spec_controls(self.state.rules.schema)

    def _deleted(self, template_id: str, paging: Paging) -> str:
        """Show what is left of a deleted template: its history, and the way back."""
        last = self.store.last_state(template_id)
        self.authorize("read", last)
        events = self.store.history(template_id, paging, guard=self.reading)
        newest = self.store.revision(template_id, last.revision, guard=self.reading)
        if newest.action != "deleted":  # its document is there, and is no template
            raise TemplateNotFound(template_id)
        return render(
            "deleted",
            "templates",
            template=last,
            deletion=newest,
            facts=grouped(facts(last.spec, self.controls)),
            events=events,
            may_restore=self.may("update", last),
        )

    def restore_template(self, template_id: str) -> Response:
        """Bring a deleted template back."""
        self.authorize("read", self.store.last_state(template_id))
        self.store.restore(template_id, actor=self.actor(), message=self.message(), guard=self.updating)
        return redirect(onward("template", template_id=template_id, done="restored"), 303)

    def compare_revisions(self, template_id: str) -> str:
        """Show two revisions side by side."""
        template = self.readable(template_id)
        first = number_of("from", request.args.get("from"), max(template.revision - 1, 1))
        second = number_of("to", request.args.get("to"), template.revision)
        before, after = (self.store.revision(template.id, number, guard=self.reading) for number in (first, second))
        rows = list(compared_leaves(before.spec, after.spec))
        return render(
            "compare",
            "templates",
            template=template,
            before=before,
            after=after,
            changed=[row for row in rows if row.differs],
            same=[row for row in rows if not row.differs],
            numbers=range(template.revision, 0, -1) if template.revision <= _LISTED else None,
            may_update=self.may("update", template),
        )

    def revert_template(self, template_id: str) -> Response:
        """Go back to an earlier revision."""
        self.readable(template_id)
        to = number_of("revision", request.form.get("revision"), 0)
        self.store.revert(template_id, to, actor=self.actor(), message=self.message(), guard=self.updating)
        return redirect(onward("template", template_id=template_id, done="reverted", n=to), 303)

    def switch_template(self, template_id: str) -> Response:
        """Enable or disable a template."""
        action = request.form.get("action")
        if action not in ("enable", "disable"):
            raise InvalidParameters({"action": ["Must be one of: enable, disable."]})
        enabled = action == "enable"
        self.store.update(
            template_id,
            lambda spec: self.state.rules.patched(spec, {"enabled": enabled}),
            actor=self.actor(),
            message=self.message(),
            guard=self.updating,
        )
        done = "enabled" if enabled else "disabled"
        return redirect(onward("template", template_id=template_id, done=done), 303)

    def delete_template(self, template_id: str, fault: str = "") -> str | tuple[str, int]:
        """Ask before a deletion."""
        template = self.readable(template_id)
        self.authorize("delete", template)
        page = render(
            "delete",
            "templates",
            template=template,
            claims=self.store.claims(template.id, Paging(1, _CLAIMS_SHOWN), guard=self.reading),
            standing=standing_of(self, template),
            seeds_again=self.settings.reseed_deleted,
            fault=fault,
            typed=request.form.get("name", ""),
            message=request.form.get("message", ""),
        )
        return (page, 409) if fault else page

    def carry_out_deletion(self, template_id: str) -> Response | str | tuple[str, int]:
        """Delete a template whose name was typed."""
        template = self.readable(template_id)
        if request.form.get("name", "").strip() != template.name:
            return self.delete_template(template_id, "Type the name of the template to delete it.")
        seen = number_of("revision", request.form.get("revision"), 0)
        try:
            gone = self.store.delete(
                template_id,
                actor=self.actor(),
                message=self.message(),
                allowed=lambda revision: revision == seen,
                guard=self.deleting,
            )
        except RevisionMismatch:
            return self.delete_template(template_id, "It was changed meanwhile. Look at it again before you delete it.")
        except TemplateInUse as error:
            return self.delete_template(template_id, str(error))
        of = packed([Done(gone.id, gone.revision + 1)])
        return redirect(with_message(list_url(), done="deleted", of=of), 303)


@dataclass(frozen=True, slots=True)
class Fact:
    """A field of a spec, for people.

    Attributes:
        path: dotted path.
        label: what people call it.
        value: its value; of a map, the map.
        group: the label of the group that it is in.
    """

    path: str
    label: str
    value: Any
    group: str = ""


def facts(spec: Spec, shown: Sequence[Control]) -> Iterator[Fact]:
    """Yield the fields of a spec in the order of the form; then what the form does not know."""
    known = set()
    for control in shown:
        named = dict(labelled(control.inner))
        for one in control.walk():
            known.add(one.path)
            value = filled(spec, one)
            group = control.label if one is not control else ""
            if value not in (None, "", {}, []) or not group:
                yield Fact(one.path, named.get(one.path, one.label), value, group)
    for key, value in spec["extra"].items():
        if not any(path == f"extra.{key}" or path.startswith(f"extra.{key}.") for path in known):
            yield Fact(f"extra.{key}", key, value, "Extra")


def grouped(shown: Iterable[Fact]) -> dict[str, list[Fact]]:
    """Return facts by their groups, those of none first."""
    groups: dict[str, list[Fact]] = {"": []}
    for fact in shown:
        groups.setdefault(fact.group, []).append(fact)
    return groups


@dataclass(frozen=True, slots=True)
class Row:
    """A leaf of two specs; None where it is not there."""

    path: str
    before: Any
    after: Any

    @property
    def differs(self) -> bool:
        """Whether it is another one."""
        return not same(self.before, self.after)


def compared_leaves(before: Spec, after: Spec) -> Iterator[Row]:
    """Yield each leaf of two specs."""
    old, new = flatten(before), flatten(after)
    for path in dict.fromkeys((*old, *new)):
        yield Row(path, old.get(path), new.get(path))
