"""The reads of the Python API."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from .errors import InvalidParameters
from .model.claim import Claim
from .model.claim_parameters import claims_parameters
from .model.parameters import Paging, page_parameters, trail_parameters
from .model.records import Comparison
from .model.selection import Selection
from .model.template import Event, Page, Template

if TYPE_CHECKING:
    pass

from .python_api import PythonApi, id_of


class PythonReads(PythonApi):
    """The part of `WorkerTemplates` that reads."""

    def get(self, template_id: str | uuid.UUID) -> Template:
        """Return a template.

        Raises:
            TemplateNotFound: if there is none with this id.
        """
        return self._ready().store.get(id_of(template_id))

    def get_by_name(self, name: str) -> Template:
        """Return the template of a name.

        Raises:
            TemplateNotFound: if there is none with this name.
        """
        return self._ready().store.get_by_name(name)

    def select(
        self,
        *,
        cpu_cores: int = 0,
        memory_gb: int = 0,
        storage_gb: int = 0,
        nodes: int = 0,
        license_type: str | None = None,
        ami: str | None = None,
        labels: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
        explain: bool = False,
    ) -> Selection:
        """Return the templates that fit: enabled, not deprecated, cheapest first, unknown prices last, ties by name.

        Long for the same reason as `list`.

        Args:
            cpu_cores: minimum number of cores.
            memory_gb: minimum memory, in GB.
            storage_gb: minimum storage, in GB.
            nodes: minimum ``max_nodes``.
            license_type: exactly this licence type.
            ami: the name of a machine image that ``ami_pattern`` must match.
            labels: labels that the template must have.
            extra: values that fields of the app's own must have; of a list, any.
            explain: read the other templates too, and say of each why it does not fit.

        Returns:
            The sequence of the templates, and in `fits` and `others` what is to be said of each.

        Raises:
            InvalidParameters: if an argument has a value that it cannot take.
        """
        asked: dict[str, Any] = {
            "cpu_cores": cpu_cores,
            "memory_gb": memory_gb,
            "storage_gb": storage_gb,
            "nodes": nodes,
            "explain": explain,
            **{f"extra.{key}": value for key, value in (extra or {}).items()},
        }
        if license_type is not None:
            asked["license_type"] = [license_type]
        if ami is not None:
            asked["ami"] = ami
        if labels:
            asked["label"] = [f"{key}={value}" for key, value in labels.items()]
        state = self._state()
        try:
            parameters = state.rules.select_parameters(asked)
        except InvalidParameters as error:
            raise _by_argument(error, labels or {}) from None
        parameters.pop("explain")
        return state.ready().store.select(parameters, explain=explain)

    def history(
        self,
        template_id: str | uuid.UUID | None = None,
        *,
        page: int = 1,
        page_size: int = 50,
        actor: str | None = None,
        action: str | None = None,
        name: str | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
    ) -> Page[Event]:
        """Return the audit trail, newest first: of one template, even if it is deleted, or of all.

        Args:
            template_id: which template; None for all.
            page: page number, from 1.
            page_size: events per page, at most 200.
            actor: only changes by this actor; for the history of all templates, as are the following.
            action: only this kind of change, such as ``updated``.
            name: only templates that had this name after the change.
            since: only changes at this time or later; an aware datetime or RFC 3339.
            until: only changes before this time.

        Raises:
            TemplateNotFound: if there never was such a template.
            InvalidParameters: if a parameter has a value that it cannot take.
        """
        filters = {"actor": actor, "action": action, "name": name, "since": since, "until": until}
        given = {key: value for key, value in filters.items() if value is not None}
        asked = trail_parameters({"page": page, "page_size": page_size, **given})
        store = self._ready().store
        if template_id is None:
            return store.trail(asked)
        if given:
            raise InvalidParameters({key: ["Only for the history of all templates."] for key in sorted(given)})
        return store.history(id_of(template_id), Paging(asked["page"], asked["page_size"]))

    def revision(self, template_id: str | uuid.UUID, revision: int) -> Event:
        """Return the event of one revision, which holds the spec that it made; also of a deleted template.

        Raises:
            TemplateNotFound, RevisionNotFound: if there never was such a template or revision.
        """
        return self._ready().store.revision(id_of(template_id), revision)

    def compare(self, template_id: str | uuid.UUID, before: int, after: int | None = None) -> Comparison:
        """Return the fields that differ between two revisions; also of a deleted template.

        Args:
            template_id: which template.
            before: one revision.
            after: the other one; by default the newest.

        Raises:
            TemplateNotFound, RevisionNotFound: if there never was such a template or revision.
        """
        return self._ready().store.compare(id_of(template_id), before, after)

    def claims(self, template_id: str | uuid.UUID, *, page: int = 1, page_size: int = 200) -> Page[Claim]:
        """Return the claims of a template, oldest first.

        Raises:
            TemplateNotFound: if there is none with this id.
            InvalidParameters: if a parameter has a value that it cannot take.
        """
        asked = page_parameters({"page": page, "page_size": page_size})
        return self._ready().store.claims(id_of(template_id), Paging(asked["page"], asked["page_size"]))

    def all_claims(
        self,
        *,
        worker_id: str | None = None,
        template: str | None = None,
        outdated: bool | None = None,
        expired: bool | None = None,
        page: int = 1,
        page_size: int = 200,
    ) -> Page[Claim]:
        """Return the claims of all templates, by template name, oldest first.

        Args:
            worker_id: only those of this worker.
            template: only those of the template of this name.
            outdated: only outdated ones, or only the others.
            expired: only leases that have ended, or only live claims.
            page: which page.
            page_size: the most claims on a page.

        Raises:
            InvalidParameters: if an argument has a value that it cannot take, or `outdated` or `expired` would have to
                look at more than 10,000 claims.
        """
        given = {"worker_id": worker_id, "template": template, "outdated": outdated, "expired": expired}
        asked = {key: value for key, value in given.items() if value is not None}
        return self._ready().store.all_claims(claims_parameters({**asked, "page": page, "page_size": page_size}))

    # Last, because inside this class its name hides the built-in one.
    def list(
        self,
        *,
        page: int = 1,
        page_size: int = 50,
        sort: str = "name",
        q: str | None = None,
        name: str | None = None,
        name_prefix: str | None = None,
        license_type: str | Sequence[str] | None = None,
        instance_type: str | None = None,
        enabled: bool | None = None,
        deprecated: bool | None = None,
        is_seeded: bool | None = None,
        label: str | Sequence[str] | None = None,
        ami: str | None = None,
        min_cpu_cores: int | None = None,
        min_memory_gb: int | None = None,
        min_storage_gb: int | None = None,
        min_nodes: int | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> Page[Template]:
        """Return one page of the templates that pass every filter. The parameters are those of the HTTP API.

        Long, because each of them is named here, so that an editor completes it and a type checker knows it.

        Args:
            page: page number, from 1.
            page_size: templates per page, at most 200.
            sort: what to sort by, such as ``name`` or ``-updated_at``; a leading ``-`` reverses the order.
            q: text in the name, description, instance type or labels; upper and lower case are the same.
            name: exactly this name.
            name_prefix: names that start with this.
            license_type: this licence type, or any of these.
            instance_type: exactly this instance type.
            enabled: only enabled, or only disabled ones.
            deprecated: only deprecated ones, or only those that are not.
            is_seeded: only seeded ones, or only ones created by hand.
            label: this label as ``key=value``, or all of these.
            ami: templates whose ``ami_pattern`` matches this image name.
            min_cpu_cores: minimum number of cores.
            min_memory_gb: minimum memory, in GB.
            min_storage_gb: minimum storage, in GB.
            min_nodes: minimum ``max_nodes``.
            extra: values that fields of the app's own have; of a list, any.

        Raises:
            InvalidParameters: if a parameter has a value that it cannot take.
        """
        filters: dict[str, Any] = {
            "q": q,
            "name": name,
            "name_prefix": name_prefix,
            "license_type": [license_type] if isinstance(license_type, str) else license_type,
            "instance_type": instance_type,
            "enabled": enabled,
            "deprecated": deprecated,
            "is_seeded": is_seeded,
            "label": [label] if isinstance(label, str) else label,
            "ami": ami,
            "min_cpu_cores": min_cpu_cores,
            "min_memory_gb": min_memory_gb,
            "min_storage_gb": min_storage_gb,
            "min_nodes": min_nodes,
            **{f"extra.{key}": value for key, value in (extra or {}).items()},
        }
        given = {key: value for key, value in filters.items() if value is not None}
        state = self._ready()
        asked = state.rules.list_parameters({"page": page, "page_size": page_size, "sort": sort, **given})
        return state.store.page(asked)


def _by_argument(error: InvalidParameters, labels: Mapping[str, str]) -> InvalidParameters:
    """Return the error of a selection by the names that its arguments have in Python."""
    errors = {"labels" if key == "label" else key: text for key, text in error.errors.items()}
    # The API takes several of these, so that its errors name a position.
    if "license_type" in errors:
        errors["license_type"] = errors["license_type"][0]
    if "labels" in errors:
        errors["labels"] = {key: errors["labels"][i] for i, key in enumerate(labels) if i in errors["labels"]}
    return InvalidParameters(errors)
