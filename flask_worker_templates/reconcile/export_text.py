"""Export as text: the database as a definition file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

import marshmallow as ma

from flask_worker_templates.errors import HostSchemaError
from flask_worker_templates.files.definition_text import EntryTexts, Kind, pieces_of
from flask_worker_templates.model.fields import nfc
from flask_worker_templates.model.rules import SpecRules
from flask_worker_templates.model.spec import Spec
from flask_worker_templates.store.store import Store

from .export_plan import LISTED, why_no_file_may_hold


class TextExport:
    """The database as a definition file: all templates, sorted by name, defaults left out.

    Args:
        store: what holds the templates.
        kind: of the file.

    Attributes:
        left_out: by name, why a template is not in it; complete once all `pieces` were taken.
    """

    def __init__(self, store: Store, kind: Kind = "yaml") -> None:
        self._store = store
        self._rules = store.rules
        self._kind = kind
        self._undeclared = Undeclared(self._rules)
        self.left_out: dict[str, str] = {}

    def pieces(self) -> Iterator[str]:
        """Yield the text, of which no more is held than one batch of templates.

        Raises:
            DuplicateNames: if the database holds several templates of one name.
            DatabaseUnavailable: if MongoDB does not do its part within the time limit.
        """
        return pieces_of(self._entries(), self._kind)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What else is not in it, in sentences; complete once all `pieces` were taken."""
        return tuple(self._undeclared.sentences())

    def _entries(self) -> Iterator[str]:
        texts = EntryTexts(self._kind, self._rules, self._rules.field_today)
        found: Iterable[Spec] = self._store.specs()
        if self._store.has_other_spellings():  # such names get another place in the order
            found = sorted(found, key=lambda spec: nfc(spec["name"]))
        for stored in found:
            self._undeclared.look_at(stored)
            try:
                entry = texts.entry(stored)
            except (ma.ValidationError, HostSchemaError):
                spec = self._rules.today(stored)
                if reason := why_no_file_may_hold(spec, self._rules):
                    self.left_out[spec["name"]] = reason
                    continue
                entry = texts.entry(spec)
            yield entry


class Undeclared:
    """Which keys of ``extra`` are in no file, because the app does not declare them (any more)."""

    def __init__(self, rules: SpecRules) -> None:
        self._rules = rules
        self._holders = defaultdict[str, list[str]](list)

    def look_at(self, stored: Spec) -> None:
        """Note the keys of one template."""
        for key in self._rules.extra.unknown(stored["extra"]):
            self._holders[key].append(stored["name"])

    def sentences(self) -> Iterator[str]:
        """Yield a sentence for each key, with the first of those that hold it."""
        for key, holders in sorted(self._holders.items()):
            more = f" and {len(holders) - LISTED} more" if len(holders) > LISTED else ""
            yield (
                f"extra.{key} of {', '.join(map(repr, holders[:LISTED]))}{more} is not exported, because this app does "
                "not declare it. The database keeps it."
            )
