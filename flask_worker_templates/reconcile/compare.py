"""The three-way comparison of definition files, base and database, and what a sync makes of it.

Pure functions over specs in normal form: no I/O, no clock, no Flask. `compare` says how things stand;
`outcome` says what a sync does about one template; ``sync.py`` carries it out.

Everything is compared leaf by leaf (``capacity.cpu_cores``, ``labels.team``), with B the base, F the file and
D the database. A leaf that only the file changed (D = B) is taken from the file; one that only the database
changed (F = B) is kept; one that both changed differently is a conflict. Templates are matched by name, their
unique key: a renamed one is not followed. (So a base is none to compare with where it is that of another entry.)
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal, Protocol, TypeVar

from flask_worker_templates.errors import InvalidSpec
from flask_worker_templates.model.spec import Spec, flatten, normalize, unflatten

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
    """In the database with a base, in no file any more."""
    DELETED = "deleted"
    """Still in a file, but deleted from the database by someone."""
    COLLISION = "collision"
    """A file says something else under its name, and that entry was never applied to it.

    It was created by hand, or renamed to this name while the entry that it came from is still in the files.
    """
    UNMANAGED = "unmanaged"
    """In the database without a base, in no file."""


class Absent(enum.Enum):
    """The type of `ABSENT`. An enum, so that type checkers can narrow it and copies stay identical."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT
"""Stands for the value of a leaf that is not there (a label), as ``None`` is a value of its own."""


class Declared(Protocol):
    """One template as a definition file holds it (`files.Entry`)."""

    @property
    def spec(self) -> Spec:
        """The spec, in normal form."""

    @property
    def path(self) -> str:
        """The definition file."""

    @property
    def line(self) -> int:
        """Where in the file the template begins, from 1."""


class Stored(Protocol):
    """One template as the database holds it (`store.Managed`)."""

    @property
    def id(self) -> str:
        """Its UUID."""

    @property
    def revision(self) -> int:
        """Its current revision, on which a write is made conditional."""

    @property
    def spec(self) -> Spec:
        """The spec, in normal form."""

    @property
    def base(self) -> Spec | None:
        """The spec as a file held it when it was last seeded or synced, in normal form.

        None where no file has ever been applied. It holds another name if the template was renamed since.
        """

    @property
    def source(self) -> str | None:
        """The definition file that the base came from."""


class Deletion(Protocol):
    """The deletion of a template that had come from a file (`store.Deletion`)."""

    @property
    def name(self) -> str:
        """The name it had."""

    @property
    def template_id(self) -> str:
        """Its UUID, under which its history is still there."""

    @property
    def actor(self) -> str:
        """Who deleted it."""

    @property
    def at(self) -> datetime:
        """When, in UTC."""


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
        state: one of the ten states.
        fields: the leaves on which file and database differ, in the order of the spec; empty where the
            template is not in both.
        declared: what the file holds, or None.
        stored: what the database holds, or None.
        deletion: who deleted it; only where the state is `State.DELETED`.
    """

    name: str
    state: State
    fields: tuple[FieldDrift, ...]
    declared: Declared | None
    stored: Stored | None
    deletion: Deletion | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a sync does about one template, and what the database holds afterwards.

    Attributes:
        action: ``create`` and ``delete`` the template; ``update`` its spec and its base; ``rebase`` it, which
            changes the base alone and is no revision; ``refuse``, where the whole sync must not begin;
            ``none``.
        spec: the spec afterwards, in normal form; None where there is no template afterwards.
        base: the base afterwards; None where there is none.
    """

    action: Literal["none", "create", "update", "rebase", "delete", "refuse"]
    spec: Spec | None
    base: Spec | None


def compare(
    declared: Iterable[Declared], stored: Iterable[Stored], deletions: Mapping[str, Deletion]
) -> tuple[TemplateDrift, ...]:
    """Return how every template stands, each name once, sorted by name.

    Args:
        declared: every entry of the definition files.
        stored: every template of the database.
        deletions: by name, the newest deletion of each template that had come from a file.

    Raises:
        ValueError: if a name comes twice on one side.
    """
    in_files = _by_name(declared)
    in_database = _by_name(stored)
    return tuple(
        _compare_one(name, in_files.get(name), in_database.get(name), deletions.get(name), in_files.keys())
        for name in sorted(in_files.keys() | in_database.keys())
    )


def outcome(
    drift: TemplateDrift,
    *,
    on_conflict: Side | Literal["skip"] | None = None,
    adopt: bool = False,
    restore: bool = False,
    prune: bool = False,
) -> Outcome:
    """Return what a sync does about one template.

    Whenever a sync is done with a template that is in both, its base is what the file holds now, so that
    values of the database that were kept show as edited from then on.

    Args:
        drift: the template, from `compare`.
        on_conflict: whose value a field in conflict gets; ``skip`` leaves the whole template as it is; None
            refuses.
        adopt: put a template in collision under the file's management. It keeps its own values, unless
            `on_conflict` is ``file``.
        restore: create a deleted template again.
        prune: delete an orphaned template.
    """
    state, declared, stored = drift.state, drift.declared, drift.stored
    if stored is None:
        wanted = declared.spec if declared is not None and (restore or state is State.MISSING) else None
        return Outcome("none" if wanted is None else "create", wanted, wanted)
    unchanged = Outcome("none", stored.spec, stored.base)
    if declared is None:
        return Outcome("delete", None, None) if prune and state is State.ORPHANED else unchanged
    if state is State.CONFLICT and on_conflict is None:
        return replace(unchanged, action="refuse")
    if (state is State.CONFLICT and on_conflict == "skip") or (state is State.COLLISION and not adopt):
        return unchanged
    side: Side = "file" if on_conflict == "file" else "db"
    if state is State.COLLISION:
        spec = declared.spec if side == "file" else stored.spec
    else:
        spec = unflatten(_leaves(stored.spec, drift.fields, side))
    if spec != stored.spec:
        return Outcome("update", spec, declared.spec)
    return Outcome("rebase" if stored.base != declared.spec else "none", spec, declared.spec)


class _HasSpec(Protocol):
    @property
    def spec(self) -> Spec: ...


_Item = TypeVar("_Item", bound=_HasSpec)


def _by_name(items: Iterable[_Item]) -> dict[str, _Item]:
    named: dict[str, _Item] = {}
    for item in items:
        name = item.spec["name"]
        if name in named:
            raise ValueError(f"The template {name!r} comes twice.")
        named[name] = item
    return named


def _compare_one(
    name: str,
    declared: Declared | None,
    stored: Stored | None,
    deletion: Deletion | None,
    in_files: Collection[str],
) -> TemplateDrift:
    if stored is None:
        state = State.MISSING if deletion is None else State.DELETED
        return TemplateDrift(name, state, (), declared, None, deletion)
    if declared is None:
        state = State.UNMANAGED if stored.base is None else State.ORPHANED
        return TemplateDrift(name, state, (), None, stored, None)
    base = stored.base
    if base is not None and base["name"] != name and base["name"] in in_files:
        # It was renamed to this name, and the entry that it came from is still there: this one was never applied to it.
        base = None
    fields = _field_drifts(base, declared.spec, stored.spec)
    state = State.COLLISION if fields and base is None else _state(fields)
    return TemplateDrift(name, state, fields, declared, stored, None)


def _state(fields: Iterable[FieldDrift]) -> State:
    resolutions = {field.resolution for field in fields}
    if "conflict" in resolutions:
        return State.CONFLICT
    if resolutions == {"file", "db"}:
        return State.DIVERGED
    if "file" in resolutions:
        return State.FILE_CHANGED
    return State.EDITED if "db" in resolutions else State.IN_SYNC


def _field_drifts(base: Spec | None, file: Spec, database: Spec) -> tuple[FieldDrift, ...]:
    if file == database:
        return ()
    before, in_file, in_database = flatten(base or {}), flatten(file), flatten(database)
    fields: list[FieldDrift] = []
    for path in dict.fromkeys((*in_file, *in_database)):
        b, f, d = (leaves.get(path, ABSENT) for leaves in (before, in_file, in_database))
        if f == d:
            continue
        resolution: Resolution = "conflict"
        # Without a base nobody can tell who changed what: a sync keeps all of it.
        if base is None or f == b:
            resolution = "db"
        elif d == b:
            resolution = "file"
        fields.append(FieldDrift(path, b, f, d, resolution))
    # What all comes from one side is valid as it is.
    mixed = len({field.resolution for field in fields}) > 1
    return _widened(fields, database) if mixed else tuple(fields)


def _widened(fields: list[FieldDrift], database: Spec) -> tuple[FieldDrift, ...]:
    """Widen the conflicts so that the merge makes a valid spec, whichever side is taken for them.

    Each side's spec is valid, but half of either need not be: the first port from one and the last from the
    other, or 40 new labels from each. Then all differing leaves of that field are in conflict together. That
    is enough, because no rule spans more than one top-level field.
    """
    either: tuple[Side, Side] = ("file", "db")
    faulty = {name for side in either for name in _faulty_fields(_leaves(database, fields, side))}
    return tuple(
        replace(field, resolution="conflict") if field.path.partition(".")[0] in faulty else field for field in fields
    )


def _faulty_fields(leaves: Mapping[str, Any]) -> set[str]:
    try:
        normalize(unflatten(leaves))
    except InvalidSpec as error:
        return set(error.errors)
    return set()


def _leaves(database: Spec, fields: Iterable[FieldDrift], side: Side) -> dict[str, Any]:
    """Return the leaves of the merge, with the fields in conflict taken from `side`."""
    leaves = flatten(database)
    for field in fields:
        if field.resolution == "file" or (field.resolution == "conflict" and side == "file"):
            if field.file is ABSENT:
                del leaves[field.path]
            else:
                leaves[field.path] = field.file
    return leaves
