"""File descriptors of a server: how many it may open, and a reserve for itself."""

import asyncio
import os
import resource
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

WANTED = 65536
"""Descriptors that a server asks for at most; more would be memory for connections that it cannot serve."""

RESERVE = 8
RESERVE_FOR_EACH_WORKER = 2
"""Starting a process takes some descriptors for a moment, and one for as long as it runs."""

FILL_SECONDS = 1.0


def descriptor_limit() -> int:
    """Return how many descriptors `raise_limit` lets this process open, without raising the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return WANTED
    return max(soft, WANTED if hard == resource.RLIM_INFINITY else min(hard, WANTED))


def raise_limit() -> int:
    """Raise the number of descriptors that this process may open, as far as it may; return that number."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    target = descriptor_limit()
    if soft == resource.RLIM_INFINITY or soft >= target:
        return target
    with suppress(ValueError, OSError):  # macOS has a second limit, which no program can ask for
        resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


class DescriptorReserve:
    """Descriptors that are held back, so that a worker can be replaced while connections hold all others."""

    def __init__(self, size: int) -> None:
        """size: number of descriptors. Fewer are held as long as there are no more."""
        self._size = size
        self._lock = threading.Lock()
        self._held: list[int] = []
        self._lent = 0
        self.fill()

    @property
    def held(self) -> int:
        """Number of descriptors that are held back now."""
        return len(self._held)

    def fill(self) -> None:
        """Take what is missing, as far as there are descriptors."""
        with self._lock:
            self._fill()

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Make the descriptors available to whatever opens files in the block, which must not wait for anything."""
        with self._lock:
            self._lent += 1
            self._release()
        try:
            yield
        finally:
            with self._lock:
                self._lent -= 1
                self._fill()

    def close(self) -> None:
        """Release the descriptors for good."""
        with self._lock:
            self._size = 0
            self._release()

    def _fill(self) -> None:
        with suppress(OSError):  # none left: tried again later
            while not self._lent and len(self._held) < self._size:
                self._held.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))

    def _release(self) -> None:
        while self._held:
            os.close(self._held.pop())


@asynccontextmanager
async def reserve_for_workers(workers: int) -> AsyncIterator[DescriptorReserve]:
    """Hold a reserve that is large enough to replace all workers, and keep it full."""
    reserve = DescriptorReserve(RESERVE + RESERVE_FOR_EACH_WORKER * workers)
    filling = asyncio.create_task(_keep_full(reserve))
    try:
        yield reserve
    finally:
        filling.cancel()
        reserve.close()


async def _keep_full(reserve: DescriptorReserve) -> None:
    while True:
        await asyncio.sleep(FILL_SECONDS)
        reserve.fill()
