"""The command that seeds."""

from __future__ import annotations

import click

from flask_worker_templates.model.template import rfc3339
from flask_worker_templates.reconcile.seed import SeedResult
from flask_worker_templates.runtime.app_state import current_state

from . import terminal
from .output import VERSION, chosen_files, command, config_option, examples, format_option, print_json, progress, warn


@click.command("seed-templates")
@config_option
@click.option("--dry-run", is_flag=True, help="Say what would be created, and write nothing.")
@format_option
@command
@examples(
    "flask seed-templates --dry-run",
)
def seed_templates(paths: tuple[str, ...], dry_run: bool, kind: str) -> None:
    """Create the worker templates of the definition files that are missing from the database.

    What is in the database is never changed.

    Exit codes: 0 done, 1 error, 5 database not reachable.
    """
    state = current_state()
    files = chosen_files(state, paths)
    if not dry_run:
        state.store.make_indexes(wait=True)
        state.store.look_over()
    with progress(len(files.entries), "Seeding") as advance:
        result = state.seed(files, dry_run=dry_run, progress=advance, log_warnings=False)
    for warning in result.warnings:
        warn(warning)
    if kind == "json":
        print_json({"version": VERSION, **result.to_dict()})
    else:
        _print_seeding(result)


def _print_seeding(result: SeedResult) -> None:
    for name in result.created:
        terminal.echo(f"{'would create' if result.dry_run else 'created'}  {name}")
    for deletion in result.respected:
        terminal.echo(f"deleted  {deletion.name}  (by {deletion.actor} at {rfc3339(deletion.at)}; stays deleted)")
    verb = "would be created" if result.dry_run else "created"
    terminal.echo(f"{len(result.created)} {verb}, {result.existing} already present.")
