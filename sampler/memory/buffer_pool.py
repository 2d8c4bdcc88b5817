"""Buffers that are reused once nothing refers to them any more.

A fresh large buffer costs more in page faults than the copy into it. So a borrowed buffer returns to its owner when
its last view is gone, and the next borrower gets it again. Borrowers need not release anything explicitly.
"""

import weakref
from collections import deque
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

MAX_IDLE = 8
"""Unused buffers that a pool keeps by default. It never keeps more than were in use at once."""

MIN_REUSED = 1 << 20
"""Bytes up to which an unused buffer is taken for any smaller size."""


def borrow(memory: memoryview, on_release: Callable[[], None]) -> NDArray[np.uint8]:
    """Return `memory` as an array that shares it and reports the end of its use.

    Args:
        memory: any contiguous memory, n bytes.
        on_release: called once, when neither the array nor any view of it (slice, reshaped array, memoryview, tensor)
            is left. It runs in the thread that drops the last one, possibly during a garbage collection, so it must
            not take locks.

    Returns:
        (n,) uint8.
    """
    array = np.frombuffer(memory, np.uint8)
    weakref.finalize(array, on_release).atexit = False
    return array


class BufferPool:
    """A pool of buffers of any size. Safe to use from several threads."""

    def __init__(self, max_idle: int = MAX_IDLE) -> None:
        """Create an empty pool that keeps up to `max_idle` unused buffers; the oldest is freed first."""
        # A deque's append and popleft are atomic. A lock is impossible: buffers are released from anywhere, even
        # from a garbage collection inside `borrow`.
        self._idle: deque[memoryview] = deque(maxlen=max_idle)

    def borrow(self, size: int, fresh_limit: int | None = None) -> NDArray[np.uint8]:
        """Return a buffer with arbitrary content: (n,) uint8.

        Args:
            size: the bytes needed. An unused buffer is reused if it has as many, and at most twice as many.
            fresh_limit: the most bytes to allocate if none can be reused, for a size announced by a peer that may
                never send as much. A buffer that is smaller than `size` for this reason does not return to the pool:
                its borrower outgrows it, and so would the next.
        """
        for _ in range(len(self._idle)):
            try:
                memory = self._idle.popleft()
            except IndexError:
                break  # another thread took the last one
            if size <= memory.nbytes <= max(2 * size, MIN_REUSED):
                return self._lend(memory)
            self._idle.append(memory)
        if fresh_limit is not None and fresh_limit < size:
            return np.empty(fresh_limit, np.uint8)
        return self._lend(np.empty(max(1, size), np.uint8).data)

    def _lend(self, memory: memoryview) -> NDArray[np.uint8]:
        return borrow(memory, partial(self._idle.append, memory))
