"""The loop of writes of claims: on a template that the guard, if there is one, has seen.

A guard sees the template as this process remembers it, and the command demands that it still is so; else it sees the
template as it is read. So workers renew their leases by one command, whatever the host's authorizer looks at.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from flask_worker_templates.errors import TemplateNotFound
from flask_worker_templates.model.scope import Scope

from .connection import Collections, DatabaseAccess, Document
from .decoding import CHECKED, decoded
from .known import Known, unchanged
from .loop import Guard, write_on_condition, write_unseen
from .queries import all_of, scope_conditions
from .raw_reads import find_raw
from .soundness import check_template
from .stored_claims import check_claims
from .stored_form import Found, check_presented
from .stored_types import Malformed

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Seen:
    """A template that a claim is to be written on.

    Attributes:
        key: the condition on it: its id, and with a guard that it still is as the guard has seen it.
        document: it with the worker's claim, as it was read for a guard; None where nothing was read.
        is_known: whether the guard has seen it as it is remembered: where it is not so any more, it is to be read.
    """

    key: Document
    document: Document | None = None
    is_known: bool = False

    @classmethod
    def of(cls, found: Found) -> Seen:
        """Return a template as a guard has seen it."""
        key, document = {"_id": found.document["_id"]}, found.document
        if found.is_known:
            return cls({**key, **unchanged(document)}, is_known=True)
        return cls({**key, "revision": document["revision"]}, document)


def write_claims(
    access: DatabaseAccess,
    template_id: str,
    worker_id: str,
    write: Callable[[Collections, Seen], R | None],
    *,
    scope: Scope,
    guard: Guard | None,
) -> R:
    """Write on the claims of a template once the guard allows it, and again where another writer was faster.

    Args:
        access: the way to the database; all commands together have one time limit.
        template_id: which template.
        worker_id: whose claim.
        write: carries it out, and looks at the scope; returns the result, or None where it is to be tried again.
        scope: what the guard may be shown.
        guard: raises where it is not allowed.

    Raises:
        TemplateNotFound: if the template is outside the scope, or none.
        TemplateKeepsChanging: if the guard would have to be asked too often.
        DatabaseUnavailable: if MongoDB does not do its part within the time limit.
    """
    if guard is None:
        return write_unseen(access, lambda db: write(db, Seen({"_id": template_id})))
    return write_on_condition(
        access,
        read=partial(_read, template_id=template_id, worker_id=worker_id, scope=scope),
        decide=lambda _: None,
        write=lambda db, found, _: write(db, Seen.of(found)),
        scope=scope,
        guard=guard,
        remembered=partial(Known.of, template_id=template_id),
    )


def _read(db: Collections, template_id: str, worker_id: str, scope: Scope) -> Document:
    """Read a template with a worker's claim, and remember it."""
    db.known.forget(template_id)
    shown = {**CHECKED, "claims": {"$elemMatch": {"worker_id": worker_id}}}
    inside = all_of([{"_id": template_id}, *scope_conditions(scope)])
    found = find_raw(db.templates_guarded, inside, shown, limit=1)
    if not found:
        raise TemplateNotFound(template_id)
    document = {"_id": template_id, **decoded(found[0])}
    check_sound(db, document)
    with suppress(Malformed):  # a damaged event keeps nobody from working
        check_template(document)
        db.known.note_written(document)
    return document


def check_sound(db: Collections, document: Document) -> None:
    """Return if a document is a template, as far as it is presented, and its claims here are claims.

    Raises:
        TemplateNotFound: if not.
    """
    try:
        check_presented(document)
        if "claims" in document:
            check_claims(document)
    except Malformed as error:
        db.census.met_template(document, error)
        raise TemplateNotFound(str(document["_id"])) from None
