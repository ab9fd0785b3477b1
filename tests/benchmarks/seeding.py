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
from tests.benchmarks.report import Results, Spread, number, ratio, table, verdict
from tests.benchmarks.targets import LIMITS, Figures
from tests.support.servers import Mongod, with_database

_RATIOS = {
    "loop": ("cold: loop / ours", "naive cold", "ours cold"),
    "floor": ("cold: ours / floor", "ours cold", "floor"),
}
_TITLES = {
    "ours cold": "this extension, cold",
    "ours warm": "this extension, warm",
    "naive cold": "loop of safe_load, get by name, save; cold",
    "floor": "floor: libyaml's events once, two bare insert_many",
}


def run(mongod: Mongod, *, templates: int, rounds: int) -> tuple[Results, str, Figures]:
    """Measure, and return the results, the tables and the figures."""
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
                    if key == "ours":
                        measured["ours warm"].append(_child(key, path, uri))
                    counted = client[database]["worker_templates" if key == "ours" else "templates"]
                    if counted.count_documents({}) != templates:
                        raise RuntimeError(f"{key} seeded {counted.count_documents({})} of {templates} templates")
            for database in databases.values():
                client.drop_database(database)
    row = f"cold seed of {templates:,}"
    ratios = {
        column: ratio(_totals(measured[one]), _totals(measured[other])) for column, (_, one, other) in _RATIOS.items()
    }
    results: Results = {
        "templates": templates,
        "seconds": measured,
        "ratios": {column: spread.to_dict() for column, spread in ratios.items()},
    }
    return results, _text(row, templates, measured, ratios), {row: ratios}


def _totals(runs: list[dict[str, float]]) -> list[float]:
    return [run["total"] for run in runs]


def _text(row: str, templates: int, measured: dict[str, list[dict[str, float]]], ratios: dict[str, Spread]) -> str:
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
    limits = LIMITS.get(row, {})
    compared = [
        [_RATIOS[column][0], spread, verdict(limits.get(column), spread.median)] for column, spread in ratios.items()
    ]
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
