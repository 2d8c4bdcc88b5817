"""The client's own transport: HTTP/1.1 on the standard library, with bodies received into given memory.

httpx hands out a body as pieces, each a fresh object that is copied once more. Here the bytes go from the socket to
where they are to stay. In all else it is a transport as any other of httpx, with its errors, behind the same seam.
"""

import ssl
import threading
import urllib.request
from collections.abc import Callable, Iterable
from time import monotonic
from urllib.parse import urlsplit
from weakref import WeakSet

import httpx

from client.transport.connection import Connection, DirectBody, NoAnswerError

MOST_IDLE = 20
IDLE_SECONDS = 5.0
"""How long an idle connection is kept, as httpx does: routers forget those that are silent for longer."""

PORTS = {"http": 80, "https": 443}

RECEIVE_INTO = "receive_into"
"""The extension of a response that holds the function to receive its body with: (*memoryviews) → bytes received."""


class DirectTransport(httpx.BaseTransport):
    """A transport whose responses can be received into memory of the reader's choice.

        response.extensions["receive_into"](*rooms)    puts the next bytes of the body, as they are on the wire, into
                                                       writable memoryviews, one after the other; returns how many, 0 at
                                                       the end

    Connections are kept and used again; several threads may use one transport. There is no bound on how many are open
    at once. A request on a connection that turns out to have been closed meanwhile is sent once more on a fresh one, if
    nothing of an answer came: so it is for requests that may be made twice, as all of this client are. Servers for
    https are trusted as httpx trusts them. Raises httpx's errors.
    """

    def __init__(self) -> None:
        """Connect to nothing yet."""
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._busy: WeakSet[Connection] = WeakSet()  # an answer that is dropped unread takes its connection along
        self._trust: ssl.SSLContext | None = None
        self._closed = False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; return the response when its headers are there."""
        scheme = request.url.scheme
        if scheme not in PORTS:
            raise httpx.UnsupportedProtocol(f"scheme {scheme!r}: expected http or https")
        if not isinstance(request.stream, httpx.SyncByteStream):
            raise httpx.LocalProtocolError("a request body for asyncio: expected one that can be read at once")
        body = b"".join(request.stream)
        origin = (scheme, request.url.raw_host.decode("ascii"), request.url.port or PORTS[scheme])
        kept = self._reusable(origin)
        if kept is not None:
            try:
                return self._respond(kept, request, body)
            except NoAnswerError:
                pass  # it had been closed meanwhile, so a fresh one is tried
        timeout = request.extensions.get("timeout", {})
        return self._respond(self._enlist(Connection(origin, timeout.get("connect"), self._context)), request, body)

    def close(self) -> None:
        """Close idle connections and break those in use, whoever waits for them."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            busy = list(self._busy)
        for connection in idle:
            connection.close()
        for connection in busy:
            connection.shut()

    def _respond(self, connection: Connection, request: httpx.Request, body: bytes) -> httpx.Response:
        try:
            head = connection.ask(request, body, request.extensions.get("timeout", {}))
        except BaseException:
            self._release(connection, False)
            raise
        stream = DirectBody(head, connection, self._release)
        extensions = {
            "http_version": b"HTTP/1.%d" % head.minor,
            "reason_phrase": head.reason,
            RECEIVE_INTO: stream.receive_into,
        }
        return httpx.Response(head.status, headers=head.headers, stream=stream, extensions=extensions)

    def _reusable(self, origin: tuple[str, str, int]) -> Connection | None:
        """Return an idle connection that looks usable, the last one used first; close those that do not."""
        while True:
            with self._lock:
                found = next((kept for kept in reversed(self._idle) if kept.origin == origin), None)
                if found is None:
                    return None
                self._idle.remove(found)
                self._busy.add(found)
            if found.idle_since is not None and monotonic() - found.idle_since < IDLE_SECONDS and found.alive:
                return found
            self._release(found, False)

    def _enlist(self, connection: Connection) -> Connection:
        with self._lock:
            closed = self._closed
            if not closed:
                self._busy.add(connection)
        if closed:
            connection.close()
            raise httpx.ConnectError("the transport is closed")
        return connection

    def _release(self, connection: Connection, reusable: bool) -> None:
        with self._lock:
            self._busy.discard(connection)
            keep = reusable and not self._closed
            if keep:
                connection.idle_since = monotonic()
                self._idle.append(connection)
            surplus = [self._idle.pop(0)] if len(self._idle) > MOST_IDLE else []
        for unwanted in [*surplus, *([] if keep else [connection])]:
            unwanted.close()

    def _context(self) -> ssl.SSLContext:
        with self._lock:
            if self._trust is None:
                self._trust = httpx.create_ssl_context()
                self._trust.set_alpn_protocols(["http/1.1"])
            return self._trust


def transport_for(url: str) -> httpx.BaseTransport | None:
    """Return the transport for a server: None, which is httpx's own, where a proxy stands between."""
    return None if proxy_applies(url) else DirectTransport()


def proxy_applies(url: str) -> bool:
    """Whether the environment or the system names a proxy for a URL."""
    parts = urlsplit(url)
    proxies = urllib.request.getproxies()
    named = proxies.get(parts.scheme) or proxies.get("all")
    return bool(named) and not urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2])


def receiver(response: httpx.Response) -> Callable[..., int]:
    """Return the function that receives a response's body, whatever the transport.

    It puts the next bytes into the writable memoryviews that it is given, one after the other, and returns how many:
    at least one, or 0 at the end.
    """
    direct: Callable[..., int] | None = response.extensions.get(RECEIVE_INTO)
    if direct is not None and response.headers.get("content-encoding", "identity") == "identity":
        return direct
    return _Pieces(response.iter_bytes()).receive_into


class _Pieces:
    """A body that comes as pieces, copied to where it belongs."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = memoryview(b"")

    def receive_into(self, room: memoryview, *_: memoryview) -> int:
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        count = min(len(room), len(self._rest))
        room[:count], self._rest = self._rest[:count], self._rest[count:]
        return count
