"""What a sync would do: the files and the database as they are now, compared under a person's options."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from flask_worker_templates.errors import (
    TemplateInUse,
    TemplateNotFound,
)
from flask_worker_templates.files.load import Entry
from flask_worker_templates.model.records import Deletion, Managed
from flask_worker_templates.model.rules import SpecRules
from flask_worker_templates.model.scope import ALL
from flask_worker_templates.model.spec import Spec, same
from flask_worker_templates.store.store import Guard, Store

from .options import SyncOptions
from .ownership import Ownership
from .plan import SyncPlan, make_plan, too_many_deletions
from .step import Step
from .within_scope import hidden_names, shown_files


def plan_sync(
    store: Store,
    ownership: Ownership,
    options: SyncOptions | None = None,
    *,
    guard: Guard | None = None,
    recreate_renamed: bool = True,
) -> SyncPlan:
    """Compare the files with the database and return what a sync would do. Writes nothing.

    Args:
        store: what holds the templates.
        ownership: valid definition files, and the set that they belong to.
        options: what a person decided.
        guard: asked for each template that would be deleted; raises `TemplateInUse`.
        recreate_renamed: whether an entry whose template was renamed in the database is created again.

    Raises:
        DuplicateNames: if the collection holds several templates of one name.
        DatabaseUnavailable: if MongoDB does not do its part within the time limit.
    """
    whole = store.within(ALL)
    stored = stored_templates(whole, ownership.files.entries)
    deletions, forget = _deletions(whole, ownership, stored)
    files, hidden = ownership.files, set[str]()
    if not store.scope.everything:
        deleted = {**{one.name: one for one in forget}, **deletions}
        inside = store.insiders(one.template_id for one in deleted.values())
        hidden = hidden_names([entry.spec for entry in files.entries], stored, deleted, store.scope, inside)
        left = tuple(entry for entry in files.entries if entry.spec["name"] not in hidden)
        ownership = replace(ownership, files=replace(files, entries=left))
    plan = make_plan(
        ownership,
        [template for template in stored if template.spec["name"] not in hidden],
        {name: deletion for name, deletion in deletions.items() if name not in hidden},
        options or SyncOptions(),
        forget=[one for one in forget if one.name not in hidden],
        recreate_renamed=recreate_renamed,
        blocked=whole.known_blocked(),  # by the scan that the reading of all began with
    )
    if not store.scope.everything:
        plan = replace(plan, files=shown_files(files, hidden))
    if plan.refusals:  # what may not begin is not looked into any further
        return plan
    plan = replace(plan, steps=tuple(_kept_if_in_use(store, step, guard) for step in plan.steps))
    return plan.refused(too_many_deletions(plan))


def _deletions(
    store: Store, ownership: Ownership, stored: list[Managed]
) -> tuple[Mapping[str, Deletion], list[Deletion]]:
    """Return the deletions of templates whose entries are in the files, by name, and those whose entries are gone."""
    there = {template.spec["name"] for template in stored}
    absent = [name for name in ownership.names if name not in there]
    deletions = store.deletions(absent, ownership.file_set) if absent else {}
    gone = [
        one
        for one in store.open_deletions(ownership.file_set)
        if one.name not in ownership.names and one.exported_name not in ownership.names
    ]
    return deletions, gone


def stored_templates(store: Store, entries: Iterable[Entry] = ()) -> list[Managed]:
    """Return every template as the database holds it, in today's normal form.

    Args:
        store: what holds them.
        entries: valid by the store's rules. Of a template that is as its entry says, the entry's own spec is kept, and
            not another one: of most, three would be held that say the same.
    """
    likely = specs_of(entries)
    return in_todays_form(store.managed(likely), store.rules, likely)


def specs_of(entries: Iterable[Entry]) -> dict[str, Spec]:
    """Return the specs of entries by their names."""
    return {entry.spec["name"]: entry.spec for entry in entries}


def in_todays_form(
    found: Iterable[Managed], rules: SpecRules, declared: Mapping[str, Spec] | None = None
) -> list[Managed]:
    """Return templates in today's normal form.

    Args:
        found: as they are stored.
        rules: those of today.
        declared: by their names, specs in today's normal form that they are likely to have.
    """
    likely = declared or {}
    return [_in_todays_form(one, rules, likely.get(one.spec["name"])) for one in found]


def _in_todays_form(stored: Managed, rules: SpecRules, likely: Spec | None) -> Managed:
    def in_form(spec: Spec) -> Spec:
        # What is in normal form stays as it is in it.
        return likely if likely is not None and same(spec, likely) else rules.today(spec)

    if likely is not None and stored.spec is stored.base is likely:
        return stored
    spec = in_form(stored.spec)
    base = stored.base
    if base is not None:
        base = spec if same(base, stored.spec) else in_form(base)
    return replace(stored, spec=spec, base=base)


def _kept_if_in_use(store: Store, step: Step, guard: Guard | None) -> Step:
    if step.outcome.action != "delete" or step.drift.stored is None:
        return step
    template_id = step.drift.stored.id
    try:
        store.check_unclaimed(template_id, step.drift.name)
        if guard is not None:
            guard(store.get(template_id), None)
    except TemplateInUse as error:
        return step.kept("in_use", str(error))
    except TemplateNotFound:
        pass  # deleted by someone else just now: the write will find that out too
    return step
