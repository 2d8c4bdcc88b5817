"""Processes of tests: independent of how the test run was started, ended with their test, and marked."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.live_server import LiveServer, until
from tests.support.processes import independent_of_the_shell, kill_at_end, run_python, start_python


@contextmanager
def ignored(number: signal.Signals) -> Iterator[None]:
    """Ignore a signal, as `nohup` and background jobs of a shell do."""
    before = signal.signal(number, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGTERM])
def test_children_start_with_default_signals_though_the_test_run_ignores_them(number: signal.Signals) -> None:
    code = f"import signal; print(signal.getsignal({int(number)}) is not signal.SIG_IGN)"
    with ignored(number):
        with independent_of_the_shell():
            os.kill(os.getpid(), number)  # still has no effect here
            assert run_python("-c", code).stdout == "True\n"
        assert signal.getsignal(number) is signal.SIG_IGN


def test_variables_of_the_shell_are_removed_for_the_test_run(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"CI": "true", "COLUMNS": "7", "https_proxy": "http://127.0.0.1:9", "SAMPLER_WORKERS": "many"}
    for name, value in names.items():
        monkeypatch.setenv(name, value)
    with independent_of_the_shell():
        assert not names.keys() & os.environ.keys()
    assert names.items() <= os.environ.items()


def test_processes_that_still_run_are_killed_with_their_children() -> None:
    code = "import subprocess, sys; print(subprocess.Popen(['sleep', '60']).pid, flush=True)\nwhile True: pass"
    with kill_at_end():
        process = start_python("-c", code)
        assert process.stdout is not None
        child = int(process.stdout.readline())
    assert process.returncode == -signal.SIGKILL
    # A process that was sent SIGKILL ends once the kernel gives it a turn; on its own it would run for a minute.
    until(lambda: has_ended(child), seconds=5)


def has_ended(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


# --- the marker `processes` ---


def is_marked(request: pytest.FixtureRequest) -> bool:
    return request.node.get_closest_marker("processes") is not None


def call_a_starter() -> None:
    run_python("-c", "")


@pytest.fixture
def process() -> None:
    start_python("-c", "")


def test_a_test_without_processes_is_not_marked(request: pytest.FixtureRequest) -> None:
    assert not is_marked(request)


def test_a_test_with_a_server_is_marked(request: pytest.FixtureRequest, server: LiveServer) -> None:
    assert is_marked(request)


def test_a_test_whose_fixture_starts_a_process_is_marked(request: pytest.FixtureRequest, process: None) -> None:
    assert is_marked(request)


def test_a_test_whose_helper_starts_a_process_is_marked(request: pytest.FixtureRequest) -> None:
    call_a_starter()
    assert is_marked(request)
