"""``python -m tests.benchmarks``: run everything, print the tables, write them, compare the figures with the limits."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from tests.benchmarks import (
    alone,
    best,
    commands,
    console,
    environment,
    growth,
    hooks,
    http,
    imports,
    layers,
    seeding,
    shell,
    targets,
)
from tests.benchmarks.outcome import Outcome
from tests.benchmarks.record import Record
from tests.benchmarks.report import Results
from tests.benchmarks.scenes import SCENES
from tests.benchmarks.servers import Serving
from tests.benchmarks.targets import Figures
from tests.support.servers import Mongod

RESULTS = environment.HERE / "results"
LATEST = RESULTS / "latest.json"
CHOICE = RESULTS / "servers.json"
"""What the last run that tried the servers found."""
PARTS = ("http", "count", "hooks", "seeding", "imports", "commands", "console", "layers", "shell", "growth")

QUICK_PARTS = ("http", "count", "hooks", "seeding", "console", "shell", "growth")
QUICK_SCENES = ("page-50", "best-1000", "threads-1000")

Found = tuple[Results, str] | tuple[Results, str, Figures]


def main() -> int:
    """Run the parts that were asked for; return the exit code."""
    options = _options()
    if options.results is not None:
        figures: Figures = {}
        for path in options.results or [LATEST]:
            targets.merge(figures, targets.from_json(json.loads(path.read_text())["figures"]))
        print(targets.as_table(figures))
        return _check(figures) if options.check else 0
    environment.ensure()
    # Ended in any usual way, this leaves no server behind, and the results of what is done.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if os.getloadavg()[0] > 1:
        print(f"This machine is busy (load {os.getloadavg()[0]:.1f}): ratios will spread, CPU times will be high.")
    (RESULTS / "logs").mkdir(parents=True, exist_ok=True)
    installed = environment.versions()
    failed = []
    with Mongod(test_commands=False) as mongod:
        machine = _machine(installed, mongod)
        record = Record(RESULTS, machine=machine, options={**vars(options), "results": None})
        if "http" in options.only:
            _http(mongod, options, record, installed)
        for part, measure in _others(mongod, options).items():
            if part in options.only:
                _tell(part)
                try:
                    record.keep(part, *measure())
                except Exception:  # the other parts still count
                    traceback.print_exc()
                    failed.append(part)
                else:
                    record.show(part)
    print(f"\n{targets.as_table(record.figures)}\n\nWritten: {record.json_path} and .md")
    if failed:
        print(f"FAILED, and so not measured: {', '.join(failed)}")
    return max(_check(record.figures) if options.check else 0, 1 if failed else 0)


def _http(mongod: Mongod, options: argparse.Namespace, record: Record, installed: dict[str, str]) -> None:
    logs = RESULTS / "logs"
    servings = _servers(mongod, options, record, installed)
    for scene in SCENES:
        if scene.key not in (options.scenes or (QUICK_SCENES if options.quick else [one.key for one in SCENES])):
            continue
        part = f"http.{scene.key}"
        _tell(part)
        http.run(
            mongod,
            scene,
            best=servings,
            rounds=options.rounds,
            seconds=options.seconds,
            logs=logs,
            tell=_keeper(record, part),
        )
        record.show(part)


def _servers(
    mongod: Mongod, options: argparse.Namespace, record: Record, installed: dict[str, str]
) -> dict[str, Serving]:
    if options.servers == "usual":
        return best.of_the_usual()
    if options.servers == "last" and CHOICE.exists():
        choice = best.Choice(json.loads(CHOICE.read_text()))
        record.keep("servers", choice.to_dict(), choice.text(installed))
        return choice.best()
    _tell("servers")
    choice = best.choose(mongod, rounds=1 if options.quick else options.rounds, seconds=1, logs=RESULTS / "logs")
    record.keep("servers", choice.to_dict(), choice.text(installed))
    record.show("servers")
    CHOICE.write_text(json.dumps(choice.rates))
    return choice.best()


def _keeper(record: Record, part: str) -> Callable[[Outcome], None]:
    def keep(outcome: Outcome) -> None:
        record.keep(part, outcome.to_dict(), str(outcome), outcome.figures)
        print(f"{part}: round {len(outcome.rounds)}", file=sys.stderr, flush=True)

    return keep


def _others(mongod: Mongod, options: argparse.Namespace) -> dict[str, Callable[[], Found]]:
    return {
        "count": lambda: alone.count(mongod),
        "hooks": lambda: hooks.run(mongod, rounds=8 * options.rounds),
        "seeding": lambda: seeding.run(mongod, templates=options.seeded, rounds=options.seed_rounds),
        "imports": lambda: imports.run(rounds=3 * options.rounds),
        "commands": lambda: commands.run(mongod, rounds=3 * options.rounds),
        "console": lambda: console.run(mongod, rounds=options.rounds),
        "layers": lambda: layers.run(mongod, seconds=5 * options.seconds),  # a function takes a hundredth of a request
        "shell": lambda: shell.run(mongod, templates=targets.SHELL_TEMPLATES, rounds=options.shell_rounds, tell=_tell),
        "growth": lambda: growth.run(mongod, sizes=options.sizes, rounds=options.rounds, tell=_tell),
    }


def _check(figures: Figures) -> int:
    missed = targets.shortfalls(figures)
    for heading, which in (
        ("Short of the limits", [verdict for verdict in missed if verdict.measured]),
        ("Not measured", [verdict for verdict in missed if not verdict.measured]),
    ):
        if which:
            print(f"\n{heading}:\n" + "\n".join(f"- {verdict}" for verdict in which))
    return 1 if missed else 0


def _tell(part: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {part} …", file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (default %(default)s)")
    parser.add_argument("--seconds", type=int, default=1, help="of load for each figure (default %(default)s)")
    parser.add_argument("--quick", action="store_true", help="2 rounds, smaller data: a look, not a measurement")
    parser.add_argument("--only", nargs="+", choices=PARTS, help="run these parts only")
    keys = [scene.key for scene in SCENES]
    parser.add_argument("--scenes", nargs="+", choices=keys, default=[], help="of the part http, these tables only")
    parser.add_argument(
        "--servers",
        choices=("best", "last", "usual"),
        help="try which server is the best for each contestant (default); take what was found the last time (default "
        "of --quick); or take gunicorn with gevent and uvicorn",
    )
    parser.add_argument(
        "--check", action="store_true", help="exit 1 and list what falls short of the limits or was not measured"
    )
    parser.add_argument(
        "--results",
        type=Path,
        nargs="*",
        help="measure nothing, read these, of which a later one goes before an earlier one (default: the latest)",
    )
    options = parser.parse_args()
    options.servers = options.servers or ("last" if options.quick else "best")
    options.only = options.only or (QUICK_PARTS if options.quick else PARTS)
    options.seeded, options.sizes = targets.SEEDED_TEMPLATES, growth.Sizes()
    options.seed_rounds, options.shell_rounds = options.rounds, min(2, options.rounds)
    if options.quick:
        options.rounds, options.seed_rounds, options.shell_rounds = 2, 1, 1
        options.sizes = growth.QUICK
    return options


def _machine(installed: dict[str, str], mongod: Mongod) -> dict[str, Any]:
    with MongoClient[dict[str, Any]](mongod.uri) as client:
        version = client.server_info()["version"]
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
        "mongod": version,
        "system": platform.platform(),
        "commit": commit.stdout.strip(),
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "packages": installed,
    }


if __name__ == "__main__":
    sys.exit(main())
