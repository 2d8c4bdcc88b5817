"""Pages are rendered one at a time, in a thread, and in a small share of the time while clients receive batches."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from starlette.types import Receive

from service.disconnect import until_disconnect
from service.errors.problems import ServiceError
from service.time_share import TimeShare

SHARE = 0.05
"""Part of one CPU that rendering gets while clients receive batches: the thread keeps the event loop from running.
A page takes a few milliseconds."""

SAVED_SECONDS = 10.0
"""Time over which an unused share adds up, so that the first pages are rendered at once."""

PLACES = 64
"""Most pages that are rendered or wait."""

PLACES_OF_CLIENT = 16
"""Most of these that one client asked for."""

RETRY_SECONDS = 2
"""Seconds that a client waits after it was refused."""

T = TypeVar("T")


class PageRendering:
    """Renders the pages of one server. All methods belong to one event loop.

    Attributes:
        seconds: CPU time that pages have taken since the start.
    """

    def __init__(
        self,
        is_serving: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
        places: int = PLACES,
        places_of_client: int = PLACES_OF_CLIENT,
    ) -> None:
        """Render nothing yet.

        Args:
            is_serving: Returns whether clients receive batches now.
            clock: Returns the seconds since an arbitrary moment.
            places: Most pages that are rendered or wait.
            places_of_client: Most of these that one client asked for.
        """
        self._is_serving = is_serving
        self._clock = clock
        self._places = places
        self._places_of_client = places_of_client
        self._clients: Counter[str] = Counter()
        self._turn = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="pages")
        self._share = TimeShare(SHARE, SAVED_SECONDS, clock())
        self.seconds = 0.0
        self._took = 0.0  # seconds of the last page

    @property
    def waiting(self) -> int:
        """Pages that are rendered or wait."""
        return self._clients.total()

    async def render(self, make: Callable[[], T], receive: Receive, client: str = "") -> T:
        """Return a page once it is its turn. One whose client disconnects before is not rendered.

        Args:
            make: Renders it.
            receive: Of the request.
            client: Address of the client.

        Raises:
            ServiceError: Too many pages wait.
            ClientDisconnectedError: The client has disconnected.
        """
        if self.waiting >= self._places or self._clients[client] >= self._places_of_client:
            detail = f"{self._clients[client]} pages of this client and {self.waiting} in all wait"
            limits = f"the limits are {self._places_of_client} and {self._places}; try again later"
            raise ServiceError("overloaded", f"{detail}; {limits}", retry_after=RETRY_SECONDS)
        self._clients[client] += 1
        try:
            return await until_disconnect(asyncio.ensure_future(self._make(make)), receive)
        finally:
            self._clients[client] -= 1
            if not self._clients[client]:
                del self._clients[client]

    async def _make(self, make: Callable[[], T]) -> T:
        await self._turn.acquire()
        try:
            await self._wait_for_share()
            made = asyncio.get_running_loop().run_in_executor(self._thread, self._timed, make)
        except BaseException:
            self._turn.release()
            raise
        made.add_done_callback(self._end)  # a page that nobody waits for any more takes its time all the same
        return await asyncio.shield(made)

    async def _wait_for_share(self) -> None:
        while self._is_serving() and (seconds := self._share.wait(self._clock())):
            await asyncio.sleep(min(seconds, 1.0))  # meanwhile, the last client may have received all

    def _timed(self, make: Callable[[], T]) -> T:
        """Return a page; note the seconds of CPU time that it took, also if it fails."""
        began = time.thread_time()
        try:
            return make()
        finally:
            self._took = time.thread_time() - began

    def _end(self, made: "asyncio.Future[T]") -> None:
        if not made.cancelled():
            made.exception()  # is raised where the page is awaited, or is of no interest to a client that has gone
            self.seconds += self._took
            if self._is_serving():
                self._share.spend(self._took)
        self._turn.release()

    def close(self) -> None:
        """End the thread, which is done with the page that it renders at most."""
        self._thread.shutdown(wait=False, cancel_futures=True)
