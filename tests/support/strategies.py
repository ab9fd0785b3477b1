"""Hypothesis strategies for specs: valid ones, raw and in normal form, and small edits that tend to meet."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

from hypothesis import strategies as st

from flask_worker_templates.model.fields import NAME_PATTERN, nfc
from flask_worker_templates.model.spec import LICENSE_TYPES, Spec, flatten, normalize, unflatten

UNICODE = st.characters(exclude_categories=["Cs"])
"""Every character. As `codec="utf-8"` is, which costs each process seconds to find out what these are."""

LABEL_ALPHABET = "ABCXYZabcxyz0189._/-"


_VISIBLE = re.compile(NAME_PATTERN.removesuffix("$") + r"\Z")


def _in_nfc(strings: st.SearchStrategy[str], maximum: int) -> st.SearchStrategy[str]:
    # Some characters are longer in that form.
    return strings.map(nfc).filter(lambda text: len(text) <= maximum)


@cache
def _printable(minimum: int, maximum: int) -> st.SearchStrategy[str]:
    # Out: surrogates, controls, invisible and direction-changing characters, separators but the plain space; unassigned
    # code points, some of which Unicode says to ignore.
    letters = st.characters(exclude_categories=("Cs", "Cc", "Cf", "Cn", "Zs", "Zl", "Zp"), include_characters=" ")
    return _in_nfc(st.text(letters.filter(_is_visible), min_size=minimum, max_size=maximum), maximum)


def _is_visible(char: str) -> bool:
    return char == " " or (char < "\U000e0000" and _VISIBLE.match(char) is not None)


@cache
def names() -> st.SearchStrategy[str]:
    """Valid names of templates, unusual scripts, quotes and `$` among them."""
    return _printable(1, 100).filter(lambda text: text == text.strip())


@cache
def words(maximum: int) -> st.SearchStrategy[str]:
    """Printable characters without white space."""
    return _printable(1, maximum).map(lambda text: text.replace(" ", "-"))


@cache
def texts(maximum: int) -> st.SearchStrategy[str]:
    """What a label's value may hold: no control characters, anything else."""
    return _in_nfc(st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=maximum), maximum)


@cache
def lines(maximum: int) -> st.SearchStrategy[str]:
    """What a description may hold: as `texts`, with line breaks."""
    return st.lists(texts(maximum // 8), max_size=7).map("\n".join) | texts(maximum)


@cache
def labels() -> st.SearchStrategy[dict[str, str]]:
    """Valid label maps; keys hold dots, slashes and dashes."""
    return st.dictionaries(st.text(LABEL_ALPHABET, min_size=1, max_size=63), texts(256), max_size=5)


@cache
def deprecations() -> st.SearchStrategy[dict[str, Any]]:
    """Valid deprecations, with a replacement or without."""
    message = {"message": texts(500).filter(bool)}
    return st.fixed_dictionaries(message, optional={"replaced_by": st.none() | names()})


@cache
def whole(minimum: int, maximum: int) -> st.SearchStrategy[int | float]:
    """Integers, some of them written as JSON Schema also allows: 48.0."""
    return st.integers(minimum, maximum) | st.integers(minimum, maximum).map(float)


@cache
def prices() -> st.SearchStrategy[float | None]:
    """Prices, whole or broken, and null."""
    return st.none() | st.integers(0, 1000) | st.floats(0, 1e9)


@st.composite
def _port_ranges(draw: st.DrawFn) -> dict[str, int]:
    first, last = sorted(draw(st.tuples(_PORTS, _PORTS)))
    # One end is enough where the default of the other fits it.
    halves = [{"start": first}] * (first <= 9999) + [{"end": last}] * (last >= 2000)
    return draw(st.sampled_from([{"start": first, "end": last}, *halves]))


_PORTS = st.integers(1, 65_535)


@cache
def raw_specs(name: st.SearchStrategy[str] | None = None) -> st.SearchStrategy[dict[str, Any]]:
    """Valid specs as people write them: defaults left out or in, in any order of keys."""
    required = {
        "name": names() if name is None else name,
        "instance_type": words(64),
        "capacity": st.fixed_dictionaries(
            {
                "cpu_cores": whole(1, 10_000),
                "memory_gb": whole(1, 1_000_000),
                "storage_gb": whole(1, 100_000_000),
            }
        ),
        "license_type": st.sampled_from(LICENSE_TYPES),
    }
    optional = {
        "description": lines(1000),
        "max_nodes": whole(1, 100_000),
        "ami_pattern": st.just("*") | _printable(1, 256),
        "startup_time_minutes": whole(0, 10_080),
        "port_range": _port_ranges(),
        "enabled": st.booleans(),
        "cost_per_hour_usd": prices(),
        "labels": labels(),
        "max_claims": st.none() | whole(1, 10_000),
        "deprecation": st.none() | deprecations(),
    }
    return in_any_order(st.fixed_dictionaries(required, optional=optional))


@st.composite
def in_any_order(draw: st.DrawFn, mappings: st.SearchStrategy[dict[str, Any]]) -> dict[str, Any]:
    """Mappings with their keys in any order."""
    mapping = draw(mappings)
    return {key: mapping[key] for key in draw(st.permutations(list(mapping)))}


def specs(name: st.SearchStrategy[str] | None = None) -> st.SearchStrategy[Spec]:
    """Valid specs in normal form."""
    return raw_specs(name).map(normalize)


# For comparisons: few values for each leaf, so that two edits of one spec often touch the same leaf, and
# often give it the same value. None as a label's value means: not there.
_CHOICES: dict[str, list[Any]] = {
    "description": ["", "small", "large"],
    "instance_type": ["m5zn.metal", "m7i.metal"],
    "capacity.cpu_cores": [16, 48],
    "capacity.memory_gb": [64, 192, 384],
    "license_type": ["PERSONAL", "ENTERPRISE"],
    "max_nodes": [20, 500],
    "port_range.start": [1000, 2000, 5000],
    "port_range.end": [2500, 4000, 9999],
    "enabled": [True, False],
    "cost_per_hour_usd": [None, 0.0, 1.0],
    "max_claims": [None, 1, 50],
    "deprecation": [None, {"message": "old", "replaced_by": None}, {"message": "old", "replaced_by": "u"}],
    "labels.team": [None, "", "qa", "render"],
    "labels.a.b/c": [None, "1", "2"],
    "labels.team.lead": [None, "x"],
}
_VALUES = {path: st.sampled_from(choices) for path, choices in _CHOICES.items()}
_BASIS = {
    "name": "t",
    "instance_type": "m5zn.metal",
    "capacity": {"cpu_cores": 48, "memory_gb": 192, "storage_gb": 500},
    "license_type": "PERSONAL",
}
_CROWD = {f"n{number:02}": "" for number in range(62)}


def spec_with(name: str = "t", **leaves: Any) -> Spec:
    """Return a plain spec in normal form with some leaves changed; ``__`` in a keyword stands for the dot."""
    changed = {path.replace("__", "."): value for path, value in leaves.items()}
    return normalize(unflatten({**flatten(normalize(_BASIS)), **changed, "name": name}))


_PLACES = [
    tuple(sorted(_CHOICES)),
    tuple(path for path in _CHOICES if path.startswith("port_range.")),
    tuple(path for path in _CHOICES if path.startswith("labels.")),
]
_SOME_PLACES = st.sampled_from(_PLACES)


@cache
def _paths(paths: tuple[str, ...]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(paths), max_size=8)


@st.composite
def edits(draw: st.DrawFn, spec: Spec, paths: Sequence[str] = _PLACES[0]) -> Spec:
    """Valid specs that differ from `spec` in some leaves, its name not among them.

    Args:
        draw: given by Hypothesis.
        spec: what to edit.
        paths: the leaves that may differ.
    """
    leaves = flatten(spec)
    for path in draw(_paths(tuple(paths))):
        value = draw(_VALUES[path])
        changed = {**leaves, path: value}
        if value is None and path.startswith("labels."):
            del changed[path]
        fits = changed["port_range.start"] <= changed["port_range.end"]
        if fits and sum(key.startswith("labels.") for key in changed) <= 64:
            leaves = changed
    return normalize(unflatten(leaves))


@st.composite
def three_versions(draw: st.DrawFn, name: str = "t") -> tuple[Spec, Spec, Spec]:
    """Three specs of one name, each a few edits from a common one.

    Some are edited in the same few leaves only, so that edits meet; some have almost too many labels.
    """
    basis = spec_with(name)
    if draw(st.booleans()):
        basis["labels"] = dict(_CROWD)
    versions = edits(basis, draw(_SOME_PLACES))
    return draw(versions), draw(versions), draw(versions)
