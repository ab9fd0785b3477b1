"""Export: the database as a definition file, and the database's values back into the definition files.

`export_plan` says what each file shall hold, `edit_files` makes its new text, `write_export` writes it. After that the
files declare what the database holds; a template that was created by hand and is in no file stays in none, unless a
file is named to take it.
"""

from __future__ import annotations

import codecs
import difflib
import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask_worker_templates.errors import ExportRefused
from flask_worker_templates.files.dump import Kind, definition_file
from flask_worker_templates.files.edit import CannotEdit, edited
from flask_worker_templates.files.load import is_json
from flask_worker_templates.files.paths import Unusable, read_bytes
from flask_worker_templates.files.replace import NewContent, changed_meanwhile, replace_files
from flask_worker_templates.model.records import Exported, Managed
from flask_worker_templates.model.rules import STANDARD, SpecRules
from flask_worker_templates.store.store import Store

from .export_plan import LISTED, FileEdit, plan_export, why_no_file_may_hold
from .ownership import Ownership
from .sync_plan import in_todays_form

VERSION = 1
"""Of the result document. It changes where a program that reads the old form would be misled."""


@dataclass(frozen=True, slots=True)
class ExportedText:
    """The database as a definition file.

    Attributes:
        text: the file.
        left_out: by name, why a template is not in it.
        warnings: what else is not in it, in sentences.
    """

    text: str
    left_out: Mapping[str, str]
    warnings: tuple[str, ...]


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


@dataclass(frozen=True, slots=True)
class FileExport:
    """What an export to files writes.

    Attributes:
        contents: the new content of every definition file.
        notes: by the id of a template, what its document notes of it.
        left_out: by name, why a template or an entry is left as it is.
        ownership: the files.
        warnings: what the files cannot hold of a template, in sentences.
    """

    contents: tuple[EditedFile, ...]
    notes: Mapping[str, Exported | None]
    left_out: Mapping[str, str]
    ownership: Ownership
    warnings: tuple[str, ...]

    @property
    def changes(self) -> bool:
        """Whether a file changes."""
        return any(content.before != content.after for content in self.contents)


def export_text(store: Store, kind: Kind = "yaml") -> ExportedText:
    """Return all templates as a definition file, sorted by name, defaults left out.

    Raises:
        DuplicateNames: if the database holds several templates of one name.
        DatabaseUnavailable: if MongoDB does not do its part within the time limit.
    """
    found = list(store.managed())
    stored = in_todays_form(found, store.rules)
    specs = sorted((one.spec for one in stored), key=lambda spec: str(spec["name"]))
    reasons = {spec["name"]: why_no_file_may_hold(spec, store.rules) for spec in specs}
    left_out = {name: reason for name, reason in reasons.items() if reason}
    return ExportedText(
        definition_file([spec for spec in specs if spec["name"] not in left_out], kind, store.rules),
        left_out,
        tuple(_undeclared(found, store.rules)),
    )


def export_to_files(
    store: Store, ownership: Ownership, *, add_to: Path | None = None, max_remove: int = 1
) -> FileExport:
    """Return the new content of every definition file. Writes nothing.

    Args:
        store: what holds the templates.
        ownership: valid definition files, and the set that they belong to.
        add_to: the file, one of those, that takes the templates that are in none.
        max_remove: the most entries that may be removed.

    Raises:
        ExportRefused: with every reason why not.
        DuplicateNames: if the database holds several templates of one name.
        DatabaseUnavailable: if MongoDB does not do its part within the time limit.
    """
    found = list(store.managed())
    stored = in_todays_form(found, store.rules)
    deletions = store.deletions(sorted(ownership.names), ownership.file_set)
    plan = plan_export(ownership, stored, deletions, add_to=add_to, max_remove=max_remove)
    warnings = tuple(_undeclared(filter(ownership.owns, found), store.rules))
    return FileExport(tuple(edit_files(plan.edits, store.rules)), plan.notes, plan.left_out, ownership, warnings)


def _undeclared(found: Iterable[Managed], rules: SpecRules) -> Iterator[str]:
    """Yield which keys of ``extra`` are in no file, because the app does not declare them (any more)."""
    names = defaultdict[str, list[str]](list)
    for one in found:
        for key in rules.extra.unknown(one.spec["extra"]):
            names[key].append(one.spec["name"])
    for key, holders in sorted(names.items()):
        more = f" and {len(holders) - LISTED} more" if len(holders) > LISTED else ""
        yield (
            f"extra.{key} of {', '.join(map(repr, holders[:LISTED]))}{more} is not exported, because this app does not "
            "declare it. The database keeps it."
        )


def write_export(store: Store, export: FileExport) -> None:
    """Write the new contents, and note in the templates what was written of them.

    The notes come first: one of what is not written after all does no harm, because only a file that holds the value
    goes by it.

    Raises:
        ExportRefused: if a file changed since it was read, or cannot be written; see `replace_files`.
        DatabaseUnavailable: if MongoDB does not do its part; no file was written.
    """
    if not export.changes:
        return
    if not export.ownership.files.is_current():
        raise ExportRefused(
            ["The definition files have changed since they were read: nothing was written, try again."], conflict=True
        )
    if export.notes:
        store.note_exported(export.notes)
    replace_files(export.contents)


def edit_files(edits: Iterable[FileEdit], rules: SpecRules = STANDARD) -> Iterator[EditedFile]:
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
            after = edited(text, edit.wanted, edit.added, is_json=is_json(edit.file.path), rules=rules)
        except CannotEdit as error:
            names = ", ".join(repr(change.name) for change in edit.changes[:LISTED])
            raise ExportRefused(
                [f"{edit.file.path} cannot be edited safely ({error}): change {names} there by hand."]
            ) from None
        yield EditedFile(edit.file.path, edit.file.real_path, before, mark + after.encode(), edit)


def count_changes(contents: Iterable[EditedFile]) -> Counter[str]:
    """Return how many entries are updated, renamed, added and removed."""
    return Counter(change.action for content in contents for change in content.edit.changes)


def unified_diff(content: EditedFile) -> Iterator[str]:
    """Yield the lines of a unified diff of one file; none if it does not change."""
    path = content.path
    # Not splitlines: to a diff, only a line feed ends a line.
    before, after = (re.findall(r"[^\n]*\n|[^\n]+", text.decode()) for text in (content.before, content.after))
    for line in difflib.unified_diff(before, after, fromfile=f"a/{path}", tofile=f"b/{path}"):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
