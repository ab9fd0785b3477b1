"""Bringing together what two people changed of a template at the same time, field by field. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask_worker_templates.model.spec import Spec, flatten, same


class BothChanged(Exception):
    """Both sides changed a field, to different values; becomes the page that asks."""


def both_changed(before: Spec, theirs: Spec, yours: Spec) -> list[str]:
    """Return the leaves that both sides changed, to different values."""
    old, now, mine = flatten(before), flatten(theirs), flatten(yours)
    return [
        path
        for path in dict.fromkeys((*old, *now, *mine))
        if not (
            same(now.get(path), old.get(path))
            or same(mine.get(path), old.get(path))
            or same(now.get(path), mine.get(path))
        )
    ]


def three_way(before: Spec, theirs: Spec, yours: Spec) -> dict[str, Any]:
    """Return the leaves with the changes of both sides.

    Raises:
        BothChanged: if both changed a leaf, to different values.
    """
    old, now, mine = flatten(before), flatten(theirs), flatten(yours)
    if both := both_changed(before, theirs, yours):
        raise BothChanged(", ".join(both))
    leaves = dict(now)
    for path in dict.fromkeys((*old, *mine)):
        if not same(mine.get(path), old.get(path)):
            if path in mine:
                leaves[path] = mine[path]
            else:
                leaves.pop(path, None)
    return leaves


def taking(leaves: Mapping[str, Any], paths: Sequence[str], others: Mapping[str, Any]) -> dict[str, Any]:
    """Return leaves, with those of `paths` as others have them."""
    kept = {path: value for path, value in leaves.items() if path not in paths}
    return kept | {path: others[path] for path in paths if path in others}
