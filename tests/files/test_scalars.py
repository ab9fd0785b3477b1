"""Scalars mean the same to readers of YAML 1.1 and of YAML 1.2: what is read, and what is written."""

from __future__ import annotations

import math
from typing import Any

import pytest
import ruamel.yaml
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from yaml.constructor import SafeConstructor
from yaml.reader import Reader
from yaml.resolver import Resolver

from flask_worker_templates.files import scalars
from flask_worker_templates.files.dump import YAML
from flask_worker_templates.files.parse_yaml import parse_yaml
from flask_worker_templates.files.scalars import core_number, double_quoted, resolve, string
from tests.support.strategies import UNICODE

# Strings that are numbers, dates or words to some reader, though PyYAML takes them for strings or writes them raw.
TRAPS = [
    *["08", "09.5", "12e03", "1e3", "0o7", "0o8", "+.5", "-.5e3", "1.e3", "0x1F", "0b1", "-0x1F", "+0b1", "1_000"],
    *[
        "1:30",
        "1:30:15.5",
        "190:20:30",
        "1,000",
        "1.2.3",
        "10.0.0.1",
        "0.",
        ".",
        "-",
        "+1",
        "-1",
        "007",
        "0777",
        "_",
        "-_",
        "_1",
    ],
    *["y", "Y", "n", "N", "yes", "No", "ON", "off", "TRUE", "False", "null", "Null", "~", "", ".inf", "-.INF", ".NaN"],
    *["2020-01-01", "2020-1-1", "2001-12-14t21:59:43.10-05:00", "2001-12-14 21:59:43", "=", "<<", "---", "..."],
    *["--- a"],
    *["a: b", "a:", ":a", "a #b", "#a", "- a", "-a", "? a", "?a", "*a", "&a", "!a", "%a", "@a", "`a", "'a", '"a', "|"],
    *[">"],
    *["[a", "{a", "a]", "a}", "a, b", ",a", " a", "a ", "a\u2028b", "a\u2029b", "a\x85b", "\ufeffa", "é", "😀", "\xa0"],
]

texts = st.one_of(
    st.sampled_from(TRAPS),
    st.text("0123456789+-.:_,eExXbBoO~nNyYaAuUlLtTrRfFsSiI =<", max_size=10),
    st.text(UNICODE, max_size=12),
)
LINE = "\u2028\u2029\x85"


def read_by_other(text: str, version: tuple[int, int]) -> Any:
    """Read with another library, which knows both versions."""
    reader = ruamel.yaml.YAML(typ="safe", pure=True)
    reader.version = version
    return reader.load(text)


class TestReading:
    @pytest.mark.parametrize(
        ("text", "readings"),
        [
            ("010", "the number 8 to YAML 1.1 and the number 10 to YAML 1.2"),
            ("02000", "the number 1024 to YAML 1.1 and the number 2000 to YAML 1.2"),
            ("-017", "the number -15 to YAML 1.1 and the number -17 to YAML 1.2"),
            ("1:30", "the number 90 to YAML 1.1 and a string to YAML 1.2"),
            ("190:20:30.15", "the number 685230.15 to YAML 1.1 and a string to YAML 1.2"),
            ("1_000", "the number 1000 to YAML 1.1 and a string to YAML 1.2"),
            ("1_0.5", "the number 10.5 to YAML 1.1 and a string to YAML 1.2"),
            ("0b101", "the number 5 to YAML 1.1 and a string to YAML 1.2"),
            ("-0x1F", "the number -31 to YAML 1.1 and a string to YAML 1.2"),
            ("0x1_F", "the number 31 to YAML 1.1 and a string to YAML 1.2"),
        ],
    )
    def test_a_number_that_two_versions_read_differently_is_refused_with_both_readings(
        self, text: str, readings: str
    ) -> None:
        [problem] = parse_yaml(f"k: {text}").problems
        assert problem.message == (
            f"'{text}' is {readings}: write the number in decimal digits, or quote it to mean the string."
        )
        assert (problem.line, problem.column) == (1, 4)
        assert parse_yaml(f"k: '{text}'").value == {"k": text}

    @pytest.mark.parametrize(
        ("text", "number"),
        [("0", 0), ("00", 0), ("007", 7), ("-0", 0), ("+5", 5), ("0x1F", 31), (".5", 0.5), ("5.", 5.0), ("1.e+3", 1e3)],
    )  # fmt: skip
    def test_a_number_that_both_read_alike_is_that_number(self, text: str, number: float) -> None:
        assert resolve(text) == (number, None)

    @given(st.from_regex(r"[-+]?[0-9.][0-9_.:xXbBoeE+-]{0,8}", fullmatch=True, alphabet=UNICODE))
    @example("0o7")
    def test_no_number_is_let_through_that_another_reader_of_yaml_1_2_reads_differently(self, text: str) -> None:
        value, refusal = resolve(text)
        if refusal is not None or not isinstance(value, int | float):
            return
        try:
            other = read_by_other(f"[{text}]", (1, 2))[0]
        except ValueError:
            return
        assert other == value

    @pytest.mark.parametrize(
        ("text", "number"),
        [
            # The examples of YAML 1.2.2, section 10.3.2, and its edges.
            *[("0", 0), ("0o7", 7), ("0x3A", 58), ("-19", -19), ("0.", 0.0), ("-0.0", 0.0), (".5", 0.5)],
            *[("+12e03", 12000.0), ("-2E+05", -200000.0), (".inf", math.inf), ("-.Inf", -math.inf)],
            *[("+.INF", math.inf)],
            *[("08", 8), ("1e3", 1000.0), ("+.5", 0.5), ("0x", None), ("0o8", None), ("1_0", None), ("-0x1", None)],
            *[("1:30", None), ("0b1", None), ("", None), (".", None), ("e3", None), ("1e", None), (".e3", None)],
        ],
    )  # fmt: skip
    def test_the_core_schema_of_yaml_1_2(self, text: str, number: float | None) -> None:
        assert core_number(text) == number

    def test_the_core_schema_knows_what_is_no_number(self) -> None:
        number = core_number(".nan")
        assert number is not None
        assert math.isnan(number)


class TestWriting:
    @given(texts)
    def test_a_string_is_that_string_to_every_reader(self, text: str) -> None:
        file = f"block: {string(text, flow=False)}\nflow: [{string(text, flow=True)}]\n"
        expected = {"block": text, "flow": [text]}
        assert yaml.safe_load(file) == expected, file
        for version in ((1, 1), (1, 2)):
            assert read_by_other(file, version) == expected, file
        assert parse_yaml(file).value == expected
        assert not parse_yaml(file).problems

    @given(texts, st.sampled_from(["", "'", '"']), st.booleans())
    def test_no_string_without_quotes_is_a_number_or_a_word_in_any_version(
        self, text: str, style: str, flow: bool
    ) -> None:
        written = string(text, style, flow=flow)
        if written[:1] in ("'", '"'):
            return
        assert core_number(written) is None
        assert resolve(written) == (written, None)
        assert written.lower() not in {"y", "n", "yes", "no", "on", "off", "true", "false", "null", "~", ""}

    @pytest.mark.parametrize("text", TRAPS)
    def test_the_traps_are_quoted_but_for_plain_words(self, text: str) -> None:
        plain = {"-a", "é", "😀", "a]", "a}", "a, b"}
        assert (string(text, flow=False) == text) == (text in plain)

    @given(st.text(UNICODE))
    def test_what_is_written_holds_no_character_that_a_version_refuses_or_ends_a_line_with(self, text: str) -> None:
        for written in (string(text, flow=False), string(text, "'", flow=True), double_quoted(text)):
            assert not set(written) & set(LINE + "\n\r\ufeff")
            assert Reader.NON_PRINTABLE.search(written) is None

    @pytest.mark.parametrize("text", ["😀", "é", "日本語 😀", "\U0001f468\u200d\U0001f469"])
    @pytest.mark.parametrize("style", ["", "'", '"'])
    def test_letters_of_all_scripts_and_emoji_are_not_escaped(self, text: str, style: str) -> None:
        assert text in string(text, style, flow=False)

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(-1e300, 1e300)
            | texts.filter(lambda text: not set(text) & set(LINE)),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
            max_leaves=8,
        ),
        st.sampled_from([1, 2, 4]),
    )  # fmt: skip
    def test_any_value_of_json_means_the_same_to_every_reader(self, value: Any, step: int) -> None:
        file = "\n".join(YAML.lines({"k": value, "flow": [value]}, step))
        expected = {"k": value, "flow": [value]}
        assert yaml.safe_load(file) == expected, file
        assert read_by_other(file, (1, 2)) == expected, file
        assert yaml.safe_load(YAML.inline(value)) == value


def test_the_names_of_pyyaml_that_are_not_documented_are_as_they_were() -> None:
    """`scalars` touches these, and nothing else does: a version of PyYAML that changes them is seen here."""
    assert {"CSafeLoader", "SafeLoader"} >= {scalars.LOADER.__name__}
    resolver: Any = Resolver()
    assert resolver.resolve(yaml.ScalarNode, "1:30", (True, False)) == "tag:yaml.org,2002:int"
    assert SafeConstructor.bool_values == {
        "yes": True, "no": False, "true": True, "false": False, "on": True, "off": False,
    }  # fmt: skip
    constructor: Any = SafeConstructor()
    assert constructor.construct_yaml_int(yaml.ScalarNode("", "0x1F")) == 31
    assert constructor.construct_yaml_float(yaml.ScalarNode("", "1.5")) == 1.5
    assert Reader.NON_PRINTABLE.search("a\x01") is not None
    assert Reader.NON_PRINTABLE.search("aé😀\u2028") is None
