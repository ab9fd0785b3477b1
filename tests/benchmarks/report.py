"""Ratios with their spread over the rounds, and tables. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Spread:
    """A median and the range that it lies in."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of some values."""
        return cls(statistics.median(values), min(values), max(values))

    def __str__(self) -> str:
        return f"{number(self.median)} ({number(self.low)}–{number(self.high)})"

    def to_dict(self) -> dict[str, float]:
        """The spread for JSON."""
        return asdict(self)


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """How many times theirs ours is, round by round: what the machine did meanwhile is in both."""
    return Spread.of([one / other for one, other in zip(ours, theirs, strict=True)])


def number(value: float) -> str:
    """A number with three significant digits, thousands apart."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value >= 0.001 or value == 0 else f"{value:.1e}"


def table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table that also reads well as text: the first column to the left, the others to the right."""
    cells = [list(headings), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headings))]

    def line(row: Sequence[str]) -> str:
        first = row[0].ljust(widths[0])
        rest = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
        return "| " + " | ".join([first, *rest]) + " |"

    rule = "|" + "|".join(["-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:])]) + "|"
    return "\n".join([line(cells[0]), rule, *(line(row) for row in cells[1:])])


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be reached: a ratio, at least or at most."""

    value: float
    at_most: bool = False

    def met(self, measured: float) -> bool:
        """Whether a median reaches it."""
        return measured <= self.value if self.at_most else measured >= self.value

    def verdict(self, measured: float) -> str:
        """The target and whether it is reached, for a table."""
        sign = "≤" if self.at_most else "≥"
        return f"{sign} {number(self.value)} {'✓' if self.met(measured) else '✗'}"


def verdict(target: Target | None, measured: float) -> str:
    """As `Target.verdict`; empty where there is no target."""
    return target.verdict(measured) if target else ""


Results = dict[str, Any]
"""What a part of the benchmark found, ready for JSON."""


_LEAST_SHARE = 0.004
"""Of a request's time: what takes less is told as one."""


def functions_tables(results: Results) -> list[str]:
    """For each request, the table of the functions that take its time, with what takes little as one row per layer."""
    tables = []
    for name, found in results.items():
        whole = sum(one["us"] for one in found["functions"])
        rows, others = [], dict.fromkeys(found["layers"], (0, 0.0, 0.0))
        for one in found["functions"]:
            if one["us"] >= _LEAST_SHARE * whole:
                rows.append([one["function"], one["layer"], number(one["calls"]), number(one["us"])])
            else:
                count, calls, us = others[one["layer"]]
                others[one["layer"]] = count + 1, calls + one["calls"], us + one["us"]
        for layer, (count, calls, us) in others.items():
            rows.append([f"{count} more", layer, number(calls), number(us)])
        rows.append(["all", "", number(found["calls"]), number(whole)])
        headings = ["function, with what of C it calls", "works for", "calls", "µs of its own"]
        tables.append(f"#### {name}: {found['requests']:,} requests\n\n{table(headings, rows)}")
    return tables


def layers_table(results: Results) -> str:
    """The table of what each layer takes of each request, in microseconds."""
    layers = list(dict.fromkeys(layer for found in results.values() for layer in found["layers"]))
    rows = []
    for name, found in results.items():
        each = [found["layers"].get(layer, 0) for layer in layers]
        rows.append([name, *map(number, each), number(sum(each))])
    return table(["µs of the worker", *layers, "all"], rows)
