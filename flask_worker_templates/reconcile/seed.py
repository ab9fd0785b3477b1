"""Seeding: create the templates of the definition files that are missing from the database; never change one."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

from flask_worker_templates.files.load import Entry, FileSet
from flask_worker_templates.model.records import Deletion, Seed
from flask_worker_templates.model.template import rfc3339
from flask_worker_templates.store.store import Progress, Store

log = logging.getLogger("flask_worker_templates")

ACTOR = "seeder"


@dataclass(frozen=True, slots=True)
class SeedResult:
    """What a seeding did, or with ``dry_run`` would do.

    Attributes:
        created: names of the templates created, in the order of the files.
        existing: how many templates of the files were there already, or were created by another process meanwhile.
        recreated: those of `created` that had been deleted, with who deleted them and when.
        respected: deleted ones that stay deleted (``WORKER_TEMPLATES_RESEED_DELETED = False``).
        warnings: what is worth a look, in sentences.
    """

    created: tuple[str, ...] = ()
    existing: int = 0
    recreated: tuple[Deletion, ...] = ()
    respected: tuple[Deletion, ...] = ()
    warnings: tuple[str, ...] = field(default=())
    dry_run: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the result for JSON."""
        return {
            "created": list(self.created),
            "existing": self.existing,
            "recreated": [_deletion(deletion) for deletion in self.recreated],
            "respected": [_deletion(deletion) for deletion in self.respected],
            "warnings": list(self.warnings),
            "dry_run": self.dry_run,
        }


def seed(
    store: Store,
    files: FileSet,
    *,
    reseed_deleted: bool = True,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> SeedResult:
    """Create the templates of the files whose names are not in the database.

    Where nothing is missing, nothing is written. Any number of processes may do this at once.

    Args:
        store: where to.
        files: valid definition files.
        reseed_deleted: whether to create again what was seeded and then deleted.
        dry_run: write nothing, but say what would be done.
        progress: told how many templates were just dealt with.

    Raises:
        DatabaseUnavailable: if MongoDB does not do its part within the time limit.
    """
    taken = store.names() if files.entries else set()
    missing = [entry for entry in files.entries if entry.spec["name"] not in taken]
    deleted = store.deletions([entry.spec["name"] for entry in missing]) if missing else {}
    wanted = missing if reseed_deleted else [entry for entry in missing if entry.spec["name"] not in deleted]
    if dry_run:
        created = [entry.spec["name"] for entry in wanted]
    else:
        created = store.create_missing([_seed(entry) for entry in wanted], actor=ACTOR, progress=progress)
    recreated = tuple(deleted[name] for name in created if name in deleted)
    respected = () if reseed_deleted else tuple(deleted.values())
    return SeedResult(
        created=tuple(created),
        existing=len(files.entries) - len(created) - len(respected),
        recreated=recreated,
        respected=respected,
        warnings=(
            *files.warnings,
            *(f"{_was_deleted(one)} and {'would be' if dry_run else 'is'} created again." for one in recreated),
        ),
        dry_run=dry_run,
    )


def _seed(entry: Entry) -> Seed:
    return Seed(entry.spec, entry.path)


def _was_deleted(deletion: Deletion) -> str:
    return f"Template {deletion.name!r} was deleted by {deletion.actor!r} at {rfc3339(deletion.at)}"


def _deletion(deletion: Deletion) -> dict[str, Any]:
    return {"name": deletion.name, "deleted_by": deletion.actor, "deleted_at": rfc3339(deletion.at)}
