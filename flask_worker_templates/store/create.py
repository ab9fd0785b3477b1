"""Creating templates: one, or all of many whose names are free."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from pymongo.errors import DuplicateKeyError

from flask_worker_templates.model.records import Origin, Seed
from flask_worker_templates.model.spec import Spec
from flask_worker_templates.model.template import Action, Template

from .commit import copy_event, insert_new, new_document
from .connection import Document
from .loop import check_inside
from .names import name_taken
from .part import Part
from .stored_form import Found

Progress = Callable[[int], None]
"""Told how many items were just dealt with."""

_CHUNK = 1000  # documents in one insert


class Creations(Part):
    """The part of the store that creates templates."""

    def create(
        self,
        spec: Spec,
        *,
        actor: str,
        action: Action = "created",
        message: str | None = None,
        origin: Origin | None = None,
        guard: Callable[[Template], None] | None = None,
    ) -> Template:
        """Create a template from a spec in normal form.

        Args:
            spec: of the template.
            actor: who.
            action: what the audit trail calls it.
            message: why.
            origin: where it comes from, if that is a file.
            guard: given the template that would be created, raises where it may not be.

        Raises:
            NameTaken: if a template of this name exists.
            NotAllowed: if it would be outside the scope.
        """
        check_inside(self._scope, spec)
        document = new_document(spec, actor=actor, action=action, message=message, origin=origin)
        new = Found(document, spec)
        if guard is not None:
            guard(new.template)
        with self._access.operation() as db:
            if db.census.spellings(spec["name"]):  # the unique index tells the forms of one name apart
                raise name_taken(db, spec["name"], self._scope)
            try:
                db.templates_guarded.insert_one(document)
            except DuplicateKeyError:
                raise name_taken(db, spec["name"], self._scope) from None
            copy_event(db, document["last_event"], self._copied)
        self._tell(document["last_event"], document)
        return new.template

    def create_missing(
        self, seeds: Sequence[Seed], *, actor: str, message: str | None = None, progress: Progress | None = None
    ) -> list[str]:
        """Create templates whose names are free, and return the names of those that this call created.

        Who else creates the same at the same time does no harm: each name is created once, by one of them.
        """
        chunks = [seeds[start : start + _CHUNK] for start in range(0, len(seeds), _CHUNK)]
        created: list[str] = []
        # Two chunks at a time, so that this process makes the documents of one while the server writes those of the
        # other. One alone, which is what most have, needs no thread, and none is started.
        with ThreadPoolExecutor(max_workers=2) as pool:
            insert = pool.map if len(chunks) > 1 else map
            for chunk, won in zip(chunks, insert(partial(self._insert, actor, message), chunks), strict=True):
                for document in won:
                    self._tell(document["last_event"], document)
                created += [document["name"] for document in won]
                if progress is not None:
                    progress(len(chunk))
        return created

    def _insert(self, actor: str, message: str | None, seeds: Sequence[Seed]) -> list[Document]:
        documents = [
            new_document(
                seed.spec,
                actor=actor,
                action="seeded",
                message=message,
                origin=Origin(seed.spec, seed.source, seed.file_set),
            )
            for seed in seeds
        ]
        for seed in seeds:
            check_inside(self._scope, seed.spec)
        with self._access.operation() as db:  # a time limit for each chunk, however many there are
            return insert_new(db, documents)
