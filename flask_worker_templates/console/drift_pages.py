"""How files and database differ, what to do about each template, a preview, and applying exactly that."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from flask import Response as FlaskResponse
from flask import request
from werkzeug.wrappers import Response

from flask_worker_templates.errors import ExportRefused, InvalidFiles, InvalidParameters, SyncRefused
from flask_worker_templates.runtime.sync_access import authorize_changes

from .door import Door
from .page import render
from .routes import Route

if TYPE_CHECKING:
    from flask_worker_templates.files.load import FileSet
    from flask_worker_templates.reconcile.compare import Side
    from flask_worker_templates.reconcile.options import SyncOptions
    from flask_worker_templates.reconcile.plan import Step, SyncPlan

log = logging.getLogger("flask_worker_templates")

_UNREADABLE = "The definition files cannot be read. The server's log says where."
_PRUNABLE = 1_000_000


class DriftPages(Door):
    """The pages of drift."""

    def routes(self) -> Iterator[Route]:
        """Yield the routes."""
        yield Route("/drift", self.drift)
        yield Route("/drift/preview", self.preview_sync, "POST")
        yield Route("/drift/apply", self.apply_sync, "POST")
        yield Route("/drift/export.patch", self.export_patch)

    def drift(self) -> str | tuple[str, int]:
        """Show how each template stands."""
        self.authorize("read")
        files = self._files()
        if files is None:
            return render("drift", "drift", problem=_UNREADABLE, plan=None, steps=[], orphans=[]), 503
        plan = self.state.plan(files, store=self.store)
        differing = [step for step in plan.steps if step.drift.state.value not in ("in_sync", "unmanaged")]
        return render(
            "drift",
            "drift",
            plan=plan,
            steps=[step for step in differing if step.drift.state.value != "orphaned"],
            orphans=[step for step in differing if step.drift.state.value == "orphaned"],
            may_sync=self.may("sync"),
            may_export=self.hooks.request_scope().everything,
            problem="",
        )

    def preview_sync(self) -> str | tuple[str, int]:
        """Show what a sync of what was chosen would do."""
        self.authorize("sync")
        files = self._files()
        if files is None:
            return render("drift", "drift", problem=_UNREADABLE, plan=None, steps=[], orphans=[]), 503
        plan = self.state.plan(files, _options(), store=self.store)
        return self._preview(plan)

    def apply_sync(self) -> Response | str | tuple[str, int]:
        """Apply the plan that was previewed, if it still holds."""
        from flask_worker_templates.reconcile.sync import apply

        self.authorize("sync")
        files = self._files()
        if files is None:
            return render("drift", "drift", problem=_UNREADABLE, plan=None, steps=[], orphans=[]), 503
        plan = self.state.plan(files, _options(), store=self.store)
        if plan.digest != request.form.get("digest"):
            return self._preview(plan, "Files or database changed since the preview. This is the new one."), 409
        try:
            plan.check()
            authorize_changes(self.hooks, self.settings, self.store, plan)
            result = apply(self.store, plan, actor=self.actor(), message=self.message(), guard=self.hooks.usage_guard)
        except SyncRefused as error:
            return self._preview(plan, " ".join(error.reasons)), 409
        return render("synced", "drift", result=result)

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
            chosen=[(key, value) for key, value in request.form.items(multi=True) if _is_choice(key)],
            result_of=_result,
        )

    def _files(self) -> FileSet | None:
        try:
            return self.state.read_files()
        except InvalidFiles as error:
            log.error("The definition files cannot be compared with the database:\n%s", error)  # noqa: TRY400
            return None


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


def _result(step: Step, path: str) -> Any:
    """Return what a field holds after the sync."""
    from flask_worker_templates.model.spec import flatten

    return flatten(step.outcome.spec or {}).get(path)
