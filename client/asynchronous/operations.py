"""What is asked of a server of a fleet, for asyncio: see `client.fleet.operations`."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from client.asynchronous.link import AsyncLink, ask_ready, fetch_document
from client.batches import PackedBatch
from client.contact import AsyncContact
from client.fleet.contacts import Contacts
from client.images import ImageInfo
from client.process_owner import ProcessOwner
from client.protocol.images import ImagesRequest
from client.protocol.requests import BatchRequest
from client.protocol.session import Delivery
from client.transport.failures import client_errors
from client.transport.pace import Pace
from sampler.wire.spec import ServiceSpec

ResultT = TypeVar("ResultT")


@dataclass(eq=False, slots=True)
class AsyncCall:
    """What an attempt is given: its limits. It sets `received`, which returns the bytes so far."""

    pace: Pace
    received: Callable[[], int] = lambda: 0


AsyncOperation = Callable[[AsyncContact, AsyncCall], Awaitable[ResultT]]
"""Makes one attempt at a server. Raises `ClientError`."""


def fetch_spec(contacts: Contacts[AsyncContact]) -> AsyncOperation[ServiceSpec]:
    """Return the operation that pins the spec."""

    async def attempt(contact: AsyncContact, call: AsyncCall) -> ServiceSpec:
        exchange = contact.session.spec_exchange()
        call.received = lambda: exchange.received.bytes
        document = await fetch_document(contact.http, exchange, call.pace)
        with client_errors(exchange):
            found = contact.session.pin(document, exchange)
            return contacts.pin(found, exchange.name, exchange.request_id)

    return attempt


def fetch_batch(
    request: BatchRequest, spec: ServiceSpec, contacts: Contacts[AsyncContact], owner: ProcessOwner
) -> AsyncOperation[PackedBatch]:
    """Return the operation that fetches one batch."""

    async def attempt(contact: AsyncContact, call: AsyncCall) -> PackedBatch:
        delivery = Delivery(request, spec, contact.session.target(spec), contacts.memory)
        call.received = lambda: delivery.received
        link = AsyncLink(contact.http, delivery, owner, call.pace)
        try:
            packed = await link.next(call.pace)
            assert packed is not None, "a request for one batch gives one batch"
            await link.finish()
        finally:
            await link.close()
        return packed

    return attempt


def fetch_images(request: ImagesRequest, spec: ServiceSpec) -> AsyncOperation[tuple[ImageInfo, ...]]:
    """Return the operation that fetches the annotations of images."""

    async def attempt(contact: AsyncContact, call: AsyncCall) -> tuple[ImageInfo, ...]:
        exchange = request.exchange(contact.session.target(spec))
        call.received = lambda: exchange.received.bytes
        document = await fetch_document(contact.http, exchange, call.pace)
        with client_errors(exchange):
            return request.parse(document, exchange)

    return attempt


async def ask_whether_ready(contact: AsyncContact, call: AsyncCall) -> bool:
    """Return True if a server accepts requests now."""
    await ask_ready(contact.http, contact.session.ready_exchange(), call.pace)
    return True
