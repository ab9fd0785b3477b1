"""Times for people: how long ago something was, and the times that they type."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_SPAN = re.compile(r"(\d{1,6})([smhdw])")
_STEPS = (("y", 365 * 86_400), ("d", 86_400), ("h", 3600), ("m", 60))


def age(moment: datetime, now: datetime | None = None) -> str:
    """Return how long ago a time was, such as ``3d ago``, or how far away it is, such as ``in 5m``."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    seconds = ((now or datetime.now(UTC)) - moment).total_seconds()
    for unit, length in _STEPS:
        if abs(seconds) >= length:
            many = f"{int(abs(seconds) // length)}{unit}"
            return f"{many} ago" if seconds > 0 else f"in {many}"
    return "just now" if seconds >= 0 else "in less than 1m"


def moment_of(text: str, now: datetime | None = None) -> str | datetime:
    """Return the time that a person means: a span before now (``7d``), a date (its begin in UTC), or a time.

    What is none of them is returned as it is: whoever checks the time says what is wrong with it.
    """
    if span := _SPAN.fullmatch(text.strip().lower()):
        try:
            return (now or datetime.now(UTC)) - timedelta(seconds=int(span[1]) * _UNITS[span[2]])
        except OverflowError:
            return text
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError:
        return text
