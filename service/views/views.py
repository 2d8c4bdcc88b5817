"""What pages show, from the cache or from a worker."""

import asyncio
from collections import Counter
from functools import partial

from starlette.types import Receive

from service.errors.problems import ServiceError
from service.shutdown import Shutdown
from service.views.cache import ViewCache
from service.views.shared_work import SharedWork
from service.workers.pool import WorkerPool
from service.workers.protocol import ViewJob

CAPACITY = 64 << 20
"""Bytes of the cache: some thousands of thumbnails, or all layers of some hundred samples."""

PLACES = 512
"""Most views that are being made or wait for a worker. Training requests have other places (`Admission`)."""

PLACES_OF_CLIENT = 128
"""Most places that one client takes: more than the pictures of some pages, and few enough that others get theirs."""

RETRY_SECONDS = 2
"""Seconds that a client waits after it was refused."""


class Views:
    """Views of samples and images. All methods belong to one event loop."""

    def __init__(
        self,
        pool: WorkerPool,
        shutdown: Shutdown,
        capacity: int = CAPACITY,
        places: int = PLACES,
        places_of_client: int = PLACES_OF_CLIENT,
    ) -> None:
        """Make nothing yet.

        Args:
            pool: The workers.
            shutdown: Of the server.
            capacity: Bytes of views that are cached.
            places: Most views that are made or wait at once.
            places_of_client: Most of these that one client was the first to request.
        """
        self.cache = ViewCache(capacity)
        self._pool = pool
        self._shutdown = shutdown
        self._places = places
        self._places_of_client = places_of_client
        self._making: SharedWork[bytes] = SharedWork(pool.abandon)
        self._clients: Counter[str] = Counter()

    @property
    def waiting(self) -> int:
        """Number of views that are being made or wait for a worker."""
        return len(self._making)

    async def get(self, job: ViewJob, receive: Receive, client: str = "") -> bytes:
        """Return a view, made by a worker if it is not cached. Equal jobs at the same time are done once.

        A view that nobody waits for any more is not made, unless a worker has it: then it is cached for the next.

        Args:
            job: What to make.
            receive: Of the request, which is given up if its client disconnects.
            client: Address of the client, which takes turns with others; empty for the server itself.

        Raises:
            ServiceError: A worker could not make it, too many views wait, or the server is shutting down.
            ClientDisconnectedError: The client has disconnected.
        """
        cached = self.cache.get(job.identity)
        if cached is not None:
            return cached
        return await self._making.join(job.identity, lambda: self._begin(job, client), receive)

    def _begin(self, job: ViewJob, client: str) -> "asyncio.Future[bytes]":
        """Give a job to the workers, whose reply is cached. Raises `ServiceError` if there is no room."""
        if self._shutdown.begun:
            detail = "the server is shutting down; use another server or try again later"
            raise ServiceError("shutting-down", detail, retry_after=RETRY_SECONDS)
        if len(self._making) >= self._places:
            detail = f"{self._places} views wait for a worker, which is the limit; try again later"
            raise ServiceError("overloaded", detail, retry_after=RETRY_SECONDS)
        if client and self._clients[client] >= self._places_of_client:
            detail = f"{self._places_of_client} views of this client wait for a worker, which is the limit for one"
            raise ServiceError("overloaded", f"{detail}; try again later", retry_after=RETRY_SECONDS)
        reply = self._pool.submit(job, (client, job.kind))
        self._clients[client] += 1
        reply.add_done_callback(partial(self._finish, job.identity, client))
        return reply

    def _finish(self, identity: str, client: str, reply: "asyncio.Future[bytes]") -> None:
        self._clients[client] -= 1
        if not self._clients[client]:
            del self._clients[client]
        if not reply.cancelled() and reply.exception() is None:
            self.cache.put(identity, reply.result())
