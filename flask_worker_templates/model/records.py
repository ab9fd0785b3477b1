"""What the store takes from seeding and tells a comparison: records of one template each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from .spec import Spec


@dataclass(frozen=True, slots=True)
class Seed:
    """A template of a definition file: its spec and the display path of the file."""

    spec: Spec
    source: str


@dataclass(frozen=True, slots=True)
class Managed:
    """What the drift comparison needs to know of a stored template."""

    id: str
    revision: int
    spec: Spec
    base: Spec | None
    source: str | None


@dataclass(frozen=True, slots=True)
class Deletion:
    """The deletion of a template that came from a file."""

    name: str
    template_id: str
    actor: str
    at: datetime
