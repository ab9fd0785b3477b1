"""All claims, and ending those of workers that are gone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from flask import redirect, request
from werkzeug.wrappers import Response

from flask_worker_templates.errors import InvalidInput, TemplateNotFound
from flask_worker_templates.model.claim import Claim
from flask_worker_templates.model.claim_parameters import claim_parameters, claims_parameters, worker_id_of
from flask_worker_templates.model.template import Page, Template

from .door import Door, number_of
from .list_pages import given_parameters
from .notes import note_of_claim
from .page import Note, PageContext, back_to, render, with_message
from .routes import Route


class ClaimsPage(Door):
    """The claims."""

    def routes(self) -> Iterator[Route]:
        """Yield the routes."""
        yield Route("/claims", self.claims)
        yield Route("/t/<template_id>/release", self.release_claim, "POST")
        yield Route("/t/<template_id>/claim", self.claim_again, "POST")

    def claims(self) -> str:
        """List the claims of all templates."""
        self.authorize("read")
        faults: list[str] = []
        try:
            claims = self.store.all_claims(claims_parameters(given_parameters()))
        except InvalidInput as error:
            faults = [f"{path}: {text}" for path, text in error.flat()]
            claims = Page((), 0, 1, 50)
        return render(
            "claims",
            "claims",
            notes=tuple(self._notes()),
            claims=claims,
            faults=faults,
            filtered=bool(given_parameters().keys() - {"page", "page_size"}),
            may_release=self._releasable(claims),
        )

    def _notes(self) -> Iterator[Note]:
        template_id = request.args.get("of")
        with suppress(TemplateNotFound):
            template = self.store.get(template_id) if template_id else None
            if template is not None and self.may("read", template):
                yield from note_of_claim(self, template, PageContext("claims").here)

    def _releasable(self, claims: Page[Claim]) -> frozenset[str]:
        """Return the ids of the templates whose claims the current request may end."""
        ids = {claim.template_id for claim in claims if claim.template_id is not None}
        if self.hooks.authorizer is None:
            return frozenset(ids) if self.may("claim") else frozenset()
        allowed = set()
        for template_id in ids:
            with suppress(TemplateNotFound):  # deleted since
                if self.may("claim", self.store.get(template_id)):
                    allowed.add(template_id)
        return frozenset(allowed)

    def release_claim(self, template_id: str) -> Response:
        """End a worker's claim."""
        worker = worker_id_of(request.form.get("worker_id", ""))
        held = self._claim_of(template_id, worker)
        released = self.store.release(template_id, worker, actor=self.actor(), guard=self.claiming)
        message = {"done": "released", "of": template_id}
        if released:
            message["worker"] = worker
            if held is not None and held.revision is not None and not held.expired:
                message["n"] = str(held.revision)
                message |= {} if held.ttl_seconds is None else {"ttl": str(held.ttl_seconds)}
        return redirect(with_message(self._back(), **message), 303)

    def claim_again(self, template_id: str) -> Response:
        """Take a release back: claim for the worker as it did before."""
        worker = worker_id_of(request.form.get("worker_id", ""))
        sent = {"ttl_seconds": number_of("ttl_seconds", request.form.get("ttl_seconds"), 0) or None}
        if revision := number_of("revision", request.form.get("revision"), 0):
            sent["revision"] = revision
        self.store.claim(template_id, worker, actor=self.actor(), guard=self.claiming, **claim_parameters(sent))
        return redirect(with_message(self._back(), done="claimed", of=template_id, worker=worker), 303)

    def claiming(self, template: Template, after: Template | None) -> None:
        """Guard a claim or its end."""
        self.authorize("claim", template)

    @staticmethod
    def _back() -> str:
        return back_to(request.form.get("back", ""), PageContext.url("claims"))

    def _claim_of(self, template_id: str, worker: str) -> Claim | None:
        claims = self.store.all_claims(claims_parameters({"worker_id": worker}))
        return next((claim for claim in claims if claim.template_id == template_id), None)
