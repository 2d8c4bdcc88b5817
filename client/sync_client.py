"""The client for training loops."""

from collections.abc import Callable, Generator, Iterable
from contextlib import closing
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
from client.transport import receiver, transport_for
from sampler.arrays import Layout
from sampler.wire.spec import ServiceSpec

ResultT = TypeVar("ResultT")


class SamplerClient:
    """Batches of a sampling server.

        with SamplerClient("http://cpu-host:8000") as client:
            batch = client.batch(indices=[3, 17, 5], seed=7)
            batch = client.batch(seed=7, step=12, batch_size=48)
            for batch in client.stream(seed=7, start=0, batch_size=48, rank=0, world_size=4): ...

    base_url: of the server, with a path where a proxy puts it under one. layout: how batches travel, "compact",
    "sparse" or "dense"; the arrays are the same to the last bit. timeout: seconds to connect, between two pieces of
    an answer, and for sending, or `httpx.Timeout` for each alone. attempts: how often an operation is tried in all.
    max_wait: the longest wait in seconds between two attempts. transport: in place of the client's own, which
    receives arrays where they are to stay (httpx's own where a proxy applies to the URL).

    The first contact pins the server's digest: whatever comes later is of the same dataset, config and sampler
    version, or raises `DigestMismatchError`. Every error is a `ClientError`. One client may be used by several
    threads; each stream by one at a time. After a fork, make a new client.
    """

    def __init__(
        self,
        base_url: str,
        *,
        layout: Layout = "compact",
        timeout: float | httpx.Timeout = TIMEOUT,
        attempts: int = ATTEMPTS,
        max_wait: float = MAX_WAIT,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Connect to nothing yet. Raises `RequestRefusedError` for a setting out of range."""
        with checked():
            self._contact = Contact(base_url, layout)
            self._retries = RetrySettings(attempts, max_wait)
            chosen = transport_for(self._contact.base_url) if transport is None else transport
            self._http = httpx.Client(timeout=timeouts(timeout), headers=HEADERS, transport=chosen)
        self._caller = self._retries.caller(stamina.RetryingCaller)

    def __enter__(self) -> Self:
        """The client, to be closed at the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all connections."""
        self.close()

    def close(self) -> None:
        """Close all connections. A stream that is still open ends with an error at its next batch."""
        self._http.close()

    def spec(self) -> ServiceSpec:
        """Return dataset, config, digest and limits of the server, as they were at first contact."""
        return self._contact.spec or self._retry(self._fetch_spec)

    def ready(self) -> bool:
        """Return whether the server takes requests now. One attempt; False where it cannot be reached."""
        probe = Probe(self._contact.base_url)
        try:
            with translated(probe.place), closing(_open(self._http, probe)):
                return True
        except ServerUnavailableError:
            return False

    @overload
    def batch(
        self,
        indices: Iterable[int],
        *,
        seed: int = 0,
        epoch: int = 0,
        augment: bool = True,
        layout: Layout | None = None,
    ) -> Batch: ...

    @overload
    def batch(
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

    def batch(
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
        """Return one batch: by index, the samples (seed, epoch, index); or by seed, a rank's part of a step.

        indices: 1 or more of 0 … N−1. seed: 0 … 2⁶⁴−1. epoch: 0 … 2⁶³−1. step: 0 and up. batch_size: B of all
        ranks together; rank 0 … world_size−1 takes the places [⌊rank·B/world_size⌋, ⌊(rank+1)·B/world_size⌋) of the
        step. augment: False for the fixed recipe, without random decisions. layout: in place of the client's own.
        """
        with checked():
            request = batch_request(
                indices, seed=seed, epoch=epoch, step=step, batch_size=batch_size, rank=rank, world_size=world_size,
                augment=augment, layout=layout or self._contact.layout,
            )  # fmt: skip
        return self.packed_batch(request).render()

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
    ) -> Generator[Batch]:
        """Return an iterator over a rank's batches of the steps start … stop−1; without `stop` it is endless.

        The values mean what they mean for `batch`. Where the connection breaks, the iterator carries on with the
        next step not yet handed over. Leaving the loop, or closing the iterator, releases the connection.
        """
        with checked():
            request = stream_request(
                seed=seed, start=start, stop=stop, batch_size=batch_size, rank=rank, world_size=world_size,
                augment=augment, layout=layout or self._contact.layout,
            )  # fmt: skip
        return self._rendered(request)

    def packed_batch(self, request: BatchRequest) -> PackedBatch:
        """Return one batch, received and checked but not rendered: for rendering elsewhere."""
        link = self._link(request)
        try:
            packed = self._retry(link.next)
            assert packed is not None, "a request for a batch without one"
            link.finish()
        finally:
            link.close()
        return packed

    def packed_stream(self, request: StreamRequest) -> Generator[PackedBatch]:
        """Return an iterator over batches that are received and checked but not rendered."""
        return self._deliver(request)

    def _rendered(self, request: StreamRequest) -> Generator[Batch]:
        with closing(self._deliver(request)) as batches:
            for packed in batches:
                yield packed.render()

    def _deliver(self, request: Request) -> Generator[PackedBatch]:
        link = self._link(request)
        try:
            while (packed := self._retry(link.next)) is not None:
                yield packed
        finally:
            link.close()

    def _link(self, request: Request) -> "_Link":
        return _Link(self._http, Delivery(request, self.spec(), self._contact.base_url, self._contact.memory))

    def _fetch_spec(self) -> ServiceSpec:
        document = SpecDocument(self._contact.base_url)
        with translated(document.place), closing(_open(self._http, document)) as response:
            return self._contact.pin(document.parse(_read(response, document).whole()))

    def _retry(self, operation: Callable[[], ResultT]) -> ResultT:
        return self._caller(self._retries.hook(), operation)


class _Link:
    """The answer that a delivery is read from; opened when needed, and again after a break."""

    def __init__(self, http: httpx.Client, delivery: Delivery) -> None:
        self._http = http
        self._delivery = delivery
        self._response: httpx.Response | None = None
        self._receive: Callable[[memoryview], int] | None = None

    def next(self) -> PackedBatch | None:
        """Make one attempt at the next batch. None: all were handed over."""
        try:
            with translated(self._delivery.place):
                return self._advance()
        except ClientError as error:
            self.close()
            if self._delivery.settled(error):
                return None
            raise
        except BaseException:
            self.close()
            raise

    def _advance(self) -> PackedBatch | None:
        while (packed := self._delivery.take()) is None:
            if self._response is None or self._receive is None:
                if self._delivery.done:
                    return None
                self._response = _open(self._http, self._delivery)
                self._receive = receiver(self._response)
            count = self._receive(self._delivery.buffer())
            if count:
                self._delivery.advance(count)
            else:
                self.close()
                self._delivery.end()
        return packed

    def finish(self) -> None:
        """Read what follows the last batch, which should be nothing: the connection can then be used again."""
        if self._response is not None:
            self.next()  # not worth another attempt: where an answer breaks after its last batch, nothing is missing

    def close(self) -> None:
        """Release the connection."""
        response, self._response = self._response, None
        if response is not None:
            response.close()


def _open(http: httpx.Client, conversation: Conversation) -> httpx.Response:
    if http.is_closed:
        raise ClientError("the client is closed: expected one that is open")
    outgoing = conversation.outgoing()
    response = http.send(http.build_request(outgoing.method, outgoing.url, json=outgoing.body), stream=True)
    try:
        conversation.place.answered(response.headers)
        if response.status_code != 200:
            raise _read(response, conversation).refusal(response.status_code, response.headers)
        conversation.begin(response.headers)
    except BaseException:
        response.close()
        raise
    return response


def _read(response: httpx.Response, conversation: Conversation) -> Body:
    body = Body(conversation.place)
    for chunk in response.iter_bytes():
        body.add(chunk)
    return body
