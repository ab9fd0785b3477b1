"""The pure parts of the benchmarks: what their figures are made of."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from flask_worker_templates.model.spec import normalize
from tests.benchmarks import data, load, processes
from tests.benchmarks.report import Spread, Target, number, ratio, table

WRK_OUTPUT = """\
Running 2s test @ http://127.0.0.1:8000/
  8 threads and 8 connections
Requests/sec:   1402.90
Transfer/sec:      1.22MB

{"requests": 2806, "microseconds": 2000142, "p50": 5410.0, "p99": 21700.0, "failed": 0}
"""


def test_a_ratio_is_taken_round_by_round() -> None:
    # The machine was half as fast in the second round, for both: the ratio does not see it.
    assert ratio([100, 50, 90], [10, 5, 10]) == Spread(median=10, low=9, high=10)


def test_a_ratio_wants_as_many_rounds_of_each() -> None:
    with pytest.raises(ValueError, match="zip"):
        ratio([1, 2], [1])


def test_a_spread_shows_its_median_and_its_range() -> None:
    assert str(Spread.of([3, 1234.5, 1])) == "3 (1–1,234)"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (0.0005, "5.0e-04"), (0.98765, "0.988"), (12.345, "12.3"), (99.96, "100"), (123456.7, "123,457")],
)
def test_numbers_have_three_significant_digits(value: float, shown: str) -> None:
    assert number(value) == shown


def test_a_table_is_markdown_with_aligned_columns() -> None:
    assert table(["", "ms"], [["cold", 1234], ["warm", 5]]) == (
        "|      |   ms |\n"
        "|------|-----:|\n"
        "| cold | 1234 |\n"
        "| warm |    5 |"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("target", "measured", "shown"),
    [
        (Target(1.75), 1.75, "≥ 1.75 ✓"),
        (Target(1.75), 1.74, "≥ 1.75 ✗"),
        (Target(2, at_most=True), 2.0, "≤ 2 ✓"),
        (Target(2, at_most=True), 2.1, "≤ 2 ✗"),
    ],
)
def test_a_target_says_whether_it_is_met(target: Target, measured: float, shown: str) -> None:
    assert target.verdict(measured) == shown


def test_the_last_line_of_wrk_is_read() -> None:
    measured = load.parse(WRK_OUTPUT)
    assert measured == load.Load(requests=2806, seconds=2.000142, p50=5.41, p99=21.7, failed=0)
    assert measured.rate == pytest.approx(1402.9, abs=0.1)


def test_wrk_without_a_report_is_an_error() -> None:
    with pytest.raises(load.LoadError, match="unable to connect"):
        load.parse("unable to connect to 127.0.0.1:1 Connection refused\n")


def test_templates_of_the_benchmark_are_in_normal_form_and_sorted() -> None:
    specs = data.specs(1000)
    defaults: dict[str, Any] = {"max_claims": None, "deprecation": None, "extra": {}}
    assert [normalize(spec) for spec in specs] == [{**spec, **defaults} for spec in specs]
    assert all(one["name"] < other["name"] for one, other in itertools.pairwise(specs))


def test_a_definition_file_holds_the_templates(tmp_path: Path) -> None:
    path = data.write_yaml(tmp_path / "templates.yaml", data.specs(3))
    assert yaml.safe_load(path.read_text()) == {"templates": data.specs(3)}


def test_cpu_time_and_memory_of_this_process_are_found() -> None:
    before = processes.cpu_seconds(os.getpid())
    while processes.cpu_seconds(os.getpid()) - before < 0.02:
        sum(range(10_000))
    assert os.getpid() in processes.tree(os.getpid())
    assert 5 < processes.rss_mb(os.getpid()) < 10_000
