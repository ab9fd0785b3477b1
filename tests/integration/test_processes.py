"""What the tests and the benchmark read of processes while those start and end."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import processes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")


@contextmanager
def coming_and_going() -> Iterator[None]:
    """Threads that end, each after it has let another start, and processes and files that come and go beside them."""
    enough = threading.Event()

    def restless() -> None:
        while not enough.is_set():
            brief = threading.Thread(target=os.close, args=(os.open(os.devnull, os.O_RDONLY),))
            brief.start()
            brief.join()

    def forking() -> None:
        while not enough.is_set():
            subprocess.run(["true"], check=True)

    threads = [threading.Thread(target=work) for work in (restless, restless, forking)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        enough.set()
        for thread in threads:
            thread.join()


def test_cpu_time_and_memory_of_this_process_are_found() -> None:
    before = processes.cpu_seconds(os.getpid())
    while processes.cpu_seconds(os.getpid()) - before < 0.02:
        sum(range(10_000))
    assert os.getpid() in processes.tree(os.getpid())
    assert 5 < processes.rss_mb(os.getpid()) < 10_000


def test_threads_processes_and_files_may_end_while_they_are_looked_at() -> None:
    pid = os.getpid()
    with coming_and_going(), Path(__file__).open() as held:
        for _ in range(300):
            assert processes.tree(pid)[0] == pid
            assert held.name in processes.open_files(pid)
            assert processes.alive(pid)


def test_a_process_that_has_ended_has_nothing() -> None:
    with subprocess.Popen(["true"]) as ended:
        pid = ended.pid
    assert (processes.state(pid), processes.alive(pid)) == ("", False)
    assert (processes.children(pid), processes.open_files(pid), processes.cpu_seconds(pid)) == ([], [], 0)


def test_one_that_nobody_has_waited_for_is_not_alive() -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
        assert processes.alive(process.pid)
        assert process.pid in processes.children(os.getpid())
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert (processes.state(process.pid), processes.alive(process.pid)) == ("Z", False)
