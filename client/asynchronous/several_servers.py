"""The requests of a client for asyncio of several servers: see `client.fleet.several_servers`."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable

import httpx

from client.asynchronous.operations import (
    AsyncOperation,
    ResultT,
    ask_whether_ready,
    fetch_batch,
    fetch_images,
    fetch_spec,
)
from client.asynchronous.runner import AsyncRunner, Outcome
from client.asynchronous.steps import AsyncSteps, with_damage
from client.batches import PackedBatch
from client.contact import AsyncContact, ContactSettings
from client.fleet.addresses import ServerAddresses
from client.fleet.contacts import Contacts
from client.fleet.operations import IMAGES, READY, SPEC, SPEC_KEY, key_of, kind_of
from client.fleet.placement import placement_key
from client.fleet.statistics import FleetStatistics
from client.images import ImageInfo
from client.process_owner import ProcessOwner
from client.protocol.images import ImagesRequest
from client.protocol.requests import BatchRequest, StreamRequest
from client.protocol.retries import RETRIED, RetrySettings
from sampler.wire.spec import ServiceSpec


class AsyncSeveralServers:
    """Fetches batches and documents from several servers, in one event loop."""

    def __init__(
        self, addresses: ServerAddresses, settings: ContactSettings[httpx.AsyncBaseTransport], retries: RetrySettings
    ) -> None:
        """Raises `InvalidRequestError`: a value is out of range."""
        self._contacts = Contacts(addresses, lambda url, host: AsyncContact(url, settings, host))
        self._runner = AsyncRunner(self._contacts)
        self._retries = retries
        self._owner = ProcessOwner("client")

    async def close(self) -> None:
        """End all requests and close all connections. Does nothing in a fork."""
        if not self._owner.here:
            return
        await self._runner.close()
        for contact in self._contacts.end():
            await contact.http.aclose()

    async def spec(self) -> ServiceSpec:
        """Return the spec of the first contact, with whichever server that was."""
        if self._contacts.spec is not None:
            return self._contacts.spec
        return (await self._run(fetch_spec(self._contacts), SPEC_KEY, SPEC, self._retries)).result

    async def ready(self) -> bool:
        """Return whether any server accepts requests now. Makes one attempt at each."""
        try:
            return (await self._run(ask_whether_ready, SPEC_KEY, READY, self._retries.once())).result
        except RETRIED:
            return False

    async def packed_batch(self, request: BatchRequest) -> PackedBatch:
        """Return one batch."""
        spec = await self.spec()
        operation = fetch_batch(request, spec, self._contacts, self._owner)
        return with_damage(await self._run(operation, key_of(request, spec), kind_of(request), self._retries))

    async def stream(
        self, request: StreamRequest, finish: Callable[[PackedBatch], Awaitable[ResultT]]
    ) -> AsyncGenerator[ResultT]:
        """Yield the batches of a stream, each requested on its own, several ahead, and as `finish` returns it.

        Do not wrap this in another generator: an event loop that ends closes both at once, which is an error.
        """
        spec = await self.spec()
        self._owner.require()
        steps = AsyncSteps(self._runner, self._contacts, self._retries, request, spec, self._owner)
        try:
            while (packed := await steps.next()) is not None:
                yield await finish(packed)
                self._owner.require()
        finally:
            if self._owner.here:
                await steps.close()

    async def images(self, requests: Iterable[ImagesRequest]) -> list[tuple[ImageInfo, ...]]:
        """Return the images of each request."""
        spec = await self.spec()
        outcomes = [
            await self._run(
                fetch_images(request, spec), placement_key(spec.digest, *request.indices), IMAGES, self._retries
            )
            for request in requests
        ]
        return [outcome.result for outcome in outcomes]

    def statistics(self) -> FleetStatistics:
        """Return what was counted about the servers so far. Raises `ClientError` in a fork."""
        self._owner.require()
        return self._contacts.statistics()

    async def _run(
        self, operation: AsyncOperation[ResultT], key: bytes, kind: str, retries: RetrySettings
    ) -> Outcome[ResultT]:
        self._owner.require()
        return await self._runner.run(operation, key, kind, retries)
