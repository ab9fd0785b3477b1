"""Where a template comes from, and how it differs from its file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask_worker_templates.errors import DuplicateNames, InvalidFiles
from flask_worker_templates.model.template import Template
from flask_worker_templates.reconcile.diff_document import template_item
from flask_worker_templates.runtime.app_state import AppState


@dataclass(frozen=True, slots=True)
class WhereFrom:
    """How a template stands to the definition files.

    Attributes:
        item: as the diff document has it; None if that is not known.
        problem: why it is not known; empty otherwise.
    """

    item: dict[str, Any] | None
    problem: str = ""

    @property
    def text(self) -> str:
        """It in a sentence, for people."""
        if self.item is None:
            return f"not known: {self.problem}"
        state, path, source = self.item["state"], self.item["path"], self.item["source"]
        if path is not None:
            place = f"{path}:{self.item['line']}"
        elif source is not None:
            place = f"was in {source}"
        else:
            return "in no file: it was created by hand"
        if self.item["renamed_from"] is not None:
            place += f", renamed from {self.item['renamed_from']}"
        fields = ", ".join(field["field"] for field in self.item["fields"])
        return f"{place}: {state}" + (f" ({fields})" if fields else "")


def where_from(state: AppState, template: Template) -> WhereFrom:
    """Return how a template stands to the configured files; what is wrong with those keeps nobody from looking at it.

    Raises:
        DatabaseUnavailable: if MongoDB does not do its part.
    """
    try:
        plan = state.plan(state.read_files())
    except (InvalidFiles, DuplicateNames) as error:
        first, *more = str(error).splitlines()
        return WhereFrom(None, first + (f" (and {len(more)} more)" if more else ""))
    for step in plan.steps:
        if step.drift.stored is not None and step.drift.stored.id == template.id:
            return WhereFrom(template_item(step))
    return WhereFrom(None, "the template was deleted meanwhile")
