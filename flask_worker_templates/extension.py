"""`WorkerTemplates`: the extension as its host sees it. ``init_app``, the host's hooks, and the Python API."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import marshmallow as ma
from flask import Flask

from .cli.install import install_commands
from .console.blueprint import install_console
from .errors import InvalidParameters, SyncRefused, TemplateNotFound
from .http.blueprint import install_api
from .model.claim import Claim
from .model.extra import ExtraFields
from .model.fields import is_utf8
from .model.parameters import (
    Paging,
    claim_parameters,
    claims_parameters,
    message_of,
    page_parameters,
    trail_parameters,
    worker_id_of,
)
from .model.records import Comparison
from .model.selection import Selection
from .model.spec import Spec
from .model.template import Event, Page, Template
from .runtime.app_state import EXTENSION, AppState, current_state
from .runtime.commands import watch_commands
from .runtime.hooks import ActorLoader, Authorizer, Hooks, ScopeHook, UsageCheck, synchronous
from .runtime.startup import Status
from .store.store import Precondition

if TYPE_CHECKING:
    from .reconcile.compare import Side
    from .reconcile.outcome import OnConflict
    from .reconcile.plan import SyncPlan
    from .reconcile.seed import SeedResult
    from .reconcile.sync_result import SyncResult

log = logging.getLogger("flask_worker_templates")

AuthorizerT = TypeVar("AuthorizerT", bound=Authorizer)
ActorLoaderT = TypeVar("ActorLoaderT", bound=ActorLoader)
UsageCheckT = TypeVar("UsageCheckT", bound=UsageCheck)
ScopeT = TypeVar("ScopeT", bound=ScopeHook)
Paths = str | Path | Sequence[str | Path]


class WorkerTemplates:
    """Worker templates for a Flask app.

    Args:
        app: the app, or None to call `init_app` later; one object may serve several apps.
        api: a ``flask_smorest.Api`` of the host to join. Without it the app's own Api is joined if there is one,
            else the extension makes one for itself.
        extra: a marshmallow schema (a class or an instance) of the fields that the app adds to a template.

    The methods of the Python API work on the current app, and so need an app context, as a request has one. They
    raise `NotReady` if the app could not be prepared, `DatabaseUnavailable` if MongoDB does not do its part, and
    RuntimeError for an app that was not given to `init_app` of this very object.
    """

    # One class, because it is what a host has in its hands: a method for each thing that can be done, each a few lines
    # of code under what it takes and raises.

    def __init__(
        self, app: Flask | None = None, *, api: Any = None, extra: ma.Schema | type[ma.Schema] | None = None
    ) -> None:
        self._hooks = Hooks()
        self._extra = extra
        if app is not None:
            self.init_app(app, api=api)

    def init_app(self, app: Flask, *, api: Any = None) -> None:
        """Add the routes, the commands and the settings to an app. Does no database and no file I/O.

        Args:
            app: the app.
            api: a ``flask_smorest.Api`` of the host to join.

        Raises:
            SettingsError: if a ``WORKER_TEMPLATES_*`` key is unknown or has a value that it cannot take, or if
                the schema of `extra` cannot work; it names the field.
            RuntimeError: if the app has the extension already.
        """
        if EXTENSION in app.extensions:
            raise RuntimeError("This app has the worker templates extension already: call init_app once for each app.")
        state = AppState.of(app, self._hooks, ExtraFields(self._extra))
        install_api(app, state, api)
        install_console(app, state)
        install_commands(app)
        app.extensions[EXTENSION] = state
        watch_commands(app)

    # The host's hooks

    def authorizer(self, function: AuthorizerT) -> AuthorizerT:
        """Register ``fn(action, template_or_none) -> bool``.

        The action is ``read``, ``create``, ``update``, ``delete``, ``claim`` or ``sync``. Only True allows. A response
        that is returned refuses, and is sent. Any other answer that is true is a TypeError.
        """
        self._hooks.authorizer = synchronous(function, "authorizer")
        return function

    def actor_loader(self, function: ActorLoaderT) -> ActorLoaderT:
        """Register ``fn() -> str``, which says who makes the current request."""
        self._hooks.actor_loader = synchronous(function, "actor loader")
        return function

    def usage_check(self, function: UsageCheckT) -> UsageCheckT:
        """Register ``fn(template) -> int | str``, asked before a deletion besides the claims.

        A number above zero or a string that is not empty says that the template is in use; None is like 0.
        """
        self._hooks.usage_check = synchronous(function, "usage check")
        return function

    def scope(self, function: ScopeT) -> ScopeT:
        """Register ``fn()``, which says what the current request may see and touch; outside it, nothing is there.

        It returns a mapping of conditions that must all hold, a list of mappings (any of them), or
        ``flask_worker_templates.ALL``. The keys are ``label`` (``"team=red"``, or a list: all of them),
        ``license_type``, ``instance_type``, ``name``, ``name_prefix`` and ``extra.KEY``. Anything else, None, an empty
        mapping and an empty list included, is a TypeError, and nothing is shown.

        It holds for the HTTP API alone: the Python API, the commands and seeding see everything.
        """
        self._hooks.scope = synchronous(function, "scope hook")
        return function

    def _state(self) -> AppState:
        state = current_state()
        if state.hooks is not self._hooks:
            raise RuntimeError(
                f"This WorkerTemplates object does not belong to the current app ({state.app.name!r}): its authorizer "
                "and usage check are not the app's. Use the object whose init_app got this app."
            )
        return state

    def _ready(self) -> AppState:
        return self._state().ready()

    # Reading

    def get(self, template_id: str | uuid.UUID) -> Template:
        """Return a template.

        Raises:
            TemplateNotFound: if there is none with this id.
        """
        return self._ready().store.get(_id(template_id))

    def get_by_name(self, name: str) -> Template:
        """Return the template of a name.

        Raises:
            TemplateNotFound: if there is none with this name.
        """
        return self._ready().store.get_by_name(name)

    def select(
        self,
        *,
        cpu_cores: int = 0,
        memory_gb: int = 0,
        storage_gb: int = 0,
        nodes: int = 0,
        license_type: str | None = None,
        ami: str | None = None,
        labels: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
        explain: bool = False,
    ) -> Selection:
        """Return the templates that fit: enabled, not deprecated, cheapest first, unknown prices last, ties by name.

        Args:
            cpu_cores: minimum number of cores.
            memory_gb: minimum memory, in GB.
            storage_gb: minimum storage, in GB.
            nodes: minimum ``max_nodes``.
            license_type: exactly this licence type.
            ami: the name of a machine image that ``ami_pattern`` must match.
            labels: labels that the template must have.
            extra: values that fields of the app's own must have; of a list, any.
            explain: read the other templates too, and say of each why it does not fit.

        Returns:
            The sequence of the templates, and in `fits` and `others` what is to be said of each.

        Raises:
            InvalidParameters: if an argument has a value that it cannot take.
        """
        asked: dict[str, Any] = {
            "cpu_cores": cpu_cores,
            "memory_gb": memory_gb,
            "storage_gb": storage_gb,
            "nodes": nodes,
            "explain": explain,
            **{f"extra.{key}": value for key, value in (extra or {}).items()},
        }
        if license_type is not None:
            asked["license_type"] = [license_type]
        if ami is not None:
            asked["ami"] = ami
        if labels:
            asked["label"] = [f"{key}={value}" for key, value in labels.items()]
        state = self._state()
        try:
            parameters = state.rules.select_parameters(asked)
        except InvalidParameters as error:
            errors = {"labels" if key == "label" else key: text for key, text in error.errors.items()}
            # The API takes several of these, so that its errors name a position.
            if "license_type" in errors:
                errors["license_type"] = errors["license_type"][0]
            if "labels" in errors and labels:
                errors["labels"] = {key: errors["labels"][i] for i, key in enumerate(labels) if i in errors["labels"]}
            raise InvalidParameters(errors) from None
        parameters.pop("explain")
        return state.ready().store.select(parameters, explain=explain)

    def history(
        self,
        template_id: str | uuid.UUID | None = None,
        *,
        page: int = 1,
        page_size: int = 50,
        actor: str | None = None,
        action: str | None = None,
        name: str | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
    ) -> Page[Event]:
        """Return the audit trail, newest first: of one template, even if it is deleted, or of all.

        Args:
            template_id: which template; None for all.
            page: page number, from 1.
            page_size: events per page, at most 200.
            actor: only changes by this actor; for the history of all templates, as are the following.
            action: only this kind of change, such as ``updated``.
            name: only templates that had this name after the change.
            since: only changes at this time or later; an aware datetime or RFC 3339.
            until: only changes before this time.

        Raises:
            TemplateNotFound: if there never was such a template.
            InvalidParameters: if a parameter has a value that it cannot take.
        """
        filters = {"actor": actor, "action": action, "name": name, "since": since, "until": until}
        given = {key: value for key, value in filters.items() if value is not None}
        asked = trail_parameters({"page": page, "page_size": page_size, **given})
        store = self._ready().store
        if template_id is None:
            return store.trail(asked)
        if given:
            raise InvalidParameters({key: ["Only for the history of all templates."] for key in sorted(given)})
        return store.history(_id(template_id), Paging(asked["page"], asked["page_size"]))

    def revision(self, template_id: str | uuid.UUID, revision: int) -> Event:
        """Return the event of one revision, which holds the spec that it made; also of a deleted template.

        Raises:
            TemplateNotFound, RevisionNotFound: if there never was such a template or revision.
        """
        return self._ready().store.revision(_id(template_id), revision)

    def compare(self, template_id: str | uuid.UUID, before: int, after: int | None = None) -> Comparison:
        """Return the fields that differ between two revisions; also of a deleted template.

        Args:
            template_id: which template.
            before: one revision.
            after: the other one; by default the newest.

        Raises:
            TemplateNotFound, RevisionNotFound: if there never was such a template or revision.
        """
        return self._ready().store.compare(_id(template_id), before, after)

    def claims(self, template_id: str | uuid.UUID, *, page: int = 1, page_size: int = 200) -> Page[Claim]:
        """Return the claims of a template, oldest first.

        Raises:
            TemplateNotFound: if there is none with this id.
            InvalidParameters: if a parameter has a value that it cannot take.
        """
        asked = page_parameters({"page": page, "page_size": page_size})
        return self._ready().store.claims(_id(template_id), Paging(asked["page"], asked["page_size"]))

    def all_claims(
        self,
        *,
        worker_id: str | None = None,
        template: str | None = None,
        outdated: bool | None = None,
        expired: bool | None = None,
        page: int = 1,
        page_size: int = 200,
    ) -> Page[Claim]:
        """Return the claims of all templates, by template name, oldest first.

        Args:
            worker_id: only those of this worker.
            template: only those of the template of this name.
            outdated: only outdated ones, or only the others.
            expired: only leases that have ended, or only live claims.
            page: which page.
            page_size: the most claims on a page.

        Raises:
            InvalidParameters: if an argument has a value that it cannot take, or `outdated` or `expired` would have to
                look at more than 10,000 claims.
        """
        given = {"worker_id": worker_id, "template": template, "outdated": outdated, "expired": expired}
        asked = {key: value for key, value in given.items() if value is not None}
        return self._ready().store.all_claims(claims_parameters({**asked, "page": page, "page_size": page_size}))

    def status(self) -> Status:
        """Return how the extension does in this process, for a health check: at once, without asking the database."""
        return self._state().status()

    # Writing

    def create(self, spec: Mapping[str, Any], *, actor: str | None = None, message: str | None = None) -> Template:
        """Create a template.

        Args:
            spec: as a definition file or a POST holds it.
            actor: who; by default the actor of the request.
            message: why, at most 500 characters; the audit trail keeps it.

        Raises:
            InvalidSpec: with every error of the spec.
            InvalidParameters: if the message is too long or holds control characters.
            NameTaken: if a template of this name exists.
        """
        why = message_of(message)
        state = self._ready()
        return state.store.create(state.rules.normalize(spec), actor=self._hooks.actor(actor), message=why)

    def replace(
        self,
        template_id: str | uuid.UUID,
        spec: Mapping[str, Any],
        *,
        if_revision: int | None = None,
        actor: str | None = None,
        message: str | None = None,
    ) -> Template:
        """Replace the whole spec of a template, as PUT does. Arguments and errors are those of `update`."""
        change = self._ready().rules.replacement(spec)
        return self._change(template_id, change, if_revision, actor, message)

    def update(
        self,
        template_id: str | uuid.UUID,
        changes: Mapping[str, Any],
        *,
        if_revision: int | None = None,
        actor: str | None = None,
        message: str | None = None,
    ) -> Template:
        """Change some fields of a template, as PATCH does (JSON Merge Patch, RFC 7396).

        Args:
            template_id: which template.
            changes: the fields to change; None brings the default of a field back, or removes a label.
            if_revision: change it only if it is at this revision. Without it the change is made to whatever is there.
            actor: who; by default the actor of the request.
            message: why, at most 500 characters; the audit trail keeps it.

        Raises:
            TemplateNotFound: if there is none with this id.
            InvalidSpec: with every error of the result.
            InvalidParameters: if the message is too long or holds control characters.
            RevisionMismatch: if it is not at `if_revision`.
            NameTaken: if the new name belongs to another template.
        """
        rules = self._ready().rules
        return self._change(template_id, lambda current: rules.patched(current, changes), if_revision, actor, message)

    def revert(
        self,
        template_id: str | uuid.UUID,
        revision: int,
        *,
        if_revision: int | None = None,
        actor: str | None = None,
        message: str | None = None,
    ) -> Template:
        """Make a new revision with the spec of an earlier one.

        Raises:
            TemplateNotFound, RevisionNotFound: if there is no such template or revision.
            InvalidParameters: if `revision` is no number, or the message is too long or holds control characters.
            RevisionMismatch: if it is not at `if_revision`.
            NameTaken: if its name of then belongs to another template.
        """
        if not isinstance(revision, int) or isinstance(revision, bool):
            raise InvalidParameters({"revision": ["Not a valid integer."]})
        return self._ready().store.revert(
            _id(template_id),
            revision,
            actor=self._hooks.actor(actor),
            message=message_of(message),
            allowed=_only(if_revision),
        )

    def delete(
        self,
        template_id: str | uuid.UUID,
        *,
        if_revision: int | None = None,
        actor: str | None = None,
        message: str | None = None,
    ) -> Template:
        """Delete a template that is not in use, and return it as it was.

        Raises:
            InvalidParameters: if the message is too long or holds control characters.
            TemplateNotFound: if there is none with this id.
            RevisionMismatch: if it is not at `if_revision`.
            TemplateInUse: if workers claim it, or the host's usage check says so.
        """
        return self._ready().store.delete(
            _id(template_id),
            actor=self._hooks.actor(actor),
            message=message_of(message),
            allowed=_only(if_revision),
            guard=self._hooks.usage_guard,
        )

    def restore(
        self, template_id: str | uuid.UUID, *, actor: str | None = None, message: str | None = None
    ) -> Template:
        """Bring a deleted template back, under its id and with its history.

        Raises:
            TemplateNotFound: if there never was such a template.
            RestoreRefused: if it is not deleted, or others restored it at the same time.
            NameTaken: if its name belongs to another template by now.
            InvalidParameters: if the message is too long or holds control characters.
        """
        why = message_of(message)
        return self._ready().store.restore(_id(template_id), actor=self._hooks.actor(actor), message=why)

    def claim(
        self,
        template_id: str | uuid.UUID,
        worker_id: str,
        *,
        ttl_seconds: int | None = None,
        endless: bool = False,
        revision: int | None = None,
        actor: str | None = None,
    ) -> Claim:
        """Register a worker's use of a template, which then cannot be deleted, or renew its lease.

        Args:
            template_id: which template.
            worker_id: of whom.
            ttl_seconds: how long the lease holds, from 10 to 604,800 seconds. Without it a lease keeps the time that
                it has, and a new claim has no end.
            endless: take the end of a lease away.
            revision: of the template that the worker runs; by default the present one.
            actor: who; by default the actor of the request.

        Raises:
            TemplateNotFound: if there is none with this id.
            TemplateDisabled, TemplateDeprecated, TemplateFull: if it takes no new claim, and the worker has none.
            InvalidParameters: if an argument has a value that it cannot take.
        """
        asked: dict[str, Any] = {} if revision is None else {"revision": revision}
        if endless or ttl_seconds is not None:
            asked["ttl_seconds"] = ttl_seconds
        if endless and ttl_seconds is not None:
            raise InvalidParameters({"endless": ["Must not be given together with ttl_seconds."]})
        worker = worker_id_of(worker_id)
        return self._ready().store.claim(
            _id(template_id), worker, actor=self._hooks.actor(actor), **claim_parameters(asked)
        )[0]

    def release(self, template_id: str | uuid.UUID, worker_id: str, *, actor: str | None = None) -> bool:
        """End a worker's use of a template, and return whether there was a claim to end.

        Raises:
            TemplateNotFound: if there is none with this id.
            InvalidParameters: if the worker id has a form that it cannot have.
        """
        worker = worker_id_of(worker_id)
        return self._ready().store.release(_id(template_id), worker, actor=self._hooks.actor(actor))

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
            state.store.prepare()
        return state.seed(files, dry_run=dry_run)

    # Files and database

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

        Args:
            paths: a file or several instead of the configured ones.
            on_conflict: whose value a field gets that both sides changed: ``file`` or ``db``; ``skip`` leaves such
                templates as they are; None refuses the whole sync.
            prune: delete templates of this file set whose entries are in no file now, unless they are in use.
            max_delete: the most templates that `prune` may delete.
            adopt: names of templates in collision to put under the files' management.
            restore: names of deleted templates to bring back, under their ids and with their histories.
            prune_any_source: let `prune` also delete what came from a file that is none of those that are looked for.
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
        from .reconcile.export import export_text

        exported = export_text(self._ready().store)
        for reason in (*exported.left_out.values(), *exported.warnings):
            log.warning("%s", reason)
        return exported.text

    def _change(
        self,
        template_id: str | uuid.UUID,
        change: Callable[[Spec], Spec],
        if_revision: int | None,
        actor: str | None,
        message: str | None,
    ) -> Template:
        return self._ready().store.update(
            _id(template_id),
            change,
            actor=self._hooks.actor(actor),
            message=message_of(message),
            allowed=_only(if_revision),
        )

    # Last, because inside this class its name hides the built-in one.
    def list(
        self,
        *,
        page: int = 1,
        page_size: int = 50,
        sort: str = "name",
        q: str | None = None,
        name: str | None = None,
        name_prefix: str | None = None,
        license_type: str | Sequence[str] | None = None,
        instance_type: str | None = None,
        enabled: bool | None = None,
        deprecated: bool | None = None,
        is_seeded: bool | None = None,
        label: str | Sequence[str] | None = None,
        ami: str | None = None,
        min_cpu_cores: int | None = None,
        min_memory_gb: int | None = None,
        min_storage_gb: int | None = None,
        min_nodes: int | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> Page[Template]:
        """Return one page of the templates that pass every filter. The parameters are those of the HTTP API.

        Args:
            page: page number, from 1.
            page_size: templates per page, at most 200.
            sort: what to sort by, such as ``name`` or ``-updated_at``; a leading ``-`` reverses the order.
            q: text within name, description, instance type or labels, without regard to case.
            name: exactly this name.
            name_prefix: names that start with this.
            license_type: this licence type, or any of these.
            instance_type: exactly this instance type.
            enabled: only enabled, or only disabled ones.
            deprecated: only deprecated ones, or only those that are not.
            is_seeded: only seeded ones, or only ones created by hand.
            label: this label as ``key=value``, or all of these.
            ami: templates whose ``ami_pattern`` matches this image name.
            min_cpu_cores: minimum number of cores.
            min_memory_gb: minimum memory, in GB.
            min_storage_gb: minimum storage, in GB.
            min_nodes: minimum ``max_nodes``.
            extra: values that fields of the app's own have; of a list, any.

        Raises:
            InvalidParameters: if a parameter has a value that it cannot take.
        """
        filters: dict[str, Any] = {
            "q": q,
            "name": name,
            "name_prefix": name_prefix,
            "license_type": [license_type] if isinstance(license_type, str) else license_type,
            "instance_type": instance_type,
            "enabled": enabled,
            "deprecated": deprecated,
            "is_seeded": is_seeded,
            "label": [label] if isinstance(label, str) else label,
            "ami": ami,
            "min_cpu_cores": min_cpu_cores,
            "min_memory_gb": min_memory_gb,
            "min_storage_gb": min_storage_gb,
            "min_nodes": min_nodes,
            **{f"extra.{key}": value for key, value in (extra or {}).items()},
        }
        given = {key: value for key, value in filters.items() if value is not None}
        state = self._ready()
        asked = state.rules.list_parameters({"page": page, "page_size": page_size, "sort": sort, **given})
        return state.store.page(asked)


def _id(template_id: object) -> str:
    # A host may pass on what a client sent: a mapping would be a query operator.
    if isinstance(template_id, uuid.UUID | str) and is_utf8(text := str(template_id)):
        return text.lower()
    raise TemplateNotFound(str(template_id))


def _only(revision: int | None) -> Precondition | None:
    return None if revision is None else lambda current: current == revision
