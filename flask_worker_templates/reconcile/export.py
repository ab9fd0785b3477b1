"""Export to files: the database's values back into the definition files.

`export_plan` says what each file shall hold, `edit_files` makes its new text, `write_export` writes it. After that the
files declare what the database holds; a template that was created by hand and is in no file stays in none, unless a
file is named to take it.
"""

from __future__ import annotations

import codecs
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask_worker_templates.errors import ExportRefused
from flask_worker_templates.files.edit import AsRead, CannotEdit, edited
from flask_worker_templates.files.load import is_json
from flask_worker_templates.files.paths import Unusable, read_bytes
from flask_worker_templates.files.replace import NewContent, changed_meanwhile, replace_files
from flask_worker_templates.model.records import Exported, Managed
from flask_worker_templates.model.rules import STANDARD, SpecRules
from flask_worker_templates.store.store import Store

from .export_plan import LISTED, FileEdit, plan_export
from .export_text import Undeclared
from .line_diff import unified
from .ownership import Ownership
from .sync_plan import in_todays_form, specs_of

VERSION = 1
"""Of the result document. It changes where a program that reads the old form would be misled."""


class EditedFile(NewContent):
    """The new content of one definition file, and what it changes in it."""

    def __init__(self, edit: FileEdit, before: bytes, after: bytes) -> None:
        super().__init__(edit.file.path, edit.file.real_path, before, after)
        self.edit = edit

    def to_dict(self) -> dict[str, Any]:
        """Return what changes, for JSON."""
        return {
            "path": self.path,
            "changed": self.changes,
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
        return any(content.changes for content in self.contents)


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
    undeclared = Undeclared(store.rules)
    likely = specs_of(ownership.files.entries)
    stored = in_todays_form(_noted(store.managed(likely), ownership, undeclared), store.rules, likely)
    deletions = store.deletions(sorted(ownership.names), ownership.file_set)
    plan = plan_export(ownership, stored, deletions, add_to=add_to, max_remove=max_remove)
    del stored  # while files are edited, there is no need to hold it
    contents = tuple(edit_files(plan.edits, store.rules))
    return FileExport(contents, plan.notes, plan.left_out, ownership, tuple(undeclared.sentences()))


def _noted(found: Iterable[Managed], ownership: Ownership, undeclared: Undeclared) -> Iterator[Managed]:
    for one in found:
        if ownership.owns(one):
            undeclared.look_at(one.spec)
        yield one


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
            after = edited(
                text, edit.wanted, edit.added, is_json=is_json(edit.file.path), rules=rules, read=_read(edit)
            )
        except CannotEdit as error:
            names = ", ".join(repr(change.name) for change in edit.changes[:LISTED])
            raise ExportRefused(
                [f"{edit.file.path} cannot be edited safely ({error}): change {names} there by hand."]
            ) from None
        yield EditedFile(edit, before, mark + after.encode())


def _read(edit: FileEdit) -> AsRead | None:
    """Return what a file was read as."""
    if edit.file.beside is None:
        return None
    return AsRead(edit.file.beside, [entry.spec for entry in edit.entries], [entry.line for entry in edit.entries])


def count_changes(contents: Iterable[EditedFile]) -> Counter[str]:
    """Return how many entries are updated, renamed, added and removed."""
    return Counter(change.action for content in contents for change in content.edit.changes)


def unified_diff(content: EditedFile) -> Iterator[str]:
    """Yield the lines of a unified diff of one file; none if it does not change."""
    path = content.path
    if not content.changes:
        return
    # Not splitlines: to a diff, only a line feed ends a line.
    before, after = (re.findall(r"[^\n]*\n|[^\n]+", text.decode()) for text in (content.before, content.after))
    for line in unified(before, after, f"a/{path}", f"b/{path}"):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
