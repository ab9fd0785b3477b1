"""Specs that a person typed or piped in: YAML or JSON, one or several, as a definition file or bare."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from flask_worker_templates.errors import Fault, InvalidFiles, InvalidSpec
from flask_worker_templates.files.parse_json import parse_json
from flask_worker_templates.files.parse_yaml import parse_yaml
from flask_worker_templates.files.parsed import Parsed, describe
from flask_worker_templates.model.spec import Spec
from flask_worker_templates.runtime.app_state import current_state

_MAX_BYTES = 10_000_000
_BESIDE_TEMPLATES = ("templates", "$schema")


def read_source(source: str) -> tuple[str, str]:
    """Return the text of a file, or of standard input for ``-``, and its name for people.

    Raises:
        InvalidFiles: if it cannot be read.
    """
    name = "standard input" if source == "-" else source
    try:
        data = sys.stdin.buffer.read(_MAX_BYTES + 1) if source == "-" else _read_file(source)
        if len(data) > _MAX_BYTES:
            raise InvalidFiles([Fault(name, None, None, None, "Larger than 10 MB.")])
        return data.decode("utf-8-sig"), name
    except UnicodeDecodeError:
        raise InvalidFiles([Fault(name, None, None, None, "Not valid UTF-8: save it as UTF-8.")]) from None
    except OSError as error:
        raise InvalidFiles([Fault(name, None, None, None, f"{error.strerror or error}.")]) from None


def _read_file(path: str) -> bytes:
    with Path(path).open("rb") as file:
        return file.read(_MAX_BYTES + 1)


def parse_specs(text: str, name: str, stored: Spec | None = None) -> list[Spec]:
    """Return the specs of a text in normal form.

    Args:
        text: YAML or JSON: a spec, a list of them, or a definition file.
        name: of where it came from, for people.
        stored: the spec that it takes the place of, see `SpecRules.normalize`.

    Raises:
        InvalidFiles: with every fault and its place.
    """
    parsed = parse_json(text, locate=True) if text.lstrip()[:1] in ("{", "[") else parse_yaml(text, locate=True)
    faults = [Fault(name, problem.line, problem.column, None, problem.message) for problem in parsed.problems]
    specs: list[Spec] = []
    if parsed.complete:
        for path, data in _entries(parsed.value, name):
            try:
                specs.append(current_state().rules.normalize(data, stored))
            except InvalidSpec as error:
                faults += _faults(parsed, name, path, error)
    if not specs and not faults:
        faults.append(Fault(name, None, None, None, "There is no template in it."))
    if faults:
        raise InvalidFiles(faults)
    return specs


def _entries(value: Any, name: str) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Yield each entry with its path in the document."""
    if isinstance(value, dict) and "templates" in value:
        unknown = [key for key in value if key not in _BESIDE_TEMPLATES and not str(key).startswith("x-")]
        if unknown:
            raise InvalidFiles([Fault(name, None, None, str(key), "Unknown field.") for key in unknown])
        inner = value["templates"]
        prefix: tuple[str, ...] = ("templates",)
        if not isinstance(inner, list):
            raise InvalidFiles([Fault(name, None, None, "templates", "Must be a list of templates.")])
    elif isinstance(value, list):
        inner, prefix = value, ()
    elif isinstance(value, dict):
        yield (), value
        return
    else:
        found = "nothing" if value is None else describe(value)
        raise InvalidFiles([Fault(name, None, None, None, f"Must be a template, not {found}.")])
    for number, entry in enumerate(inner):
        yield (*prefix, number), entry


def _faults(parsed: Parsed, name: str, path: tuple[str | int, ...], error: InvalidSpec) -> Iterator[Fault]:
    for inner, message in _leaves(error.errors):
        place, _, _ = parsed.find((*path, *inner))
        yield Fault(name, place.line, place.column, ".".join(inner) or None, message)


def _leaves(errors: Mapping[Any, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    for key, inner in errors.items():
        deeper = path if key == "_schema" else (*path, str(key))
        if isinstance(inner, Mapping):
            yield from _leaves(inner, deeper)
        else:
            for message in [inner] if isinstance(inner, str) else inner:
                yield deeper, str(message)
