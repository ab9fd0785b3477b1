"""One snapshot of a set of definition files: every file as it was at one moment, or a clear refusal.

What is absent from the files is deleted or removed elsewhere, so that a set must never be half of one version and
half of another: a ConfigMap swaps its ``..data`` link, a checkout writes file after file. The set is therefore read
whole, then found and read once more. Only if nothing differs is it what the files held between the two readings.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from flask_worker_templates.errors import Fault, InvalidFiles

from .paths import FoundFile, Identity, NoFile, Unusable, find_files, read_with_identity

PAUSES = (0.02, 0.05, 0.1, 0.2, 0.4)
"""Seconds between the readings of a set that moves; after the last one it is refused."""
MAX_SET_BYTES = 100 * 1024 * 1024
"""Of all files together: they are held in memory until the whole set was read."""

_SET_TOO_LARGE = f"With this file the set is larger than {MAX_SET_BYTES // 1024 // 1024} MB: split the set."
_MOVING = "The definition files changed again and again while they were read. Try again once nobody writes them."


@dataclass(frozen=True, slots=True)
class SnapshotFile:
    """One file of a snapshot."""

    found: FoundFile
    content: bytes = b""
    identity: Identity | None = None
    problem: str = ""
    """Why there is no content."""


def take_snapshot(paths: Sequence[str | Path], *, root: Path) -> tuple[SnapshotFile | NoFile, ...]:
    """Read all files of a path set as they are at one moment.

    Args:
        paths: see `paths.find_files`.
        root: the directory that relative paths start from.

    Raises:
        InvalidFiles: if the files went on changing while they were read.
    """
    changing = ""
    for pause in (*PAUSES, 0):
        members = tuple(_read(paths, root))
        pairs = zip_longest(members, _read(paths, root))
        moved = next(((before or after) for before, after in pairs if before != after), None)
        if moved is None:
            return members
        changing = moved.found.path if isinstance(moved, SnapshotFile) else moved.path
        time.sleep(pause)
    raise InvalidFiles([Fault(changing, None, None, None, _MOVING)])


def _read(paths: Sequence[str | Path], root: Path) -> Iterator[SnapshotFile | NoFile]:
    room = MAX_SET_BYTES
    # All are found before the first is read: a link that is swapped back and forth shall not fit both readings.
    for found in list(find_files(paths, root=root)):
        if isinstance(found, NoFile):
            yield found
            continue
        try:
            content, identity = read_with_identity(found.real_path)
        except Unusable as error:
            yield SnapshotFile(found, problem=str(error))
            continue
        room -= len(content)
        if room < 0:
            yield SnapshotFile(found, problem=_SET_TOO_LARGE)
            return
        yield SnapshotFile(found, content, identity)
