"""What is asked of a server of a fleet: one attempt each, so that any server can be asked next."""

from dataclasses import replace

from client.batches import PackedBatch
from client.contact import Contact
from client.fleet.contacts import Contacts
from client.fleet.placement import placement_key
from client.fleet.probes import ask_ready
from client.fleet.runner import Call, Operation, Task
from client.images import ImageInfo
from client.link import Link, fetch_document
from client.process_owner import ProcessOwner
from client.protocol.images import ImagesRequest
from client.protocol.requests import BatchRequest, StepRequest, StreamRequest
from client.protocol.session import Delivery
from client.transport.failures import client_errors
from sampler.wire.spec import ServiceSpec

SPEC_KEY = placement_key("spec")

SPEC, READY, IMAGES = "spec", "ready", "images"
"""Kinds of requests: see `Fleet`."""


def fetch_spec(contacts: Contacts[Contact]) -> Operation:
    """Return the operation that pins the spec."""

    def attempt(contact: Contact, call: Call) -> ServiceSpec:
        exchange = contact.session.spec_exchange()
        call.received = lambda: exchange.received.bytes
        with client_errors(exchange):
            document = fetch_document(contact.http, exchange, call.pace, call.cancellation)
            found = contact.session.pin(document, exchange)
            return contacts.pin(found, exchange.name, exchange.request_id)

    return attempt


def fetch_batch(
    request: BatchRequest, spec: ServiceSpec, contacts: Contacts[Contact], owner: ProcessOwner
) -> Operation:
    """Return the operation that fetches one batch, as a `PackedBatch`."""

    def attempt(contact: Contact, call: Call) -> PackedBatch:
        delivery = Delivery(request, spec, contact.session.target(spec), contacts.memory)
        call.received = lambda: delivery.received
        link = Link(contact.http, delivery, owner, call.pace, call.cancellation)
        try:
            packed = link.next(call.pace)
            assert packed is not None, "a request for one batch gives one batch"
            link.finish()
        finally:
            link.close()
        return packed

    return attempt


def fetch_images(request: ImagesRequest, spec: ServiceSpec) -> Operation:
    """Return the operation that fetches the annotations of images, as a tuple of `ImageInfo`."""

    def attempt(contact: Contact, call: Call) -> tuple[ImageInfo, ...]:
        exchange = request.exchange(contact.session.target(spec))
        call.received = lambda: exchange.received.bytes
        with client_errors(exchange):
            document = fetch_document(contact.http, exchange, call.pace, call.cancellation)
            return request.parse(document, exchange)

    return attempt


def ask_whether_ready(contact: Contact, call: Call) -> bool:
    """Return True if a server accepts requests now."""
    ask_ready(contact, call.pace, call.cancellation)
    return True


def key_of(request: BatchRequest, spec: ServiceSpec) -> bytes:
    """Return the placement key of a batch. All jobs with the same stream have the same."""
    if isinstance(request, StepRequest):
        shard = request.shard
        return placement_key(spec.digest, request.seed, request.step, shard.rank, shard.world_size)
    return placement_key(spec.digest, request.seed, request.epoch, *request.indices)


def kind_of(request: BatchRequest) -> str:
    """Return the kind of a batch: its layout and, up to a factor of two, its number of samples."""
    return f"{request.layout} {request.count.bit_length()}"


def step_of(request: StreamRequest) -> StepRequest:
    """Return the request for the next step of a stream alone."""
    return StepRequest(
        seed=request.seed, augment=request.augment, layout=request.layout, step=request.start, shard=request.shard
    )


def batch_of(task: Task) -> PackedBatch:
    """Return the batch that a task has fetched, with the number of damaged responses. Raises its error."""
    packed: PackedBatch = task.take()
    return replace(packed, damaged=task.race.damaged) if task.race.damaged else packed
