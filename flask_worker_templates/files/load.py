"""Definition files: read and validated as one set, all or nothing, with the place of every fault.

Where the files are is the business of `file_paths`, what their text means of `yaml_reader` and `json_reader`,
what a spec may hold of `spec`.
"""

from __future__ import annotations

import codecs
import hashlib
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from marshmallow import fields

from flask_worker_templates.errors import Fault, InvalidFiles, InvalidSpec
from flask_worker_templates.model.fields import LABEL_KEY_PATTERN, nfc
from flask_worker_templates.model.rules import STANDARD, SpecRules
from flask_worker_templates.model.spec import FREE_KEYS, NESTED, Spec, WorkerTemplateSpecSchema
from flask_worker_templates.model.suggestions import READ_ONLY, UNKNOWN, unknown

from .parse_json import parse_json
from .parse_yaml import parse_yaml
from .parsed import MAX_FAULTS, Parsed, describe, position_at, printable, shown
from .paths import FoundFile, Unusable, is_meant, skipped_directories
from .pipes import is_pipe, read_pipe
from .snapshot import SnapshotFile, take_snapshot

TOP_LEVEL_KEYS = ("templates", "$schema")
"""``$schema`` is for editors, which complete and check the file by it."""
OWN_KEY_PREFIX = "x-"
"""Keys at the top level that start with this are the author's own: the place for anchors."""

_fields = WorkerTemplateSpecSchema().fields
_TEXT_FIELDS = frozenset(name for name, it in _fields.items() if isinstance(it, fields.String)) | {"labels"}
_MAPPINGS = [(name,) for name in (*NESTED, *FREE_KEYS)]
_REQUIRED = {(name,) for name, it in _fields.items() if it.required} | {
    (name, key)
    for name, it in _fields.items()
    if isinstance(it, fields.Nested)
    for key, inner in it.schema.fields.items()
    if inner.required
}
_LABEL_KEY = re.compile(LABEL_KEY_PATTERN.removesuffix("$") + r"\Z")
_MAX_MESSAGE_LENGTH = 300
_MAX_NAME_LENGTH = 60


@dataclass(frozen=True, slots=True)
class Entry:
    """One template of a definition file."""

    spec: Spec
    """In normal form."""
    path: str
    """Path of the file for people, see `file_paths.FoundFile`."""
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
) -> FileSet:
    """Read a set of definition files, all as they are at one moment.

    Args:
        paths: files, directories (their ``*.yaml``, ``*.yml`` and ``*.json``, sorted) and globs.
        root: the directory that relative paths start from.
        missing_ok: whether a path that leads to no file is a warning instead of a fault.
        pipes: whether ``-`` is standard input, and pipes such as ``/dev/stdin`` are read to their end. Such a set
            cannot be read again: it has no origin.
        rules: those of the app.

    Raises:
        InvalidFiles: with every fault of every file, in the order of the files and of the places in them.
            After `parsed.MAX_FAULTS` faults reading stops. Also if the files went on changing while they were read.
    """
    piped = [path for path in map(str, paths) if pipes and is_pipe(path)]
    named = [path for path in map(str, paths) if path not in piped]
    members = deque([*take_snapshot(named, root=root), *map(read_pipe, piped)])
    found = [member.found for member in members if isinstance(member, SnapshotFile)]
    reading = _Reading(rules)
    reading.warnings += skipped_directories(named, found, root=root)
    while members and len(reading.faults) < MAX_FAULTS:
        member = members.popleft()  # so that its content is not held longer than it takes to read it
        if isinstance(member, SnapshotFile):
            reading.read(member)
        elif member.missing and missing_ok:
            reading.warnings.append(f"{member.path}: {member.message}")
        else:
            reading.faults.append(Fault(member.path, None, None, None, member.message))
    if reading.faults:
        if len(reading.faults) >= MAX_FAULTS:
            del reading.faults[MAX_FAULTS:]
            last = reading.faults[-1].path
            reading.faults.append(Fault(last, None, None, None, "There may be more: later faults are not listed."))
        raise InvalidFiles(reading.faults)
    origin = None if piped else ReadPaths(tuple(named), root)
    return FileSet(tuple(reading.entries), tuple(reading.files), tuple(reading.warnings), origin, rules)


def is_json(path: str) -> bool:
    """Tell whether a definition file is read as JSON; every other one is YAML."""
    return path.lower().endswith(".json")


def _looks_like_json(text: str) -> bool:
    return text.lstrip().startswith("{") and parse_json(text).complete


@dataclass(frozen=True, slots=True)
class _Finding:
    """A fault whose place is not known yet: a path into the parsed value."""

    path: tuple[str | int, ...]
    message: str
    complete: bool = True
    """Whether the message already says what was found."""


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

    def read(self, member: SnapshotFile) -> None:
        """Read one file: add its entries, or its faults."""
        file = member.found
        try:
            if member.problem:
                raise Unusable(member.problem)
            text = _decode(member.content)
        except Unusable as error:
            self.faults.append(Fault(file.path, error.line, error.column, None, str(error)))
            return
        as_json = is_json(file.path) or (file.is_pipe and _looks_like_json(text))
        read = parse_json if as_json else parse_yaml
        parsed = read(text)
        findings = list(islice(self._examine(file, parsed), MAX_FAULTS)) if parsed.complete else []
        if findings:
            # Places are rarely needed and cost as much as the reading: so the text is read again for them.
            parsed = read(text, locate=True)
        self.faults += _faults(file, parsed, findings, self.rules)
        root = parsed.value if isinstance(parsed.value, dict) else {}
        beside = {key: value for key, value in root.items() if key != "templates"}
        self.files.append(SourceFile(file.path, _sha256(member), file.real_path, file.absolute_path, beside))

    def _examine(self, file: FoundFile, parsed: Parsed) -> Iterator[_Finding]:
        """Add the valid entries of a file; yield what is wrong with the others."""
        root = parsed.value
        if not isinstance(root, dict):
            what = "nothing" if root is None else "a string" if isinstance(root, str) else describe(root)
            yield _Finding((), f"The file holds {what}: write `templates:` and under it a list.")
            return
        for key in root:
            if key not in TOP_LEVEL_KEYS and not key.startswith(OWN_KEY_PREFIX):
                yield _Finding((key,), unknown(str(key), TOP_LEVEL_KEYS))
        if not isinstance(root.get("$schema", ""), str):
            yield _Finding(("$schema",), "Not a string: write the URL or the path of the JSON Schema.")
        templates = root.get("templates")
        if "templates" not in root:
            yield _Finding((), "The key `templates` is missing: it holds the list of templates.")
        elif not isinstance(templates, list):
            yield _Finding(("templates",), f"Not a list but {shown(templates)}: write a list of templates.")
        else:
            yield from self._examine_entries(file, templates, parsed.lines[id(templates)])

    def _examine_entries(self, file: FoundFile, templates: list[Any], lines: list[int]) -> Iterator[_Finding]:
        for index, (data, line) in enumerate(zip(templates, lines, strict=True)):
            path = ("templates", index)
            if not isinstance(data, dict):
                yield _Finding(path, f"Not a mapping but {shown(data)}: write a template, `name: …` first.")
                continue
            name = data.get("name")
            try:
                spec = self.rules.normalize(data)
                self.entries.append(Entry(spec, file.path, line))
                name = spec["name"]
            except InvalidSpec as error:
                for inner, message in _leaves(error.errors, data):
                    yield _Finding((*path, *inner), message, complete=False)
            if not isinstance(name, str):
                continue
            name = nfc(name)
            if name in self.names:
                other = self.names[name]
                yield _Finding((*path, "name"), f"{shown(name)} is also the name of {other}: rename one of them.")
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


def _leaves(errors: Mapping[Any, Any], data: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the path and the text of every error of a spec."""
    for key, inner in errors.items():
        known = key in data if isinstance(data, dict) else isinstance(data, list) and key in range(len(data))
        # What concerns a mapping as a whole is under `_schema`, which may also be a key of the file.
        deeper = (*path, key) if known or key != "_schema" else path
        if isinstance(inner, Mapping):
            yield from _leaves(inner, data[key] if known else None, deeper)
        else:
            for message in inner:
                yield deeper, str(message)


def _faults(file: FoundFile, parsed: Parsed, findings: Sequence[_Finding], rules: SpecRules) -> list[Fault]:
    """Return the faults of a file in the order of their places, each once."""
    faults = [Fault(file.path, found.line, found.column, None, found.message) for found in parsed.problems]
    # A value that the reader refused is a stand-in: what the spec says of it would only confuse.
    refused = {(fault.line, fault.column) for fault in faults}
    for finding in findings:
        fault, there = _located(file, parsed, finding, rules)
        if not there or (fault.line, fault.column) not in refused:
            faults.append(fault)
    # An alias or a merge brings the same fault once for each use.
    return sorted(dict.fromkeys(faults), key=lambda fault: (fault.line or 0, fault.column or 0))


def _located(file: FoundFile, parsed: Parsed, finding: _Finding, rules: SpecRules) -> tuple[Fault, bool]:
    """Return the fault, and whether what it complains of is there, or missing."""
    place, value, there = parsed.find(finding.path)
    in_entry = len(finding.path) > 1 and finding.path[0] == "templates"
    inner = finding.path[2:] if in_entry else finding.path
    name = ".".join(printable(str(part)[:_MAX_NAME_LENGTH]) for part in inner) or None
    message = printable(finding.message[:_MAX_MESSAGE_LENGTH])
    at_key = not there
    if finding.message.startswith(UNKNOWN) or finding.message == READ_ONLY:
        at_key = True
    elif there and not finding.complete and place.text == "" and value is None:
        message = _nothing_written(inner)
    elif there and not finding.complete:
        at_key = inner[0] == "labels" and inner[1:] != () and _LABEL_KEY.match(str(inner[-1])) is None
        if not at_key and not (isinstance(value, dict) and inner in _MAPPINGS):
            message = f"{message} {_found(inner, value, place.text)}"
    line, column = (place.key_line, place.key_column) if at_key else (place.line, place.column)
    return Fault(file.path, line, column, name, message), there


def _nothing_written(path: Sequence[str | int]) -> str:
    required = tuple(path) in _REQUIRED
    what = "{}" if path in _MAPPINGS and not required else "a value"
    return f"Nothing is written here: write {what}{'' if required else ' or remove the key'}."


def _found(path: Sequence[str | int], value: object, text: str | None) -> str:
    """Return a sentence on what a faulty field holds."""
    is_text = path[0] in _TEXT_FIELDS or (path[0] == "deprecation" and len(path) > 1)
    if text is not None and not isinstance(value, str) and is_text:
        return f"YAML reads {shown(text)} as {describe(value)}: quote it to mean the string."
    return f"Found {shown(value)}."
