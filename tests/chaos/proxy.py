"""A TCP proxy between trainer and server that disturbs what it forwards, on command."""

import socket
import struct
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

HOST = "127.0.0.1"
LOOK_SECONDS = 0.02
"""How soon a held connection notices that the trouble is over."""

BYTE_SECONDS = 0.05
"""Time between two bytes that dribble."""

LARGEST = 1 << 14
"""Bytes that are forwarded at once."""

BUFFER = 1 << 15
"""Bytes that the proxy's sockets buffer: few, so that the trainer soon notices what happens to the server."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What happens to bytes that the server sends.

    delay: seconds before each piece. dribble: single bytes, with pauses. drop: nothing arrives, connections stay open.
    """

    delay: float = 0.0
    dribble: bool = False
    drop: bool = False


NONE = Trouble()


@dataclass(slots=True)
class Flip:
    """One bit to flip in the next piece from the server.

    place: of the byte within the piece, 0 … 1. done: set once the bit was flipped.
    """

    place: float
    bit: int
    done: threading.Event


class Proxy:
    """Forwards every connection to the server's port.

    Attributes:
        target: the port.
        trouble: what happens to bytes that the server sends.
        forwarded: bytes that the server has sent.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.trouble = NONE
        self.forwarded = 0
        self._flip: Flip | None = None
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://{HOST}:{self.port}"

    def __enter__(self) -> Self:
        self._start_accepting()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.refuse()
        self.trouble = NONE
        self.cut()

    def cut(self) -> None:
        """Break all connections."""
        for connection in list(self._open):
            with suppress(OSError):  # closed by its other side
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.shutdown(socket.SHUT_RDWR)

    def refuse(self) -> None:
        """Refuse connections from now on. Open ones go on."""
        with suppress(OSError):  # refused already
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def accept(self) -> None:
        """Accept connections again."""
        if self._listener.fileno() < 0:
            self._listener = socket.create_server((HOST, self.port))
            self._start_accepting()

    def flip(self, place: float, bit: int, seconds: float) -> bool:
        """Flip a bit of what the server sends next; return whether it sent anything within `seconds`."""
        self._flip = flip = Flip(place, bit, threading.Event())
        done = flip.done.wait(seconds)
        self._flip = None
        return done

    def _start_accepting(self) -> None:
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):  # the listener is closed
            while True:
                client, _ = listener.accept()
                threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        with client, suppress(OSError), socket.socket() as server:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
            server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
            server.connect((HOST, self.target))
            self._open |= {client, server}
            upstream = threading.Thread(target=self._forward, args=(client, server, False), daemon=True)
            upstream.start()
            self._forward(server, client, True)
            upstream.join()
            self._open -= {client, server}

    def _forward(self, source: socket.socket, sink: socket.socket, from_server: bool) -> None:
        """Forward one direction until either side ends, then end both."""
        with suppress(OSError):
            while data := source.recv(LARGEST):
                if from_server:
                    self.forwarded += len(data)
                    self._disturb(data, sink)
                else:
                    sink.sendall(data)
        for connection in (source, sink):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _disturb(self, data: bytes, sink: socket.socket) -> None:
        """Send what the server sent, with the trouble of the moment."""
        time.sleep(self.trouble.delay)
        while self.trouble.drop:
            time.sleep(LOOK_SECONDS)
        sent = 0
        while self.trouble.dribble and sent < len(data):
            sink.sendall(data[sent : sent + 1])
            sent += 1
            time.sleep(BYTE_SECONDS)
        sink.sendall(self._flipped(data[sent:]))

    def _flipped(self, data: bytes) -> bytes:
        flip, self._flip = self._flip, None
        if flip is None or not data:
            self._flip = flip
            return data
        changed = bytearray(data)
        changed[int(flip.place * (len(data) - 1))] ^= 1 << flip.bit
        flip.done.set()
        return bytes(changed)
