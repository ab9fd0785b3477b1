"""What a sync does about one template, given how it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from flask_worker_templates.model.spec import Spec, same, unflatten

from .compare import Side, State, TemplateDrift, merged_leaves

OnConflict = Literal["file", "db", "skip"]
"""Whose value a field in conflict gets; ``skip`` leaves its template as it is."""
Action = Literal["none", "create", "update", "rebase", "delete", "refuse"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a sync does about one template, and what the database holds afterwards.

    Attributes:
        action: ``create`` and ``delete`` the template; ``update`` its spec and its base; ``rebase`` it, which
            changes what it remembers of its file and is no revision; ``refuse``, where the whole sync must not begin;
            ``none``.
        spec: the spec afterwards, in normal form; None where there is no template afterwards.
        base: the base afterwards; None where there is none.
    """

    action: Action
    spec: Spec | None
    base: Spec | None


def outcome(  # noqa: PLR0911  # a table, read from top to bottom
    drift: TemplateDrift,
    *,
    on_conflict: OnConflict | None = None,
    choices: Mapping[str, Side] | None = None,
    adopt: bool = False,
    restore: bool = False,
    prune: bool = False,
    recreate_renamed: bool = True,
) -> Outcome:
    """Return what a sync does about one template.

    Whenever a sync is done with a template that is in both, its base is what the file holds now, so that
    values of the database that were kept show as edited from then on.

    Args:
        drift: the template, from `compare`.
        on_conflict: whose value a field in conflict gets; ``skip`` leaves the whole template alone; None refuses.
        choices: whose value single fields in conflict get, by path; goes before `on_conflict`.
        adopt: put a template in collision under the file's management. It keeps its own values, unless
            `on_conflict` is ``file`` or `choices` say so.
        restore: bring a deleted template back, with the spec of its entry.
        prune: delete an orphaned template.
        recreate_renamed: create the template of an entry again that was renamed in the database.
    """
    state, declared, stored = drift.state, drift.declared, drift.stored
    if stored is None:
        missing = state is State.MISSING and (recreate_renamed or drift.renamed_to is None)
        restored = restore and state is State.DELETED
        wanted = declared.spec if declared is not None and (restored or missing) else None
        return Outcome("none" if wanted is None else "create", wanted, wanted)
    unchanged = Outcome("none", stored.spec, stored.base)
    if declared is None:
        if prune and state is State.ORPHANED:
            return Outcome("delete", None, None)
        return replace(unchanged, action="rebase") if drift.moved else unchanged
    chosen = choices or {}
    open_ = [field for field in drift.fields if field.resolution == "conflict" and field.path not in chosen]
    if open_ and on_conflict is None:
        return replace(unchanged, action="refuse")
    if (open_ and on_conflict == "skip") or (state is State.COLLISION and not adopt):
        return unchanged
    side: Side = "file" if on_conflict == "file" else "db"
    spec = stored.spec
    if drift.fields:
        spec = unflatten(merged_leaves(spec, drift.fields, side, chosen, anyway=state is State.COLLISION))
    if not same(spec, stored.spec):
        return Outcome("update", spec, declared.spec)
    moved = drift.moved or not same(stored.base, declared.spec)
    return Outcome("rebase" if moved else "none", spec, declared.spec)
