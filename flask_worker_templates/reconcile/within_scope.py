"""What of a comparison a scope may see.

A name whose entry, base or template is outside is left out whole: it is in no state and no count, and nothing of it is
written. So is every name that is joined to it, because a template was renamed from one to the other.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from flask_worker_templates.files.load import FileSet, SourceFile
from flask_worker_templates.model.records import Deletion, Managed
from flask_worker_templates.model.scope import Scope
from flask_worker_templates.model.spec import Spec


def hidden_names(
    entries: Iterable[Spec],
    stored: Sequence[Managed],
    deletions: Mapping[str, Deletion],
    scope: Scope,
    deleted_inside: Collection[str],
) -> set[str]:
    """Return the names that a scope leaves out.

    Args:
        entries: the specs of all entries of the files.
        stored: every template of the database.
        deletions: by the name of its entry, the newest deletion of each template that came from a file.
        scope: what may be seen.
        deleted_inside: ids of deleted templates whose last state is inside.
    """
    hidden = {entry["name"] for entry in entries if not scope.contains(entry)}
    hidden |= {name for name, deletion in deletions.items() if deletion.template_id not in deleted_inside}
    joined: list[set[str]] = []
    for template in stored:
        specs = [template.spec, *([] if template.base is None else [template.base])]
        names = {spec["name"] for spec in specs}
        if template.exported is not None and template.exported.name is not None:
            names.add(template.exported.name)
        if not all(scope.contains(spec) for spec in specs):
            hidden |= names
        elif len(names) > 1:
            joined.append(names)
    spread = True
    while spread:
        more = set().union(*(names for names in joined if names & hidden)) - hidden
        hidden |= more
        spread = bool(more)
    return hidden


def shown_files(files: FileSet, hidden: Collection[str]) -> tuple[SourceFile, ...]:
    """Return the files as a scope may see them.

    A file that holds hidden names alone is not named, and the digest of one that holds some is that of the others.
    """
    left: dict[str, list[Spec]] = {}
    for entry in files.entries:
        if entry.spec["name"] not in hidden:
            left.setdefault(entry.path, []).append(entry.spec)
    return tuple(
        replace(file, sha256=hashlib.sha256(json.dumps(left[file.path]).encode()).hexdigest())
        for file in files.files
        if file.path in left
    )
