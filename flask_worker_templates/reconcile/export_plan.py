"""What each definition file shall hold, so that the files declare what the database holds. Pure.

Each entry is matched with a template: with the one of its name, or, where that came from another entry, with the one
that was renamed from it. So the comments of an entry stay with the template that they were written for, even if names
were swapped or passed on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from flask_worker_templates.errors import ExportRefused, InvalidSpec
from flask_worker_templates.files.load import Entry, SourceFile
from flask_worker_templates.model.records import Deletion, Exported, Managed
from flask_worker_templates.model.rules import SpecRules
from flask_worker_templates.model.spec import Spec, changes
from flask_worker_templates.model.template import rfc3339

from .compare import TemplateDrift, compare
from .exported import entry_name, notes_of
from .ownership import Ownership

LISTED = 5
"""How many names a message lists."""


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
        entries: of the file, as they were read.
        wanted: for each entry the spec that it shall mean; None removes it.
        added: the specs of entries to append.
        changes: what that changes.
    """

    file: SourceFile
    entries: tuple[Entry, ...]
    wanted: tuple[Spec | None, ...]
    added: tuple[Spec, ...]
    changes: tuple[FileChange, ...]


@dataclass(frozen=True, slots=True)
class ExportPlan:
    """What an export to files does.

    Attributes:
        edits: what each file shall hold.
        notes: by the id of a template, what its document notes of what is written; only where that differs.
        left_out: by name, why a template or an entry is left as it is.
    """

    edits: tuple[FileEdit, ...]
    notes: Mapping[str, Exported | None] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)


def plan_export(
    ownership: Ownership,
    stored: Sequence[Managed],
    deletions: Mapping[str, Deletion],
    *,
    add_to: Path | None = None,
    max_remove: int = 1,
) -> ExportPlan:
    """Return what each file shall hold.

    Args:
        ownership: valid definition files, and the set that they belong to.
        stored: every template of the database.
        deletions: by the name of its entry, the newest deletion of each template that had come from a file.
        add_to: the real path of the file that takes the templates that are in none.
        max_remove: the most entries that may be removed.

    Raises:
        ExportRefused: with every reason why not.
    """
    plan = _Planning(ownership, compare(ownership.files.entries, stored, deletions, ownership), deletions, add_to)
    plan.settle_entries()
    plan.place_templates()
    reasons = [*plan.reasons, *plan.name_clashes()]
    removed = [change.name for listed in plan.changes.values() for change in listed if change.action == "removed"]
    if removed and not stored:
        reasons.append("The database holds no template at all, and all entries would be removed: is it the right one?")
    elif len(removed) > max_remove:
        more = f" and {len(removed) - LISTED} more" if len(removed) > LISTED else ""
        reasons.append(
            f"{len(removed)} entries would be removed, because their templates are not in the database, and at most "
            f"{max_remove} may be: {', '.join(map(repr, removed[:LISTED]))}{more}. "
            "Allow more with --max-remove, if that is what you want."
        )
    if reasons:
        raise ExportRefused(reasons)
    return ExportPlan(tuple(plan.edits()), plan.notes, plan.left_out)


def why_no_file_may_hold(spec: Spec, rules: SpecRules) -> str:
    """Return why a stored spec cannot be exported; empty if it can."""
    try:
        rules.normalize(spec)
    except InvalidSpec as error:
        # Somebody wrote into the database by another way than this package, or a rule is new.
        return (
            f"{spec['name']!r} is left out, because the database holds values that no definition file may hold "
            f"({error}): correct them through the API first."
        )
    return ""


class _Planning:
    def __init__(
        self,
        ownership: Ownership,
        drifts: Sequence[TemplateDrift],
        deletions: Mapping[str, Deletion],
        add_to: Path | None,
    ) -> None:
        self._ownership = ownership
        self._deletions = deletions
        files = ownership.files.files
        self._add_to = next((file.path for file in files if file.real_path == add_to), None)
        self._drifts = {drift.name: drift for drift in drifts}
        self._stored = {drift.name: drift.stored for drift in drifts if drift.stored is not None}
        self._wanted: dict[str, Spec | None] = {}
        self._added: dict[str, list[Spec]] = {file.path: [] for file in files}
        self._placed: set[str] = set()
        """Names of the templates that have an entry afterwards."""
        self.changes: dict[str, list[FileChange]] = {file.path: [] for file in files}
        self.notes: dict[str, Exported | None] = {}
        self.left_out: dict[str, str] = {}
        self.reasons: list[str] = []
        if not files:
            self.reasons.append(
                "There is no definition file to write to: print a new one with flask worker-templates export, "
                "and save it as one."
            )
        elif add_to is not None and self._add_to is None:
            self.reasons.append(f"{add_to} is none of the definition files: {', '.join(self._added)}.")

    def settle_entries(self) -> None:
        """Say what becomes of each entry."""
        matched = self._matched()
        for entry in self._ownership.files.entries:
            name = entry.spec["name"]
            template = matched.get(name)
            if template is not None:
                self._update(entry, self._stored[template])
            elif name in self._stored and self._is_foreign(name):
                self._wanted[name] = entry.spec
                self._placed.add(name)
                self.left_out[name] = (
                    f"The entry {name!r} is left as it is: the template of that name belongs to the file set "
                    f"{self._stored[name].file_set!r}."
                )
            else:
                self._wanted[name] = None
                gone = self._deletions.get(name)
                note = f"deleted by {gone.actor} at {rfc3339(gone.at)}" if gone else "not in the database"
                self.changes[entry.path].append(FileChange(name, "removed", note=note))

    def place_templates(self) -> None:
        """Say which file takes a template that is in none."""
        for name, template in sorted(self._stored.items()):
            if name in self._placed:
                continue
            if template.base is not None and self._is_foreign(name):
                continue
            orphan = template.base is not None and entry_name(template, self._placed) not in self._placed
            path = self._place_of(template) if orphan else self._add_to
            if path is None:
                continue
            if reason := why_no_file_may_hold(template.spec, self._ownership.files.rules):
                self.left_out[name] = reason
                continue
            self._added[path].append(template.spec)
            self._placed.add(name)
            put_back = template.base is not None and self._path_of(template) == path
            self.changes[path].append(FileChange(name, "added", note="it had been removed there" if put_back else ""))
            self._note(template, None)

    def edits(self) -> Iterator[FileEdit]:
        """Yield what each file shall hold."""
        entries: dict[str, list[Entry]] = {file.path: [] for file in self._ownership.files.files}
        for entry in self._ownership.files.entries:
            entries[entry.path].append(entry)
        for file in self._ownership.files.files:
            yield FileEdit(
                file,
                tuple(entries[file.path]),
                tuple(self._wanted[entry.spec["name"]] for entry in entries[file.path]),
                tuple(self._added[file.path]),
                tuple(self.changes[file.path]),
            )

    def name_clashes(self) -> Iterator[str]:
        """Yield why an entry that must stay as it is has the name that another one would get."""
        wanted = [spec["name"] for spec in self._wanted.values() if spec is not None]
        wanted += [spec["name"] for specs in self._added.values() for spec in specs]
        for name, count in Counter(wanted).items():
            if count > 1:
                reason = next((text for text in self.left_out.values()), "")
                yield f"Two entries would have the name {name!r}. {reason}".rstrip()

    def _matched(self) -> dict[str, str]:
        """Return the name of the template that each entry shall hold from now on, by the name of the entry."""
        entries = [entry.spec["name"] for entry in self._ownership.files.entries]
        matched = {name: name for name in entries if self._is_its_own(name)}
        for name in entries:
            renamed_to = self._drifts[name].renamed_to
            if name not in matched and renamed_to is not None:
                matched[name] = renamed_to
        taken = set(matched.values())
        for name in entries:
            # Its template came from another entry, which has another template by now.
            if name not in matched and name in self._stored and name not in taken and not self._is_foreign(name):
                matched[name] = name
        return matched

    def _is_its_own(self, name: str) -> bool:
        """Whether the template of an entry's name did not come from another one of the entries."""
        came_from = self._drifts[name].renamed_from
        elsewhere = came_from is not None and came_from in self._ownership.names
        return name in self._stored and not elsewhere and not self._is_foreign(name)

    def _is_foreign(self, name: str) -> bool:
        template = self._stored[name]
        return template.base is not None and not self._ownership.owns(template)

    def _update(self, entry: Entry, template: Managed) -> None:
        name = entry.spec["name"]
        new_name = template.spec["name"]
        self._placed.add(new_name)
        if template.spec is entry.spec:  # most are the entry's own, see `stored_templates`
            self._wanted[name] = entry.spec
            return
        if reason := why_no_file_may_hold(template.spec, self._ownership.files.rules):
            self._wanted[name] = entry.spec
            self._placed.add(name)
            self.left_out[new_name] = reason
            return
        self._wanted[name] = template.spec
        fields = tuple(change["field"] for change in changes(entry.spec, template.spec))
        if new_name != name:
            self.changes[entry.path].append(FileChange(new_name, "renamed", fields, f"from {name}"))
        elif fields:
            self.changes[entry.path].append(FileChange(name, "updated", fields))
        if fields:
            self._note(template, entry.spec)

    def _note(self, template: Managed, before: Spec | None) -> None:
        notes = notes_of(template, before, template.spec, self._ownership.file_set)
        if notes != template.exported:
            self.notes[template.id] = notes

    def _path_of(self, template: Managed) -> str | None:
        source = self._ownership.normal(template.source)
        return next((path for path in self._added if self._ownership.source_of(path) == source), None)

    def _place_of(self, template: Managed) -> str | None:
        """Return the file that takes a template that came from a file and is in none."""
        path = self._path_of(template) or self._add_to
        if path is None and len(self._added) == 1:
            (path,) = self._added
        elif path is None and self._added:
            self.reasons.append(
                f"{template.spec['name']!r} came from {template.source}, which is none of the definition files: "
                "say with --add which of them takes it."
            )
        return path
