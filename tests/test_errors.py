"""The exceptions: data that crosses processes."""

from __future__ import annotations

import copy
import inspect
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest

import flask_worker_templates
from flask_worker_templates import (
    ClaimRefused,
    DatabaseUnavailable,
    DuplicateNames,
    ExportRefused,
    Fault,
    InvalidFiles,
    InvalidPlan,
    InvalidSpec,
    NameTaken,
    NotReady,
    RestoreRefused,
    RevisionMismatch,
    RevisionNotFound,
    SyncRefused,
    TemplateDeprecated,
    TemplateDisabled,
    TemplateFull,
    TemplateInUse,
    TemplateKeepsChanging,
    TemplateNotFound,
    WorkerTemplatesError,
)

ARGUMENTS: dict[type[WorkerTemplatesError], tuple[tuple[Any, ...], dict[str, Any]]] = {
    InvalidFiles: (([Fault("a.yaml", 1, 2, "name", "Required.")],), {}),
    RevisionNotFound: (("an-id", 3), {}),
    NameTaken: (("small", "an-id"), {}),
    RevisionMismatch: (("an-id", 3), {}),
    TemplateInUse: (("small",), {"claims": 7, "workers": ["w1", "w2"]}),
    DuplicateNames: (({"small": 2}, "worker_templates"), {}),
    DatabaseUnavailable: (("it is away",), {"retry_after": 7}),
    NotReady: (("it failed",), {"retry_after": 7}),
    InvalidPlan: ((["no plan"],), {}),
    SyncRefused: ((["no"],), {"conflict": True}),
    ExportRefused: ((["no"],), {"conflict": True}),
    TemplateKeepsChanging: (("an-id", 5), {}),
    TemplateNotFound: (("small",), {}),
    TemplateDisabled: (("small",), {}),
    TemplateDeprecated: (("small", "too old", "large"), {}),
    TemplateFull: (("small", 3, 3), {}),
    ClaimRefused: (("small", "is away"), {}),
    RestoreRefused: (("an-id", "is not deleted"), {}),
}
"""What makes one of each; the others take one string, or errors by field."""

KINDS = [
    value
    for value in (getattr(flask_worker_templates, name) for name in flask_worker_templates.__all__)
    if inspect.isclass(value) and issubclass(value, BaseException)
]


def one_of(kind: type[WorkerTemplatesError]) -> WorkerTemplatesError:
    plain: tuple[Any, ...] = ("why",)
    if issubclass(kind, flask_worker_templates.InvalidInput):
        plain = ({"capacity": {"cpu_cores": ["Required."]}},)
    arguments, options = ARGUMENTS.get(kind, (plain, {}))
    error = kind(*arguments, **options)
    error.add_note("a note")
    return error


def fail(kind: type[WorkerTemplatesError]) -> None:
    raise one_of(kind)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_public_exception_survives_pickling_and_copying_with_its_data(kind: type[WorkerTemplatesError]) -> None:
    error = one_of(kind)
    assert len(KINDS) > 15
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        for again in (pickle.loads(pickle.dumps(error, protocol)), copy.copy(error), copy.deepcopy(error)):
            assert type(again) is kind
            assert (str(again), again.args, vars(again)) == (str(error), error.args, vars(error))


def test_an_exception_of_another_process_arrives() -> None:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        with pytest.raises(TemplateInUse, match="7 workers claim it") as caught:
            pool.submit(fail, TemplateInUse).result(timeout=60)
        assert caught.value.workers == ["w1", "w2"]
        with pytest.raises(InvalidSpec):  # the pool still works
            pool.submit(fail, InvalidSpec).result(timeout=60)
