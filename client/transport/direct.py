"""The client's HTTP transport: bodies are received straight into the reader's memory.

httpx delivers a body as new bytes objects, which must then be copied to where they belong. Here the body goes from the
socket into memory of the reader's choice. Otherwise this is an ordinary httpx transport that raises httpx's errors.
"""

import string
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from time import monotonic
from weakref import WeakSet

import httpx

from client.protocol.exchange import SERVER_NAME
from client.transport.cancellation import CANCELLATION
from client.transport.connection import Connection, Origin, StaleConnectionError
from client.transport.pace import Pace, count_piece
from client.transport.response_reader import MalformedResponseError, ResponseHead, ResponseReader
from client.transport.tls import ClientTls

MAX_IDLE = 20

PORTS = {"http": 80, "https": 443}

PIECE_BYTES = 64 << 10
"""Size of the pieces when a body is iterated over."""

MAX_LINE_BYTES = 16 << 10
"""Longest accepted line between chunks."""

MAX_TRAILERS = 100
HEX_DIGITS = frozenset(string.hexdigits.encode())

RECEIVE_INTO = "receive_into"
"""Response extension with the function that receives the body: it takes a memoryview and returns a byte count."""


class DirectTransport(httpx.BaseTransport):
    """A transport whose response bodies can be received into given memory.

    `response.extensions["receive_into"](memory)` fills a writable memoryview with the next bytes of the body, as they
    are on the wire. It returns how many bytes it received, or 0 at the end of the body.

    Connections are kept alive and reused. Several threads may share a transport; the number of open connections is
    not limited. If a reused connection turns out to be closed, the request is sent once more on a new one, so requests
    must be safe to repeat, as all requests of this client are.
    """

    def __init__(self, tls: ClientTls | None = None) -> None:
        """tls: of the client; None to trust the default CAs."""
        self._tls = tls or ClientTls()
        # Reentrant: the garbage collector may close an abandoned response in a thread that has the lock, and a signal
        # handler the transport.
        self._lock = threading.RLock()
        self._idle: list[Connection] = []
        self._busy: WeakSet[Connection] = WeakSet()  # weak, so that an abandoned response frees its connection
        self._closed = False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, and return the response once its headers have arrived. Raises httpx's errors."""
        scheme = request.url.scheme
        if scheme not in PORTS:
            raise httpx.UnsupportedProtocol(f"scheme {scheme!r}: expected http or https")
        if not isinstance(request.stream, httpx.SyncByteStream):
            raise httpx.LocalProtocolError("an asynchronous request body: expected a synchronous one")
        body = b"".join(request.stream)
        host = request.url.raw_host.decode("ascii")
        name: str = request.extensions.get(SERVER_NAME, host) if scheme == "https" else host
        origin = Origin(scheme, host, request.url.port or PORTS[scheme], name)
        idle = self._take_idle(origin)
        if idle is not None:
            with suppress(StaleConnectionError):
                return self._respond(idle, request, body)
        return self._respond(self._connect(origin, request), request, body)

    def close(self) -> None:
        """Close idle connections and break those in use; threads that wait for data get an error."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            busy = list(self._busy)
        for connection in idle:
            connection.close()
        for connection in busy:
            connection.shut_down()

    def _respond(self, connection: Connection, request: httpx.Request, body: bytes) -> httpx.Response:
        try:
            connection.attach(request.extensions.get(CANCELLATION))
            head = connection.exchange(request, body)
        except BaseException:
            self._release(connection, reusable=False)
            raise
        stream = DirectBody(connection.reader, head, lambda reusable: self._release(connection, reusable))
        extensions = {
            "http_version": b"HTTP/1.%d" % head.minor,
            "reason_phrase": head.reason,
            RECEIVE_INTO: stream.receive_into,
        }
        return httpx.Response(head.status, headers=head.headers, stream=stream, extensions=extensions)

    def _take_idle(self, origin: Origin) -> Connection | None:
        """Return the idle connection that was used last and still looks usable; close those that do not."""
        while True:
            with self._lock:
                found = next((idle for idle in reversed(self._idle) if idle.origin == origin), None)
                if found is None:
                    return None
                with suppress(ValueError):  # a signal handler has closed the transport
                    self._idle.remove(found)
                self._busy.add(found)
            if found.usable:
                return found
            self._release(found, reusable=False)

    def _connect(self, origin: Origin, request: httpx.Request) -> Connection:
        trusted = self._tls.context if origin.scheme == "https" else None
        connection = Connection(origin, request.extensions, trusted)
        with self._lock:
            if not self._closed:
                self._busy.add(connection)
                return connection
        connection.close()
        raise httpx.ConnectError("the transport is closed")

    def _release(self, connection: Connection, reusable: bool) -> None:
        connection.detach()
        with self._lock:
            self._busy.discard(connection)
            if reusable:
                connection.idle_since = monotonic()
                self._idle.append(connection)
            surplus = len(self._idle) - (0 if self._closed else MAX_IDLE)
            unwanted = [self._idle.pop(0) for _ in range(surplus)]
        for idle in unwanted:
            idle.close()
        if not reusable:
            connection.close()


class DirectBody(httpx.SyncByteStream):
    """The body of a response. `receive_into` fills given memory; iterating yields pieces.

    Raises `httpx.ReadTimeout`, `httpx.ReadError`, and `httpx.RemoteProtocolError` for a truncated or malformed body.
    """

    def __init__(self, reader: ResponseReader, head: ResponseHead, release: Callable[[bool], None]) -> None:
        """release: called once with whether the connection can be reused."""
        self._reader = reader
        self._chunked = head.chunked
        self._left = 0 if head.chunked else head.length  # bytes of the chunk or body; None: until the end
        self._reusable = head.reusable
        self._inside = False
        self._release: Callable[[bool], None] | None = release

    def receive_into(self, memory: memoryview) -> int:
        """Receive the next bytes of the body: as many as are available, at least 1; 0 at the end of the body.

        memory: writable, at least one byte.
        """
        try:
            return self._receive(memory)
        except TimeoutError as error:
            self.close()
            raise httpx.ReadTimeout(str(error) or "timed out") from error
        except MalformedResponseError as error:
            self.close()
            raise httpx.RemoteProtocolError(str(error)) from error
        except (OSError, ValueError) as error:  # ValueError: the body is closed
            self.close()
            raise httpx.ReadError(str(error)) from error

    def _receive(self, memory: memoryview) -> int:
        if self._left == 0 and not (self._chunked and self._next_chunk()):
            self._end(self._reusable)
            return 0
        if self._left is not None and len(memory) > self._left:
            memory = memory[: self._left]
        count = self._reader.receive_into(memory)
        if self._left is not None:
            if not count:
                raise MalformedResponseError("the connection ended inside a body")
            self._left -= count
        elif not count:
            self._end(False)
        return count

    def _next_chunk(self) -> bool:
        """Read the lines between two chunks; return whether there is another chunk."""
        if self._inside and self._reader.read_line(2) != b"\r\n":
            raise MalformedResponseError("a chunk without its end: truncated, or its length is wrong")
        self._inside = True
        line = self._line()
        size = line.partition(b";")[0].strip()
        if not 0 < len(size) <= 16 or not HEX_DIGITS.issuperset(size):
            raise MalformedResponseError(f"chunk length {line[:20]!r}: expected a hexadecimal number")
        self._left = int(size, 16)
        if self._left:
            return True
        for _ in range(MAX_TRAILERS):
            if self._line() in (b"\r\n", b"\n"):
                return False
        raise MalformedResponseError(f"more than {MAX_TRAILERS} trailers after a body")

    def _line(self) -> bytes:
        line = self._reader.read_line(MAX_LINE_BYTES)
        if not line.endswith(b"\n"):
            raise MalformedResponseError("a line without its end between chunks: truncated or malformed")
        return line

    def _end(self, reusable: bool) -> None:
        self._left, self._chunked = 0, False
        release, self._release = self._release, None
        if release is not None:
            release(reusable)

    def __iter__(self) -> Iterator[bytes]:
        memory = bytearray(PIECE_BYTES)
        while count := self.receive_into(memoryview(memory)):
            yield bytes(memory[:count])

    def close(self) -> None:
        """Release the connection; unless the body was read to its end, the connection is closed."""
        release, self._release = self._release, None
        if release is not None:
            release(False)


def receiver(response: httpx.Response, pace: Pace | None = None) -> Callable[[memoryview], int]:
    """Return the function that receives a response's body, whatever its transport.

    It fills a writable memoryview with the next bytes and returns how many: at least one, or 0 at the end. Nothing is
    decoded: `Exchange.begin` refuses content codings. pace: of the request, which a direct transport keeps to itself.
    """
    direct: Callable[[memoryview], int] | None = response.extensions.get(RECEIVE_INTO)
    return direct or _Pieces(response.iter_raw(), pace or Pace(None)).receive_into


class _Pieces:
    """A body that arrives in pieces and is copied into the reader's memory."""

    def __init__(self, pieces: Iterable[bytes], pace: Pace) -> None:
        self._pieces = iter(pieces)
        self._pace = pace
        self._rest = memoryview(b"")

    def receive_into(self, memory: memoryview) -> int:
        while not self._rest:
            self._pace.wait()
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            count_piece(self._pace, len(piece))
            self._rest = memoryview(piece)
        count = min(len(memory), len(self._rest))
        memory[:count], self._rest = self._rest[:count], self._rest[count:]
        return count
