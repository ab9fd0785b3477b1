"""A reference model of the three-way merge, written apart from the package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask_worker_templates.model.spec import Spec
from flask_worker_templates.reconcile.compare import State


def flat(spec: Spec) -> dict[str, Any]:
    return {
        f"{name}:{key}": inner
        for name, value in spec.items()
        for key, inner in (value.items() if isinstance(value, dict) and name != "deprecation" else [("", value)])
    }


Changes = dict[str, Any]  # leaf to its new value, or to GONE
GONE = object()


def changes(old: dict[str, Any], new: dict[str, Any]) -> Changes:
    return {leaf: new.get(leaf, GONE) for leaf in old.keys() | new.keys() if old.get(leaf, GONE) != new.get(leaf, GONE)}


def applied(base: dict[str, Any], *steps: Changes) -> dict[str, Any]:
    result = dict(base)
    for step in steps:
        result |= step
    return {leaf: value for leaf, value in result.items() if value is not GONE}


def broken(leaves: dict[str, Any]) -> set[str]:
    wrong = set()
    if leaves["port_range:start"] > leaves["port_range:end"]:
        wrong.add("port_range")
    if sum(leaf.startswith("labels:") for leaf in leaves) > 64:
        wrong.add("labels")
    return wrong


@dataclass(frozen=True)
class Model:
    """What should come of one template that is in the file and, with a base, in the database."""

    state: State
    contested: set[str]
    by_file: dict[str, Any]
    by_db: dict[str, Any]


def model_of(base: Spec, file: Spec, database: Spec) -> Model:
    return model_of_leaves(flat(base), flat(file), flat(database))


def model_of_leaves(b: dict[str, Any], f: dict[str, Any], d: dict[str, Any]) -> Model:
    differing = set(changes(f, d))
    by_file, by_db = changes(b, f), changes(b, d)
    contested = differing & set(by_file) & set(by_db)
    ways = [applied(b, by_file, by_db), applied(b, by_db, by_file)]
    wrong = broken(ways[0]) | broken(ways[1])
    contested |= {leaf for leaf in differing if leaf.partition(":")[0] in wrong}
    taken, kept = (applied(b, by_file, by_db, {leaf: side.get(leaf, GONE) for leaf in contested}) for side in (f, d))
    if contested:
        state = State.CONFLICT
    elif differing <= set(by_file) and differing:
        state = State.FILE_CHANGED
    elif differing <= set(by_db) and differing:
        state = State.EDITED
    else:
        state = State.DIVERGED if differing else State.IN_SYNC
    return Model(state, contested, taken, kept)
