"""The views of drift and sync: how the database stands to the definition files, what a sync would do, and doing it."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, Any

import marshmallow as ma
from flask import Response

from flask_worker_templates.errors import InvalidFiles, InvalidSpec, SyncRefused
from flask_worker_templates.model.parameters import Paging
from flask_worker_templates.model.template import Page, to_json
from flask_worker_templates.runtime.sync_access import authorize_changes

from .operation import operation
from .requests import no_query, query_arguments
from .responses import Problem, json_response, pagination
from .views_base import Views, message, query

if TYPE_CHECKING:
    from flask_worker_templates.files.load import FileSet
    from flask_worker_templates.reconcile.options import SyncOptions
    from flask_worker_templates.reconcile.plan import SyncPlan

log = logging.getLogger("flask_worker_templates")


class SyncViews(Views):
    """The views of drift and sync."""

    TAG = "Files"

    @operation(
        "GET",
        "/drift",
        "getWorkerTemplateDrift",
        lambda doc: doc.operation(
            {
                200: doc.answer(
                    "How the templates stand; the summary counts all.",
                    doc.WorkerTemplateDriftSchema(),
                    doc.schemas.DRIFT_EXAMPLE,
                    doc.PAGINATION,
                )
            },
            (422,),
            parameters=(doc.query(doc.sync.WorkerTemplateDriftQuerySchema()),),
        ),
    )
    def get_drift(self) -> Response:
        """Compare the definition files with the database: what differs, and what a sync would do."""
        from flask_worker_templates.reconcile.diff_document import diff_document

        from .sync_schemas import drift_parameters

        self._authorize("read")
        asked = query(drift_parameters, query_arguments(frozenset({"state"})))
        paging = Paging(asked["page"], asked["page_size"])
        plan = self._plan(None)
        states = asked.get("state")
        found = [step for step in plan.steps if states is None or step.drift.state.value in states]
        shown = found[paging.skip : paging.skip + paging.size]
        # A template may have come from a file that is none of the configured ones.
        document = diff_document(plan, show_sources=False, steps=shown)
        headers = pagination(Page(tuple(shown), len(found), paging.page, paging.size))
        return json_response(to_json(document), headers=headers)

    @operation(
        "POST",
        "/plan",
        "planWorkerTemplateSync",
        lambda doc: doc.operation(
            {
                200: doc.answer(
                    "What a sync would do, what forbids it, and the digest to apply it by.",
                    doc.sync.WorkerTemplatePlanSchema(),
                    doc.sync.PLAN_EXAMPLE,
                )
            },
            doc.BODY_PROBLEMS,
            request_body=doc.body(doc.sync.WorkerTemplatePlanOptionsSchema(), doc.sync.OPTIONS_EXAMPLE),
        ),
    )
    def plan_sync(self) -> Response:
        """Show what a sync with these options would do; nothing is written."""
        from flask_worker_templates.reconcile.diff_document import diff_document

        from .sync_schemas import WorkerTemplatePlanOptionsSchema

        self._authorize("read")
        no_query()
        options, _ = _options(WorkerTemplatePlanOptionsSchema(), self._json())
        plan = self._plan(options)
        return json_response(to_json({**diff_document(plan, show_sources=False), "digest": plan.digest}))

    @operation(
        "POST",
        "/sync",
        "syncWorkerTemplates",
        lambda doc: doc.operation(
            {200: doc.answer("What was done.", doc.sync.WorkerTemplateSyncSchema(), doc.sync.SYNC_EXAMPLE)},
            (*doc.BODY_PROBLEMS, 409),
            parameters=(doc.MESSAGE,),
            request_body=doc.body(doc.sync.WorkerTemplateSyncOptionsSchema(), doc.sync.SYNC_BODY_EXAMPLE),
        ),
    )
    def sync_templates(self) -> Response:
        """Apply a plan that was shown, by its digest; nothing is written if anything has moved since."""
        from flask_worker_templates.reconcile.sync import apply
        from flask_worker_templates.reconcile.sync_document import sync_document

        from .sync_schemas import WorkerTemplateSyncOptionsSchema

        self._authorize("sync")
        why = message()
        options, digest = _options(WorkerTemplateSyncOptionsSchema(), self._json())
        plan = self._plan(options)
        if plan.digest != digest:
            reasons = [refusal.message for refusal in plan.refusals]
            raise _refused([*reasons, "This is not the plan of that digest any more: plan again, and look at it."])
        try:
            plan.check()
            authorize_changes(self._hooks, self._settings, self._store, plan)
            result = apply(self._store, plan, actor=self._hooks.actor(), message=why, guard=self._hooks.usage_guard)
        except SyncRefused as error:
            raise _refused(error.reasons) from None
        written = any(change.status == "applied" for change in result.changes)
        if not written and any(change.status == "stale" for change in result.changes):
            raise _refused([change.message for change in result.changes if change.message])
        return json_response(to_json(sync_document(result, plan, show_sources=False)))

    def _plan(self, options: SyncOptions | None) -> SyncPlan:
        return self._state.plan(self._files(), options, store=self._store)

    def _files(self) -> FileSet:
        try:
            files = self._state.read_files()
        except InvalidFiles as error:
            # As while seeding: the faults are for the server's log, not for its clients.
            log.error("The definition files cannot be compared with the database:\n%s", error)  # noqa: TRY400
            text = "The definition files cannot be read; the server's log says why."
            raise Problem(503, text) from None
        if files.warnings:  # they name the directory where the file was looked for: for people at the server
            files = dataclasses.replace(files, warnings=("There is no definition file.",))
        return files


def _options(schema: ma.Schema, sent: Any) -> tuple[SyncOptions, str | None]:
    """Return the options of a body, and its digest.

    Raises:
        InvalidSpec: with every error of the body.
    """
    from flask_worker_templates.reconcile.options import SyncOptions

    try:
        loaded: dict[str, Any] = schema.load(sent)
    except ma.ValidationError as error:
        raise InvalidSpec(error.messages_dict) from None
    digest = loaded.pop("digest", None)
    only = loaded.pop("only_", None)
    loaded |= {key: tuple(loaded[key]) for key in ("adopt", "restore") if key in loaded}
    return SyncOptions(**loaded, only=None if only is None else tuple(only)), digest


def _refused(reasons: Any) -> Problem:
    return Problem(409, "Nothing was written: the sync was refused.", {"reasons": list(reasons)})
