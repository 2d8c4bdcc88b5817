"""The batch buffer: the stacked arrays of a batch, one after another in one piece of memory."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from sampler.arrays import Arrays, ArraySpec

ALIGNMENT = 64
"""Each array starts at a multiple of this many bytes: a cache line, good for long vector instructions."""


def buffer_size(table: Iterable[ArraySpec], count: int) -> int:
    """Return the bytes of `count` rows of every array of fixed shape in `table`, alignment included."""
    return sum(-(-spec.nbytes * count // ALIGNMENT) * ALIGNMENT for spec in table if spec.is_fixed)


def buffer_arrays(memory: NDArray[np.uint8], table: Iterable[ArraySpec], count: int) -> Arrays:
    """Return every array of fixed shape in `table` as a (count, …) view of `memory`."""
    arrays: Arrays = {}
    start = 0
    for spec in table:
        if spec.is_fixed:
            size = spec.nbytes * count
            arrays[spec.name] = memory[start : start + size].view(spec.dtype).reshape(count, *spec.shape)
            start += -(-size // ALIGNMENT) * ALIGNMENT
    return arrays
