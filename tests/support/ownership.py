"""Definition files as those of a file set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flask_worker_templates.files.load import FileSet, load_files
from flask_worker_templates.reconcile.ownership import Ownership


def owned(files: FileSet, root: Path, file_set: str = "default") -> Ownership:
    """What belongs to files that were read; `root` is the directory of the app."""
    return Ownership(file_set, root, files)


def read_owned(paths: Sequence[str | Path], root: Path, file_set: str = "default") -> Ownership:
    """Read definition files, and say what belongs to them."""
    return owned(load_files(paths, root=root), root, file_set)
