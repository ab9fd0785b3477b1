"""What a sync would do, as data: the plan, what forbids it, and the two versioned documents that carry it.

Pure: no I/O, no Flask. `sync` reads what a plan is made of, and carries it out.

The *diff document* says how every template stands and what a sync would do about it. The *plan document* is the part of
it that a sync would write, with the options and the hashes of the files. It is a record to compare with, not an order:
``sync PLAN`` makes the plan again from the files and the database as they are, and goes on only if it is the same. So a
plan file from elsewhere can at worst be refused.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

import marshmallow as ma
from marshmallow import fields

from .drift import ABSENT, Deletion, FieldDrift, Outcome, State, Stored, TemplateDrift, compare, outcome
from .errors import InvalidInput, InvalidParameters, InvalidPlan, InvalidSpec, SyncRefused
from .files import FileSet, SourceFile
from .json_reader import read_json
from .positions import printable
from .schemas import (
    WorkerTemplateDriftFieldSchema,
    WorkerTemplateDriftFileSchema,
    WorkerTemplateDriftItemSchema,
)
from .spec import Choice, Flag, Whole, flatten, normalize
from .template import rfc3339

VERSION = 1
"""Of both documents. It changes where a program that reads the old form would be misled."""

OnConflict = Literal["file", "db", "skip"]
ON_CONFLICT: tuple[OnConflict, ...] = get_args(OnConflict)

WITHOUT_DRIFT = frozenset({State.IN_SYNC, State.UNMANAGED})
"""States in which the definition files and what they manage do not differ."""

_SAFE = frozenset({State.FILE_CHANGED, State.DIVERGED})
_MOST_DELETIONS = 1_000_000
_MOST_PROBLEMS = 10


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """What a person decided about what a sync does not decide by itself.

    Attributes:
        on_conflict: whose value each field in conflict gets; ``skip`` leaves the templates in conflict as they are;
            None refuses the sync.
        prune: delete orphaned templates.
        max_delete: the most templates that `prune` may delete.
        adopt: names of templates in collision that the files shall manage from now on.
        restore: names of deleted templates to create again.
    """

    on_conflict: OnConflict | None = None
    prune: bool = False
    max_delete: int = 1
    adopt: tuple[str, ...] = ()
    restore: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a decision that there is not: misspelt, it would be another one.

        Raises:
            InvalidParameters: if `on_conflict` is none of the three.
        """
        if self.on_conflict is not None and self.on_conflict not in ON_CONFLICT:
            raise InvalidParameters({"on_conflict": [f"Must be one of: {', '.join(ON_CONFLICT)}; or None."]})


@dataclass(frozen=True, slots=True)
class Step:
    """One template: how it stands, and what a sync makes of it."""

    drift: TemplateDrift
    outcome: Outcome

    @property
    def writes(self) -> bool:
        """Whether a sync writes something."""
        return self.outcome.action not in ("none", "refuse")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A reason why a sync may not begin."""

    message: str
    conflict: bool
    """Whether files and database (or those who use it) contradict each other; otherwise the options are wrong."""


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """How every template stands between files and database, and what a sync would do.

    Attributes:
        files: the definition files that were read.
        warnings: what is worth a look, in sentences.
        options: what a person decided.
        steps: every template, sorted by name.
        refusals: what forbids the sync as a whole; nothing is written while there is one.
    """

    files: tuple[SourceFile, ...]
    warnings: tuple[str, ...]
    options: SyncOptions
    steps: tuple[Step, ...]
    refusals: tuple[Refusal, ...]

    @property
    def has_drift(self) -> bool:
        """Whether files and managed templates differ.

        A template that was created by hand and is in no file (``unmanaged``) is nobody's drift.
        """
        return any(step.drift.state not in WITHOUT_DRIFT for step in self.steps)

    @property
    def changes(self) -> tuple[Step, ...]:
        """The templates about which a sync writes something."""
        return tuple(step for step in self.steps if step.writes)

    def counts(self) -> dict[str, int]:
        """Return how many templates are in each state."""
        found = Counter(step.drift.state for step in self.steps)
        return {state.value: found[state] for state in State}

    def check(self) -> None:
        """Return if the sync may begin.

        Raises:
            SyncRefused: with every reason why not.
        """
        if self.refusals:
            raise SyncRefused(
                [refusal.message for refusal in self.refusals],
                conflict=all(refusal.conflict for refusal in self.refusals),
            )

    def refused(self, refusals: Iterable[Refusal]) -> SyncPlan:
        """Return the plan with more reasons against it."""
        return replace(self, refusals=(*self.refusals, *refusals))

    def safe_part(self) -> SyncPlan:
        """Return the part that overwrites nothing, for a sync that nobody watches.

        These are the changes of the files where the database was left alone, and the bases that lag behind.
        """
        return replace(
            self,
            steps=tuple(step for step in self.changes if step.drift.state in _SAFE or step.outcome.action == "rebase"),
            refusals=(),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the diff document, for JSON."""
        return self.document()

    def document(self, *, show_sources: bool = True) -> dict[str, Any]:
        """Return the diff document.

        Args:
            show_sources: whether to say of a template which file it came from if that file is not among those read.
        """
        paths = {file.path for file in self.files}
        return {
            "version": VERSION,
            "drift": self.has_drift,
            "summary": self.counts(),
            "files": _files(self.files),
            "warnings": list(self.warnings),
            "refusals": [refusal.message for refusal in self.refusals],
            "templates": [_item(step, None if show_sources else paths) for step in self.steps],
        }

    def plan_document(self) -> dict[str, Any]:
        """Return the plan document."""
        options = asdict(self.options)
        return {
            "version": VERSION,
            "options": {**options, "adopt": list(self.options.adopt), "restore": list(self.options.restore)},
            "files": _files(self.files),
            "changes": [_item(step, None) for step in self.changes],
        }


def make_plan(
    files: FileSet,
    stored: Iterable[Stored],
    deletions: Mapping[str, Deletion],
    options: SyncOptions,
) -> SyncPlan:
    """Return what a sync of these files into this database would do.

    Args:
        files: valid definition files.
        stored: every template of the database.
        deletions: by name, the newest deletion of each template that had come from a file.
        options: what a person decided.
    """
    steps = tuple(
        Step(
            drift,
            outcome(
                drift,
                on_conflict=options.on_conflict,
                adopt=drift.name in options.adopt,
                restore=drift.name in options.restore,
                prune=options.prune,
            ),
        )
        for drift in compare(files.entries, stored, deletions)
    )
    return SyncPlan(files.files, files.warnings, options, steps, tuple(_refusals(steps, options)))


def _refusals(steps: Iterable[Step], options: SyncOptions) -> Iterator[Refusal]:
    by_name = {step.drift.name: step for step in steps}
    yield from _unknown_names(by_name, options)
    if options.prune:
        yield from _pruning(by_name, options.max_delete)
    for name, step in by_name.items():
        yield from _undecided(name, step)


def _unknown_names(steps: Mapping[str, Step], options: SyncOptions) -> Iterator[Refusal]:
    # Only what cannot be meant: a name that was dealt with by an earlier run must not stop its repetition.
    for name in options.restore:
        if name not in steps or steps[name].drift.declared is None:
            yield Refusal(f"{name!r} cannot be restored: no definition file has it.", conflict=False)
    for name in options.adopt:
        if name not in steps or steps[name].drift.declared is None:
            yield Refusal(f"{name!r} cannot be adopted: no definition file has it.", conflict=False)
        elif steps[name].drift.stored is None:
            yield Refusal(f"{name!r} cannot be adopted: it is not in the database.", conflict=False)


def _pruning(steps: Mapping[str, Step], most: int) -> Iterator[Refusal]:
    doomed = [name for name, step in steps.items() if step.outcome.action == "delete"]
    if not any(step.drift.declared for step in steps.values()):
        yield Refusal(
            "The definition files hold no template at all, and pruning would delete everything that came from them: "
            "check the path, or delete the templates one by one.",
            conflict=False,
        )
    elif len(doomed) > most:
        templates = "1 template" if len(doomed) == 1 else f"{len(doomed)} templates"
        yield Refusal(
            f"Pruning would delete {templates}, and at most {most} may be deleted: {_listed(doomed)}. "
            "Allow more with max-delete, if that is what you want.",
            conflict=False,
        )


def _undecided(name: str, step: Step) -> Iterator[Refusal]:
    if step.outcome.action == "refuse":
        yield Refusal(_conflict(name, step.drift.fields), conflict=True)
    elif step.outcome.action == "update":
        try:
            normalize(step.outcome.spec)
        except InvalidSpec as error:
            # The file's part is valid: somebody wrote into the database by another way than this package.
            yield Refusal(
                f"{name!r} cannot be updated, because the database holds values that break the rules ({error}): "
                "correct them through the API first.",
                conflict=True,
            )


def _conflict(name: str, differing: Iterable[FieldDrift]) -> str:
    said = "; ".join(
        f"{field.path} (file {shown(field.file)}, database {shown(field.database)}, last applied {shown(field.base)})"
        for field in differing
        if field.resolution == "conflict"
    )
    return (
        f"{name!r} was changed both in the file and in the database: {said}. "
        "Decide with on-conflict file, db or skip, or make the two agree."
    )


def shown(value: Any) -> str:
    """Return a leaf's value for people: as JSON, and a dash where there is none."""
    return "–" if value is ABSENT else json.dumps(value, ensure_ascii=False)


def _listed(names: list[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(repr(name) for name in names[:most]) + more


# The documents


def _files(files: Iterable[SourceFile]) -> list[dict[str, str]]:
    return [{"path": file.path, "sha256": file.sha256} for file in files]


def _item(step: Step, known_paths: Collection[str] | None) -> dict[str, Any]:
    drift = step.drift
    declared, stored, deletion = drift.declared, drift.stored, drift.deletion
    source = stored.source if stored else None
    base = stored.base if stored else None
    return {
        "name": drift.name,
        "state": drift.state.value,
        "action": step.outcome.action,
        "id": stored.id if stored else None,
        "revision": stored.revision if stored else None,
        "path": declared.path if declared else None,
        "line": declared.line if declared else None,
        "source": source if known_paths is None or source in known_paths else None,
        "renamed_from": base["name"] if base is not None and base["name"] != drift.name else None,
        "deleted_by": deletion.actor if deletion else None,
        "deleted_at": rfc3339(deletion.at) if deletion else None,
        "fields": _fields(step),
    }


def _fields(step: Step) -> list[dict[str, Any]]:
    after = flatten(step.outcome.spec or {})
    listed: list[dict[str, Any]] = []
    for field in step.drift.fields:
        values = {
            "base": field.base,
            "file": field.file,
            "database": field.database,
            "result": after.get(field.path, ABSENT),
        }
        present = {key: value for key, value in values.items() if value is not ABSENT}
        listed.append({"field": field.path, "resolution": field.resolution, **present})
    return listed


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
