"""The client for training loops."""

import os
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from functools import partial
from itertools import chain
from types import TracebackType
from typing import Self, TypeVar, Unpack, overload

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
    StreamRequest,
    batch_request,
    stream_request,
)
from client.protocol.retries import ATTEMPTS, BATCH_SECONDS, MAX_WAIT, RETRIED, RetrySettings
from client.protocol.session import HEADERS, Delivery, Session
from client.transport.choice import no_cookies, sync_transport
from client.transport.direct import PIECE_BYTES, receiver
from client.transport.failures import client_errors
from client.transport.pace import FINISH_SECONDS, PACE, Pace
from client.transport.timeouts import TIMEOUT, timeouts
from sampler.arrays import Layout
from sampler.wire.spec import ServiceSpec

ResultT = TypeVar("ResultT")


class SamplerClient(PickledAsArguments):
    """Fetches batches from a sampling server.

        with SamplerClient("http://cpu-host:8000") as client:
            batch = client.batch(indices=[3, 17, 5], seed=7)
            batch = client.batch(seed=7, step=12, batch_size=48)
            for batch in client.stream(seed=7, start=0, batch_size=48, rank=0, world_size=4): ...

    The first contact pins the digests of the dataset. Everything that comes later has the same annotations, config and
    sampler version and, if the server has hashes of the image files, the same images, or `DigestMismatchError` is
    raised. Every error is a `ClientError`.

    Several threads may share a client; a stream belongs to one thread at a time. A client and its streams belong to
    the process that used the client first: in a fork, they raise `ClientError`.

    A client pickles and copies as its settings: the copy opens its own connections and pins the digests at its own
    first contact. A stream cannot be pickled.
    """

    def __init__(
        self,
        base_url: str,
        *,
        dataset: str | None = None,
        layout: Layout = "compact",
        timeout: float | httpx.Timeout = TIMEOUT,
        attempts: int = ATTEMPTS,
        max_wait: float = MAX_WAIT,
        batch_seconds: float | None = BATCH_SECONDS,
        token: str | Token | None = None,
        ca: str | os.PathLike[str] | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Make a client. It connects when it is first used.

        Args:
            base_url: of the server, with a path if a proxy serves it under one.
            dataset: name of one of the server's datasets, such as "val"; None for the first.
            layout: how batches travel: "compact", "sparse" or "dense". The arrays are the same to the last bit.
            timeout: seconds to connect, between two pieces of a response, and to send; or `httpx.Timeout`.
            attempts: how often an operation is tried in all.
            max_wait: the longest wait between two attempts, in seconds.
            batch_seconds: for one batch, or another operation, over all attempts; None for no limit. The time between
                two batches of a stream does not count.
            token: of the server; None for that of the environment variable SAMPLER_TOKEN or of the file that
                SAMPLER_TOKEN_FILE names, if one is set.
            ca: PEM file of the CA that signed the server's certificate, for a private CA; None for the system's CAs.
            transport: replaces the default transport, which receives arrays directly into the memory of the batch
                (or httpx's transport, if a proxy applies to the URL).

        Raises:
            RequestRefusedError: a value is out of range.
        """
        with checked_arguments():
            self._session = Session(base_url, layout, dataset, use_proxies=transport is None)
            self._retries = RetrySettings(attempts, max_wait, batch_seconds)
            given = as_token(token)
            access = access_to(self._session.base_url, given, ca, self._session.proxy)
            chosen = sync_transport(self._session.proxy, access.ca) if transport is None else transport
            self._http = httpx.Client(
                timeout=timeouts(timeout), headers=HEADERS | access.headers, cookies=no_cookies(), transport=chosen
            )
        warn_if_readable(self._session.base_url, access)
        self._caller = self._retries.caller(stamina.RetryingCaller)
        self._owner = ProcessOwner("client")
        self._arguments = {
            "base_url": base_url, "dataset": dataset, "layout": layout, "timeout": timeout, "attempts": attempts,
            "max_wait": max_wait, "batch_seconds": batch_seconds, "token": given, "ca": access.ca,
            "transport": transport,
        }  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections. An open stream raises an error at its next batch. Does nothing in a fork."""
        if self._owner.here:
            self._http.close()

    def spec(self) -> ServiceSpec:
        """Return dataset, config, digest and limits of the server as of the first contact."""
        return self._session.spec or self._retry(self._fetch_spec, self._pace())

    def ready(self) -> bool:
        """Return whether the server accepts requests now. Makes one attempt.

        False stands for what can pass with time, such as a server that cannot be reached. Other errors are raised.
        """
        self._owner.require()
        exchange, pace = self._session.ready_exchange(), self._pace()
        try:
            with client_errors(exchange), closing(_open(self._http, exchange, pace)):
                return True
        except RETRIED:
            return False

    @overload
    def batch(
        self, indices: Iterable[int], *, layout: Layout | None = None, **options: Unpack[IndexOptions]
    ) -> Batch: ...

    @overload
    def batch(self, *, layout: Layout | None = None, **options: Unpack[StepOptions]) -> Batch: ...

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
        """Return one batch: by index (`indices`), or by seed (`step` and `batch_size`).

        Args:
            indices: 1 or more dataset indices, 0 … N−1.
            seed: 0 … 2⁶⁴−1.
            epoch: 0 … 2⁶³−1, of a batch by index.
            step: 0 … 2⁶².
            batch_size: B, of all ranks together.
            rank: 0 … world_size−1. A rank takes the places ⌊rank·B/world_size⌋ … ⌊(rank+1)·B/world_size⌋−1 of a step.
            world_size: 1 … B.
            augment: False for the fixed recipe, without random decisions.
            layout: replaces the client's layout.

        Raises:
            ClientError: see `client.errors`.
        """
        with checked_arguments():
            request = batch_request(
                indices, seed=seed, epoch=epoch, step=step, batch_size=batch_size, rank=rank, world_size=world_size,
                augment=augment, layout=layout or self._session.layout,
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
        """Return an iterator over a rank's batches of the steps start … stop−1.

        If the connection breaks, the iterator resumes at the next step. Leaving the loop or closing the iterator
        releases the connection.

        Args:
            seed: 0 … 2⁶⁴−1.
            start: the first step, 0 … 2⁶².
            stop: the step to stop before; None for an endless stream.
            batch_size: B, of all ranks together.
            rank: see `batch`.
            world_size: 1 … B.
            augment: False for the fixed recipe, without random decisions.
            layout: replaces the client's layout.

        Raises:
            ClientError: see `client.errors`. After an error, the iterator has ended.
        """
        with checked_arguments():
            request = stream_request(
                seed=seed, start=start, stop=stop, batch_size=batch_size, rank=rank, world_size=world_size,
                augment=augment, layout=layout or self._session.layout,
            )  # fmt: skip
        return self._rendered(request)

    def images(self, indices: Iterable[int]) -> tuple[ImageInfo, ...]:
        """Return images with their annotations, as the annotation file has them, in the order of `indices`.

        Args:
            indices: dataset indices, 0 … N−1, any number of them. The indices of a batch are those of its keys.

        Raises:
            ClientError: see `client.errors`.
        """
        with checked_arguments():
            requests = images_requests(indices, self.spec())
        pace = self._pace()
        fetched = [self._retry(partial(self._fetch_images, request), pace) for request in requests]
        return tuple(chain.from_iterable(fetched))

    def packed_batch(self, request: BatchRequest) -> PackedBatch:
        """Return one batch, received and checked but not rendered."""
        link = self._link(request)
        try:
            packed = self._retry(link.next, link.pace)
            assert packed is not None, "a request for one batch gives one batch"
            link.finish()
        finally:
            link.close()
        return packed

    def packed_stream(self, request: StreamRequest) -> Generator[PackedBatch]:
        """Return an iterator over batches that are received and checked but not rendered."""
        link = self._link(request)
        try:
            while (packed := self._retry(link.next, link.pace)) is not None:
                yield packed
        finally:
            link.close()

    def _rendered(self, request: StreamRequest) -> Generator[Batch]:
        with closing(self.packed_stream(request)) as batches:
            for packed in batches:
                yield packed.render()

    def _link(self, request: Request) -> "_Link":
        spec, session = self.spec(), self._session
        delivery = Delivery(request, spec, session.target(spec), session.memory)
        return _Link(self._http, delivery, self._owner, self._pace())

    def _fetch_spec(self, pace: Pace) -> ServiceSpec:
        exchange = self._session.spec_exchange()
        with client_errors(exchange), closing(_open(self._http, exchange, pace)) as response:
            return self._session.pin(_read(response, exchange, pace), exchange)

    def _fetch_images(self, request: ImagesRequest, pace: Pace) -> tuple[ImageInfo, ...]:
        exchange = request.exchange(self._session.target(self.spec()))
        with client_errors(exchange), closing(_open(self._http, exchange, pace)) as response:
            return request.parse(_read(response, exchange, pace), exchange)

    def _pace(self) -> Pace:
        return Pace(self._retries.batch_seconds, self._http.timeout.read)

    def _retry(self, operation: Callable[[Pace], ResultT], pace: Pace) -> ResultT:
        """Call an operation until it succeeds, attempts are used up or its time is over."""
        self._owner.require()
        pace.begin()
        return self._caller(self._retries.hook(lambda: pace.left), operation, pace)


class _Link:
    """The response that a delivery reads from; opened when needed, and again after a break."""

    def __init__(self, http: httpx.Client, delivery: Delivery, owner: ProcessOwner, pace: Pace) -> None:
        self.pace = pace
        self._http = http
        self._delivery = delivery
        self._owner = owner
        self._response: httpx.Response | None = None
        self._receive: Callable[[memoryview], int]

    def next(self, pace: Pace) -> PackedBatch | None:
        """Make one attempt at the next batch. None: every batch was taken."""
        if self._delivery.done:
            pace.begin(FINISH_SECONDS)
        if self._response is None:
            if self._delivery.done:
                return None
            self._delivery.start()
        try:
            with client_errors(self._delivery.exchange):
                return self._advance(pace)
        except BaseException as error:
            self.close()
            if isinstance(error, ClientError) and self._delivery.settled(error):
                return None
            raise

    def _advance(self, pace: Pace) -> PackedBatch | None:
        if self._response is None:
            self._response = _open(self._http, self._delivery.exchange, pace)
            self._receive = receiver(self._response, pace)
        while (packed := self._delivery.take()) is None:
            count = self._receive(self._delivery.reader.buffer())
            if not count:
                self.close()
                self._delivery.end()
                return None
            self._delivery.advance(count)
        return packed

    def finish(self) -> None:
        """Read the end of the response after its last batch, so that the connection can be reused."""
        if self._response is not None:
            self.next(self.pace)  # not retried: if the response breaks here, nothing is missing

    def close(self) -> None:
        """Release the connection. A fork leaves it alone: its parent may be reading from it."""
        response, self._response = self._response, None
        if response is not None and self._owner.here:
            response.close()


def _open(http: httpx.Client, exchange: Exchange, pace: Pace) -> httpx.Response:
    if http.is_closed:
        raise ClientError("the client is closed: make a new one")
    request = http.build_request(
        exchange.method, exchange.url, json=exchange.body, headers=exchange.headers,
        timeout=pace.attempt(http.timeout), extensions={PACE: pace, **exchange.extensions},
    )  # fmt: skip
    response = http.send(request, stream=True)
    try:
        if not exchange.begin(response.status_code, response.headers):
            raise exchange.refusal(response.status_code, response.headers, _read(response, exchange, pace))
    except BaseException:
        response.close()
        raise
    return response


def _read(response: httpx.Response, exchange: Exchange, pace: Pace) -> bytes:
    document, memory = bytearray(), bytearray(PIECE_BYTES)
    receive = receiver(response, pace)
    while count := receive(memoryview(memory)):
        document += memory[:count]
        if exchange.complete(len(document)):
            break
    return bytes(document)
