"""One field's change for people, as the history and a comparison have it: ``field``, ``from`` and ``to``. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

Change = Mapping[str, Any]


def value_text(change: Change, side: Literal["from", "to"]) -> str:
    """Return the value of one side as JSON, or a dash where there is none."""
    return json.dumps(change[side], ensure_ascii=False) if side in change else "–"


def change_text(change: Change) -> str:
    """Return a change in one line, such as ``max_nodes 20 → 30``."""
    return f"{change['field']} {value_text(change, 'from')} → {value_text(change, 'to')}"
