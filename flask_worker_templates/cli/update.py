"""The one way in which commands change the spec of a template, or of many."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from flask_worker_templates.errors import InvalidParameters
from flask_worker_templates.model.spec import Spec
from flask_worker_templates.model.template import Template
from flask_worker_templates.runtime.app_state import AppState, current_state

from .changes import (
    Change,
    announce,
    change_output_option,
    confirmed,
    message_option,
    only_revision,
    print_changes,
    print_nothing,
    revision_option,
    try_each,
    yes_option,
)
from .exit_codes import OK
from .filter_options import filter_options, usage_error
from .find_templates import find, find_all
from .output import command, say

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Update:
    """How a command changes templates.

    Attributes:
        message: why.
        if_revision: the only revision that may be changed.
        kind: how to print.
    """

    message: str | None
    if_revision: int | None
    kind: str

    def write(self, state: AppState, template: Template, change: Callable[[Spec], Spec]) -> Change:
        """Change one template.

        Raises:
            InvalidSpec, NameTaken, RevisionMismatch, TemplateNotFound: as the store.
        """
        after = state.store.update(
            template.id,
            change,
            actor=state.hooks.actor(),
            message=self.message,
            allowed=only_revision(self.if_revision),
        )
        return Change.of(template, after)

    def patch_each(self, names: Sequence[str], patch: Mapping[str, Any]) -> int:
        """Apply a merge patch to each of some templates, and return the exit code."""
        state = current_state()

        def write(name: str) -> Change:
            return self.write(state, find(state.store, name), lambda spec: state.rules.patched(spec, patch))

        return try_each(names, write, kind=self.kind)


@dataclass(frozen=True, slots=True)
class Targets:
    """Which templates a command changes: those that are named, those of filters, or all.

    Attributes:
        filters: parameters of the list.
        every: all of them.
        yes: do not ask.
    """

    filters: Mapping[str, Any]
    every: bool
    yes: bool

    def patch(self, names: Sequence[str], patch: Mapping[str, Any], update: Update, what: str) -> int:
        """Apply a merge patch; for filters and all after saying which templates these are, and asking.

        Args:
            names: those that are named.
            patch: the merge patch.
            update: how.
            what: what is done, as a verb.

        Returns:
            The exit code.

        Raises:
            UsageError: if nothing was chosen, or in two ways.
        """
        if bool(names) + bool(self.filters) + self.every != 1:
            raise click.UsageError("Name the templates, or choose them by filters, or say --all.")
        if names:
            return update.patch_each(names, patch)
        try:
            found = [(template.id, template.name) for template in find_all(current_state().store, self.filters)]
        except InvalidParameters as error:
            raise usage_error(error) from None
        if not found:
            say("No templates found.")
            print_changes([], update.kind)
            return OK
        announce([name for _, name in found], what)
        if not confirmed("Go on?", yes=self.yes):
            return print_nothing(update.kind)
        # By id: a name may belong to another template by then.
        return update.patch_each([template_id for template_id, _ in found], patch)


def update_command(function: F) -> Callable[..., None]:
    """Make a function that gets an ``update`` the callback of a command, with the options of one that writes."""
    return message_option()(_with_update(function))


def targeted_command(function: F) -> Callable[..., None]:
    """Make a function that gets ``targets`` and an ``update`` the callback of a command, with the options of both."""
    return message_option()(targeted_without_message(function))


def targeted_without_message(function: F) -> Callable[..., None]:
    """Do the same without the option ``--message``, for a command that has one of another meaning."""

    def with_targets(*, filters: dict[str, Any], every: bool, yes: bool, **rest: Any) -> int:
        code: int = function(targets=Targets(filters, every, yes), **rest)
        return code

    with_targets.__doc__ = function.__doc__
    all_option = click.option("--all", "every", is_flag=True, help="All templates.")
    return filter_options(all_option(yes_option(_with_update(with_targets))))


def _with_update(function: Callable[..., int]) -> Callable[..., None]:
    def with_update(*, message: str | None, if_revision: int | None, kind: str, **rest: Any) -> int:
        return function(update=Update(message, if_revision, kind), **rest)

    with_update.__doc__ = function.__doc__
    return revision_option(change_output_option(command(with_update)))
