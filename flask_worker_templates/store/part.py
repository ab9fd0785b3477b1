"""What the parts of the store share: the way to the database, and who is told of changes."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Literal, Self

from flask_worker_templates.model.claim import Claim
from flask_worker_templates.model.rules import STANDARD, SpecRules
from flask_worker_templates.model.scope import ALL, Scope

from .claim_rules import ClaimRules
from .commit import Copied
from .connection import DatabaseAccess, Document
from .queries import all_of, scope_conditions

Observer = Callable[[Document, Document], None]
"""Told of every change after its write: the event, and the document after it (for a deletion, before it)."""

ClaimObserver = Callable[[Literal["claimed", "released"], Claim, Document, str], None]
"""Told of every claim that was made or ended: the claim, the document of its template, and the actor."""


class Part:
    """One part of a `Store`.

    Args:
        access: the way to the database.
        observer: told of every change after its write.
        rules: those of claims.
        spec_rules: those of a spec in this app.
        claim_observer: told of every claim after it was made or ended.
    """

    def __init__(
        self,
        access: DatabaseAccess,
        observer: Observer | None = None,
        *,
        rules: ClaimRules | None = None,
        spec_rules: SpecRules = STANDARD,
        claim_observer: ClaimObserver | None = None,
    ) -> None:
        self.rules = spec_rules
        self._access = access
        self._rules = rules or ClaimRules()
        self._claim_observer = claim_observer
        self._observer = observer
        self._copied = Copied()
        self._scope = ALL

    def within(self, scope: Scope) -> Self:
        """Return this store as a request of this scope may use it: what is outside is not there, for any method."""
        if scope == self._scope:
            return self
        bound = copy.copy(self)
        bound._scope = scope  # noqa: SLF001  # another of this very class
        return bound

    @property
    def scope(self) -> Scope:
        """What can be seen and touched through this store."""
        return self._scope

    def _inside(self, query: Document) -> Document:
        """Return a query of templates that finds none outside the scope."""
        return all_of([query, *scope_conditions(self._scope)])

    def _tell(self, event: Document, document: Document) -> None:
        if self._observer is not None:
            self._observer(event, document)

    def _tell_claim(self, what: Literal["claimed", "released"], claim: Claim, document: Document, actor: str) -> None:
        if self._claim_observer is not None:
            self._claim_observer(what, claim, document, actor)
