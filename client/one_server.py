"""The requests of a client of one server: tried again at that server, and streams over one response."""

from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from functools import partial
from typing import TypeVar

import httpx
import stamina

from client.batches import PackedBatch
from client.contact import Contact, ContactSettings
from client.credentials import without_credentials
from client.images import ImageInfo
from client.link import Link, fetch_document, open_response
from client.process_owner import ProcessOwner
from client.protocol.images import ImagesRequest
from client.protocol.requests import BatchRequest, Request, StreamRequest
from client.protocol.retries import RETRIED, RetrySettings
from client.protocol.session import Delivery
from client.protocol.target import Expectation
from client.transport.failures import client_errors
from client.transport.pace import Pace
from sampler.wire.spec import ServiceSpec

ResultT = TypeVar("ResultT")


class OneServer:
    """Fetches batches and documents from one server. Several threads may share it."""

    def __init__(self, url: str, settings: ContactSettings[httpx.BaseTransport], retries: RetrySettings) -> None:
        """Raises `InvalidRequestError`: a value is out of range."""
        self._contact = Contact(url, settings)
        self._contact.warn_if_readable()
        self._session, self._http = self._contact.session, self._contact.http
        self._retries = retries
        self._caller = retries.caller(stamina.RetryingCaller)
        self._owner = ProcessOwner("client")

    def close(self) -> None:
        """Close all connections. Does nothing in a fork."""
        if self._owner.here:
            self._http.close()

    def spec(self) -> ServiceSpec:
        """Return the spec of the first contact."""
        return self._session.spec or self._retry(self._fetch_spec, self._pace())

    def pinned_spec(self, expected: Expectation) -> ServiceSpec:
        """Return the spec. Raises `DigestMismatchError` if it has other digests than expected."""
        spec = self.spec()
        expected.require(spec, without_credentials(self._session.base_url))
        return spec

    def ready(self) -> bool:
        """Return whether the server accepts requests now. Makes one attempt."""
        self._owner.require()
        exchange, pace = self._session.ready_exchange(), self._pace()
        try:
            with client_errors(exchange), closing(open_response(self._http, exchange, pace)):
                return True
        except RETRIED:
            return False

    def packed_batch(self, request: BatchRequest) -> PackedBatch:
        """Return one batch."""
        link = self._link(request)
        try:
            packed = self._retry(link.next, link.pace)
            assert packed is not None, "a request for one batch gives one batch"
            link.finish()
        finally:
            link.close()
        return packed

    def packed_stream(self, request: StreamRequest) -> Generator[PackedBatch]:
        """Yield the batches of a stream. A response that breaks is resumed at the next batch."""
        link = self._link(request)
        try:
            while (packed := self._retry(link.next, link.pace)) is not None:
                yield packed
        finally:
            link.close()

    def images(self, requests: Iterable[ImagesRequest]) -> list[tuple[ImageInfo, ...]]:
        """Return the images of each request."""
        pace = self._pace()
        return [self._retry(partial(self._fetch_images, request), pace) for request in requests]

    def _link(self, request: Request) -> Link:
        spec, session = self.spec(), self._session
        delivery = Delivery(request, spec, session.target(spec), session.memory)
        return Link(self._http, delivery, self._owner, self._pace())

    def _fetch_spec(self, pace: Pace) -> ServiceSpec:
        exchange = self._session.spec_exchange()
        with client_errors(exchange):
            return self._session.pin(fetch_document(self._http, exchange, pace), exchange)

    def _fetch_images(self, request: ImagesRequest, pace: Pace) -> tuple[ImageInfo, ...]:
        exchange = request.exchange(self._session.target(self.spec()))
        with client_errors(exchange):
            return request.parse(fetch_document(self._http, exchange, pace), exchange)

    def _pace(self) -> Pace:
        return Pace(self._retries.batch_seconds, self._http.timeout.read)

    def _retry(self, operation: Callable[[Pace], ResultT], pace: Pace) -> ResultT:
        """Call an operation until it succeeds, attempts are used up or its time is over."""
        self._owner.require()
        pace.begin()
        return self._caller(self._retries.hook(lambda: pace.left), operation, pace)
