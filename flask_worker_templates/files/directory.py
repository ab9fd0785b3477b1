"""A directory held open, so that what is done in it stays in it: others may own it, and put links in our way."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Self

_HAS_DESCRIPTORS = os.open in os.supports_dir_fd
"""Not on Windows, which has no links that just anybody may make."""
_NEVER_FOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_NEVER_WAIT = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)


class Directory:
    """Files are opened, replaced and removed by their name in it, never through a link.

    Args:
        path: of the directory.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        if _HAS_DESCRIPTORS:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)

    def status(self, name: str) -> os.stat_result:
        """Return the status of what has this name, of a link its own."""
        return os.stat(self._name(name), dir_fd=self._descriptor, follow_symlinks=False)

    def open_regular(self, name: str) -> int:
        """Open a regular file to read and to write; return its descriptor.

        Raises:
            OSError: if it is none, or may not be written.
        """
        if not stat.S_ISREG(self.status(name).st_mode):
            raise OSError(0, "it is not a regular file")
        flags = os.O_RDWR | _NEVER_FOLLOW | _NEVER_WAIT
        return os.open(self._name(name), flags, dir_fd=self._descriptor)

    @contextlib.contextmanager
    def temporary(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Create a file of mode 0600 that nobody else has; it is removed at the end, if it is still there.

        Yields its name, which begins with a dot and `prefix`, and its descriptor.
        """
        # The dot: whoever reads the directory meanwhile passes it over.
        name = f".{prefix}-{secrets.token_hex(8)}.tmp"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | _NEVER_FOLLOW
        descriptor = os.open(self._name(name), flags, 0o600, dir_fd=self._descriptor)
        try:
            with os.fdopen(descriptor, "r+b"):
                yield name, descriptor
        finally:
            with contextlib.suppress(OSError):
                os.unlink(self._name(name), dir_fd=self._descriptor)  # Path knows no descriptors

    def replace(self, name: str, temporary: str, descriptor: int) -> None:
        """Let a temporary file take the place of another, at once.

        Raises:
            OSError: if somebody put something else in the place of the temporary file, or the system refuses.
        """
        if not same_file(self.status(temporary), os.fstat(descriptor)):
            raise OSError(0, "somebody else changes the directory at the same time")
        os.replace(  # Path knows no descriptors
            self._name(temporary), self._name(name), src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor
        )

    def sync(self) -> None:
        """Wait until the names in it are on disk, where the system can tell."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.fsync(self._descriptor)

    def is_mounted_apart(self, descriptor: int) -> bool:
        """Tell whether an open file of the directory is a mount of its own, where the system can tell."""
        own = _mount(self._descriptor)
        return own is not None and _mount(descriptor) not in (own, None)

    def _name(self, name: str) -> str:
        return name if self._descriptor is not None else str(self._path / name)


def same_file(one: os.stat_result, other: os.stat_result) -> bool:
    """Tell whether two statuses are of one file."""
    return (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)


def _mount(descriptor: int | None) -> str | None:
    try:
        lines = Path(f"/proc/self/fdinfo/{descriptor}").read_text().splitlines()
    except OSError:
        return None
    return next((line for line in lines if line.startswith("mnt_id:")), None)
