"""The commands about claims: which workers use which template."""

from __future__ import annotations

from typing import Any

import click

from flask_worker_templates.errors import InvalidParameters, WorkerTemplatesError
from flask_worker_templates.files.parsed import printable
from flask_worker_templates.model.ages import age
from flask_worker_templates.model.claim import MAX_TTL_SECONDS, MIN_TTL_SECONDS, Claim
from flask_worker_templates.model.claim_parameters import (
    ClaimsSchema,
    claim_parameters,
    claims_parameters,
    worker_id_of,
)
from flask_worker_templates.model.parameters import MAX_PAGE_SIZE
from flask_worker_templates.model.template import rfc3339
from flask_worker_templates.runtime.app_state import current_state

from . import terminal
from .changes import Change, change_output_option, try_each
from .completion import complete_names
from .filter_options import options_of, usage_error
from .find_templates import find
from .output import VERSION, all_items, command, counted, examples, output_option, print_json, print_table, say
from .table import Column
from .terminal import Meaning


@click.command("claims")
@click.argument("name", required=False, shell_complete=complete_names)
@options_of(ClaimsSchema(), skipped=frozenset({"page", "page_size", "template"}))
@output_option("table", "wide", "name", "json")
@command
@examples("flask worker-templates claims gpu-nightly", "flask worker-templates claims --outdated")
def claims(name: str | None, filters: dict[str, Any], kind: str) -> None:
    """List the claims of one template, or of all: which workers use them.

    A claim is outdated if the template has changed since, in a field that matters to a machine.
    """
    store = current_state().store
    asked = dict(filters)
    if name is not None:
        asked["template"] = find(store, name).name
    try:
        found: list[Claim] = all_items(
            lambda page: store.all_claims(claims_parameters({**asked, "page": page, "page_size": MAX_PAGE_SIZE}))
        )
    except InvalidParameters as error:
        raise usage_error(error) from None
    if kind == "json":
        print_json({"version": VERSION, "claims": [claim.to_dict() for claim in found]})
    elif kind == "name":
        for claim in found:
            terminal.echo(claim.worker_id)
    else:
        print_table(_columns(of_all=name is None, exact=kind == "wide"), found)
        none = "No claims found." if filters or name is None else "No worker claims it."
        say(f"{counted(found, 'claim')}." if found else none)


def _columns(*, of_all: bool, exact: bool) -> list[Column[Claim]]:
    template: list[Column[Claim]] = [Column("TEMPLATE", lambda c: c.template_name or "", narrowest=12)]
    return [
        *(template if of_all else []),
        Column("WORKER", lambda c: c.worker_id, narrowest=12),
        Column("STATE", _state, meaning=_meaning),
        Column("REVISION", lambda c: "" if c.revision is None else str(c.revision), right=True, rank=2),
        Column(
            "CLAIMED", lambda c: rfc3339(c.claimed_at) if exact else age(c.claimed_at), lambda c: rfc3339(c.claimed_at)
        ),
        Column(
            "EXPIRES",
            lambda c: "" if c.expires_at is None else rfc3339(c.expires_at) if exact else age(c.expires_at),
            lambda c: "" if c.expires_at is None else rfc3339(c.expires_at),
            rank=1,
        ),
        Column("ACTOR", lambda c: c.actor, narrowest=8, rank=3),
        Column("CHANGED SINCE", lambda c: ", ".join(map(printable, c.changed)), narrowest=13, rank=4),
    ]


def _state(claim: Claim) -> str:
    return "expired" if claim.expired else "outdated" if claim.outdated else "live"


def _meaning(claim: Claim) -> Meaning:
    return "quiet" if claim.expired else "careful" if claim.outdated else "good"


@click.command("claim")
@click.argument("name", shell_complete=complete_names)
@click.argument("worker")
@click.option(
    "--ttl",
    type=click.IntRange(MIN_TTL_SECONDS, MAX_TTL_SECONDS),
    metavar="SECONDS",
    help="End the claim after this time, unless it is renewed.",
)
@click.option("--endless", is_flag=True, help="Turn the worker's lease into a claim without an end.")
@click.option("--revision", type=click.IntRange(min=1), metavar="N", help="The revision that the worker runs.")
@change_output_option
@command
@examples("flask worker-templates claim gpu-nightly i-0abc123 --ttl 300")
def claim(*, name: str, worker: str, ttl: int | None, endless: bool, revision: int | None, kind: str) -> int:
    """Register a worker's use of a template, which then cannot be deleted, or renew it."""
    if endless and ttl is not None:
        raise click.UsageError("Give --ttl or --endless, not both.")
    state = current_state()
    asked = {"ttl_seconds": ttl} if endless or ttl is not None else {}
    if revision is not None:
        asked["revision"] = revision

    def write(worker: str) -> Change:
        template = find(state.store, name)
        _, outcome = state.store.claim(
            template.id, worker_id_of(worker), actor=state.hooks.actor(), **claim_parameters(asked)
        )
        status = {"made": "claimed", "renewed": "renewed", "unchanged": "unchanged"}[outcome]
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
