"""Memory for whole batches, used again once nobody has a view of it.

A fresh large buffer costs more in page faults than the copy into it. So memory that comes back is held for the next
batch: a loop that lets its batches go runs in the same few buffers for ever, and one that keeps them gets fresh ones.
"""

from collections import deque
from functools import partial

import numpy as np
from numpy.typing import NDArray

from sampler.memory.borrowed import lease

IDLE_BUFFERS = 8
"""The most buffers that are held while nobody uses them; there are never more of them than were once in use."""


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
        """Return memory of `size` bytes or more with anything in it: (n,) uint8.

        Idle memory is taken where some fits: of up to twice the size that is needed. enough: the most bytes of fresh
        memory, perhaps fewer than `size`, where that was announced by somebody who may never send as much.
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
