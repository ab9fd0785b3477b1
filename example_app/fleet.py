"""The app's own business: workers, launched from templates and kept in its own MongoDB collection."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

import mongoengine as me
from marshmallow import Schema, fields, validate

from flask_worker_templates import (
    Claim,
    ClaimRefused,
    Template,
    TemplateNotFound,
    WorkerTemplate,
    WorkerTemplates,
)

LEASE_SECONDS = 10
"""How long a claim holds without being renewed. A real fleet takes minutes; here one wants to see it end."""


class FleetFields(Schema):
    """The fields that this app adds to a template: its `extra`."""

    gpu_count = fields.Integer(
        strict=True, load_default=0, validate=validate.Range(0, 16), metadata={"description": "GPUs of one machine."}
    )
    region = fields.String(
        load_default="eu-central",
        validate=validate.OneOf(["eu-central", "us-east"]),
        metadata={"description": "Where its machines are."},
    )


templates = WorkerTemplates(extra=FleetFields)


class NothingFits(LookupError):
    """No template has what the worker needs.

    Attributes:
        reasons: by the name of each template, why not.
    """

    def __init__(self, reasons: Mapping[str, str]) -> None:
        super().__init__("No template fits this worker.")
        self.reasons = reasons


class Worker(me.Document):  # type: ignore[misc]
    """A worker. It references the template that it was launched from, and holds a claim on it."""

    meta: ClassVar[dict[str, Any]] = {"collection": "workers", "ordering": ["started_at"]}

    id = me.StringField(primary_key=True)
    template = me.LazyReferenceField(WorkerTemplate, required=True)
    template_revision = me.IntField(required=True)
    address = me.StringField(required=True)
    started_at = me.DateTimeField(required=True)
    ended = me.StringField(default="")  # why its machine does not run any more; empty while it runs

    @property
    def template_name(self) -> str:
        """The name that its template has now."""
        try:
            return str(self.template.fetch().name)
        except me.DoesNotExist:  # an admin has ended the claim through the API, and then deleted the template
            return "(deleted)"

    def to_dict(self) -> dict[str, Any]:
        """Return the worker for JSON."""
        return {
            "id": self.id,
            "template": self.template_name,
            "template_revision": self.template_revision,
            "address": self.address,
            "started_at": self.started_at.isoformat(timespec="seconds") + "Z",
            "ended": self.ended or None,
        }


class Cloud:
    """Stands in for a cloud provider: its machines are there at once, and cost nothing."""

    def start(self, worker_id: str, template: Template) -> str:
        """Start a machine of the template's instance type, and return its address (of RFC 5737's network)."""
        host = int.from_bytes(worker_id.encode(), "big") % 254 + 1
        return f"192.0.2.{host}:{template.port_range.start}"

    def stop(self, worker_id: str) -> None:
        """Stop a machine; one that is gone already is no error."""


cloud = Cloud()


def launch_by_name(name: str) -> Worker:
    """Launch a worker from the template of this name.

    Raises:
        TemplateNotFound, ClaimRefused: if there is no such template, or it is disabled, deprecated or full.
    """
    return _launch(templates.get_by_name(name))


def launch_by_needs(needs: Mapping[str, Any]) -> Worker:
    """Launch a worker from the cheapest template that fits.

    Args:
        needs: arguments of `WorkerTemplates.select`.

    Raises:
        NothingFits: if none does.
        InvalidParameters: if a need has a value that it cannot have.
    """
    selection = templates.select(**needs, explain=True)
    reasons = {other.template.name: " ".join(other.reasons) for other in selection.others}
    for template in selection:
        try:
            return _launch(template)
        except (TemplateNotFound, ClaimRefused) as refused:  # it is full, or was changed since: the next one
            reasons[template.name] = str(refused)
    raise NothingFits(reasons)


def _launch(template: Template) -> Worker:
    worker_id = f"worker-{secrets.token_hex(4)}"
    # The claim comes first: from here on the template cannot be deleted. If this process dies before the worker is
    # stored, nobody renews the claim, and it ends by itself.
    templates.claim(template.id, worker_id, ttl_seconds=LEASE_SECONDS)
    try:
        worker = Worker(
            id=worker_id,
            template=template.id,
            template_revision=template.revision,
            address=cloud.start(worker_id, template),
            started_at=datetime.now(UTC).replace(tzinfo=None),
        )
        worker.save(force_insert=True)
    except BaseException:
        cloud.stop(worker_id)
        templates.release(template.id, worker_id)
        raise
    return worker


def renew(worker: Worker) -> None:
    """Renew a worker's claim; one that does not get it back any more ends."""
    try:
        templates.claim(
            worker.template.pk,
            worker.id,
            ttl_seconds=LEASE_SECONDS,
            revision=worker.template_revision,
            actor=worker.id,
        )
    except (TemplateNotFound, ClaimRefused) as refused:
        worker.update(ended=str(refused))


def stop(worker: Worker) -> None:
    """Stop a worker, and release its claim on the template."""
    cloud.stop(worker.id)
    worker.delete()
    with contextlib.suppress(TemplateNotFound):
        templates.release(worker.template.pk, worker.id)


def kill(worker: Worker) -> None:
    """Let a worker's machine die: it renews its claim no more, and releases nothing."""
    worker.update(ended="Its machine was killed.")


def claims_by_worker() -> dict[str, Claim]:
    """Return the claims of all workers, by worker id."""
    return {claim.worker_id: claim for claim in templates.all_claims()}
