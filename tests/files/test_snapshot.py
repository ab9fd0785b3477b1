"""A set of definition files is read as it was at one moment, whatever is swapped or written meanwhile."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from flask_worker_templates.errors import InvalidFiles
from flask_worker_templates.files import paths as paths_module
from flask_worker_templates.files import snapshot
from flask_worker_templates.files.load import FileSet, load_files
from flask_worker_templates.files.paths import Identity

FILE = """\
templates:
- name: NAME
  instance_type: m5.large
  capacity: {cpu_cores: 4, memory_gb: 16, storage_gb: 100}
  license_type: PERSONAL
"""
VERSIONS = ({"a": "x", "b": "y"}, {"a": "y", "b": "x"})
"""By version, which template each file holds: both versions hold both templates."""


def point(link: Path, target: str) -> None:
    """Let a link lead elsewhere, as Kubernetes does it: at once."""
    new = link.with_name(link.name + "_tmp")
    new.symlink_to(target)
    new.replace(link)


@pytest.fixture
def mount(tmp_path: Path) -> Path:
    """A mounted ConfigMap with two files and two versions."""
    folder = tmp_path / "mount"
    for number, version in enumerate(VERSIONS):
        for name, template in version.items():
            path = folder / f"..{number}" / f"{name}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(FILE.replace("NAME", template))
    (folder / "..data").symlink_to("..0")
    for name in VERSIONS[0]:
        (folder / f"{name}.yaml").symlink_to(f"..data/{name}.yaml")
    return folder


def read(folder: Path) -> FileSet:
    return load_files([folder.name], root=folder.parent)


def held(files: FileSet) -> dict[str, str]:
    return {Path(entry.path).stem: entry.spec["name"] for entry in files.entries}


def do_while_reading(monkeypatch: pytest.MonkeyPatch, *actions: Callable[[], object]) -> None:
    """After each file that is read, do the next of these."""
    waiting = iter(actions)
    real = paths_module.read_with_identity

    def then(path: Path) -> tuple[bytes, Identity]:
        try:
            return real(path)
        finally:
            next(waiting, lambda: None)()

    monkeypatch.setattr(snapshot, "read_with_identity", then)


@contextmanager
def meanwhile(act: Callable[[int], object]) -> Iterator[None]:
    """Do something again and again in another thread."""
    done = threading.Event()

    def run() -> None:
        number = 0
        while not done.wait(0.001):
            number += 1
            act(number)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def test_a_link_that_is_swapped_between_two_files_never_mixes_versions(
    mount: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    do_while_reading(monkeypatch, lambda: point(mount / "..data", "..1"))
    assert held(read(mount)) == VERSIONS[1]


def test_a_version_that_is_removed_after_the_swap_is_no_fault(mount: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def swap() -> None:
        point(mount / "..data", "..1")
        for path in (mount / "..0").iterdir():
            path.unlink()

    do_while_reading(monkeypatch, swap)
    assert held(read(mount)) == VERSIONS[1]


def test_no_reading_is_a_mixture_while_links_are_swapped_all_the_time(mount: Path) -> None:
    read_some = 0
    with meanwhile(lambda number: point(mount / "..data", f"..{number // 20 % 2}")):
        for _ in range(60):
            with suppress(InvalidFiles):  # refused for moving, on a busy machine
                assert held(read(mount)) in VERSIONS
                read_some += 1
    assert read_some


def test_files_written_in_place_by_a_checkout_are_one_version(mount: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def checkout() -> None:
        for name, template in VERSIONS[1].items():
            (mount / "..0" / f"{name}.yaml").write_text(FILE.replace("NAME", template))

    do_while_reading(monkeypatch, checkout)
    assert held(read(mount)) == VERSIONS[1]


def test_a_file_that_comes_or_goes_meanwhile_is_seen(mount: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    do_while_reading(monkeypatch, lambda: (mount / "c.yaml").write_text(FILE.replace("NAME", "z")))
    assert held(read(mount)) == {**VERSIONS[0], "c": "z"}
    do_while_reading(monkeypatch, (mount / "c.yaml").unlink)
    assert held(read(mount)) == VERSIONS[0]


def test_a_change_back_and_forth_is_seen(mount: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the two readings of the first file it is as before again, and only that it was written tells."""
    first, second = (mount / "..0" / f"{name}.yaml" for name in "ab")
    before, other = first.read_text(), FILE.replace("NAME", "y")

    def back() -> None:
        first.write_text(before)
        second.write_text(FILE.replace("NAME", "q"))

    do_while_reading(monkeypatch, lambda: first.write_text(other), back)
    assert held(read(mount)) == {"a": "x", "b": "q"}


def test_a_set_that_never_rests_is_refused(mount: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "PAUSES", (0.0, 0.0))
    # After the first of the two files only: what is found next is always another version.
    versions = itertools.cycle(["..1", "..0"])
    do_while_reading(monkeypatch, *[lambda: point(mount / "..data", next(versions)), lambda: None] * 10)
    with pytest.raises(InvalidFiles) as caught:
        read(mount)
    [fault] = caught.value.faults
    assert fault.message == (
        "The definition files changed again and again while they were read. Try again once nobody writes them."
    )
    assert fault.path == "mount/a.yaml"


def test_a_set_that_is_too_large_as_a_whole_is_refused(mount: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "MAX_SET_BYTES", 200)
    with pytest.raises(InvalidFiles, match=r"^mount/b\.yaml: With this file the set is larger than 100 MB"):
        read(mount)


class TestIsCurrent:
    def test_as_long_as_nothing_changes(self, mount: Path) -> None:
        files = read(mount)
        assert files.is_current()
        # A swap to the same content, and a new time of change, change nothing.
        for name in "ab":
            (mount / "..1" / f"{name}.yaml").write_bytes((mount / f"{name}.yaml").read_bytes())
        point(mount / "..data", "..1")
        assert files.is_current()

    @pytest.mark.parametrize(
        "change",
        [
            lambda mount: point(mount / "..data", "..1"),
            lambda mount: (mount / "a.yaml").unlink(),
            lambda mount: (mount / "c.yaml").write_text("templates: []\n"),
            lambda mount: (mount / "..data").unlink(),
            lambda mount: (mount / "a.yaml").rename(mount / "c.yaml"),
            lambda mount: (mount / "..0/a.yaml").write_text("templates: ["),
        ],
    )
    def test_not_after_a_change(self, mount: Path, change: Callable[[Path], object]) -> None:
        files = read(mount)
        change(mount)
        assert not files.is_current()

    def test_not_once_a_missing_file_is_there(self, tmp_path: Path) -> None:
        files = load_files(["no.yaml"], root=tmp_path, missing_ok=True)
        assert files.is_current()
        (tmp_path / "no.yaml").write_text("templates: []\n")
        assert not files.is_current()


def test_a_set_tells_where_it_looks_and_where_its_files_are(mount: Path) -> None:
    files = read(mount)
    assert [file.absolute_path for file in files.files] == [mount / "a.yaml", mount / "b.yaml"]
    assert [file.real_path for file in files.files] == [mount / "..0/a.yaml", mount / "..0/b.yaml"]
    assert files.looks_at(mount / "gone.yaml")
    assert not files.looks_at(mount.parent / "gone.yaml")
