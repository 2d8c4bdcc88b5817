"""The client for asyncio: the same as `SamplerClient`, with only the I/O done otherwise."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing
from types import TracebackType
from typing import Self, TypeVar, overload

import httpx
import stamina

from client.batches.batch import Batch, PackedBatch
from client.errors import ClientError, ServerUnavailableError
from client.protocol.requests import BatchRequest, Request, StreamRequest, batch_request, stream_request
from client.protocol.responses import checked, translated
from client.protocol.retries import ATTEMPTS, MAX_WAIT, TIMEOUT, RetrySettings, timeouts
from client.protocol.session import HEADERS, Body, Contact, Conversation, Delivery, Probe, SpecDocument
from sampler.arrays import Layout
from sampler.wire.spec import ServiceSpec

ResultT = TypeVar("ResultT")


class AsyncSamplerClient:
    """Batches of a sampling server, for asyncio.

        async with AsyncSamplerClient("http://cpu-host:8000") as client:
            batch = await client.batch(indices=[3, 17, 5], seed=7)
            async with aclosing(client.stream(seed=7, start=0, batch_size=48)) as batches:
                async for batch in batches: ...

    Arguments, results and errors are those of `SamplerClient`. Batches are rendered in a thread, so that the event
    loop goes on. `contextlib.aclosing` releases a stream's connection at once when the loop is left early; without
    it the event loop does so a little later.
    """

    def __init__(
        self,
        base_url: str,
        *,
        layout: Layout = "compact",
        timeout: float | httpx.Timeout = TIMEOUT,
        attempts: int = ATTEMPTS,
        max_wait: float = MAX_WAIT,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Connect to nothing yet. Raises `RequestRefusedError` for a setting out of range."""
        with checked():
            self._contact = Contact(base_url, layout)
            self._retries = RetrySettings(attempts, max_wait)
            self._http = httpx.AsyncClient(timeout=timeouts(timeout), headers=HEADERS, transport=transport)
        self._caller = self._retries.caller(stamina.AsyncRetryingCaller)

    async def __aenter__(self) -> Self:
        """The client, to be closed at the end of the block."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all connections."""
        await self.close()

    async def close(self) -> None:
        """Close all connections. A stream that is still open ends with an error at its next batch."""
        await self._http.aclose()

    async def spec(self) -> ServiceSpec:
        """Return dataset, config, digest and limits of the server, as they were at first contact."""
        known = self._contact.spec
        return await self._retry(self._fetch_spec) if known is None else known

    async def ready(self) -> bool:
        """Return whether the server takes requests now. One attempt; False where it cannot be reached."""
        probe = Probe(self._contact.base_url)
        try:
            with translated(probe.place):
                async with aclosing(await _open(self._http, probe)):
                    return True
        except ServerUnavailableError:
            return False

    @overload
    async def batch(
        self,
        indices: Iterable[int],
        *,
        seed: int = 0,
        epoch: int = 0,
        augment: bool = True,
        layout: Layout | None = None,
    ) -> Batch: ...

    @overload
    async def batch(
        self,
        *,
        seed: int = 0,
        step: int,
        batch_size: int,
        rank: int = 0,
        world_size: int = 1,
        augment: bool = True,
        layout: Layout | None = None,
    ) -> Batch: ...

    async def batch(
        self,
        indices: Iterable[int] | None = None,
        *,
        seed: int = 0,
        epoch: int = 0,
        step: int | None = None,
        batch_size: int | None = None,
        rank: int = 0,
        world_size: int = 1,
        augment: bool = True,
        layout: Layout | None = None,
    ) -> Batch:
        """Return one batch, by index or by seed: see `SamplerClient.batch`."""
        with checked():
            request = batch_request(
                indices, seed=seed, epoch=epoch, step=step, batch_size=batch_size, rank=rank, world_size=world_size,
                augment=augment, layout=layout or self._contact.layout,
            )  # fmt: skip
        return await asyncio.to_thread((await self.packed_batch(request)).render)

    def stream(
        self,
        *,
        seed: int,
        start: int = 0,
        stop: int | None = None,
        batch_size: int,
        rank: int = 0,
        world_size: int = 1,
        augment: bool = True,
        layout: Layout | None = None,
    ) -> AsyncGenerator[Batch]:
        """Return an iterator over a rank's batches of the steps start … stop−1: see `SamplerClient.stream`."""
        with checked():
            request = stream_request(
                seed=seed, start=start, stop=stop, batch_size=batch_size, rank=rank, world_size=world_size,
                augment=augment, layout=layout or self._contact.layout,
            )  # fmt: skip
        return self._rendered(request)

    async def packed_batch(self, request: BatchRequest) -> PackedBatch:
        """Return one batch, received and checked but not rendered: for rendering elsewhere."""
        [packed] = [packed async for packed in self._deliver(request)]
        return packed

    def packed_stream(self, request: StreamRequest) -> AsyncGenerator[PackedBatch]:
        """Return an iterator over batches that are received and checked but not rendered."""
        return self._deliver(request)

    async def _rendered(self, request: StreamRequest) -> AsyncGenerator[Batch]:
        async with aclosing(self._deliver(request)) as batches:
            async for packed in batches:
                yield await asyncio.to_thread(packed.render)

    async def _deliver(self, request: Request) -> AsyncGenerator[PackedBatch]:
        link = _Link(self._http, Delivery(request, await self.spec(), self._contact.base_url, self._contact.memory))
        try:
            while (packed := await self._retry(link.next)) is not None:
                yield packed
        finally:
            await link.close()

    async def _fetch_spec(self) -> ServiceSpec:
        document = SpecDocument(self._contact.base_url)
        with translated(document.place):
            async with aclosing(await _open(self._http, document)) as response:
                return self._contact.pin(document.parse((await _read(response, document)).whole()))

    async def _retry(self, operation: Callable[[], Awaitable[ResultT]]) -> ResultT:
        return await self._caller(self._retries.hook(), operation)


class _Link:
    """The answer that a delivery is read from; opened when needed, and again after a break."""

    def __init__(self, http: httpx.AsyncClient, delivery: Delivery) -> None:
        self._http = http
        self._delivery = delivery
        self._response: httpx.Response | None = None
        self._chunks: AsyncIterator[bytes] | None = None

    async def next(self) -> PackedBatch | None:
        """Make one attempt at the next batch. None: all were handed over."""
        try:
            with translated(self._delivery.place):
                return await self._advance()
        except ClientError as error:
            await self.close()
            if self._delivery.settled(error):
                return None
            raise
        except BaseException:
            await self.close()
            raise

    async def _advance(self) -> PackedBatch | None:
        while (packed := self._delivery.take()) is None:
            if self._response is None or self._chunks is None:
                if self._delivery.done:
                    return None
                self._response = await _open(self._http, self._delivery)
                self._chunks = self._response.aiter_bytes()
            chunk = await anext(self._chunks, None)
            if chunk is None:
                await self.close()
                self._delivery.end()
            else:
                self._delivery.feed(chunk)
        return packed

    async def close(self) -> None:
        """Release the connection."""
        response, self._response = self._response, None
        if response is not None:
            await response.aclose()


async def _open(http: httpx.AsyncClient, conversation: Conversation) -> httpx.Response:
    if http.is_closed:
        raise ClientError("the client is closed: expected one that is open")
    outgoing = conversation.outgoing()
    request = http.build_request(outgoing.method, outgoing.url, json=outgoing.body)
    response = await http.send(request, stream=True)
    try:
        conversation.place.answered(response.headers)
        if response.status_code != 200:
            raise (await _read(response, conversation)).refusal(response.status_code, response.headers)
        conversation.begin(response.headers)
    except BaseException:
        await response.aclose()
        raise
    return response


async def _read(response: httpx.Response, conversation: Conversation) -> Body:
    body = Body(conversation.place)
    async for chunk in response.aiter_bytes():
        body.add(chunk)
    return body
