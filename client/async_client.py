"""The client for asyncio. It differs from `SamplerClient` in the I/O only."""

import asyncio
import os
from collections.abc import AsyncGenerator, Iterable
from itertools import chain
from types import TracebackType
from typing import Any, Self, Unpack, cast, overload

import httpx

from client.access import access_to
from client.asynchronous.one_server import AsyncOneServer
from client.asynchronous.several_servers import AsyncSeveralServers
from client.batches import Batch, PackedBatch
from client.contact import ContactSettings
from client.credentials import Token, as_token
from client.errors import checked_arguments
from client.fleet.addresses import ServerAddresses
from client.fleet.statistics import FleetStatistics
from client.images import ImageInfo
from client.pickling import PickledAsArguments
from client.protocol.images import images_requests
from client.protocol.requests import (
    BatchRequest,
    IndexOptions,
    StepOptions,
    StepRequest,
    StreamOptions,
    StreamRequest,
    batch_request,
    packed_request,
    require_layout,
    stream_request,
)
from client.protocol.retries import ATTEMPTS, BATCH_SECONDS, MAX_WAIT, RetrySettings
from client.transport.timeouts import TIMEOUT, timeouts
from client.transport.tls import ClientTls
from sampler.arrays import Layout
from sampler.wire.spec import ServiceSpec


class AsyncSamplerClient(PickledAsArguments):
    """Fetches batches from a sampling server, or from several that are used as one, for asyncio.

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
        base_url: str | Iterable[str] | None = None,
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
            given = as_token(token)
            addresses = ServerAddresses.parse(base_url, use_proxies=transport is None)
            access = access_to(((base.url, base.proxy) for base in addresses.bases), given, ca)
            settings = ContactSettings(
                layout=require_layout(layout), dataset=dataset, digest=digest, timeout=timeouts(timeout),
                access=access, tls=ClientTls(access.ca), transport=transport,
            )  # fmt: skip
            retries = RetrySettings(attempts, max_wait, batch_seconds)
            self._servers: AsyncOneServer | AsyncSeveralServers
            if addresses.single is not None:
                self._servers = AsyncOneServer(addresses.single.url, settings, retries)
            else:
                self._servers = AsyncSeveralServers(addresses, settings, retries)
        self._layout = settings.layout
        self._arguments = {
            "base_url": addresses.argument, "dataset": dataset, "digest": digest, "layout": layout, "timeout": timeout,
            "attempts": attempts, "max_wait": max_wait, "batch_seconds": batch_seconds, "token": given, "ca": ca,
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
        await self._servers.close()

    async def spec(self) -> ServiceSpec:
        """Return dataset, config, digest and limits of the server as of the first contact."""
        return await self._servers.spec()

    async def ready(self) -> bool:
        """Return whether the server accepts requests now. Makes one attempt.

        False stands for what can pass with time, such as a server that cannot be reached. Other errors are raised.
        """
        return await self._servers.ready()

    @property
    def statistics(self) -> FleetStatistics | None:
        """What was counted about several servers; None for one."""
        return self._servers.statistics() if isinstance(self._servers, AsyncSeveralServers) else None

    @overload
    async def batch(
        self, indices: Iterable[int], *, layout: Layout | None = None, **options: Unpack[IndexOptions]
    ) -> Batch: ...

    @overload
    async def batch(self, *, layout: Layout | None = None, **options: Unpack[StepOptions]) -> Batch[int]: ...

    async def batch(
        self, indices: Iterable[int] | None = None, *, layout: Layout | None = None, **options: Any
    ) -> Batch:
        """Return one batch, by index or by seed: see `SamplerClient.batch`."""
        with checked_arguments():
            request = batch_request(indices, layout=layout or self._layout, **options)
        return await _rendered(await self._servers.packed_batch(request))

    def stream(self, *, layout: Layout | None = None, **options: Unpack[StreamOptions]) -> AsyncGenerator[Batch[int]]:
        """Return an iterator over a rank's batches of the steps start … stop−1: see `SamplerClient.stream`."""
        with checked_arguments():
            request = stream_request(layout=layout or self._layout, **options)
        return cast("AsyncGenerator[Batch[int]]", self._servers.stream(request, _rendered))

    async def images(self, indices: Iterable[int]) -> tuple[ImageInfo, ...]:
        """Return images of the dataset with their annotations: see `SamplerClient.images`."""
        spec = await self.spec()
        with checked_arguments():
            requests = images_requests(indices, spec)
        return tuple(chain.from_iterable(await self._servers.images(requests)))

    @overload
    async def packed_batch(self, request: StepRequest) -> PackedBatch[int]: ...

    @overload
    async def packed_batch(self, request: BatchRequest) -> PackedBatch: ...

    @overload
    async def packed_batch(
        self, *, indices: Iterable[int], layout: Layout | None = None, **options: Unpack[IndexOptions]
    ) -> PackedBatch: ...

    @overload
    async def packed_batch(
        self, indices: Iterable[int], /, *, layout: Layout | None = None, **options: Unpack[IndexOptions]
    ) -> PackedBatch: ...

    @overload
    async def packed_batch(
        self, *, layout: Layout | None = None, **options: Unpack[StepOptions]
    ) -> PackedBatch[int]: ...

    async def packed_batch(
        self, request: BatchRequest | Iterable[int] | None = None, *, layout: Layout | None = None, **options: Any
    ) -> PackedBatch:
        """Return one batch, received and checked but not rendered.

        Args:
            request: the batch as a value; or none, and the arguments of `batch` instead.
            layout: see `batch`.
            options: see `batch`.
        """
        with checked_arguments():
            made = packed_request(request, layout, self._layout, **options)
        return await self._servers.packed_batch(made)

    def packed_stream(self, request: StreamRequest) -> AsyncGenerator[PackedBatch[int]]:
        """Return an iterator over batches that are received and checked but not rendered."""
        return cast("AsyncGenerator[PackedBatch[int]]", self._servers.stream(request, _as_received))


async def _rendered(packed: PackedBatch) -> Batch:
    return await asyncio.to_thread(packed.render)


async def _as_received(packed: PackedBatch) -> PackedBatch:
    return packed
