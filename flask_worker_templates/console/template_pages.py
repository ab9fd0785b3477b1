"""The page of one template, comparing its revisions, and what its buttons do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import redirect, request
from werkzeug.wrappers import Response

from flask_worker_templates.errors import RevisionMismatch, TemplateInUse, TemplateNotFound
from flask_worker_templates.model.parameters import Paging, page_parameters
from flask_worker_templates.model.spec import Spec, changes, flatten, same

from .door import Door, number_of
from .notes import note_of
from .origin import standing_of
from .page import PageContext, render
from .routes import Route

_CLAIMS_SHOWN = 10
_EVENTS_SHOWN = 20


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
        return render(
            "template",
            "templates",
            notes=note_of(template),
            template=template,
            facts=list(facts(template.spec)),
            standing=standing_of(self, template),
            claims=self.store.claims(template.id, Paging(1, _CLAIMS_SHOWN), guard=self.reading),
            events=self.store.history(template.id, paging, guard=self.reading),
            may={action: self.may(action, template) for action in ("create", "update", "delete", "claim")},
        )

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
            facts=list(facts(last.spec)),
            events=events,
            may_restore=self.may("update", last),
        )

    def restore_template(self, template_id: str) -> Response:
        """Bring a deleted template back."""
        self.authorize("read", self.store.last_state(template_id))
        self.store.restore(template_id, actor=self.actor(), message=self.message(), guard=self.updating)
        return redirect(PageContext.url("template", template_id=template_id, done="restored"), 303)

    def compare_revisions(self, template_id: str) -> str:
        """Show two revisions side by side."""
        template = self.readable(template_id)
        first = number_of("from", request.args.get("from"), max(template.revision - 1, 1))
        second = number_of("to", request.args.get("to"), template.revision)
        before = self.store.revision(template.id, first, guard=self.reading)
        after = self.store.revision(template.id, second, guard=self.reading)
        return render(
            "compare",
            "templates",
            template=template,
            before=before,
            after=after,
            rows=list(side_by_side(before.spec, after.spec)),
            changed=len(changes(before.spec, after.spec)),
            numbers=range(template.revision, 0, -1),
            may_update=self.may("update", template),
        )

    def revert_template(self, template_id: str) -> Response:
        """Go back to an earlier revision."""
        self.readable(template_id)
        to = number_of("revision", request.form.get("revision"), 0)
        self.store.revert(template_id, to, actor=self.actor(), message=self.message(), guard=self.updating)
        return redirect(PageContext.url("template", template_id=template_id, done="reverted", n=to), 303)

    def switch_template(self, template_id: str) -> Response:
        """Enable or disable a template."""
        enabled = request.form.get("action") == "enable"
        self.store.update(
            template_id,
            lambda spec: self.state.rules.patched(spec, {"enabled": enabled}),
            actor=self.actor(),
            message=self.message(),
            guard=self.updating,
        )
        done = "enabled" if enabled else "disabled"
        return redirect(PageContext.url("template", template_id=template_id, done=done), 303)

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
            self.store.delete(
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
        return redirect(PageContext.url("templates", done="deleted", of=template_id), 303)


def facts(spec: Spec) -> Iterator[tuple[str, Any]]:
    """Yield each leaf of a spec, for people."""
    yield from flatten(spec).items()


def side_by_side(before: Spec, after: Spec) -> Iterator[tuple[str, Any, Any, bool]]:
    """Yield path, both values and whether they differ, of each leaf of two specs; None where it is not there."""
    old, new = flatten(before), flatten(after)
    for path in dict.fromkeys((*old, *new)):
        yield path, old.get(path), new.get(path), not same(old.get(path), new.get(path))
