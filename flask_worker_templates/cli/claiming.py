"""The commands about claims: which workers use a template."""

from __future__ import annotations

import click

from flask_worker_templates.errors import WorkerTemplatesError
from flask_worker_templates.model.claim import Claim
from flask_worker_templates.model.parameters import MOST_PAGE_SIZE, Window, worker_id_of
from flask_worker_templates.model.template import rfc3339
from flask_worker_templates.runtime.app_state import current_state

from .ages import age
from .changes import Change, change_output_option, try_each
from .completion import complete_names
from .find_templates import find
from .output import VERSION, all_items, command, counted, examples, output_option, print_json, print_table, say
from .table import Column


@click.command("claims")
@click.argument("name", shell_complete=complete_names)
@output_option("table", "wide", "name", "json")
@command
@examples(
    "flask worker-templates claims gpu-nightly",
)
def claims(name: str, kind: str) -> None:
    """List the workers that claim a template, longest first."""
    store = current_state().store
    template_id = find(store, name).id
    found: list[Claim] = all_items(lambda page: store.claims(template_id, Window(page, MOST_PAGE_SIZE)))
    if kind == "json":
        print_json({"version": VERSION, "claims": [claim.to_dict() for claim in found]})
    elif kind == "name":
        for claim in found:
            click.echo(claim.worker_id)
    else:
        print_table(_columns(exact=kind == "wide"), found)
        say(f"{counted(found, 'claim')}." if found else "No worker claims it.")


def _columns(*, exact: bool) -> list[Column[Claim]]:
    return [
        Column("WORKER", lambda c: c.worker_id, narrowest=12),
        Column(
            "CLAIMED", lambda c: rfc3339(c.claimed_at) if exact else age(c.claimed_at), lambda c: rfc3339(c.claimed_at)
        ),
        Column("ACTOR", lambda c: c.actor, narrowest=8, rank=1),
    ]


@click.command("claim")
@click.argument("name", shell_complete=complete_names)
@click.argument("worker")
@change_output_option
@command
@examples(
    "flask worker-templates claim gpu-nightly i-0abc123",
)
def claim(name: str, worker: str, kind: str) -> int:
    """Register a worker's use of a template, which then cannot be deleted."""
    state = current_state()

    def write(worker: str) -> Change:
        template = find(state.store, name)
        _, outcome = state.store.claim(template.id, worker_id_of(worker), actor=state.hooks.actor())
        status = "claimed" if outcome == "made" else "renewed"
        return Change(template.name, status, template.id, template.revision, note=f"by {worker}", worker_id=worker)

    return try_each([worker], write, kind=kind)


@click.command("release")
@click.argument("name", shell_complete=complete_names)
@click.argument("workers", nargs=-1, required=True, metavar="WORKER...")
@change_output_option
@command
@examples(
    "flask worker-templates release gpu-nightly i-0abc123 i-0def456",
)
def release(name: str, workers: tuple[str, ...], kind: str) -> int:
    """End the use of a template by workers, such as machines that are gone."""
    state = current_state()
    template = find(state.store, name)

    def write(worker: str) -> Change:
        if not state.store.release(template.id, worker_id_of(worker), actor=state.hooks.actor()):
            raise NoSuchClaim(f"The worker {worker!r} does not claim {template.name!r}.")
        return Change(template.name, "released", template.id, template.revision, note=f"by {worker}", worker_id=worker)

    return try_each(workers, write, kind=kind, doing="Releasing")


class NoSuchClaim(WorkerTemplatesError, LookupError):
    """The worker does not claim the template."""
