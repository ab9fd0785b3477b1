"""A clock that a test moves."""

from __future__ import annotations

from datetime import datetime, timedelta


class MovableClock:
    """The time as naive UTC, which passes only when it is told to."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1)  # noqa: DTZ001  # naive, as PyMongo gives times

    def __call__(self) -> datetime:
        return self.time

    def pass_by(self, seconds: float) -> None:
        """Let time pass."""
        self.time += timedelta(seconds=seconds)
