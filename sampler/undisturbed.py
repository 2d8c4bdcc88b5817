"""Work that no signal handler may break off in the middle, such as importing a large package.

Ctrl-C and other handlers raise in the main thread, wherever it is. Most code is ready for that. The import of a package
is not: its submodules stay, without the package that refers to them, and later imports fail until the process ends.
"""

import importlib
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar

ResultT = TypeVar("ResultT")

AFRESH = ("numba", "llvmlite")
"""Packages of which a failed import leaves modules that another attempt trips over. These are removed first. Others,
such as NumPy and PyTorch, cannot be loaded twice by one process."""


def undisturbed(function: Callable[[], ResultT]) -> ResultT:
    """Return what a function returns; signal handlers cannot raise inside it.

    Handlers run in the main thread, so there the function runs in another thread. If a handler raises meanwhile,
    only the wait ends: the function runs on, and must be one that another call may meet half done.
    """
    if threading.current_thread() is not threading.main_thread():
        return function()
    result: Future[ResultT] = Future()
    thread = threading.Thread(target=_run, args=(function, result), daemon=True)
    try:
        thread.start()
    except RuntimeError:  # no thread is to be had
        return function()
    return result.result()


def import_undisturbed(name: str) -> Any:
    """Return a module. Its import is not interrupted, and can be repeated if it fails.

    Raises:
        ImportError: There is no such module.
    """
    module = sys.modules.get(name)
    if module is not None and not getattr(getattr(module, "__spec__", None), "_initializing", False):
        return module
    return undisturbed(partial(_import, name))


def _run(function: Callable[[], ResultT], result: "Future[ResultT]") -> None:
    try:
        result.set_result(function())
    except BaseException as error:  # noqa: BLE001 - raised where the result is awaited
        result.set_exception(error)


def _import(name: str) -> Any:
    for package in AFRESH:
        if package not in sys.modules:
            _remove_modules_of(package)
    return importlib.import_module(name)


def _remove_modules_of(package: str) -> None:
    for name in list(sys.modules):
        if name.startswith(f"{package}."):
            del sys.modules[name]
