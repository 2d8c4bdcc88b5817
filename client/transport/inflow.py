"""What arrives on a connection: lines and heads by way of a small desk, bodies straight to where they are to stay."""

import http.client
import os
import re
import socket
import ssl
import struct
from collections.abc import Sequence

DESK_BYTES = 4 << 10
"""Bytes that are taken at once where a line or a head is due. What follows it is copied once more."""

LONGEST_HEAD = 64 << 10
"""Bytes of a head past which it is refused."""

HEAD_END = re.compile(rb"\r?\n\r?\n")


class Inflow:
    """The receiving side of a socket. Errors are OSError, TimeoutError among them, and `http.client.HTTPException`.

    A socket with a timeout of Python's is asked whether it has something before each call that receives. Here the
    system itself watches the time (SO_RCVTIMEO), which takes one call in place of two; but not for TLS, where one
    piece may take several calls.
    """

    def __init__(self, channel: socket.socket) -> None:
        """channel: connected; how long calls on it may take is changed as the inflow needs it."""
        self._socket = channel
        self._plain = os.name == "posix" and not isinstance(channel, ssl.SSLSocket)
        self._patience: float | None = None  # what SO_RCVTIMEO was last set to; None: no end
        self._desk = bytearray(DESK_BYTES)
        self._view = memoryview(self._desk)
        self._start = self._end = 0
        self.begun = False
        """Whether something of the last head came."""

    @property
    def waiting(self) -> bool:
        """Whether bytes have been received that nobody has taken."""
        return self._start < self._end

    def allow(self, seconds: float | None) -> None:
        """From now on wait so long for the next bytes; None: for ever."""
        if not self._plain:
            self._socket.settimeout(seconds)
            return
        self._socket.settimeout(None)
        if seconds != self._patience:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _timeval(seconds))
            self._patience = seconds

    def head(self) -> bytes | None:
        """Receive up to the empty line that ends a head; return what is before it, or None if nothing comes at all."""
        found = b""
        self.begun = False
        while len(found) < LONGEST_HEAD:
            if not self.waiting and not self._fill():
                if not self.begun:
                    return None
                raise http.client.HTTPException("the connection ended inside the head of an answer")
            self.begun = True
            before = len(found)
            found += self._view[self._start : self._end]
            end = HEAD_END.search(found, max(0, before - 3))
            if end is not None:
                self._start += end.end() - before
                return found[: end.start()]
            self._start = self._end
        raise http.client.HTTPException(f"a head of more than {LONGEST_HEAD} bytes")

    def line(self, longest: int) -> bytes:
        """Receive a line, its end included; or what there is of it, if the connection ends or it is longer."""
        found = b""
        while len(found) < longest and (self.waiting or self._fill()):
            most = min(self._end, self._start + longest - len(found))
            at = self._desk.find(b"\n", self._start, most)
            stop = most if at < 0 else at + 1
            found += self._view[self._start : stop]
            self._start = stop
            if at >= 0:
                break
        return found

    def into(self, rooms: Sequence[memoryview]) -> int:
        """Put what is there, or comes next, into writable memory, one room after the other; return how many bytes.

        At least one; 0 where the connection ended.
        """
        if self._start < self._end:
            count = min(len(rooms[0]), self._end - self._start)
            rooms[0][:count] = self._view[self._start : self._start + count]
            self._start += count
            return count
        try:
            if len(rooms) == 1 or not self._plain:
                return self._socket.recv_into(rooms[0])
            return self._socket.recvmsg_into(rooms)[0]
        except BlockingIOError as error:
            raise TimeoutError("timed out") from error

    def _fill(self) -> bool:
        """Receive onto the empty desk; return False where the connection ended."""
        self._start = self._end = 0
        self._end = self.into((self._view,))
        return self._end > 0


def _timeval(seconds: float | None) -> bytes:
    """Return a `struct timeval` of the system; all zeros stand for no end."""
    if seconds is None:
        return struct.pack("@ll", 0, 0)
    whole, rest = divmod(max(1, round(min(seconds, 1e9) * 1e6)), 1_000_000)
    return struct.pack("@ll", whole, rest)
