"""Choosing the fastest kernels that are installed, and compiling them ahead of time."""

import functools
import importlib.util
from collections.abc import Callable
from pathlib import Path

from sampler.kernels.interface import Kernels
from sampler.kernels.reference import REFERENCE
from sampler.undisturbed import import_undisturbed


@functools.cache
def fastest_kernels() -> Kernels:
    """Return the compiled kernels if Numba is installed, NumPy's otherwise.

    The first call of a kernel loads the code of all, or compiles them, which takes seconds. The code is cached on disk
    for later processes if a folder for it is writable; see `sampler.kernels.compiled.kernels.warm_up`.
    """
    if importlib.util.find_spec("numba") is None:
        return REFERENCE
    # Imported by name because it needs LLVM, which comes with Numba and is optional.
    compiled: Kernels = import_undisturbed("sampler.kernels.compiled.kernels").COMPILED
    return compiled


def warm_up(fallback: Path, on_compile: Callable[[], None]) -> None:
    """Load the compiled kernels, or compile them; see `sampler.kernels.compiled.kernels.warm_up`. They need Numba."""
    import_undisturbed("sampler.kernels.compiled.kernels").warm_up(fallback, on_compile)
