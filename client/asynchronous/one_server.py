"""The requests of a client for asyncio of one server: see `client.one_server`."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from functools import partial
from typing import TypeVar

import httpx
import stamina

from client.asynchronous.link import AsyncLink, ask_ready, fetch_document
from client.batches import PackedBatch
from client.contact import AsyncContact, ContactSettings
from client.images import ImageInfo
from client.process_owner import ProcessOwner
from client.protocol.images import ImagesRequest
from client.protocol.requests import BatchRequest, Request, StreamRequest
from client.protocol.retries import RETRIED, RetrySettings
from client.protocol.session import Delivery
from client.transport.failures import client_errors
from client.transport.pace import Pace
from sampler.wire.spec import ServiceSpec

ResultT = TypeVar("ResultT")


class AsyncOneServer:
    """Fetches batches and documents from one server."""

    def __init__(self, url: str, settings: ContactSettings[httpx.AsyncBaseTransport], retries: RetrySettings) -> None:
        """Raises `InvalidRequestError`: a value is out of range."""
        contact = AsyncContact(url, settings)
        contact.warn_if_readable()
        self._session, self._http = contact.session, contact.http
        self._retries = retries
        self._caller = retries.caller(stamina.AsyncRetryingCaller)
        self._owner = ProcessOwner("client")

    async def close(self) -> None:
        """Close all connections. Does nothing in a fork."""
        if self._owner.here:
            await self._http.aclose()

    async def spec(self) -> ServiceSpec:
        """Return the spec of the first contact."""
        known = self._session.spec
        return await self._retry(self._fetch_spec, self._pace()) if known is None else known

    async def ready(self) -> bool:
        """Return whether the server accepts requests now. Makes one attempt."""
        self._owner.require()
        try:
            await ask_ready(self._http, self._session.ready_exchange(), self._pace())
        except RETRIED:
            return False
        return True

    async def packed_batch(self, request: BatchRequest) -> PackedBatch:
        """Return one batch."""
        link = await self._link(request)
        try:
            packed = await self._retry(link.next, link.pace)
            assert packed is not None, "a request for one batch gives one batch"
            await link.finish()
        finally:
            await link.close()
        return packed

    async def stream(
        self, request: StreamRequest, finish: Callable[[PackedBatch], Awaitable[ResultT]]
    ) -> AsyncGenerator[ResultT]:
        """Yield the batches of a stream, each as `finish` returns it.

        A response that breaks is resumed at the next batch.
        """
        link = await self._link(request)
        try:
            while (packed := await self._retry(link.next, link.pace)) is not None:
                yield await finish(packed)
        finally:
            await link.close()

    async def images(self, requests: Iterable[ImagesRequest]) -> list[tuple[ImageInfo, ...]]:
        """Return the images of each request."""
        pace = self._pace()
        return [await self._retry(partial(self._fetch_images, request), pace) for request in requests]

    async def _link(self, request: Request) -> AsyncLink:
        spec, session = await self.spec(), self._session
        delivery = Delivery(request, spec, session.target(spec), session.memory)
        return AsyncLink(self._http, delivery, self._owner, self._pace())

    async def _fetch_spec(self, pace: Pace) -> ServiceSpec:
        exchange = self._session.spec_exchange()
        document = await fetch_document(self._http, exchange, pace)
        with client_errors(exchange):
            return self._session.pin(document, exchange)

    async def _fetch_images(self, request: ImagesRequest, pace: Pace) -> tuple[ImageInfo, ...]:
        exchange = request.exchange(self._session.target(await self.spec()))
        document = await fetch_document(self._http, exchange, pace)
        with client_errors(exchange):
            return request.parse(document, exchange)

    def _pace(self) -> Pace:
        return Pace(self._retries.batch_seconds, self._http.timeout.read)

    async def _retry(self, operation: Callable[[Pace], Awaitable[ResultT]], pace: Pace) -> ResultT:
        """Call an operation until it succeeds, attempts are used up or its time is over."""
        self._owner.require()
        pace.begin()
        return await self._caller(self._retries.hook(lambda: pace.left), operation, pace)
