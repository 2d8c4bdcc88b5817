"""Length-prefixed messages on a stream socket.

    frame:  ┌──────────────────┬───────────────┐
            │ length N, uint32 │ body, N bytes │   little-endian
            └──────────────────┴───────────────┘

`FrameSocket` is for blocking code, `sampler.ipc.async_frames` for an event loop.
"""

import select
import socket
import struct
import threading
from collections.abc import Callable

LENGTH = struct.Struct("<I")
TIMEVAL = struct.Struct("@ll")
"""The system's `struct timeval`: seconds and microseconds."""

READ_SIZE = 1 << 16
"""Bytes requested from the socket at once. One call should get a whole frame: in a busy process, each call costs a wait
for the interpreter lock."""

CHECK_SECONDS = 2.0
"""Interval of the check whether the peer still runs, and the wait after which a reader is idle."""


def encode_frame(body: bytes) -> bytes:
    """Return the frame of a message."""
    return LENGTH.pack(len(body)) + body


class FrameBuffer:
    """Splits received bytes into frames, however the socket cut them."""

    def __init__(self) -> None:
        self._unread = bytearray()

    def feed(self, data: bytes) -> None:
        """Add received bytes."""
        self._unread += data

    def next(self) -> bytes | None:
        """Remove and return the next complete body; None if there is none yet."""
        if len(self._unread) < LENGTH.size:
            return None
        end = LENGTH.size + LENGTH.unpack_from(self._unread)[0]
        if len(self._unread) < end:
            return None
        with memoryview(self._unread) as unread:
            body = bytes(unread[LENGTH.size : end])
        del self._unread[:end]
        return body


class FrameSocket:
    """Sends and receives frames, blocking. One thread may read while others send."""

    def __init__(
        self,
        channel: socket.socket,
        peer_alive: Callable[[], bool] | None = None,
        on_idle: Callable[[], None] | None = None,
        send_seconds: float | None = None,
    ) -> None:
        """Use `channel`, which nothing else may read from.

        Args:
            channel: a connected stream socket; the caller closes it.
            peer_alive: called every few seconds while nothing arrives. Needed where a third process may hold the
                peer's end open, so that the peer's exit does not end the connection, and where the peer may hang.
            on_idle: called once in each wait during which nothing arrives for some seconds.
            send_seconds: how long a message may wait for a peer that does not read; None for any time.
        """
        self._channel = channel
        self._peer_alive = peer_alive
        self._on_idle = on_idle
        self._received = FrameBuffer()
        self._sending = threading.Lock()
        if send_seconds is not None:
            limit = TIMEVAL.pack(*divmod(round(send_seconds * 1e6), 1_000_000))
            channel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        self._poll = select.poll()  # not select(), which refuses descriptors above 1023
        self._poll.register(channel, select.POLLIN)

    def send(self, body: bytes) -> None:
        """Send a message. Raises ConnectionError if the peer is gone, TimeoutError after `send_seconds`.

        After a TimeoutError, the peer may have received a part of the message: the socket is of no more use.
        """
        try:
            with self._sending:
                self._channel.sendall(encode_frame(body))
        except BlockingIOError as error:  # how the kernel reports that SO_SNDTIMEO is over
            raise TimeoutError("the peer does not read") from error

    def read(self) -> bytes | None:
        """Wait for the next message; None if the peer is gone, or the channel was closed meanwhile."""
        while (body := self._received.next()) is None:
            if not self._wait():
                return None
            try:
                data = self._channel.recv(READ_SIZE)
            except OSError as error:
                if isinstance(error, ConnectionError) or self._channel.fileno() < 0:
                    return None
                raise
            if not data:
                return None
            self._received.feed(data)
        return body

    def read_arrived(self) -> bytes | None:
        """Return the next message if it has arrived; None if not, or if the peer is gone, which `read` reports."""
        while (body := self._received.next()) is None and self._poll.poll(0):
            try:
                data = self._channel.recv(READ_SIZE)
            except OSError:
                return None
            if not data:
                return None
            self._received.feed(data)
        return body

    def _wait(self) -> bool:
        """Wait until the socket is readable (True) or the peer is gone (False)."""
        if self._peer_alive is None and self._on_idle is None:
            return True  # reading waits
        on_idle = self._on_idle
        while not self._poll.poll(CHECK_SECONDS * 1000):
            if self._peer_alive is not None and not self._peer_alive():
                return False
            if on_idle is not None:
                on_idle()
                on_idle = None
        return True
