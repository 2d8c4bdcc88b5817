"""Large pieces of chunked responses arrive complete under either HTTP implementation, and are not copied."""

import asyncio
import http.client
import socket
import threading
import time
import tracemalloc
from asyncio import selector_events
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import pytest
import uvicorn
import uvloop
from starlette.types import Receive, Scope, Send

from service.middleware.uncopied_chunks import without_copies
from tests.support.live_server import until

PIECE = bytes(range(256)) * (1 << 15)
"""8 MB: more than a socket takes at once."""


@contextmanager
def serving(
    pieces: Iterable[memoryview],
    http_implementation: Literal["httptools", "h11"],
    run: Callable[[Coroutine[Any, Any, None]], None] = uvloop.run,
) -> Iterator[int]:
    """A server in a thread that responds with the pieces; yields its port."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        send = without_copies(send)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"end", "more_body": False})

    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, http=http_implementation, lifespan="off", log_level="error")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=lambda: run(server.serve([listener])))
        thread.start()
        try:
            until(lambda: server.started)
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


@pytest.mark.parametrize("http_implementation", ["httptools", "h11"])
def test_pieces_arrive_in_order_and_complete(http_implementation: Literal["httptools", "h11"]) -> None:
    pieces = [memoryview(PIECE)[start : start + size] for start, size in ((0, 1), (5, 70_000), (0, 0), (3, 4_000_000))]
    with serving(pieces, http_implementation) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for _ in range(2):  # the connection can be used again
            connection.request("GET", "/")
            response = connection.getresponse()
            assert response.getheader("transfer-encoding") == "chunked"
            assert response.read() == b"".join(pieces) + b"end"
        connection.close()


def test_a_piece_is_not_copied_however_slowly_the_client_reads() -> None:
    with serving([memoryview(PIECE)] * 4, "httptools") as port:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        tracemalloc.start()
        connection.request("GET", "/")
        response = connection.getresponse()
        time.sleep(0.2)  # the server has sent as much as the sockets take
        received = sum(len(piece) for piece in iter(lambda: response.read(1 << 16), b""))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        connection.close()
    assert received == 4 * len(PIECE) + len(b"end")
    assert peak < len(PIECE)


def test_a_response_whose_client_has_disconnected_ends() -> None:
    """The application would wait forever for a client that is gone if nothing told it to go on."""
    sent, ended = list[int](), threading.Event()

    def pieces() -> Iterator[memoryview]:
        for number in range(16):
            sent.append(number)
            yield memoryview(PIECE)
        ended.set()

    with serving(pieces(), "httptools") as port:
        channel = socket.create_connection(("127.0.0.1", port))
        channel.sendall(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        assert channel.recv(100)
        time.sleep(0.2)
        assert len(sent) < 16, "the client has not read the first piece yet"
        assert not ended.is_set()
        channel.close()
        assert ended.wait(20)


def write_lines_unpaused(transport: Any, lines: Iterable[bytes]) -> None:
    """As in Python 3.12.1 and 3.13.0: the protocol is not told how much waits to be sent."""
    transport._maybe_pause_protocol = lambda: None
    transport.write(b"".join(lines))
    del transport._maybe_pause_protocol


def test_a_client_that_does_not_read_stops_the_response_on_every_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selector_events._SelectorSocketTransport, "writelines", write_lines_unpaused)  # type: ignore[attr-defined] # private
    sent: list[int] = []

    def pieces() -> Iterator[memoryview]:
        for number in range(8):
            sent.append(number)
            yield memoryview(PIECE)

    with serving(pieces(), "httptools", asyncio.run) as port:
        channel = socket.create_connection(("127.0.0.1", port))
        channel.sendall(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        assert channel.recv(100)
        time.sleep(0.5)  # enough to send all, if nothing stops it
        begun = len(sent)
        channel.close()
    assert begun <= 4
