"""The filters of the API as options of commands, made from the parameters' schemas: a new one appears by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click
import marshmallow as ma
from click.shell_completion import CompletionItem
from marshmallow import fields, validate

from flask_worker_templates.errors import InvalidParameters
from flask_worker_templates.model.parameters import ListSchema
from flask_worker_templates.model.query_fields import QueryBoolean
from flask_worker_templates.model.rules import STANDARD

from .completion import complete_extra, complete_names, rules_of

F = TypeVar("F", bound=Callable[..., Any])

_PAGING = frozenset({"page", "page_size", "sort", "after"})
_NAMES = {
    "worker_id": ["--worker"],
    "enabled": ["--enabled/--disabled"],
    "is_seeded": ["--seeded/--not-seeded"],
    "label": ["-l", "--label"],
}
"""Options that are not called as their parameters."""
_COMPLETED = {"name": complete_names, "template": complete_names, "name_prefix": complete_names}

_list = ListSchema()
SORTS: tuple[str, ...] = tuple(
    choice for rule in _list.fields["sort"].validators if isinstance(rule, validate.OneOf) for choice in rule.choices
)
"""The orders of a list."""


def filter_options(function: F) -> F:
    """Add the filters of the list of templates to a command; it gets them as ``filters``, with what was given."""
    return options_of(_list, skipped=_PAGING)(_extra_option(function))


def select_options(function: F) -> F:
    """Add the needs of a selection to a command; it gets them as ``filters``, with what was given."""
    return options_of(STANDARD.select_schema, skipped=frozenset({"explain"}))(_extra_option(function))


def _extra_option(function: F) -> F:
    """Add the filters by fields of the app's own, which are known only once there is an app."""

    def keep(context: click.Context, option: click.Parameter, value: tuple[str, ...]) -> None:
        filters = context.params.setdefault("filters", {})
        for condition in value:
            key, equals, wanted = condition.partition("=")
            if not equals:
                raise click.BadParameter("Must be key=value.", context, option)
            filters.setdefault(f"extra.{key}", []).append(wanted)

    return click.option(
        "--extra",
        multiple=True,
        metavar="KEY=VALUE",
        callback=keep,
        expose_value=False,
        shell_complete=complete_extra,
        help="Value of a custom field. Repeatable: any of the values of one field.",
    )(function)


def options_of(schema: ma.Schema, *, skipped: frozenset[str] = _PAGING, into: str = "filters") -> Callable[[F], F]:
    """Add an option for each parameter of a schema; the command gets those that were given as one mapping.

    Args:
        schema: of the parameters.
        skipped: the names of those that the command does not take.
        into: the argument of the command.
    """
    shown = {name: field for name, field in schema.fields.items() if name not in skipped}

    def add(function: F) -> F:
        for name, field in reversed(shown.items()):
            function = _option(name, field, into)(function)
        return function

    return add


def _option(name: str, field: fields.Field[Any], into: str) -> Callable[[F], F]:
    def keep(context: click.Context, option: click.Parameter, value: Any) -> None:
        filters = context.params.setdefault(into, {})
        if value is not None and value != ():
            filters[name] = list(value) if isinstance(value, tuple) else value

    word = name.replace("_", "-")
    described = field.metadata.get("description", "").replace("`", "")
    many = isinstance(field, fields.List)
    if isinstance(field, QueryBoolean):
        declared = _NAMES.get(name, [f"--{word}/--not-{word}"])
        return click.option(*declared, default=None, callback=keep, expose_value=False, help=described)
    return click.option(
        *_NAMES.get(name, [f"--{word}"]),
        multiple=many,
        metavar="KEY=VALUE" if name == "label" else _metavar(field),
        callback=keep,
        expose_value=False,
        shell_complete=_COMPLETED.get(name) or _complete_choices(name, field),
        help=described + (" Repeatable." if many and "epeat" not in described else ""),
    )


def _metavar(field: fields.Field[Any]) -> str:
    return "N" if isinstance(field, fields.Integer) else "TEXT"


def _complete_choices(name: str, declared: fields.Field[Any]) -> Callable[..., list[CompletionItem]]:
    def complete(context: click.Context, option: click.Parameter, typed: str) -> list[CompletionItem]:
        field = rules_of(context).list_schema.fields.get(name, declared)  # an app may have choices of its own
        inner = field.inner if isinstance(field, fields.List) else field
        choices = [str(one) for rule in inner.validators if isinstance(rule, validate.OneOf) for one in rule.choices]
        return [CompletionItem(one) for one in choices if one.startswith(typed)]

    return complete


def usage_error(error: InvalidParameters) -> click.UsageError:
    """Return the error of a parameter as that of the option which it came from."""
    said = [f"{option_of(path)}: {text}" for path, text in error.flat()]
    return click.UsageError("\n".join(said), click.get_current_context())


def option_of(path: str) -> str:
    """Return the option that a parameter is on the command line, given the path of an error."""
    parameter, _, inner = path.partition(".")
    if parameter == "extra":
        return f"--extra {inner.partition('.')[0]}"
    return _NAMES.get(parameter, [f"--{parameter.replace('_', '-')}"])[-1].partition("/")[0]
