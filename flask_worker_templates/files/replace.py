"""Replaces files: each at once, or not at all, whatever happens meanwhile, and whoever else may write beside them."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import zlib
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from flask_worker_templates.errors import ExportRefused

from .directory import Directory, same_file

_MOUNTED = "it is mounted by itself, and such a file cannot be replaced: mount its directory instead"


class NewContent:
    """The new content of one definition file.

    Both contents are held compressed, until all files were looked at: definition files take a tenth of their length.

    Args:
        path: for people.
        real_path: where it is.
        before: its bytes as they were read.
        after: the bytes that it shall hold.

    Attributes:
        changes: whether the two differ.
    """

    def __init__(self, path: str, real_path: Path, before: bytes, after: bytes) -> None:
        self.path = path
        self.real_path = real_path
        self.changes = before != after
        self._before = zlib.compress(before, 1)
        self._after = zlib.compress(after, 1) if self.changes else self._before

    @property
    def before(self) -> bytes:
        """Its bytes as they were read."""
        return zlib.decompress(self._before)

    @property
    def after(self) -> bytes:
        """The bytes that it shall hold."""
        return zlib.decompress(self._after)


def changed_meanwhile(path: str) -> ExportRefused:
    """Return the error for a file that somebody else changed at the same time."""
    return ExportRefused([f"{path} was changed meanwhile: nothing was written, try again."], conflict=True)


def replace_files(contents: Sequence[NewContent]) -> None:
    """Write the new content of each file that changes.

    Symbolic links, mode, owner, group, access control lists and extended attributes stay. A file with hard links is
    refused: its other names would go on showing the old content. Everything that can fail is done for all files before
    the first is replaced; a reader finds the old content or the new, never a part.

    Raises:
        ExportRefused: if a file changed since it was read, or cannot be written; then none was replaced, or, where the
            operating system fails between two files, those that the error names.
    """
    changing = [content for content in contents if content.changes]
    replaced: list[str] = []
    path = ""
    with ExitStack() as cleanup:
        try:
            ready: list[_Replacement] = []
            for content in changing:
                path = content.path
                ready.append(_Replacement(content, cleanup))
            for replacement in ready:
                path = replacement.content.path
                replacement.check()
            for replacement in ready:
                path = replacement.content.path
                replacement.carry_out()
                replaced.append(path)
        except OSError as error:
            done = f" Written before that: {', '.join(replaced)}." if replaced else " Nothing was written."
            words = _MOUNTED if error.errno == errno.EBUSY else error.strerror
            raise ExportRefused([f"{path} cannot be written: {words}.{done}"]) from error


class _Replacement:
    """A new file, complete, that waits beside the one whose place it will take."""

    def __init__(self, content: NewContent, cleanup: ExitStack) -> None:
        self.content = content
        self._name = content.real_path.name
        self._directory = cleanup.enter_context(Directory(content.real_path.parent))
        # Replacing needs no right to write the file itself: one that is protected stays as it is.
        self._old = self._directory.open_regular(self._name)
        cleanup.callback(os.close, self._old)
        status = os.fstat(self._old)
        if status.st_nlink > 1:
            raise OSError(0, "it has hard links, whose other names would keep the old content: edit it by hand")
        if self._directory.is_mounted_apart(self._old):
            raise OSError(errno.EBUSY, "")
        self._temporary, self._new = cleanup.enter_context(self._directory.temporary("export"))
        _write(self._new, content.after)
        _copy_properties(self._old, self._new)
        os.fsync(self._new)

    def check(self) -> None:
        """Raise an error if the file is not as it was read."""
        try:
            status = self._directory.status(self._name)
        except FileNotFoundError:
            raise changed_meanwhile(self.content.path) from None
        if not same_file(status, os.fstat(self._old)) or _content(self._old) != self.content.before:
            raise changed_meanwhile(self.content.path)

    def carry_out(self) -> None:
        """Let the new file take the place of the old one."""
        self._directory.replace(self._name, self._temporary, self._new)
        self._directory.sync()


def write_private(path: Path, data: bytes) -> None:
    """Write a new regular file of mode 0600, at once and never through a link.

    A regular file that is there is replaced, not written: whoever has it open, or has another name for it, keeps it as
    it was. Nothing else is replaced.

    Args:
        path: of the file. Links are followed to its directory only.
        data: what it shall hold.

    Raises:
        OSError: if there is something else than a regular file, or the file cannot be written; `strerror` says why.
    """
    with Directory(path.parent) as directory:
        with contextlib.suppress(FileNotFoundError):
            mode = directory.status(path.name).st_mode
            if not stat.S_ISREG(mode):
                what = "a link" if stat.S_ISLNK(mode) else "not a regular file"
                raise OSError(errno.EEXIST, f"what is there is {what}")
        with directory.temporary("plan") as (temporary, descriptor):
            _write(descriptor, data)
            os.fsync(descriptor)
            directory.replace(path.name, temporary, descriptor)
            directory.sync()


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _content(descriptor: int) -> bytes:
    parts: list[bytes] = []
    os.lseek(descriptor, 0, os.SEEK_SET)
    while part := os.read(descriptor, 1 << 20):
        parts.append(part)
    return b"".join(parts)


def _copy_properties(old: int, new: int) -> None:
    """Give a file the owner, the group, the extended attributes and the mode of another, as far as we may."""
    if not hasattr(os, "fchown"):  # Windows
        return
    status = os.fstat(old)
    # One by one: a user may set the group to one of his own, but not the owner.
    for owner, group in ((-1, status.st_gid), (status.st_uid, -1)):
        with contextlib.suppress(PermissionError):
            os.fchown(new, owner, group)
    _copy_attributes(old, new)
    mode = stat.S_IMODE(status.st_mode)
    if os.fstat(new).st_gid != status.st_gid:
        # Another group: it gets no more than everybody has.
        mode = mode & ~stat.S_IRWXG & ~stat.S_ISGID | (mode & stat.S_IRWXO) << 3
    os.fchmod(new, mode)  # last: a change of the owner takes bits away


def _copy_attributes(old: int, new: int) -> None:
    """Copy the extended attributes, among which are the access control lists."""
    if not hasattr(os, "listxattr"):  # Linux only
        return
    try:
        names = os.listxattr(old)
    except OSError:  # the file system has none
        return
    for name in names:
        try:
            os.setxattr(new, name, os.getxattr(old, name))
        except OSError:
            if name.startswith(("user.", "system.")):
                raise
            # What is left are labels of the system (security., trusted.), which it gives new files itself.
