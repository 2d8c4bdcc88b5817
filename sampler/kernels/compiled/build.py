"""Compiling all kernels into one object file.

Numba compiles the kernels for the types that `exercise` calls them with.
"""

import ctypes
from collections.abc import Iterator, Sequence
from typing import Any

from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target

from sampler.kernels.compiled.code_cache import CODE
from sampler.kernels.compiled.entries import PYTHON, EntryWriter
from sampler.kernels.compiled.jit import Kernel
from sampler.kernels.compiled.kernels import EXPORTED, exercise
from sampler.kernels.compiled.machine_code import MachineCode, define_symbols
from sampler.kernels.compiled.memory import define_memory


def compile_all() -> MachineCode:
    """Return the machine code of all kernels. Raises `NotImplementedError` as `export` does."""
    CODE.use_numba_only()
    exercise()
    code: MachineCode = export(EXPORTED)
    return code


@global_compiler_lock
def export(kernels: Sequence[Kernel]) -> MachineCode:
    """Return the machine code of kernels for the types that each was first called with.

    Raises:
        NotImplementedError: A kernel uses something that exists only where Numba is loaded.
    """
    define_symbols()  # LLVM links the code in this process too, and cannot go on where that fails
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
