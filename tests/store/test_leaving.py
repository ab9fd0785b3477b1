"""A command does not wait for PyMongo's background threads when it ends."""

from __future__ import annotations

import atexit
import importlib
from collections.abc import Callable
from typing import Any

import pytest

from flask_worker_templates.store.leaving import end_at_once


@pytest.fixture
def unregistered(monkeypatch: pytest.MonkeyPatch) -> list[Callable[..., Any]]:
    found: list[Callable[..., Any]] = []
    monkeypatch.setattr(atexit, "unregister", found.append)
    return found


def test_the_wait_of_this_version_of_pymongo_is_left_out(unregistered: list[Callable[..., Any]]) -> None:
    end_at_once()
    assert [wait.__module__ for wait in unregistered] == ["pymongo.synchronous.monitor"]


def test_a_version_without_it_waits_as_before(
    unregistered: list[Callable[..., Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(importlib.import_module("pymongo.synchronous.monitor"), "_shutdown_resources")
    end_at_once()
    assert unregistered == []
