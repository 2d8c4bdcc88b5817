"""A load balancer for tests: it forwards connections to one server, and later to another."""

import select
import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit


class LoadBalancer:
    """Forwards every connection to one server."""

    def __init__(self, target: str) -> None:
        """Forward to the server with the URL `target`."""
        self._target = target
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._disconnect()

    def switch(self, target: str) -> None:
        """Break all connections, and forward new ones to another server."""
        self._target = target
        self._disconnect()

    def _disconnect(self) -> None:
        for connection in self._open:
            with suppress(OSError):  # closed by its other side
                connection.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def _accept(self) -> None:
        with suppress(OSError):  # the listener is closed
            while True:
                client, _ = self._listener.accept()
                place = urlsplit(self._target)
                server = socket.create_connection((place.hostname or "", place.port or 80))
                self._open += [client, server]
                threading.Thread(target=_forward, args=(client, server), daemon=True).start()


def _forward(client: socket.socket, server: socket.socket) -> None:
    """Copy bytes both ways until either side closes its connection."""
    with client, server, suppress(OSError):
        while True:
            for source in select.select([client, server], [], [])[0]:
                data = source.recv(1 << 16)
                if not data:
                    return
                (server if source is client else client).sendall(data)
