"""The memory that workers write samples into and that responses are sent from, without a copy in between.

    descriptor ──→ [ shared: slabs, lowest address first ........ | reserve: one fixed slab a request ... ]

A slab is a range of it. The server lends slabs and never copies them: what it sends are views, and a slab comes back
when the last view is gone, however long a socket holds on to it. The shared part bounds what is made ahead; a slab of
the reserve is for a request that has nothing under way while others hold all of the shared part, so that each
request always gets on.
"""

import asyncio
import mmap
import os
from bisect import bisect
from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sampler.memory.buffer_pool import borrow
from sampler.memory.shared_memory import create_shared_memory

PAGE = 4096
"""Slabs begin and end at multiples of it."""

AHEAD_BYTES = 32 << 20
"""What is on its way to clients at most times: about three compact batches of 48."""

LONGEST_WARM = 512 << 20
"""More than this is not brought into memory before the first request: a start is not to take seconds."""

PROGRESS_BYTES = 8
"""At the end of a slab as it is lent: how many samples of the run the worker has written so far."""


def warm_bytes(kept: int) -> int:
    """Return how much of an arena is used over and over, where `kept` bytes are kept for whoever asks again.

    The first touch of each page by each process is a page fault, and these cost as much as making what is written
    there; so pages are touched before the first request.
    """
    return min(kept + AHEAD_BYTES, LONGEST_WARM)


def pages(size: int) -> int:
    """Return `size` rounded up to whole pages."""
    return -(-size // PAGE) * PAGE


class Extents:
    """The free ranges of a memory, by address."""

    def __init__(self, start: int, size: int) -> None:
        """All of start … start + size is free."""
        self._free = [(start, size)] if size else []

    def take(self, size: int) -> int | None:
        """Return where the first free range of `size` bytes began, or None where there is none."""
        for place, (start, room) in enumerate(self._free):
            if room >= size:
                self._free[place : place + 1] = [(start + size, room - size)] if room > size else []
                return start
        return None

    def give(self, start: int, size: int) -> None:
        """Take a range back and join it with its neighbours."""
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
    """Where a slab lies; `size` shrinks to what was used."""

    start: int
    size: int
    reserved: bool


@dataclass(slots=True, eq=False)
class Slab:
    """A range of the arena, this slab's own until neither it nor any view of it is left."""

    _arena: "Arena"
    _range: _Range
    _memory: NDArray[np.uint8] = field(repr=False)
    reserved: bool

    @property
    def offset(self) -> int:
        """Where it begins in the arena."""
        return self._range.start

    @property
    def size(self) -> int:
        """Bytes that it takes of the arena."""
        return self._range.size

    @property
    def room(self) -> int:
        """Bytes for messages, as it was lent."""
        return len(self._memory) - PROGRESS_BYTES

    @property
    def progress(self) -> int:
        """How many samples the worker has written; only until the slab is shrunk."""
        return int.from_bytes(self._memory[-PROGRESS_BYTES:].tobytes(), "little")

    def view(self, start: int, stop: int) -> memoryview:
        """Return the bytes start … stop; they stay as they are as long as the view lives."""
        return self._memory[start:stop].data

    def shrink(self, used: int) -> int:
        """Give back what lies behind `used` bytes; return how many bytes that was. A reserved slab stays whole."""
        return 0 if self._range.reserved else self._arena.cut(self._range, pages(max(1, used)))


class Arena:
    """Memory shared with the workers. All methods belong to one event loop; slabs may end in any thread."""

    def __init__(self, shared: int, reserved: int = 0, reserved_size: int = 0) -> None:
        """shared: bytes that all requests share. reserved: how many slabs of `reserved_size` bytes lie behind them.

        Raises OSError where the system does not give as much.
        """
        self.shared = pages(shared)
        self.reserved_room = pages(reserved_size + PROGRESS_BYTES) - PROGRESS_BYTES
        slot = self.reserved_room + PROGRESS_BYTES
        self.capacity = self.shared + reserved * slot
        self.descriptor = create_shared_memory(self.capacity)
        try:
            self._memory = memoryview(mmap.mmap(self.descriptor, self.capacity))
        except BaseException:
            os.close(self.descriptor)
            raise
        self._extents = Extents(0, self.shared)
        self._slots = [self.shared + place * slot for place in reversed(range(reserved))]
        self._returned: deque[_Range] = deque()
        self._waiting: list[asyncio.Future[None]] = []
        self._bytes_in_use = 0
        self._slabs_in_use = 0

    @property
    def bytes_in_use(self) -> int:
        """Bytes of all slabs that are lent."""
        self.settle()
        return self._bytes_in_use

    @property
    def slabs_in_use(self) -> int:
        """How many slabs are lent."""
        self.settle()
        return self._slabs_in_use

    def warm(self, size: int) -> None:
        """Have the first `size` bytes in memory before they are needed. Only while no slab is lent."""
        np.frombuffer(self._memory, np.uint8)[: min(size, self.shared)].fill(0)

    def take(self, size: int) -> Slab | None:
        """Return a slab with room for `size` bytes, or None while there is none."""
        self.settle()
        whole = pages(size + PROGRESS_BYTES)
        start = self._extents.take(whole)
        return None if start is None else self._lend(_Range(start, whole, reserved=False))

    def take_reserved(self) -> Slab | None:
        """Return a slab of the reserve, or None while all are lent."""
        self.settle()
        if not self._slots:
            return None
        return self._lend(_Range(self._slots.pop(), self.reserved_room + PROGRESS_BYTES, reserved=True))

    def cut(self, lent: _Range, size: int) -> int:
        """Shorten a lent range to `size` bytes; return how many came back."""
        rest = max(0, lent.size - size)
        if rest:
            lent.size -= rest
            self._extents.give(lent.start + lent.size, rest)
            self._bytes_in_use -= rest
            self._wake()
        return rest

    def settle(self) -> None:
        """Make free what has come back."""
        while self._returned:
            lent = self._returned.popleft()
            self._bytes_in_use -= lent.size
            self._slabs_in_use -= 1
            if lent.reserved:
                self._slots.append(lent.start)
            else:
                self._extents.give(lent.start, lent.size)

    async def more_room(self) -> None:
        """Return when something has come back."""
        room = asyncio.get_running_loop().create_future()
        self._waiting.append(room)
        try:
            if not self._returned:  # nothing came back since the caller looked
                await room
        finally:
            if room in self._waiting:
                self._waiting.remove(room)

    def close(self) -> None:
        """Close the descriptor; the memory itself ends with the last view and the last process that has it."""
        os.close(self.descriptor)

    def _lend(self, lent: _Range) -> Slab:
        memory = self._memory[lent.start : lent.start + lent.size]
        memory[-PROGRESS_BYTES:] = bytes(PROGRESS_BYTES)
        self._bytes_in_use += lent.size
        self._slabs_in_use += 1

        def give_back() -> None:
            # Whichever thread lets go last is here, perhaps amid a garbage collection: only note it.
            self._returned.append(lent)
            if self._waiting:
                self._waiting[0].get_loop().call_soon_threadsafe(self._wake)

        return Slab(self, lent, borrow(memory, give_back), lent.reserved)

    def _wake(self) -> None:
        for room in self._waiting:
            if not room.done():
                room.set_result(None)
