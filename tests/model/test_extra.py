"""The fields of the host's own: which schemas can work, what they take, and the normal form."""

from __future__ import annotations

import uuid
from datetime import date
from typing import Any

import marshmallow as ma
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from marshmallow import fields

from flask_worker_templates.errors import HostSchemaError, InvalidSpec, SettingsError
from flask_worker_templates.files.definition_text import Kind, definition_file
from flask_worker_templates.files.parse_json import parse_json
from flask_worker_templates.files.parse_yaml import parse_yaml
from flask_worker_templates.model.extra import ExtraFields
from flask_worker_templates.model.extra_values import MAX_BYTES, same, scalar_string
from flask_worker_templates.model.rules import SpecRules
from flask_worker_templates.model.spec import Spec
from tests.support.own_fields import GpuFields, GpuSchema
from tests.support.specs import spec

RULES = SpecRules(extra=ExtraFields(GpuFields))


def of(**declared: Any) -> ExtraFields:
    return ExtraFields(ma.Schema.from_dict(declared))


def errors_of(extra: Any, rules: SpecRules = RULES) -> dict[str, str]:
    with pytest.raises(InvalidSpec) as caught:
        rules.normalize(spec(extra=extra))
    return dict(caught.value.flat())


# Schemas


class Recursive(ma.Schema):
    inner = fields.Nested("Recursive", allow_none=True)


@pytest.mark.parametrize(
    ("declared", "field"),
    [
        ({"a b": fields.String()}, "extra.a b"),
        ({"x": fields.String(data_key="1x")}, "extra.1x"),
        ({"_schema": fields.String()}, "extra._schema"),
        ({"secret": fields.String(load_only=True)}, "extra.secret"),
        ({"shown": fields.String(dump_only=True)}, "extra.shown"),
        ({"made": fields.Function(lambda _: 1)}, "extra.made"),
        ({"id": fields.UUID(load_default=uuid.uuid4)}, "extra.id"),
        ({"days": fields.Raw(load_default=date(2026, 1, 1))}, "extra.days"),
        ({"n": fields.Integer(load_default=2**64)}, "extra.n"),
        ({"n": fields.Nested(ma.Schema.from_dict({"a.b": fields.String()}))}, "extra.n.a.b"),
        ({"n": fields.List(fields.Nested({"s": fields.String(load_only=True)}))}, "extra.n.s"),
        ({"n": fields.Dict(values=fields.Nested({"s": fields.String(dump_only=True)}))}, "extra.n.s"),
        ({"n": fields.Nested("NoSuchSchemaAnywhere")}, "extra.n"),
    ],
)
def test_a_schema_that_cannot_work_is_refused_by_the_name_of_the_field(declared: dict[str, Any], field: str) -> None:
    with pytest.raises(SettingsError, match=f"^{field.replace('.', '[.]')}[: ]"):
        of(**declared)


@pytest.mark.parametrize("schema", [1, "x", dict, {"a": fields.String()}, GpuFields(many=True)])
def test_what_is_no_schema_of_one_object_is_refused(schema: Any) -> None:
    with pytest.raises(SettingsError, match=r"^extra must be"):
        ExtraFields(schema)


def test_a_schema_that_cannot_be_made_says_why() -> None:
    class Picky(ma.Schema):
        def __init__(self, colour: str) -> None:
            super().__init__()

    with pytest.raises(SettingsError, match=r"extra: the schema Picky cannot be made: .*colour"):
        ExtraFields(Picky)


def test_a_schema_of_itself_works() -> None:
    value = {"inner": {"inner": {"inner": None}}}
    assert ExtraFields(Recursive).normalize(value) == value


# Values


def test_the_normal_form_is_what_the_schema_dumps_of_what_it_loads() -> None:
    given = {"spot": True, "zone": "eu-1", "gpu": {"model": "A10"}, "ratio": 1}
    assert RULES.normalize(spec(extra=given))["extra"] == {
        "gpu_count": 0,
        "zone": "eu-1",
        "spot": True,
        "ratio": 1.0,
        "gpu": {"model": "A10", "count": 1},
    }
    assert RULES.normalize(spec())["extra"] == {"gpu_count": 0}


def test_strings_are_in_nfc_and_may_have_lines() -> None:
    assert RULES.extra.normalize({"user_data": "e\u0301\n\t#!"})["user_data"] == "\u00e9\n\t#!"


def test_every_error_is_told_at_its_place() -> None:
    given = {
        "zone": "mars",
        "gpu": {"count": "4", "modle": "x"},
        "subnets": {"eu": ["a", 1], "a b": []},
        "spto": True,
        "user_data": "\x1b",
        "gpu_count": 2**63,
    }
    assert errors_of(given) == {
        "extra.zone": "Must be one of: eu-1, us-1.",
        "extra.gpu.model": "Required.",
        "extra.gpu.count": "Not a valid integer.",
        "extra.gpu.modle": "Unknown field. Did you mean model?",
        "extra.subnets.eu.value.1": "Not a valid string.",
        "extra.subnets.a b": "A key is 1–63 characters of A-Z a-z 0-9 _ -, and begins with no digit and no -.",
        "extra.spto": "Unknown field. Did you mean spot?",
        "extra.user_data": "Must not contain control characters, except line breaks and tabs.",
        "extra.gpu_count": "Must be an integer of at most 64 bits.",
    }


def test_it_is_reported_with_the_errors_of_the_other_fields() -> None:
    with pytest.raises(InvalidSpec) as caught:
        RULES.normalize(spec(max_nodes=0, extra={"zone": 1}))
    assert {path for path, _ in caught.value.flat()} == {"max_nodes", "extra.zone"}


@pytest.mark.parametrize("value", [None, [], "x", 1, True])
def test_it_is_an_object(value: Any) -> None:
    assert set(errors_of(value)) == {"extra"}


def test_it_is_small() -> None:
    fits: dict[str, Any] = {"gpu_count": 0, "user_data": "x" * (MAX_BYTES - len('{"gpu_count":0,"user_data":""}'))}
    assert RULES.extra.normalize(fits) == fits
    fits["user_data"] += "x"
    assert errors_of(fits) == {"extra": "At most 16,384 bytes as JSON; this is 16,385."}


def test_it_is_not_nested_too_deeply() -> None:
    value: Any = None
    for _ in range(5000):
        value = [value]
    with pytest.raises(ma.ValidationError):
        ExtraFields(unchecked=True).normalize({"a": value})


@pytest.mark.parametrize("value", [b"x", date(2026, 1, 1), {1}, float("nan"), float("inf"), "\ud800", {1: 2}, 2**63])
def test_what_json_cannot_hold_is_refused(value: Any) -> None:
    with pytest.raises(ma.ValidationError):
        ExtraFields(unchecked=True).normalize({"a": value})


def test_without_a_schema_there_is_none_and_the_error_says_how_to_declare_one() -> None:
    assert errors_of({"gpu_count": 1}, SpecRules()) == {
        "extra.gpu_count": (
            "Unknown field. This app declares no fields of its own: see `WorkerTemplates(app, extra=SCHEMA)`."
        )
    }


# The schema's own errors


def _fails(_: Any) -> None:
    raise LookupError("no such table")


class Sorted(fields.List[Any]):
    def _serialize(self, value: Any, attr: str | None, obj: Any, **kw: Any) -> Any:
        return list(reversed(super()._serialize(value, attr, obj, **kw) or []))


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        (fields.String(validate=_fails), "x", "could not be checked: LookupError: no such table"),
        (fields.Decimal(), "1.5", "extra.x is dumped as Decimal, which is no JSON"),
        (Sorted(fields.String()), ["a", "b"], "extra.x is not stable"),
        (fields.Function(lambda _: "y", deserialize=lambda _: "x"), "x", None),
        (fields.Function(lambda _: 1, deserialize=str.upper), "x", "could not be checked"),
        (fields.Function(lambda _: "no", deserialize=lambda v: v if v == "x" else _fails(v)), "x", "could not be"),
    ],
)
def test_what_the_schema_does_wrongly_is_no_error_of_the_value(field: Any, value: Any, said: str | None) -> None:
    extra = of(x=field)
    if said is None:
        assert extra.normalize({"x": value})
        return
    with pytest.raises(HostSchemaError) as caught:
        extra.normalize({"x": value})
    assert said in str(caught.value)
    assert "error of the schema that the app passes as `extra`" in str(caught.value)


# Laws

_KEYS = st.sampled_from(["a", "b_1", "C-d"])
_WHOLE, _FLAG = st.integers(-(2**63), 2**63 - 1), st.booleans()
_FLOAT = st.floats(-1e9, 1e9)
_TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=6)
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=8,
)
_DATE = st.dates().map(str)
_FIELDS: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (fields.String(), _TEXT),
    (fields.Integer(), _WHOLE | _WHOLE.map(str)),
    (fields.Integer(strict=True), _WHOLE),
    (fields.Float(), _FLOAT | _WHOLE.map(lambda one: one % 1000)),
    (fields.Boolean(), _FLAG | st.sampled_from(["yes", "off", 1, 0])),
    (fields.Date(), _DATE),
    (fields.Time(), st.times().map(str)),
    (fields.DateTime(), st.datetimes().map(lambda one: one.isoformat())),
    (fields.TimeDelta(), st.integers(0, 10**6)),
    (fields.UUID(), st.uuids().map(str)),
    (fields.IPv4(), st.ip_addresses(v=4).map(str)),
    (fields.Email(), st.just("a@example.com")),
    (fields.Raw(allow_none=True), _JSON),
    (fields.List(fields.Integer()), st.lists(_WHOLE, max_size=3)),
    (fields.Dict(keys=fields.String(), values=fields.Date()), st.dictionaries(_KEYS, _DATE, max_size=3)),
    (fields.Nested(GpuSchema), st.fixed_dictionaries({"model": _TEXT}, optional={"count": st.integers(1, 16)})),
]


@st.composite
def declared(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields of a schema, and a value that it takes."""
    chosen = draw(st.lists(st.sampled_from(_FIELDS), min_size=1, max_size=4))
    named = {f"k{number}": one for number, one in enumerate(chosen)}
    return {key: field for key, (field, _) in named.items()}, {key: draw(value) for key, (_, value) in named.items()}


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(declared(), st.sampled_from(["yaml", "json"]))
def test_law_normal_forms_are_stable_and_survive_a_file_and_a_change_of_the_schema(
    case: tuple[dict[str, Any], dict[str, Any]], kind: Kind
) -> None:
    schema, given_value = case
    rules = SpecRules(extra=of(**schema))
    normal = rules.normalize(spec(extra=given_value))
    # The normal form is one: of itself, too.
    assert same(rules.normalize(normal), normal)
    # What is exported is read as the same.
    text = definition_file([normal], kind, rules)
    [entry] = (parse_json if kind == "json" else parse_yaml)(text).value["templates"]
    assert same(rules.normalize(entry), normal)
    # A key with a default more, and a key less, make no difference, and lose nothing.
    gone = next(iter(schema))
    others = {key: field for key, field in schema.items() if key != gone} | {"new": fields.Integer(load_default=1)}
    later = SpecRules(extra=of(**others))
    assert same(later.today(normal), later.normalize({**normal, "extra": later.today(normal)["extra"]}))
    assert same(later.patched(normal, {"max_nodes": 3})["extra"], {"new": 1, **normal["extra"]})


# Stored values and today's rules


def stored(**extra: Any) -> Spec:
    return {**RULES.normalize(spec()), "extra": extra}


def test_a_key_that_is_declared_no_more_survives_edits_of_other_fields_and_can_be_removed() -> None:
    before = stored(gpu_count=1, colour={"a": 1})
    assert RULES.patched(before, {"max_nodes": 3})["extra"] == {"gpu_count": 1, "colour": {"a": 1}}
    assert RULES.patched(before, {"extra": {"gpu_count": 2}})["extra"] == {"gpu_count": 2, "colour": {"a": 1}}
    assert RULES.patched(before, {"extra": {"colour": None}})["extra"] == {"gpu_count": 1}
    assert RULES.replacement({**before, "max_nodes": 3})(before)["extra"] == before["extra"]
    assert RULES.replacement(spec())(before)["extra"] == {"gpu_count": 0}


@pytest.mark.parametrize("extra", [{"colour": {"a": 2}}, {"color": None}, {"colour": {"a": None}}])
def test_but_it_cannot_be_changed(extra: dict[str, Any]) -> None:
    with pytest.raises(InvalidSpec, match=r"^extra[.]colou?r: Unknown field"):
        RULES.patched(stored(colour={"a": 1}), {"extra": extra})


def test_a_new_key_with_a_default_and_an_old_key_are_no_difference_by_todays_rules() -> None:
    assert RULES.today(stored(colour="red")) == RULES.normalize(spec())
    assert RULES.keeping(RULES.today(stored(colour="red")), stored(colour="red"))["extra"] == {
        "gpu_count": 0,
        "colour": "red",
    }


def test_a_value_that_cannot_be_normalised_stands_as_it_is() -> None:
    assert RULES.today(stored(zone="mars", colour="red"))["extra"] == {"gpu_count": 0, "zone": "mars"}
    odd = {**stored(), "license_type": "FREE", "max_nodes": 3.0}
    assert RULES.today(odd) == {**RULES.normalize(spec()), "license_type": "FREE", "max_nodes": 3}


def test_an_edit_names_the_stored_value_that_is_not_allowed_any_more() -> None:
    before = {**stored(zone="mars"), "license_type": "FREE"}
    with pytest.raises(InvalidSpec) as caught:
        RULES.patched(before, {"max_nodes": 3})
    assert dict(caught.value.flat()) == {
        "license_type": 'The stored value "FREE" is not allowed any more. '
        "Must be one of: PERSONAL, ENTERPRISE, EVALUATION.",
        "extra.zone": 'The stored value "mars" is not allowed any more. Must be one of: eu-1, us-1.',
    }
    patch = {"license_type": "PERSONAL", "extra": {"zone": None}}
    assert RULES.patched(before, patch) == RULES.normalize(spec())
    with pytest.raises(InvalidSpec, match=r"^license_type: Must be one of"):
        RULES.patched(before, {"license_type": "GRATIS", "extra": {"zone": None}})


def test_what_is_written_to_a_file_leaves_defaults_and_unknown_keys_out() -> None:
    assert RULES.extra.declaration({"gpu_count": 0, "zone": "eu-1", "colour": "red"}) == {"zone": "eu-1"}
    assert RULES.extra.declaration({"gpu_count": 2}) == {"gpu_count": 2}


@pytest.mark.parametrize(
    ("value", "string"),
    [(4, "k=4"), (4.0, "k=4"), (1.5, "k=1.5"), (True, "k=true"), (None, "k=null"), ("é\n", 'k="é\\n"'), ([], None)],
)
def test_the_string_that_finds_a_value(value: Any, string: str | None) -> None:
    assert scalar_string("k", value) == string


def test_true_is_not_1() -> None:
    assert not same(True, 1)
    assert not same({"a": [False]}, {"a": [0]})
    assert same({"a": [1, None]}, {"a": [1.0, None]})
    with pytest.raises(InvalidSpec, match=r"^extra[.]colour: Unknown field"):
        RULES.patched(stored(colour={"a": True}), {"extra": {"colour": {"a": 1}}})


# Licence types


def test_licence_types_and_their_default_are_the_apps() -> None:
    rules = SpecRules(("BASIC", "PRO"), "BASIC")
    without = {key: value for key, value in spec().items() if key != "license_type"}
    assert rules.normalize(without)["license_type"] == "BASIC"
    assert rules.normalize({**without, "license_type": "PRO"})["license_type"] == "PRO"
    assert errors_of({}, rules) == {"license_type": "Must be one of: BASIC, PRO."}
    assert rules.patched(rules.normalize({**without, "license_type": "PRO"}), {"license_type": None}) == (
        rules.normalize(without)
    )


def test_what_one_apps_rules_made_of_a_value_is_never_anothers() -> None:
    one, other = SpecRules(("A",)), SpecRules(("B",))
    for _ in range(2):
        assert one.normalize(spec(license_type="A"))["license_type"] == "A"
        assert errors_of({}, one)
        with pytest.raises(InvalidSpec):
            other.normalize(spec(license_type="A"))
