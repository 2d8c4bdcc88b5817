"""Starting processes in tests: the one place, so that each has default signals, a known environment and an end."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import psutil

from tests.support.paths import ROOT

TIMEOUT = 90.0
"""Seconds that `run` waits for a process."""

NOTHING: Mapping[str, object] = {}
TERMINAL = {"COLUMNS": "150", "TERM": "dumb"}
"""What programs are told of a terminal that they do not have."""

PROJECT_SETTINGS = ("SAMPLER_", "UVICORN_")
SHELL_SETTINGS = frozenset(
    """
    CI GITHUB_ACTIONS COLUMNS LINES TERM COLORTERM NO_COLOR FORCE_COLOR PY_COLORS CLICOLOR CLICOLOR_FORCE
    TTY_COMPATIBLE TTY_INTERACTIVE HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY RANK WORLD_SIZE
    """.split()  # noqa: SIM905 - a list of quoted names is harder to read
)
"""Variables that change what programs print, where requests go or which rank loads; case does not matter."""

_started: list["subprocess.Popen[Any]"] = []


# --- once in a test run ---


@contextmanager
def independent_of_the_shell() -> Iterator[None]:
    """Make tests and their processes independent of how the test run was started."""
    with _without_shell_settings(), _default_signals_in_children():
        yield


@contextmanager
def _without_shell_settings() -> Iterator[None]:
    removed = {
        name: os.environ.pop(name)
        for name in list(os.environ)
        if name.upper() in SHELL_SETTINGS or name.startswith(PROJECT_SETTINGS)
    }
    try:
        yield
    finally:
        os.environ.update(removed)


@contextmanager
def _default_signals_in_children() -> Iterator[None]:
    """Start children with default signals, even if this process ignores them.

    `nohup` and shells that start a job in the background let it ignore signals, and children inherit that. A handler
    is not inherited: one that does nothing keeps this process deaf and leaves its children the default.
    """
    ignored = [number for number in signal.valid_signals() if signal.getsignal(number) is signal.SIG_IGN]
    changed = [number for number in ignored if number not in (signal.SIGPIPE, getattr(signal, "SIGXFSZ", None))]
    for number in changed:
        signal.signal(number, lambda *_: None)
    try:
        yield
    finally:
        for number in changed:
            signal.signal(number, signal.SIG_IGN)


# --- once in a test ---


@contextmanager
def kill_at_end() -> Iterator[None]:
    """Kill the processes that were started in the block and still run at its end, with their children."""
    before = len(_started)
    try:
        yield
    finally:
        for process in _started[before:]:
            if process.poll() is None:
                _kill_tree(process.pid)
            with suppress(BrokenPipeError), process:  # closes its pipes
                pass
        del _started[before:]


def _kill_tree(pid: int) -> None:
    parent = psutil.Process(pid)
    for process in [*parent.children(recursive=True), parent]:
        with suppress(psutil.NoSuchProcess):
            process.kill()


# --- processes ---


def environment(
    settings: Mapping[str, object] = NOTHING, variables: Mapping[str, object] = NOTHING, coverage: bool = True
) -> dict[str, str]:
    """Return the environment of a process.

    Args:
        settings: Settings of the project, named in lower case without the prefix `SAMPLER_`.
        variables: Other variables.
        coverage: Whether coverage is measured in the process. A process that is killed, or limited in its memory or
            files, cannot do so.
    """
    inherited = {name: value for name, value in os.environ.items() if coverage or not name.startswith("COVERAGE_")}
    own = {f"SAMPLER_{name.upper()}": str(value) for name, value in settings.items()}
    return inherited | TERMINAL | own | {name: str(value) for name, value in variables.items()}


def start(
    *command: object,
    settings: Mapping[str, object] = NOTHING,
    variables: Mapping[str, object] = NOTHING,
    coverage: bool = True,
    **options: Any,
) -> "subprocess.Popen[str]":
    """Start a program in the project's folder, with pipes for stdout and stderr. It ends with the test at the latest.

    Args:
        command: The program and its arguments.
        settings: See `environment`, as for the next two.
        variables: Other variables.
        coverage: Whether coverage is measured.
        options: As `subprocess.Popen` takes them.
    """
    defaults: dict[str, Any] = {
        "cwd": ROOT,
        "env": environment(settings, variables, coverage),
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "text": True,
    }
    process: subprocess.Popen[str] = subprocess.Popen(list(map(str, command)), **defaults | options)
    _started.append(process)
    return process


def start_python(*arguments: object, **options: Any) -> "subprocess.Popen[str]":
    """Start this Python with arguments; see `start`."""
    return start(sys.executable, *arguments, **options)


def run(
    *command: object, check: bool = True, timeout: float = TIMEOUT, **options: Any
) -> "subprocess.CompletedProcess[str]":
    """Run a program to its end; see `start`.

    Raises:
        AssertionError: The program failed and `check` is true.
        subprocess.TimeoutExpired: The program takes longer than `timeout` seconds.
    """
    process = start(*command, **options)
    printed, errors = process.communicate(timeout=timeout)
    assert not check or process.returncode == 0, f"status {process.returncode}\n{printed}{errors}"
    return subprocess.CompletedProcess(process.args, process.returncode, printed, errors)


def run_python(*arguments: object, **options: Any) -> "subprocess.CompletedProcess[str]":
    """Run this Python with arguments; see `run`."""
    return run(sys.executable, *arguments, **options)


def output_of(code: str, *arguments: object) -> str:
    """Return what Python code prints in its own process, without coverage."""
    return run_python("-c", code, *arguments, coverage=False).stdout.strip()
