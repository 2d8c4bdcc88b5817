"""Memory that a process has freed but still holds."""

import ctypes


def release_freed_memory() -> None:
    """Return freed memory to the system.

    glibc keeps up to 64 MB once the process has freed blocks of several MB, such as decoded images. Does nothing with
    C libraries that have no `malloc_trim` (musl, macOS).
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(ctypes.c_size_t(0))
