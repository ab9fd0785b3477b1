"""The views of the REST API: they authorise, parse, call the store and present."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import marshmallow as ma
from flask import Response, request, url_for
from werkzeug.exceptions import MethodNotAllowed, NotFound

from flask_worker_templates.errors import (
    InvalidFiles,
    InvalidParameters,
    InvalidSpec,
    RevisionMismatch,
    TemplateNotFound,
)
from flask_worker_templates.model.parameters import (
    REPEATABLE,
    Window,
    list_parameters,
    page_parameters,
    trail_parameters,
    worker_id_of,
)
from flask_worker_templates.model.spec import Spec, normalize, patched
from flask_worker_templates.model.template import Page, Template, to_json
from flask_worker_templates.store.store import Guard, Precondition

from .conditional import matches, not_modified, precondition
from .requests import MERGE_PATCH, no_query, query_arguments, read_json
from .responses import JSON, Problem, empty_response, etag, json_response, pagination, problem_response, quoting_json

if TYPE_CHECKING:
    from flask_worker_templates.runtime.app_state import AppState

log = logging.getLogger("flask_worker_templates")

NAME = "worker-templates"


class Views:
    """The views of one app. Each authorises first, and answers with a response that is ready to send."""

    def __init__(self, state: AppState) -> None:
        self._state = state
        self._store = state.store
        self._hooks = state.hooks
        self._settings = state.settings

    def misdirected(self) -> Response | None:
        """Answer for URLs below the prefix that are none of ours, and for methods that they do not have, as JSON.

        Flask belongs these to no blueprint, so that they would get the host's error pages.
        """
        error = request.routing_exception
        if not isinstance(error, NotFound | MethodNotAllowed):
            return None
        prefix = self._settings.url_prefix
        if request.path != prefix and not request.path.startswith(prefix + "/"):
            return None
        if isinstance(error, NotFound):
            # The usual mistakes are a name in the place of the id, and a worker id that is a path.
            found_by = "A template is at its id (a UUID); the list finds it by ?name=."
            return Problem(404, f"There is nothing at this URL. {found_by} A worker id holds no slash.").response()
        return problem_response(error)

    def before(self) -> None:
        """Wait until this process is ready."""
        if request.method != "OPTIONS":  # which Flask answers from the routes alone
            self._state.readiness.ensure()

    # Templates

    def list_templates(self) -> Response:
        """List the templates."""
        self._authorize("read")
        arguments = query_arguments(REPEATABLE) if request.query_string else {}
        page = self._store.page_raw(_query(list_parameters, arguments))
        return json_response(b"[" + b",".join(page) + b"]", headers=pagination(page))

    def create_template(self) -> Response:
        """Create a template."""
        self._authorize("create")
        template = self._store.create(normalize(self._json()), actor=self._hooks.actor())
        location = url_for(f"{NAME}.get_template", template_id=template.id)
        return _template(template, 201, {"Location": location})

    def get_template(self, template_id: str) -> Response:
        """Get a template."""
        if self._hooks.authorizer is None:
            self._authorize("read")
            revision, shown = self._store.get_raw(template_id)
        else:
            template = self._authorized("read", template_id)
            revision, shown = template.revision, to_json(template.to_dict())
        no_query()
        headers = {"ETag": etag(revision)}
        known = not_modified(revision)  # first, so that a malformed header is told of in any case
        if not matches(revision):
            raise RevisionMismatch(template_id, revision)
        if known:
            return empty_response(304, headers)
        return json_response(shown, headers=headers)

    def replace_template(self, template_id: str) -> Response:
        """Replace a template's spec."""
        guard = self._guard("update", template_id)
        wanted = normalize(self._json())
        return self._change(template_id, lambda current: wanted, guard)

    def update_template(self, template_id: str) -> Response:
        """Change some fields of a template (JSON Merge Patch, RFC 7396)."""
        guard = self._guard("update", template_id)
        patch = self._json(MERGE_PATCH, JSON)
        return self._change(template_id, lambda current: patched(current, patch), guard)

    def delete_template(self, template_id: str) -> Response:
        """Delete a template that is not in use."""
        guards = [guard for guard in (self._guard("delete", template_id), self._hooks.usage_guard) if guard]
        no_query()

        def guard(template: Template) -> None:
            for one in guards:
                one(template)

        self._store.delete(
            template_id,
            actor=self._hooks.actor(),
            allowed=self._precondition(),
            guard=guard if guards else None,
        )
        return empty_response(204)

    # Definition files

    def get_drift(self) -> Response:
        """Compare the definition files with the database: what differs, and what a sync would do."""
        self._authorize("read")
        no_query()
        try:
            files = self._state.read_files()
        except InvalidFiles as error:
            # As while seeding: the faults are for the server's log, not for its clients.
            log.error("The definition files cannot be compared with the database:\n%s", error)  # noqa: TRY400
            message = "The definition files cannot be read; the server's log says why."
            raise Problem(503, message) from None
        if files.warnings:  # they name the directory where the file was looked for: for people at the server
            files = dataclasses.replace(files, warnings=("There is no definition file.",))
        from flask_worker_templates.reconcile.sync import plan_sync

        plan = plan_sync(self._store, files)
        # A template may have come from a file that is none of the configured ones.
        return json_response(to_json(plan.document(show_sources=False)))

    def validate_template(self) -> Response:
        """Check a spec and say everything that is wrong with it; nothing is stored."""
        self._authorize("read")
        sent = self._json()
        try:
            answered: dict[str, Any] = {"valid": True, "errors": {}, "spec": normalize(sent)}
        except InvalidSpec as error:
            answered = {"valid": False, "errors": error.errors, "spec": None}
        return json_response(quoting_json(answered))

    # History

    def list_events(self) -> Response:
        """List the changes of all templates, newest first."""
        self._authorize("read")
        return _page(self._store.trail(_query(trail_parameters, query_arguments())))

    def get_history(self, template_id: str) -> Response:
        """List the changes of a template, newest first; also of one that was deleted."""
        with contextlib.suppress(TemplateNotFound):  # a deleted one keeps its history
            self._authorized_or_open("read", template_id)
        return _page(self._store.history(template_id, _window()))

    def revert_template(self, template_id: str) -> Response:
        """Make a new revision with the spec of an earlier one."""
        from .openapi_schemas import WorkerTemplateRevertSchema

        guard = self._guard("update", template_id)
        try:
            revision = WorkerTemplateRevertSchema().load(self._json())["revision"]
        except ma.ValidationError as error:
            raise InvalidSpec(error.messages_dict) from None
        template = self._store.revert(
            template_id, revision, actor=self._hooks.actor(), allowed=self._precondition(), guard=guard
        )
        return _template(template)

    # Claims

    def list_claims(self, template_id: str) -> Response:
        """List the workers that claim a template, longest first."""
        self._authorized_or_open("read", template_id)
        return _page(self._store.claims(template_id, _window()))

    def claim_template(self, template_id: str, worker_id: str) -> Response:
        """Register a worker's use of a template, which then cannot be deleted."""
        self._authorized_or_open("claim", template_id)
        no_query()
        worker = _worker(worker_id)
        claim, made = self._store.claim(template_id, worker, actor=self._hooks.actor())
        return json_response(to_json(claim.to_dict()), 201) if made else empty_response(204)

    def release_template(self, template_id: str, worker_id: str) -> Response:
        """End a worker's use of a template."""
        self._authorized_or_open("claim", template_id)
        no_query()
        self._store.release(template_id, _worker(worker_id))
        return empty_response(204)

    # What they share

    def _authorize(self, action: str, template: Template | None = None) -> None:
        self._hooks.authorize(action, template, self._settings)

    def _authorized(self, action: str, template_id: str) -> Template:
        try:
            template = self._store.get(template_id)
        except TemplateNotFound:
            self._authorize(action)  # who may do nothing here shall not learn either which ids there are
            raise
        self._authorize(action, template)
        return template

    def _authorized_or_open(self, action: str, template_id: str) -> Template | None:
        """Authorise for one template, which is read only where a function of the host wants to see it."""
        if self._hooks.authorizer is not None:
            return self._authorized(action, template_id)
        self._authorize(action)
        return None

    def _guard(self, action: str, template_id: str) -> Guard | None:
        """Authorise a change before anything of the request is read, and again if the template changes meanwhile."""
        seen = self._authorized_or_open(action, template_id)
        if seen is None:
            return None

        def guard(template: Template) -> None:
            if template.revision != seen.revision:
                self._authorize(action, template)

        return guard

    def _json(self, *accepted: str) -> Any:
        """Return the body of the current request; what has one takes no parameters besides."""
        no_query()
        return read_json(accepted or (JSON,), most=self._settings.max_body_bytes)

    def _precondition(self) -> Precondition | None:
        return precondition(required=self._settings.require_if_match)

    def _change(self, template_id: str, change: Callable[[Spec], Spec], guard: Guard | None) -> Response:
        template = self._store.update(
            template_id, change, actor=self._hooks.actor(), allowed=self._precondition(), guard=guard
        )
        return _template(template)


def _template(template: Template, code: int = 200, headers: dict[str, str] | None = None) -> Response:
    return json_response(to_json(template.to_dict()), code, {"ETag": template.etag, **(headers or {})})


def _page(page: Page[Any]) -> Response:
    return json_response(to_json([item.to_dict() for item in page]), headers=pagination(page))


def _query(load: Callable[[Any], Any], given: Any) -> Any:
    try:
        return load(given)
    except InvalidParameters as error:
        raise Problem(422, "The query has errors.", {"query": error.errors}) from None


def _worker(worker_id: str) -> str:
    try:
        return worker_id_of(worker_id)
    except InvalidParameters as error:
        raise Problem(422, "The path has errors.", {"path": error.errors}) from None


def _window() -> Window:
    asked = _query(page_parameters, query_arguments())
    return Window(asked["page"], asked["page_size"])
