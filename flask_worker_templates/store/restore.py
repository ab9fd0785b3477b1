"""Bringing a deleted template back, under its id and with its history.

There is no document that a conditional command could be about. So a restore first inserts a placeholder under the
template's id, which is no template and is taken for absent by all who read. It carries the token of the restore; who
comes later takes it over, which ends the attempt of the one before. Then the newest event must still be the deletion
that the restore began from, and one command turns the placeholder with this token into the template: the commit.

A process that dies in between leaves the placeholder, and the next restore takes it over.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from flask_worker_templates.errors import RestoreRefused, TemplateNotFound
from flask_worker_templates.model.records import Origin
from flask_worker_templates.model.spec import Spec
from flask_worker_templates.model.template import Template

from .commit import KEPT_BY_DELETION, copy_event, new_event
from .connection import Collections, Document
from .events import whole_spec
from .loop import Guard, write_on_condition
from .names import name_taken
from .part import Part
from .scoped_events import Insiders
from .stored_form import PLACEHOLDER, is_placeholder, origin_fields, template_of, to_stored

_DELETION = "deletion that is undone"  # no name that a field of a document has


class Restorations(Part):
    """The part of the store that brings deleted templates back."""

    def restore(
        self,
        template_id: str,
        *,
        actor: str,
        message: str | None = None,
        spec: Spec | None = None,
        origin: Origin | None = None,
        deletion: str | None = None,
        guard: Guard | None = None,
    ) -> Template:
        """Bring a deleted template back.

        Args:
            template_id: which one.
            actor: who.
            message: why.
            spec: that it is to have; by default the one that was deleted.
            origin: the definition file that it comes from; by default the one that it came from.
            deletion: id of the event of the deletion that is undone; by default the newest.
            guard: raises where it may not be restored; asked about its last state.

        Raises:
            TemplateNotFound: if there never was such a template.
            RestoreRefused: if it is not deleted, or others restored it at the same time.
            NameTaken: if its name belongs to another template by now.
            TemplateKeepsChanging: if the guard would have to be asked too often.
        """
        event_of = partial(new_event, actor=actor, action="restored", message=message)
        document, event = write_on_condition(
            self._access,
            read=self._deletion_reader(template_id, deletion),
            decide=lambda found: found.spec if spec is None else spec,
            write=lambda db, found, wanted: self._bring_back(db, found.document, wanted, origin, event_of),
            scope=self._scope,
            guard=guard,
        )
        self._tell(event, document)
        return template_of(document)

    def _deletion_reader(self, template_id: str, deletion: str | None) -> Callable[[Collections], Document]:
        """Return what reads the last state of a deleted template, for as long as it is the same deletion."""
        began: str | None = None

        def read(db: Collections) -> Document:
            nonlocal began
            if template_id not in Insiders(db, self._scope).among([template_id]):
                raise TemplateNotFound(template_id)  # that it is not deleted is not for everybody
            newest = _deletion(db, template_id)
            # A lost token starts again for the same deletion only.
            if began not in {None, newest["token"]} or deletion not in {None, newest["_id"]}:
                raise RestoreRefused(template_id, "was restored and deleted by others at the same time")
            began = newest["token"]
            return _last_state(db, newest)

        return read

    def _bring_back(
        self,
        db: Collections,
        document: Document,
        spec: Spec | None,
        origin: Origin | None,
        event_of: Callable[..., Document],
    ) -> tuple[Document, Document] | None:
        """Return the restored document and its event, or None where another writer was faster."""
        assert spec is not None  # noqa: S101  # a restore decides on one
        undone = document[_DELETION]
        restored = _restored(document, spec, origin)
        managed = restored["base"] is not None
        event = event_of(restored["_id"], undone["revision"] + 1, spec, managed=managed, after=undone)
        restored |= {"revision": event["revision"], "updated_at": event["at"], "last_event": event}
        if not self._replace_placeholder(db, restored, undone["token"]):
            return None
        copy_event(db, event, self._copied)
        return restored, event

    def _replace_placeholder(self, db: Collections, restored: Document, deletion: str) -> bool:
        """Commit, if no other restore is ahead, and the deletion is still the newest event."""
        template_id, token = restored["_id"], str(ObjectId())
        if not _hold_place(db, template_id, token):
            return False
        ours = {"_id": template_id, "restoring": token}
        newest = _newest(db, template_id)
        if newest is None or newest["token"] != deletion:
            db.templates_guarded.delete_one(ours)
            return False
        try:
            return bool(db.templates_guarded.replace_one(ours, restored).matched_count)
        except DuplicateKeyError:
            db.templates_guarded.delete_one(ours)
            raise name_taken(db, restored["name"], self._scope) from None


def _hold_place(db: Collections, template_id: str, token: str) -> bool:
    """Insert the placeholder, or take over the one that is there; False where the template is back."""
    placeholder = {"_id": template_id, "restoring": token, "name": PLACEHOLDER + template_id}
    try:
        db.templates_guarded.insert_one(placeholder)
    except DuplicateKeyError:
        taken = db.templates_guarded.update_one(
            {"_id": template_id, "restoring": {"$exists": True}}, {"$set": {"restoring": token}}
        )
        return bool(taken.matched_count)
    return True


def _newest(db: Collections, template_id: str) -> Document | None:
    return db.events_guarded.find_one({"template_id": template_id}, sort=[("revision", -1)])


def _deletion(db: Collections, template_id: str) -> Document:
    # In this order: the event of a deletion is there before the document is gone.
    there = db.templates_guarded.find_one({"_id": template_id}, {"name": 1})
    if there is not None and not is_placeholder(there.get("name")):
        raise RestoreRefused(template_id, "is not deleted")
    newest = _newest(db, template_id)
    if newest is None or not db.census.sound_events([newest]):
        raise TemplateNotFound(template_id)
    if newest["action"] != "deleted":
        raise RestoreRefused(template_id, "is being deleted or restored by others at this moment")
    return newest


def _last_state(db: Collections, deletion: Document) -> Document:
    """Return the document of a deleted template, as far as it is known."""
    template_id = deletion["template_id"]
    kept: Document = {key: deletion[key] for key in KEPT_BY_DELETION if key in deletion}
    if "is_seeded" not in kept or "created_at" not in kept:  # an older version deleted it
        first = db.events_guarded.find_one({"template_id": template_id, "revision": 1}) or deletion
        kept |= {"is_seeded": first["action"] == "seeded", "created_at": first["at"]}
    return {
        "_id": template_id,
        **to_stored(whole_spec(db, deletion)),
        "base": None,
        "source": None,
        "file_set": None,
        **kept,
        "revision": deletion["revision"],
        "updated_at": deletion["at"],
        _DELETION: deletion,
    }


def _restored(last: Document, spec: Spec, origin: Origin | None) -> Document:
    document: dict[str, Any] = {key: value for key, value in last.items() if key != _DELETION}
    document |= to_stored(spec)
    if origin is not None:
        document |= origin_fields(origin)
    return {**document, "claims": []}
