"""What is to be reached: one table of limits, by the row and the column of what is measured. Pure.

Every part of the benchmark gives its medians under these names; `--check` compares them. A column says what a figure is
compared with, or its unit. The title of a row says how it is measured where that is not plain.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.benchmarks.report import Spread, Target, number, table

Figures = dict[str, dict[str, Spread]]
"""What was measured, by row and column."""


def _least(value: float) -> Target:
    return Target(value)


def _most(value: float) -> Target:
    return Target(value, at_most=True)


def _ahead_of(smorest: float, eve: float, beanie: float, **others: Target) -> dict[str, Target]:
    """Requests a second, as a multiple of each peer's."""
    return {"smorest": _least(smorest), "eve": _least(eve), "beanie": _least(beanie), **others}


SHELL_TEMPLATES = 100_000
SEEDED_TEMPLATES = 10_000
SHELL = ("diff", "sync", "export", "list")
HOOKED = ("list", "get", "not modified", "create", "update")
"""The works whose commands and speed must be the same with hooks; a claim reads the template first."""

NAMES = {"not modified": "get → 304"}
"""Works whose rows are called otherwise."""


def row_of(work: str) -> str:
    """The row of a work in the table of the best servers."""
    return "list, 50 of 1,000" if work == "list" else NAMES.get(work, work)


def hooked(work: str) -> str:
    """The row of a work with hooks."""
    return f"{NAMES.get(work, work)}, with hooks"


def shell(command: str) -> str:
    """The row of a command."""
    return f"{command} of {SHELL_TEMPLATES:,}, from the shell"


def growth(work: str) -> str:
    """The row of a work whose cost may not grow."""
    return f"growth: {work}"


_FLAT = _most(1.3)
"""How many times slower something may be with the most than with the least; what reads all, for each one."""
_GROWING = ("templates", "events", "1,000 claims", "10,000 claims")
_PAGES = ("list", "get", "history", "log", "console: list", "console: template", "console: log", "console: claims")

LIMITS: dict[str, dict[str, Target]] = {
    "list, 50 of 1,000": _ahead_of(12, 4, 3.3, bare=_least(1.0)),
    "list, 50 of 50": _ahead_of(15, 4.5, 4, bare=_least(1.1)),
    "get": _ahead_of(1.9, 1.5, 1.05, bare=_least(0.72)),
    "get → 304": _ahead_of(1.8, 1.35, 1.0),
    # Processor time of the worker against that of a constant route and of the same commands alone.
    "create": _ahead_of(1.8, 2.8, 1.35, alone=_most(1.25)),
    "update": _ahead_of(2.0, 1.75, 1.35, alone=_most(1.25)),
    "claim": {"update": _least(1.2), "commands": _most(1)},
    "renew": {"update": _least(1.2), "commands": _most(1)},
    **{hooked(work): {"without": _least(0.95), "more commands": _most(0)} for work in HOOKED},
    # A claim, and a read besides: against the processor time of a claim without hooks and of a read alone.
    **{hooked(work): {"without, and a read": _least(0.95), "more commands": _most(1)} for work in ("claim", "renew")},
    f"cold seed of {SEEDED_TEMPLATES:,}": {"loop": _least(20), "floor": _most(1.35)},
    **{shell(command): {"seconds": _most(15), "MB": _most(400)} for command in SHELL},
    "console list page": {"JSON": _most(4)},
    "threads: list": _ahead_of(8, 2.4, 1.8, bare=_least(0.9)),
    "threads: get": _ahead_of(1.6, 1.4, 0.65, bare=_least(0.75)),
    **{growth(page): dict.fromkeys(_GROWING, _FLAT) for page in _PAGES},
    growth("renewal"): {"1,000 claims": _FLAT},
    growth("new claim"): {"1,000 claims": _most(4)},
    growth("search by q"): {"templates": _FLAT},
    growth("drift"): {"templates": _FLAT},
    growth("export"): {"templates": _FLAT},
    growth("claims of one template"): {"10,000 claims": _FLAT},
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """A limit, and what was measured, if it was."""

    row: str
    column: str
    target: Target
    measured: Spread | None

    @property
    def met(self) -> bool:
        """Whether it was measured and is reached."""
        return self.measured is not None and self.target.met(self.measured.median)

    def __str__(self) -> str:
        limit = f"{'≤' if self.target.at_most else '≥'} {number(self.target.value)}"
        found = "not measured" if self.measured is None else str(self.measured)
        return f"{self.row}, {self.column}: {found}, limit {limit}"


def verdicts(figures: Figures) -> Iterator[Verdict]:
    """Every limit in the order of the table."""
    for row, columns in LIMITS.items():
        for column, target in columns.items():
            yield Verdict(row, column, target, figures.get(row, {}).get(column))


def shortfalls(figures: Figures) -> list[Verdict]:
    """The limits that are not reached, and those of what was not measured."""
    return [verdict for verdict in verdicts(figures) if not verdict.met]


def as_table(figures: Figures) -> str:
    """All limits with what was measured, and what falls short."""
    rows = []
    for verdict in verdicts(figures):
        median = "not measured" if verdict.measured is None else verdict.measured
        mark = verdict.target.verdict(verdict.measured.median) if verdict.measured else "✗"
        rows.append([verdict.row, verdict.column, median, mark])
    missed = len(shortfalls(figures))
    return (
        f"### Against the limits: {len(rows) - missed} of {len(rows)} reached\n\n"
        + table(["", "against", "measured", "limit"], rows)
    )  # fmt: skip


def to_json(figures: Figures) -> dict[str, dict[str, dict[str, float]]]:
    """The figures for JSON."""
    return {row: {column: spread.to_dict() for column, spread in columns.items()} for row, columns in figures.items()}


def from_json(found: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Figures:
    """The figures of `to_json`."""
    return {row: {column: Spread(**spread) for column, spread in columns.items()} for row, columns in found.items()}


def merge(figures: Figures, more: Figures) -> None:
    """Add figures to others."""
    for row, columns in more.items():
        figures.setdefault(row, {}).update(columns)
