"""Fetching objects before they are read, with bounded memory and a bounded number of requests.

All methods belong to one event loop. What is fetched depends on the announced names alone. An object that could not be
fetched ahead is fetched when it is read, so errors appear there, and nothing else ever differs. An error that is less
than FAILED_SECONDS old is raised without another request.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial

from sampler.dataset.images.object_storage.objects import Admit, Fetched
from sampler.dataset.images.source import ImageStat
from sampler.errors import SamplerError

REQUESTS = 30
"""Requests under way at once."""

MOST_BYTES = 64 << 20
"""Bytes of objects that were fetched ahead or are being fetched."""

MOST_OBJECTS = 2048
"""Objects that are announced and not read yet. Beyond them, the oldest are dropped."""

MOST_BEHIND = 128
"""Objects announced so many places before the one that is read are dropped: their reader has skipped them, for example
after an error in the run. Readers in several threads keep the order of the announcements only roughly, but by less."""

FAILED_SECONDS = 5.0
"""Time for which the error of a fetch is raised again. Later, the object is fetched again: the storage may be back."""

_FIRST_GUESS = 256 << 10
"""Assumed bytes of an object before any was seen."""


@dataclass(slots=True, frozen=True)
class _Failure:
    """A fetch that failed, and when."""

    error: SamplerError
    time: float


@dataclass(slots=True, eq=False)
class _Entry:
    """An object that was announced.

    Attributes:
        place: The number of its announcement.
        reads: How often it will be read.
        size: Its bytes, as soon as they are known and count.
        is_sized: Whether they were ever known.
        has_failed: Whether the fetch has ended without the object.
        task: Fetches it, once begun; None as its result if there was no memory.
    """

    place: int
    reads: int = 1
    size: int = 0
    is_sized: bool = False
    has_failed: bool = False
    task: "asyncio.Task[Fetched | _Failure | None] | None" = None


class _NoRoomError(Exception):
    """An object is larger than the memory that is left."""


class ReadAhead:
    """Fetches objects ahead.

    Attributes:
        held: Bytes of objects that were fetched, or are being fetched, and not read yet.
    """

    def __init__(
        self,
        get: Callable[[str, Admit], Awaitable[Fetched]],
        most_bytes: int = MOST_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """get: Fetches an object; see `Objects.get`."""
        self.held = 0
        self._get = get
        self._most_bytes = most_bytes
        self._clock = clock
        self._typical = float(_FIRST_GUESS)
        self._announced = 0
        self._entries: dict[str, _Entry] = {}  # in the order of their places
        self._waiting: deque[str] = deque()
        self._active = 0
        self._unsized = 0

    def announce(self, names: Iterable[str]) -> None:
        """Begin to fetch objects, in this order, as soon as there is room."""
        for name in names:
            self._announced += 1
            self._drop_before(self._announced - MOST_OBJECTS)
            entry = self._entries.get(name)
            if entry is not None and not entry.has_failed and entry.place >= self._announced - MOST_BEHIND:
                entry.reads += 1
                continue
            if entry is not None:  # fetched too long ago, or not at all
                self._drop(name)
            self._entries[name] = _Entry(self._announced)
            self._waiting.append(name)
        self._start()

    async def take(self, name: str, admit: Admit) -> Fetched:
        """Return an object, and hold it no longer if it will not be read again. Raises what `get` and `admit` raise."""
        entry = self._entries.get(name)
        if entry is None:
            return await self._get(name, admit)
        self._drop_before(entry.place - MOST_BEHIND)
        entry.reads -= 1
        if not entry.reads:
            del self._entries[name]  # it cannot be dropped while it is waited for
        try:
            fetched = await self._fetched(entry)
        finally:
            if not entry.reads:
                self._end(entry)
            self._start()
        if fetched is None:
            return await self._get(name, admit)
        admit(fetched.stat.size)
        return fetched

    async def stat(self, name: str) -> ImageStat | None:
        """Return size and version of an object that is fetched ahead; None for any other. Raises what `get` raises."""
        entry = self._entries.get(name)
        fetched = None if entry is None else await self._fetched(entry)
        return None if fetched is None else fetched.stat

    async def _fetched(self, entry: _Entry) -> Fetched | None:
        """Return an object that was fetched ahead; None if it was not. Raises the error of a recent attempt."""
        if entry.task is None:
            return None
        await asyncio.wait([entry.task])
        if entry.task.cancelled():  # it was dropped meanwhile
            return None
        result = entry.task.result()
        if not isinstance(result, _Failure):
            return result
        if self._clock() - result.time < FAILED_SECONDS:
            raise result.error
        return None

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
                entry.task.add_done_callback(partial(self._end_request, entry))

    async def _fetch(self, name: str, entry: _Entry) -> Fetched | _Failure | None:
        def admit(size: int) -> None:
            others = self.held - entry.size
            if others + size > self._most_bytes:
                raise _NoRoomError
            self._unsized -= not entry.is_sized
            entry.is_sized = True
            self.held = others + size
            entry.size = size
            self._typical += (size - self._typical) / 16

        try:
            return await self._get(name, admit)
        except SamplerError as error:
            self._fail(entry)
            return _Failure(error, self._clock())
        except Exception:  # noqa: BLE001 - no room or no memory; fetched when it is read, which reports any other error
            self._fail(entry)
            return None

    def _end_request(self, entry: _Entry, _: "asyncio.Task[Fetched | _Failure | None]") -> None:
        self._active -= 1
        self._unsized -= not entry.is_sized
        self._start()

    def _drop_before(self, place: int) -> None:
        """Hold objects no longer whose place is before this one."""
        while self._entries:
            name, oldest = next(iter(self._entries.items()))
            if oldest.place >= place:
                return
            self._drop(name)

    def _drop(self, name: str) -> None:
        self._end(self._entries.pop(name))

    def _end(self, entry: _Entry) -> None:
        if entry.task is not None:
            entry.task.cancel()
        self._release(entry)

    def _fail(self, entry: _Entry) -> None:
        entry.has_failed = True
        self._release(entry)

    def _release(self, entry: _Entry) -> None:
        self.held -= entry.size
        entry.size = 0
