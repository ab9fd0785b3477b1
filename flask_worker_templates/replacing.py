"""Replaces definition files: each at once, or not at all, whatever happens meanwhile."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from .errors import ExportRefused
from .export import NewContent, changed_meanwhile


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
                path = content.edit.file.path
                ready.append((content, _written_beside(content, cleanup)))
            for content, _ in ready:
                path = content.edit.file.path
                if content.edit.file.real_path.read_bytes() != content.before:
                    raise changed_meanwhile(path)
            for content, temporary in ready:
                path = content.edit.file.path
                temporary.replace(content.edit.file.real_path)
                replaced.append(path)
                _sync_directory(temporary.parent)
        except OSError as error:
            done = f" Written before that: {', '.join(replaced)}." if replaced else " Nothing was written."
            raise ExportRefused([f"{path} cannot be written: {error.strerror}.{done}"]) from error


def _written_beside(content: NewContent, cleanup: ExitStack) -> Path:
    target = content.edit.file.real_path
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
