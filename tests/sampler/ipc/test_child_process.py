"""Starting and ending child processes."""

import os
import sys
from pathlib import Path

import psutil
import pytest

from sampler.ipc.child_process import ChildProcess

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
