"""What pages show, from the cache or from a worker."""

import asyncio
from dataclasses import dataclass

from starlette.types import Receive

from service.disconnect import until_disconnect
from service.errors.problems import ServiceError
from service.shutdown import Shutdown
from service.views.cache import ViewCache
from service.workers.pool import WorkerPool
from service.workers.protocol import ViewJob

CAPACITY = 64 << 20
"""Bytes of the cache: some thousands of thumbnails, or all layers of some hundred samples."""

PLACES = 512
"""Most views that are being made or wait for a worker. Training requests have other places (`Admission`)."""

RETRY_SECONDS = 2
"""Seconds that a client waits after it was refused."""


@dataclass(slots=True)
class _Making:
    """A view that is being made."""

    reply: "asyncio.Future[bytes]"
    waiting: int = 0  # requests


class Views:
    """Views of samples and images. All methods belong to one event loop."""

    def __init__(self, pool: WorkerPool, shutdown: Shutdown, capacity: int = CAPACITY, places: int = PLACES) -> None:
        """capacity: bytes of views that are cached. places: most views that are made or wait at once."""
        self.cache = ViewCache(capacity)
        self._pool = pool
        self._shutdown = shutdown
        self._places = places
        self._under_way: dict[str, _Making] = {}

    @property
    def waiting(self) -> int:
        """Number of views that are being made or wait for a worker."""
        return len(self._under_way)

    async def get(self, job: ViewJob, receive: Receive) -> bytes:
        """Return a view, made by a worker if it is not cached. Equal jobs at the same time are done once.

        Args:
            job: What to make.
            receive: Of the request, which is given up if its client disconnects.

        Raises:
            ServiceError: A worker could not make it, too many views wait, or the server is shutting down.
            ClientDisconnectedError: The client has disconnected.
        """
        cached = self.cache.get(job.identity)
        if cached is not None:
            return cached
        making = self._join(job)
        making.waiting += 1
        try:
            return await until_disconnect(asyncio.shield(making.reply), receive)
        finally:
            making.waiting -= 1
            if not making.waiting:
                making.reply.cancel()  # does nothing if it is done

    def _join(self, job: ViewJob) -> _Making:
        """Return the making of a view, which is begun unless it is under way."""
        making = self._under_way.get(job.identity)
        if making is not None and not making.reply.cancelled():
            return making
        if self._shutdown.begun:
            detail = "the server is shutting down; use another server or try again later"
            raise ServiceError("shutting-down", detail, retry_after=RETRY_SECONDS)
        if len(self._under_way) >= self._places:
            detail = f"{self._places} views wait for a worker, which is the limit; try again later"
            raise ServiceError("overloaded", detail, retry_after=RETRY_SECONDS)
        making = self._under_way[job.identity] = _Making(self._pool.submit(job, job.kind))
        making.reply.add_done_callback(lambda _: self._finish(job.identity, making))
        return making

    def _finish(self, identity: str, making: _Making) -> None:
        if self._under_way.get(identity) is making:
            del self._under_way[identity]
        reply = making.reply
        if not reply.cancelled() and reply.exception() is None:
            self.cache.put(identity, reply.result())
