"""Choosing the fastest kernels that are installed."""

import functools
import importlib
import importlib.util

from sampler.kernels.interface import Kernels
from sampler.kernels.reference import REFERENCE


@functools.cache
def fastest_kernels() -> Kernels:
    """Return the compiled kernels if Numba is installed, NumPy's otherwise.

    Code that is compiled on the first call of a kernel is cached on disk for later processes if a folder for it is
    writable; see `sampler.kernels.compiled.kernels.warm_up`.
    """
    if importlib.util.find_spec("numba") is None:
        return REFERENCE
    # Imported by name because Numba is optional, and takes a second that a process without rendering saves.
    module = importlib.import_module("sampler.kernels.compiled.kernels")
    module.enable_code_cache()
    compiled: Kernels = module.COMPILED
    return compiled
