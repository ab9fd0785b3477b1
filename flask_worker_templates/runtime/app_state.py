"""What the extension keeps for one app, and how this process is made ready for it."""

from __future__ import annotations

import logging
import sys
import weakref
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from flask import Flask, current_app, has_app_context, has_request_context

from flask_worker_templates.errors import DatabaseUnavailable
from flask_worker_templates.model.claim import Claim
from flask_worker_templates.model.extra import ExtraFields
from flask_worker_templates.model.rules import SpecRules
from flask_worker_templates.settings import Settings
from flask_worker_templates.store.connection import DatabaseAccess, Document
from flask_worker_templates.store.store import ClaimRules, Guard, Progress, Store
from flask_worker_templates.store.stored_form import template_of

from . import signals
from .commands import in_command
from .hooks import Hooks
from .startup import MIN_WAIT_SECONDS, Prepared, Readiness, Status

if TYPE_CHECKING:
    from flask_worker_templates.files.load import FileSet
    from flask_worker_templates.reconcile.options import SyncOptions
    from flask_worker_templates.reconcile.ownership import Ownership
    from flask_worker_templates.reconcile.plan import SyncPlan
    from flask_worker_templates.reconcile.seed import SeedResult

log = logging.getLogger("flask_worker_templates")

EXTENSION = "worker_templates"
"""The key of the extension in ``app.extensions``."""

DEFAULT_CONFIG_PATH = "config/worker_templates.yaml"


@dataclass(frozen=True, slots=True)
class AppState:
    """The extension's parts for one app, in ``app.extensions["worker_templates"]``."""

    app: Flask
    settings: Settings
    hooks: Hooks
    access: DatabaseAccess
    store: Store
    readiness: Readiness
    root: Path
    indexed: Prepared
    rules: SpecRules

    @classmethod
    def of(cls, app: Flask, hooks: Hooks, extra: ExtraFields | None = None) -> AppState:
        """Return the state of an app that gets the extension. No database and no file I/O.

        Raises:
            SettingsError: if a setting is wrong.
        """
        settings = Settings.from_config(app.config)
        rules = SpecRules(settings.license_types, settings.license_default, extra)
        access = DatabaseAccess(settings, rules)

        def prepare() -> SeedResult | None:
            # A receiver of its signals may use the Python API, also in the thread that a health check starts.
            with nullcontext() if has_app_context() else app.app_context():
                return state.prepare()

        state = cls(
            app=app,
            settings=settings,
            hooks=hooks,
            access=access,
            store=Store(
                access,
                _Signals(app),
                rules=ClaimRules(settings.max_claims, settings.cosmetic_fields),
                spec_rules=rules,
                claim_observer=_ClaimSignals(app),
            ),
            rules=rules,
            # A preparation is many operations, each with a time limit of its own: where the database is away, the first
            # one ends it, so that nobody waits for long in vain.
            readiness=Readiness(
                prepare,
                wait=max(MIN_WAIT_SECONDS, 6 * settings.db_timeout_ms / 1000),
                database=Prepared(access),
            ),
            root=app_directory(app),
            indexed=Prepared(access),
        )
        # A client of the app's own is closed when there is no app any more. Not at exit, where PyMongo closes all.
        weakref.finalize(app, access.abandon).atexit = False
        return state

    @property
    def request_store(self) -> Store:
        """The store as the current request may use it: within its scope. What answers a request uses no other."""
        return self.store.within(self.hooks.request_scope())

    def ready(self) -> AppState:
        """Return once this process is ready to use the templates.

        Raises:
            NotReady: if it could not be made ready.
        """
        if in_command() and not has_request_context():
            # A command of the host must not seed as a side effect; only the indexes are needed.
            self._ensure_indexes()
        else:
            self.readiness.ensure()
        return self

    def _ensure_indexes(self) -> None:
        if self.indexed.has_changed():
            self.store.make_indexes()
            self.indexed.note()

    def status(self) -> Status:
        """Return the state of the extension in this process, at once."""
        status = self.readiness.status()
        if status.state != "ready":
            return status
        with suppress(DatabaseUnavailable):
            return replace(status, warnings=self.store.warnings())
        return status

    def prepare(self) -> SeedResult | None:
        """Make the indexes, then seed and sync as the settings say."""
        seeds, syncs = self.settings.seed == "on", self.settings.sync_on_start == "safe"
        if not (seeds or syncs):
            self.store.make_indexes()
            self.store.look_over()
            return None
        files = self.read_files()  # before anything is written: one bad entry, and nothing is
        self.store.make_indexes()
        self.store.look_over()
        result = self.seed(files) if seeds else None
        if syncs:
            from flask_worker_templates.reconcile.seed import ACTOR as SEEDER
            from flask_worker_templates.reconcile.sync import sync_at_start

            sync_at_start(self.store, self.ownership(files), actor=SEEDER)
        return result

    def read_files(
        self,
        paths: str | Path | Sequence[str | Path] | None = None,
        *,
        root: Path | None = None,
        pipes: bool = False,
        own_process: bool = False,
    ) -> FileSet:
        """Read and validate definition files: the given ones, else the configured ones.

        Args:
            paths: one or several, instead of the configured ones.
            root: what relative paths are relative to; by default the directory that holds the app.
            pipes: whether the given ones may be pipes, and ``-`` for standard input.
            own_process: see `load_files`.

        Raises:
            InvalidFiles: with every fault of every file.
        """
        if isinstance(paths, str | Path):  # a string is a sequence too: of files with names of one character
            paths = [paths]
        from flask_worker_templates.files.load import load_files

        configured = paths or self.settings.config_path
        return load_files(
            configured or [DEFAULT_CONFIG_PATH],
            root=root or self.root,
            missing_ok=not configured,
            pipes=pipes and bool(paths),
            rules=self.rules,
            own_process=own_process,
        )

    def ownership(self, files: FileSet) -> Ownership:
        """Return what belongs to definition files that were read."""
        from flask_worker_templates.reconcile.ownership import Ownership

        return Ownership(self.settings.file_set, self.root, files)

    def plan(
        self,
        files: FileSet,
        options: SyncOptions | None = None,
        *,
        guard: Guard | None = None,
        store: Store | None = None,
    ) -> SyncPlan:
        """Compare definition files with the database, and return what a sync would do; see `plan_sync`.

        Args:
            files: valid definition files.
            options: what a person decided.
            guard: asked for each template that would be deleted; by default the usage check of the host.
            store: another one than the app's own, such as that of a request.
        """
        from flask_worker_templates.reconcile.sync_plan import plan_sync

        return plan_sync(
            store or self.store,
            self.ownership(files),
            options,
            guard=guard or self.hooks.check_usage,
            recreate_renamed=self.settings.reseed_deleted,
        )

    def seed(
        self, files: FileSet, *, dry_run: bool = False, progress: Progress | None = None, log_warnings: bool = True
    ) -> SeedResult:
        """Create the templates that are missing, and tell the log and the signal.

        Without `log_warnings` the warnings are the caller's to tell: a command prints them.
        """
        from flask_worker_templates.reconcile.seed import seed

        reseed = self.settings.reseed_deleted
        owned = self.ownership(files)
        result = seed(self.store, owned, reseed_deleted=reseed, dry_run=dry_run, progress=progress)
        for warning in result.warnings if log_warnings else ():
            log.warning("%s", warning)
        if result.created and not dry_run:
            log.info("Seeded %d worker templates; %d were there.", len(result.created), result.existing)
        if not dry_run:
            signals.send(signals.templates_seeded, self.app, result=result)
        return result


class _Signals:
    """Tells the app's signals of the store's changes."""

    def __init__(self, app: Flask) -> None:
        self._app = app

    def __call__(self, event: Document, document: Document) -> None:
        action = event["action"]
        if action == "deleted":
            signal = signals.template_deleted
        elif event["revision"] == 1 or action == "restored":
            signal = signals.template_created
        else:
            signal = signals.template_updated
        if signal.receivers:  # building what nobody gets would double the time of a large seeding
            signals.send(signal, self._app, template=template_of(document), action=action, actor=event["actor"])


class _ClaimSignals:
    """Tells the app's signals of the store's claims."""

    def __init__(self, app: Flask) -> None:
        self._app = app

    def __call__(self, what: Literal["claimed", "released"], claim: Claim, document: Document, actor: str) -> None:
        signal = signals.template_claimed if what == "claimed" else signals.template_released
        if signal.receivers:
            signals.send(signal, self._app, template=template_of(document), claim=claim, actor=actor)


def app_directory(app: Flask) -> Path:
    """Return the directory that holds the app: that of its module, or the one beside which its package stands."""
    root = Path(app.root_path)
    module = sys.modules.get(app.import_name)
    return root.parent if hasattr(module, "__path__") else root


def current_state() -> AppState:
    """Return the state of the current app.

    Raises:
        RuntimeError: outside of an app context, or if the app has no worker templates.
    """
    state = current_app.extensions.get(EXTENSION)
    if state is None:
        raise RuntimeError("This app has no worker templates: call WorkerTemplates().init_app(app) first.")
    return state  # type: ignore[no-any-return]


def ready_state() -> AppState:
    """Return the state of the current app once this process is ready.

    Raises:
        NotReady: if it could not be made ready.
    """
    return current_state().ready()
