"""Requests of a client that waits for their responses: batches, and documents such as a spec."""

from collections.abc import Callable
from contextlib import closing

import httpx

from client.batches import PackedBatch
from client.errors import ClientError
from client.process_owner import ProcessOwner
from client.protocol.exchange import Exchange
from client.protocol.session import Delivery
from client.transport.cancellation import CANCELLATION, Cancellation, cancellable
from client.transport.direct import PIECE_BYTES, RECEIVE_INTO, receiver
from client.transport.failures import client_errors, require_open
from client.transport.pace import FINISH_SECONDS, PACE, Pace


class Link:
    """The response that a delivery reads from; opened when needed, and again after a break."""

    def __init__(
        self,
        http: httpx.Client,
        delivery: Delivery,
        owner: ProcessOwner,
        pace: Pace,
        cancellation: Cancellation | None = None,
    ) -> None:
        """cancellation: ends the requests from another thread."""
        self.pace = pace
        self._http = http
        self._delivery = delivery
        self._owner = owner
        self._cancellation = cancellation
        self._response: httpx.Response | None = None
        self._receive: Callable[[memoryview], int]

    def next(self, pace: Pace) -> PackedBatch | None:
        """Make one attempt at the next batch. None: every batch was taken."""
        if self._delivery.done:
            pace.begin(FINISH_SECONDS)
        else:
            require_open(self._http)
        if self._response is None:
            if self._delivery.done:
                return None
            self._delivery.start()
        try:
            with client_errors(self._delivery.exchange), cancellable(self._cancellation):
                return self._advance(pace)
        except BaseException as error:
            self.close()
            if isinstance(error, ClientError) and self._delivery.settled(error):
                return None
            raise

    def _advance(self, pace: Pace) -> PackedBatch | None:
        if self._response is None:
            self._response = open_response(self._http, self._delivery.exchange, pace, self._cancellation)
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


def open_response(
    http: httpx.Client, exchange: Exchange, pace: Pace, cancellation: Cancellation | None = None
) -> httpx.Response:
    """Send a request and return its response, whose status is 200. Raises `ClientError` and the transport's errors."""
    require_open(http)
    request = http.build_request(
        exchange.method, exchange.url, json=exchange.body, headers=exchange.headers,
        timeout=pace.attempt(http.timeout),
        extensions={PACE: pace, CANCELLATION: cancellation, **exchange.extensions},
    )  # fmt: skip
    response = http.send(request, stream=True)
    try:
        if cancellation is not None and RECEIVE_INTO not in response.extensions:
            cancellation.attach_response(response)
        if not exchange.begin(response.status_code, response.headers):
            raise exchange.refusal(response.status_code, response.headers, read_document(response, exchange, pace))
    except BaseException:
        response.close()
        raise
    return response


def read_document(response: httpx.Response, exchange: Exchange, pace: Pace) -> bytes:
    """Return the body of a response, in one piece."""
    document, memory = bytearray(), bytearray(PIECE_BYTES)
    receive = receiver(response, pace)
    while count := receive(memoryview(memory)):
        document += memory[:count]
        if exchange.complete(len(document)):
            break
    return bytes(document)


def fetch_document(
    http: httpx.Client, exchange: Exchange, pace: Pace, cancellation: Cancellation | None = None
) -> bytes:
    """Make one attempt at a document. Raises `ClientError`."""
    with (
        client_errors(exchange),
        cancellable(cancellation),
        closing(open_response(http, exchange, pace, cancellation)) as response,
    ):
        return read_document(response, exchange, pace)
