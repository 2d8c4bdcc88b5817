"""A TCP proxy that changes one byte on its way from a server to a client."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class FlippingProxy:
    """Passes bytes on. The byte at `flip_at` of what the server sends from now on is changed once, by `flip`."""

    def __init__(self, target: int) -> None:
        """target: port of the server."""
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._lock = threading.Lock()
        self._left: int | None = None
        self._change = 1
        self._open: list[socket.socket] = []
        self.passed = 0
        self.flips = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def flip(self, place: int, change: int = 1) -> None:
        """Change the byte `place` bytes from here. change: exclusive-ored with it."""
        with self._lock:
            self._left, self._change = place, change

    def close(self) -> None:
        for one in (self._listener, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                return  # closed
            self._open += [client, server]
            threading.Thread(target=self._pass, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client, True), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, changing: bool) -> None:
        with suppress(OSError):
            while piece := source.recv(1 << 16):
                target.sendall(self._changed(piece) if changing else piece)
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _changed(self, piece: bytes) -> bytes:
        with self._lock:
            self.passed += len(piece)
            if self._left is None:
                return piece
            if self._left >= len(piece):
                self._left -= len(piece)
                return piece
            changed = bytearray(piece)
            changed[self._left] ^= self._change
            self._left = None
            self.flips += 1
            return bytes(changed)


@contextmanager
def flipping_proxy(target: int) -> Iterator[FlippingProxy]:
    """Run a proxy in front of a server's port for the length of the block."""
    proxy = FlippingProxy(target)
    try:
        yield proxy
    finally:
        proxy.close()
