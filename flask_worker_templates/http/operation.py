"""An operation of the API, said once: where its view is defined.

The description is a function of the words that `openapi.Doc` has for it. It is called only when a document is made, so
that a process that serves loads nothing of what only the document needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from flask import Response

if TYPE_CHECKING:
    from .openapi import Doc

Description = dict[str, Any]
"""What an OpenAPI document says of an operation, except for its id, its summary and its tags."""

_OPERATION = "worker_templates_operation"

V = TypeVar("V", bound=Callable[..., Response])


@dataclass(frozen=True, slots=True)
class Operation:
    """Route and description of one operation.

    Attributes:
        method: HTTP method.
        path: the route below the prefix of the API, as Flask writes it.
        operation_id: unique name, of which client generators make a function's name.
        describe: returns the description, given the words for it.
    """

    method: str
    path: str
    operation_id: str
    describe: Callable[[Doc], Description]


def operation(method: str, path: str, operation_id: str, describe: Callable[[Doc], Description]) -> Callable[[V], V]:
    """Make a method an operation of the API; the first line of its docstring is the summary.

    The arguments are those of `Operation`.
    """

    def mark(view: V) -> V:
        setattr(view, _OPERATION, Operation(method, path, operation_id, describe))
        return view

    return mark


def operations_of(views: object) -> Iterator[tuple[Operation, Callable[..., Response]]]:
    """Yield each operation of an object or a class, and its view, in the order of their definitions."""
    kind = views if isinstance(views, type) else type(views)
    for name in dict.fromkeys(name for base in reversed(kind.__mro__) for name in vars(base)):
        found = getattr(getattr(kind, name), _OPERATION, None)
        if found is not None:
            yield found, getattr(views, name)
