"""Routes that are compiled once a process, though thousands of tests make an app of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from werkzeug.routing import Rule

Builder = Callable[..., tuple[str, str]]

COMPILE_BUILDER = Rule._compile_builder
"""Werkzeug's own, which remembers nothing."""


def compile_each_route_once() -> None:
    """Let werkzeug remember the function that builds a route's URLs, for each app that has the same route.

    To compile these functions is most of the work of making an app. They depend on the parts of the route alone (its
    converters are found on the route that they are bound to), unless the route has defaults.
    """
    compiled: dict[tuple[Any, ...], Builder] = {}

    def remembered(self: Rule, append_unknown: bool = True) -> Builder:
        if self.defaults:
            return COMPILE_BUILDER(self, append_unknown)
        key = (self.rule, append_unknown, tuple(self._trace))
        if key not in compiled:
            compiled[key] = COMPILE_BUILDER(self, append_unknown)
        return compiled[key]

    Rule._compile_builder = remembered  # type: ignore[method-assign]
