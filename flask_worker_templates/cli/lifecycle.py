"""The commands ``rename``, ``delete``, ``restore`` and ``revert``."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterable

import click

from flask_worker_templates.errors import RevisionMismatch, TemplateNotFound
from flask_worker_templates.model.parameters import Paging
from flask_worker_templates.model.template import Template
from flask_worker_templates.runtime.app_state import AppState, current_state
from flask_worker_templates.store.audit import event_id

from .changes import (
    Change,
    confirmed,
    only_revision,
    print_nothing,
    try_each,
    yes_option,
)
from .completion import complete_deleted_names, complete_names
from .find_templates import find, find_deletion
from .output import counted, examples, say
from .update import Update, update_command
from .where_from import where_from

_SHOWN_CLAIMS = 5


@click.command("rename")
@click.argument("name", shell_complete=complete_names)
@click.argument("new")
@update_command
@examples(
    "flask worker-templates rename gpu-nightly gpu-weekly",
)
def rename(name: str, new: str, update: Update) -> int:
    """Give a template another name; its id and its history stay.

    If it comes from a definition file, it says what that file still holds, and how to settle it.
    """
    state = current_state()

    def write(key: str) -> Change:
        template = find(state.store, key)
        done = update.write(state, template, lambda spec: state.rules.patched(spec, {"name": new}))
        if done.status == "unchanged":
            return done
        return dataclasses.replace(done, hints=_file_hints(state, state.store.get(template.id), template.name))

    return try_each([name], write, kind=update.kind)


def _file_hints(state: AppState, template: Template, old: str) -> list[str]:
    item = where_from(state, template).item
    if item is None or item["renamed_from"] is None:
        return []
    said = (
        f"{item['source']} still has it as {old!r}, and seeding would create that one again. To settle it, run "
        "`flask worker-templates export --write`, which renames the entry in the file, or rename it there yourself."
    )
    return [said]


@click.command("delete")
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=complete_names)
@yes_option
@update_command
@examples(
    'flask worker-templates delete m4-old m4-older -m "Out of support"',
)
def delete(names: tuple[str, ...], yes: bool, update: Update) -> int:
    """Delete templates that no worker uses.

    It says which templates these are and who uses them, and asks. A template that is in use is not deleted.

    Exit codes: 0 deleted, 1 error, 4 in use or not at --if-revision.
    """
    state = current_state()
    if not yes:
        found = _announced(state, dict.fromkeys(names))
        if found and not confirmed(f"Delete {counted(found, 'template')}?", yes=yes):
            return print_nothing(update.kind)

    def write(name: str) -> Change:
        deleted = state.store.delete(
            find(state.store, name).id,
            actor=state.hooks.actor(),
            message=update.message,
            allowed=only_revision(update.if_revision),
            guard=state.hooks.usage_guard,
        )
        hint = f"`flask worker-templates restore {shlex.quote(name)}` brings it back."
        return dataclasses.replace(Change.of(None, deleted, status="deleted"), hints=[] if len(names) > 1 else [hint])

    return try_each(names, write, kind=update.kind, doing="Deleting")


def _announced(state: AppState, names: Iterable[str]) -> int:
    """Say of each template what its deletion means, and return how many there are to delete."""
    found, unknown = 0, []
    for name in names:
        try:
            template = find(state.store, name)
        except TemplateNotFound as error:
            unknown.append(str(error))
        else:
            say(_before_deletion(state, template))
            found += 1
    for said in unknown if found else ():  # else there is no question, and it is said as the result
        say(said)
    return found


def _before_deletion(state: AppState, template: Template) -> str:
    claims = state.store.claims(template.id, Paging(1, _SHOWN_CLAIMS))
    used = "no worker claims it"
    if claims:
        more = ", …" if claims.total > len(claims) else ""
        verb = "claims" if claims.total == 1 else "claim"
        workers = ", ".join(claim.worker_id for claim in claims)
        used = f"{counted(claims.total, 'worker')} {verb} it: {workers}{more}"
    item = where_from(state, template).item
    file = (
        f"; {item['path']}:{item['line']} still has it, so seeding may create it again" if item and item["path"] else ""
    )
    return f"{template.name} (revision {template.revision}): {used}{file}."


@click.command("restore")
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=complete_deleted_names)
@update_command
@examples('flask worker-templates restore gpu-nightly -m "Deleted by mistake"')
def restore(names: tuple[str, ...], update: Update) -> int:
    """Bring deleted templates back, each with its id and its history.

    NAME is the name that it had, or its id. Of several deleted templates of one name, the last one is brought back.
    """
    state = current_state()

    def write(key: str) -> Change:
        deletion = find_deletion(state.store, key)
        if update.if_revision not in (None, deletion.revision):
            raise RevisionMismatch(deletion.template_id, deletion.revision)
        restored = state.store.restore(
            deletion.template_id,
            actor=state.hooks.actor(),
            message=update.message,
            deletion=event_id(deletion.template_id, deletion.revision),
        )
        return Change.of(None, restored, status="restored")

    return try_each(names, write, kind=update.kind, doing="Restoring")


@click.command("revert")
@click.argument("name", shell_complete=complete_names)
@click.option(
    "--to", "revision", type=click.IntRange(min=1), required=True, metavar="N", help="The revision to go back to."
)
@update_command
@examples(
    "flask worker-templates revert gpu-nightly --to 3",
)
def revert(name: str, revision: int, update: Update) -> int:
    """Make a new revision with the fields of an earlier one."""
    state = current_state()

    def write(key: str) -> Change:
        template = find(state.store, key)
        after = state.store.revert(
            template.id,
            revision,
            actor=state.hooks.actor(),
            message=update.message,
            allowed=only_revision(update.if_revision),
        )
        return Change.of(template, after)

    return try_each([name], write, kind=update.kind)
