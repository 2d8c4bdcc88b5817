"""A limit on the memory of a worker, so that an image that needs too much fails its sample and not the host."""

import os
import resource
from pathlib import Path

from sampler.dataset.images.decode import DECODER_BYTES

SAMPLE_BYTES = 256 << 20
"""Bytes for everything else that a sample takes."""

_UNKNOWN = 1 << 30
"""Assumed size of this process if the system does not report it."""


def default_allowance(max_pixels: int) -> int:
    """Return how many bytes a worker may allocate so that an image of `max_pixels` can be decoded."""
    return SAMPLE_BYTES + DECODER_BYTES * max_pixels


def limit_memory(allowance: int) -> None:
    """Let this process allocate no more than `allowance` bytes from now on; what exceeds it is a MemoryError.

    Shared memory and mapped files do not count. macOS does not enforce the limit.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limits = [value for value in (soft, hard) if value != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min([_allocated() + allowance, *limits]), hard))


def _allocated() -> int:
    """Return the bytes of private memory that this process has."""
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[5]
    except OSError:
        return _UNKNOWN
    return int(pages) * os.sysconf("SC_PAGESIZE")
