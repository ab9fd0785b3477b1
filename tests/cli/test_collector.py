"""The garbage collector is as the host set it, before and after a command."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import suppress

import pytest

from flask_worker_templates.cli.collector import rare_collections


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


@pytest.mark.parametrize(
    ("host", "meanwhile"), [((700, 10, 10), (50_000, 10, 10)), ((90_000, 5, 7), (90_000, 5, 7)), ((0, 9, 9), (0, 9, 9))]
)
def test_it_runs_less_often_during_a_command_alone(host: tuple[int, int, int], meanwhile: tuple[int, int, int]) -> None:
    gc.set_threshold(*host)
    with suppress(KeyError), rare_collections():
        assert gc.get_threshold() == meanwhile
        raise KeyError
    assert gc.get_threshold() == host
