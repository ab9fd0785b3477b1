"""The pure parts of the benchmarks: what their figures are made of."""

from __future__ import annotations

import itertools
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from flask_worker_templates.model.spec import normalize
from tests.benchmarks import data, hooks, layers, load, targets
from tests.benchmarks.growing import WORKS
from tests.benchmarks.outcome import Outcome, Sample
from tests.benchmarks.page import PAGE, PROFILE, filled, merged
from tests.benchmarks.page_tables import BLOCKS, PROFILE_BLOCKS, Run
from tests.benchmarks.report import Spread, Target, functions_tables, number, ratio, table
from tests.benchmarks.scenes import SCENES
from tests.benchmarks.servers import GRANIAN

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


def everything_measured(value_of: Callable[[Target], float]) -> targets.Figures:
    return {
        row: {column: Spread.of([value_of(target)]) for column, target in columns.items()}
        for row, columns in targets.LIMITS.items()
    }


def test_figures_at_their_limits_fall_short_of_none() -> None:
    assert targets.shortfalls(everything_measured(lambda target: target.value)) == []


def test_what_is_worse_than_its_limit_falls_short_and_says_what_was_measured() -> None:
    figures = everything_measured(lambda target: target.value)
    figures["get"]["beanie"] = Spread(1.04, 0.98, 1.1)
    figures["console list page"]["JSON"] = Spread(4.1, 4, 4.2)
    assert [str(one) for one in targets.shortfalls(figures)] == [
        "get, beanie: 1.04 (0.98–1.1), limit ≥ 1.05",
        "console list page, JSON: 4.1 (4–4.2), limit ≤ 4",
    ]


def test_what_was_not_measured_falls_short() -> None:
    figures = everything_measured(lambda target: target.value)
    del figures["claim"]
    del figures["get"]["bare"]
    assert [str(one) for one in targets.shortfalls(figures)] == [
        "get, bare: not measured, limit ≥ 0.72",
        "claim, update: not measured, limit ≥ 1.2",
        "claim, commands: not measured, limit ≤ 1",
    ]
    assert "reached" in targets.as_table(figures)


def test_figures_are_read_as_they_were_written() -> None:
    figures = everything_measured(lambda target: target.value + 1)
    assert targets.from_json(json.loads(json.dumps(targets.to_json(figures)))) == figures


def sample(rate: float, cpu: float) -> Sample:
    return Sample(load.Load(requests=int(rate), seconds=1, p50=1, p99=2, failed=0), worker_cpu=cpu, mongod_cpu=1)


def test_an_outcome_compares_with_peers_with_the_update_and_with_the_commands_alone() -> None:
    scene = next(scene for scene in SCENES if scene.key == "best-1000")
    one_round = {
        "update": {"ours": sample(500, 1000), "smorest": sample(250, 2000), "constant": sample(5000, 300)},
        "claim": {"ours": sample(600, 900)},
    }
    outcome = Outcome(scene, {}, rounds=[one_round], alone={"update": [500.0], "get": [180.0]})
    medians = {row: {key: one.median for key, one in columns.items()} for row, columns in outcome.figures.items()}
    assert medians == {
        "update": {"smorest": 2, "alone": 1.25},
        "claim": {"update": 1.2},
    }


def test_a_claim_with_hooks_is_compared_with_a_claim_and_a_read() -> None:
    figures = hooks.compared({"get → 304": ([9.0], [5.0], [10.0]), "claim": ([9.0], [1.8], [12.0])})
    assert {row: {key: one.median for key, one in columns.items()} for row, columns in figures.items()} == {
        "get → 304, with hooks": {"without": 0.9},
        "claim, with hooks": {"without, and a read": 0.9},
    }


def test_every_row_of_the_scenes_has_limits() -> None:
    rows = {row for scene in SCENES for row in scene.rows.values()}
    assert rows <= set(targets.LIMITS)


def test_what_grows_has_limits_by_the_names_of_the_works() -> None:
    grown = {row for row in targets.LIMITS if row.startswith("growth: ")}
    from_the_shell = {targets.growth("drift"), targets.growth("export")}
    assert grown - from_the_shell <= {targets.growth(work.name) for work in WORKS}


def test_what_reads_all_may_take_as_long_for_each_one() -> None:
    (all_claims,) = [work for work in WORKS if work.name == "claims of one template"]
    assert all_claims.grown({1_000: [2.0], 10_000: [24.0]}, "claims") == {"10,000 claims": Spread(1.2, 1.2, 1.2)}


def test_growth_is_measured_from_the_least_there_is() -> None:
    work = WORKS[0]
    assert work.grown({100: [2.0, 2.0], 10_000: [9.0, 9.0], 100_000: [3.0, 2.0]}, "templates") == {
        "templates": Spread(1.25, 1, 1.5)
    }
    assert list(work.grown({10: [1.0], 1_000: [1.0], 10_000: [2.0]}, "claims")) == ["1,000 claims", "10,000 claims"]


def test_a_block_of_the_page_is_replaced_and_one_that_was_not_measured_is_kept() -> None:
    page = (
        "# A\n\n<!-- figures: one -->\nold\n<!-- end of figures -->\n\n"
        "<!-- figures: two -->\nold\n<!-- end of figures -->\n"
    )

    def not_measured(run: Run) -> str:
        return str(run["missing"])

    assert filled(page, {"here": 5}, {"one": lambda run: f"{run['here']} ms", "two": not_measured}) == (
        "# A\n\n<!-- figures: one -->\n\n5 ms\n\n<!-- end of figures -->\n\n"
        "<!-- figures: two -->\nold\n<!-- end of figures -->\n"
    )
    with pytest.raises(ValueError, match="two"):
        filled(page, {}, {"one": not_measured})


def test_of_several_runs_the_last_counts_that_measured_a_part() -> None:
    figure = {"median": 1.0, "low": 1.0, "high": 1.0}
    first = {"count": 1, "shell": 1, "figures": {"get": {"bare": figure, "eve": figure}}}
    second = {"count": 2, "figures": {"get": {"bare": {**figure, "median": 2.0}}}}
    assert merged([first, second]) == {
        "count": 2,
        "shell": 1,
        "figures": {"get": {"bare": {**figure, "median": 2.0}, "eve": figure}},
    }


@pytest.mark.parametrize(("page", "blocks"), [(PAGE, BLOCKS), (PROFILE, PROFILE_BLOCKS)])
def test_a_page_has_a_place_for_each_block(page: Path, blocks: dict[str, Callable[[Run], str]]) -> None:
    assert filled(page.read_text(), {}, blocks) == page.read_text()


def test_the_tables_of_the_page_are_made_from_what_a_run_wrote() -> None:
    contestants = {"ours": 600, "ours-hooked": 590, "smorest": 300, "eve": 200, "beanie": 500, "bare": 800}
    scene = next(scene for scene in SCENES if scene.key == "best-1000")
    works = {work: {key: sample(rate, 1000) for key, rate in contestants.items()} for work in scene.works}
    outcome = Outcome(scene, dict.fromkeys(contestants, GRANIAN), rounds=[works, works])
    counted = {"ours": dict.fromkeys(scene.works, 1), "ours-hooked": {**dict.fromkeys(scene.works, 1), "claim": 2}}
    run = json.loads(
        json.dumps(
            {
                "http.best-1000": outcome.to_dict(),
                "count": counted,
                "machine": {"packages": {"granian": "2.8.9"}},
                "growth": {"milliseconds": {"list": {"claims": {10: 1.5, 1000: 1.75}}}},
                "layers": {"get": {"layers": {"sockets": 60.4, "driver": 240}}},
            }
        )
    )
    lines = [
        re.sub(" +", " ", line)
        for block in ("speed", "costs", "servers", "growth", "layers")
        for line in BLOCKS[block](run).splitlines()
    ]
    assert "| get | 2 (2–2) | 3 (3–3) | 1.2 (1.2–1.2) | 0.75 (0.75–0.75) |" in lines
    assert "| claim with a lease | 600 | 1 | 2 | 1,000 | 1 | 590 | 1; 2 with hooks |" in lines
    assert "| this extension | granian, 8 threads (granian 2.8.9) | – |" in lines
    assert "| list | 10, 1,000 claims | 1.5, 1.75 |" in lines
    assert "| get | 60.4 | 240 | 300 |" in lines


def test_every_call_of_a_request_is_counted_and_what_takes_little_is_one_row() -> None:
    calls = layers.Calls()

    def helper() -> None: ...

    def wsgi_app() -> None:
        for _ in range(3):
            helper()

    sys.setprofile(calls)
    try:
        helper()  # of no request
        wsgi_app()
    finally:
        sys.setprofile(None)
    assert calls.of == {("this extension", wsgi_app.__code__): 1, ("this extension", helper.__code__): 3}

    found = [
        {"layer": "BSON", "function": "bson: encode", "calls": 2.0, "us": 90.0},
        {"layer": "BSON", "function": "bson: decode", "calls": 1.0, "us": 0.2},
        {"layer": "driver", "function": "pool: checkout", "calls": 1.0, "us": 9.6},
        {"layer": "driver", "function": "pool: checkin", "calls": 4.0, "us": 0.2},
    ]
    run = {"get": {"requests": 7, "functions": found, "layers": {"BSON": 90.2, "driver": 9.8}, "calls": 8.0}}
    (text,) = functions_tables(run)
    assert [re.sub(" +", " ", line) for line in text.splitlines()][4:] == [
        "| bson: encode | BSON | 2 | 90 |",
        "| pool: checkout | driver | 1 | 9.6 |",
        "| 1 more | BSON | 1 | 0.2 |",
        "| 1 more | driver | 4 | 0.2 |",
        "| all | | 8 | 100 |",
    ]
