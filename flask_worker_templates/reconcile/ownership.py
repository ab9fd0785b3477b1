"""Whose a template is: which set of definition files it belongs to, and which file of the set it came from.

Several apps may keep their templates in one database, each with files of its own. Each names its set
(``WORKER_TEMPLATES_FILE_SET``), a template remembers the set and the file that it came from, and every command leaves
the templates of other sets alone.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from flask_worker_templates.files.load import FileSet
from flask_worker_templates.model.records import Managed


@dataclass(frozen=True)
class Ownership:
    """What belongs to the files of one command.

    Attributes:
        file_set: the name of their set.
        root: the directory of the app, which sources are relative to.
        files: what was read.
    """

    file_set: str
    root: Path
    files: FileSet
    _normal: dict[str, str] = field(default_factory=dict, repr=False, compare=False)

    def source_of(self, path: str) -> str:
        """Return the source that a template of one of the files remembers.

        Args:
            path: of the file, as `FileSet` has it.
        """
        return self._by_path[path]

    def normal(self, source: str | None) -> str | None:
        """Return a stored source in normal form: spellings of one path are no difference."""
        if source is None:
            return None
        if source not in self._normal:
            self._normal[source] = normal_source(self.root.absolute() / source, root=self.root)
        return self._normal[source]

    @cached_property
    def _by_path(self) -> Mapping[str, str]:
        return {file.path: normal_source(file.absolute_path, root=self.root) for file in self.files.files}

    @cached_property
    def sources(self) -> Collection[str]:
        """The sources of all files that were read."""
        return frozenset(self._by_path.values())

    @cached_property
    def names(self) -> Collection[str]:
        """The names of all entries."""
        return {entry.spec["name"] for entry in self.files.entries}

    def owns(self, template: Managed) -> bool:
        """Tell whether a template came from this set.

        One without a set, which an older version wrote, counts as of this set if the files hold its name, or its
        source is one that they cover.
        """
        if template.base is None:
            return template.exported is not None and template.exported.file_set == self.file_set
        if template.file_set is not None:
            return template.file_set == self.file_set
        held = template.base["name"] in self.names or template.spec["name"] in self.names
        return held or self.covers(template.source)

    def covers(self, source: str | None) -> bool:
        """Tell whether a source was read just now, or lies where these files are looked for and is not there."""
        source = self.normal(source)
        if source is None:
            return False
        if source in self.sources:
            return True
        place = self.root / source
        return not os.path.lexists(place) and self.files.looks_at(place)


def normal_source(path: Path, *, root: Path) -> str:
    """Return a path as a template remembers it: normalised, links not resolved, relative where it is below `root`.

    Args:
        path: absolute.
        root: the directory of the app.
    """
    top, absolute = os.path.normpath(root.absolute()), os.path.normpath(path)
    return os.path.relpath(absolute, top) if Path(absolute).is_relative_to(top) else absolute
