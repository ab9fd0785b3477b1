"""The app's own business: workers, launched from templates and kept in its own MongoDB collection."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

import mongoengine as me

from flask_worker_templates import Template, TemplateDisabled, TemplateNotFound, WorkerTemplate, WorkerTemplates

templates = WorkerTemplates()


class NothingFits(LookupError):
    """No enabled template has what the worker needs."""


class Worker(me.Document):  # type: ignore[misc]
    """A worker that runs. It references the template that it was launched from, and holds a claim on it."""

    meta: ClassVar[dict[str, Any]] = {"collection": "workers", "ordering": ["started_at"]}

    id = me.StringField(primary_key=True)
    template = me.LazyReferenceField(WorkerTemplate, required=True)
    template_revision = me.IntField(required=True)
    address = me.StringField(required=True)
    started_at = me.DateTimeField(required=True)

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
        TemplateNotFound, TemplateDisabled: if there is no such template, or it is disabled.
    """
    return _launch(templates.get_by_name(name))


def launch_by_needs(needs: Mapping[str, Any]) -> Worker:
    """Launch a worker from the cheapest template that fits.

    Args:
        needs: arguments of `WorkerTemplates.select`.

    Raises:
        NothingFits: if none does.
    """
    for template in templates.select(**needs):
        try:
            return _launch(template)
        except (TemplateNotFound, TemplateDisabled):
            continue  # deleted or disabled since it was selected: the next one
    raise NothingFits("No enabled template has what this worker needs.")


def _launch(template: Template) -> Worker:
    worker_id = f"worker-{secrets.token_hex(4)}"
    # The claim comes first: from here on the template cannot be deleted. A machine without a claim could lose its
    # template; a claim without a machine, left by a crash in between, is released by hand.
    templates.claim(template.id, worker_id)
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


def stop(worker: Worker) -> None:
    """Stop a worker, and release its claim on the template."""
    cloud.stop(worker.id)
    with contextlib.suppress(TemplateNotFound):
        templates.release(worker.template.pk, worker.id)
    worker.delete()
