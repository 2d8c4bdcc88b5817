"""Request bodies: read into bounded memory, in bounded time.

The first 64 kB of a body are read at once: an HTTP server holds as much of each connection anyway. A larger body first
needs room for all of it. While others wait for room, a body that does not arrive gives up its room.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from starlette.requests import Request

from service.batches.admission import Admission
from service.errors.problems import ServiceError

SMALL_BYTES = 65536
"""Bytes of a body for which no room is needed."""

ROOM_BYTES = 16 << 20
"""Bytes of larger bodies that are read at the same time. One body of any allowed size always finds room."""

MOST_WAITING = 16
"""Requests that may wait for room. Each holds what the HTTP server has received ahead."""

IDLE_SECONDS = 1.0
"""Time without any data after which a body gives up its room, if others wait for room."""


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """Limits of request bodies."""

    most_bytes: int
    seconds: float  # for a body to arrive, in addition to its size divided by `min_rate`
    min_rate: float  # bytes per second
    wait_seconds: float  # for room
    retry_after: int


class _Arrival:
    """A body on its way: when it must be complete, and when data last arrived."""

    def __init__(self, limits: BodyLimits, timeout: asyncio.Timeout) -> None:
        self._limits = limits
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._begun = self.last = self._loop.time()

    def received(self, size: int) -> None:
        """Note that `size` bytes have arrived in all, and extend the time for the rest."""
        self.last = self._loop.time()
        self._extend(self._begun + self._limits.seconds + size / self._limits.min_rate)

    def end(self) -> None:
        """Let the reader raise TimeoutError."""
        self._extend(self._loop.time())

    def _extend(self, when: float) -> None:
        if not self._timeout.expired():
            self._timeout.reschedule(when)


class Bodies:
    """Reads the bodies of all requests."""

    def __init__(self, limits: BodyLimits, admission: Admission) -> None:
        self._limits = limits
        self._admission = admission
        self._room = max(ROOM_BYTES, limits.most_bytes)
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._arriving: dict[_Arrival, None] = {}  # those that have room

    async def read(self, request: Request) -> bytes:
        """Return the body of a request.

        Raises:
            ServiceError: the server is overloaded (503), the body is too large (413), as soon as this is known, or it
                does not arrive in time (408).
        """
        self._admission.refuse_if_overloaded()
        given = request.headers.get("content-length", "")
        announced = int(given) if given.isdigit() and len(given) < 19 else None
        if announced is not None and announced > self._limits.most_bytes:
            raise self._too_large()
        if announced is not None and announced <= SMALL_BYTES:
            return await self._read(request.stream(), bytearray(), announced)
        return await self._read_large(request, announced)

    async def _read_large(self, request: Request, announced: int | None) -> bytes:
        """Read a body that may need room. announced: its length, if it is known."""
        chunks, body = request.stream(), bytearray()
        if announced is None:  # it may be small
            await self._read(chunks, body, SMALL_BYTES)
            if len(body) <= SMALL_BYTES:
                return bytes(body)
        size = self._limits.most_bytes if announced is None else announced
        async with self._enough_room(size):
            return await self._read(chunks, body, size, has_room=True)

    async def _read(self, chunks: AsyncIterator[bytes], body: bytearray, most: int, *, has_room: bool = False) -> bytes:
        """Read chunks until the end, or until there are more than `most` bytes. Raises `ServiceError` (408, 413)."""
        try:
            async with asyncio.timeout(self._limits.seconds) as timeout:
                with self._arrival(timeout, has_room=has_room) as arrival:
                    async for chunk in chunks:
                        body += chunk
                        arrival.received(len(body))
                        if len(body) > self._limits.most_bytes:
                            raise self._too_large()
                        if len(body) > most:
                            break
        except TimeoutError:
            detail = f"{len(body)} bytes of the body have arrived, and the rest takes too long; send it faster"
            raise ServiceError("body-timeout", detail) from None
        return bytes(body)

    @contextmanager
    def _arrival(self, timeout: asyncio.Timeout, *, has_room: bool) -> Iterator[_Arrival]:
        arrival = _Arrival(self._limits, timeout)
        if has_room:
            self._arriving[arrival] = None
        try:
            yield arrival
        finally:
            self._arriving.pop(arrival, None)

    @asynccontextmanager
    async def _enough_room(self, size: int) -> AsyncIterator[None]:
        """Hold room for `size` bytes in the block. Raises `ServiceError` (503)."""
        if self._waiting or self._room < size:
            await self._wait_for_room(size)
        else:
            self._room -= size
        try:
            yield
        finally:
            self._room += size
            self._share_room()

    async def _wait_for_room(self, size: int) -> None:
        if len(self._waiting) >= MOST_WAITING:
            raise self._no_room()
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        try:
            async with asyncio.timeout(self._limits.wait_seconds):
                while not turn.done():
                    self._end_idle_arrivals()
                    await asyncio.wait([turn], timeout=IDLE_SECONDS / 4)
        except BaseException as error:
            if turn.done():  # it got room at the same moment
                self._room += size
            else:
                self._waiting.remove((size, turn))
            self._share_room()
            if isinstance(error, TimeoutError):
                raise self._no_room() from None
            raise

    def _share_room(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._room:
            size, turn = self._waiting.popleft()
            self._room -= size
            turn.set_result(None)

    def _end_idle_arrivals(self) -> None:
        now = asyncio.get_running_loop().time()
        for arrival in self._arriving:
            if now - arrival.last >= IDLE_SECONDS:
                arrival.end()

    def _too_large(self) -> ServiceError:
        limit = self._limits.most_bytes
        return ServiceError("body-too-large", f"the body is over the limit of {limit} bytes", {"limit": limit})

    def _no_room(self) -> ServiceError:
        detail = "too many large request bodies are being received; try again later"
        return ServiceError("overloaded", detail, retry_after=self._limits.retry_after)
