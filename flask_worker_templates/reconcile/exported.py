"""What ``export --write`` notes about a template, so that the base need not lag behind the file that it wrote.

The base is what the file held when it was last seeded or synced. An export changes the file, and no sync has looked at
it yet. So the export notes, for each leaf that it writes, the value of the base and the value written. A file that
holds the written value has caught up: for that leaf the note is the base.

A note stands until the base's value of its leaf is another than the two, or a new export replaces it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from flask_worker_templates.model.records import ABSENT, Exported, ExportedLeaf, Managed
from flask_worker_templates.model.spec import Spec, flatten, same

Leaves = dict[str, Any]


def leaves_of(spec: Spec | None) -> Leaves:
    """Return the leaves of a spec, none for None."""
    return {} if spec is None else flatten(spec)


def standing(exported: Exported | None, base: Spec | None) -> tuple[ExportedLeaf, ...]:
    """Return the notes that stand beside a base."""
    if exported is None:
        return ()
    before = leaves_of(base)
    return tuple(note for note in exported.leaves if _is_either(before.get(note.field, ABSENT), note))


def _is_either(value: Any, note: ExportedLeaf) -> bool:
    return same(value, note.base) or same(value, note.file)


def entry_name(template: Managed, names: Collection[str]) -> str | None:
    """Return the name of the entry that a template came from, which an export may have renamed.

    Args:
        template: one of the set of these files.
        names: of all entries.
    """
    for note in standing(template.exported, template.base):
        if note.field == "name" and note.file in names:
            return str(note.file)
    return None if template.base is None else str(template.base["name"])


def base_in_force(template: Managed, file: Spec) -> Leaves | None:
    """Return the leaves of the base for the comparison with an entry; None where no file was ever applied."""
    notes = standing(template.exported, template.base)
    in_file = flatten(file)
    held = [note for note in notes if same(in_file.get(note.field, ABSENT), note.file)]
    if template.base is None and not held:
        return None
    leaves = leaves_of(template.base)
    for note in held:
        if note.file is ABSENT:
            leaves.pop(note.field, None)
        else:
            leaves[note.field] = note.file
    return leaves


def notes_of(template: Managed, before: Spec | None, after: Spec, file_set: str) -> Exported | None:
    """Return what a template's document notes when an export writes `after` into its entry.

    Args:
        template: as it is stored.
        before: what the entry held; None where there was none.
        after: what it holds then.
        file_set: the name of the set of the file.
    """
    base, old, new = leaves_of(template.base), leaves_of(before), flatten(after)
    mine = template.exported if template.exported is None or template.exported.file_set == file_set else None
    notes = {note.field: note for note in standing(mine, template.base)}
    for field in dict.fromkeys((*base, *old, *new)):
        held, written = base.get(field, ABSENT), new.get(field, ABSENT)
        # The name counts in any case: from now on, this entry is the one that the template comes from.
        if before is not None and same(old.get(field, ABSENT), written) and field != "name":
            continue  # it was not written
        notes.pop(field, None)
        if not same(held, written):
            notes[field] = ExportedLeaf(field, held, written)
    return Exported(file_set, tuple(notes.values())) if notes else None


def kept_beside(exported: Exported | None, base: Spec | None) -> Exported | None:
    """Return what is left of the notes of a template that gets a new base."""
    notes = standing(exported, base)
    return Exported(exported.file_set, notes) if exported is not None and notes else None
