"""Taking over what others wrote: bare templates in files or in a collection, with other names for their fields.

Reads and plans; the command ``import`` asks, and creates. Nothing is changed at the source.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flask_worker_templates.errors import HostSchemaError, InvalidSpec
from flask_worker_templates.files.load import is_json
from flask_worker_templates.files.parse_json import parse_json
from flask_worker_templates.files.parse_yaml import parse_yaml
from flask_worker_templates.files.paths import FoundFile, Unusable, find_files, read_bytes
from flask_worker_templates.model.rules import SpecRules
from flask_worker_templates.model.spec import Spec

_LISTS = ("templates", "worker_templates")
"""Keys at the top of a file below which there is a list of templates."""


@dataclass(frozen=True, slots=True)
class Given:
    """One thing that may become a template.

    Attributes:
        origin: where it is from.
        data: what it holds.
        problem: why it cannot be read; empty if it can.
    """

    origin: str
    data: Any = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Shape:
    """How what others wrote becomes a spec. All paths are dotted.

    Attributes:
        maps: path to the path that it has in a spec.
        defaults: path to the value that it gets where it is missing.
        ignored: paths that are left out.
    """

    maps: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    ignored: Sequence[str] = ()

    def applied(self, data: Any) -> Any:
        """Return what is to be checked as a spec; `data` is not changed."""
        if not isinstance(data, dict):
            return data
        result: dict[str, Any] = copy.deepcopy(data)
        for path in ("_id", *self.ignored):
            _take(result, path)
        taken = {after: _take(result, before) for before, after in self.maps.items()}
        for path, value in taken.items():
            if value is not _ABSENT:
                _put(result, path, value)
        for path, value in self.defaults.items():
            if _find(result, path) is _ABSENT:
                _put(result, path, value)
        return result


@dataclass(frozen=True, slots=True)
class Takeover:
    """What an import would do.

    Attributes:
        creates: each spec to create, and where it is from.
        present: names that the database has already.
        unfit: where what does not fit is from, with each reason.
    """

    creates: tuple[tuple[Spec, str], ...]
    present: tuple[str, ...]
    unfit: tuple[tuple[str, tuple[str, ...]], ...]


def plan_takeover(found: Iterable[Given], shape: Shape, rules: SpecRules, names: Iterable[str]) -> Takeover:
    """Return what becomes of what was found; nothing is created in part.

    Args:
        found: what was read.
        shape: how it becomes specs.
        rules: of a spec in the app.
        names: those that the database has.
    """
    taken, first = set(names), dict[str, str]()
    creates: list[tuple[Spec, str]] = []
    present: list[str] = []
    unfit: list[tuple[str, tuple[str, ...]]] = []
    for one in found:
        if one.problem:
            unfit.append((one.origin, (one.problem,)))
            continue
        try:
            spec = rules.normalize(shape.applied(one.data))
        except InvalidSpec as error:
            reasons = tuple(f"{path}: {text}" if path else text for path, text in error.flat())
            unfit.append((one.origin, reasons))
            continue
        except HostSchemaError as error:
            unfit.append((one.origin, (str(error),)))
            continue
        name = spec["name"]
        if name in first:
            unfit.append((one.origin, (f"name: {name!r} is also the name of {first[name]}.",)))
        elif name in taken:
            present.append(name)
        else:
            creates.append((spec, one.origin))
        first.setdefault(name, one.origin)
    return Takeover(tuple(creates), tuple(present), tuple(unfit))


def from_files(paths: Sequence[str], *, root: Path) -> Iterator[Given]:
    """Yield what files hold: one bare template, a list of them, or a list below ``templates`` or ``worker_templates``.

    What cannot be read is yielded with the reason why.
    """
    for found in find_files(paths, root=root):
        if not isinstance(found, FoundFile):
            yield Given(found.path, problem=found.message)
            continue
        try:
            text = read_bytes(found.real_path).decode("utf-8-sig")
        except (Unusable, UnicodeDecodeError) as error:
            yield Given(found.path, problem=str(error))
            continue
        parsed = (parse_json if is_json(found.path) else parse_yaml)(text)
        if parsed.problems:
            for problem in parsed.problems:
                yield Given(f"{found.path}:{problem.line}:{problem.column}", problem=problem.message)
            continue
        yield from _entries(found.path, parsed.value)


def _entries(path: str, value: Any) -> Iterator[Given]:
    key = next((key for key in _LISTS if isinstance(value, dict) and isinstance(value.get(key), list)), None)
    if key is not None or isinstance(value, list):
        for number, one in enumerate(value if key is None else value[key], 1):
            yield Given(f"{path}, template {number}", one)
    else:
        yield Given(path, value)


_ABSENT: Any = object()


def _find(data: Any, path: str) -> Any:
    for key in path.split("."):
        if not isinstance(data, dict) or key not in data:
            return _ABSENT
        data = data[key]
    return data


def _take(data: dict[str, Any], path: str) -> Any:
    """Remove a value and return it; a mapping that this leaves empty goes too."""
    key, _, rest = path.partition(".")
    if not rest:
        return data.pop(key, _ABSENT)
    inner = data.get(key)
    if not isinstance(inner, dict):
        return _ABSENT
    value = _take(inner, rest)
    if value is not _ABSENT and not inner:
        del data[key]
    return value


def _put(data: dict[str, Any], path: str, value: Any) -> None:
    *outer, last = path.split(".")
    for key in outer:
        inner = data.get(key)
        if not isinstance(inner, dict):
            inner = data[key] = {}
        data = inner
    data[last] = value
