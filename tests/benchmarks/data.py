"""The templates that every contestant holds: varied, and the same at each run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from pymongo import MongoClient

Spec = dict[str, Any]

_INSTANCES = (
    ("m5zn.metal", 48, 192, 3.9641),
    ("c6i.8xlarge", 32, 64, 1.36),
    ("r6i.4xlarge", 16, 128, 1.008),
    ("m6a.2xlarge", 8, 32, None),
    ("x2idn.16xlarge", 64, 1024, 6.669),
)
_LICENSES = ("PERSONAL", "ENTERPRISE", "EVALUATION")
_TEAMS = ("qa", "training", "field", "research")


def spec(number: int) -> Spec:
    """The template of a number; names sort as their numbers do.

    In normal form but for the newest fields, which the peers do not have, and which are left at their defaults.
    """
    instance, cores, memory, cost = _INSTANCES[number % len(_INSTANCES)]
    return {
        "name": f"template-{number:06}",
        "description": f"Machines for the labs of group {number % 97}, rack {number % 13}",
        "instance_type": instance,
        "capacity": {"cpu_cores": cores, "memory_gb": memory, "storage_gb": 500 + number % 1000},
        "license_type": _LICENSES[number % len(_LICENSES)],
        "max_nodes": 20 + number % 480,
        "ami_pattern": f"CML-2.{number % 10}.*",
        "startup_time_minutes": 5 + number % 30,
        "port_range": {"start": 2000 + number % 1000, "end": 9999},
        "enabled": number % 7 != 0,
        "cost_per_hour_usd": cost,
        "labels": {"site": f"rack-{number % 13}", "team": _TEAMS[number % len(_TEAMS)]},
    }


def specs(count: int) -> list[Spec]:
    """The first so many templates."""
    return [spec(number) for number in range(count)]


def write_yaml(path: Path, templates: Iterable[Mapping[str, Any]]) -> Path:
    """Write a definition file, in block style as people write it, and return its path."""
    with path.open("w", encoding="utf-8") as stream:
        stream.write("templates:\n")
        for template in templates:
            stream.write("-" + "".join(_yaml_lines(template, "  "))[1:])
    return path


def _yaml_lines(values: Mapping[str, Any], indent: str) -> Iterator[str]:
    # By hand, since PyYAML takes a minute for 100,000 templates.
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield f"{indent}{key}:\n"
            yield from _yaml_lines(value, indent + "  ")
        else:
            plain = isinstance(value, str) and value.replace("-", "").replace(".", "").isalnum() and value[0].isalpha()
            yield f"{indent}{key}: {value if plain else json.dumps(value)}\n"


def insert_stored(uri: str, specs: Iterable[Mapping[str, Any]]) -> None:
    """Write templates in the stored form of the extension, with its index on names."""
    at = datetime(2026, 1, 1, 12, 0, 0, 123_000)  # noqa: DTZ001  # naive UTC, as PyMongo returns it
    server_owned = {"revision": 1, "is_seeded": True, "created_at": at, "updated_at": at}
    with MongoClient[dict[str, Any]](uri) as client:
        templates = client.get_default_database()["worker_templates"]
        templates.create_index("name", unique=True)
        templates.insert_many(
            {
                "_id": f"00000000-0000-4000-8000-{number:012}",
                **spec,
                "labels": [f"{key}={value}" for key, value in spec["labels"].items()],
                **server_owned,
            }
            for number, spec in enumerate(specs)
        )
