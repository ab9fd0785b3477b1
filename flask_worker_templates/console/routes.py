"""A route of the console."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Route:
    """Path below the console's prefix, view and method; the view's name is the endpoint."""

    path: str
    view: Callable[..., Any]
    method: str = "GET"
