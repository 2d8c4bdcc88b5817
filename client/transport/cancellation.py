"""Ending a request from another thread than the one that waits for its response."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

import httpx

CANCELLATION = "cancellation"
"""Request extension with the `Cancellation` that a direct transport keeps to."""


class CancelledError(Exception):
    """The request was cancelled."""


class Cancellation:
    """Ends a request at any time: while it connects, sends, or waits for bytes. Its connection is not reused."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shut_down: Callable[[], None] | None = None
        self._cancelled = False

    @property
    def cancelled(self) -> bool:
        return self._cancelled

    def attach(self, shut_down: Callable[[], None]) -> None:
        """Name what ends the connection. It must not wait. Raises `CancelledError` if the request was cancelled."""
        with self._lock:
            self._shut_down = shut_down
            if self._cancelled:
                raise CancelledError

    def attach_response(self, response: httpx.Response) -> None:
        """Do the same for a response of httpx's own transport, whose connection is not known before its head."""
        stream = response.extensions.get("network_stream")
        opened = None if stream is None else stream.get_extra_info("socket")
        if opened is not None:
            assert isinstance(response.stream, httpx.SyncByteStream)
            response.stream = _Detaching(response.stream, self)
            self.attach(partial(shut_down, opened))

    def detach(self) -> None:
        """The connection is released: from here on it may belong to another request."""
        with self._lock:
            self._shut_down = None

    def cancel(self) -> None:
        """End the request. May be called again, and before the request has begun."""
        with self._lock:
            self._cancelled = True
            if self._shut_down is not None:
                self._shut_down()


class _Detaching(httpx.SyncByteStream):
    """The body of a response, which cannot be cancelled any more once it releases its connection."""

    def __init__(self, stream: httpx.SyncByteStream, cancellation: Cancellation) -> None:
        self._stream = stream
        self._cancellation = cancellation

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._stream)

    def close(self) -> None:
        self._cancellation.detach()
        self._stream.close()


@contextmanager
def cancellable(cancellation: Cancellation | None) -> Iterator[None]:
    """Raise `CancelledError` in place of the error that a cancelled request gives: nobody looks for its cause."""
    try:
        yield
    except Exception as error:
        if cancellation is not None and cancellation.cancelled:
            raise CancelledError from error
        raise


def shut_down(opened: socket.socket) -> None:
    """Close a connection, even while another thread waits for data on it."""
    with suppress(OSError):  # already broken or closed
        opened.shutdown(socket.SHUT_RDWR)
