"""The three-way comparison of definition files, base and database.

Pure functions over specs in normal form: no clock, no database, no Flask. `compare` says how things stand, `outcome`
what a sync does about one template; `sync` carries it out.

Everything is compared leaf by leaf (``capacity.cpu_cores``, ``labels.team``), with B the base, F the file and
D the database. A leaf that only the file changed (D = B) is taken from the file; one that only the database
changed (F = B) is kept; one that both changed differently is a conflict. Templates are matched by name, their
unique key: a renamed one is not followed, but named.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from flask_worker_templates.errors import InvalidSpec
from flask_worker_templates.files.load import Entry
from flask_worker_templates.model.records import ABSENT, Deletion, Managed
from flask_worker_templates.model.rules import STANDARD, SpecRules
from flask_worker_templates.model.spec import Spec, flatten, same, unflatten

from .exported import Leaves, base_in_force, entry_name
from .ownership import Ownership

Side = Literal["file", "db"]
"""Whose value is taken."""
Resolution = Literal["file", "db", "conflict"]
"""Whose value a sync leaves in the database; ``conflict`` where only a person can tell."""


class State(enum.StrEnum):
    """How one template stands between the definition files and the database."""

    IN_SYNC = "in_sync"
    """The file and the database say the same."""
    MISSING = "missing"
    """In a file, not in the database."""
    FILE_CHANGED = "file_changed"
    """Only the file changed."""
    EDITED = "edited"
    """Only the database changed."""
    DIVERGED = "diverged"
    """Both changed, on different fields."""
    CONFLICT = "conflict"
    """Both changed the same field, to different values, or their changes make no valid spec together."""
    ORPHANED = "orphaned"
    """In the database with a base of this set, and its entry is in no file any more."""
    DELETED = "deleted"
    """Still in a file, but a person deleted it from the database."""
    COLLISION = "collision"
    """A file has an entry of its name that was never applied to it.

    It belongs to another set, or it says something else and was created by hand, or was renamed to this name while the
    entry that it came from is still in the files.
    """
    BLOCKED = "blocked"
    """In a file, and a document of the database that is no template has its name."""
    UNMANAGED = "unmanaged"
    """In no file, and nothing that these files lost: created by hand, of another set, or renamed in the database."""


@dataclass(frozen=True, slots=True)
class FieldDrift:
    """One leaf on which the file and the database differ.

    Attributes:
        path: the dotted path of the leaf, such as ``port_range.start``.
        base: its value in the base, or `ABSENT`.
        file: its value in the file, or `ABSENT`.
        database: its value in the database, or `ABSENT`.
        resolution: whose value a sync leaves in the database; ``conflict`` where only a person can tell.
    """

    path: str
    base: Any
    file: Any
    database: Any
    resolution: Resolution


@dataclass(frozen=True, slots=True)
class TemplateDrift:
    """How one template stands.

    Attributes:
        name: the name that the file and the database know it by.
        state: one of the states.
        fields: the leaves on which file and database differ, in the order of the spec; empty where the
            template is not in both.
        declared: what the file holds, or None.
        stored: what the database holds, or None.
        deletion: who deleted it; only where the state is `State.DELETED`.
        moved: whether the template remembers another file or set than it belongs to now.
        renamed_from: the entry that it came from, if that has another name.
        renamed_to: the name that the template of this entry has in the database, if that is another one.
    """

    name: str
    state: State
    fields: tuple[FieldDrift, ...]
    declared: Entry | None
    stored: Managed | None
    deletion: Deletion | None
    moved: bool = False
    renamed_from: str | None = None
    renamed_to: str | None = None


def compare(
    declared: Iterable[Entry],
    stored: Iterable[Managed],
    deletions: Mapping[str, Deletion],
    ownership: Ownership | None = None,
    blocked: Collection[str] = (),
) -> tuple[TemplateDrift, ...]:
    """Return how every template stands, each name once, sorted by name.

    Args:
        declared: every entry of the definition files.
        stored: every template of the database.
        deletions: by the name of its entry, the newest deletion of each template that had come from a file.
        ownership: whose the templates are; without it everything belongs to the files.
        blocked: the names that documents have which are no templates.

    Raises:
        ValueError: if a name comes twice on one side.
    """
    return _Comparison(_by_name(declared), _by_name(stored), deletions, ownership, blocked).run()


_Item = TypeVar("_Item", Entry, Managed)


def _by_name(items: Iterable[_Item]) -> dict[str, _Item]:
    named: dict[str, _Item] = {}
    for item in items:
        name = item.spec["name"]
        if name in named:
            raise ValueError(f"The template {name!r} is a duplicate.")
        named[name] = item
    return named


class _Comparison:
    def __init__(
        self,
        in_files: Mapping[str, Entry],
        in_database: Mapping[str, Managed],
        deletions: Mapping[str, Deletion],
        ownership: Ownership | None,
        blocked: Collection[str],
    ) -> None:
        self._in_files = in_files
        self._in_database = in_database
        self._deletions = deletions
        self._ownership = ownership
        self._blocked = blocked
        self._rules = STANDARD if ownership is None else ownership.files.rules
        self._owned = {name for name, one in in_database.items() if ownership is None or ownership.owns(one)}
        self._came_from = {name: entry_name(in_database[name], in_files.keys()) for name in self._owned}
        # Several may have come from one entry, one after the other: the first by name stands for them.
        self._renamed_to: dict[str, str] = {}
        renamed = [name for name, entry in self._came_from.items() if entry != name and entry in in_files]
        for name in sorted(renamed):
            self._renamed_to.setdefault(str(self._came_from[name]), name)

    def run(self) -> tuple[TemplateDrift, ...]:
        return tuple(self._one(name) for name in sorted(self._in_files.keys() | self._in_database.keys()))

    def _one(self, name: str) -> TemplateDrift:
        declared, stored = self._in_files.get(name), self._in_database.get(name)
        if stored is None:
            return self._absent(name)
        came_from = self._came_from.get(name)
        renamed_from = came_from if came_from != name else None
        if declared is None:
            return self._undeclared(name, stored, renamed_from)
        if stored.base is not None and name not in self._owned:
            fields = _field_drifts(None, declared.spec, stored.spec, self._rules)
            return TemplateDrift(name, State.COLLISION, fields, declared, stored, None, moved=True)
        # If it was renamed to this name, and the entry that it came from is still there, this one was never applied.
        elsewhere = renamed_from is not None and renamed_from in self._in_files
        base: Leaves | None = None
        if name in self._owned and not elsewhere and not same(declared.spec, stored.spec):  # else it tells nothing
            base = base_in_force(stored, declared.spec)
        fields = _field_drifts(base, declared.spec, stored.spec, self._rules)
        state = State.IN_SYNC if not fields else State.COLLISION if base is None else _state(fields)
        return TemplateDrift(
            name,
            state,
            fields,
            declared,
            stored,
            None,
            moved=self._moved(declared, stored),
            renamed_from=renamed_from,
            renamed_to=self._renamed_to.get(name),
        )

    def _absent(self, name: str) -> TemplateDrift:
        """Return how an entry stands whose name no template has."""
        renamed_to = self._renamed_to.get(name)
        if name in self._blocked:
            return TemplateDrift(name, State.BLOCKED, (), self._in_files[name], None, None, renamed_to=renamed_to)
        deletion = self._deletions.get(name)
        if renamed_to is not None or (deletion is not None and deletion.ended):
            deletion = None
        state = State.MISSING if deletion is None else State.DELETED
        return TemplateDrift(name, state, (), self._in_files[name], None, deletion, renamed_to=renamed_to)

    def _undeclared(self, name: str, stored: Managed, renamed_from: str | None) -> TemplateDrift:
        """Return how a template stands whose name no entry has."""
        owned = stored.base is not None and name in self._owned
        renamed = renamed_from in self._in_files
        state = State.ORPHANED if owned and not renamed else State.UNMANAGED
        moved = owned and self._ownership is not None and stored.file_set is None
        return TemplateDrift(name, state, (), None, stored, None, moved=moved, renamed_from=renamed_from)

    def _moved(self, declared: Entry, stored: Managed) -> bool:
        ownership = self._ownership
        if ownership is None or stored.base is None:
            return False
        other_source = ownership.normal(stored.source) != ownership.source_of(declared.path)
        return other_source or stored.file_set != ownership.file_set


def _state(fields: Iterable[FieldDrift]) -> State:
    resolutions = {field.resolution for field in fields}
    if "conflict" in resolutions:
        return State.CONFLICT
    if resolutions == {"file", "db"}:
        return State.DIVERGED
    if "file" in resolutions:
        return State.FILE_CHANGED
    return State.EDITED if "db" in resolutions else State.IN_SYNC


def _field_drifts(base: Leaves | None, file: Spec, database: Spec, rules: SpecRules) -> tuple[FieldDrift, ...]:
    if same(file, database):
        return ()
    before, in_file, in_database = base or {}, flatten(file), flatten(database)
    fields: list[FieldDrift] = []
    for path in dict.fromkeys((*in_file, *in_database)):
        b, f, d = (leaves.get(path, ABSENT) for leaves in (before, in_file, in_database))
        if same(f, d):
            continue
        resolution: Resolution = "conflict"
        # Without a base nobody can tell who changed what: a sync keeps all of it.
        if base is None or same(f, b):
            resolution = "db"
        elif same(d, b):
            resolution = "file"
        fields.append(FieldDrift(path, b, f, d, resolution))
    # What all comes from one side is valid as it is.
    mixed = len({field.resolution for field in fields}) > 1
    return _widened(fields, database, rules) if mixed else tuple(fields)


def _widened(fields: list[FieldDrift], database: Spec, rules: SpecRules) -> tuple[FieldDrift, ...]:
    """Widen the conflicts so that the merge makes a valid spec, whichever side is taken for them.

    Each side's spec is valid, but half of either need not be: the first port from one and the last from the
    other, or 40 new labels from each. Then all differing leaves of that field are in conflict together. That
    is enough, because no rule spans more than one top-level field.
    """
    either: tuple[Side, Side] = ("file", "db")
    faulty = {name for side in either for name in _faulty_fields(merged_leaves(database, fields, side), rules)}
    return tuple(
        replace(field, resolution="conflict") if field.path.partition(".")[0] in faulty else field for field in fields
    )


def _faulty_fields(leaves: Mapping[str, Any], rules: SpecRules) -> set[str]:
    try:
        rules.normalize(unflatten(leaves))
    except InvalidSpec as error:
        return set(error.errors)
    return set()


def merged_leaves(
    database: Spec,
    fields: Iterable[FieldDrift],
    side: Side,
    chosen: Mapping[str, Side] | None = None,
    *,
    anyway: bool = False,
) -> dict[str, Any]:
    """Return the leaves of the merge.

    Args:
        database: what is there.
        fields: where the file differs.
        side: whose value the fields in conflict get.
        chosen: the same for single ones.
        anyway: let `side` and `chosen` decide about all fields.
    """
    leaves = flatten(database)
    for field in fields:
        taken = field.resolution
        if taken == "conflict" or anyway:
            taken = (chosen or {}).get(field.path, side)
        if taken != "file":
            continue
        if field.file is ABSENT:
            del leaves[field.path]
        else:
            leaves[field.path] = field.file
    return leaves
