"""Definition files: read and validated as one set, all or nothing, with the place of every fault.

Where the files are is the business of `paths`, what their text means of `parse_yaml` and `parse_json`, what a spec may
hold of `model.rules`, and where a fault is of `faults`.
"""

from __future__ import annotations

import codecs
import hashlib
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from flask_worker_templates.errors import Fault, InvalidFiles, InvalidSpec
from flask_worker_templates.model.fields import nfc
from flask_worker_templates.model.rules import STANDARD, SpecRules
from flask_worker_templates.model.spec import Spec
from flask_worker_templates.model.suggestions import unknown

from .ahead import MIN_AHEAD, work_ahead
from .faults import Finding, leaves, located_faults
from .parse_json import parse_json
from .parse_yaml import parse_yaml
from .parsed import MAX_FAULTS, Parsed, ParseProblem, describe, position_at, shown
from .paths import FoundFile, NoFile, Unusable, is_meant, skipped_directories
from .pipes import is_pipe, read_pipe
from .snapshot import SnapshotFile, take_snapshot

TOP_LEVEL_KEYS = ("templates", "$schema")
"""``$schema`` is for editors, which complete and check the file by it."""
OWN_KEY_PREFIX = "x-"
"""Keys at the top level that start with this are the author's own: the place for anchors."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One template of a definition file."""

    spec: Spec
    """In normal form."""
    path: str
    """Path of the file for people, see `paths.FoundFile`."""
    line: int
    """Line of the entry in the file, from 1."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A definition file that was read."""

    path: str
    sha256: str
    """Of the bytes that were read, in hexadecimal."""
    real_path: Path
    """Where it is, all links followed."""
    absolute_path: Path
    """As it was configured, but absolute and normalized; links are not followed."""
    beside: Mapping[str, Any] | None = field(default=None, compare=False)
    """By its key, what stands beside the templates; None if that is not known."""


@dataclass(frozen=True, slots=True)
class ReadPaths:
    """Where a file set was read from, so that it can be read once more."""

    paths: tuple[str, ...]
    root: Path


@dataclass(frozen=True, slots=True)
class FileSet:
    """The templates of all definition files; every one is valid, and each name is there once."""

    entries: tuple[Entry, ...]
    """In the order of the files, and of the entries in them."""
    files: tuple[SourceFile, ...]
    warnings: tuple[str, ...]
    origin: ReadPaths | None = None
    """None if it was not read from paths."""

    rules: SpecRules = STANDARD
    """By which they were read."""

    def is_current(self) -> bool:
        """Tell whether the files still are what was read: the same paths, with the same content.

        Ask this before anything is deleted or removed because it is absent from the files. A set without an origin is
        always current. It reads the files, but not what they mean.
        """
        if self.origin is None:
            return True
        try:
            members = take_snapshot(self.origin.paths, root=self.origin.root)
        except InvalidFiles:
            return False
        now = [(member.found.path, _sha256(member)) for member in members if isinstance(member, SnapshotFile)]
        return now == [(file.path, file.sha256) for file in self.files]

    def looks_at(self, path: Path) -> bool:
        """Tell whether a file at this path, which need not be there, would be one of the set."""
        return self.origin is not None and is_meant(path, self.origin.paths, root=self.origin.root)


def load_files(
    paths: Sequence[str | Path],
    *,
    root: Path,
    missing_ok: bool = False,
    pipes: bool = False,
    rules: SpecRules = STANDARD,
    own_process: bool = False,
) -> FileSet:
    """Read a set of definition files, all as they are at one moment.

    Args:
        paths: files, directories (their ``*.yaml``, ``*.yml`` and ``*.json``, sorted) and globs.
        root: the directory that relative paths start from.
        missing_ok: whether a path that leads to no file is a warning instead of a fault.
        pipes: whether ``-`` is standard input, and pipes such as ``/dev/stdin`` are read to their end. Such a set
            cannot be read again: it has no origin.
        rules: those of the app.
        own_process: whether this process is a command's own, so that it may start others: see `ahead`.

    Raises:
        InvalidFiles: with every fault of every file, in the order of the files and of the places in them.
            After `parsed.MAX_FAULTS` faults reading stops. Also if the files went on changing meanwhile.
    """
    piped = [path for path in map(str, paths) if pipes and is_pipe(path)]
    named = [path for path in map(str, paths) if path not in piped]
    members = deque([*take_snapshot(named, root=root), *map(read_pipe, piped)])
    files = [member for member in members if isinstance(member, SnapshotFile)]
    reading = _Reading(rules)
    reading.warnings += skipped_directories(named, [file.found for file in files], root=root)
    forks = own_process and sum(len(file.content) for file in files) >= MIN_AHEAD
    del files  # no content is held longer than it takes to read it
    with closing(work_ahead(_parse, members, forks=forks)) as results:
        for member, parsed in results:
            if isinstance(member, SnapshotFile):
                reading.add(member, parsed)
            elif member.missing and missing_ok:
                reading.warnings.append(f"{member.path}: {member.message}")
            else:
                reading.faults.append(Fault(member.path, None, None, None, member.message))
            del member, parsed
            if len(reading.faults) >= MAX_FAULTS:
                break
    if reading.faults:
        raise InvalidFiles(_listed(reading.faults))
    origin = None if piped else ReadPaths(tuple(named), root)
    return FileSet(tuple(reading.entries), tuple(reading.files), tuple(reading.warnings), origin, rules)


def _listed(faults: list[Fault]) -> list[Fault]:
    """Return the faults to list, with a word where there may be more."""
    if len(faults) < MAX_FAULTS:
        return faults
    listed = faults[:MAX_FAULTS]
    return [*listed, Fault(listed[-1].path, None, None, None, "There may be more: later faults are not listed.")]


def is_json(path: str) -> bool:
    """Tell whether a definition file is read as JSON; every other one is YAML."""
    return path.lower().endswith(".json")


def _parse(member: SnapshotFile | NoFile, *, locate: bool = False) -> _ParsedFile:
    """Parse the content of a file; that it cannot be used is a problem as one of the syntax is."""
    if isinstance(member, NoFile):
        return _ParsedFile(Parsed())
    try:
        if member.problem:
            raise Unusable(member.problem)
        text = _decode(member.content)
    except Unusable as error:
        return _ParsedFile(Parsed(problems=[ParseProblem(error.line, error.column, str(error))]))
    as_json = is_json(member.found.path) or (member.found.is_pipe and _looks_like_json(text))
    parsed = (parse_json if as_json else parse_yaml)(text, locate=locate)
    templates = parsed.value.get("templates") if isinstance(parsed.value, dict) else None
    lines = parsed.lines.get(id(templates), [])
    parsed.lines.clear()  # they are by the numbers of objects of this process
    return _ParsedFile(parsed, lines)


def _looks_like_json(text: str) -> bool:
    return text.lstrip().startswith("{") and parse_json(text).complete


@dataclass(frozen=True, slots=True)
class _ParsedFile:
    text: Parsed
    lines: list[int] = field(default_factory=list)
    """Of the templates."""


@dataclass(slots=True)
class _Reading:
    """What has been read so far."""

    rules: SpecRules
    entries: list[Entry] = field(default_factory=list)
    files: list[SourceFile] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    """Where each name was first, as ``path:line``."""

    def add(self, member: SnapshotFile, parsed: _ParsedFile) -> None:
        """Add the entries of a file that was parsed, or its faults."""
        file, text = member.found, parsed.text
        findings = list(islice(self._examine(file, parsed), MAX_FAULTS)) if text.complete else []
        if findings:
            # Places are rarely needed and cost as much as the reading: so the file is parsed again for them.
            text = _parse(member, locate=True).text
        self.faults += located_faults(file.path, text, findings)
        root = text.value if isinstance(text.value, dict) else {}
        beside = {key: value for key, value in root.items() if key != "templates"}
        self.files.append(SourceFile(file.path, _sha256(member), file.real_path, file.absolute_path, beside))

    def _examine(self, file: FoundFile, parsed: _ParsedFile) -> Iterator[Finding]:
        """Add the valid entries of a file; yield what is wrong with the others."""
        root = parsed.text.value
        if not isinstance(root, dict):
            what = "nothing" if root is None else "a string" if isinstance(root, str) else describe(root)
            yield Finding((), f"The file holds {what}: write `templates:` and under it a list.")
            return
        for key in root:
            if key not in TOP_LEVEL_KEYS and not key.startswith(OWN_KEY_PREFIX):
                yield Finding((key,), unknown(str(key), TOP_LEVEL_KEYS))
        if not isinstance(root.get("$schema", ""), str):
            yield Finding(("$schema",), "Not a string: write the URL or the path of the JSON Schema.")
        templates = root.get("templates")
        if "templates" not in root:
            yield Finding((), "The key `templates` is missing: it holds the list of templates.")
        elif not isinstance(templates, list):
            yield Finding(("templates",), f"Not a list but {shown(templates)}: write a list of templates.")
        else:
            yield from self._examine_entries(file, templates, parsed.lines)

    def _examine_entries(self, file: FoundFile, templates: list[Any], lines: list[int]) -> Iterator[Finding]:
        for index, (data, line) in enumerate(zip(templates, lines, strict=True)):
            path = ("templates", index)
            if not isinstance(data, dict):
                yield Finding(path, f"Not a mapping but {shown(data)}: write a template, `name: …` first.")
                continue
            name = data.get("name")
            try:
                spec = self.rules.normalize(data)
                self.entries.append(Entry(spec, file.path, line))
                name = spec["name"]
            except InvalidSpec as error:
                for inner, message in leaves(error.errors, data):
                    yield Finding((*path, *inner), message, complete=False)
            if not isinstance(name, str):
                continue
            name = nfc(name)
            if name in self.names:
                other = self.names[name]
                yield Finding((*path, "name"), f"{shown(name)} is also the name of {other}: rename one of them.")
            else:
                self.names[name] = f"{file.path}:{line}"


def _sha256(member: SnapshotFile) -> str:
    return hashlib.sha256(member.content).hexdigest()


def _decode(data: bytes) -> str:
    """Return the text of a file without its byte order mark."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise Unusable("Encoded as UTF-16: save the file as UTF-8.")
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode()
        message = f"Not valid UTF-8: the byte 0x{data[error.start]:02x} is wrong here; save the file as UTF-8."
        raise Unusable(message, *position_at(before, len(before))) from None
    if "\0" in text:
        message = "A NUL: this is not a text file, or it is encoded as UTF-16; save it as UTF-8."
        raise Unusable(message, *position_at(text, text.index("\0")))
    return text
