"""Globs over directories whose links may lead anywhere, back to themselves too: each real directory is read once.

``glob.glob`` follows two links of a directory to itself in 2⁴⁰ ways.
"""

from __future__ import annotations

import fnmatch
import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path


def matches(pattern: str, root: Path) -> list[str]:
    """Return what a glob matches: files, directories and links, sorted, as paths of the pattern's form.

    Args:
        pattern: relative to `root`, or absolute. ``**`` is any number of directories, none among them. Names that begin
            with a dot are matched by a dot only.
        root: a directory.
    """
    parts = list(Path(pattern).parts)
    found = _matches(root, Path(parts.pop(0) if Path(pattern).is_absolute() else ""), parts)
    return sorted({str(path) for path in found})


def is_match(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Tell whether a path would be matched by a glob, both given by their parts."""
    if not (parts and pattern):
        return not parts and all(part == "**" for part in pattern)
    if pattern[0] == "**":
        return is_match(parts, pattern[1:]) or is_match(parts[1:], pattern)
    return fnmatch.fnmatchcase(parts[0], pattern[0]) and is_match(parts[1:], pattern[1:])


def _matches(root: Path, base: Path, parts: Sequence[str]) -> Iterator[Path]:
    if not parts:
        if os.path.lexists(root / base):
            yield base
        return
    part, rest = parts[0], parts[1:]
    if part == "**":
        while rest and rest[0] == "**":
            rest = rest[1:]
        for directory in _directories(root, base):
            yield from _matches(root, directory, rest or ["*"])
    elif glob.has_magic(part):
        for name in _names(root / base):
            if fnmatch.fnmatchcase(name, part) and (name[0] != "." or part[0] == "."):
                yield from _matches(root, base / name, rest)
    else:
        yield from _matches(root, base / part, rest)


def _directories(root: Path, base: Path) -> Iterator[Path]:
    """Yield a directory and all in it, each real one once; one that is reached without a link, by that path."""
    seen: set[str] = set()
    waiting: list[Path] = [base]
    links: list[Path] = []
    while waiting:
        directory = waiting.pop()
        real = os.path.realpath(root / directory)
        if real not in seen:
            seen.add(real)
            yield directory
            for name in reversed(_names(root / directory)):
                inner = root / directory / name
                if name[0] != "." and inner.is_dir():
                    (links if inner.is_symlink() else waiting).append(directory / name)
        if not waiting and links:
            links.sort(reverse=True)
            waiting.append(links.pop())


def _names(directory: Path) -> list[str]:
    try:
        return sorted(os.listdir(directory))  # noqa: PTH208  # names are wanted
    except OSError:
        return []
