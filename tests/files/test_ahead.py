"""Large sets, parsed in forks of a command's process. Each test is a process of its own: pytest has threads."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import yaml

from tests.support.paths import ROOT
from tests.support.processes import alive
from tests.support.specs import spec

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks are made where /proc tells of threads")

_HEAD = """
import os, signal, sys, threading
from collections import deque
from contextlib import suppress
from pathlib import Path
from flask_worker_templates.errors import InvalidFiles
from flask_worker_templates.files import ahead, load
from flask_worker_templates.files.ahead import work_ahead
from tests.support.processes import children

ahead._processors = lambda: 2

def worked(work, count, forks=True):
    return list(work_ahead(work, deque(range(count)), forks=forks))

def where(number):
    return number, os.getpid()
"""


def run(body: str, *arguments: object) -> str:
    command = [sys.executable, "-W", "error", "-c", _HEAD + textwrap.dedent(body), *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_the_results_come_in_order_from_several_processes() -> None:
    run("""
    results = worked(where, 10)
    assert [(item, number) for item, (number, _) in results] == [(number, number) for number in range(10)]
    forks = [process for _, (_, process) in results]
    assert len(set(forks)) == 2 and os.getpid() not in forks and forks[:2] * 5 == forks
    assert children(os.getpid()) == []
    """)


@pytest.mark.parametrize(
    "case",
    [
        "forks = False",
        "ahead._processors = lambda: 1",
        "count = 1",
        "threading.Thread(target=threading.Event().wait, args=(60,), daemon=True).start()",
        "sys.modules['gevent'] = sys",
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)",
        "signal.signal(signal.SIGCHLD, lambda number, frame: None)",
        "ahead._THREADS = Path('no/such/folder')",
    ],
)
def test_where_no_fork_is_safe_or_of_use_the_work_is_done_here(case: str) -> None:
    run(f"""
    forks, count = True, 4
    {case}
    assert [process for _, (_, process) in worked(where, count, forks)] == [os.getpid()] * count
    """)


@pytest.mark.parametrize("last_words", ["os.kill(os.getpid(), signal.SIGKILL)", "raise MemoryError", "sys.exit('no')"])
def test_what_a_fork_does_not_deliver_is_done_here(last_words: str) -> None:
    run(f"""
    parent = os.getpid()

    def work(number):
        if number == 4 and os.getpid() != parent:
            {last_words}
        return where(number)

    results = worked(work, 12)
    assert [number for _, (number, _) in results] == list(range(12))
    assert [number for number, (_, process) in results if process == parent] == [4, 6, 8, 10]
    """)


def test_a_fork_that_dies_within_a_result_is_replaced_too() -> None:
    run("""
    class Half:
        def __reduce__(self):
            for end in range(3, 20):
                with suppress(OSError):
                    os.write(end, b"\\x80")  # as a pickle begins
            os.kill(os.getpid(), signal.SIGKILL)

    parent = os.getpid()
    results = worked(lambda number: number if os.getpid() == parent else Half(), 3)
    assert results == [(0, 0), (1, 1), (2, 2)]
    """)


def test_an_error_of_the_work_is_raised_here_and_leaves_no_process() -> None:
    run("""
    def work(number):
        if number > 2:
            raise RuntimeError("wrong")
        return number

    try:
        worked(work, 6)
    except RuntimeError as error:
        assert str(error) == "wrong"
    else:
        raise AssertionError
    assert children(os.getpid()) == []
    """)


def test_closing_ends_processes_that_are_at_work() -> None:
    run("""
    import time
    begun = work_ahead(lambda number: time.sleep(600) if number else 1, deque(range(6)), forks=True)
    assert next(begun) == (0, 1)
    assert len(children(os.getpid())) == 2
    begun.close()
    assert children(os.getpid()) == []
    """)


def test_a_result_that_fills_a_pipe_waits_for_its_turn() -> None:
    run("""
    assert [len(result) for _, result in worked(lambda number: b"x" * 5_000_000, 9)] == [5_000_000] * 9
    """)


def test_a_set_means_the_same_and_has_the_same_faults(tmp_path: Path) -> None:
    for number in range(7):
        names = [f"t{number}{index}" for index in range(30)]
        (tmp_path / f"{number}.yaml").write_text(yaml.safe_dump({"templates": [spec(name) for name in names]}))
    (tmp_path / "8.json").write_text('{"templates": []}')
    body = """
    load.MIN_AHEAD = 1
    started = []
    start = ahead._start
    ahead._start = lambda *given: started.append(1) or start(*given)
    root = Path(sys.argv[1])

    def read(own_process):
        try:
            return load.load_files(["."], root=root, own_process=own_process)
        except InvalidFiles as error:
            return error.faults

    one, other = read(False), read(True)
    assert len(started) == 1
    assert repr(one) == repr(other) and type(one) is type(other)
    print(len(one) if isinstance(one, list | tuple) else len(one.entries))
    """
    assert run(body, tmp_path) == "210\n"
    (tmp_path / "2.yaml").write_bytes(b"\xff")
    (tmp_path / "3.yaml").write_text("templates: [*a, {name: t10}, 5]\n? - b\n")
    (tmp_path / "4.yaml").write_text("templates:\n- {name: t10, nodes: 5, max_nodes: -1}\n- {name: t10}\n")
    (tmp_path / "5.json").write_text('{"templates": [1,]}')
    assert int(run(body, tmp_path)) >= 8


@pytest.mark.parametrize("refused", ["fork", "pipe"])
@pytest.mark.parametrize("after", [0, 1])
def test_where_the_system_lets_us_start_none_the_work_is_done_here(refused: str, after: int) -> None:
    run(f"""
    calls, real = [], os.{refused}

    def refuse():
        calls.append(1)
        if len(calls) > {after}:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return real()

    open_files = os.listdir("/proc/self/fd")
    os.{refused} = refuse
    assert [process for _, (_, process) in worked(where, 5)] == [os.getpid()] * 5
    assert children(os.getpid()) == [] and os.listdir("/proc/self/fd") == open_files
    """)


_AT_WORK = """
import time

def work(number):
    if number > 1:
        time.sleep(0.05)
    return os.getpid()

def go_on():
    for item, pid in work_ahead(work, deque(range(4000)), forks=True):
        print(pid, flush=True)
"""


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_no_fork_outlives_a_process_that_is_ended(end: signal.Signals) -> None:
    body = _HEAD + _AT_WORK + "\nsignal.signal(signal.SIGINT, signal.default_int_handler)\ngo_on()\n"
    command = [sys.executable, "-c", body]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        forks = [int(process.stdout.readline()), int(process.stdout.readline())]
        assert all(map(alive, forks))
        if end is signal.SIGINT:
            os.killpg(process.pid, end)  # as a terminal sends it: to all of them
        else:
            process.send_signal(end)
        _, said = process.communicate(timeout=60)
    assert process.returncode == -end
    assert said.count("KeyboardInterrupt") == (end is signal.SIGINT)
    deadline = time.monotonic() + 60
    while any(map(alive, forks)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
