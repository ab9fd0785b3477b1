"""What the contestants share: where their database is, and the time in the precision of MongoDB."""

from __future__ import annotations

import os
from datetime import UTC, datetime

PATH = "/api/v1/templates"
PAGE_SIZE = 50
LICENSE_TYPES = ("PERSONAL", "ENTERPRISE", "EVALUATION")


def mongodb_uri() -> str:
    """The URI of the contestant's own database; its options say how durable writes are."""
    return os.environ["BENCHMARK_MONGODB_URI"]


def ours_settings() -> dict[str, str]:
    """The settings of this extension's apps; they seed from the file that the environment names, or not at all."""
    path = os.environ.get("BENCHMARK_TEMPLATES")
    seeding = {"WORKER_TEMPLATES_CONFIG_PATH": path} if path else {"WORKER_TEMPLATES_SEED": "off"}
    return {"WORKER_TEMPLATES_MONGODB_URI": mongodb_uri(), **seeding}


def now() -> datetime:
    """The time in whole milliseconds, as MongoDB keeps it: what is returned equals what is read later."""
    moment = datetime.now(UTC).replace(tzinfo=None)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
