"""Routes that are compiled once a process, though thousands of tests make an app of their own."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from werkzeug.routing import BaseConverter, Map, Rule

Builder = Callable[..., tuple[str, str]]

COMPILE, COMPILE_BUILDER = Rule.compile, Rule._compile_builder
"""Werkzeug's own, which remember nothing."""


def compile_each_route_once() -> None:
    """Let werkzeug remember what it makes of a route, for each app that has the same route.

    To compile routes is most of the work of making an app. What comes out depends on the route and on the converters
    that its map knows alone, unless the route has defaults or a host. Each rule gets converters of its own, since they
    know the map.
    """
    rules: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    builders: dict[tuple[Any, ...], Builder] = {}

    def compiled(self: Rule) -> None:
        assert self.map is not None
        if self.defaults or self.subdomain or self.map.host_matching:
            return COMPILE(self)
        key = (self.rule, self.merge_slashes, *self.map.converters.items())
        if key not in rules:
            COMPILE(self)
            # Without the map, which would keep its app.
            rules[key] = (
                (*self._parts,),
                (*self._trace,),
                {name: _of(it, None) for name, it in self._converters.items()},
            )
            return None
        parts, trace, converters = rules[key]
        self._parts, self._trace = [*parts], [*trace]
        self._converters = {name: _of(converter, self.map) for name, converter in converters.items()}
        self.arguments.update(self._converters)
        self._build = self._compile_builder(False).__get__(self, None)
        self._build_unknown = self._compile_builder(True).__get__(self, None)
        return None

    def builder(self: Rule, append_unknown: bool = True) -> Builder:
        if self.defaults:
            return COMPILE_BUILDER(self, append_unknown)
        # The builder finds the converters on the route that it is bound to.
        key = (self.rule, append_unknown, tuple(self._trace))
        if key not in builders:
            builders[key] = COMPILE_BUILDER(self, append_unknown)
        return builders[key]

    Rule.compile, Rule._compile_builder = compiled, builder  # type: ignore[method-assign]


def _of(converter: BaseConverter, routes: Map | None) -> BaseConverter:
    other = copy.copy(converter)
    other.map = routes  # type: ignore[assignment]  # one that is only remembered has none
    return other
