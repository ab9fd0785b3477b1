"""The plan document: what a sync would write, with its options and the hashes of the files.

It is a record to compare with, not an order: ``sync PLAN`` makes the plan again from the files and the database as they
are, and goes on only if it is the same. So a plan file from elsewhere brings no values of its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import marshmallow as ma
from marshmallow import fields

from flask_worker_templates.errors import InvalidInput, InvalidPlan
from flask_worker_templates.files.parse_json import parse_json
from flask_worker_templates.files.parsed import printable
from flask_worker_templates.model.fields import Choice, StrictBoolean, StrictInteger

from .diff_document import (
    WorkerTemplateDriftFieldSchema,
    WorkerTemplateDriftFileSchema,
    WorkerTemplateDriftItemSchema,
    file_items,
    template_item,
)
from .options import ON_CONFLICT, SIDES, SyncOptions
from .plan import SyncPlan
from .step import Refusal

VERSION = 1
"""Of the plan document. It changes where a program that reads the old form would be misled."""
MAX_DELETIONS = 1_000_000
"""The most that ``max_delete`` may allow."""
_MAX_PROBLEMS = 10


class SyncOptionsSchema(ma.Schema):
    """What a person decided."""

    class Meta:
        """Strict: an unknown field is an error."""

        unknown = ma.RAISE

    on_conflict = Choice(ON_CONFLICT, required=True, allow_none=True)
    prune = StrictBoolean(required=True)
    max_delete = StrictInteger(0, MAX_DELETIONS, required=True)
    adopt = fields.List(fields.String(), required=True)
    restore = fields.List(fields.String(), required=True)
    prune_any_source = StrictBoolean(required=True)
    # Under another name inside: marshmallow has an `only` of its own.
    only_ = fields.List(fields.String(), required=True, allow_none=True, data_key="only")
    choices = fields.Dict(
        keys=fields.String(), values=fields.Dict(keys=fields.String(), values=Choice(SIDES)), required=True
    )


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

    version = StrictInteger(
        VERSION, VERSION, required=True, metadata={"description": "Version of this document format."}
    )
    options = fields.Nested(SyncOptionsSchema(), required=True)
    files = fields.List(fields.Nested(SyncPlanFileSchema()), required=True)
    changes = fields.List(fields.Nested(SyncPlanItemSchema()), required=True)
    forget = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "Deleted templates whose entries were removed from the files."},
    )


def plan_document(plan: SyncPlan) -> dict[str, Any]:
    """Return the plan document, for JSON."""
    options = asdict(plan.options)
    for key in ("adopt", "restore", "only"):
        options[key] = None if options[key] is None else list(options[key])
    return {
        "version": VERSION,
        "options": options,
        "files": file_items(plan.files),
        "changes": [template_item(step) for step in plan.changes],
        "forget": [deletion.name for deletion in plan.forget],
    }


def plan_digest(plan: SyncPlan) -> str:
    """Return what tells a plan from every other: the SHA-256 of what it would do and of what it goes by."""
    kept = [[step.drift.name, step.obstacle] for step in plan.hindered]
    whole = {**plan_document(plan), "file_set": plan.ownership.file_set, "kept": kept}
    return hashlib.sha256(json.dumps(whole, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class ReviewedPlan:
    """A plan document that was read back."""

    options: SyncOptions
    document: Mapping[str, Any]

    @property
    def deletes(self) -> int:
        """How many templates it would delete."""
        return sum(change["action"] == "delete" for change in self.document["changes"])

    def part_of(self, plan: SyncPlan) -> SyncPlan:
        """Return `plan`, made now, with every reason why it is not the one that was reviewed."""
        forget = tuple(one for one in plan.forget if one.name in self.document["forget"])
        return replace(plan, forget=forget).refused(self.moved(plan))

    def moved(self, plan: SyncPlan) -> tuple[Refusal, ...]:
        """Return in what `plan`, made now, is not the plan that was reviewed; nothing, if it is the same."""
        now = plan_document(plan)
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
    parsed = parse_json(text)
    if parsed.problems:
        faults = parsed.problems[:_MAX_PROBLEMS]
        raise InvalidPlan([f"line {one.line}, column {one.column}: {one.message}" for one in faults])
    version = parsed.value.get("version") if isinstance(parsed.value, dict) else None
    if type(version) is int and version != VERSION:
        raise InvalidPlan(["it was made by another version of this package. Make a new one with diff --out."])
    try:
        loaded = SyncPlanSchema().load(parsed.value)
    except ma.ValidationError as error:
        problems = InvalidInput(error.messages_dict).flat()[:_MAX_PROBLEMS]
        raise InvalidPlan([printable(f"{path}: {text}" if path else text) for path, text in problems]) from None
    options = loaded["options"]
    options["only"] = options.pop("only_")
    for key in ("adopt", "restore", "only"):
        options[key] = None if options[key] is None else tuple(options[key])
    chosen = SyncOptions(**options)
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
            yield f"{name!r} was to be changed ({old[name]['action']}), and no longer needs to be."
        elif name not in old:
            yield f"{name!r} would be changed ({new[name]['action']}), which is not in the plan."
        elif old[name]["revision"] is None and new[name]["revision"] is not None:
            yield f"{name!r} was not in the database, and is there now."
        elif (was := old[name]["revision"]) != (is_now := new[name]["revision"]) and is_now is not None:
            yield f"{name!r} is at revision {is_now}, not at {was} any more."
        elif old[name] != new[name]:
            yield f"{name!r} would be changed in another way than planned."
