"""The JSON Schema of a definition file says the same as the validation, for all that JSON Schema can say."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from flask_worker_templates import InvalidSpec
from flask_worker_templates.cli.json_schema import definition_file_schema
from flask_worker_templates.model.spec import FIELDS, normalize
from tests.support.paths import ROOT
from tests.support.strategies import raw_specs

SCHEMA = definition_file_schema()
VALIDATOR = Draft202012Validator(SCHEMA)


def schema_accepts(spec: object) -> bool:
    return bool(VALIDATOR.is_valid({"templates": [spec]}))


def validation_accepts(spec: object) -> bool:
    """Whether the rules that JSON Schema can express hold: all but the order of the two ports."""
    try:
        normalize(spec)
    except InvalidSpec as error:
        return all(path == "port_range.start" and "above end" in message for path, message in error.flat())
    return True


def test_it_is_a_valid_json_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


def test_it_describes_every_field_with_its_default() -> None:
    fields = SCHEMA["$defs"]["WorkerTemplateSpec"]["properties"]
    assert set(fields) == set(FIELDS)
    assert all(field["description"] for field in fields.values())
    minimal = {"name": "x", "instance_type": "x", "license_type": "PERSONAL"}
    capacity = {"cpu_cores": 1, "memory_gb": 1, "storage_gb": 1}
    defaults = normalize({**minimal, "capacity": capacity})
    for name, field in fields.items():
        if name not in (*minimal, "capacity"):
            assert field["default"] == defaults[name], name


def test_its_examples_are_valid() -> None:
    for definition in (
        "WorkerTemplateSpec",
        "WorkerTemplateCapacity",
        "WorkerTemplatePortRange",
        "WorkerTemplateDeprecation",
    ):
        for field in SCHEMA["$defs"][definition]["properties"].values():
            assert "example" not in field  # a word of OpenAPI
            for shown in field.get("examples", []):
                Draft202012Validator({**field, "$defs": SCHEMA["$defs"]}).validate(shown)


def test_the_definition_file_of_the_project_is_valid() -> None:
    VALIDATOR.validate(yaml.safe_load((ROOT / "config/worker_templates.yaml").read_text()))


@pytest.mark.parametrize(
    "file",
    [
        None,
        [],
        {},
        {"templates": None},
        {"templates": {}},
        {"templates": [None]},
        {"templates": [], "extra": 1},
        {"templates": [], "$schema": 1},
    ],
)
def test_what_is_no_definition_file_is_refused(file: object) -> None:
    assert not VALIDATOR.is_valid(file)


def test_a_file_may_name_its_schema() -> None:
    assert VALIDATOR.is_valid({"$schema": "worker_templates.schema.json", "templates": []})


@given(raw_specs())
def test_it_accepts_every_valid_spec(spec: dict[str, Any]) -> None:
    assert schema_accepts(spec)
    assert schema_accepts(normalize(spec))


# No line breaks: in the regular expressions of Python, in which the validator of this test reads the patterns,
# `$` also matches before one at the end. Those of JSON Schema (ECMA 262) have no such exception.
STRINGS = st.text(st.characters(exclude_characters="\n"), max_size=3) | st.sampled_from(
    ["x" * 64, "x" * 65, "x" * 100, "x" * 101, "x" * 256, "x" * 257, "x" * 1000, "x" * 1001, " x", "x y", "48", "true"]
)
NUMBERS = st.sampled_from([-1, 0, 1, 2, 10_000, 10_001, 65_535, 65_536, 100_001, 10_081, 10**6 + 1, 10**8 + 1]) | (
    st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False)
)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | STRINGS | st.sampled_from(["PERSONAL", "FREE", "\x1b", "\u202e", "\ud800"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(STRINGS, inner, max_size=3),
    max_leaves=4,
)
PLACES = [
    *((name,) for name in FIELDS),
    ("colour",),
    *(("deprecation", name) for name in ("message", "replaced_by", "since")),
    ("extra", "gpu_count"),
    *(("capacity", name) for name in ("cpu_cores", "memory_gb", "storage_gb", "extra")),
    *(("port_range", name) for name in ("start", "end", "extra")),
    *(("labels", name) for name in ("team", "a b", "", "k" * 63, "k" * 64, "größe")),
]


@st.composite
def mutants(draw: st.DrawFn) -> Any:
    """Specs with up to three places that were set to anything or taken away."""
    spec = copy.deepcopy(draw(raw_specs()))
    for *outer, last in draw(st.lists(st.sampled_from(PLACES), min_size=1, max_size=3)):
        place = spec.setdefault(outer[0], {}) if outer else spec
        if not isinstance(place, dict):
            continue
        if draw(st.integers(0, 4)) == 0:
            place.pop(last, None)
        else:
            place[last] = draw(VALUES)
    return spec


@given(mutants() | VALUES)
@example({"name": "x", "instance_type": "x", "license_type": "PERSONAL", "capacity": {}})
def test_it_accepts_and_refuses_what_validation_does(spec: Any) -> None:
    assert schema_accepts(spec) == validation_accepts(spec)


def test_the_order_of_ports_is_the_one_rule_that_it_cannot_say() -> None:
    spec = {
        "name": "x",
        "instance_type": "x",
        "license_type": "PERSONAL",
        "capacity": {"cpu_cores": 1, "memory_gb": 1, "storage_gb": 1},
        "port_range": {"start": 2, "end": 1},
    }
    assert schema_accepts(spec)
    with pytest.raises(InvalidSpec):
        normalize(spec)
