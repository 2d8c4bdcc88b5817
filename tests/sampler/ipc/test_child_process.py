"""Starting and ending child processes."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from sampler.ipc.child_process import ChildProcess
from tests.support.processes import start_python

ECHO = """
import os
from sampler.ipc.child_process import run_child

def serve(parent):
    parent.send(str(os.getpid()).encode())
    while (message := parent.read()) is not None:
        if message.startswith(b"descriptor "):
            message = os.read(int(message.split()[1]), 100)
        parent.send(message)

run_child(serve)
"""

STUBBORN = "import time\nwhile True: time.sleep(60)\n"


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules for children, in a folder of the module search path."""
    for name, code in (("echo_child", ECHO), ("stubborn_child", STUBBORN)):
        (tmp_path / f"{name}.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children()}


@pytest.mark.usefixtures("modules")
def test_a_child_exchanges_messages_and_exits_when_it_is_ended() -> None:
    child = ChildProcess("echo_child")
    child.start()
    frames = child.frames()
    assert frames.read() == str(child.pid).encode()
    frames.send(b"hello")
    assert frames.read() == b"hello"
    assert child.end(20) == 0
    assert child.end(20) == 0
    assert child.pid not in children()


@pytest.mark.usefixtures("modules")
def test_a_child_inherits_the_given_descriptors_and_no_others() -> None:
    reading, writing = os.pipe()
    try:
        os.write(writing, b"from the parent")
        child = ChildProcess("echo_child", [reading])
        child.start()
        frames = child.frames()
        frames.read()
        frames.send(b"descriptor %d" % reading)
        assert frames.read() == b"from the parent"
        frames.send(b"descriptor %d" % writing)  # not open there, which ends the child
        assert frames.read() is None
        assert child.end(20) == 1
    finally:
        os.close(reading)
        os.close(writing)


@pytest.mark.usefixtures("modules")
def test_a_child_that_does_not_exit_is_killed() -> None:
    child = ChildProcess("stubborn_child")
    child.start()
    assert child.end(0.2) == -9
    assert child.pid not in children()


@pytest.fixture
def ctrl_c_raises() -> Iterator[None]:
    """Ctrl-C raises KeyboardInterrupt, even if the tests were started as a background job, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("modules", "ctrl_c_raises")
def test_a_child_that_does_not_exit_is_killed_even_if_the_wait_is_interrupted() -> None:
    child = ChildProcess("stubborn_child")
    child.start()
    interrupt = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    interrupt.start()
    with pytest.raises(KeyboardInterrupt):
        child.end(60)
    deadline = time.monotonic() + 10
    while not child.has_exited() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert child.has_exited()


def test_a_child_that_was_never_started_can_be_ended_and_then_does_not_start() -> None:
    before = children()
    child = ChildProcess("echo_child")
    assert child.end(0) is None
    with pytest.raises(OSError, match="not started"):
        child.start()
    assert children() == before


def test_a_program_that_is_missing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    child = ChildProcess("echo_child")
    with pytest.raises(FileNotFoundError):
        child.start()
    assert child.end(0) is None


BUSY = """
import os, time
from sampler.ipc.child_process import exit_with_parent, run_child

def serve(parent):
    parent.send(str(os.getpid()).encode())
    time.sleep(LATE)
    with exit_with_parent():
        time.sleep(60)

if __name__ == "__main__":
    run_child(serve)
"""

PARENT = """
import time
from sampler.ipc.child_process import ChildProcess
from tests.support.processes import start_python
child = ChildProcess("busy_child")
child.start()
print(child.frames().read().decode(), flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("late", [0, 1], ids=["in the block", "before the block"])
def test_a_busy_child_exits_when_its_parent_is_killed(tmp_path: Path, late: int) -> None:
    (tmp_path / "busy_child.py").write_text(BUSY.replace("LATE", str(late)))
    parent = start_python("-c", PARENT, variables={"PYTHONPATH": tmp_path}, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    child.wait(20)
