"""Admission: a bounded number of requests are served at once, and none once the server shuts down.

A request that finds no place waits briefly for its turn. A response whose client does not read gives up its place, and
waits for another when the client reads again. Such responses and new requests take turns, so that neither keep the
others out.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from service.errors.problems import ServiceError
from service.shutdown import Shutdown

SHORTEST_REFUSAL = 1.0
"""Seconds for which the server must have been full, at least, before it reports that it would refuse a request."""


class Admission:
    """Admits requests.

    Attributes:
        limit: most requests that have a place at once.
        in_flight: requests that have a place.
        paused: responses that gave up theirs and have none.
        pauses: how often a response has given up its place.
        resumptions: how often one has got another.
        refusals: requests that got no place.
    """

    def __init__(self, max_requests: int, retry_after: int, shutdown: Shutdown, queue_seconds: float = 0.0) -> None:
        """Admit `max_requests` at once, and let as many wait for `queue_seconds`.

        retry_after: seconds that a refused client is asked to wait.
        """
        self.limit = max_requests
        self.in_flight = 0
        self.paused = 0
        self.pauses = 0
        self.resumptions = 0
        self.refusals = 0
        self._retry_after = retry_after
        self._shutdown = shutdown
        self._queue_seconds = queue_seconds
        self._loop = asyncio.get_running_loop()
        self._returning: deque[asyncio.Future[None]] = deque()
        self._arriving: deque[asyncio.Future[None]] = deque()
        self._arrived_last = True  # whether the last turn was one of a new request
        self._full_since: float | None = None  # no new request has been admitted since

    @asynccontextmanager
    async def admit(self) -> AsyncIterator["Place"]:
        """Give a request a place for the `async with` block. Raises `ServiceError` (503) if it is refused."""
        self.refuse_if_overloaded()
        if not self._enter():
            try:
                async with asyncio.timeout(self._queue_seconds):
                    await self._turn(self._arriving)
            except TimeoutError:
                self.refusals += 1
                raise self._overloaded() from None
        place = Place(self)
        try:
            self._refuse_at_shutdown()  # it may have begun while the request waited
            yield place
        finally:
            place.close()

    def refuse_if_overloaded(self) -> None:
        """Raise the `ServiceError` (503) of a request that cannot even wait for a place."""
        self._refuse_at_shutdown()
        waiting = self.limit if self._queue_seconds else 0
        if self.in_flight >= self.limit and len(self._arriving) >= waiting:
            self.refusals += 1
            raise self._overloaded()

    def refuse_unless_ready(self) -> None:
        """Raise a `ServiceError` (503) if no request has been admitted for as long as one waits for its turn."""
        self._refuse_at_shutdown()
        longest = max(self._queue_seconds, SHORTEST_REFUSAL)
        if self._full_since is not None and self._loop.time() - self._full_since >= longest:
            raise self._overloaded()

    def is_ready(self) -> bool:
        """Return whether `refuse_unless_ready` raises nothing."""
        try:
            self.refuse_unless_ready()
        except ServiceError:
            return False
        return True

    async def reenter(self) -> None:
        """Give a response a place again. It waits for as long as it takes."""
        if not self._enter():
            await self._turn(self._returning)

    @property
    def wanted(self) -> bool:
        """Whether anyone waits for a place."""
        return bool(self._returning or self._arriving)

    @property
    def waiting(self) -> int:
        """Number of new requests and of responses that wait for a place."""
        return len(self._returning) + len(self._arriving)

    def leave(self) -> None:
        """Take back a place, and give it to the next request."""
        self.in_flight -= 1
        while self.in_flight < self.limit and (self._returning or self._arriving):
            turn = self._next_turn()
            if not turn.done():  # it is done if its request has just been cancelled
                turn.set_result(None)
                self.in_flight += 1
        if self.in_flight < self.limit:
            self._full_since = None

    def _next_turn(self) -> asyncio.Future[None]:
        """Remove and return the next turn: of a new request after one of a response that returns, and vice versa."""
        self._arrived_last = bool(self._arriving) and not (self._arrived_last and self._returning)
        if not self._arrived_last:
            return self._returning.popleft()
        self._full_since = self._loop.time()
        return self._arriving.popleft()

    def _enter(self) -> bool:
        """Take a place, if there is one; nobody waits then."""
        if self.in_flight >= self.limit:
            return False
        self.in_flight += 1
        if self.in_flight == self.limit:
            self._full_since = self._loop.time()
        return True

    async def _turn(self, queue: "deque[asyncio.Future[None]]") -> None:
        """Wait until it is this request's turn, which gives it a place."""
        turn = self._loop.create_future()
        queue.append(turn)
        try:
            await turn
        except BaseException:
            if not turn.cancelled():  # it was its turn at this moment
                self.leave()
            elif turn in queue:
                queue.remove(turn)
            raise

    def _refuse_at_shutdown(self) -> None:
        if self._shutdown.begun:
            detail = "the server is shutting down; use another server or try again later"
            raise ServiceError("shutting-down", detail, retry_after=self._retry_after)

    def _overloaded(self) -> ServiceError:
        requests = "1 request is" if self.limit == 1 else f"{self.limit} requests are"
        detail = f"{requests} in flight, which is the limit; try again later"
        return ServiceError("overloaded", detail, retry_after=self._retry_after)


class Place:
    """One request's place among those that are served."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._held = True

    @property
    def wanted(self) -> bool:
        """Whether anyone waits for it."""
        return self._admission.wanted

    def give_up(self) -> None:
        """Let others have the place."""
        self._held = False
        self._admission.paused += 1
        self._admission.pauses += 1
        self._admission.leave()

    async def take_back(self) -> None:
        """Wait for a place again, in turn with new requests."""
        await self._admission.reenter()
        self._held = True
        self._admission.paused -= 1
        self._admission.resumptions += 1

    def close(self) -> None:
        """Give up the place for good, if it is held."""
        if self._held:
            self._admission.leave()
        else:
            self._admission.paused -= 1
