"""The columns of a list of templates."""

from __future__ import annotations

from collections.abc import Mapping

from flask_worker_templates.model.ages import age
from flask_worker_templates.model.claim import ClaimCount
from flask_worker_templates.model.template import Template, rfc3339

from .table import Column
from .terminal import Meaning


def state_of(template: Template) -> str:
    """Return whether a template can be used, in a word."""
    if not template.enabled:
        return "disabled"
    return "deprecated" if template.deprecation is not None else "enabled"


def state_meaning(template: Template) -> Meaning:
    """Return what the colour of its state says."""
    return "good" if state_of(template) == "enabled" else "careful"


def is_full(template: Template, count: ClaimCount) -> bool:
    """Tell whether a template takes no more claims."""
    return template.max_claims is not None and count.live >= template.max_claims


def claims_of(template: Template, count: ClaimCount) -> str:
    """Return how many claims a template has, and how many it may have."""
    said = str(count.live) if template.max_claims is None else f"{count.live} of {template.max_claims}"
    return f"{said} (+{count.expired} expired)" if count.expired else said


def columns(counts: Mapping[str, ClaimCount], *, wide: bool) -> list[Column[Template]]:
    """Return the columns of a list of templates.

    Args:
        counts: how many claims each template has, by its id.
        wide: with what is left out otherwise, and exact times.
    """
    shown: list[Column[Template]] = [
        Column("NAME", lambda t: t.name, narrowest=12),
        Column("TYPE", lambda t: t.instance_type, narrowest=8, rank=3),
        Column("CORES", lambda t: str(t.capacity.cpu_cores), right=True, rank=4),
        Column("MEMORY", lambda t: f"{t.capacity.memory_gb} GB", right=True, rank=5),
        Column("STORAGE", lambda t: f"{t.capacity.storage_gb} GB", right=True, rank=9),
        Column("LICENCE", lambda t: t.license_type, narrowest=6, rank=7),
        Column("NODES", lambda t: str(t.max_nodes), right=True, rank=8),
        Column(
            "CLAIMS",
            lambda t: claims_of(t, counts.get(t.id, ClaimCount())),
            meaning=lambda t: "careful" if is_full(t, counts.get(t.id, ClaimCount())) else None,
            right=True,
            rank=3,
        ),
        Column("STATE", state_of, meaning=state_meaning),
        Column("REVISION", lambda t: str(t.revision), right=True, rank=6),
    ]
    if not wide:
        changed: Column[Template] = Column(
            "CHANGED", lambda t: age(t.updated_at), lambda t: rfc3339(t.updated_at), rank=2, meaning=lambda t: "quiet"
        )
        return [*shown, changed]
    return [
        *shown,
        Column("SEEDED", lambda t: "seeded" if t.is_seeded else "by hand", rank=12),
        Column(
            "PRICE", lambda t: "" if t.cost_per_hour_usd is None else f"{t.cost_per_hour_usd:g}", right=True, rank=11
        ),
        Column("AMI", lambda t: t.ami_pattern, narrowest=8, rank=13),
        Column("PORTS", lambda t: f"{t.port_range.start}-{t.port_range.end}", rank=15),
        Column("STARTUP", lambda t: f"{t.startup_time_minutes} min", right=True, rank=16),
        Column("LABELS", lambda t: ",".join(f"{key}={value}" for key, value in t.labels.items()), narrowest=8, rank=10),
        Column("CHANGED", lambda t: rfc3339(t.updated_at), rank=14),
        Column("ID", lambda t: t.id, rank=17),
    ]
