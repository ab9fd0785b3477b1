"""The plan document: read back, checked, and compared with a plan that is made now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import marshmallow as ma
from marshmallow import fields

from flask_worker_templates.errors import InvalidInput, InvalidPlan
from flask_worker_templates.files.parse_json import read_json
from flask_worker_templates.files.parsed import printable
from flask_worker_templates.model.fields import Choice, Flag, Whole

from .diff_document import WorkerTemplateDriftFieldSchema, WorkerTemplateDriftFileSchema, WorkerTemplateDriftItemSchema
from .plan import ON_CONFLICT, VERSION, Refusal, SyncOptions, SyncPlan

_MOST_DELETIONS = 1_000_000
_MOST_PROBLEMS = 10


class SyncOptionsSchema(ma.Schema):
    """What a person decided."""

    class Meta:
        """Strict: an unknown field is an error."""

        unknown = ma.RAISE

    on_conflict = Choice(ON_CONFLICT, required=True, allow_none=True)
    prune = Flag(required=True)
    max_delete = Whole(0, _MOST_DELETIONS, required=True)
    adopt = fields.List(fields.String(), required=True)
    restore = fields.List(fields.String(), required=True)


class SyncPlanFileSchema(WorkerTemplateDriftFileSchema):
    """A definition file."""

    class Meta:
        """Strict: an unknown field is an error."""

        unknown = ma.RAISE


class SyncPlanFieldSchema(WorkerTemplateDriftFieldSchema):
    """One leaf on which the file and the database differ."""

    class Meta:
        """Strict: an unknown field is an error."""

        unknown = ma.RAISE


class SyncPlanItemSchema(WorkerTemplateDriftItemSchema):
    """What is written about one template."""

    class Meta:
        """Strict: an unknown field is an error."""

        unknown = ma.RAISE

    fields_ = fields.List(fields.Nested(SyncPlanFieldSchema()), required=True, data_key="fields")


class SyncPlanSchema(ma.Schema):
    """The plan document."""

    class Meta:
        """Strict: an unknown field is an error."""

        unknown = ma.RAISE

    version = Whole(VERSION, VERSION, required=True, metadata={"description": "Of this form of document."})
    options = fields.Nested(SyncOptionsSchema(), required=True)
    files = fields.List(fields.Nested(SyncPlanFileSchema()), required=True)
    changes = fields.List(fields.Nested(SyncPlanItemSchema()), required=True)


@dataclass(frozen=True, slots=True)
class ReviewedPlan:
    """A plan document that was read back."""

    options: SyncOptions
    document: Mapping[str, Any]

    def moved(self, plan: SyncPlan) -> tuple[Refusal, ...]:
        """Return in what `plan`, made now, is not the plan that was reviewed; nothing, if it is the same."""
        now = plan.plan_document()
        if all(self.document[part] == now[part] for part in ("files", "changes")):
            return ()
        reasons = [*_moved_files(self.document["files"], now["files"])]
        reasons += _moved_changes(self.document["changes"], now["changes"])
        reasons.append("The plan does not hold any more: make a new one with diff --out, and review it.")
        return tuple(Refusal(reason, conflict=True) for reason in reasons)


def read_plan(text: str) -> ReviewedPlan:
    """Read a plan document, which may come from anywhere.

    Raises:
        InvalidPlan: with what is wrong.
    """
    parsed = read_json(text)
    if parsed.problems:
        faults = parsed.problems[:_MOST_PROBLEMS]
        raise InvalidPlan([f"line {one.line}, column {one.column}: {one.message}" for one in faults])
    version = parsed.value.get("version") if isinstance(parsed.value, dict) else None
    if type(version) is int and version != VERSION:
        raise InvalidPlan(["it was made by another version of this package. Make a new one with diff --out."])
    try:
        loaded = SyncPlanSchema().load(parsed.value)
    except ma.ValidationError as error:
        problems = InvalidInput(error.messages_dict).flat()[:_MOST_PROBLEMS]
        raise InvalidPlan([printable(f"{path}: {text}" if path else text) for path, text in problems]) from None
    options = loaded["options"]
    chosen = SyncOptions(**{**options, "adopt": tuple(options["adopt"]), "restore": tuple(options["restore"])})
    return ReviewedPlan(chosen, parsed.value)


def _moved_files(before: list[dict[str, Any]], now: list[dict[str, Any]]) -> Iterator[str]:
    old = {file["path"]: file["sha256"] for file in before}
    new = {file["path"]: file["sha256"] for file in now}
    for path in dict.fromkeys((*old, *new)):
        if path not in new:
            yield f"The file {path!r} is not among the definition files any more."
        elif path not in old:
            yield f"The file {path!r} is new among the definition files."
        elif old[path] != new[path]:
            yield f"The file {path!r} has changed."


def _moved_changes(before: list[dict[str, Any]], now: list[dict[str, Any]]) -> Iterator[str]:
    old = {change["name"]: change for change in before}
    new = {change["name"]: change for change in now}
    for name in dict.fromkeys((*old, *new)):
        if name not in new:
            yield f"{name!r} was to be changed ({old[name]['action']}), and there is nothing to do about it any more."
        elif name not in old:
            yield f"{name!r} would be changed ({new[name]['action']}), which is not in the plan."
        elif old[name]["revision"] is None and new[name]["revision"] is not None:
            yield f"{name!r} was not in the database, and is there now."
        elif (was := old[name]["revision"]) != (is_now := new[name]["revision"]) and is_now is not None:
            yield f"{name!r} is at revision {is_now}, not at {was} any more."
        elif old[name] != new[name]:
            yield f"{name!r} would be changed in another way than planned."
