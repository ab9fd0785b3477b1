"""Choosing a template: which ones fit what is asked for, by how much they exceed it, and why the others do not fit."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

from .extra_values import scalar_string
from .image_name import ami_matches
from .query_fields import ExtraCondition
from .template import Template

_MINIMA = {
    "cpu_cores": ("min_cpu_cores", "It has {} cores, and {} are needed."),
    "memory_gb": ("min_memory_gb", "It has {} GB of memory, and {} are needed."),
    "storage_gb": ("min_storage_gb", "It has {} GB of storage, and {} are needed."),
    "nodes": ("min_nodes", "It allows {} nodes, and {} are needed."),
}
"""What a template must have enough of: the parameter that says how much, and what is said of one that has less."""


@dataclass(frozen=True, slots=True)
class Fit:
    """A template that fits, and by how much it exceeds what was asked for.

    Attributes:
        excess: ``cpu_cores``, ``memory_gb``, ``storage_gb`` and ``nodes`` above what was asked for.
    """

    template: Template
    excess: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Return it as the API shows it."""
        return {"template": self.template.to_dict(), "excess": dict(self.excess)}


@dataclass(frozen=True, slots=True)
class Misfit:
    """A template that does not fit, and each reason why not, in sentences."""

    template: Template
    reasons: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as the API shows it."""
        return {"template": self.template.to_dict(), "reasons": list(self.reasons)}


@dataclass(frozen=True, slots=True)
class Selection(Sequence[Template]):
    """The templates that fit, best first; itself the sequence of them.

    Attributes:
        fits: each with its excess.
        others: those that do not fit, by name; empty unless it was asked to explain.
    """

    fits: tuple[Fit, ...]
    others: tuple[Misfit, ...] = ()

    @overload
    def __getitem__(self, index: int) -> Template: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Template]: ...
    def __getitem__(self, index: int | slice) -> Template | Sequence[Template]:
        found = self.fits[index]
        return found.template if isinstance(found, Fit) else [fit.template for fit in found]

    def __len__(self) -> int:
        return len(self.fits)

    def __iter__(self) -> Iterator[Template]:
        return (fit.template for fit in self.fits)

    def to_dict(self) -> dict[str, Any]:
        """Return it as the API shows it."""
        return {"fits": [fit.to_dict() for fit in self.fits], "others": [other.to_dict() for other in self.others]}


def selection(templates: Iterable[Template], asked: Mapping[str, Any]) -> Selection:
    """Return what fits among some templates: cheapest first, unknown prices last, ties by name.

    Args:
        templates: those to choose from.
        asked: parameters of the list of templates, without paging and order.
    """
    fits: list[Fit] = []
    others: list[Misfit] = []
    for template in templates:
        reasons = tuple(_reasons(template, asked))
        if reasons:
            others.append(Misfit(template, reasons))
        else:
            excess = {name: have - asked.get(_MINIMA[name][0], 0) for name, have in _amounts(template).items()}
            fits.append(Fit(template, excess))
    return Selection(
        tuple(sorted(fits, key=lambda fit: _rank(fit.template))),
        tuple(sorted(others, key=lambda other: other.template.name)),
    )


def _rank(template: Template) -> tuple[bool, float, str]:
    return template.cost_per_hour_usd is None, template.cost_per_hour_usd or 0.0, template.name


def _amounts(template: Template) -> dict[str, int]:
    capacity = template.capacity
    return {
        "cpu_cores": capacity.cpu_cores,
        "memory_gb": capacity.memory_gb,
        "storage_gb": capacity.storage_gb,
        "nodes": template.max_nodes,
    }


def _reasons(template: Template, asked: Mapping[str, Any]) -> Iterator[str]:
    if not template.enabled:
        yield "It is disabled."
    if template.deprecation is not None:
        instead = template.deprecation.replaced_by
        yield f"It is deprecated: {template.deprecation.message}" + (f" Use {instead!r} instead." if instead else "")
    yield from _too_small(template, asked)
    types = asked.get("license_type", ())
    if types and template.license_type not in types:
        yield f"Its licence type is {template.license_type}, not {' or '.join(types)}."
    if "ami" in asked and not ami_matches(template.ami_pattern, asked["ami"]):
        yield f"Its ami_pattern {template.ami_pattern!r} does not match {asked['ami']!r}."
    for label in asked.get("label", ()):
        key, _, value = label.partition("=")
        if template.labels.get(key) != value:
            yield f"It does not have the label {label!r}."
    conditions = asked.get("extra", {}).values()
    yield from filter(None, (_extra_reason(template, condition) for condition in conditions))


def _too_small(template: Template, asked: Mapping[str, Any]) -> Iterator[str]:
    for name, have in _amounts(template).items():
        parameter, sentence = _MINIMA[name]
        if have < asked.get(parameter, 0):
            yield sentence.format(have, asked[parameter])


def _extra_reason(template: Template, condition: ExtraCondition) -> str | None:
    needed = " or ".join(one.partition("=")[2] for one in condition.values)
    if condition.key not in template.extra:
        return None if condition.or_absent else f"It has no extra.{condition.key}, and {needed} is needed."
    have = template.extra[condition.key]
    if scalar_string(condition.key, have) in condition.values:
        return None
    return f"Its extra.{condition.key} is {json.dumps(have, ensure_ascii=False)}, and {needed} is needed."
