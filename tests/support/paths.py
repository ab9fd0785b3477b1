"""Where the checkout is, and where the browser."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
CHROMIUM = Path("/usr/bin/chromium")
"""Debian's."""
