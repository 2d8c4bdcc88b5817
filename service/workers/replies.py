"""Reading what a worker answers, without a copy more than needed."""

import asyncio
from collections import deque

from service.workers.protocol import ANSWER_HEADER, Outcome

OUTCOMES = frozenset(outcome.value for outcome in Outcome)

Answer = tuple[int, Outcome, bytes]
"""Job number, outcome, payload."""


class Answers(asyncio.Protocol):
    """The answers that arrive on a socket, in order. One may wait for them at a time."""

    def __init__(self) -> None:
        """Expect answers."""
        self._unread = bytearray()
        self._ready: deque[Answer] = deque()
        self._waiting: asyncio.Future[None] | None = None
        self._failure: Exception | None = None

    async def next(self) -> Answer:
        """Return the next answer.

        Raises `IncompleteReadError` when there is none, and `ConnectionError` for bytes that are no answer.
        """
        while not self._ready:
            if self._failure is not None:
                raise self._failure
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        return self._ready.popleft()

    def data_received(self, data: bytes) -> None:
        """Take the next bytes."""
        self._unread += data
        while self._failure is None and len(self._unread) >= ANSWER_HEADER.size:
            number, outcome, length = ANSWER_HEADER.unpack_from(self._unread)
            if outcome not in OUTCOMES:
                self._failure = ConnectionError(f"outcome {outcome}: expected one of {sorted(OUTCOMES)}")
                break
            end = ANSWER_HEADER.size + length
            if len(self._unread) < end:
                break
            self._ready.append((number, Outcome(outcome), bytes(self._unread[ANSWER_HEADER.size : end])))
            del self._unread[:end]
        if self._ready or self._failure is not None:
            self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits that nothing more comes."""
        if self._failure is None:
            self._failure = exc or asyncio.IncompleteReadError(bytes(self._unread), None)
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
