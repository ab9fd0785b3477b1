"""The spec: the field table row by row, the normal form, and the laws of its operations."""

from __future__ import annotations

import copy
import math
import re
import time
import unicodedata
from collections import OrderedDict, UserDict
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import marshmallow as ma
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_worker_templates import InvalidSpec
from flask_worker_templates.model.fields import Text
from flask_worker_templates.model.image_name import ami_matches
from flask_worker_templates.model.rules import STANDARD
from flask_worker_templates.model.schema import SERVER_OWNED
from flask_worker_templates.model.spec import (
    FIELDS,
    Spec,
    WorkerTemplateSpecSchema,
    changes,
    flatten,
    merge_patch,
    normalize,
    patched,
    unflatten,
)
from flask_worker_templates.model.suggestions import READ_ONLY
from tests.support.strategies import UNICODE, edits, raw_specs, spec_with, specs

MINIMAL: dict[str, Any] = {
    "name": "small",
    "instance_type": "m5.large",
    "capacity": {"cpu_cores": 2, "memory_gb": 8, "storage_gb": 50},
    "license_type": "PERSONAL",
}
LEFT_OUT = object()


def with_field(path: str, value: object) -> dict[str, Any]:
    """The minimal spec with one field set, or left out."""
    spec = copy.deepcopy(MINIMAL)
    *outer, last = path.split(".", 1) if not path.startswith("labels.") else ("labels", path[7:])
    place = spec.setdefault(outer[0], {}) if outer else spec
    if value is LEFT_OUT:
        del place[last]
    else:
        place[last] = value
    return spec


def errors_of(spec: object) -> dict[str, list[str]]:
    """The messages of an invalid spec by dotted path."""
    with pytest.raises(InvalidSpec) as caught:
        normalize(spec)
    found: dict[str, list[str]] = {}
    for path, message in caught.value.flat():
        found.setdefault(path, []).append(message)
    return found


def test_the_minimal_spec_gets_the_documented_defaults() -> None:
    assert normalize(MINIMAL) == {
        "name": "small",
        "description": "",
        "instance_type": "m5.large",
        "capacity": {"cpu_cores": 2, "memory_gb": 8, "storage_gb": 50},
        "license_type": "PERSONAL",
        "max_nodes": 20,
        "ami_pattern": "*",
        "startup_time_minutes": 20,
        "port_range": {"start": 2000, "end": 9999},
        "enabled": True,
        "cost_per_hour_usd": None,
        "labels": {},
        "max_claims": None,
        "deprecation": None,
        "extra": {},
    }


def test_defaults_are_fresh_in_each_spec() -> None:
    first = normalize(MINIMAL)
    first["labels"]["team"] = "qa"
    first["port_range"]["start"] = 1
    assert normalize(MINIMAL)["labels"] == {}
    assert normalize(MINIMAL)["port_range"] == {"start": 2000, "end": 9999}


@pytest.mark.parametrize(
    "path",
    [
        "name",
        "instance_type",
        "capacity",
        "capacity.cpu_cores",
        "capacity.memory_gb",
        "capacity.storage_gb",
        "license_type",
    ],
)
def test_required_fields(path: str) -> None:
    assert errors_of(with_field(path, LEFT_OUT)) == {path: ["Required."]}


# Each row of the table: what is just inside of its bounds, and what is just outside.

INTEGERS: dict[str, tuple[int, int]] = {
    "capacity.cpu_cores": (1, 10_000),
    "capacity.memory_gb": (1, 1_000_000),
    "capacity.storage_gb": (1, 100_000_000),
    "max_nodes": (1, 100_000),
    "startup_time_minutes": (0, 10_080),
    "max_claims": (1, 10_000),
    "port_range.start": (1, 9999),  # not above the default end
    "port_range.end": (2000, 65_535),  # not below the default start
}
GOOD: list[tuple[str, Any]] = [
    *((path, bound) for path, bounds in INTEGERS.items() for bound in bounds),
    ("name", "x"),
    ("name", "x" * 100),
    ("name", "two  words"),
    ("name", "größe-日本語-🚀-عربي"),
    ("name", "$where"),
    ("name", "<b>&'\""),
    ("name", "../etc/passwd"),
    ("description", ""),
    ("description", "x" * 1000),
    ("description", " white space before it"),
    ("description", "several\n\n lines\n  of text"),
    ("instance_type", "x"),
    ("instance_type", "x" * 64),
    ("instance_type", "m5zn.metal"),
    ("license_type", "PERSONAL"),
    ("license_type", "ENTERPRISE"),
    ("license_type", "EVALUATION"),
    ("ami_pattern", "x"),
    ("ami_pattern", "*" * 256),
    ("ami_pattern", "CML 2.9 [x] (.+)"),
    ("enabled", True),
    ("enabled", False),
    ("cost_per_hour_usd", None),
    ("cost_per_hour_usd", 0.0),
    ("cost_per_hour_usd", 1e308),
    ("labels", {}),
    ("labels", {f"key{number}": "" for number in range(64)}),
    ("labels", {"k" * 63: "v" * 256}),
    ("labels", {"AZaz09._/-": "any = text, größe"}),
    ("labels", {"_schema": "a name that marshmallow gives a meaning"}),
    ("max_claims", None),
    ("deprecation", None),
    ("deprecation", {"message": "x", "replaced_by": None}),
    ("deprecation", {"message": "ß" * 500, "replaced_by": "y" * 100}),
    ("extra", {}),
]


@pytest.mark.parametrize(("path", "value"), GOOD)
def test_good_values_are_kept_as_they_are(path: str, value: Any) -> None:
    spec = normalize(with_field(path, value))
    assert spec[path] == value if path in spec else flatten(spec)[path] == value


NO_INTEGERS: list[Any] = [True, False, 3.9, "48", "", [48], {"a": 1}, math.nan, math.inf, -math.inf]
NO_NUMBERS: list[Any] = [True, False, "3.96", "", [], {}]
NO_FLAGS: list[Any] = [0, 1, "true", "false", "yes", "", 1.0, [], {}]
NO_STRINGS: list[Any] = [1, 1.5, True, [], {}, ["x"], b"x"]

NULLABLE = ("cost_per_hour_usd", "max_claims", "deprecation")

# One of each kind that is shown as nothing, or is no character: joiners, fillers, variation selectors, tags, and so on.
INVISIBLE = [
    *("\u00ad", "\u034f", "\u061c", "\u115f", "\u1160", "\u17b4", "\u180e", "\u200b", "\u200d", "\u2060", "\u2064"),
    *("\u3164", "\uffa0", "\ufe00", "\ufe0f", "\ufeff", "\ufff0", "\ufdd0", "\ufdef", "\ufffe", "\uffff", "\U0001fffe"),
    *("\U0010ffff", "\U0001bca0", "\U0001d173", "\U000e0001", "\U000e0041", "\U000e0100", "\U000e0fff"),
]


BAD: list[tuple[str, Any, str]] = [
    *((path, low - 1, "") for path, (low, _) in INTEGERS.items() if not path.startswith("port_range")),
    *((path, high + 1, "") for path, (_, high) in INTEGERS.items() if not path.startswith("port_range")),
    *((path, value, "Not a valid integer.") for path in INTEGERS for value in NO_INTEGERS),
    *((path, None, "Must not be null.") for path in INTEGERS if path != "max_claims"),
    *((path, 10**400, "Must be greater than or equal to") for path in INTEGERS),
    *((path, 1e300, "Must be greater than or equal to") for path in INTEGERS),
    ("port_range.start", 0, "Must be greater than or equal to 1 and less than or equal to 65535."),
    ("port_range.start", 65_536, "Must be greater than or equal to 1 and less than or equal to 65535."),
    ("port_range.end", 0, "Must be greater than or equal to 1 and less than or equal to 65535."),
    ("port_range.end", 65_536, "Must be greater than or equal to 1 and less than or equal to 65535."),
    ("name", "", "Length must be between 1 and 100."),
    ("name", "x" * 101, "Length must be between 1 and 100."),
    *(
        ("name", name, "Must be printable characters, with no white space at either end.")
        for name in (" x", "x ", " ", "\u00a0x", "a\u200bb", "a\u202eb", "\ufeffx", "a\u2028b")
    ),
    ("description", "x" * 1001, "Longer than maximum length 1000."),
    ("instance_type", "", "Length must be between 1 and 64."),
    ("instance_type", "x" * 65, "Length must be between 1 and 64."),
    *(
        ("instance_type", word, "Must be printable characters without white space.")
        for word in ("m5 large", " m5", "m5 ", "m5\u00a0large", "m5\u3000large")
    ),
    *(
        ("license_type", word, "Must be one of: PERSONAL, ENTERPRISE, EVALUATION.")
        for word in ("personal", "PERSONAL ", "", "FREE", "PERSONAL\n")
    ),
    ("ami_pattern", "", "Length must be between 1 and 256."),
    ("ami_pattern", "x" * 257, "Length must be between 1 and 256."),
    *(("enabled", value, "Not a valid boolean.") for value in NO_FLAGS),
    ("cost_per_hour_usd", -0.01, "Must be greater than or equal to 0."),
    *(("cost_per_hour_usd", value, "Not a valid number.") for value in NO_NUMBERS),
    *(
        ("cost_per_hour_usd", value, "Special numeric values (nan or infinity) are not permitted.")
        for value in (math.nan, math.inf, -math.inf)
    ),
    ("cost_per_hour_usd", 10**400, "Number too large."),
    ("labels", [], "Must be a mapping (in JSON, an object)."),
    ("labels", "team=qa", "Must be a mapping (in JSON, an object)."),
    ("labels", {f"key{number}": "" for number in range(65)}, "At most 64 labels."),
    ("labels.", "", "A label key is 1–63 characters"),
    ("labels." + "k" * 64, "", "A label key is 1–63 characters"),
    *((f"labels.{key}", "", "A label key is 1–63 characters") for key in ("a b", "a=b", "größe", "$set", "a\n")),
    ("labels.team", "v" * 257, "Longer than maximum length 256."),
    *(("labels.team", value, "Not a valid string.") for value in NO_STRINGS),
    ("labels.team", None, "Must not be null."),
    ("deprecation", "old", "Must be a mapping (in JSON, an object)."),
    ("deprecation", [], "Must be a mapping (in JSON, an object)."),
    ("deprecation.message", "", "Length must be between 1 and 500."),
    ("deprecation.message", "x" * 501, "Length must be between 1 and 500."),
    ("deprecation.message", None, "Must not be null."),
    ("extra", [], "Must be a mapping (in JSON, an object)."),
    ("extra", "x", "Must be a mapping (in JSON, an object)."),
    ("extra.gpu_count", 4, "This app declares no fields of its own: see `WorkerTemplates(app, extra=SCHEMA)`."),
    ("capacity", [], "Must be a mapping (in JSON, an object)."),
    ("capacity", "48", "Must be a mapping (in JSON, an object)."),
    ("port_range", [2000, 9999], "Must be a mapping (in JSON, an object)."),
    ("port_range", "2000-9999", "Must be a mapping (in JSON, an object)."),
    *(
        (path, value, "Not a valid string.")
        for path in ("name", "description", "instance_type", "license_type", "ami_pattern")
        for value in NO_STRINGS
    ),
    *((path, None, "Must not be null.") for path in FIELDS if path not in NULLABLE),
    *(
        (path, f"a{char}b", "")
        for path in ("name", "description", "instance_type", "ami_pattern", "labels.team")
        for char in ("\0", "\t", "\n", "\r", "\x1b", "\x1f", "\x7f", "\x80", "\x85", "\x9f", "\ud800", "\udfff")
        if (path, char) != ("description", "\n")
    ),
    *((path, "x\n", "") for path in ("name", "instance_type", "ami_pattern", "labels.team")),
    *((path, f"a{char}b", "Must be printable") for path in ("name", "instance_type") for char in INVISIBLE),
]


@pytest.mark.parametrize(("path", "value", "message"), BAD)
def test_bad_values_are_refused_at_their_path(path: str, value: Any, message: str) -> None:
    found = errors_of(with_field(path, value))
    assert list(found) == [path]
    assert any(message in text for text in found[path]), found


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        *(("message", value, "Not a valid string.") for value in NO_STRINGS),
        *(("replaced_by", value, "Not a valid string.") for value in NO_STRINGS),
        ("message", "a\tb", "Must not contain control characters."),
        ("replaced_by", "", "Length must be between 1 and 100."),
        ("replaced_by", " x", "Must be printable characters, with no white space at either end."),
        ("since", "today", "Unknown field. Known: message, replaced_by."),
    ],
)
def test_the_parts_of_a_deprecation_are_checked(key: str, value: Any, message: str) -> None:
    found = errors_of({**MINIMAL, "deprecation": {"message": "old", key: value}})
    assert list(found) == [f"deprecation.{key}"]
    assert message in found[f"deprecation.{key}"]


@pytest.mark.parametrize("path", INTEGERS)
def test_an_integer_may_be_written_as_json_schema_allows(path: str) -> None:
    value = flatten(normalize(with_field(path, 2000.0 if path.startswith("port_range") else 48.0)))[path]
    assert type(value) is int
    assert value in (48, 2000)


def test_a_price_is_a_float_in_the_normal_form() -> None:
    price = normalize(with_field("cost_per_hour_usd", 3))["cost_per_hour_usd"]
    assert (price, type(price)) == (3.0, float)


def test_large_label_maps_are_not_remembered() -> None:
    # Anybody who may have a spec checked could fill the memory with them.
    normalize(MINIMAL)
    before = STANDARD.remembered.cache_info().currsize
    labels = {f"label-{number}": "x" * 256 for number in range(5)}
    assert normalize({**MINIMAL, "labels": labels})["labels"] == labels
    assert STANDARD.remembered.cache_info().currsize == before


def test_minus_zero_is_zero() -> None:
    STANDARD.remembered.cache_clear()  # 0.0, which equals it, may have been loaded before
    price = normalize(with_field("cost_per_hour_usd", -0.0))["cost_per_hour_usd"]
    assert math.copysign(1, price) == 1


@pytest.mark.parametrize(
    "ports", [{"start": 5, "end": 4}, {"start": 10_000}, {"end": 1999}], ids=["both", "start alone", "end alone"]
)
def test_ports_are_in_order_defaults_included(ports: dict[str, int]) -> None:
    end = ports.get("end", 9999)
    assert errors_of({**MINIMAL, "port_range": ports}) == {"port_range.start": [f"Must not be above end ({end})."]}


def test_a_range_of_one_port_is_one() -> None:
    assert normalize({**MINIMAL, "port_range": {"start": 8080, "end": 8080}})["port_range"]["end"] == 8080


@pytest.mark.parametrize(
    ("path", "message"),
    [
        *((name, READ_ONLY) for name in SERVER_OWNED),
        *((name, "Unknown field.") for name in ("_id", "base", "\udfff")),
        ("Name", "Unknown field. Did you mean name?"),
        ("capacity.gpus", "Unknown field. Known: cpu_cores, memory_gb, storage_gb."),
        ("port_range.x", "Unknown field. Known: start, end."),
        ("port_range.strat", "Unknown field. Did you mean start?"),
    ],
)
def test_an_unknown_field_is_an_error(path: str, message: str) -> None:
    assert errors_of(with_field(path, 1)) == {path: [message]}


@pytest.mark.parametrize("spec", [None, [], "name: x", 1, True, [MINIMAL]])
def test_what_is_no_mapping_is_no_spec(spec: object) -> None:
    assert errors_of(spec) == {"": ["Must be a mapping (in JSON, an object)."]}


def test_every_error_is_reported_at_once() -> None:
    spec = {
        "name": "",
        "instance_type": "m 5",
        "capacity": {"cpu_cores": True, "memory_gb": 0, "gpus": 1},
        "max_nodes": "20",
        "ami_pattern": 1,
        "startup_time_minutes": -1,
        "port_range": {"start": 3, "end": 2},
        "enabled": "yes",
        "cost_per_hour_usd": -1,
        "labels": {"a b": "x", "team": 1},
        "owner": "me",
    }
    assert set(errors_of(spec)) == {
        "name",
        "instance_type",
        "capacity.cpu_cores",
        "capacity.memory_gb",
        "capacity.storage_gb",
        "capacity.gpus",
        "license_type",
        "max_nodes",
        "ami_pattern",
        "startup_time_minutes",
        "port_range.start",
        "enabled",
        "cost_per_hour_usd",
        "labels.a b",
        "labels.team",
        "owner",
    }


def test_the_message_of_the_exception_names_every_path() -> None:
    with pytest.raises(InvalidSpec, match=re.escape("capacity.cpu_cores: Not a valid integer.")) as caught:
        normalize({**with_field("capacity.cpu_cores", "48"), "max_nodes": 0})
    assert "max_nodes: Must be" in str(caught.value)


@pytest.mark.parametrize("number", [10**5000, -(10**5000)], ids=["huge", "huge negative"])
def test_numbers_too_long_to_print_are_refused_like_others(number: int) -> None:
    assert list(errors_of(with_field("max_nodes", number))) == ["max_nodes"]
    assert list(errors_of(with_field("cost_per_hour_usd", number))) == ["cost_per_hour_usd"]


@pytest.mark.parametrize("kind", [OrderedDict, MappingProxyType, UserDict])
def test_any_mapping_is_a_spec(kind: Callable[[dict[str, Any]], Any]) -> None:
    assert normalize(kind(MINIMAL)) == normalize(MINIMAL)
    assert normalize({**MINIMAL, "capacity": kind(MINIMAL["capacity"])}) == normalize(MINIMAL)
    assert list(errors_of(kind({**MINIMAL, "max_nodes": 0}))) == ["max_nodes"]


def test_keys_that_are_no_strings_are_errors() -> None:
    spec: dict[Any, Any] = {**MINIMAL, 1: 2, "labels": {3: "x"}}
    assert set(errors_of(spec)) == {"1", "labels.3"}


# Normal form


@given(raw_specs())
def test_normal_form_is_idempotent_and_leaves_its_argument_alone(raw: dict[str, Any]) -> None:
    given_spec = copy.deepcopy(raw)
    spec = normalize(raw)
    assert raw == given_spec
    again = normalize(spec)
    assert again == spec
    assert repr(again) == repr(spec)  # types and orders too


@given(raw_specs())
def test_normal_form_has_the_keys_in_the_order_of_the_table(raw: dict[str, Any]) -> None:
    spec = normalize(raw)
    assert tuple(spec) == FIELDS
    assert tuple(spec["capacity"]) == ("cpu_cores", "memory_gb", "storage_gb")
    assert tuple(spec["port_range"]) == ("start", "end")
    assert list(spec["labels"]) == sorted(spec["labels"])


@given(specs())
def test_defaults_left_out_or_written_make_no_difference(spec: Spec) -> None:
    defaults = normalize(MINIMAL)
    short = {key: value for key, value in spec.items() if key in MINIMAL or value != defaults[key]}
    assert normalize(short) == spec


# Leaves


@given(specs())
def test_flatten_and_unflatten_are_inverse(spec: Spec) -> None:
    leaves = flatten(spec)
    assert unflatten(leaves) == spec
    assert repr(unflatten(dict(reversed(leaves.items())))) == repr(spec)  # in the order of the normal form
    assert not any(isinstance(value, dict) for path, value in leaves.items() if path != "deprecation")


def test_a_deprecation_is_one_leaf() -> None:
    deprecation = {"message": "old", "replaced_by": None}
    before, after = spec_with(), spec_with(deprecation=deprecation)
    assert flatten(after)["deprecation"] == deprecation
    assert changes(before, after) == [{"field": "deprecation", "from": None, "to": deprecation}]
    assert changes(after, before) == [{"field": "deprecation", "from": deprecation, "to": None}]


def test_a_patch_of_a_deprecation() -> None:
    old = {"message": "old", "replaced_by": "new"}
    assert patched(spec_with(), {"deprecation": {"message": "old", "replaced_by": "new"}})["deprecation"] == old
    before = spec_with(deprecation=old)
    assert patched(before, {"deprecation": {"replaced_by": None}})["deprecation"] == {**old, "replaced_by": None}
    assert patched(before, {"deprecation": None}) == spec_with()
    for patch in ({"message": None}, {"since": None}):
        with pytest.raises(InvalidSpec):
            patched(before, {"deprecation": patch})


def test_a_label_key_with_dots_is_one_leaf() -> None:
    spec = spec_with(labels__a__b="x")
    assert flatten(spec)["labels.a.b"] == "x"
    assert unflatten(flatten(spec))["labels"] == {"a.b": "x"}


# Changes


def test_the_first_revision_changed_nothing() -> None:
    assert changes(None, spec_with()) == []


def test_changes_tell_what_was_and_what_is_in_the_order_of_the_spec() -> None:
    before = {**spec_with(capacity__cpu_cores=16, description="old"), "labels": {"gone": "1", "team": "qa"}}
    after = {**spec_with(capacity__cpu_cores=48, description=""), "labels": {"new": "2", "team": "qa"}}
    assert changes(before, after) == [
        {"field": "description", "from": "old", "to": ""},
        {"field": "capacity.cpu_cores", "from": 16, "to": 48},
        {"field": "labels.gone", "from": "1"},
        {"field": "labels.new", "to": "2"},
    ]


@given(st.data())
def test_applying_the_changes_gives_the_new_spec(data: st.DataObject) -> None:
    before = spec_with()
    after = data.draw(edits(before))
    leaves = flatten(before)
    for change in changes(before, after):
        assert change.get("from") == leaves.get(change["field"])
        if "to" in change:
            leaves[change["field"]] = change["to"]
        else:
            del leaves[change["field"]]
    assert unflatten(leaves) == after
    assert bool(changes(before, after)) == (before != after)


# Merge patch


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [  # RFC 7396, appendix A
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch_as_the_rfc_has_it(target: Any, patch: Any, result: Any) -> None:
    before = copy.deepcopy((target, patch))
    assert merge_patch(target, patch) == result
    assert (target, patch) == before


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(UNICODE, max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)


@given(JSON_VALUES, JSON_VALUES)
def test_a_merge_patch_applied_twice_does_what_it_does_once(target: Any, patch: Any) -> None:
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once


@given(specs(), specs())
def test_patching_with_a_whole_spec_and_its_absent_labels_gives_that_spec(old: Spec, new: Spec) -> None:
    patch = {**new, "labels": {**dict.fromkeys(old["labels"]), **new["labels"]}}
    assert patched(old, patch) == new


@given(specs())
def test_the_empty_patch_changes_nothing(spec: Spec) -> None:
    assert patched(spec, {}) == spec


def test_null_brings_a_default_back_and_takes_a_label_away() -> None:
    spec = spec_with(max_nodes=500, port_range__start=1000, cost_per_hour_usd=1.0, labels__a="1", labels__b="2")
    patch = {"max_nodes": None, "port_range": {"start": None}, "cost_per_hour_usd": None, "labels": {"a": None}}
    result = patched(spec, patch)
    assert result["max_nodes"] == 20
    assert result["port_range"] == {"start": 2000, "end": 9999}
    assert result["cost_per_hour_usd"] is None
    assert result["labels"] == {"b": "2"}
    whole = patched(spec, {"labels": None, "port_range": None})
    assert whole == {**spec, "labels": {}, "port_range": {"start": 2000, "end": 9999}}


@pytest.mark.parametrize(
    ("patch", "paths"),
    [
        ({"name": None}, {"name"}),
        ({"capacity": None}, {"capacity"}),
        ({"capacity": {"cpu_cores": None}}, {"capacity.cpu_cores"}),
        ({"owner": 1}, {"owner"}),
        ({"owner": None}, {"owner"}),
        ({"revision": 7}, {"revision"}),
        ({"capacity": {"gpus": None}}, {"capacity.gpus"}),
        ({"port_range": {"middle": None, "start": 0}}, {"port_range.middle", "port_range.start"}),
        ({"owner": None, "capacity": {"gpus": None, "cpu_cores": 0}}, {"owner", "capacity.gpus", "capacity.cpu_cores"}),
        ({"capacity": {"gpus": 1, "tpus": None}, "max_nodes": 0}, {"capacity.gpus", "capacity.tpus", "max_nodes"}),
        ({"port_range": {"start": 9999, "end": 1}}, {"port_range.start"}),
        ({"labels": {"a b": "x"}}, {"labels.a b"}),
        ({"labels": []}, {"labels"}),
        ([], {""}),
        (None, {""}),
        ("max_nodes", {""}),
    ],
)
def test_a_patch_reports_every_error_with_its_path(patch: Any, paths: set[str]) -> None:
    with pytest.raises(InvalidSpec) as caught:
        patched(spec_with(), patch)
    assert {path for path, _ in caught.value.flat()} == paths


def test_a_null_for_a_label_that_is_not_there_is_no_error() -> None:
    assert patched(spec_with(), {"labels": {"team": None, "not a key": None}}) == spec_with()


# AMI patterns


@pytest.mark.parametrize(
    ("pattern", "image", "matches"),
    [
        ("*", "", True),
        ("*", "anything at\nall", True),
        ("CML-2.9.*", "CML-2.9.1-build7", True),
        ("CML-2.9.*", "CML-2.9.", True),
        ("CML-2.9.*", "CML-2.10.1", False),
        ("CML-2.9.*", "CML-2x9.1", False),
        ("CML-2.9.*", "cml-2.9.1", False),
        ("CML-2.9.*", "my CML-2.9.1", False),
        ("CML-2.9.?", "CML-2.9.1", True),
        ("CML-2.9.?", "CML-2.9.12", False),
        ("CML-2.9.?", "CML-2.9.", False),
        ("?", "🚀", True),
        ("a[bc]d", "a[bc]d", True),
        ("a[bc]d", "abd", False),
        ("[!a]", "[!a]", True),
        ("[!a]", "b", False),
        ("a+", "a+", True),
        ("a+", "aa", False),
        ("(a|b)$", "(a|b)$", True),
        ("a\\d", "a\\d", True),
        ("a", "a\n", False),
    ],
)
def test_ami_patterns_are_wildcards_of_two_signs(pattern: str, image: str, matches: bool) -> None:
    assert ami_matches(pattern, image) is matches


def wildcard_by_definition(pattern: str, image: str) -> bool:
    """``*`` any run, ``?`` one character, all else itself: straight from the rule, by dynamic programming."""
    reached = {0}
    for sign in pattern:
        if sign == "*":
            reached = set(range(min(reached), len(image) + 1)) if reached else set()
        else:
            reached = {end + 1 for end in reached if end < len(image) and sign in ("?", image[end])}
    return len(image) in reached


@given(st.text("ab*?[]!-^\\.", max_size=12), st.text("ab*?[]!-^\\.\n", max_size=12))
def test_ami_patterns_match_by_their_definition(pattern: str, image: str) -> None:
    assert ami_matches(pattern, image) == wildcard_by_definition(pattern, image)


HOSTILE: list[Callable[[], tuple[str, str]]] = [
    lambda: ("a*" * 128, "a" * 255 + "b"),
    lambda: ("*a" * 127 + "*c", "a" * 20_000),
    lambda: ("*?" * 128, "a" * 100),
    lambda: ("*" * 255 + "b", "a" * 20_000),
]


@pytest.mark.parametrize("case", HOSTILE)
def test_no_pattern_takes_exponential_time(case: Callable[[], tuple[str, str]]) -> None:
    pattern, image = case()
    started = time.process_time()
    ami_matches(pattern, image)
    assert time.process_time() - started < 5


ODD_VALUES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(UNICODE, max_size=5) | st.lists(st.integers())
)


@given(raw_specs(), st.data())
def test_loading_field_by_field_says_what_the_whole_schema_says(raw: dict[str, Any], data: st.DataObject) -> None:
    """`normalize` remembers values; the schema alone is the rule."""
    schema = WorkerTemplateSpecSchema()
    for _ in range(2):
        for place in (raw, *(value for value in raw.values() if isinstance(value, dict))):
            if data.draw(st.booleans()):
                keys = st.sampled_from(sorted(place)) if place else st.just("stray")
                place[data.draw(keys | st.just("stray"))] = data.draw(ODD_VALUES)
        try:
            expected: Any = schema.load(raw)
        except ma.ValidationError as error:
            expected = InvalidSpec(STANDARD._explained(error.messages_dict, ())).errors
        try:
            found: Any = normalize(raw)
            # The representation tells 1 from 1.0 and from True, and has the order of the labels.
            assert repr(found["capacity"]) == repr(expected["capacity"])
            assert repr(found["labels"]) == repr(expected["labels"])
        except InvalidSpec as error:
            found = error.errors
        assert found == expected


@pytest.mark.parametrize("path", ["name", "description", "instance_type", "ami_pattern", "labels.team"])
def test_strings_are_in_unicode_normal_form_c(path: str) -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    one, other = (spec_with(**{path.replace(".", "__"): text}) for text in (composed, decomposed))
    assert one == other
    assert flatten(normalize(other))[path] == composed


@given(st.text(st.characters(exclude_categories=("Cs", "Cc"), include_characters="\n"), max_size=300))
def test_a_description_is_the_same_whatever_ends_its_lines_and_however_it_ends(text: str) -> None:
    plain = normalize({**spec_with(), "description": text})["description"]
    for variant in (text.replace("\n", "\r\n"), text + "\n", text + "\r\n  \n", unicodedata.normalize("NFD", text)):
        assert normalize({**spec_with(), "description": variant})["description"] == plain
    assert normalize({**spec_with(), "description": plain})["description"] == plain
    assert plain == plain.rstrip(" \n")


@given(
    st.sampled_from([name for name, field in STANDARD.schema.fields.items() if isinstance(field, Text)]),
    st.text(st.sampled_from("aZ0 -\t\r\n\x7f\xa0\u0301é"), max_size=5)
    | st.sampled_from(["a" * 100, "a" * 101, "a" * 1001]),
)
def test_a_string_that_stays_as_it_is_is_one_that_loads_as_it_is(name: str, text: str) -> None:
    field = STANDARD.schema.fields[name]
    assert isinstance(field, Text)
    if field.stays(text):
        assert field.deserialize(text) == text


def test_most_strings_stay_as_they_are() -> None:
    fields = {name: field for name, field in STANDARD.schema.fields.items() if isinstance(field, Text)}
    assert all(field.stays("m5.large") for field in fields.values())
