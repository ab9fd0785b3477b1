"""What a sync would do, as data: the plan, and what forbids it.

Pure: no database, no Flask. `sync` reads what a plan is made of, and carries it out. `diff_document` and
`plan_document` write it down.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from flask_worker_templates.errors import InvalidSpec, SyncRefused
from flask_worker_templates.files.load import FileSet, SourceFile
from flask_worker_templates.model.records import ABSENT, Deletion, Managed
from flask_worker_templates.model.rules import SpecRules

from .compare import FieldDrift, Side, State, TemplateDrift, compare
from .options import SyncOptions
from .outcome import Outcome, outcome
from .ownership import Ownership
from .step import Refusal, Step

WITHOUT_DRIFT = frozenset({State.IN_SYNC, State.UNMANAGED})
"""States in which the definition files and what they manage do not differ."""

_SAFE = frozenset({State.FILE_CHANGED, State.DIVERGED})


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """How every template stands between files and database, and what a sync would do.

    Attributes:
        files: the definition files that were read.
        warnings: what is worth a look, in sentences.
        options: what a person decided.
        steps: every template, sorted by name.
        refusals: what forbids the sync as a whole; nothing is written while there is one.
        ownership: the set of the files, and which source each has.
        forget: the deletions whose entries are gone from the files, so that a new entry of that name is new.
    """

    files: tuple[SourceFile, ...]
    warnings: tuple[str, ...]
    options: SyncOptions
    steps: tuple[Step, ...]
    refusals: tuple[Refusal, ...]
    ownership: Ownership
    forget: tuple[Deletion, ...] = ()

    @property
    def has_drift(self) -> bool:
        """Whether files and managed templates differ.

        A template that is in no file and belongs to none of them (``unmanaged``) is nobody's drift.
        """
        return any(step.drift.state not in WITHOUT_DRIFT for step in self.steps)

    @property
    def changes(self) -> tuple[Step, ...]:
        """The templates about which a sync writes something, even if that is only a new base."""
        return tuple(step for step in self.steps if step.writes)

    @property
    def hindered(self) -> tuple[Step, ...]:
        """The templates that a sync would change, and cannot."""
        return tuple(step for step in self.steps if step.obstacle is not None)

    @property
    def writes(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.changes or self.forget)

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
            forget=(),
        )

    @property
    def digest(self) -> str:
        """What tells this plan from every other."""
        from .plan_document import plan_digest

        return plan_digest(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the diff document, for JSON."""
        from .diff_document import diff_document

        return diff_document(self)


def make_plan(
    ownership: Ownership,
    stored: Iterable[Managed],
    deletions: Mapping[str, Deletion],
    options: SyncOptions,
    *,
    forget: Iterable[Deletion] = (),
    recreate_renamed: bool = True,
    blocked: Mapping[str, str] | None = None,
) -> SyncPlan:
    """Return what a sync of these files into this database would do.

    Args:
        ownership: the files, and whose they are.
        stored: every template of the database.
        deletions: by the name of its entry, the newest deletion of each template that had come from a file.
        options: what a person decided.
        forget: the deletions whose entries are in no file.
        recreate_renamed: whether an entry whose template was renamed is created again.
        blocked: the names that documents have which are no templates, and what is wrong with each.
    """
    blocked = blocked or {}
    files: FileSet = ownership.files
    warnings = [*files.warnings]
    steps: list[Step] = []
    for drift in compare(files.entries, stored, deletions, ownership, blocked.keys()):
        prune = options.prune and drift.state is State.ORPHANED
        if prune and (warning := _of_another_source(drift, options, ownership)):
            prune = False
            warnings += [warning] if options.concern(drift.name) else []
        step = Step(drift, _outcome(drift, options, prune=prune, recreate_renamed=recreate_renamed))
        if drift.state is State.BLOCKED and options.concern(drift.name):
            reason = f"{drift.name!r} cannot be created: a document that is not a template has the name"
            reason = f"{reason} ({blocked[drift.name]}). Correct or remove it."
            step = replace(step, obstacle="blocked", hindered="create", reason=reason)
        if step.outcome.action == "create" and drift.renamed_to is not None:
            warnings.append(
                f"{drift.name!r} was renamed to {drift.renamed_to!r} in the database, and its entry has the old name "
                f"still: {drift.name!r} is created again."
            )
        steps.append(_checked(step, options, files.rules))
    return SyncPlan(
        files.files,
        tuple(warnings),
        options,
        tuple(steps),
        tuple(_refusals(steps, options, files.rules)),
        ownership,
        tuple(one for one in forget if options.concern(one.name)),
    )


def _of_another_source(drift: TemplateDrift, options: SyncOptions, ownership: Ownership) -> str | None:
    """Return why an orphan is not pruned, or None if it may be."""
    if options.prune_any_source or drift.stored is None or ownership.covers(drift.stored.source):
        return None
    return (
        f"{drift.name!r} is not pruned: it came from {drift.stored.source}, and the definition files are not read from "
        "there. Give --prune-any-source to prune it all the same."
    )


def _outcome(drift: TemplateDrift, options: SyncOptions, *, prune: bool, recreate_renamed: bool) -> Outcome:
    if not options.concern(drift.name):
        stored = drift.stored
        return Outcome("none", stored.spec if stored else None, stored.base if stored else None)
    return outcome(
        drift,
        on_conflict=options.on_conflict,
        choices=options.choices.get(drift.name),
        adopt=drift.name in options.adopt,
        restore=drift.name in options.restore,
        prune=prune,
        recreate_renamed=recreate_renamed,
    )


def _checked(step: Step, options: SyncOptions, rules: SpecRules) -> Step:
    """Return the step, kept back where what would come out breaks the rules."""
    if step.outcome.action != "update" or step.drift.name in options.choices:
        return step
    try:
        rules.normalize(step.outcome.spec)
    except InvalidSpec as error:
        # The file's part is valid: somebody wrote into the database by another way than this package, or a rule is new.
        return step.kept(
            "invalid",
            f"{step.drift.name!r} cannot be updated, because the database holds values that break the rules "
            f"({error}): correct them through the API first.",
        )
    return step


def _refusals(steps: Iterable[Step], options: SyncOptions, rules: SpecRules) -> Iterator[Refusal]:
    by_name = {step.drift.name: step for step in steps}
    yield from _unknown_names(by_name, options)
    yield from _wrong_choices(by_name, options, rules)
    if options.prune and not any(step.drift.declared for step in by_name.values()):
        yield Refusal(
            "The definition files hold no template at all, and pruning would delete everything that came from them: "
            "check the path, or delete the templates one by one.",
            conflict=False,
        )
    for name, step in by_name.items():
        if step.outcome.action == "refuse":
            yield Refusal(_conflict(name, step.drift.fields, options.choices.get(name, {})), conflict=True)


def _unknown_names(steps: Mapping[str, Step], options: SyncOptions) -> Iterator[Refusal]:
    # Only what is certainly a mistake: a name that was dealt with by an earlier run must not stop its repetition.
    for name in options.restore:
        if name not in steps or steps[name].drift.declared is None:
            yield Refusal(f"{name!r} cannot be restored: no definition file has it.", conflict=False)
    for name in options.adopt:
        if name not in steps or steps[name].drift.declared is None:
            yield Refusal(f"{name!r} cannot be adopted: no definition file has it.", conflict=False)
        elif steps[name].drift.stored is None:
            yield Refusal(f"{name!r} cannot be adopted: it is not in the database.", conflict=False)


def _wrong_choices(steps: Mapping[str, Step], options: SyncOptions, rules: SpecRules) -> Iterator[Refusal]:
    for name, chosen in options.choices.items():
        step = steps.get(name)
        if step is None or step.drift.declared is None:
            yield Refusal(f"There is nothing to choose for {name!r}: no definition file has it.", conflict=False)
            continue
        decided = {
            field.path
            for field in step.drift.fields
            if field.resolution != "conflict" and step.drift.state is not State.COLLISION
        }
        for path in chosen:
            if path in decided:
                yield Refusal(
                    f"There is nothing to choose for {path} of {name!r}: only one side changed it.", conflict=False
                )
        if step.outcome.action == "update":
            try:
                rules.normalize(step.outcome.spec)
            except InvalidSpec as error:
                yield Refusal(f"What was chosen for {name!r} does not make a valid template: {error}.", conflict=False)


def too_many_deletions(plan: SyncPlan) -> Iterator[Refusal]:
    """Yield why a plan may not begin if it would delete more templates than its options allow."""
    doomed = [step.drift.name for step in plan.steps if step.outcome.action == "delete"]
    if len(doomed) > plan.options.max_delete:
        templates = "1 template" if len(doomed) == 1 else f"{len(doomed)} templates"
        yield Refusal(
            f"Pruning would delete {templates}, and at most {plan.options.max_delete} may be deleted: "
            f"{_listed(doomed)}. Allow more with max-delete, if that is what you want.",
            conflict=False,
        )


def _conflict(name: str, differing: Iterable[FieldDrift], chosen: Mapping[str, Side]) -> str:
    said = "; ".join(
        f"{field.path} (file {leaf_text(field.file)}, database {leaf_text(field.database)}, "
        f"last applied {leaf_text(field.base)})"
        for field in differing
        if field.resolution == "conflict" and field.path not in chosen
    )
    return (
        f"{name!r} was changed both in the file and in the database: {said}. "
        "Decide with on-conflict file, db or skip, or make the two agree."
    )


def leaf_text(value: Any) -> str:
    """Return a leaf's value for people: as JSON, and a dash where there is none."""
    return "–" if value is ABSENT else json.dumps(value, ensure_ascii=False)


def _listed(names: list[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(repr(name) for name in names[:most]) + more
