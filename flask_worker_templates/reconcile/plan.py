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

from flask_worker_templates.errors import InvalidParameters, InvalidSpec, SyncRefused
from flask_worker_templates.files.load import FileSet, SourceFile
from flask_worker_templates.model.spec import flatten, normalize
from flask_worker_templates.model.template import rfc3339

from .compare import ABSENT, Deletion, FieldDrift, Outcome, State, Stored, TemplateDrift, compare, outcome

VERSION = 1
"""Of both documents. It changes where a program that reads the old form would be misled."""

OnConflict = Literal["file", "db", "skip"]
ON_CONFLICT: tuple[OnConflict, ...] = get_args(OnConflict)

WITHOUT_DRIFT = frozenset({State.IN_SYNC, State.UNMANAGED})
"""States in which the definition files and what they manage do not differ."""

_SAFE = frozenset({State.FILE_CHANGED, State.DIVERGED})


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
