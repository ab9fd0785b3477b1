"""Which files a path set leads to: links that lead back, other cases, directories in directories, and pipes."""

from __future__ import annotations

import glob
import io
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from flask_worker_templates.errors import InvalidFiles
from flask_worker_templates.files.globbing import is_match, matches
from flask_worker_templates.files.load import FileSet, load_files
from flask_worker_templates.files.paths import MAX_BYTES
from tests.support.paths import ROOT

FILE = """\
templates:
- name: NAME
  instance_type: m5.large
  capacity: {cpu_cores: 4, memory_gb: 16, storage_gb: 100}
  license_type: PERSONAL
"""


def put(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(FILE.replace("NAME", path.name))


def read(root: Path, *paths: str) -> list[str]:
    return [file.path for file in load_files(paths, root=root).files]


class TestGlobs:
    def test_links_that_lead_back_end(self, tmp_path: Path) -> None:
        put(tmp_path / "d/a.yaml")
        put(tmp_path / "d/inner/b.yaml")
        for name in ("self", "again", "inner/up"):
            (tmp_path / "d" / name).symlink_to(tmp_path / "d")
        (tmp_path / "d/loop").symlink_to("loop")
        assert read(tmp_path, "d/**/*.yaml") == ["d/a.yaml", "d/inner/b.yaml"]
        assert read(tmp_path, "**/*.yaml") == ["d/a.yaml", "d/inner/b.yaml"]

    def test_links_are_followed(self, tmp_path: Path) -> None:
        put(tmp_path / "elsewhere/a.yaml")
        put(tmp_path / "d/b.yaml")
        (tmp_path / "d/link").symlink_to("../elsewhere")
        assert read(tmp_path, "d/**/*.yaml") == ["d/b.yaml", "d/link/a.yaml"]

    def test_a_directory_that_links_lead_to_as_well_is_shown_by_its_own_path(self, tmp_path: Path) -> None:
        put(tmp_path / "d/z/deep/a.yaml")
        for name in ("d/link", "d/z/b"):
            (tmp_path / name).symlink_to(tmp_path / "d/z/deep")
        assert read(tmp_path, "d/**/*.yaml") == ["d/z/deep/a.yaml"]

    @pytest.mark.parametrize(
        "pattern",
        [
            *["*", "*.yaml", "d/*", "d/**", "**", "**/*.yaml", "**/**/b.*", "*/*", "d/[ab].yaml", "d/?.yaml", ".h/*"],
            *["d/.*", "no/**", "d/a.yaml/*", "**/e", "**/e/*.yaml", "*/e/../a.yaml", "./d/*", "[d]/a.yaml", "**/.*"],
        ],
    )  # fmt: skip
    def test_without_links_it_is_as_pythons_own(self, tmp_path: Path, pattern: str) -> None:
        for name in ("a.yaml", "d/a.yaml", "d/b.yaml", "d/e/b.yaml", "d/e/f/c.yaml", ".h/a.yaml", "d/.hidden.yaml"):
            put(tmp_path / name)
        for absolute in (pattern, str(tmp_path / pattern)):
            own = {os.path.normpath(it) for it in glob.glob(absolute, root_dir=tmp_path, recursive=True)}  # noqa: PTH207
            found = {os.path.normpath(it) for it in matches(absolute, tmp_path)}
            assert {it for it in found if (tmp_path / it).is_file()} == {it for it in own if (tmp_path / it).is_file()}

    def test_many_stars_take_no_exponential_time(self, tmp_path: Path) -> None:
        put(tmp_path / ("/".join("abcdefgh") + "/x.yaml"))
        assert len(matches("**/**/**/**/**/**/**/*.yaml", tmp_path)) == 1
        assert is_match("abc", ["**"] * 8 + ["c"])


class TestDirectories:
    def test_suffixes_count_in_any_case(self, tmp_path: Path) -> None:
        for name in ("A.YAML", "b.Yml", "d.schema.JSON", "e.txt"):
            put(tmp_path / "d" / name)
        (tmp_path / "d/c.JSON").write_text('{"templates": []}')
        files = load_files(["d"], root=tmp_path)
        assert [file.path for file in files.files] == ["d/A.YAML", "d/b.Yml", "d/c.JSON"]
        assert files.warnings == ()
        assert files.looks_at(tmp_path / "d/X.YAML")

    @pytest.mark.parametrize("member", ["d", "d/*"])
    def test_a_directory_that_is_not_read_is_named(self, tmp_path: Path, member: str) -> None:
        for name in ("d/a.yaml", "d/sub/b.yaml", "d/sub/c.YML", "d/.git/x.yaml", "d/other/readme.md"):
            put(tmp_path / name)
        (tmp_path / "d/..data").symlink_to("sub")
        [warning] = load_files([member], root=tmp_path).warnings
        assert warning == (
            "d/sub: A directory in a directory is not read, though it holds b.yaml and more. "
            "To read it, name it too, or use a glob with **."
        )

    @pytest.mark.parametrize("also", ["d/sub", "d/**", "d/sub/*.yaml", "d/*/*"])
    def test_but_not_if_another_path_reads_it(self, tmp_path: Path, also: str) -> None:
        for name in ("d/a.yaml", "d/sub/b.yaml"):
            put(tmp_path / name)
        files = load_files(["d", also], root=tmp_path)
        assert files.warnings == ()
        assert [file.path for file in files.files] == ["d/a.yaml", "d/sub/b.yaml"]


class TestPipes:
    def test_a_dash_is_standard_input(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        put(tmp_path / "a.yaml")
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(FILE.encode())))
        files = load_files(["-", "a.yaml"], root=tmp_path, pipes=True)
        assert [(entry.path, entry.line) for entry in files.entries] == [("a.yaml", 2), ("standard input", 2)]
        assert files.is_current()

    def through_pipe(self, tmp_path: Path, content: bytes) -> FileSet:
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        writer = threading.Thread(target=lambda: pipe.write_bytes(content), daemon=True)
        writer.start()
        return load_files([str(pipe)], root=tmp_path, pipes=True)

    def test_a_pipe_may_hold_json_and_be_wrong(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidFiles) as caught:
            self.through_pipe(tmp_path, b'{"templates": [{"name": 1e3}]}')
        assert "Found the number 1000.0" in str(caught.value)
        assert "pipe:1:25: name: " in str(caught.value)

    def test_what_is_too_much_is_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"#" * (MAX_BYTES + 1))))
        with pytest.raises(InvalidFiles, match=r"^standard input: Larger than 10 MB"):
            load_files(["-"], root=tmp_path, pipes=True)

    def test_without_being_asked_to_no_pipe_is_read(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(InvalidFiles, match="Not a regular file"):
            load_files([str(tmp_path / "pipe")], root=tmp_path)
        with pytest.raises(InvalidFiles, match="no such file"):
            load_files(["-"], root=tmp_path)

    @pytest.mark.parametrize("argument", ["<(cat t.yaml)", "/dev/stdin < t.yaml", "/dev/stdin", "-"])
    def test_the_command_takes_what_a_shell_gives(self, tmp_path: Path, argument: str) -> None:
        put(tmp_path / "t.yaml")
        command = f'cat t.yaml | "{sys.executable}" -m flask_worker_templates.cli.validate {argument}'
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert (done.returncode, done.stdout) == (0, "Valid: 1 template in 1 file.\n"), done.stderr
