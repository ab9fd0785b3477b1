"""Definition files and the database in the Python API: seeding, comparing, syncing, exporting."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import SyncRefused
from .model.parameters import (
    message_of,
)

if TYPE_CHECKING:
    from .reconcile.compare import Side
    from .reconcile.outcome import OnConflict
    from .reconcile.plan import SyncPlan
    from .reconcile.seed import SeedResult
    from .reconcile.sync_result import SyncResult

from .python_api import PythonApi

log = logging.getLogger("flask_worker_templates")

Paths = str | Path | Sequence[str | Path]


class PythonFiles(PythonApi):
    """The part of `WorkerTemplates` that brings definition files and the database together."""

    def seed(self, paths: Paths | None = None, *, dry_run: bool = False) -> SeedResult:
        """Create the templates of the definition files that are missing, now.

        Args:
            paths: a file or several instead of the configured ones.
            dry_run: write nothing, but say what would be done.

        Raises:
            InvalidFiles: with every fault of every file; nothing is seeded.
            DuplicateNames: if the collection holds several templates of one name.
        """
        state = self._state()
        files = state.read_files(paths)
        if not dry_run:
            state.store.make_indexes()
        return state.seed(files, dry_run=dry_run)

    def drift(
        self,
        paths: Paths | None = None,
        *,
        on_conflict: OnConflict | None = None,
        prune: bool = False,
        max_delete: int = 1,
        adopt: Sequence[str] = (),
        restore: Sequence[str] = (),
        prune_any_source: bool = False,
        only: Sequence[str] | None = None,
        choices: Mapping[str, Mapping[str, Side]] | None = None,
    ) -> SyncPlan:
        """Compare the definition files with the database, and return what a sync would do. Writes nothing.

        Args:
            paths: a file or several instead of the configured ones.
            on_conflict: this and the following: as if `sync` were called with them.
            prune: see `sync`.
            max_delete: see `sync`.
            adopt: see `sync`.
            restore: see `sync`.
            prune_any_source: see `sync`.
            only: see `sync`.
            choices: see `sync`.

        Raises:
            InvalidFiles: with every fault of every file.
        """
        state = self._ready()
        files = state.read_files(paths)
        from .reconcile.options import SyncOptions

        named = None if only is None else tuple(only)
        return state.plan(
            files,
            SyncOptions(
                on_conflict, prune, max_delete, tuple(adopt), tuple(restore), prune_any_source, named, choices or {}
            ),
        )

    plan = drift
    """The same, by the name of what it returns: its `SyncPlan.digest` is what `sync` takes to apply exactly this."""

    def sync(
        self,
        paths: Paths | None = None,
        *,
        on_conflict: OnConflict | None = None,
        prune: bool = False,
        max_delete: int = 1,
        adopt: Sequence[str] = (),
        restore: Sequence[str] = (),
        prune_any_source: bool = False,
        only: Sequence[str] | None = None,
        choices: Mapping[str, Mapping[str, Side]] | None = None,
        digest: str | None = None,
        actor: str | None = None,
        message: str | None = None,
    ) -> SyncResult:
        """Apply what the definition files changed, now, and keep what was changed in the database.

        Long, because each decision is an argument with a name and a type.

        Args:
            paths: a file or several instead of the configured ones.
            on_conflict: whose value a field gets that both sides changed: ``file`` or ``db``; ``skip`` leaves such
                templates as they are; None refuses the whole sync.
            prune: delete templates of this file set whose entries are in no file now, unless they are in use.
            max_delete: the most templates that `prune` may delete.
            adopt: names of templates in collision to put under the files' management.
            restore: names of deleted templates to bring back, under their ids and with their histories.
            prune_any_source: let `prune` also delete templates from files other than the given ones.
            only: names of the templates that the sync is about; None for all.
            choices: whose value single fields in conflict get, ``file`` or ``db``: by the name of the template and the
                dotted path of the field. They go before `on_conflict`.
            digest: of the plan, from `plan` with the same arguments, that must still hold.
            actor: who; by default the actor of the request.
            message: why; at most 500 characters.

        Returns:
            What was done. A template that others changed at the same time, that is in use or that holds invalid values
            is left alone, and its status says so.

        Raises:
            InvalidFiles: with every fault of every file; nothing is written.
            InvalidParameters: if an option or the message has a value that it cannot take.
            SyncRefused: with every reason; nothing is written.
            DuplicateNames: if the collection holds several templates of one name.
        """
        from .reconcile.sync import apply

        why = message_of(message)
        plan = self.drift(
            paths,
            on_conflict=on_conflict,
            prune=prune,
            max_delete=max_delete,
            adopt=adopt,
            restore=restore,
            prune_any_source=prune_any_source,
            only=only,
            choices=choices,
        )
        if digest is not None and plan.digest != digest:
            raise SyncRefused(["This is not the plan of that digest any more: plan again."], conflict=True)
        return apply(
            self._state().store,
            plan,
            actor=self._hooks.actor(actor),
            message=why,
            guard=self._hooks.check_usage,
        )

    def export(self) -> str:
        """Return all templates as a definition file in YAML: sorted by name, defaults left out.

        A template whose values no definition file may hold is left out, and so are fields of ``extra`` that the app
        does not declare any more; the log says which and why.
        """
        from .reconcile.export_text import TextExport

        exported = TextExport(self._ready().store)
        text = "".join(exported.pieces())
        for reason in (*exported.left_out.values(), *exported.warnings):
            log.warning("%s", reason)
        return text
