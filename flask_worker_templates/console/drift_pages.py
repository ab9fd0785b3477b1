"""How files and database differ, what to do about each template, a preview, and applying exactly that."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from flask import Response as FlaskResponse
from flask import redirect, request
from werkzeug.wrappers import Response

from flask_worker_templates.errors import (
    ExportRefused,
    InvalidFiles,
    InvalidParameters,
    RevisionNotFound,
    SyncRefused,
    TemplateNotFound,
)
from flask_worker_templates.model.records import ABSENT
from flask_worker_templates.model.spec import flatten, same
from flask_worker_templates.model.template import Event
from flask_worker_templates.runtime.sync_access import authorize_changes

from .door import Door, number_of
from .notes import TAKEN_BACK
from .page import PageContext, render
from .routes import Route
from .undo import Done, packed, undo_of, unpacked

if TYPE_CHECKING:
    from flask_worker_templates.files.load import FileSet
    from flask_worker_templates.reconcile.compare import FieldDrift, Side
    from flask_worker_templates.reconcile.options import SyncOptions
    from flask_worker_templates.reconcile.plan import SyncPlan
    from flask_worker_templates.reconcile.step import Step
    from flask_worker_templates.reconcile.sync_result import SyncResult

log = logging.getLogger("flask_worker_templates")

_UNREADABLE = "The definition files cannot be read. The server's log says where."
_PRUNABLE = 1_000_000
_SHOWN = 200
_WITHOUT_DRIFT = ("in_sync", "unmanaged")


class DriftPages(Door):
    """The pages of drift."""

    def routes(self) -> Iterator[Route]:
        """Yield the routes."""
        yield Route("/drift", self.drift)
        yield Route("/drift/preview", self.preview_sync, "POST")
        yield Route("/drift/apply", self.apply_sync, "POST")
        yield Route("/drift/done", self.done_sync)
        yield Route("/drift/export.patch", self.export_patch)

    def drift(self) -> str | tuple[str, int]:
        """Show how each template stands."""
        self.authorize("read")
        files = self._files()
        if files is None:
            return self._unreadable()
        plan = self.state.plan(files, store=self.store)
        differing = [step for step in plan.steps if step.drift.state not in _WITHOUT_DRIFT]
        steps = [step for step in differing if step.drift.state.value != "orphaned"]
        orphans = [step for step in differing if step.drift.state.value == "orphaned"]
        notes = {"undone": TAKEN_BACK}
        note = notes.get(request.args.get("done", ""))
        return render(
            "drift",
            "drift",
            notes=() if note is None else (note,),
            plan=plan,
            total=len(steps) + len(orphans),
            counts={state: number for state, number in plan.counts().items() if number},
            steps=steps[:_SHOWN],
            orphans=orphans[:_SHOWN],
            may_sync=self.may("sync"),
            may_export=self.hooks.request_scope().everything,
            problem="",
            result_of=_result,
        )

    @staticmethod
    def _unreadable() -> tuple[str, int]:
        return render("drift", "drift", problem=_UNREADABLE, plan=None, steps=[], orphans=[], total=0), 503

    def preview_sync(self) -> str | tuple[str, int]:
        """Show what a sync of what was chosen would do."""
        self.authorize("sync")
        files = self._files()
        if files is None:
            return self._unreadable()
        plan = self.state.plan(files, _options(), store=self.store)
        return self._preview(plan)

    def apply_sync(self) -> Response | str | tuple[str, int]:
        """Apply the plan that was previewed, if it still holds."""
        from flask_worker_templates.reconcile.sync import apply

        self.authorize("sync")
        files = self._files()
        if files is None:
            return self._unreadable()
        plan = self.state.plan(files, _options(), store=self.store)
        if plan.digest != request.form.get("digest"):
            return self._preview(plan, "Files or database changed since the preview. This is the new one."), 409
        try:
            plan.check()
            authorize_changes(self.hooks, self.settings, self.store, plan)
            result = apply(self.store, plan, actor=self.actor(), message=self.message(), guard=self.hooks.usage_guard)
        except SyncRefused as error:
            return self._preview(plan, " ".join(error.reasons)), 409
        if not result.complete:
            return render("synced", "drift", result=result)
        noted = sum(change.action == "rebase" for change in result.changes) + len(result.forgotten)
        return redirect(PageContext.url("done_sync", of=packed(self._done(plan, result)), n=noted), 303)

    def _done(self, plan: SyncPlan, result: SyncResult) -> Iterator[Done]:
        """Yield the revisions that a sync made."""
        stored = {step.drift.name: step.drift.stored for step in plan.steps}
        for change in result.changes:
            before = stored.get(change.name)
            if change.action == "create":
                with suppress(TemplateNotFound):  # gone again
                    made = self.store.get_by_name(change.name)
                    yield Done(made.id, made.revision)
            elif before is not None and change.action == "delete":
                yield Done(before.id, before.revision + 1)
            elif before is not None and change.revision is not None and change.action == "update":
                yield Done(before.id, change.revision)

    def done_sync(self) -> str:
        """Show what a sync did, from the trail."""
        self.authorize("read")
        of = request.args.get("of", "")
        events: list[Event] = []
        for done in unpacked(of):
            with suppress(TemplateNotFound, RevisionNotFound):
                last = self.store.last_state(done.template_id)
                if self.may("read", last):
                    events.append(self.store.revision(done.template_id, done.revision, guard=self.reading))
        undone = packed(
            Done(event.template_id, event.revision) for event in events if event.action in ("synced", "deleted")
        )
        undo = undo_of(undone, PageContext.url("drift")) if self.may("sync") else None
        noted = number_of("n", request.args.get("n"), 0)
        return render("done", "drift", events=events, undo=undo, noted=noted)

    def export_patch(self) -> Response | tuple[str, int]:
        """Return what an export would change in the definition files, as a patch for Git."""
        from flask_worker_templates.reconcile.export import export_to_files, unified_diff

        self.authorize("read")
        if not self.hooks.request_scope().everything:
            return render(
                "error", "drift", code=403, title="This is not allowed", words="It holds templates of others."
            ), 403
        files = self._files()
        if files is None:
            return render("error", "drift", code=503, title="Not available right now", words=_UNREADABLE), 503
        try:
            done = export_to_files(self.store, self.state.ownership(files), max_remove=_PRUNABLE)
        except ExportRefused as error:
            return render("error", "drift", code=409, title="There is no patch", words=" ".join(error.reasons)), 409
        text = "".join(line for content in done.contents for line in unified_diff(content))
        return FlaskResponse(
            text.encode(),
            headers={
                "Content-Type": "text/x-patch; charset=utf-8",
                "Content-Disposition": 'attachment; filename="worker-templates.patch"',
            },
        )

    def _preview(self, plan: SyncPlan, problem: str = "") -> str:
        return render(
            "preview",
            "drift",
            plan=plan,
            problem=problem,
            steps=[step for step in plan.steps if step.writes],
            kept=plan.hindered,
            chosen=[(key, value) for key, value in request.form.items(multi=True) if _is_choice(key)],
            changes_of=_changes,
        )

    def _files(self) -> FileSet | None:
        try:
            files = self.state.read_files()
        except InvalidFiles as error:
            log.error("The definition files cannot be compared with the database:\n%s", error)  # noqa: TRY400
            return None
        if files.warnings:  # they name directories of the server
            files = replace(files, warnings=("There is no definition file.",))
        return files


def _is_choice(key: str) -> bool:
    return key in ("only", "adopt", "restore", "prune") or key.startswith("choice:")


def _options() -> SyncOptions:
    """Return what was chosen: which templates are dealt with, and whose value each field in conflict gets."""
    from flask_worker_templates.reconcile.options import SyncOptions

    form = request.form
    choices: dict[str, dict[str, Side]] = {}
    for key, value in form.items():
        if key.startswith("choice:"):
            _, _, rest = key.partition(":")
            path, _, name = rest.partition(":")
            if value not in ("file", "db"):
                raise InvalidParameters({path: ["Choose the file or the database."]})
            choices.setdefault(name, {})[path] = cast("Side", value)
    pruned, adopted, restored = form.getlist("prune"), form.getlist("adopt"), form.getlist("restore")
    return SyncOptions(
        on_conflict="skip",
        prune=bool(pruned),
        max_delete=len(pruned),
        adopt=tuple(adopted),
        restore=tuple(restored),
        only=tuple(dict.fromkeys([*form.getlist("only"), *choices, *adopted, *restored, *pruned])),
        choices=choices,
    )


def _result(step: Step, field: FieldDrift) -> Any:
    """Return what a field holds after a sync of what is ticked at first; None where it is not there then."""
    if step.outcome.action == "refuse":
        value = field.file if field.resolution == "file" else field.database
        return None if value is ABSENT else value
    return flatten(step.outcome.spec or {}).get(field.path)


def _changes(step: Step) -> Iterator[dict[str, Any]]:
    """Yield the fields that the sync changes, as the history would show them."""
    if step.outcome.action != "update":
        return
    after = flatten(step.outcome.spec or {})
    for field in step.drift.fields:
        change: dict[str, Any] = {"field": field.path}
        if field.database is not ABSENT:
            change["from"] = field.database
        if field.path in after:
            change["to"] = after[field.path]
        if not same(change.get("from", ABSENT), change.get("to", ABSENT)):
            yield change
