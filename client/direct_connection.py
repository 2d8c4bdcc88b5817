"""One HTTP/1.1 connection, and the body of an answer on it, received into whatever memory the reader gives."""

import http.client
import select
import socket
import ssl
import string
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress

import httpx

PIECE_BYTES = 64 << 10
"""Bytes of a piece where a body is read as pieces."""

LONGEST_LINE = 16 << 10
"""Bytes of a line between chunks past which it is refused."""

MOST_TRAILERS = 100
HEX_DIGITS = frozenset(string.hexdigits.encode())


class NoAnswerError(Exception):
    """A connection that had been used before turned out to be closed: nothing of an answer came."""


class Connection:
    """A connection to (scheme, host, port) that is open. Raises httpx's errors."""

    def __init__(
        self, origin: tuple[str, str, int], seconds: float | None, context: Callable[[], ssl.SSLContext]
    ) -> None:
        """Connect within `seconds`. context: gives how to trust a server, for https."""
        scheme, host, port = origin
        self.origin = origin
        self.idle_since: float | None = None
        self._http = (
            http.client.HTTPSConnection(host, port, timeout=seconds, context=context())
            if scheme == "https"
            else http.client.HTTPConnection(host, port, timeout=seconds)
        )
        try:
            self._http.connect()  # sets TCP_NODELAY; the receive buffer is left to grow by itself, which is faster
        except TimeoutError as error:
            raise httpx.ConnectTimeout(str(error) or "timed out") from error
        except (OSError, UnicodeError) as error:
            raise httpx.ConnectError(str(error)) from error
        self._socket: socket.socket = self._http.sock

    @property
    def alive(self) -> bool:
        """Whether an idle connection looks usable: nothing to read on it, which would be its end or a stray answer."""
        waiting = select.poll()
        try:
            waiting.register(self._socket, select.POLLIN)
            return not waiting.poll(0)
        except (OSError, ValueError):
            return False

    def ask(self, request: httpx.Request, body: bytes, timeout: Mapping[str, float | None]) -> http.client.HTTPResponse:
        """Send a request and return the answer, up to its headers. Raises `NoAnswerError` if it may be sent again."""
        unsent = self._send(request, body, timeout.get("write"))
        try:
            self._socket.settimeout(timeout.get("read"))
            return self._http.getresponse()
        except TimeoutError as error:
            raise httpx.ReadTimeout(str(error) or "timed out") from error
        except (http.client.HTTPException, OSError, ValueError) as error:
            if self.idle_since is not None and isinstance(error, ConnectionError):
                raise NoAnswerError from error
            if unsent is not None:
                raise httpx.WriteError(str(unsent)) from unsent
            kind = httpx.RemoteProtocolError if isinstance(error, http.client.HTTPException) else httpx.ReadError
            raise kind(str(error) or type(error).__name__) from error

    def _send(self, request: httpx.Request, body: bytes, seconds: float | None) -> OSError | None:
        """Send a request. An error other than a timeout is returned: an answer may have come before it."""
        try:
            self._socket.settimeout(seconds)
            self._http.putrequest(
                request.method, request.url.raw_path.decode("ascii"), skip_host=True, skip_accept_encoding=True
            )
            for name, value in request.headers.raw:
                if name.lower() not in (b"transfer-encoding", b"content-length"):
                    self._http.putheader(name, value)
            if body or b"content-length" in {name.lower() for name, _ in request.headers.raw}:
                self._http.putheader("Content-Length", str(len(body)))
            self._http.endheaders(body or None)
        except TimeoutError as error:
            raise httpx.WriteTimeout(str(error) or "timed out") from error
        except OSError as error:
            return error
        except (http.client.HTTPException, ValueError) as error:
            raise httpx.LocalProtocolError(str(error)) from error
        return None

    def shut(self) -> None:
        """Break the connection, also while another thread waits for it."""
        with suppress(OSError):  # it may be broken or closed already, which is what is wanted
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection."""
        self._http.close()
        self._socket.close()


class DirectBody(httpx.SyncByteStream):
    """The body of an answer: `receive_into` fills memory of the reader's choice; iterating gives it as pieces.

    Raises `httpx.ReadTimeout`, `httpx.ReadError`, or `httpx.RemoteProtocolError` for a body that is cut or malformed.
    """

    def __init__(
        self, answer: http.client.HTTPResponse, connection: Connection, done: Callable[[Connection, bool], None]
    ) -> None:
        """done: called once with the connection, and whether it may be used again."""
        self._answer = answer
        self._file = answer.fp
        self._connection = connection
        self._done = done
        self._closing = threading.Lock()
        self._closed = self._ended = self._between = False
        self._chunked = bool(answer.chunked)
        self._left = 0 if self._chunked else answer.length  # of the chunk or of all; None: until the connection ends

    def receive_into(self, room: memoryview) -> int:
        """Put the next bytes of the body at the start of `room`; return how many: as many as are there, 0 at the end.

        Waits until there is at least one, or the end.
        """
        try:
            return self._receive(room)
        except TimeoutError as error:
            self.close()
            raise httpx.ReadTimeout(str(error) or "timed out") from error
        except http.client.HTTPException as error:
            self.close()
            raise httpx.RemoteProtocolError(str(error)) from error
        except (OSError, ValueError) as error:  # ValueError: closed by another thread
            self.close()
            raise httpx.ReadError(str(error)) from error

    def _receive(self, room: memoryview) -> int:
        if self._ended:
            return 0
        if self._closed:
            raise OSError("the answer is closed")
        if self._left == 0 and not (self._chunked and self._next_chunk()):
            self._end()
            return 0
        count = self._file.readinto1(room[: self._left])
        if count and self._left is not None:
            self._left -= count
        elif not count and self._left is None:
            self._end()
        elif not count:
            raise http.client.HTTPException("the connection ended inside a body")
        return count

    def _next_chunk(self) -> bool:
        """Read the line that begins a chunk, and the end of the one before; return whether there is another."""
        if self._between and self._file.readline(3) != b"\r\n":
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
        line = self._file.readline(LONGEST_LINE)
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
        self._leave(not self._answer.will_close)

    def close(self) -> None:
        """Let go of the connection: it is closed where the body was not read to its end."""
        self._leave(False)

    def _leave(self, reusable: bool) -> None:
        with self._closing:
            if self._closed:
                return
            self._closed = True
        self._answer.close()
        self._done(self._connection, reusable)
