"""How a template stands to its definition file, in words."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask_worker_templates.errors import DatabaseUnavailable, InvalidFiles, WorkerTemplatesError
from flask_worker_templates.model.records import Managed
from flask_worker_templates.model.template import Template

from .door import Door

if TYPE_CHECKING:
    from flask_worker_templates.reconcile.compare import TemplateDrift

log = logging.getLogger("flask_worker_templates")


@dataclass(frozen=True, slots=True)
class FileMark:
    """What the list says about the file of one template, without reading the file.

    Attributes:
        source: the file that was last applied to it; empty where none ever was.
        edited: whether it was edited here since.
    """

    source: str = ""
    edited: bool = False


def file_mark(managed: Managed | None) -> FileMark:
    """Return what is known of the file of a template from its own document."""
    from flask_worker_templates.model.spec import flatten, same
    from flask_worker_templates.reconcile.exported import leaves_of, standing

    if managed is None or (managed.base is None and managed.exported is None):
        return FileMark()
    last = leaves_of(managed.base)
    last |= {note.field: note.file for note in standing(managed.exported, managed.base)}
    return FileMark(managed.source or "a definition file", not same(last, flatten(managed.spec)))


@dataclass(frozen=True, slots=True)
class Standing:
    """How a template stands to its file.

    Attributes:
        lines: sentences.
        drifts: whether there is something to settle.
    """

    lines: tuple[str, ...]
    drifts: bool = False


_UNREADABLE = "The definition files cannot be read at the moment. The server's log says where."


def standing_of(door: Door, template: Template) -> Standing:
    """Compare a template with the definition files, which are read for it."""
    from flask_worker_templates.reconcile.one_template import drift_of

    begins = "Created from a definition file." if template.is_seeded else "Created by hand."
    try:
        ownership = door.state.ownership(door.state.read_files())
        drift = drift_of(door.store, ownership, template.id)
    except DatabaseUnavailable:
        raise
    except (InvalidFiles, WorkerTemplatesError) as error:
        log.error("A template cannot be compared with the definition files:\n%s", error)  # noqa: TRY400
        return Standing((begins, _UNREADABLE))
    if drift is None:
        return Standing((begins,))
    return Standing((begins, *_lines(drift)), drift.state.value not in ("in_sync", "unmanaged"))


def _lines(drift: TemplateDrift) -> tuple[str, ...]:  # noqa: PLR0911  # a table
    place = "" if drift.declared is None else f"{drift.declared.path}, line {drift.declared.line}"
    fields = ", ".join(field.path for field in drift.fields)
    match drift.state.value:
        case "in_sync":
            return (f"The same as in its file: {place}.",)
        case "file_changed":
            return (f"The file changed since it was last applied: {fields}.", f"Its file: {place}.")
        case "edited":
            return (f"Edited here since its file was last applied: {fields}.", f"Its file: {place}.")
        case "diverged":
            return (f"Both the file and the database changed, different fields: {fields}.", f"Its file: {place}.")
        case "conflict":
            return (f"Both the file and the database changed the same field: {fields}.", f"Its file: {place}.")
        case "orphaned":
            source = "" if drift.stored is None or not drift.stored.source else f" ({drift.stored.source})"
            return (f"Its entry is no longer in a definition file{source}.",)
        case "collision":
            return (f"A file has an entry of the same name that does not manage it: {place}.",)
    return ("In no definition file.",)
