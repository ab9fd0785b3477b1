"""Seeding 10,000 templates: this extension, the loop that one would write, and the floor.

Each run is a process of its own, as a restart is; time counts from after the imports, and includes connecting.
The loop has its default durability, which is less than the extension's, and writes no audit trail.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from tests.benchmarks import data, environment
from tests.benchmarks.report import Results, Spread, Target, number, ratio, table, verdict
from tests.support.servers import Mongod, with_database

_RATIOS = (
    ("cold: loop / ours", "naive cold", "ours cold", Target(20)),
    ("warm: loop / ours", "naive warm", "ours warm", Target(20)),
    ("cold: ours / floor", "ours cold", "floor", Target(2, at_most=True)),
)
_TITLES = {
    "ours cold": "this extension, cold",
    "ours warm": "this extension, warm",
    "naive cold": "loop of safe_load, get by name, save; cold",
    "naive warm": "the same loop, warm",
    "floor": "floor: libyaml's events once, two bare insert_many",
}


def run(mongod: Mongod, *, templates: int, rounds: int) -> tuple[Results, str]:
    """Measure, and return the figures and the tables."""
    measured: dict[str, list[dict[str, float]]] = {title: [] for title in _TITLES}
    with tempfile.TemporaryDirectory() as scratch, MongoClient[dict[str, Any]](mongod.uri) as client:
        path = data.write_yaml(Path(scratch) / "templates.yaml", data.specs(templates))
        for round_ in range(rounds):
            databases = {key: f"benchmark-seeding-{key}-{round_}" for key in ("ours", "naive", "floor")}
            for key, database in databases.items():
                uri = with_database(mongod.uri, database)
                if key == "floor":
                    # What the extension has just written is what the floor writes.
                    measured[key].append(_child("floor", path, uri, with_database(mongod.uri, databases["ours"])))
                else:
                    measured[f"{key} cold"].append(_child(key, path, uri))
                    measured[f"{key} warm"].append(_child(key, path, uri))
                    counted = client[database]["worker_templates" if key == "ours" else "templates"]
                    if counted.count_documents({}) != templates:
                        raise RuntimeError(f"{key} seeded {counted.count_documents({})} of {templates} templates")
            for database in databases.values():
                client.drop_database(database)
    ratios = {
        title: (ratio(_totals(measured[one]), _totals(measured[other])), target)
        for title, one, other, target in _RATIOS
    }
    results: Results = {
        "templates": templates,
        "seconds": measured,
        "ratios": {title: {**spread.to_dict(), "target": target.value} for title, (spread, target) in ratios.items()},
    }
    return results, _text(templates, measured, ratios)


def _totals(runs: list[dict[str, float]]) -> list[float]:
    return [run["total"] for run in runs]


def _text(templates: int, measured: dict[str, list[dict[str, float]]], ratios: dict[str, tuple[Spread, Target]]) -> str:
    def part(runs: list[dict[str, float]], key: str) -> str:
        return number(Spread.of([run[key] for run in runs]).median) if key in runs[0] else ""

    rows = [
        [
            title,
            Spread.of(_totals(measured[key])),
            *(part(measured[key], step) for step in ("reading", "validating", "writing")),
        ]
        for key, title in _TITLES.items()
    ]
    compared = [[title, spread, verdict(target, spread.median)] for title, (spread, target) in ratios.items()]
    return (
        f"### Seeding {templates:,} templates\n\n"
        + table(["", "seconds", "reading", "validating", "writing"], rows)
        + "\n\n"
        + table(["", "×", "target"], compared)
    )


def _child(*arguments: object) -> dict[str, float]:
    run = subprocess.run(
        [environment.PYTHON, "-m", "tests.benchmarks.seeding_child", *map(str, arguments)],
        cwd=environment.ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    found: dict[str, float] = json.loads(run.stdout)
    return found
