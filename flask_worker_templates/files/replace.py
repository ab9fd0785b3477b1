"""Replaces definition files: each at once, or not at all, whatever happens meanwhile."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from flask_worker_templates.errors import ExportRefused


@dataclass(frozen=True, slots=True)
class NewContent:
    """The new content of one definition file.

    Attributes:
        path: for people.
        real_path: where it is.
        before: its bytes as they were read.
        after: the bytes that it shall hold.
    """

    path: str
    real_path: Path
    before: bytes
    after: bytes


def changed_meanwhile(path: str) -> ExportRefused:
    """Return the error for a file that somebody else changed at the same time."""
    return ExportRefused([f"{path} was changed meanwhile: nothing was written, try again."], conflict=True)


def replace_files(contents: Sequence[NewContent]) -> None:
    """Write the new content of each file that changes. Links, modes and owners stay.

    Everything that can fail is done for all files before the first is replaced; a reader finds the old content or the
    new, never a part.

    Raises:
        ExportRefused: if a file changed since it was read, or cannot be written; then none was replaced, or, where the
            operating system fails between two files, those that the error names.
    """
    changing = [content for content in contents if content.before != content.after]
    replaced: list[str] = []
    path = ""
    with ExitStack() as cleanup:
        try:
            ready: list[tuple[NewContent, Path]] = []
            for content in changing:
                path = content.path
                ready.append((content, _written_beside(content, cleanup)))
            for content, _ in ready:
                path = content.path
                if content.real_path.read_bytes() != content.before:
                    raise changed_meanwhile(path)
            for content, temporary in ready:
                path = content.path
                temporary.replace(content.real_path)
                replaced.append(path)
                _sync_directory(temporary.parent)
        except OSError as error:
            done = f" Written before that: {', '.join(replaced)}." if replaced else " Nothing was written."
            raise ExportRefused([f"{path} cannot be written: {error.strerror}.{done}"]) from error


def _written_beside(content: NewContent, cleanup: ExitStack) -> Path:
    target = content.real_path
    # Replacing needs no right to write the file itself: a file that is protected stays as it is.
    target.open("r+b").close()
    # The dot: whoever reads the directory meanwhile passes it over.
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=".export-", suffix=".tmp")
    temporary = Path(name)
    cleanup.callback(temporary.unlink, missing_ok=True)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content.after)
        stream.flush()
        status = target.stat()
        with contextlib.suppress(PermissionError, AttributeError):  # only root can give a file away; not on Windows
            os.chown(name, status.st_uid, status.st_gid)
        shutil.copymode(target, temporary)
        os.fsync(stream.fileno())
    return temporary


def _sync_directory(directory: Path) -> None:
    # The new name is on disk only once the directory is; Windows opens none.
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
