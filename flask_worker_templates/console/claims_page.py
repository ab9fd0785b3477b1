"""All claims, and ending those of workers that are gone."""

from __future__ import annotations

from collections.abc import Iterator

from flask import redirect, request
from werkzeug.wrappers import Response

from flask_worker_templates.errors import InvalidInput
from flask_worker_templates.model.parameters import claims_parameters, worker_id_of
from flask_worker_templates.model.template import Page

from .door import Door
from .list_pages import given_parameters
from .page import PageContext, back_to, render
from .routes import Route


class ClaimsPage(Door):
    """The claims."""

    def routes(self) -> Iterator[Route]:
        """Yield the routes."""
        yield Route("/claims", self.claims)
        yield Route("/t/<template_id>/release", self.release_claim, "POST")

    def claims(self) -> str:
        """List the claims of all templates."""
        self.authorize("read")
        faults: list[str] = []
        try:
            claims = self.store.all_claims(claims_parameters(given_parameters()))
        except InvalidInput as error:
            faults = [f"{path}: {text}" for path, text in error.flat()]
            claims = Page((), 0, 1, 50)
        return render("claims", "claims", claims=claims, faults=faults, may_release=self.may("claim"))

    def release_claim(self, template_id: str) -> Response:
        """End a worker's claim."""
        worker = worker_id_of(request.form.get("worker_id", ""))
        self.store.release(
            template_id, worker, actor=self.actor(), guard=lambda template, after: self.authorize("claim", template)
        )
        back = back_to(request.form.get("back", ""), PageContext.url("claims"))
        return redirect(back, 303)
