"""Sending to clients that may not read: their responses are paused, and unless they are streams, cut in the end.

How long a message takes to be sent shows whether a client reads: a message waits until what was sent before has been
read, or is at least in the buffers of the system.
"""

import asyncio
import math
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from starlette.types import Message, Send

from service.batches.admission import Place

WANTED = 4
"""A response is paused after one part in this many of `pause_seconds` already, if others wait for its place."""

LONG_PAUSE = 5
"""How many times `pause_seconds` a paused response keeps memory that nobody else needs."""

PROBATION = 8
"""A resumed response is paused again after one part in this many of `pause_seconds`, which then doubles each time."""

NOTHING: Message = {"type": "http.response.body", "body": b"", "more_body": True}
"""A message that sends no byte. Like any other, it waits until the client has read what was sent before."""


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """How slowly clients may read."""

    pause_seconds: float  # without reading, after which a response is paused
    min_rate: float  # bytes per second, of responses that are no streams

    def longest(self, size: int) -> float:
        """Return the seconds that a client may take to read `size` bytes."""
        return LONG_PAUSE * self.pause_seconds + size / self.min_rate


class Pausable(Protocol):
    """What a response has besides its place. The methods are called at any moment at which it waits to send."""

    def pause(self) -> None:
        """Let others have the memory when they need it."""

    def release(self) -> None:
        """Release all memory, in a long pause."""

    def wait_for_place(self) -> None:
        """Note that the client reads again."""

    def resume(self) -> None:
        """Go on after a pause."""


class WatchedSend(AbstractAsyncContextManager["WatchedSend"]):
    """A `send` that pauses a response while its client does not read.

    One timer watches all messages. A timer for each was measured to cost more than 1 % of the server's CPU time.
    """

    def __init__(
        self,
        send: Send,
        place: Place,
        response: Pausable,
        limits: ReadLimits,
        *,
        endless: bool,
        on_read: Callable[[float], None] = lambda _: None,
    ) -> None:
        """Wait for nothing yet.

        endless: the client may take any time to read. Otherwise the block ends with TimeoutError when it is over.
        on_read: called with the seconds that each `until_read` waited for the client.
        """
        self._send = send
        self._on_read = on_read
        self._place = place
        self._response = response
        self._limits = limits
        self._endless = endless
        self._loop = asyncio.get_running_loop()
        self._patience = limits.pause_seconds  # shorter after a pause, until the client has read for a while
        self._step = limits.pause_seconds / WANTED
        self._unread = 0  # bytes of the last piece, which the client may not have read yet
        self._since: float | None = None  # when the present message began to wait
        self._paused = False
        self._timeout = asyncio.timeout(None)
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        await self._timeout.__aenter__()
        self._check_in(self._step)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        await self._timeout.__aexit__(kind, error, trace)

    async def send(self, message: Message) -> bool:
        """Send a message. Returns whether the response was paused meanwhile."""
        self._since = since = self._loop.time()
        await self._send(message)
        self._since = None
        if message is NOTHING:
            self._on_read(self._loop.time() - since)
        if not self._paused:
            return False
        await self._resume()
        return True

    async def until_read(self) -> bool:
        """Return when the client has read what was sent, and whether the response was paused meanwhile."""
        return await self.send(NOTHING)

    async def send_piece(self, piece: bytes | memoryview, *, more: bool) -> None:
        """Send a piece of the body. It waits for nothing right after `until_read`."""
        self._unread = len(piece)
        await self.send({"type": "http.response.body", "body": piece, "more_body": more})

    def _check(self) -> None:
        """Pause the response if the client has not read for too long; check again when it may have to be."""
        waited = 0.0 if self._since is None else self._loop.time() - self._since
        if self._paused:
            self._check_pause(waited)
        elif self._since is None:
            self._patience = min(2 * self._patience, self._limits.pause_seconds)
            self._check_in(self._step)
        elif waited >= self._patience or (waited >= self._step and self._place.wanted):
            self._pause()
            self._check_pause(waited)
        else:
            self._check_in(min(self._patience - waited, self._step - waited if waited < self._step else self._step))

    def _check_pause(self, waited: float) -> None:
        """Release the memory of a paused response after a long time, and end it when its client's time is over."""
        release = LONG_PAUSE * self._limits.pause_seconds
        end = math.inf if self._endless else self._limits.longest(self._unread)
        if waited >= release:
            self._response.release()
        if waited >= end:
            self._timeout.reschedule(self._loop.time())
            return
        due = min((seconds for seconds in (release, end) if seconds > waited), default=math.inf)
        if due < math.inf:
            self._check_in(due - waited)

    def _check_in(self, seconds: float) -> None:
        self._timer = self._loop.call_later(seconds, self._check)

    def _pause(self) -> None:
        self._paused = True
        self._patience = self._limits.pause_seconds / PROBATION
        self._response.pause()
        self._place.give_up()

    async def _resume(self) -> None:
        self._response.wait_for_place()
        await self._place.take_back()
        self._response.resume()
        self._paused = False
        if self._timer is not None:
            self._timer.cancel()
        self._check_in(self._patience)
