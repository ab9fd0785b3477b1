"""What a plain (unquoted) scalar means to readers of YAML 1.1 and 1.2, and how a string is written for both.

We read as YAML 1.1, as PyYAML's safe loader does; other tools read the same files as YAML 1.2, which takes other
scalars for numbers. So a number that the two do not share is refused, and no string is written that some reader takes
for something else.

This is the only place that touches tables and classes of PyYAML that are not documented: `LOADER` (its parser in C),
``Resolver``, ``SafeConstructor.bool_values`` and ``Reader.NON_PRINTABLE``.
"""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Callable
from typing import Any

import yaml
from yaml.constructor import SafeConstructor
from yaml.nodes import ScalarNode
from yaml.reader import Reader
from yaml.resolver import Resolver

from .parsed import describe, is_bounded, shown, too_large

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
NON_PRINTABLE = Reader.NON_PRINTABLE
"""Matches the characters that no YAML text may hold."""

# Of the base classes: resolvers and constructors that a host adds to SafeLoader have no effect here.
_resolver: Any = Resolver()
_constructor: Any = SafeConstructor()
_MAX_NUMBER_LENGTH = 100
_MAX_RESOLVED_LENGTH = 1000

# --- Reading ---


def resolve(text: str) -> tuple[Any, str | None]:
    """Return what a plain scalar means in YAML 1.1, or itself and why it is refused."""
    # No field takes so long a string, so that its type makes no difference; the resolver's patterns would take
    # seconds and hundreds of megabytes for megabytes of `1:1:1`.
    if len(text) > _MAX_RESOLVED_LENGTH:
        return text, None
    tag = _resolver.resolve(ScalarNode, text, (True, False))
    kind = tag.rpartition(":")[2]
    if kind == "str":
        return text, None
    if kind == "null":
        return None, None
    if kind == "bool":
        return _constructor.bool_values[text.lower()], None
    if kind in ("int", "float"):
        return _number(kind, tag, text)
    # A date; `=` and `<<` where they are values, which the safe loader cannot construct.
    meaning = "a date" if kind == "timestamp" else "a sign of its own"
    return text, f"{shown(text)} is {meaning} to YAML: quote it to mean the string."


def _number(kind: str, tag: str, text: str) -> tuple[Any, str | None]:
    construct = _constructor.construct_yaml_int if kind == "int" else _constructor.construct_yaml_float
    try:
        number = construct(ScalarNode(tag, text)) if len(text) <= _MAX_NUMBER_LENGTH else math.inf
    except ValueError:  # 0x_ looks like a number to the resolver, and is none
        return text, f"{shown(text)} is not a valid number: correct it, or quote it to mean the string."
    if not is_bounded(number):
        return text, too_large(text)
    other = core_number(text)
    if other == number:
        return number, None
    reading = "a string" if other is None else describe(other)
    return text, (
        f"{shown(text)} is {describe(number)} to YAML 1.1 and {reading} to YAML 1.2: "
        "write the number in decimal digits, or quote it to mean the string."
    )


# The core schema of YAML 1.2.2, section 10.3.2.
_CORE_NUMBERS: tuple[tuple[re.Pattern[str], Callable[[str], int | float]], ...] = (
    (re.compile(r"[-+]?[0-9]+"), int),
    (re.compile(r"0o[0-7]+"), lambda text: int(text[2:], 8)),
    (re.compile(r"0x[0-9a-fA-F]+"), lambda text: int(text, 16)),
    (re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"), float),
    (re.compile(r"[-+]?\.(?:inf|Inf|INF)"), lambda text: -math.inf if text[0] == "-" else math.inf),
    (re.compile(r"\.(?:nan|NaN|NAN)"), lambda _: math.nan),
)


def core_number(text: str) -> int | float | None:
    """Return the number that a plain scalar is in the core schema of YAML 1.2; None if it is none."""
    if len(text) > _MAX_NUMBER_LENGTH:
        return None
    return next((convert(text) for pattern, convert in _CORE_NUMBERS if pattern.fullmatch(text)), None)


# --- Writing ---

# What a reader of any version takes, or once took, for something else than a string: numbers with signs, points,
# exponents, underscores, colons and commas, in any base; times and dates; words for true, false and nothing; signs.
_NOT_A_STRING = re.compile(
    r"""  [-+]? [.0-9_] [-+0-9_.,:eE]*
      |   [-+]? 0 [xXoObB] [0-9a-fA-F_]*
      |   [0-9]{1,4} - [0-9]{1,2} - [0-9]{1,2} (?: [Tt\s] .*)?
      |   [-+]? \.? (?: inf | infinity | nan )
      |   y | n | yes | no | on | off | true | false | null | nil | none | ~ | = | <<
    """,
    re.VERBOSE | re.IGNORECASE,
)
# Control characters, what ends a line in YAML 1.1 only, what turns the direction of a text around, the byte order mark
# and lone surrogates.
_NOT_SEEN = "\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff\ufffe\uffff"
_ESCAPED = re.compile(f"[\x00-\x1f{_NOT_SEEN}]")
_ESCAPED_IN_JSON = re.compile(f"[{_NOT_SEEN}]")
_PLAIN_START = re.compile(r"""(?:[^\s\-?:,\[\]{}#&*!|>'"%@`]|-[^\s\-?:,\[\]{}#&*!|>'"%@`])""")
_PLAIN_NEVER = re.compile(r":\s|:\Z|\s#|\s\Z|\A(?:---|\.\.\.)")
_PLAIN_NEVER_IN_BRACKETS = re.compile(r"[,?\[\]{}:]")


# Most names and sentences, told in a tenth of the time. Shorter ones may be words for something else.
_SURELY_PLAIN = re.compile(r"(?=.{9})[A-Za-z][\w./()+-]*+(?:[ ,]++[\w./()+-]++)*+", re.ASCII)


def is_plain(text: str, *, flow: bool) -> bool:
    """Tell whether every reader takes a string for this string if it is written without quotes."""
    if not flow and _SURELY_PLAIN.fullmatch(text):
        return True
    return (
        _PLAIN_START.match(text) is not None
        and _NOT_A_STRING.fullmatch(text) is None
        and _PLAIN_NEVER.search(text) is None
        and not (flow and _PLAIN_NEVER_IN_BRACKETS.search(text))
        and _ESCAPED.search(text) is None
    )


def string(text: str, style: str = "", *, flow: bool) -> str:
    """Return a string as a scalar on one line.

    Args:
        text: the string.
        style: the quotes to use; none if it is empty, and none are needed.
        flow: whether it stands between brackets.
    """
    # Most strings of a fleet come again and again, keys most of all.
    return _string(text, style, flow) if len(text) > _MAX_REMEMBERED else _remembered(text, style, flow)


def _string(text: str, style: str, flow: bool) -> str:
    if not style and is_plain(text, flow=flow):
        return text
    if style != '"' and _ESCAPED.search(text) is None:
        return "'" + text.replace("'", "''") + "'"
    return double_quoted(text)


_MAX_REMEMBERED = 64  # characters
_remembered = functools.lru_cache(maxsize=4096)(_string)


def double_quoted(text: str) -> str:
    """Return a string in double quotes, which mean the same in JSON and in every YAML."""
    return json_text(text)


def json_text(value: Any, indent: int | str | None = None) -> str:
    """Return the JSON of a value, in which everything that is written can be seen."""
    written = json.dumps(value, ensure_ascii=False, indent=indent)
    return _ESCAPED_IN_JSON.sub(lambda found: f"\\u{ord(found.group()):04x}", written)


def is_literal(text: str) -> bool:
    """Tell whether a string of several lines can be written as a literal block (``|-``)."""
    lines = text.split("\n")
    return (
        len(lines) > 1
        and not lines[0].startswith((" ", "\t"))
        and bool(lines[0] and lines[-1])
        and all(line == line.rstrip() and _ESCAPED.search(line) is None for line in lines)
    )
