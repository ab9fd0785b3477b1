"""What a person decides about what a sync does not decide by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import get_args

from flask_worker_templates.errors import InvalidParameters

from .compare import Side
from .outcome import OnConflict

ON_CONFLICT: tuple[OnConflict, ...] = get_args(OnConflict)
SIDES: tuple[Side, ...] = get_args(Side)


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """What a person decided about what a sync does not decide by itself.

    Attributes:
        on_conflict: whose value each field in conflict gets; ``skip`` leaves the templates in conflict as they are;
            None refuses the sync.
        prune: delete orphaned templates.
        max_delete: the most templates that `prune` may delete.
        adopt: names of templates in collision that the files shall manage from now on.
        restore: names of deleted templates to bring back, under their ids and with their histories.
        prune_any_source: let `prune` also delete orphans whose file is none that was looked for.
        only: names of the templates that the sync is about; None for all.
        choices: whose value single fields in conflict get: name of the template, path of the field, side. They go
            before `on_conflict`.
    """

    on_conflict: OnConflict | None = None
    prune: bool = False
    max_delete: int = 1
    adopt: tuple[str, ...] = ()
    restore: tuple[str, ...] = ()
    prune_any_source: bool = False
    only: tuple[str, ...] | None = None
    choices: Mapping[str, Mapping[str, Side]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a decision that there is not: misspelt, it would be another one.

        Raises:
            InvalidParameters: if `on_conflict` or a choice is not one of the allowed values.
        """
        if self.on_conflict is not None and self.on_conflict not in ON_CONFLICT:
            raise InvalidParameters({"on_conflict": [f"Must be one of: {', '.join(ON_CONFLICT)}; or None."]})
        wrong = {
            name: {path: [f"Must be one of: {', '.join(SIDES)}."] for path, side in chosen.items() if side not in SIDES}
            for name, chosen in self.choices.items()
        }
        if errors := {name: faults for name, faults in wrong.items() if faults}:
            raise InvalidParameters({"choices": errors})

    def concern(self, name: str) -> bool:
        """Tell whether the sync is about a template."""
        return self.only is None or name in self.only
