"""Anonymous shared memory that workers write samples into and responses are sent from, without a copy in between.

    descriptor ──→ [ shared: slabs, lowest address first ........ | reserve: fixed slabs ... ]

A slab is a range of the arena that holds the messages of one run. `Arena` is the server's side: it lends slabs, and a
slab is released when the last view of it is gone, however long a socket holds that view. `AttachedArena` is a
worker's side: it writes into slabs.

The shared part bounds the memory for prefetched samples. The reserve has one slab for each admitted request: a
request that has no run under way borrows from it while others hold the whole shared part, so each request progresses.
"""

import asyncio
import errno
import mmap
import os
import sys
import time
from bisect import bisect
from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sampler.memory.buffer_pool import borrow
from sampler.memory.shared_memory import create_shared_memory

PAGE = 4096
"""Slabs begin and end at multiples of it."""

PREFETCH_BYTES = 32 << 20
"""Memory typically on its way to clients: about three compact batches of 48 samples."""

MAX_WARM_BYTES = 512 << 20
"""Upper bound on the memory that is warmed up at startup, so that starting does not take seconds."""

PROGRESS_BYTES = 8
"""Size of the counter at the end of a borrowed slab: how many samples of the run the worker has written."""

POPULATE_WRITE = 23
"""Linux's MADV_POPULATE_WRITE (5.14 and newer); Python's `mmap` names it from 3.14 on."""

CHUNK = 1 << 21
"""Bytes that a worker populates at once."""


def warm_bytes(cached: int) -> int:
    """Return how much of an arena is reused constantly when `cached` bytes of batches are cached.

    The first touch of a page by a process costs as much as making the sample that is written there; so these pages are
    touched before the first request.
    """
    return min(cached + PREFETCH_BYTES, MAX_WARM_BYTES)


def round_to_pages(size: int) -> int:
    return -(-size // PAGE) * PAGE


class FreeRanges:
    """The free ranges of a memory, ordered by address."""

    def __init__(self, start: int, size: int) -> None:
        self._free = [(start, size)] if size else []

    def allocate(self, size: int) -> int | None:
        """Return the start of the first free range of `size` bytes, or None if there is none."""
        for place, (start, length) in enumerate(self._free):
            if length >= size:
                self._free[place : place + 1] = [(start + size, length - size)] if length > size else []
                return start
        return None

    def free(self, start: int, size: int) -> None:
        """Free an allocated range and merge it with its free neighbours."""
        place = bisect(self._free, (start, 0))
        end = start + size
        if place < len(self._free) and self._free[place][0] == end:
            end += self._free.pop(place)[1]
        if place and sum(self._free[place - 1]) == start:
            place -= 1
            start = self._free.pop(place)[0]
        self._free.insert(place, (start, end - start))


@dataclass(slots=True, eq=False)
class _Range:
    """Where a slab lies; `size` shrinks to what is used. Views of a slab may outlive its `Slab`, so it is apart."""

    start: int
    size: int
    reserved: bool


@dataclass(slots=True, eq=False)
class Slab:
    """A borrowed range of the arena, released when neither the slab nor any view of it is left."""

    _arena: "Arena"
    _range: _Range
    _memory: NDArray[np.uint8] = field(repr=False)
    reserved: bool

    @property
    def offset(self) -> int:
        return self._range.start

    @property
    def size(self) -> int:
        return self._range.size

    @property
    def capacity(self) -> int:
        """Bytes for messages, before any shrinking."""
        return len(self._memory) - PROGRESS_BYTES

    @property
    def progress(self) -> int:
        """How many samples the worker has written; valid until the slab is shrunk."""
        return int.from_bytes(self._memory[-PROGRESS_BYTES:].tobytes(), "little")

    def view(self, start: int, stop: int) -> memoryview:
        """Return the bytes start … stop. They do not change while the view exists."""
        return self._memory[start:stop].data

    def shrink(self, used: int) -> int:
        """Release all but the first `used` bytes; return how many were released. A reserved slab keeps its size."""
        return 0 if self.reserved else self._arena.shrink(self._range, round_to_pages(max(1, used)))


class Arena:
    """The server's side. All methods belong to one event loop; views of slabs may end in any thread."""

    def __init__(self, shared: int, reserved: int = 0, reserved_size: int = 0) -> None:
        """Create `shared` bytes, and a reserve of slabs with `reserved_size` bytes for messages. Raises OSError.

        Pages take no memory until they are written.
        """
        slot = round_to_pages(reserved_size + PROGRESS_BYTES)
        self.shared = round_to_pages(shared)
        self.capacity = self.shared + reserved * slot
        self.descriptor = create_shared_memory(self.capacity)
        try:
            self._map = mmap.mmap(self.descriptor, self.capacity)
        except BaseException:
            os.close(self.descriptor)
            raise
        self._memory = memoryview(self._map)
        self._free = FreeRanges(0, self.shared)
        self._reserve = [_Range(self.shared + place * slot, slot, reserved=True) for place in reversed(range(reserved))]
        self._released: deque[_Range] = deque()
        self._waiting: list[asyncio.Future[None]] = []
        self._bytes_in_use = 0
        self._reserved_in_use = 0
        self._slabs_in_use = 0

    @property
    def bytes_in_use(self) -> int:
        self._reclaim()
        return self._bytes_in_use

    @property
    def shared_in_use(self) -> int:
        """Bytes of the shared part in use."""
        self._reclaim()
        return self._bytes_in_use - self._reserved_in_use

    @property
    def slabs_in_use(self) -> int:
        self._reclaim()
        return self._slabs_in_use

    def warm_up(self, size: int) -> None:
        """Populate the first `size` bytes of the shared part, which workers may do at the same time."""
        size = min(size, self.shared)
        try:
            for start in range(0, size, CHUNK):
                _populate(self._map, start, min(CHUNK, size - start))
                time.sleep(0)  # lets other threads run, which `madvise` does not
        except OSError:  # another system, or an older kernel
            np.frombuffer(self._memory, np.uint8)[:size:PAGE].fill(0)

    def borrow(self, size: int) -> Slab | None:
        """Return a slab with room for `size` bytes of messages, or None while there is none."""
        self._reclaim()
        whole = round_to_pages(size + PROGRESS_BYTES)
        start = self._free.allocate(whole)
        return None if start is None else self._lend(_Range(start, whole, reserved=False))

    def borrow_reserved(self) -> Slab | None:
        """Return a slab of the reserve, or None while all are borrowed."""
        self._reclaim()
        return self._lend(self._reserve.pop()) if self._reserve else None

    def shrink(self, borrowed: _Range, size: int) -> int:
        """Shorten a borrowed range to `size` bytes; return how many were released."""
        rest = max(0, borrowed.size - size)
        if rest:
            borrowed.size -= rest
            self._free.free(borrowed.start + borrowed.size, rest)
            self._bytes_in_use -= rest
            self._wake()
        return rest

    async def wait_for_release(self) -> None:
        """Return when some memory has been released."""
        released = asyncio.get_running_loop().create_future()
        self._waiting.append(released)
        try:
            if not self._released:  # nothing was released since the caller looked
                await released
        finally:
            if released in self._waiting:
                self._waiting.remove(released)

    def close(self) -> None:
        """Close the descriptor. The memory is freed with the last view and the last process that has it mapped."""
        os.close(self.descriptor)

    def _lend(self, borrowed: _Range) -> Slab:
        memory = self._memory[borrowed.start : borrowed.start + borrowed.size]
        memory[-PROGRESS_BYTES:] = bytes(PROGRESS_BYTES)
        self._bytes_in_use += borrowed.size
        self._reserved_in_use += borrowed.size if borrowed.reserved else 0
        self._slabs_in_use += 1

        def release() -> None:
            # This runs in whichever thread drops the last view, perhaps during garbage collection: only note it.
            self._released.append(borrowed)
            if self._waiting:
                self._waiting[0].get_loop().call_soon_threadsafe(self._wake)

        return Slab(self, borrowed, borrow(memory, release), borrowed.reserved)

    def _reclaim(self) -> None:
        while self._released:
            borrowed = self._released.popleft()
            self._bytes_in_use -= borrowed.size
            self._slabs_in_use -= 1
            if borrowed.reserved:
                self._reserved_in_use -= borrowed.size
                self._reserve.append(borrowed)
            else:
                self._free.free(borrowed.start, borrowed.size)

    def _wake(self) -> None:
        for released in self._waiting:
            if not released.done():
                released.set_result(None)


def _populate(memory: mmap.mmap, start: int, size: int) -> None:
    """Populate pages without changing their contents. Raises OSError if the system does not support it."""
    if sys.platform != "linux":
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
    memory.madvise(POPULATE_WRITE, start, size)


class AttachedArena:
    """A worker's side: the same memory in another process.

    Page faults taken one at a time, as pages are written, cost many times more than asking the system for many pages
    at once. So pages are populated before they are written, where the system supports it.
    """

    def __init__(self, descriptor: int) -> None:
        """Map the arena behind `descriptor`, and close the descriptor, which the mapping does not need."""
        try:
            self._map = mmap.mmap(descriptor, os.fstat(descriptor).st_size)
        finally:
            os.close(descriptor)
        self._memory = memoryview(self._map)
        self._populated: set[int] | None = set()

    def part(self, start: int, size: int) -> memoryview:
        return self._memory[start : start + size]

    def populate(self, start: int, stop: int) -> None:
        """Populate the pages of the bytes start … stop, as far as the arena reaches. Contents do not change."""
        for chunk in range(start // CHUNK, -(-min(stop, len(self._memory)) // CHUNK)):
            if self._populated is None or chunk in self._populated:
                continue
            self._populated.add(chunk)
            try:
                _populate(self._map, chunk * CHUNK, min(CHUNK, len(self._memory) - chunk * CHUNK))
            except OSError:  # another system, or an older kernel: pages are populated as they are written
                self._populated = None
