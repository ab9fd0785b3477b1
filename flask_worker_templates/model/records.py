"""What the store takes from seeding and tells a comparison: records of one template each."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from .spec import Spec


class Absent(enum.Enum):
    """The type of `ABSENT`. An enum, so that type checkers can narrow it and copies stay identical."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT
"""Stands for the value of a leaf that is not there (a label), as ``None`` is a value of its own."""


@dataclass(frozen=True, slots=True)
class Seed:
    """A template of a definition file.

    Attributes:
        spec: in normal form.
        source: the definition file, as a template remembers it (see `reconcile.ownership`).
        file_set: the name of the set of definition files that it belongs to.
    """

    spec: Spec
    source: str
    file_set: str | None = None


@dataclass(frozen=True, slots=True)
class ExportedLeaf:
    """One leaf that an export wrote into a definition file.

    Attributes:
        field: dotted path.
        base: the value of the base at that time, or `ABSENT`.
        file: the value that was written, or `ABSENT`.
    """

    field: str
    base: Any
    file: Any


@dataclass(frozen=True, slots=True)
class Exported:
    """What exports have written of one template into the definition files of a set.

    Attributes:
        file_set: the name of that set.
        leaves: what was written, each leaf once.
    """

    file_set: str
    leaves: tuple[ExportedLeaf, ...]

    @property
    def name(self) -> str | None:
        """The name that was written into the template's entry, if its name was."""
        return next((leaf.file for leaf in self.leaves if leaf.field == "name"), None)


@dataclass(frozen=True, slots=True)
class Origin:
    """Which definition file a template comes from, and what that held.

    Attributes:
        base: the spec as the file held it.
        source: the definition file.
        file_set: the name of the set that it belongs to.
        exported: what exports wrote into the file since.
    """

    base: Spec | None
    source: str | None
    file_set: str | None
    exported: Exported | None = None


@dataclass(frozen=True, slots=True)
class Managed:
    """What the drift comparison needs to know of a stored template.

    Attributes:
        id: its UUID.
        revision: the current one, on which a write is made conditional.
        spec: in normal form.
        base: the spec as a file held it when it was last seeded or synced; None where no file has ever been applied. It
            holds another name if the template was renamed since.
        source: the definition file that the base came from.
        file_set: the name of the set that the file belongs to; None where an older version wrote the base.
        exported: what exports wrote into the files since, or None.
    """

    id: str
    revision: int
    spec: Spec
    base: Spec | None
    source: str | None
    file_set: str | None = None
    exported: Exported | None = None


@dataclass(frozen=True, slots=True)
class Deletion:
    """The deletion of a template that came from a file.

    Attributes:
        name: of its entry in the file: the base's name, whatever the template was called when it was deleted.
        template_id: its UUID, under which its history is still there.
        actor: who deleted it.
        at: when, in UTC.
        event_id: of its event.
        file_set: the set that its file belongs to; None where an older version deleted it.
        exported_name: the name that an export gave to the entry since the base was written, or None.
        ended: whether its entry may be created again without a word: a prune deleted it, or a sync has found its entry
            gone from the files since.
    """

    name: str
    template_id: str
    actor: str
    at: datetime
    event_id: str = ""
    file_set: str | None = None
    exported_name: str | None = None
    ended: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs between two revisions of a template.

    Attributes:
        before: one revision.
        after: the other one.
        changes: the leaves that differ, as ``{"field": path, "from": value, "to": value}``.
    """

    before: int
    after: int
    changes: Sequence[Mapping[str, Any]]

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as the API shows it."""
        return {"from": self.before, "to": self.after, "changes": [dict(change) for change in self.changes]}
