"""The check of compiled kernels."""

from importlib.util import find_spec
from pathlib import Path

from saccade_sampler.doctor.finding import Finding, ok, skipped, warning
from saccade_sampler.doctor.paths import writable
from sampler.errors import CacheError
from sampler.printable import path_text

KERNELS = "kernels"


def check_kernels(fallback: Path | None) -> Finding:
    """Check that kernels are compiled, or can be. fallback: a folder for compiled code besides those of the user."""
    if find_spec("numba") is None:
        found = "Numba is not installed, so batches are rendered with NumPy; for compiled rendering"
        return skipped(KERNELS, f"{found}: pip install 'saccade-sampler[compiled]'")
    # Needs Numba's package llvmlite.
    from sampler.kernels.compiled.code_cache import FOLDER_VARIABLE, cached_code, code_folders

    advice = f"set {FOLDER_VARIABLE} to a folder that this user can write"
    try:
        file = cached_code(fallback)
    except CacheError as error:
        return warning(KERNELS, str(error), "reinstall Numba and this package as files")
    if file is not None:
        return ok(KERNELS, f"compiled for this CPU, in {path_text(file)}")
    if all(writable(folder).error is not None for folder in code_folders(fallback)):
        return warning(KERNELS, "not compiled, and no folder for them can be written: each start compiles them", advice)
    return ok(KERNELS, "not compiled for this CPU yet: the first start compiles them, which takes up to a minute")
