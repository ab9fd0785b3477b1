"""From configured paths to the bytes of definition files: files, directories, globs, and lists of these."""

from __future__ import annotations

import errno
import glob
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .globbing import is_match, matches
from .parsed import printable

SUFFIXES = (".yaml", ".yml", ".json")
"""What is read of a directory, in any case; a file that is named itself may have any suffix."""
MAX_BYTES = 10 * 1024 * 1024
"""Larger files are refused unread."""

Identity = tuple[int, int, int]
"""The device, the inode and the time of the last change of a file's content."""

_NO_SUCH = (errno.ENOENT, errno.ENOTDIR)
TOO_LARGE = f"Larger than {MAX_BYTES // 1024 // 1024} MB: split the file."


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file to read."""

    path: str
    """Its path for people: relative to the root where it is inside of it, else as it was configured."""
    absolute_path: Path
    """The same path, absolute and normalized; links are not followed."""
    real_path: Path
    """Where it is, all links followed."""
    is_pipe: bool = False
    """Whether it is read once, to its end, and is no file to look at again."""


@dataclass(frozen=True, slots=True)
class NoFile:
    """A configured path that cannot be read, or leads to no file."""

    path: str
    message: str
    missing: bool


class Unusable(Exception):  # becomes a Fault, which is the error
    """The content of a file cannot be used; the text says why."""

    def __init__(self, message: str, line: int | None = None, column: int | None = None) -> None:
        self.line = line
        self.column = column
        super().__init__(message)


def find_files(paths: Sequence[str | Path], *, root: Path) -> Iterator[FoundFile | NoFile]:
    """Find the files of a path set, each once, in the order of the set; those of one member sorted by path.

    Args:
        paths: files, directories and globs (``**`` included), relative to `root` or absolute.
        root: the directory that relative paths start from.
    """
    seen: set[Path] = set()
    for member in map(str, paths):
        try:
            for path in _expand(member, root):
                real = Path(os.path.realpath(root / path))
                if real not in seen:
                    seen.add(real)
                    yield FoundFile(_display(path, root), _absolute(path, root), real)
        except _Missing as error:
            yield NoFile(_display(member, root), _missing(str(error), member, root), missing=True)
        except OSError as error:
            yield NoFile(_display(member, root), f"Cannot be read: {error.strerror}.", missing=False)
        except ValueError:
            yield NoFile(_display(member, root), "Not a path: it holds a NUL.", missing=False)


class _Missing(Exception):  # becomes a warning or a Fault
    pass


def _missing(problem: str, member: str, root: Path) -> str:
    """Say also where it was looked for: often not where it was meant. For people at the server, not for clients."""
    if not member:
        return problem
    looked = "" if Path(member).is_absolute() else f"Looked for in {printable(str(root.absolute()))}. "
    return f"{problem} {looked}The setting WORKER_TEMPLATES_CONFIG_PATH can name another place."


def _expand(member: str, root: Path) -> list[str]:
    """Return the paths of the files that one member stands for."""
    if not member:
        raise _Missing("The path is empty.")
    path = root / member
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if error.errno not in _NO_SUCH:
            raise
        if not glob.has_magic(member):
            raise _Missing("There is no such file or directory.") from None
        # `conf.d/**` matches directories besides the files in them; a dangling link stays, as a fault.
        files = [match for match in matches(member, root) if not (root / match).is_dir()]
        if not files:
            raise _Missing("No file matches this glob.") from None
        return files
    if not stat.S_ISDIR(mode):
        return [member]
    names = sorted(it.name for it in path.iterdir() if _is_meant(it.name))
    if not names:
        raise _Missing(f"This directory holds no {', '.join('*' + suffix for suffix in SUFFIXES)} file.")
    return [str(Path(member) / name) for name in names]


def _is_meant(name: str) -> bool:
    # Names that begin with a dot are other programs': locks and copies of editors, `..data` of Kubernetes. And the JSON
    # Schema of definition files stands beside them.
    lower = name.lower()
    return lower.endswith(SUFFIXES) and not lower.endswith(".schema.json") and name[0] != "."


def is_meant(file: Path, paths: Sequence[str | Path], *, root: Path) -> bool:
    """Tell whether a file, which need not be there yet, is one of a path set.

    Args:
        file: relative to the working directory, or absolute.
        paths: as in `find_files`.
        root: the same.
    """
    place = Path(os.path.realpath(file.parent), file.name)
    return any(_means(root, member, place) for member in map(str, paths))


def _means(root: Path, member: str, place: Path) -> bool:
    path = root / member
    if path.is_dir():
        return place.parent == Path(os.path.realpath(path)) and _is_meant(place.name)
    if glob.has_magic(member) and not path.exists():
        start = Path(glob.escape(os.path.realpath(root)))
        return not place.name.startswith(".") and is_match(place.parts, Path(os.path.normpath(start / member)).parts)
    return os.path.realpath(path) == os.path.realpath(place)


def _display(path: str, root: Path) -> str:
    # Without following links: people know the path that they wrote, not where a deploy tool links it to.
    base = _absolute("", root)
    absolute = _absolute(path, root)
    return printable(str(absolute.relative_to(base)) if absolute.is_relative_to(base) else path)


def _absolute(path: str, root: Path) -> Path:
    return Path(os.path.normpath(root.absolute() / path))


def skipped_directories(paths: Sequence[str | Path], found: Sequence[FoundFile], *, root: Path) -> list[str]:
    """Return a sentence on each directory that is not read, though it stands where people may mean it.

    Args:
        paths: as in `find_files`.
        found: what that found.
        root: the same.
    """
    known = {file.real_path for file in found}
    sentences: dict[str, None] = {}
    for member in map(str, paths):
        outer = (root / member) if member else None
        if outer is None or "\0" in member:
            continue
        try:
            inner = sorted(outer.iterdir()) if outer.is_dir() else [root / match for match in matches(member, root)]
        except OSError:
            continue
        for directory in inner:
            names = _meant_names(directory) if directory.name[:1] != "." else []
            missed = [name for name in names if Path(os.path.realpath(directory / name)) not in known]
            if missed:
                holds = printable(missed[0]) + (" and more" if len(missed) > 1 else "")
                sentence = f"{_display(str(directory), root)}: A directory in a directory is not read, though it holds "
                sentence += f"{holds}. To read it, name it too, or use a glob with **."
                sentences[sentence] = None
    return list(sentences)


def _meant_names(directory: Path) -> list[str]:
    try:
        return sorted(it.name for it in directory.iterdir() if _is_meant(it.name)) if directory.is_dir() else []
    except OSError:
        return []


def read_bytes(path: Path) -> bytes:
    """Return the content of a file.

    Raises:
        Unusable: if it is not a regular file, is too large, or cannot be read. It never waits for a pipe.
    """
    return read_with_identity(path)[0]


def read_with_identity(path: Path) -> tuple[bytes, Identity]:
    """Return the content of a file, and what tells it from another one that stands there later.

    Raises:
        Unusable: see `read_bytes`.
    """
    try:
        # Asked before it is opened: opening alone has effects on some devices.
        _check(path.stat())
        with open(path, "rb", opener=_open) as stream:
            status = os.fstat(stream.fileno())
            _check(status)
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise Unusable(f"Cannot be read: {error.strerror}.") from None
    if len(data) > MAX_BYTES:  # it has grown since
        raise Unusable(TOO_LARGE)
    return data, (status.st_dev, status.st_ino, status.st_mtime_ns)


def _open(path: str, flags: int) -> int:
    # It may have become a pipe since it was asked.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0))


def _check(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise Unusable("Not a regular file.")
    if status.st_size > MAX_BYTES:
        raise Unusable(TOO_LARGE)
