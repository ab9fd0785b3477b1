"""Seeding: create the templates of the definition files that are missing from the database; never change one."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flask_worker_templates.files.load import Entry
from flask_worker_templates.model.records import Deletion, Seed
from flask_worker_templates.model.template import rfc3339
from flask_worker_templates.store.store import Progress, Store

from .exported import entry_name
from .ownership import Ownership

log = logging.getLogger("flask_worker_templates")

ACTOR = "seeder"


@dataclass(frozen=True, slots=True)
class Renamed:
    """An entry whose template has another name in the database."""

    entry: str
    template: str


@dataclass(frozen=True, slots=True)
class SeedResult:
    """What a seeding did, or with ``dry_run`` would do.

    Attributes:
        created: names of the templates created, in the order of the files.
        existing: how many templates of the files were there already, or were created by another process meanwhile.
        recreated: those of `created` that had been deleted, with who deleted them and when.
        respected: deleted ones that stay deleted (``WORKER_TEMPLATES_RESEED_DELETED = False``).
        warnings: what is worth a look, in sentences.
        renamed: entries whose templates were renamed in the database. They are created under the old name, or left
            alone with ``WORKER_TEMPLATES_RESEED_DELETED = False``.
    """

    created: tuple[str, ...] = ()
    existing: int = 0
    recreated: tuple[Deletion, ...] = ()
    respected: tuple[Deletion, ...] = ()
    warnings: tuple[str, ...] = field(default=())
    dry_run: bool = False
    renamed: tuple[Renamed, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the result for JSON."""
        return {
            "created": list(self.created),
            "existing": self.existing,
            "recreated": [_deletion(deletion) for deletion in self.recreated],
            "respected": [_deletion(deletion) for deletion in self.respected],
            "renamed": [{"name": one.entry, "renamed_to": one.template} for one in self.renamed],
            "warnings": list(self.warnings),
            "dry_run": self.dry_run,
        }


def seed(
    store: Store,
    ownership: Ownership,
    *,
    reseed_deleted: bool = True,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> SeedResult:
    """Create the templates of the files whose names are not in the database.

    Where nothing is missing, nothing is written. Any number of processes may do this at once.

    Args:
        store: where to.
        ownership: valid definition files, and the set that they belong to.
        reseed_deleted: whether to create again what was seeded and then deleted or renamed.
        dry_run: write nothing, but say what would be done.
        progress: told how many templates were just dealt with.

    Raises:
        DatabaseUnavailable: if MongoDB does not do its part within the time limit.
    """
    files = ownership.files
    taken = store.names() if files.entries else set()
    missing = [entry for entry in files.entries if entry.spec["name"] not in taken]
    names = [entry.spec["name"] for entry in missing]
    renamed = _renamed(store, ownership, names) if taken and missing else {}
    found = store.deletions([name for name in names if name not in renamed], ownership.file_set) if missing else {}
    deleted = {name: deletion for name, deletion in found.items() if not deletion.ended}
    gone = deleted.keys() | renamed.keys()
    wanted = missing if reseed_deleted else [entry for entry in missing if entry.spec["name"] not in gone]
    created = [entry.spec["name"] for entry in wanted]
    if not dry_run:
        created = store.create_missing([_seed(entry, ownership) for entry in wanted], actor=ACTOR, progress=progress)
    recreated = tuple(deleted[name] for name in created if name in deleted)
    respected, left_alone = ((), ()) if reseed_deleted else (tuple(deleted.values()), tuple(renamed.values()))
    return SeedResult(
        created=tuple(created),
        existing=len(files.entries) - len(created) - len(respected) - len(left_alone),
        recreated=recreated,
        respected=respected,
        warnings=(
            *files.warnings,
            *_blocked(files.entries, store.known_blocked()),
            *_created_again(recreated, [renamed[name] for name in created if name in renamed], dry_run=dry_run),
        ),
        dry_run=dry_run,
        renamed=tuple(renamed.values()),
    )


def _created_again(deleted: Sequence[Deletion], renamed: Sequence[Renamed], *, dry_run: bool) -> Iterator[str]:
    again = f"{'would be' if dry_run else 'is'} created again."
    yield from (f"{_was_deleted(one)} and {again}" for one in deleted)
    yield from (f"{_was_renamed(one)}: {one.entry!r} {again}" for one in renamed)


def _blocked(entries: Sequence[Entry], blocked: Mapping[str, str]) -> Iterator[str]:
    """Yield what is to be said of each entry whose name a document has that is no template."""
    for name in (entry.spec["name"] for entry in entries):
        if name in blocked:
            yield (
                f"Template {name!r} is not created: a document that is not a worker template has its name "
                f"({blocked[name]}). Correct or remove that document."
            )


def _renamed(store: Store, ownership: Ownership, missing: list[str]) -> dict[str, Renamed]:
    """Return the missing entries whose templates have another name in the database."""
    found: dict[str, Renamed] = {}
    for template in store.renamed(missing):
        entry = entry_name(template, ownership.names) if ownership.owns(template) else None
        if entry in missing:
            found.setdefault(entry, Renamed(entry, template.spec["name"]))
    return found


def _seed(entry: Entry, ownership: Ownership) -> Seed:
    return Seed(entry.spec, ownership.source_of(entry.path), ownership.file_set)


def _was_deleted(deletion: Deletion) -> str:
    return f"Template {deletion.name!r} was deleted by {deletion.actor!r} at {rfc3339(deletion.at)}"


def _was_renamed(renamed: Renamed) -> str:
    was = f"Template {renamed.entry!r} was renamed to {renamed.template!r} in the database"
    return f"{was}, and its entry has the old name"


def _deletion(deletion: Deletion) -> dict[str, Any]:
    return {"name": deletion.name, "deleted_by": deletion.actor, "deleted_at": rfc3339(deletion.at)}
