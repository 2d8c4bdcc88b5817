"""Compiling all kernels into one object file, in a process of its own: the program that the code cache runs.

Numba compiles the kernels for the types that `exercise` calls them with.
"""

import ctypes
import os
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target

from sampler.ipc.child_process import run_child
from sampler.ipc.frames import FrameSocket
from sampler.kernels.compiled.code_cache import CODE
from sampler.kernels.compiled.entries import PYTHON, EntryWriter
from sampler.kernels.compiled.jit import Kernel
from sampler.kernels.compiled.kernels import ENTRY_POINTS, exercise
from sampler.kernels.compiled.machine_code import MachineCode
from sampler.kernels.compiled.memory import define_memory


def serve(parent: FrameSocket) -> None:
    """Send the code of all kernels to the parent."""
    threading.Thread(target=_exit_with, args=(parent,), daemon=True).start()
    CODE.use_numba_only()
    exercise()
    parent.send(export(ENTRY_POINTS).encode())


def _exit_with(parent: FrameSocket) -> None:
    while parent.read() is not None:
        pass
    os._exit(0)  # in the middle of compiling: nothing waits for the code any more


@global_compiler_lock
def export(kernels: Sequence[Kernel]) -> MachineCode:
    """Return the machine code of kernels for the types that each was first called with.

    Raises:
        NotImplementedError: A kernel uses something that exists only where Numba is loaded.
    """
    context = cpu_target.target_context
    library = context.codegen().create_library("kernels")
    module = library.create_ir_module("entries")
    define_memory(module)
    entries = {kernel.name: f"saccade_{kernel.name.replace('.', '_')}" for kernel in kernels}
    for kernel in kernels:
        compiled = next(iter(kernel.dispatcher.overloads.values()))
        library.add_linking_library(compiled.library)
        EntryWriter(context, module, compiled).write(entries[kernel.name])
    library.add_ir_module(module)
    library.enable_object_caching()
    library.finalize()
    unknown = sorted(_unknown_functions(library._final_module))
    if unknown:
        raise NotImplementedError(f"kernels use {', '.join(unknown)}: these exist only where Numba is loaded")
    return MachineCode(library._get_compiled_object(), entries)


def _unknown_functions(module: Any) -> Iterator[str]:
    """Iterate over the functions that the code calls and that a process without Numba lacks."""
    system = ctypes.CDLL(None)
    for function in module.functions:
        name = function.name
        if not function.is_declaration or name.startswith("llvm.") or name in PYTHON:
            continue
        if name.startswith(("Py", "_Py")) or not hasattr(system, name):  # a kernel runs without Python's lock
            yield name


if __name__ == "__main__":
    run_child(serve)
