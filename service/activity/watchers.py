"""Those who watch the server: each gets the latest snapshot when it has sent the one before."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from service.errors.problems import ServiceError

MAX_WATCHERS = 32
"""Open pages that are updated. Each costs a few kilobytes per second."""


class Watchers:
    """A bounded number of watchers of one server."""

    def __init__(self) -> None:
        self._count = 0
        self._latest = b""
        self._number = 0  # of the latest snapshot
        self._changed = asyncio.Event()
        self._closed = False

    def __len__(self) -> int:
        return self._count

    @contextmanager
    def place(self) -> Iterator[None]:
        """Count one more watcher for the length of the block. Raises `ServiceError` (503) if there are too many."""
        if self._count >= MAX_WATCHERS:
            detail = f"{MAX_WATCHERS} pages watch this server, which is the limit; close some, or use /status.json"
            raise ServiceError("overloaded", detail, retry_after=5)
        self._count += 1
        try:
            yield
        finally:
            self._count -= 1

    def send(self, snapshot: bytes) -> None:
        """Give all watchers a snapshot."""
        self._latest = snapshot
        self._number += 1
        self._changed.set()
        self._changed = asyncio.Event()

    def close(self) -> None:
        """End all watching, after the latest snapshot."""
        self._closed = True
        self._changed.set()

    async def watch(self, first: bytes) -> AsyncIterator[bytes]:
        """Yield `first` and then each snapshot, until the server ends. A slow watcher misses some."""
        seen = self._number
        yield first
        while seen != self._number or not self._closed:
            if seen == self._number:
                await self._changed.wait()
                continue
            seen = self._number
            yield self._latest
