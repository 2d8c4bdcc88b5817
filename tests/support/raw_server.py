"""A server that sends the bytes it is given, valid or not, and the body that a client reads from them."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import BinaryIO

import httpx
import numpy as np

from client.transport.direct import receiver

Handler = Callable[[socket.socket, bytes], None]
BODY = np.random.default_rng(1).bytes(300_000)


def read_head(stream: BinaryIO) -> bytes:
    """The lines before the empty one, or before the end."""
    lines = []
    while (line := stream.readline()) not in (b"", b"\r\n"):
        lines.append(line)
    return b"".join(lines)


class RawServer:
    """Passes each request (head and body) and its connection to a function, then reads the next request."""

    def __init__(self, handler: Handler, trust: ssl.SSLContext | None = None) -> None:
        self._handler, self._trust = handler, trust
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self.requests: list[bytes] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return  # closed
            self.connections += 1
            threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        with suppress(OSError, ValueError), plain:  # clients go away, as tests mean them to
            connection = self._trust.wrap_socket(plain, server_side=True) if self._trust else plain
            with connection, connection.makefile("rb") as stream:
                while head := read_head(stream):
                    length = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
                    request = head + stream.read(int(length or 0))
                    self.requests.append(request)
                    self._handler(connection, request)

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)


@contextmanager
def raw_server(handler: Handler, trust: ssl.SSLContext | None = None) -> Iterator[RawServer]:
    with closing(RawServer(handler, trust)) as server:
        yield server


def always(*pieces: bytes, end: bool = False) -> Handler:
    def handler(connection: socket.socket, request: bytes) -> None:
        for piece in pieces:
            connection.sendall(piece)
        if end:
            connection.shutdown(socket.SHUT_RDWR)

    return handler


def with_length(body: bytes, *lines: bytes) -> bytes:
    return b"\r\n".join([b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *lines, b"", body])


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunks(body: bytes, size: int, extension: bytes = b"") -> bytes:
    cut = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%X%s\r\n%s\r\n" % (len(piece), extension, piece) for piece in cut)


def received(response: httpx.Response, most: int = 10_007) -> bytes:
    """The body, by `receive_into`."""
    memory, found = bytearray(most), []
    receive = receiver(response)
    while count := receive(memoryview(memory)):
        found.append(bytes(memory[:count]))
    assert receive(memoryview(memory)) == 0
    return b"".join(found)


GOOD = {
    "length": with_length(BODY),
    "one chunk": CHUNKED + chunks(BODY, 1 << 20) + b"0\r\n\r\n",
    "many chunks": CHUNKED + chunks(BODY, 1234) + b"0\r\n\r\n",
    "chunks with extensions and trailers": CHUNKED + chunks(BODY, 70_000, b' ;a="b"') + b"000\r\nA: b\r\nC: d\r\n\r\n",
}
