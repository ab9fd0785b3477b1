"""How one template differs from its definition file, read without any other files but those its entry is joined to."""

from __future__ import annotations

from flask_worker_templates.model.records import Managed
from flask_worker_templates.model.scope import ALL
from flask_worker_templates.store.store import Store

from .compare import TemplateDrift, compare
from .ownership import Ownership
from .sync_plan import in_todays_form
from .within_scope import hidden_names


def drift_of(store: Store, ownership: Ownership, template_id: str) -> TemplateDrift | None:
    """Return how a template stands, as a plan of all says; None where it is not there, or the scope leaves it out.

    Args:
        store: what holds the templates.
        ownership: valid definition files, and the set that they belong to.
        template_id: which one.

    Raises:
        DatabaseUnavailable: if MongoDB does not do its part within the time limit.
    """
    whole = store.within(ALL)
    found = whole.overviews([template_id]).get(template_id)
    if found is None:
        return None
    one = found.managed
    names = _names(one)
    joined = [other for other in whole.renamed(sorted(names)) if other.id != one.id]
    stored = in_todays_form((one, *joined), store.rules)
    names |= {name for template in joined for name in _names(template)}
    entries = [entry for entry in ownership.files.entries if entry.spec["name"] in names]
    if not store.scope.everything:
        hidden = hidden_names([entry.spec for entry in entries], stored, {}, store.scope, ())
        entries = [entry for entry in entries if entry.spec["name"] not in hidden]
        stored = [template for template in stored if template.spec["name"] not in hidden]
    drifts = compare(entries, stored, {}, ownership)
    return next((drift for drift in drifts if drift.stored is not None and drift.stored.id == template_id), None)


def _names(template: Managed) -> set[str]:
    """Return the names that the entry of a template may have."""
    names = {str(template.spec["name"])}
    if template.base is not None:
        names.add(str(template.base["name"]))
    if template.exported is not None and template.exported.name is not None:
        names.add(template.exported.name)
    return names
