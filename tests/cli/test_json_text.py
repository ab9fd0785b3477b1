"""JSON that is printed piece by piece: the same text as at once."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from flask_worker_templates.cli.json_text import json_pieces
from tests.support.strategies import UNICODE

PRINTABLE = st.text(st.characters(exclude_categories=("C", "Z")))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | PRINTABLE
DOCUMENTS = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(PRINTABLE, inner, max_size=3), max_leaves=20
)


def printed(value: Any, *, only_ascii: bool = False) -> str:
    return "".join(json_pieces(value, only_ascii=only_ascii))


def streamed(value: Any) -> Any:
    """The same with iterators for lists, down to the first mapping in a list."""
    if isinstance(value, dict):
        return {key: streamed(inner) for key, inner in value.items()}
    return iter(value) if isinstance(value, list) else value


@given(DOCUMENTS, st.booleans())
def test_it_is_the_text_of_the_standard_library(value: Any, only_ascii: bool) -> None:
    expected = json.dumps(value, indent=2, ensure_ascii=only_ascii)
    assert printed(value, only_ascii=only_ascii) == expected
    assert printed(streamed(value), only_ascii=only_ascii) == expected


@given(st.text(UNICODE))
def test_nothing_in_it_controls_a_terminal(text: str) -> None:
    written = printed({"x": [text, {text: 1}]})
    assert json.loads(written) == {"x": [text, {text: 1}]}
    assert all(char.isprintable() or char == "\n" for char in written)


def test_a_list_is_never_held_as_a_whole() -> None:
    taken = 0

    def numbers() -> Any:
        nonlocal taken
        for number in range(100):
            taken += 1
            yield {"number": number}

    pieces = json_pieces({"all": numbers()}, only_ascii=True)
    while '"number": 3' not in next(pieces):
        pass
    assert taken == 4
