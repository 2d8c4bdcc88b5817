"""Requests that another thread cancels, in each of their phases."""

import socket
import threading
import time
from collections.abc import Callable

import httpx
import pytest

from client.transport.cancellation import CANCELLATION, Cancellation, CancelledError, cancellable
from client.transport.direct import DirectTransport, receiver
from tests.support.raw_server import always, raw_server, with_length

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"


def cancelled_while(ask: Callable[[Cancellation], None], reached: Callable[[], bool]) -> float:
    """Cancel a request once it has got somewhere; return how many seconds later it ended."""
    cancellation, errors = Cancellation(), list[BaseException]()

    def run() -> None:
        try:
            with cancellable(cancellation):
                ask(cancellation)
        except CancelledError as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    deadline = time.monotonic() + 5
    while not reached() and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    begun = time.monotonic()
    cancellation.cancel()
    thread.join(10)
    assert len(errors) == 1
    return time.monotonic() - begun


def read(http: httpx.Client, url: str, cancellation: Cancellation) -> None:
    with http.stream("GET", url, extensions={CANCELLATION: cancellation}) as response:
        while receiver(response)(memoryview(bytearray(10))):
            pass


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\n", HEAD, HEAD + b"half"])
def test_a_request_ends_at_once_while_it_waits_for_its_response(http: httpx.Client, begun: bytes) -> None:
    released = threading.Event()

    def handler(connection: socket.socket, request: bytes) -> None:
        connection.sendall(begun)
        released.wait(10)

    with raw_server(handler) as server:
        url = f"http://127.0.0.1:{server.port}/"
        assert cancelled_while(lambda cancellation: read(http, url, cancellation), lambda: bool(server.requests)) < 1
        released.set()


def test_a_request_ends_at_once_while_it_connects(http: httpx.Client) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf:
        port = deaf.getsockname()[1]
        fillers = [socket.socket() for _ in range(3)]  # the kernel answers no more once the queue is full
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        url = f"http://127.0.0.1:{port}/"
        assert cancelled_while(lambda cancellation: read(http, url, cancellation), lambda: True) < 1
        for filler in fillers:
            filler.close()


def test_a_request_ends_at_once_while_it_shakes_hands() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}/"
        with httpx.Client(transport=DirectTransport(), timeout=20) as http:
            assert cancelled_while(lambda cancellation: read(http, url, cancellation), lambda: True) < 1


def test_a_request_that_was_cancelled_before_it_began_is_not_sent(http: httpx.Client) -> None:
    with raw_server(always(with_length(b"ok"))) as server:
        cancellation = Cancellation()
        cancellation.cancel()
        with pytest.raises(CancelledError):
            read(http, f"http://127.0.0.1:{server.port}/", cancellation)
        assert not server.requests


@pytest.mark.parametrize("read_to_end", [True, False])
def test_a_response_of_another_transport_that_was_closed_cannot_be_cancelled_any_more(read_to_end: bool) -> None:
    with raw_server(always(with_length(b"ok"))) as server, httpx.Client(transport=httpx.HTTPTransport()) as http:
        url, cancellation = f"http://127.0.0.1:{server.port}/", Cancellation()
        with http.stream("GET", url) as response:
            cancellation.attach_response(response)
            if read_to_end:
                assert response.read() == b"ok"
        cancellation.cancel()  # its connection may belong to another request by now
        http.get(url)
        assert (server.connections, len(server.requests)) == (1 if read_to_end else 2, 2)


def test_a_request_that_has_ended_cannot_be_cancelled_any_more(http: httpx.Client) -> None:
    with raw_server(always(with_length(b"ok"))) as server:
        url, cancellation = f"http://127.0.0.1:{server.port}/", Cancellation()
        read(http, url, cancellation)
        cancellation.cancel()  # its connection may belong to another request by now
        read(http, url, Cancellation())
        assert (server.connections, len(server.requests)) == (1, 2)
