"""One HTTP/1.1 connection, and the body of an answer on it, received into whatever memory the reader gives."""

import http.client
import re
import select
import socket
import ssl
import string
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress

import httpx

from client.transport.inflow import Inflow
from client.transport.response_head import AnswerHead, parse_head

PIECE_BYTES = 64 << 10
"""Bytes of a piece where a body is read as pieces."""

LONGEST_LINE = 16 << 10
"""Bytes of a line between chunks past which it is refused."""

MOST_TRAILERS = 100
MOST_INTERIM = 20
"""Answers of status 1xx, which say that another is to come, past which that is not believed."""

HEX_DIGITS = frozenset(string.hexdigits.encode())
UNSENDABLE = re.compile(rb"[\x00\r\n]")
OURS = (b"transfer-encoding", b"content-length")
"""Headers of a request that are written here."""


class NoAnswerError(Exception):
    """A connection that had been used before turned out to be closed: nothing of an answer came."""


class Connection:
    """A connection to (scheme, host, port) that is open. Raises httpx's errors."""

    def __init__(
        self, origin: tuple[str, str, int], seconds: float | None, context: Callable[[], ssl.SSLContext]
    ) -> None:
        """Connect within `seconds`. context: gives how to trust a server, for https."""
        self.origin = origin
        self.idle_since: float | None = None
        try:
            self._socket = _connected(origin, seconds, context)
        except TimeoutError as error:
            raise httpx.ConnectTimeout(str(error) or "timed out") from error
        except (OSError, UnicodeError) as error:
            raise httpx.ConnectError(str(error)) from error
        self.inflow = Inflow(self._socket)

    @property
    def alive(self) -> bool:
        """Whether an idle connection looks usable: nothing to read on it, which would be its end or a stray answer."""
        waiting = select.poll()
        try:
            waiting.register(self._socket, select.POLLIN)
            return not waiting.poll(0)
        except (OSError, ValueError):
            return False

    def ask(self, request: httpx.Request, body: bytes, timeout: Mapping[str, float | None]) -> AnswerHead:
        """Send a request and return the head of the answer. Raises `NoAnswerError` if it may be sent again."""
        unsent = self._send(request, body, timeout.get("write"))
        try:
            self.inflow.allow(timeout.get("read"))
            for _ in range(MOST_INTERIM):
                head = self._head(request.method)
                if head.status >= 200:
                    return head
            raise http.client.HTTPException(f"more than {MOST_INTERIM} answers before the final one")
        except TimeoutError as error:
            raise httpx.ReadTimeout(str(error) or "timed out") from error
        except (http.client.HTTPException, OSError, ValueError) as error:
            if self.idle_since is not None and isinstance(error, ConnectionError) and not self.inflow.begun:
                raise NoAnswerError from error
            if unsent is not None:
                raise httpx.WriteError(str(unsent)) from unsent
            kind = httpx.RemoteProtocolError if isinstance(error, http.client.HTTPException) else httpx.ReadError
            raise kind(str(error) or type(error).__name__) from error

    def _head(self, method: str) -> AnswerHead:
        head = self.inflow.head()
        if head is None:
            raise http.client.RemoteDisconnected("the connection ended without an answer")
        return parse_head(head, method)

    def _send(self, request: httpx.Request, body: bytes, seconds: float | None) -> OSError | None:
        """Send a request. An error other than a timeout is returned: an answer may have come before it."""
        message = _request_head(request, body) + body
        try:
            self._socket.settimeout(seconds)
            self._socket.sendall(message)
        except TimeoutError as error:
            raise httpx.WriteTimeout(str(error) or "timed out") from error
        except OSError as error:
            return error
        return None

    def shut(self) -> None:
        """Break the connection, also while another thread waits for it."""
        with suppress(OSError):  # it may be broken or closed already, which is what is wanted
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


def _connected(
    origin: tuple[str, str, int], seconds: float | None, context: Callable[[], ssl.SSLContext]
) -> socket.socket:
    """Return a connected socket, for https a trusted one. Raises OSError and UnicodeError."""
    scheme, host, port = origin
    # The receive buffer is left to grow by itself, which is faster.
    plain = socket.create_connection((host, port), seconds)
    try:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return context().wrap_socket(plain, server_hostname=host) if scheme == "https" else plain
    except BaseException:
        plain.close()
        raise


def _request_head(request: httpx.Request, body: bytes) -> bytes:
    headers = [(name, value) for name, value in request.headers.raw if name.lower() not in OURS]
    if body or "content-length" in request.headers:
        headers.append((b"Content-Length", b"%d" % len(body)))
    parts = [request.method.encode(), request.url.raw_path, *(part for header in headers for part in header)]
    if any(map(UNSENDABLE.search, parts)):
        raise httpx.LocalProtocolError("a line break in a request's method, path or headers: expected none")
    lines = [b"%s %s HTTP/1.1" % (parts[0], parts[1]), *(b"%s: %s" % header for header in headers)]
    return b"\r\n".join([*lines, b"", b""])


class DirectBody(httpx.SyncByteStream):
    """The body of an answer: `receive_into` fills memory of the reader's choice; iterating gives it as pieces.

    Raises `httpx.ReadTimeout`, `httpx.ReadError`, or `httpx.RemoteProtocolError` for a body that is cut or malformed.
    """

    def __init__(self, head: AnswerHead, connection: Connection, done: Callable[[Connection, bool], None]) -> None:
        """head: of the answer. done: called once with the connection, and whether it may be used again."""
        self._keeps = head.keeps
        self._inflow = connection.inflow
        self._connection = connection
        self._done = done
        self._closing = threading.Lock()
        self._closed = self._ended = self._between = False
        self._chunked = head.chunked
        self._left = 0 if self._chunked else head.length  # of the chunk or of all; None: until the connection ends

    def receive_into(self, *rooms: memoryview) -> int:
        """Put the next bytes of the body into `rooms`, one after the other; return how many: as many as are there.

        rooms: writable, at least one of at least one byte. Waits until there is a byte, or the end, which is 0.
        """
        try:
            return self._receive(rooms)
        except TimeoutError as error:
            self.close()
            raise httpx.ReadTimeout(str(error) or "timed out") from error
        except http.client.HTTPException as error:
            self.close()
            raise httpx.RemoteProtocolError(str(error)) from error
        except (OSError, ValueError) as error:  # ValueError: closed by another thread
            self.close()
            raise httpx.ReadError(str(error)) from error

    def _receive(self, rooms: tuple[memoryview, ...]) -> int:
        if self._ended:
            return 0
        if self._closed:
            raise OSError("the answer is closed")
        if self._left == 0 and not (self._chunked and self._next_chunk()):
            self._end()
            return 0
        if self._left is not None and sum(map(len, rooms)) > self._left:
            rooms = _cut(rooms, self._left)
        count = self._inflow.into(rooms)
        if count and self._left is not None:
            self._left -= count
        elif not count and self._left is None:
            self._end()
        elif not count:
            raise http.client.HTTPException("the connection ended inside a body")
        return count

    def _next_chunk(self) -> bool:
        """Read the line that begins a chunk, and the end of the one before; return whether there is another."""
        if self._between and self._inflow.line(3) != b"\r\n":
            raise http.client.HTTPException("a chunk without its end: the body was cut, or its length is wrong")
        self._between = True
        line = self._line()
        size = line.partition(b";")[0].strip()
        if not 0 < len(size) <= 16 or not HEX_DIGITS.issuperset(size):
            raise http.client.HTTPException(f"a chunk of length {line[:20]!r}: expected a hexadecimal number")
        self._left = int(size, 16)
        if self._left:
            return True
        for _ in range(MOST_TRAILERS):
            if self._line() in (b"\r\n", b"\n"):
                return False
        raise http.client.HTTPException(f"more than {MOST_TRAILERS} trailers after a body")

    def _line(self) -> bytes:
        line = self._inflow.line(LONGEST_LINE)
        if not line.endswith(b"\n"):
            raise http.client.HTTPException("a line without its end between chunks: the body was cut, or is malformed")
        return line

    def __iter__(self) -> Iterator[bytes]:
        """The body as pieces."""
        memory = bytearray(PIECE_BYTES)
        while count := self.receive_into(memoryview(memory)):
            yield bytes(memory[:count])

    def _end(self) -> None:
        self._ended = True
        self._leave(self._keeps and not self._inflow.waiting)

    def close(self) -> None:
        """Let go of the connection: it is closed where the body was not read to its end."""
        self._leave(False)

    def _leave(self, reusable: bool) -> None:
        with self._closing:
            if self._closed:
                return
            self._closed = True
        self._done(self._connection, reusable)


def _cut(rooms: tuple[memoryview, ...], most: int) -> tuple[memoryview, ...]:
    """Return the first `most` bytes of rooms, at least 1."""
    kept: list[memoryview] = []
    for room in rooms:
        if most:
            kept.append(room[:most])
            most -= len(kept[-1])
    return tuple(kept)
