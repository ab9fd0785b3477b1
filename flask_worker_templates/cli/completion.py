"""What the shell completes: names of templates, and the fields of a spec."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem
from flask.cli import ScriptInfo

from flask_worker_templates.errors import WorkerTemplatesError
from flask_worker_templates.model.parameters import trail_parameters
from flask_worker_templates.model.spec import WorkerTemplateSpecSchema
from flask_worker_templates.runtime.app_state import EXTENSION

_MOST = 200


def complete_names(context: click.Context, parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    """Return the names of templates that begin as it was typed; none if the database does not answer."""
    state = context.ensure_object(ScriptInfo).load_app().extensions[EXTENSION]
    try:
        names = sorted(name for name in state.store.names() if name.startswith(typed))
    except WorkerTemplatesError:
        return []
    already = context.params.get(parameter.name or "") or ()
    return [CompletionItem(name) for name in names if name not in already][:_MOST]


def complete_deleted_names(context: click.Context, parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    """Return the names of templates that were deleted last, and begin as it was typed."""
    state = context.ensure_object(ScriptInfo).load_app().extensions[EXTENSION]
    try:
        deletions = state.store.trail(trail_parameters({"action": "deleted", "page_size": _MOST}))
    except WorkerTemplatesError:
        return []
    return [CompletionItem(name) for name in sorted({event.name for event in deletions}) if name.startswith(typed)]


def complete_assignments(context: click.Context, parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    """Return the fields that can be set, each with its ``=``, then names of templates for what holds none."""
    return [CompletionItem(f"{path}=") for path in field_paths() if path.startswith(typed)]


def complete_targets(context: click.Context, parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    """Return names of templates, and fields to set."""
    return [*complete_names(context, parameter, typed), *complete_assignments(context, parameter, typed)]


def field_paths() -> list[str]:
    """Return the dotted paths of the fields of a spec."""
    paths: list[str] = []
    for name, field in WorkerTemplateSpecSchema().fields.items():
        inner = getattr(field, "nested", None)
        paths += [f"{name}.{key}" for key in field.schema.fields] if inner else [name]  # type: ignore[attr-defined]
    return paths
