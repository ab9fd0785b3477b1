"""Export: the database as a definition file, and the database's values back into the definition files.

`plan_export` says what each file shall hold, `prepare` makes its new text, `replacing` writes it. After that the files
declare what the database holds; a template that was created by hand and is in no file stays in none, unless a file is
named to take it.
"""

from __future__ import annotations

import codecs
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from flask_worker_templates.errors import ExportRefused, InvalidSpec
from flask_worker_templates.files.dump import Kind, definition_file
from flask_worker_templates.files.edit import CannotEdit, edited
from flask_worker_templates.files.load import FileSet, SourceFile, is_json
from flask_worker_templates.files.paths import Unusable, read_bytes
from flask_worker_templates.files.replace import NewContent, changed_meanwhile
from flask_worker_templates.model.spec import Spec, changes, normalize
from flask_worker_templates.model.template import rfc3339
from flask_worker_templates.store.store import Store

from .compare import Deletion, State, Stored, TemplateDrift, compare

VERSION = 1
"""Of the result document. It changes where a program that reads the old form would be misled."""

_LISTED = 5


@dataclass(frozen=True, slots=True)
class FileChange:
    """What becomes of one entry of a definition file.

    Attributes:
        name: of the template, as the database has it.
        action: ``updated``; ``renamed``, where the database has it under another name; ``added``; ``removed``, because
            it is not in the database.
        fields: the dotted paths that differ, of an entry that is updated or renamed.
        note: what else there is to say, for people.
    """

    name: str
    action: Literal["updated", "renamed", "added", "removed"]
    fields: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class FileEdit:
    """What one definition file shall hold.

    Attributes:
        file: as it was read.
        wanted: for each entry, in the order of the file, the spec that it shall mean; None removes it.
        added: the specs of entries to append.
        changes: what that changes.
    """

    file: SourceFile
    wanted: tuple[Spec | None, ...]
    added: tuple[Spec, ...]
    changes: tuple[FileChange, ...]


@dataclass(frozen=True, slots=True)
class EditedFile(NewContent):
    """The new content of one definition file, and what it changes."""

    edit: FileEdit

    def to_dict(self) -> dict[str, Any]:
        """Return what changes, for JSON."""
        return {
            "path": self.path,
            "changed": self.before != self.after,
            "changes": [
                {"name": change.name, "action": change.action, "fields": list(change.fields), "note": change.note}
                for change in self.edit.changes
            ],
        }


def export_text(store: Store, kind: Kind = "yaml") -> str:
    """Return all templates as a definition file, sorted by name, defaults left out.

    Raises:
        ExportRefused: if the database holds values that no definition file may hold.
        DuplicateNames: if the database holds several templates of one name.
        DatabaseUnavailable: if MongoDB does not do its part within the time limit.
    """
    specs = sorted((stored.spec for stored in store.managed()), key=lambda spec: spec["name"])
    if reasons := list(_invalid(specs)):
        raise ExportRefused(reasons)
    return definition_file(specs, kind)


def export_to_files(
    store: Store, files: FileSet, *, add_to: Path | None = None, max_remove: int = 1
) -> tuple[EditedFile, ...]:
    """Return the new content of every definition file. Writes nothing.

    Args:
        store: what holds the templates.
        files: valid definition files.
        add_to: the file, one of `files`, that takes the templates that are in none.
        max_remove: the most entries that may be removed.

    Raises:
        ExportRefused: with every reason why not.
        DuplicateNames: if the database holds several templates of one name.
        DatabaseUnavailable: if MongoDB does not do its part within the time limit.
    """
    stored = list(store.managed())
    there = {template.spec["name"] for template in stored}
    absent = [entry.spec["name"] for entry in files.entries if entry.spec["name"] not in there]
    deletions = store.deletions(absent) if absent else {}
    return tuple(prepare(plan_export(files, stored, deletions, add_to=add_to, max_remove=max_remove)))


def plan_export(
    files: FileSet,
    stored: Sequence[Stored],
    deletions: Mapping[str, Deletion],
    *,
    add_to: Path | None = None,
    max_remove: int = 1,
) -> tuple[FileEdit, ...]:
    """Return what each file shall hold, so that the files declare what the database holds.

    Args:
        files: valid definition files.
        stored: every template of the database.
        deletions: by name, the newest deletion of each template that had come from a file.
        add_to: the real path of the file that takes the templates that are in none.
        max_remove: the most entries that may be removed.

    Raises:
        ExportRefused: with every reason why not.
    """
    plan = _Plan(files, compare(files.entries, stored, deletions), add_to)
    edits = tuple(plan.edits())
    reasons = [*plan.reasons]
    reasons += _invalid(spec for edit in edits for spec in (*edit.wanted, *edit.added) if spec is not None)
    removed = [change.name for listed in plan.changes.values() for change in listed if change.action == "removed"]
    if removed and not stored:
        reasons.append("The database holds no template at all, and all entries would be removed: is it the right one?")
    elif len(removed) > max_remove:
        more = f" and {len(removed) - _LISTED} more" if len(removed) > _LISTED else ""
        reasons.append(
            f"{len(removed)} entries would be removed, because their templates are not in the database, and at most "
            f"{max_remove} may be: {', '.join(map(repr, removed[:_LISTED]))}{more}. "
            "Allow more with --max-remove, if that is what you want."
        )
    if reasons:
        raise ExportRefused(reasons)
    return edits


class _Plan:
    def __init__(self, files: FileSet, drifts: Iterable[TemplateDrift], add_to: Path | None) -> None:
        self._files = files
        self._add_to = next((file.path for file in files.files if file.real_path == add_to), None)
        self._added: dict[str, list[Spec]] = {file.path: [] for file in files.files}
        self._wanted: dict[str, Spec | None] = {}
        self.changes: dict[str, list[FileChange]] = {file.path: [] for file in files.files}
        self.reasons: list[str] = []
        if not self._added:
            self.reasons.append(
                "There is no definition file to write to: print a new one with flask worker-templates export, "
                "and save it as one."
            )
        elif add_to is not None and self._add_to is None:
            self.reasons.append(f"{add_to} is none of the definition files: {', '.join(self._added)}.")
        by_name = {drift.name: drift for drift in drifts}
        renamed = _renamed(by_name)
        for name, drift in by_name.items():
            if name in renamed.values():
                continue
            if drift.declared is None:
                self._place(drift)
            else:
                self._settle(drift, by_name.get(renamed.get(name, "")))

    def edits(self) -> Iterator[FileEdit]:
        for file in self._files.files:
            entries = [entry.spec["name"] for entry in self._files.entries if entry.path == file.path]
            yield FileEdit(
                file,
                tuple(self._wanted[name] for name in entries),
                tuple(self._added[file.path]),
                tuple(self.changes[file.path]),
            )

    def _settle(self, drift: TemplateDrift, successor: TemplateDrift | None) -> None:
        """Say what becomes of an entry of a file; `successor` is the template that it was renamed to."""
        declared = drift.declared
        assert declared is not None  # noqa: S101  # the caller asked
        stored = successor.stored if successor else drift.stored
        self._wanted[drift.name] = stored.spec if stored else None
        listed = self.changes[declared.path]
        if stored is None:
            gone = drift.deletion
            note = f"deleted by {gone.actor} at {rfc3339(gone.at)}" if gone else "never in the database"
            listed.append(FileChange(drift.name, "removed", note=note))
            return
        fields = tuple(change["field"] for change in changes(declared.spec, stored.spec))
        if successor:
            listed.append(FileChange(successor.name, "renamed", fields, f"from {drift.name}"))
        elif fields:
            listed.append(FileChange(drift.name, "updated", fields))

    def _place(self, drift: TemplateDrift) -> None:
        """Say which file takes a template that is in none."""
        stored = drift.stored
        assert stored is not None  # noqa: S101  # it is in no file
        path = self._add_to
        if drift.state is State.ORPHANED:
            if stored.source in self._added:
                path = stored.source
            elif path is None and len(self._added) == 1:
                (path,) = self._added
            elif path is None and self._added:
                self.reasons.append(
                    f"{drift.name!r} came from {stored.source}, which is none of the definition files: "
                    "say with --add which of them takes it."
                )
        if path is not None:
            self._added[path].append(stored.spec)
            note = "it had been removed there" if path == stored.source else ""
            self.changes[path].append(FileChange(drift.name, "added", note=note))


def _renamed(drifts: Mapping[str, TemplateDrift]) -> dict[str, str]:
    """Return the names of entries whose template has another name in the database, with that name."""
    found: dict[str, str] = {}
    for name, drift in drifts.items():
        base = drift.stored.base if drift.stored else None
        if drift.state is not State.ORPHANED or base is None:
            continue
        former = drifts.get(base["name"])
        if former is not None and former.stored is None:
            found.setdefault(former.name, name)
    return found


def _invalid(specs: Iterable[Spec]) -> Iterator[str]:
    for spec in specs:
        try:
            normalize(spec)
        except InvalidSpec as error:
            # Somebody wrote into the database by another way than this package.
            yield (
                f"{spec['name']!r} cannot be exported, because the database holds values that break the "
                f"rules ({error}): correct them through the API first."
            )


def prepare(edits: Iterable[FileEdit]) -> Iterator[EditedFile]:
    """Yield the new content of each file. Writes nothing.

    Raises:
        ExportRefused: if a file changed since it was read, or is written in a way that cannot be edited safely.
    """
    for edit in edits:
        try:
            before = read_bytes(edit.file.real_path)
        except Unusable as error:
            raise ExportRefused([f"{edit.file.path}: {error}"]) from None
        if hashlib.sha256(before).hexdigest() != edit.file.sha256:
            raise changed_meanwhile(edit.file.path)
        mark = codecs.BOM_UTF8 if before.startswith(codecs.BOM_UTF8) else b""
        text = before.removeprefix(mark).decode()
        try:
            after = edited(text, edit.wanted, edit.added, is_json=is_json(edit.file.path))
        except CannotEdit as error:
            names = ", ".join(repr(change.name) for change in edit.changes[:_LISTED])
            raise ExportRefused(
                [f"{edit.file.path} cannot be edited safely ({error}): change {names} there by hand."]
            ) from None
        yield EditedFile(edit.file.path, edit.file.real_path, before, mark + after.encode(), edit)


def count_changes(contents: Iterable[EditedFile]) -> Counter[str]:
    """Return how many entries are updated, renamed, added and removed."""
    return Counter(change.action for content in contents for change in content.edit.changes)
