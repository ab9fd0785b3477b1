"""The one loop of every write that may have to be repeated: read, decide, write on condition.

What the host decides (its authorizer, its usage check) is asked between the reading and the writing, so that a write
takes the same commands with and without it. It is the host's code, which takes its own time: the database's time limit
stands still meanwhile, and there is a bound of its own on how often it is asked.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from flask_worker_templates.errors import NotAllowed, RevisionMismatch, TemplateKeepsChanging, TemplateNotFound
from flask_worker_templates.model.scope import Scope
from flask_worker_templates.model.spec import Spec, same
from flask_worker_templates.model.template import Template

from .connection import Collections, DatabaseAccess, Document, TimeLimit
from .known import Known
from .stored_form import Found

R = TypeVar("R")

Precondition = Callable[[int], bool]
"""Given the current revision, whether the change may be made (If-Match)."""

Guard = Callable[[Template, Template | None], None]
"""Given the template as it is and as it would be, raises where the change is not allowed.

The second one is None for a deletion, a claim and a release, and the first one itself where nothing would change.
"""

MAX_ROUNDS = 50
"""The most times that a guard is asked about one write."""


def attempts() -> Iterator[None]:
    """Yield for each attempt at a write that others may be faster at; a time limit must end it.

    A lost race means that another writer got through, so that all of them together go forward; the growing random
    pause lets many of them pass one after the other instead of all at once.
    """
    pause = 0.0005
    while True:
        yield
        time.sleep(random.uniform(0, pause))  # noqa: S311
        pause = min(pause * 2, 0.05)


def write_unseen(access: DatabaseAccess, write: Callable[[Collections], R | None]) -> R:
    """Write without reading first, where the command itself looks at what it needs, and again where it found it moving.

    Args:
        access: the way to the database; all rounds together have one time limit.
        write: carries it out, and returns the result, or None where it is to be tried again.

    Raises:
        DatabaseUnavailable: if MongoDB does not do its part within the time limit.
    """
    limit = access.time_limit()
    for _ in attempts():
        with access.operation(limit) as db:
            result = write(db)
        if result is not None:
            return result
    raise AssertionError  # pragma: no cover  # attempts never ends by itself


def write_on_condition(
    access: DatabaseAccess,
    *,
    read: Callable[[Collections], Document],
    decide: Callable[[Found], Spec | None],
    write: Callable[[Collections, Found, Spec | None], R | None],
    scope: Scope,
    allowed: Precondition | None = None,
    guard: Guard | None = None,
    remembered: Callable[[Known], Document | None] | None = None,
) -> R:
    """Write what is decided about a template as it is, and again from the start where another writer was faster.

    Args:
        access: the way to the database; all reads and writes together have one time limit.
        read: returns the template's document.
        decide: given the template, returns the spec that it is to have, or None where it is not about that.
        write: carries it out if the document is still as it was found, and returns the result; else None.
        scope: what may be touched: the template as it is, and as it would be.
        allowed: whether the change may be made to a revision.
        guard: asked before the write, and again only where the template's revision has moved.
        remembered: returns the document as this process remembers it, if it does: tried first, without reading.

    Raises:
        TemplateNotFound: if the template is outside the scope.
        NotAllowed: if it would be.
        RevisionMismatch: if `allowed` says no.
        TemplateKeepsChanging: if the guard would have to be asked too often.
        DatabaseUnavailable: if MongoDB does not do its part within the time limit.
    """
    limit = access.time_limit()
    ask = _Asking(guard) if guard is not None else None
    if remembered is not None:
        done = _write_as_known(
            access, remembered, decide=decide, write=write, scope=scope, allowed=allowed, ask=ask, limit=limit
        )
        if done is not None:
            return done
    for _ in attempts():
        with access.operation(limit) as db:
            found = Found(read(db))
        if not _is_inside(scope, found):
            raise TemplateNotFound(found.document["_id"])
        with limit.stopped():
            spec = _decided(found, decide, scope, allowed, ask)
        with access.operation(limit) as db:
            result = write(db, found, spec)
        if result is not None:
            return result
    raise AssertionError  # pragma: no cover  # attempts never ends by itself


def _write_as_known(
    access: DatabaseAccess,
    remembered: Callable[[Known], Document | None],
    *,
    decide: Callable[[Found], Spec | None],
    write: Callable[[Collections, Found, Spec | None], R | None],
    scope: Scope,
    allowed: Precondition | None,
    ask: _Asking | None,
    limit: TimeLimit,
) -> R | None:
    """Write on a template as it is remembered; None where there is any doubt: then it is read, and all decided anew."""
    with access.operation(limit) as db:
        known = remembered(db.known)
    if known is None:
        return None
    found = Found(known, is_known=True)
    if (allowed is not None and not allowed(known["revision"])) or not _is_inside(scope, found):
        return None
    try:
        with limit.stopped():
            spec = _decided(found, decide, scope, None, ask)
    except Exception:  # what is refused, is refused for the document as it is
        return None
    with access.operation(limit) as db:
        return write(db, found, spec)


def _decided(
    found: Found,
    decide: Callable[[Found], Spec | None],
    scope: Scope,
    allowed: Precondition | None,
    ask: _Asking | None,
) -> Spec | None:
    try:
        if allowed is not None and not allowed(found.document["revision"]):
            raise RevisionMismatch(found.document["_id"], found.document["revision"])
        spec = decide(found)
        if spec is not None:
            check_inside(scope, spec)
    except Exception:
        if ask is not None:  # who may not make the change is told that, whatever else is wrong with it
            ask(found, None, unchanged=True)
        raise
    if ask is not None:
        ask(found, spec)
    return spec


def _is_inside(scope: Scope, found: Found) -> bool:
    return scope.everything or scope.contains(found.spec)


def check_inside(scope: Scope, spec: Spec) -> None:
    """Return if a template that is to have this spec would be inside.

    Raises:
        NotAllowed: if not.
    """
    if not scope.contains(spec):
        raise NotAllowed("You are not allowed to have a worker template like this: it would be outside your scope.")


class _Asking:
    """Asks a guard once for each revision, and not again about what it was asked before."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._rounds = 0
        self._passed: int | None = None
        self._asked: tuple[Template, Template | None] | None = None
        self._refusal: Exception | None = None

    def __call__(self, found: Found, spec: Spec | None, *, unchanged: bool = False) -> None:
        revision = found.document["revision"]
        if revision == self._passed:
            return
        template, after = found.template, None
        if unchanged or (spec is not None and same(spec, found.spec)):
            after = template
        elif spec is not None:
            after = found.changed_to(spec)
        # As it is remembered it may well be what it is.
        if self._asked is None or not all(map(_is_same, self._asked, (template, after))):
            self._ask(template, after)
        if self._refusal is not None:
            raise self._refusal
        if not found.is_known:
            self._passed = revision

    def _ask(self, template: Template, after: Template | None) -> None:
        if self._rounds == MAX_ROUNDS:
            raise TemplateKeepsChanging(template.id, self._rounds)
        self._rounds += 1
        self._asked, self._refusal = (template, after), None
        try:
            self._guard(template, after)
        except Exception as error:
            self._refusal = error


def _is_same(one: Template | None, other: Template | None) -> bool:
    if one is None or other is None:
        return one is other
    return one == other and same(one.spec, other.spec)  # to a guard, true is not 1
