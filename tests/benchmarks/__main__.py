"""``python -m tests.benchmarks``: run everything, print the tables, write JSON and the plot."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.benchmarks import commands, console, environment, growth, http, imports, seeding
from tests.benchmarks.report import Results
from tests.support.servers import Mongod

RESULTS = environment.HERE / "results"
PLOT = environment.ROOT / "docs" / "_static" / "performance.svg"
PARTS = ("http", "seeding", "imports", "commands", "console", "growth")


def main() -> None:
    """Run the parts that were asked for."""
    options = _options()
    environment.ensure()
    if os.getloadavg()[0] > 1:
        print(f"This machine is busy (load {os.getloadavg()[0]:.1f}): ratios will spread, CPU times will be high.")
    RESULTS.mkdir(exist_ok=True)
    logs = RESULTS / "logs"
    logs.mkdir(exist_ok=True)
    results: dict[str, Any] = {"machine": _machine(), "options": vars(options)}
    printed: list[str] = []

    def done(text: str) -> None:
        printed.append(text)
        print(f"\n{text}", flush=True)

    with Mongod(test_commands=False) as mongod:
        if "http" in options.only:
            scenes = [scene for scene in http.SCENES if not options.scenes or scene.key in options.scenes]
            results["http"] = []
            for scene in scenes:
                outcome = http.run(mongod, scene, rounds=options.rounds, seconds=options.seconds, logs=logs)
                results["http"].append(outcome.to_dict())
                done(str(outcome))
        others: dict[str, Callable[[], tuple[Results, str]]] = {
            "seeding": lambda: seeding.run(mongod, templates=options.seeded, rounds=options.rounds),
            "imports": lambda: imports.run(rounds=max(15, options.rounds)),
            "commands": lambda: commands.run(mongod, rounds=max(20, options.rounds)),
            "console": lambda: console.run(mongod, rounds=options.rounds),
            "growth": lambda: growth.run(
                mongod,
                sizes=options.sizes,
                revisions=options.revisions,
                rounds=options.rounds,
                seconds=options.seconds,
                logs=logs,
            ),
        }
        for part, measure in others.items():
            if part in options.only:
                results[part], text = measure()
                done(text)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    for name in (stamp, "latest"):
        (RESULTS / f"{name}.json").write_text(json.dumps(results, indent=1, default=str))
        (RESULTS / f"{name}.md").write_text("\n\n".join(printed) + "\n")
    print(f"\nWritten: {RESULTS / stamp}.json and .md")
    if results.get("http") and not options.no_plot:
        _plot(RESULTS / "latest.json", options.plot)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (default %(default)s)")
    parser.add_argument("--seconds", type=int, default=3, help="of load for each figure (default %(default)s)")
    parser.add_argument("--quick", action="store_true", help="3 rounds of 1 s, smaller data: a look, not a measurement")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="run these parts only")
    keys = [scene.key for scene in http.SCENES]
    parser.add_argument("--scenes", nargs="+", choices=keys, default=[], help="of the part http, these tables only")
    parser.add_argument("--plot", type=Path, default=PLOT, help="where the plot goes (default %(default)s)")
    parser.add_argument("--no-plot", action="store_true", help="leave the plot as it is")
    options = parser.parse_args()
    options.seeded, options.sizes, options.revisions = 10_000, (100, 10_000, 100_000), 10_000
    if options.quick:
        options.rounds, options.seconds = 3, 1
        options.seeded, options.sizes, options.revisions = 2_000, (100, 10_000), 1_000
    return options


def _machine() -> dict[str, Any]:
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=environment.ROOT, check=False, capture_output=True, text=True
    )
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "load_average": os.getloadavg(),
        "python": platform.python_version(),
        "system": platform.platform(),
        "commit": commit.stdout.strip(),
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "packages": environment.versions(),
    }


def _plot(results: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [environment.PYTHON, "-m", "tests.benchmarks.plot", results, target], cwd=environment.ROOT, check=True
    )
    print(f"Written: {target}", file=sys.stderr)


if __name__ == "__main__":
    main()
