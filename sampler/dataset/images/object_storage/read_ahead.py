"""Fetching objects before they are read, with bounded memory and a bounded number of requests.

All methods belong to one event loop. What is fetched depends on the announced names alone. An object that could not be
fetched ahead is fetched when it is read, so errors appear there, and nothing else ever differs.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from sampler.dataset.images.object_storage.objects import Admit, Fetched
from sampler.dataset.images.source import ImageStat
from sampler.errors import SamplerError

REQUESTS = 30
"""Requests under way at once."""

MOST_BYTES = 64 << 20
"""Bytes of objects that were fetched ahead or are being fetched."""

MOST_OBJECTS = 128
"""Objects that are announced and not read yet. Beyond them, the oldest are dropped: they may never be read."""

_FIRST_GUESS = 256 << 10
"""Assumed bytes of an object before any was seen."""


@dataclass(slots=True, eq=False)
class _Entry:
    """An object that was announced.

    Attributes:
        reads: How often it will be read.
        size: Its bytes, as soon as they are known and count.
        task: Fetches it, once begun; None as its result if it could not be fetched.
    """

    reads: int = 1
    size: int = 0
    task: "asyncio.Task[Fetched | None] | None" = None


class _NoRoomError(Exception):
    """An object is larger than the memory that is left."""


class ReadAhead:
    """Fetches objects ahead.

    Attributes:
        held: Bytes of objects that were fetched, or are being fetched, and not read yet.
    """

    def __init__(self, get: Callable[[str, Admit], Awaitable[Fetched]], most_bytes: int = MOST_BYTES) -> None:
        """get: Fetches an object; see `Objects.get`."""
        self.held = 0
        self._get = get
        self._most_bytes = most_bytes
        self._typical = float(_FIRST_GUESS)
        self._entries: dict[str, _Entry] = {}
        self._waiting: deque[str] = deque()
        self._active = 0
        self._unsized = 0

    def announce(self, names: Iterable[str]) -> None:
        """Begin to fetch objects, in this order, as soon as there is room."""
        for name in names:
            entry = self._entries.get(name)
            if entry is not None:
                entry.reads += 1
                continue
            self._entries[name] = _Entry()
            self._waiting.append(name)
            if len(self._entries) > MOST_OBJECTS:
                self._remove(next(iter(self._entries)))
        self._start()

    async def take(self, name: str, admit: Admit) -> Fetched:
        """Return an object, and hold it no longer if it will not be read again. Raises what `get` and `admit` raise."""
        fetched = await self._fetched(name)
        entry = self._entries.get(name)
        if entry is not None:
            entry.reads -= 1
            if not entry.reads or fetched is None:
                self._remove(name)
            self._start()
        if fetched is None:
            return await self._get(name, admit)
        admit(fetched.stat.size)
        return fetched

    async def stat(self, name: str) -> ImageStat | None:
        """Return size and version of an object that is fetched ahead; None for any other."""
        fetched = await self._fetched(name)
        return None if fetched is None else fetched.stat

    async def _fetched(self, name: str) -> Fetched | None:
        entry = self._entries.get(name)
        if entry is None or entry.task is None:
            return None
        try:
            return await asyncio.shield(entry.task)
        except asyncio.CancelledError:
            if entry.task.cancelled():  # it was dropped meanwhile
                return None
            raise

    def _start(self) -> None:
        """Begin as many requests as there is room for."""
        while self._waiting and self._active < REQUESTS:
            expected = self.held + (self._unsized + 1) * self._typical
            if (self._active or self.held) and expected > self._most_bytes:
                return
            name = self._waiting.popleft()
            entry = self._entries.get(name)
            if entry is not None and entry.task is None:  # not read or dropped meanwhile
                self._active += 1
                self._unsized += 1
                entry.task = asyncio.get_running_loop().create_task(self._fetch(name, entry))

    async def _fetch(self, name: str, entry: _Entry) -> Fetched | None:
        unsized = True

        def admit(size: int) -> None:
            nonlocal unsized
            others = self.held - entry.size
            if others + size > self._most_bytes:
                raise _NoRoomError
            self._unsized -= unsized
            unsized = False
            self.held = others + size
            entry.size = size
            self._typical += (size - self._typical) / 16

        try:
            return await self._get(name, admit)
        except (SamplerError, _NoRoomError):  # fetched when it is read, which reports the error
            self._release(entry)
            return None
        finally:
            self._active -= 1
            self._unsized -= unsized
            asyncio.get_running_loop().call_soon(self._start)

    def _remove(self, name: str) -> None:
        entry = self._entries.pop(name)
        if entry.task is not None and not entry.task.done():
            entry.task.cancel()
        self._release(entry)

    def _release(self, entry: _Entry) -> None:
        self.held -= entry.size
        entry.size = 0
