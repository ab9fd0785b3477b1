"""Tables: aligned and cut for people, between tabs for programs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_worker_templates.cli.side_by_side import side_by_side
from flask_worker_templates.cli.table import Column, cut, laid_out, tab_separated, text_width
from flask_worker_templates.cli.terminal import Meaning
from tests.support.strategies import UNICODE

Row = dict[str, str]
COLUMNS: list[Column[Row]] = [
    Column("NAME", lambda row: row["name"], narrowest=6),
    Column("SIZE", lambda row: row["size"], right=True, rank=2),
    Column("NOTE", lambda row: row["note"], lambda row: f"exactly {row['note']}", narrowest=5, rank=1),
]
ROWS = [{"name": "small", "size": "2", "note": "a"}, {"name": "enormous-and-long", "size": "1000", "note": "b c"}]


def plain(text: str, meaning: Meaning | None) -> str:
    return text


def test_columns_are_as_wide_as_their_cells() -> None:
    lines, hidden = laid_out(COLUMNS, ROWS, 80, plain)
    assert lines == ["NAME               SIZE  NOTE", "small                 2  a", "enormous-and-long  1000  b c"]
    assert hidden == []


def test_what_is_too_wide_is_cut() -> None:
    lines, hidden = laid_out(COLUMNS, ROWS, 22, plain)
    assert lines == ["NAME        SIZE  NOTE", "small          2  a", "enormous-…  1000  b c"]
    assert hidden == []


def test_where_there_is_no_room_columns_are_left_out_by_their_rank() -> None:
    lines, hidden = laid_out(COLUMNS, ROWS, 14, plain)
    assert (lines[0], hidden) == ("NAME      NOTE", ["SIZE"])
    lines, hidden = laid_out(COLUMNS, ROWS, 7, plain)
    assert (lines, hidden) == (["NAME", "small", "enormo…"], ["SIZE", "NOTE"])


def test_for_programs_nothing_is_cut_and_there_is_no_heading() -> None:
    assert list(tab_separated(COLUMNS, ROWS)) == [
        "small\t2\texactly a",
        "enormous-and-long\t1000\texactly b c",
    ]


def test_a_cell_cannot_be_a_line_or_a_cell_of_its_own_or_steer_the_terminal() -> None:
    evil = [{"name": "a\tb\nc\x1b[31m\u202e", "size": "", "note": ""}]
    assert list(tab_separated(COLUMNS, evil)) == ["a\\tb\\nc\\x1b[31m\\u202e\t\texactly "]
    assert "\x1b" not in laid_out(COLUMNS, evil, 80, plain)[0][1]


@pytest.mark.parametrize(
    ("text", "width"),
    [("abc", 3), ("größe", 5), ("用户", 4), ("e\u0301", 1), ("", 0), ("…", 1)],
)
def test_the_width_of_a_text_is_that_of_its_cells(text: str, width: int) -> None:
    assert text_width(text) == width


@given(st.text(st.characters(categories=["L", "N", "P", "Zs", "Mn"]), max_size=30), st.integers(1, 20))
def test_what_is_cut_fits(text: str, width: int) -> None:
    shown = cut(text, width)
    assert text_width(shown) <= width or text_width(text) <= width
    assert shown == text or (shown.endswith("…") and text.startswith(shown.removesuffix("…")))


@given(
    st.lists(
        st.fixed_dictionaries({name: st.text(UNICODE, max_size=20) for name in ("name", "size", "note")}),
        max_size=4,
    ),
    st.integers(30, 90),
)
def test_a_table_is_never_wider_than_its_room(rows: list[Row], room: int) -> None:
    lines, hidden = laid_out(COLUMNS, rows, room, plain)
    assert len(lines) == len(rows) + 1
    assert all(text_width(line) <= room or "NAME" not in lines[0] for line in lines if not hidden)


CHANGES: list[dict[str, Any]] = [
    {"field": "max_nodes", "from": 20, "to": 30},
    {"field": "labels.team", "to": "qa"},
    {"field": "description", "from": "x" * 100, "to": ""},
]


def test_two_revisions_stand_side_by_side_where_there_is_room() -> None:
    lines = list(side_by_side(CHANGES, ("revision 1", "revision 2"), 80, plain))
    assert lines[0].split("  ") == ["FIELD", *lines[0].split("  ")[1:]]
    assert lines[1].split() == ["max_nodes", "20", "30"]
    assert lines[2].split() == ["labels.team", "–", '"qa"']
    assert max(map(len, lines)) <= 80
    assert "".join(lines[3:]).count("x") == 100  # nothing is cut off


def test_else_they_stand_below_each_other() -> None:
    lines = list(side_by_side(CHANGES[:2], ("revision 1", "revision 2"), 40, plain))
    assert lines == [
        "- revision 1",
        "+ revision 2",
        "max_nodes",
        "  - 20",
        "  + 30",
        "labels.team",
        '  + "qa"',
    ]
