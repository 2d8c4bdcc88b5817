"""Memory for whole batches, used again once nobody has a view of it.

A fresh large buffer costs more in page faults than the copy into it. So memory that comes back is held for the next
batch: a loop that lets its batches go runs in the same few buffers for ever, and one that keeps them gets fresh ones.
"""

import math
from collections import deque
from collections.abc import Iterable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from sampler.arrays import Arrays, ArraySpec
from sampler.leases import lease

IDLE_BUFFERS = 8
"""The most buffers that are held while nobody uses them; there are never more of them than were once in use."""

ALIGNMENT = 64
"""Bytes: arrays of one buffer begin at multiples of it, as long vector instructions like it."""


class RecycledMemory:
    """Buffers that come back by themselves when the last view of them is gone. Safe to use from several threads."""

    def __init__(self, most_idle: int = IDLE_BUFFERS) -> None:
        """Hold nothing yet. most_idle: buffers held while nobody uses them; the oldest goes first."""
        # Appending and popping are atomic, so no lock is needed. One could not be had: memory comes back from
        # wherever the last view goes, a garbage collection in the middle of `take` included.
        self._idle: deque[memoryview] = deque(maxlen=most_idle)

    @property
    def idle_bytes(self) -> int:
        """Bytes held for the next batch."""
        return sum(memory.nbytes for memory in list(self._idle))

    def take(self, size: int, enough: int | None = None) -> NDArray[np.uint8]:
        """Return memory of at least `size` bytes with anything in it: (n,) uint8, idle memory if some fits.

        A buffer fits up to twice the size that is needed. enough: bytes that a fresh buffer should have at most; it is
        then smaller than `size` where memory that no one has filled before is not to be trusted with all of it.
        """
        for _ in range(len(self._idle)):
            try:
                memory = self._idle.popleft()
            except IndexError:
                break  # another thread took the last one
            if size <= memory.nbytes <= max(2 * size, 1 << 20):
                return lease(memory, partial(self._idle.append, memory))
            self._idle.append(memory)
        fresh = np.empty(max(1, size if enough is None else min(size, enough)), np.uint8).data
        return lease(fresh, partial(self._idle.append, fresh))


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
