"""Reads HTTP/1.1 responses from a socket: heads, lines, and bodies straight into given memory."""

import math
import os
import re
import socket
import ssl
import struct
from dataclasses import dataclass

from client.transport.pace import Pace

BUFFER_BYTES = 4 << 10
"""Bytes received at once while a head or a line is read. What follows it in the buffer is copied once more."""

MAX_HEAD_BYTES = 64 << 10
MAX_HEADERS = 100

STATUS_LINE = re.compile(rb"HTTP/1\.(\d) (\d{3})(?: ([^\r\n]*))?\r?")
HEADER_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(.*?)[ \t]*\r?", re.DOTALL)
HEAD_END = re.compile(rb"\r?\n\r?\n")

STATUS_WITHOUT_BODY = (204, 304)

Header = tuple[bytes, bytes]


class MalformedResponseError(Exception):
    """The bytes are not an HTTP/1.1 response, or not all of it."""


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """The status line and headers of a response, and what they say about the body.

    Attributes:
        minor: the 1 of HTTP/1.1.
        length: bytes of the body; None if it is chunked or ends with the connection.
        reusable: whether the connection can be used again after the body.
    """

    minor: int
    status: int
    reason: bytes
    headers: list[Header]
    chunked: bool
    length: int | None
    reusable: bool


class ResponseReader:
    """The receiving side of a socket. Raises OSError (TimeoutError too), `MalformedResponseError`, `OutOfTimeError`.

    Python polls a socket with a timeout before each receiving call. On a plain socket the kernel enforces the timeout
    instead (SO_RCVTIMEO), which saves half of the system calls.
    """

    def __init__(self, channel: socket.socket) -> None:
        self._socket = channel
        self._kernel_timeout = os.name == "posix" and not isinstance(channel, ssl.SSLSocket)
        self._timeout: float | None = None
        self.pace = Pace(None)
        """How long later waits for bytes may take."""
        self._buffer = bytearray(BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._start = self._end = 0
        self.begun = False
        """Whether any byte of the last head arrived."""

    @property
    def unread(self) -> bool:
        """Whether bytes have arrived that were not read."""
        return self._start < self._end

    def _set_timeout(self, seconds: float | None) -> None:
        if self._kernel_timeout:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _timeval(seconds))
        else:
            self._socket.settimeout(seconds)
        self._timeout = seconds

    def begin(self, pace: Pace) -> None:
        """Prepare for a response. pace: limits its waits for bytes."""
        self.pace = pace
        if self._kernel_timeout:
            self._socket.settimeout(None)
        else:
            self._timeout = math.nan  # the timeout of sending applies to the socket: set another one

    def read_head(self, method: str) -> ResponseHead:
        """Read a head. method: of the request, because a response to HEAD has no body."""
        head = b""
        self.begun = False
        while len(head) < MAX_HEAD_BYTES:
            if not self.unread and not self._fill():
                raise MalformedResponseError("the connection ended before the head of a response was complete")
            self.begun = True
            known = len(head)
            head += self._view[self._start : self._end]
            end = HEAD_END.search(head, max(0, known - 3))
            if end is not None:
                self._start += end.end() - known
                return _parse_head(head[: end.start()], method)
            self._start = self._end
        raise MalformedResponseError(f"a head of more than {MAX_HEAD_BYTES} bytes")

    def read_line(self, limit: int) -> bytes:
        """Read a line with its end; less of it if the connection ends or the line has more than `limit` bytes."""
        line = b""
        while len(line) < limit and (self.unread or self._fill()):
            most = min(self._end, self._start + limit - len(line))
            at = self._buffer.find(b"\n", self._start, most)
            stop = most if at < 0 else at + 1
            line += self._view[self._start : stop]
            self._start = stop
            if at >= 0:
                break
        return line

    def receive_into(self, memory: memoryview) -> int:
        """Receive the next bytes into memory; return how many, 0 if the connection ended."""
        if self.unread:
            count = min(len(memory), self._end - self._start)
            memory[:count] = self._view[self._start : self._start + count]
            self._start += count
            return count
        seconds = self.pace.wait()
        if seconds != self._timeout:
            self._set_timeout(seconds)
        try:
            count = self._socket.recv_into(memory)
        except (BlockingIOError, TimeoutError) as error:  # the former is how the kernel reports SO_RCVTIMEO
            self.pace.wait()  # raises if it is the deadline that has passed
            raise TimeoutError("timed out") from error
        self.pace.received(count)
        return count

    def _fill(self) -> bool:
        self._start = self._end = 0
        self._end = self.receive_into(self._view)
        return self._end > 0


def _timeval(seconds: float | None) -> bytes:
    """Return a `struct timeval`; all zeros mean no limit."""
    if seconds is None:
        return struct.pack("@ll", 0, 0)
    return struct.pack("@ll", *divmod(max(1, round(min(seconds, 1e9) * 1e6)), 1_000_000))


def _parse_head(head: bytes, method: str) -> ResponseHead:
    first, *lines = head.split(b"\n")
    status_line = STATUS_LINE.fullmatch(first)
    if status_line is None:
        raise MalformedResponseError(f"a response that begins with {first[:40]!r}: expected an HTTP/1.1 status line")
    minor, status, reason = int(status_line[1]), int(status_line[2]), status_line[3] or b""
    headers = _parse_headers(lines)
    values: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        values.setdefault(name.lower(), []).append(value)
    options = _tokens(values, b"connection")
    reusable = b"close" not in options and (minor > 0 or b"keep-alive" in options)
    if b"transfer-encoding" in values and (minor == 0 or b"content-length" in values):
        reusable = False  # a proxy in between may have seen another end of the body
    chunked, length = _framing(values)
    if method == "HEAD" or status in STATUS_WITHOUT_BODY:
        chunked, length = False, 0
    return ResponseHead(minor, status, reason, headers, chunked, length, reusable and (chunked or length is not None))


def _parse_headers(lines: list[bytes]) -> list[Header]:
    headers: list[Header] = []
    for line in lines:
        if line[:1] in (b" ", b"\t") and headers:  # a folded line continues the one before
            name, value = headers[-1]
            headers[-1] = (name, value + b" " + line.strip())
            continue
        found = HEADER_LINE.fullmatch(line)
        if found is None:
            raise MalformedResponseError(f"a header line {line[:40]!r}: expected NAME: VALUE")
        headers.append((found[1], found[2]))
    if len(headers) > MAX_HEADERS:
        raise MalformedResponseError(f"more than {MAX_HEADERS} headers")
    return headers


def _framing(values: dict[bytes, list[bytes]]) -> tuple[bool, int | None]:
    """Return whether the body is chunked, and its length if given."""
    codings = _tokens(values, b"transfer-encoding")
    if codings:
        if codings != [b"chunked"]:
            raise MalformedResponseError(f"transfer codings {codings}: expected chunked")
        return True, None
    lengths = set(_tokens(values, b"content-length"))
    if not lengths:
        return False, None
    length = lengths.pop()
    if lengths or not length.isdigit() or len(length) > 18:
        raise MalformedResponseError(f"content lengths {sorted({length, *lengths})}: expected one number of bytes")
    return False, int(length)


def _tokens(values: dict[bytes, list[bytes]], name: bytes) -> list[bytes]:
    return [token.strip().lower() for value in values.get(name, ()) for token in value.split(b",")]
