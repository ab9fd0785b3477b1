"""Worker templates for Flask: seeded from files, kept in MongoDB, managed by REST, CLI and Python.

``WorkerTemplates().init_app(app)`` is where to start.
"""

from __future__ import annotations

import importlib as _importlib
import typing as _typing

from .document import WorkerTemplate
from .errors import (
    ClaimRefused,
    DatabaseRefused,
    DatabaseUnavailable,
    DuplicateNames,
    ExportRefused,
    Fault,
    InvalidFiles,
    InvalidInput,
    InvalidParameters,
    InvalidPlan,
    InvalidSpec,
    NameTaken,
    NotAllowed,
    NotReady,
    RestoreRefused,
    RevisionMismatch,
    RevisionNotFound,
    SettingsError,
    SyncRefused,
    TemplateDeprecated,
    TemplateDisabled,
    TemplateFull,
    TemplateInUse,
    TemplateKeepsChanging,
    TemplateNotFound,
    WorkerTemplatesError,
)
from .extension import WorkerTemplates
from .model.claim import Claim
from .model.records import Comparison, Deletion
from .model.scope import ALL, Scope
from .model.template import Capacity, Event, Page, PortRange, Template
from .runtime.signals import (
    template_claimed,
    template_created,
    template_deleted,
    template_released,
    template_updated,
    templates_seeded,
)
from .runtime.startup import Status

if _typing.TYPE_CHECKING:
    from .reconcile.plan import SyncPlan
    from .reconcile.seed import SeedResult
    from .reconcile.sync_result import SyncChange, SyncResult

__all__ = [
    "ALL",
    "Capacity",
    "Claim",
    "ClaimRefused",
    "Comparison",
    "DatabaseRefused",
    "DatabaseUnavailable",
    "Deletion",
    "DuplicateNames",
    "Event",
    "ExportRefused",
    "Fault",
    "InvalidFiles",
    "InvalidInput",
    "InvalidParameters",
    "InvalidPlan",
    "InvalidSpec",
    "NameTaken",
    "NotAllowed",
    "NotReady",
    "Page",
    "PortRange",
    "RestoreRefused",
    "RevisionMismatch",
    "RevisionNotFound",
    "Scope",
    "SeedResult",
    "SettingsError",
    "Status",
    "SyncChange",
    "SyncPlan",
    "SyncRefused",
    "SyncResult",
    "Template",
    "TemplateDeprecated",
    "TemplateDisabled",
    "TemplateFull",
    "TemplateInUse",
    "TemplateKeepsChanging",
    "TemplateNotFound",
    "WorkerTemplate",
    "WorkerTemplates",
    "WorkerTemplatesError",
    "template_claimed",
    "template_created",
    "template_deleted",
    "template_released",
    "template_updated",
    "templates_seeded",
]

# Results of what few processes do; loaded with the first use of their names.
_LATER = {
    "SeedResult": ".reconcile.seed",
    "SyncChange": ".reconcile.sync",
    "SyncPlan": ".reconcile.plan",
    "SyncResult": ".reconcile.sync",
}


def __getattr__(name: str) -> _typing.Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(_importlib.import_module(_LATER[name], __name__), name)
    globals()[name] = value
    return value
