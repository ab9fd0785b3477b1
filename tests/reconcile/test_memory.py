"""What a comparison of a whole fleet holds, and what an export to files: one spec of each template, and little more."""

from __future__ import annotations

import copy
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from flask_worker_templates.cli.json_text import json_pieces
from flask_worker_templates.files import paths
from flask_worker_templates.files.definition_text import definition_file
from flask_worker_templates.files.load import Entry, FileSet, SourceFile, load_files
from flask_worker_templates.model.records import Managed
from flask_worker_templates.model.rules import STANDARD
from flask_worker_templates.reconcile.diff_document import streamed_diff
from flask_worker_templates.reconcile.export import edit_files
from flask_worker_templates.reconcile.export_plan import plan_export
from flask_worker_templates.reconcile.options import SyncOptions
from flask_worker_templates.reconcile.ownership import Ownership
from flask_worker_templates.reconcile.plan import SyncPlan, make_plan
from flask_worker_templates.reconcile.sync_plan import in_todays_form
from tests.support.strategies import spec_with

MOST = 1000
"""Bytes for each template besides its entry: a spec alone has 1,300 more, and a stored template has two."""


def fleet(size: int) -> Ownership:
    path = Path("/app/fleet.yaml")
    entries = tuple(Entry(spec_with(f"template-{number:05}"), "fleet.yaml", number) for number in range(size))
    return Ownership("default", path.parent, FileSet(entries, (SourceFile("fleet.yaml", "", path, path),), ()))


def stored(ownership: Ownership) -> Iterator[Managed]:
    """What the database holds, each as a value of its own."""
    for number, entry in enumerate(ownership.files.entries):
        spec, base = copy.deepcopy(entry.spec), copy.deepcopy(entry.spec)
        if number % 100 == 0:
            spec["max_nodes"] = 7
        yield Managed(f"id-{number}", 1, spec, base, "fleet.yaml", "default")


def plan_of(ownership: Ownership) -> SyncPlan:
    declared = {entry.spec["name"]: entry.spec for entry in ownership.files.entries}
    return make_plan(ownership, in_todays_form(stored(ownership), STANDARD, declared), {}, SyncOptions())


def peak(size: int) -> int:
    """The most bytes that a diff of so many templates holds besides their entries, until it is printed."""
    ownership = fleet(size)
    tracemalloc.start()
    try:
        plan = plan_of(ownership)
        printed = sum(len(piece) for piece in json_pieces(streamed_diff(plan), only_ascii=False))
        assert printed > 300 * size
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_diff_holds_one_spec_of_each_template() -> None:
    peak(10)  # what is made once is there
    assert peak(400) - peak(200) < 200 * MOST


def test_what_is_as_its_entry_says_is_the_entrys_own_spec() -> None:
    ownership = fleet(3)
    plan = plan_of(ownership)
    for step, entry in zip(plan.steps[1:], ownership.files.entries[1:], strict=True):
        assert step.drift.stored is not None
        assert step.drift.stored.spec is step.drift.stored.base is entry.spec
    edited = plan.steps[0].drift.stored
    assert edited is not None
    assert edited.base is ownership.files.entries[0].spec
    assert edited.spec["max_nodes"] == 7


IN_A_FILE = 100


@pytest.fixture
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file may be so large only: room for the largest one is made whenever one is read."""
    monkeypatch.setattr(paths, "MAX_BYTES", 150_000)


def written(directory: Path, sizes: list[int]) -> Ownership:
    """Files of so many entries each, and what is read of them."""
    names = iter(f"template-{number:05}" for number in range(sum(sizes)))
    for number, size in enumerate(sizes):
        text = definition_file([spec_with(next(names)) for _ in range(size)], "yaml")
        (directory / f"{number}.yaml").write_text(text, encoding="utf-8")
    return Ownership("default", directory, load_files([directory], root=directory))


def peak_of_an_export(directory: Path, sizes: list[int], *, removed: int = 0) -> int:
    """The most bytes that an export to files holds besides their entries; one template of a hundred was edited.

    So many were deleted.
    """
    directory.mkdir()
    ownership = written(directory, sizes)
    declared = {entry.spec["name"]: entry.spec for entry in ownership.files.entries}
    tracemalloc.start()
    try:
        templates = in_todays_form(stored(ownership), STANDARD, declared)
        plan = plan_export(ownership, templates[removed:], {}, max_remove=removed)
        del templates
        contents = tuple(edit_files(plan.edits))
        assert all(content.changes for content in contents)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.usefixtures("small_files")
def test_an_export_to_files_holds_one_file_at_a_time(tmp_path: Path) -> None:
    """What it holds of the others is what they will be, compressed, and what becomes of their entries."""
    peak_of_an_export(tmp_path / "warm", [IN_A_FILE])
    few, many = (peak_of_an_export(tmp_path / str(count), [IN_A_FILE] * count) for count in (2, 6))
    assert many - few < 4 * IN_A_FILE * 250  # the text of one before and after takes 600


@pytest.mark.usefixtures("small_files")
@pytest.mark.parametrize("removed", [0, 1])
def test_an_export_does_not_hold_the_place_of_every_part_of_a_file(tmp_path: Path, removed: int) -> None:
    """Of one entry these take more than 7,000 bytes."""
    small, large = (
        peak_of_an_export(tmp_path / str(size), [size], removed=removed) for size in (IN_A_FILE, 4 * IN_A_FILE)
    )
    assert large - small < 3 * IN_A_FILE * 3_000
