"""The arrays of a whole batch, each a stack of its samples' arrays, one after another in one piece of memory."""

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from sampler.array_table import Arrays, ArraySpec

ALIGNMENT = 64
"""Bytes: stacks begin at multiples of it, a cache line, as long vector instructions like it."""


def room_for(table: Iterable[ArraySpec], count: int) -> int:
    """Return the bytes that `count` rows of every array of fixed shape in `table` take, alignment included."""
    return sum(-(-row_bytes(spec) * count // ALIGNMENT) * ALIGNMENT for spec in table if fixed(spec))


def stacks_in(memory: NDArray[np.uint8], table: Iterable[ArraySpec], count: int) -> Arrays:
    """Return the arrays of fixed shape in `table`, (count, …) each, as views of `memory`, one after another."""
    arrays: Arrays = {}
    start = 0
    for spec in table:
        if fixed(spec):
            size = row_bytes(spec) * count
            arrays[spec.name] = memory[start : start + size].view(spec.dtype).reshape(count, *spec.shape)
            start += -(-size // ALIGNMENT) * ALIGNMENT
    return arrays


def fixed(spec: ArraySpec) -> bool:
    """Whether an array has the same shape in every sample."""
    return all(isinstance(side, int) for side in spec.shape)


def row_bytes(spec: ArraySpec) -> int:
    """Return the bytes of one sample's array, which must be of fixed shape."""
    return math.prod(int(side) for side in spec.shape) * np.dtype(spec.dtype).itemsize
