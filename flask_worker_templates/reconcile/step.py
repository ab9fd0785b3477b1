"""One template of a plan: how it stands, what a sync makes of it, and what is in the way."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from .compare import TemplateDrift
from .outcome import Outcome

Obstacle = Literal["in_use", "invalid", "blocked"]
"""Why a change cannot be made: workers use what would be deleted; what would come out breaks the rules, because of what
the database holds; a document that is no template has the name."""


@dataclass(frozen=True, slots=True)
class Step:
    """One template: how it stands, and what a sync makes of it.

    Attributes:
        drift: how it stands.
        outcome: what a sync does.
        obstacle: why it does not do what it would do otherwise. The rest of the sync goes on.
        reason: the same in a sentence; empty where nothing is in the way.
        hindered: what it would do otherwise.
    """

    drift: TemplateDrift
    outcome: Outcome
    obstacle: Obstacle | None = None
    reason: str = ""
    hindered: Literal["create", "update", "delete"] | None = None

    @property
    def writes(self) -> bool:
        """Whether a sync writes something."""
        return self.outcome.action not in ("none", "refuse")

    @property
    def changes(self) -> bool:
        """Whether a sync changes the template; a new base alone is no change."""
        return self.writes and self.outcome.action != "rebase"

    def kept(self, obstacle: Obstacle, reason: str) -> Step:
        """Return the step that leaves the template as it is, because something is in the way."""
        stored = self.drift.stored
        action = self.outcome.action
        return replace(
            self,
            outcome=Outcome("none", stored.spec if stored else None, stored.base if stored else None),
            obstacle=obstacle,
            reason=reason,
            hindered=action if action in ("create", "update", "delete") else None,
        )


@dataclass(frozen=True, slots=True)
class Refusal:
    """A reason why a sync may not begin."""

    message: str
    conflict: bool
    """Whether files and database contradict each other; otherwise the options are wrong."""
