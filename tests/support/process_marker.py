"""The marker `processes`, set on every test that starts a process such as a server, a worker or a command.

`make check` leaves these tests out. A test starts processes if it, a fixture that it uses or a function of the test
suite that one of them calls names one of `STARTERS`; so the marker needs no list of tests.
"""

import functools
import inspect
import multiprocessing
import subprocess
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType

import pytest

import client
from sampler.ipc.child_process import ChildProcess
from service.workers.pool import WorkerPool
from service.workers.process import WorkerProcess

STARTERS = (subprocess.Popen, multiprocessing.get_context, client.loader, ChildProcess, WorkerProcess, WorkerPool)


def starts_processes(test: pytest.Function) -> bool:
    """Return whether a test starts processes."""
    fixtures = [definitions[-1].func for definitions in test._fixtureinfo.name2fixturedefs.values()]  # last: innermost
    pending: list[object] = [test.function, *fixtures]
    seen: set[object] = set()
    while pending:
        function = inspect.unwrap(pending.pop())  # type: ignore[arg-type] # values that are not callable stay as they are
        if not isinstance(function, FunctionType) or function in seen:
            continue
        seen.add(function)
        starts, called = _inspect(function)
        if starts:
            return True
        pending += called
    return False


@functools.cache
def _inspect(function: FunctionType) -> tuple[bool, list[object]]:
    """Return whether a function names a starter, and what it names of the test suite."""
    named = list(_named_values(function))
    starts = any(value is starter for value in named for starter in STARTERS)
    called: list[object] = []
    for value in named:
        if str(getattr(value, "__module__", "")).startswith("tests."):
            called += vars(value).values() if isinstance(value, type) else [value]
    return starts, called


def _named_values(function: FunctionType) -> Iterator[object]:
    """Yield the globals that a function names, and the attributes that it names of modules."""
    names = set(_names(function.__code__))
    for name in names & function.__globals__.keys():
        value = function.__globals__[name]
        yield value
        if isinstance(value, ModuleType):
            yield from (vars(value).get(attribute) for attribute in names)


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
