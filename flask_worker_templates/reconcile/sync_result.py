"""What a sync did, and what it left undone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from .outcome import Action
from .plan import SyncPlan

Status = Literal["applied", "stale", "in_use", "invalid", "blocked", "unknown", "not_tried"]


CHUNK = 2000
"""The most templates that are created at a time; what an interruption leaves unknown is one such part."""


@dataclass(frozen=True, slots=True)
class SyncChange:
    """What became of one planned change.

    Attributes:
        name: of the template.
        action: ``create``, ``update``, ``rebase`` or ``delete``.
        status: ``applied``; ``stale``, where the template had changed since the plan was made; ``in_use``, where it
            could not be deleted; ``invalid``, where what the database holds makes no valid template; ``blocked`` by a
            document that is no template; ``not_tried`` or ``unknown``, where the sync was interrupted before it or in
            the middle of it. But for the last, nothing was written about it unless it was applied.
        message: why it was not applied; empty if it was.
        revision: of the template afterwards; None if it was created, deleted or not changed.
    """

    name: str
    action: Action
    status: Status
    message: str = ""
    revision: int | None = None


@dataclass(frozen=True, slots=True)
class SyncResult:
    """What a sync did.

    Attributes:
        changes: what became of each planned change.
        forgotten: names of deleted templates whose entries are gone from the files, which is noted now.
    """

    changes: tuple[SyncChange, ...]
    forgotten: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every planned change was applied, and nothing was in the way of one."""
        return all(change.status == "applied" for change in self.changes)

    def to_dict(self) -> dict[str, Any]:
        """Return the sync document without the plan, for JSON."""
        from .sync_document import result_document

        return result_document(self)


def unfinished(plan: SyncPlan, done: Sequence[SyncChange]) -> Iterator[SyncChange]:
    """Yield the planned changes of which nothing was heard, because the sync was interrupted."""
    known = {change.name for change in done}
    left = [step for step in plan.changes if step.drift.name not in known]
    order: tuple[Action, ...] = ("create", "update", "rebase", "delete")
    left.sort(key=lambda step: order.index(step.outcome.action))
    creating = sum(step.outcome.action == "create" for step in left[:CHUNK])
    for number, step in enumerate(left):
        status: Status = "unknown" if number < max(creating, 1) else "not_tried"
        message = {
            "unknown": "The sync was interrupted, perhaps in the middle of this change.",
            "not_tried": "The sync was interrupted before this change.",
        }[status]
        yield SyncChange(step.drift.name, step.outcome.action, status, message)
