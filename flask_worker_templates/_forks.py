"""Locks after a fork: one that another thread held at that moment would stay locked in the child for ever."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class _HasLocks(Protocol):
    def renew_locks(self) -> None: ...


_owners: weakref.WeakSet[_HasLocks] = weakref.WeakSet()


def renew_in_children(owner: _HasLocks) -> None:
    """Have an object make new locks in every process that is forked from this one; it is not kept alive for that."""
    _owners.add(owner)


def _after_fork() -> None:
    for owner in _owners:
        owner.renew_locks()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
