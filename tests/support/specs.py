"""The one plain spec that tests begin from."""

from __future__ import annotations

from typing import Any


def spec(name: str = "small", **fields: Any) -> dict[str, Any]:
    """A valid spec with nothing in it that has a default, but `fields`."""
    return {
        "name": name,
        "instance_type": "m5.large",
        "capacity": {"cpu_cores": 2, "memory_gb": 8, "storage_gb": 50},
        "license_type": "PERSONAL",
        **fields,
    }
