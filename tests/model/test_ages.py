"""Times for people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from flask_worker_templates.model.ages import age, moment_of

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ago", "shown"),
    [
        (timedelta(), "just now"),
        (timedelta(seconds=59), "just now"),
        (timedelta(seconds=60), "1m ago"),
        (timedelta(minutes=59, seconds=59), "59m ago"),
        (timedelta(hours=1), "1h ago"),
        (timedelta(hours=23, minutes=59), "23h ago"),
        (timedelta(days=3, hours=5), "3d ago"),
        (timedelta(days=364), "364d ago"),
        (timedelta(days=800), "2y ago"),
        (-timedelta(seconds=5), "in less than 1m"),
        (-timedelta(minutes=5), "in 5m"),
    ],
)
def test_an_age_has_one_unit(ago: timedelta, shown: str) -> None:
    assert age(NOW - ago, NOW) == shown
    assert age((NOW - ago).replace(tzinfo=None), NOW) == shown


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("30s", NOW - timedelta(seconds=30)),
        ("90m", NOW - timedelta(minutes=90)),
        ("12h", NOW - timedelta(hours=12)),
        ("7d", NOW - timedelta(days=7)),
        ("7D", NOW - timedelta(days=7)),
        ("2w", NOW - timedelta(weeks=2)),
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
    ],
)
def test_a_span_and_a_date_are_times(typed: str, meant: datetime) -> None:
    assert moment_of(typed, NOW) == meant


@pytest.mark.parametrize("typed", ["yesterday", "7", "d", "-1d", "2026-13-01", "2026-11-01T12:00:00Z", "", "999999w"])
def test_what_is_neither_is_left_to_the_check_of_times(typed: str) -> None:
    assert moment_of(typed, NOW) == typed
