"""What the shell completes: names of templates, and the fields of a spec."""

from __future__ import annotations

from typing import Any

import click
from click.shell_completion import CompletionItem
from flask.cli import ScriptInfo

from flask_worker_templates.errors import WorkerTemplatesError
from flask_worker_templates.model.parameters import trail_parameters
from flask_worker_templates.model.rules import SpecRules
from flask_worker_templates.model.spec import FIELDS, NESTED
from flask_worker_templates.runtime.app_state import EXTENSION

_MAX = 200


def complete_names(context: click.Context, parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    """Return the names of templates that begin as it was typed; none if the database does not answer."""
    state = _state(context)
    try:
        names = sorted(name for name in state.store.names() if name.startswith(typed))
    except WorkerTemplatesError:
        return []
    already = context.params.get(parameter.name or "") or ()
    return [CompletionItem(name) for name in names if name not in already][:_MAX]


def complete_deleted_names(context: click.Context, parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    """Return the names of templates that were deleted last, and begin as it was typed."""
    state = _state(context)
    try:
        deletions = state.store.trail(trail_parameters({"action": "deleted", "page_size": _MAX}))
    except WorkerTemplatesError:
        return []
    return [CompletionItem(name) for name in sorted({event.name for event in deletions}) if name.startswith(typed)]


def complete_assignments(context: click.Context, parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    """Return the fields that can be set, each with its ``=``, then names of templates for what holds none."""
    return [CompletionItem(f"{path}=") for path in field_paths(rules_of(context)) if path.startswith(typed)]


def complete_extra(context: click.Context, parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    """Return the fields of the app's own that a list can be filtered by, each with its ``=``."""
    return [CompletionItem(f"{key}=") for key in rules_of(context).extra.filters if key.startswith(typed)]


def complete_targets(context: click.Context, parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    """Return names of templates, and fields to set."""
    return [*complete_names(context, parameter, typed), *complete_assignments(context, parameter, typed)]


def field_paths(rules: SpecRules) -> list[str]:
    """Return the dotted paths of the fields of a spec, those of the app's own too."""
    paths: list[str] = []
    for name in FIELDS:
        keys = rules.extra.keys if name == "extra" else NESTED.get(name, ())
        paths += [f"{name}.{key}" for key in keys] or [name]
    return paths


def rules_of(context: click.Context) -> SpecRules:
    """Return the rules of a spec in the app whose command is completed."""
    rules: SpecRules = _state(context).rules
    return rules


def _state(context: click.Context) -> Any:
    return context.ensure_object(ScriptInfo).load_app().extensions[EXTENSION]
