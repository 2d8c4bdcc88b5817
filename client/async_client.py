"""The client for asyncio. It differs from `SamplerClient` in the I/O only."""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing, asynccontextmanager
from functools import partial
from itertools import chain
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack, overload

import httpx
import stamina

from client.access import Token, access_to, as_token, warn_if_readable
from client.batches import Batch, PackedBatch
from client.errors import ClientError, checked_arguments
from client.images import ImageInfo
from client.pickling import PickledAsArguments
from client.process_owner import ProcessOwner
from client.protocol.exchange import Exchange
from client.protocol.images import ImagesRequest, images_requests
from client.protocol.requests import (
    BatchRequest,
    IndexOptions,
    Request,
    StepOptions,
    StreamOptions,
    StreamRequest,
    batch_request,
    stream_request,
)
from client.protocol.retries import ATTEMPTS, BATCH_SECONDS, MAX_WAIT, RETRIED, RetrySettings
from client.protocol.session import HEADERS, Delivery, Session
from client.transport.choice import async_transport, no_cookies
from client.transport.failures import client_errors
from client.transport.pace import FINISH_SECONDS, OutOfTimeError, Pace, count_piece, head_seconds
from client.transport.timeouts import TIMEOUT, timeouts
from sampler.arrays import Layout
from sampler.wire.spec import ServiceSpec

ResultT = TypeVar("ResultT")


class AsyncSamplerClient(PickledAsArguments):
    """Fetches batches from a sampling server, for asyncio.

        async with AsyncSamplerClient("http://cpu-host:8000") as client:
            batch = await client.batch(indices=[3, 17, 5], seed=7)
            async with aclosing(client.stream(seed=7, start=0, batch_size=48)) as batches:
                async for batch in batches: ...

    Arguments, results and errors are those of `SamplerClient`. Batches are rendered in a thread, so that they do not
    block the event loop. `contextlib.aclosing` releases a stream's connection as soon as the block is left; without it
    the event loop does so a little later.
    """

    def __init__(
        self,
        base_url: str,
        *,
        dataset: str | None = None,
        digest: str | None = None,
        layout: Layout = "compact",
        timeout: float | httpx.Timeout = TIMEOUT,
        attempts: int = ATTEMPTS,
        max_wait: float = MAX_WAIT,
        batch_seconds: float | None = BATCH_SECONDS,
        token: str | Token | None = None,
        ca: str | os.PathLike[str] | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Make a client: see `SamplerClient`. transport: replaces httpx's own."""
        with checked_arguments():
            self._session = Session(base_url, layout, dataset, digest=digest, use_proxies=transport is None)
            self._retries = RetrySettings(attempts, max_wait, batch_seconds)
            given = as_token(token)
            access = access_to(self._session.base_url, given, ca, self._session.proxy)
            chosen = async_transport(self._session.proxy, access.ca) if transport is None else transport
            self._http = httpx.AsyncClient(
                timeout=timeouts(timeout), headers=HEADERS | access.headers, cookies=no_cookies(), transport=chosen
            )
        warn_if_readable(self._session.base_url, access)
        self._caller = self._retries.caller(stamina.AsyncRetryingCaller)
        self._owner = ProcessOwner("client")
        self._arguments = {
            "base_url": base_url, "dataset": dataset, "digest": digest, "layout": layout, "timeout": timeout,
            "attempts": attempts, "max_wait": max_wait, "batch_seconds": batch_seconds, "token": given, "ca": access.ca,
            "transport": transport,
        }  # fmt: skip

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections. An open stream raises an error at its next batch. Does nothing in a fork."""
        if self._owner.here:
            await self._http.aclose()

    async def spec(self) -> ServiceSpec:
        """Return dataset, config, digest and limits of the server as of the first contact."""
        known = self._session.spec
        return await self._retry(self._fetch_spec, self._pace()) if known is None else known

    async def ready(self) -> bool:
        """Return whether the server accepts requests now. Makes one attempt.

        False stands for what can pass with time, such as a server that cannot be reached. Other errors are raised.
        """
        self._owner.require()
        exchange, pace = self._session.ready_exchange(), self._pace()
        try:
            with client_errors(exchange):
                async with _limited(pace), aclosing(await _open(self._http, exchange, pace)):
                    return True
        except RETRIED:
            return False

    @overload
    async def batch(
        self, indices: Iterable[int], *, layout: Layout | None = None, **options: Unpack[IndexOptions]
    ) -> Batch: ...

    @overload
    async def batch(self, *, layout: Layout | None = None, **options: Unpack[StepOptions]) -> Batch: ...

    async def batch(
        self, indices: Iterable[int] | None = None, *, layout: Layout | None = None, **options: Any
    ) -> Batch:
        """Return one batch, by index or by seed: see `SamplerClient.batch`."""
        with checked_arguments():
            request = batch_request(indices, layout=layout or self._session.layout, **options)
        return await asyncio.to_thread((await self.packed_batch(request)).render)

    def stream(self, *, layout: Layout | None = None, **options: Unpack[StreamOptions]) -> AsyncGenerator[Batch]:
        """Return an iterator over a rank's batches of the steps start … stop−1: see `SamplerClient.stream`."""
        with checked_arguments():
            request = stream_request(layout=layout or self._session.layout, **options)
        return self._rendered(request)

    async def images(self, indices: Iterable[int]) -> tuple[ImageInfo, ...]:
        """Return images of the dataset with their annotations: see `SamplerClient.images`."""
        spec = await self.spec()
        with checked_arguments():
            requests = images_requests(indices, spec)
        pace = self._pace()
        fetched = [await self._retry(partial(self._fetch_images, request), pace) for request in requests]
        return tuple(chain.from_iterable(fetched))

    async def packed_batch(self, request: BatchRequest) -> PackedBatch:
        """Return one batch, received and checked but not rendered."""
        [packed] = [packed async for packed in self.packed_stream(request)]
        return packed

    async def _rendered(self, request: StreamRequest) -> AsyncGenerator[Batch]:
        async with aclosing(self.packed_stream(request)) as batches:
            async for packed in batches:
                yield await asyncio.to_thread(packed.render)

    async def packed_stream(self, request: Request) -> AsyncGenerator[PackedBatch]:
        """Return an iterator over batches that are received and checked but not rendered."""
        spec, session = await self.spec(), self._session
        delivery, pace = Delivery(request, spec, session.target(spec), session.memory), self._pace()
        link = _Link(self._http, delivery, self._owner)
        try:
            while (packed := await self._retry(link.next, pace)) is not None:
                yield packed
        finally:
            await link.close()

    async def _fetch_spec(self, pace: Pace) -> ServiceSpec:
        exchange = self._session.spec_exchange()
        with client_errors(exchange):
            async with _limited(pace), aclosing(await _open(self._http, exchange, pace)) as response:
                return self._session.pin(await _read(response, exchange, pace), exchange)

    async def _fetch_images(self, request: ImagesRequest, pace: Pace) -> tuple[ImageInfo, ...]:
        exchange = request.exchange(self._session.target(await self.spec()))
        with client_errors(exchange):
            async with _limited(pace), aclosing(await _open(self._http, exchange, pace)) as response:
                return request.parse(await _read(response, exchange, pace), exchange)

    def _pace(self) -> Pace:
        return Pace(self._retries.batch_seconds, self._http.timeout.read)

    async def _retry(self, operation: Callable[[Pace], Awaitable[ResultT]], pace: Pace) -> ResultT:
        """Call an operation until it succeeds, attempts are used up or its time is over."""
        self._owner.require()
        pace.begin()
        return await self._caller(self._retries.hook(lambda: pace.left), operation, pace)


class _Link:
    """The response that a delivery reads from; opened when needed, and again after a break."""

    def __init__(self, http: httpx.AsyncClient, delivery: Delivery, owner: ProcessOwner) -> None:
        self._http = http
        self._delivery = delivery
        self._owner = owner
        self._response: httpx.Response | None = None
        self._chunks: AsyncIterator[bytes]

    async def next(self, pace: Pace) -> PackedBatch | None:
        """Make one attempt at the next batch. None: every batch was taken."""
        if self._delivery.done:
            pace.begin(FINISH_SECONDS)
        if self._response is None:
            if self._delivery.done:
                return None
            self._delivery.start()
        try:
            with client_errors(self._delivery.exchange):
                async with _limited(pace):
                    return await self._advance(pace)
        except BaseException as error:
            await self.close()
            if isinstance(error, ClientError) and self._delivery.settled(error):
                return None
            raise

    async def _advance(self, pace: Pace) -> PackedBatch | None:
        if self._response is None:
            self._response = await _open(self._http, self._delivery.exchange, pace)
            self._chunks = self._response.aiter_raw()
        while (packed := self._delivery.take()) is None:
            chunk = await anext(self._chunks, None)
            if chunk is None:
                await self.close()
                self._delivery.end()
                return None
            count_piece(pace, len(chunk))
            self._delivery.feed(chunk)
        return packed

    async def close(self) -> None:
        """Release the connection. A fork leaves it alone: its parent may be reading from it."""
        response, self._response = self._response, None
        if response is not None and self._owner.here:
            await response.aclose()


@asynccontextmanager
async def _limited(pace: Pace) -> AsyncGenerator[None]:
    """Raise `OutOfTimeError` at the deadline, wherever the block waits."""
    try:
        async with asyncio.timeout(None if pace.seconds is None else pace.left):
            yield
    except TimeoutError as error:
        raise OutOfTimeError from error


async def _open(http: httpx.AsyncClient, exchange: Exchange, pace: Pace) -> httpx.Response:
    if http.is_closed:
        raise ClientError("the client is closed: make a new one")
    timeout = pace.attempt(http.timeout)
    request = http.build_request(
        exchange.method, exchange.url, json=exchange.body, headers=exchange.headers, timeout=timeout,
        extensions=exchange.extensions,
    )  # fmt: skip
    response = await _send(http, request, head_seconds(timeout))
    try:
        if not exchange.begin(response.status_code, response.headers):
            raise exchange.refusal(response.status_code, response.headers, await _read(response, exchange, pace))
    except BaseException:
        await response.aclose()
        raise
    return response


async def _send(http: httpx.AsyncClient, request: httpx.Request, seconds: float | None) -> httpx.Response:
    try:
        async with asyncio.timeout(seconds):
            return await http.send(request, stream=True)
    except TimeoutError as error:
        raise httpx.ReadTimeout(f"no complete head within {seconds} s") from error


async def _read(response: httpx.Response, exchange: Exchange, pace: Pace) -> bytes:
    document = bytearray()
    async for chunk in response.aiter_raw():
        document += chunk
        count_piece(pace, len(chunk))
        if exchange.complete(len(document)):
            break
    return bytes(document)
