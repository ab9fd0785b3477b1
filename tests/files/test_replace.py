"""Files are replaced at once, with all that they are besides their text, and no link leads the writing elsewhere."""

from __future__ import annotations

import os
import shutil
import stat
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flask_worker_templates.errors import ExportRefused
from flask_worker_templates.files import replace as replace_module
from flask_worker_templates.files.replace import NewContent, replace_files, write_private
from tests.support.paths import ROOT

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="extended attributes as Linux has them")
USER, GROUP, OTHER_GROUP = 12345, 23456, 34567


def replaced(path: Path, before: bytes = b"old", after: bytes = b"new") -> None:
    replace_files([NewContent(path.name, path, before, after)])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "t.yaml"
    path.write_bytes(b"old")
    return path


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that every user may enter; pytest's own is its user's alone."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def as_user(code: str, *arguments: object, groups: tuple[int, ...] = ()) -> str:
    """Run Python code as another user; return what it printed."""
    head = (
        "import os, sys\nfrom pathlib import Path\n"
        "from flask_worker_templates.errors import ExportRefused\n"
        "from flask_worker_templates.files.replace import NewContent, replace_files\n"
        f"os.setgroups({list(groups)}); os.setgid({USER}); os.setuid({USER})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", head + code, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


REPLACE = "path = Path(sys.argv[1]); replace_files([NewContent('t', path, b'old', b'new')])"


def access_list(*entries: tuple[int, int, int]) -> bytes:
    """A POSIX access control list as the kernel has it: of tag, permissions and id each."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


class TestProperties:
    @as_root
    @pytest.mark.parametrize("mode", [0o600, 0o644, 0o664, 0o6755, 0o4711])
    def test_owner_group_and_mode_stay(self, file: Path, mode: int) -> None:
        os.chown(file, USER, GROUP)
        file.chmod(mode)
        replaced(file)
        status = file.stat()
        assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (USER, GROUP, mode)
        assert file.read_bytes() == b"new"

    @as_root
    def test_the_group_stays_where_the_owner_cannot(self, open_directory: Path) -> None:
        file = open_directory / "t.yaml"
        file.write_bytes(b"old")
        file.chmod(0o664)
        os.chown(file, 0, GROUP)
        os.chown(open_directory, USER, USER)
        as_user(REPLACE, file, groups=(GROUP,))
        status = file.stat()
        assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (USER, GROUP, 0o664)

    @as_root
    def test_another_group_gets_no_more_than_everybody_has(self, open_directory: Path) -> None:
        file = open_directory / "t.yaml"
        file.write_bytes(b"old")
        file.chmod(0o660)
        os.chown(file, USER, OTHER_GROUP)
        os.chown(open_directory, USER, USER)
        as_user(REPLACE, file)
        status = file.stat()
        assert (status.st_gid, stat.S_IMODE(status.st_mode)) == (USER, 0o600)

    @on_linux
    def test_attributes_and_access_lists_stay(self, file: Path) -> None:
        # owner rw, user 12345 rw, group r, mask rw, others none
        rules = access_list((1, 6, 2**32 - 1), (2, 6, USER), (4, 4, 2**32 - 1), (16, 6, 2**32 - 1), (32, 0, 2**32 - 1))
        try:
            os.setxattr(file, "user.origin", b"git")
            os.setxattr(file, "system.posix_acl_access", rules)
        except OSError as error:
            pytest.skip(f"this file system has none: {error}")
        mode = file.stat().st_mode
        replaced(file)
        assert os.getxattr(file, "user.origin") == b"git"
        assert os.getxattr(file, "system.posix_acl_access") == rules
        assert file.stat().st_mode == mode

    def test_a_link_stays_and_its_target_is_replaced(self, file: Path, tmp_path: Path) -> None:
        link = tmp_path / "link.yaml"
        link.symlink_to(file.name)
        replace_files([NewContent("link.yaml", link.resolve(), b"old", b"new")])
        assert link.is_symlink()
        assert link.read_bytes() == b"new"


class TestRefused:
    def refused(self, path: Path) -> str:
        names = sorted(it.name for it in path.parent.iterdir())
        with pytest.raises(ExportRefused) as caught:
            replaced(path)
        assert sorted(it.name for it in path.parent.iterdir()) == names
        return str(caught.value)

    def test_hard_links(self, file: Path) -> None:
        other = file.with_name("other.yaml")
        other.hardlink_to(file)
        assert "hard links" in self.refused(file)
        assert file.read_bytes() == other.read_bytes() == b"old"

    def test_what_is_a_link_now(self, file: Path, tmp_path: Path) -> None:
        victim = tmp_path / "victim"
        victim.write_bytes(b"old")
        file.unlink()
        file.symlink_to(victim)
        assert "not a regular file" in self.refused(file)
        assert victim.read_bytes() == b"old"

    def test_a_pipe(self, file: Path) -> None:
        file.unlink()
        os.mkfifo(file)
        assert "not a regular file" in self.refused(file)

    def test_a_file_mounted_by_itself_which_the_system_tells_late(
        self, file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def busy(*_arguments: object, **_options: object) -> None:
            raise OSError(16, "Device or resource busy")

        monkeypatch.setattr(os, "replace", busy)
        assert "mount its directory instead. Nothing was written." in self.refused(file)

    @as_root
    @on_linux
    def test_a_file_mounted_by_itself_before_any_other_is_replaced(self, tmp_path: Path) -> None:
        one, two = tmp_path / "one.yaml", tmp_path / "two.yaml"
        for path in (one, two, tmp_path / "source.yaml"):
            path.write_bytes(b"old")
        code = (
            "import sys; from pathlib import Path; from flask_worker_templates.files.replace import *\n"
            "try: replace_files([NewContent(p, Path(p), b'old', b'new') for p in sys.argv[1:]])\n"
            "except Exception as error: print(error)"
        )
        script = 'mount --bind "$1" "$2" || exit 77; shift; exec "$PYTHON" -c "$CODE" "$2" "$1"'
        done = subprocess.run(
            ["unshare", "-m", "sh", "-c", script, "sh", tmp_path / "source.yaml", two, one],
            env={**os.environ, "PYTHON": sys.executable, "CODE": code},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        if done.stderr.startswith("unshare:") or done.returncode == 77:
            pytest.skip("this container, or a chroot in it, may not mount")
        assert f"{two} cannot be written: it is mounted by itself" in done.stdout, done
        assert "Nothing was written." in done.stdout
        assert one.read_bytes() == b"old"


class TestAttacks:
    """Another user owns the directory, and changes it while root writes there."""

    def while_writing(self, monkeypatch: pytest.MonkeyPatch, attack: Callable[[], None]) -> None:
        real = replace_module._copy_properties

        def copy(old: int, new: int) -> None:
            attack()
            real(old, new)

        monkeypatch.setattr(replace_module, "_copy_properties", copy)

    def test_a_link_in_the_place_of_the_temporary_file(
        self, file: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        victim = tmp_path_factory.mktemp("elsewhere") / "victim"
        victim.write_bytes(b"secret")
        victim.chmod(0o600)
        if os.geteuid() == 0:
            os.chown(file, USER, GROUP)
        file.chmod(0o666)
        before = victim.stat()

        def attack() -> None:
            [temporary] = file.parent.glob(".export-*.tmp")
            temporary.unlink()
            temporary.symlink_to(victim)

        self.while_writing(monkeypatch, attack)
        with pytest.raises(ExportRefused, match="somebody else changes the directory"):
            replaced(file)
        after = victim.stat()
        assert (after.st_uid, after.st_gid, after.st_mode) == (before.st_uid, before.st_gid, before.st_mode)
        assert victim.read_bytes() == b"secret"
        assert file.read_bytes() == b"old"

    def test_another_directory_in_the_place_of_the_directory(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = tmp_path / "config" / "t.yaml"
        victim = tmp_path / "elsewhere" / "t.yaml"
        for path in (file, victim):
            path.parent.mkdir()
            path.write_bytes(b"old")

        def attack() -> None:
            file.parent.rename(tmp_path / "moved")
            file.parent.symlink_to(victim.parent)

        self.while_writing(monkeypatch, attack)
        replaced(file)
        assert victim.read_bytes() == b"old"
        assert (tmp_path / "moved" / "t.yaml").read_bytes() == b"new"
        assert [it.name for it in victim.parent.iterdir()] == ["t.yaml"]

    def test_another_file_in_the_place_of_the_file(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def attack() -> None:
            file.unlink()
            file.write_bytes(b"old")

        self.while_writing(monkeypatch, attack)
        with pytest.raises(ExportRefused, match="changed meanwhile"):
            replaced(file)
        assert file.read_bytes() == b"old"


class TestWritePrivate:
    @pytest.mark.parametrize("umask", [0, 0o022])
    def test_a_new_file_is_its_users_alone(self, tmp_path: Path, umask: int) -> None:
        before = os.umask(umask)
        try:
            write_private(tmp_path / "plan.json", b"{}")
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / "plan.json").stat().st_mode) == 0o600
        assert (tmp_path / "plan.json").read_bytes() == b"{}"
        assert [it.name for it in tmp_path.iterdir()] == ["plan.json"]

    def test_a_regular_file_is_replaced_and_its_other_names_keep_it(self, file: Path) -> None:
        file.chmod(0o644)
        other = file.with_name("other")
        other.hardlink_to(file)
        write_private(file, b"plan")
        assert (file.read_bytes(), other.read_bytes()) == (b"plan", b"old")
        assert stat.S_IMODE(file.stat().st_mode) == 0o600

    @pytest.mark.parametrize(
        ("put", "words"),
        [
            (lambda path: path.symlink_to("victim"), "what is there is a link"),
            (lambda path: path.symlink_to("nowhere"), "what is there is a link"),
            (os.mkfifo, "what is there is not a regular file"),
            (lambda path: path.mkdir(), "what is there is not a regular file"),
        ],
    )
    def test_nothing_else_is_replaced_nor_waited_for(
        self, tmp_path: Path, put: Callable[[Path], object], words: str
    ) -> None:
        victim = tmp_path / "victim"
        victim.write_bytes(b"old")
        path = tmp_path / "plan.json"
        put(path)
        with pytest.raises(OSError, match=words):
            write_private(path, b"plan")
        assert victim.read_bytes() == b"old"
        assert {it.name for it in tmp_path.iterdir()} == {"victim", "plan.json"}

    def test_devices_are_left_alone(self) -> None:
        with pytest.raises(OSError, match="not a regular file"):
            write_private(Path("/dev/null"), b"plan")

    def test_a_link_to_the_directory_is_followed(self, tmp_path: Path) -> None:
        (tmp_path / "real").mkdir()
        (tmp_path / "link").symlink_to("real")
        write_private(tmp_path / "link" / "plan.json", b"plan")
        assert (tmp_path / "real" / "plan.json").read_bytes() == b"plan"

    def test_a_failure_leaves_the_old_file_and_nothing_else(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            write_private(file, b"plan")
        assert file.read_bytes() == b"old"
        assert [it.name for it in file.parent.iterdir()] == [file.name]
