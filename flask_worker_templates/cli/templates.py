"""The commands that seed and show templates."""

from __future__ import annotations

import click

from flask_worker_templates.model.parameters import MOST_PAGE_SIZE, Window, list_parameters
from flask_worker_templates.model.template import rfc3339
from flask_worker_templates.reconcile.seed import SeedResult
from flask_worker_templates.runtime.app_state import current_state

from .output import (
    all_items,
    command,
    config_option,
    counted,
    format_option,
    print_json,
    print_table,
    progress,
    read_files,
)


@click.command("seed-templates")
@config_option
@click.option("--dry-run", is_flag=True, help="Say what would be created, and write nothing.")
@format_option
@command
def seed_templates(paths: tuple[str, ...], dry_run: bool, kind: str) -> None:
    """Create the worker templates of the definition files that are missing from the database.

    What is in the database is never changed. Exit codes: 0 done, 1 error, 5 database not reachable.
    """
    state = current_state()
    files = read_files(state, paths)
    if not dry_run:
        state.store.prepare()
    with progress(len(files.entries), "Seeding") as advance:
        result = state.seed(files, dry_run=dry_run, progress=advance, log_warnings=False)
    for warning in result.warnings:
        click.echo(f"Warning: {warning}", err=True)
    if kind == "json":
        print_json(result.to_dict())
    else:
        _print_seeding(result)


def _print_seeding(result: SeedResult) -> None:
    for name in result.created:
        click.echo(f"{'would create' if result.dry_run else 'created'}  {name}")
    for deletion in result.respected:
        click.echo(f"deleted  {deletion.name}  (by {deletion.actor} at {rfc3339(deletion.at)}; stays deleted)")
    verb = "would be created" if result.dry_run else "created"
    click.echo(f"{len(result.created)} {verb}, {result.existing} there already.")


@click.command("list")
@format_option
@command
def list_templates(kind: str) -> None:
    """List the templates."""
    store = current_state().store
    pages = all_items(lambda page: store.page(list_parameters({"page": page, "page_size": MOST_PAGE_SIZE})))
    if kind == "json":
        print_json([template.to_dict() for template in pages])
        return
    rows = [
        (
            template.name,
            template.license_type,
            template.instance_type,
            f"{template.capacity.cpu_cores} cores",
            f"{template.capacity.memory_gb} GB",
            f"{template.max_nodes} nodes",
            "enabled" if template.enabled else "disabled",
            "seeded" if template.is_seeded else "",
            f"revision {template.revision}",
        )
        for template in pages
    ]
    print_table(rows)
    click.echo(f"{counted(rows, 'template')}." if rows else "There are no templates.", err=True)


@click.command("show")
@click.argument("name")
@format_option
@command
def show(name: str, kind: str) -> None:
    """Show one template."""
    template = current_state().store.get_by_name(name).to_dict()
    if kind == "json":
        print_json(template)
        return
    for key, value in template.items():
        if isinstance(value, dict):
            value = ", ".join(f"{inner}={one}" for inner, one in value.items())  # noqa: PLW2901
        click.echo(f"{key:22}{'' if value is None else value}".rstrip())


@click.command("claims")
@click.argument("name")
@format_option
@command
def claims(name: str, kind: str) -> None:
    """List the workers that claim a template, longest first."""
    store = current_state().store
    template_id = store.get_by_name(name).id
    found = all_items(lambda page: store.claims(template_id, Window(page, MOST_PAGE_SIZE)))
    if kind == "json":
        print_json([claim.to_dict() for claim in found])
        return
    rows = [(claim.worker_id, rfc3339(claim.claimed_at), claim.actor) for claim in found]
    print_table(rows)
    click.echo(f"{counted(rows, 'claim')}." if rows else "No worker claims it.", err=True)
