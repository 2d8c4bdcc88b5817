"""One connection of the direct transport: opened, asked, cancelled from another thread, and closed."""

import re
import select
import socket
import ssl
from collections.abc import Mapping
from functools import partial
from time import monotonic
from typing import Any, NamedTuple

import httpx

from client.transport.cancellation import CANCELLATION, Cancellation, shut_down
from client.transport.pace import PACE, Pace
from client.transport.response_reader import MalformedResponseError, ResponseHead, ResponseReader

IDLE_SECONDS = 5.0
"""How long an idle connection is kept. The same as in httpx: routers drop connections that are silent for longer."""

MAX_INTERIM = 20
"""Interim (1xx) responses accepted before the final one."""

UNSENDABLE = re.compile(rb"[\x00\r\n]")
FRAMING_HEADERS = (b"transfer-encoding", b"content-length")
"""Request headers that the transport writes itself."""


class StaleConnectionError(Exception):
    """The server closed a reused connection before it sent any byte of the response."""


class Origin(NamedTuple):
    """Where a connection leads to; name: that the certificate of an https server must have."""

    scheme: str
    host: str
    port: int
    name: str


class Connection:
    """An open connection to a server."""

    def __init__(self, origin: Origin, extensions: Mapping[str, Any], trust: ssl.SSLContext | None) -> None:
        """Connect. extensions: of the first request."""
        self.origin = origin
        self.idle_since: float | None = None
        self._cancellation: Cancellation | None = extensions.get(CANCELLATION)
        timeout = extensions.get("timeout", {}).get("connect")
        try:
            plain = _connected((origin.host, origin.port), timeout, self._cancellation)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket = plain if trust is None else self._encrypted(plain, trust, origin.name)
        except TimeoutError as error:
            raise httpx.ConnectTimeout(str(error) or "timed out") from error
        except (OSError, ValueError) as error:
            raise httpx.ConnectError(str(error)) from error
        self.reader = ResponseReader(self._socket)

    def _encrypted(self, plain: socket.socket, trust: ssl.SSLContext, name: str) -> ssl.SSLSocket:
        wrapped = trust.wrap_socket(plain, server_hostname=name, do_handshake_on_connect=False)
        try:
            if self._cancellation is not None:
                self._cancellation.attach(partial(shut_down, wrapped))
            wrapped.do_handshake()
        except BaseException:
            wrapped.close()
            raise
        return wrapped

    def attach(self, cancellation: Cancellation | None) -> None:
        """Let a request be cancelled until `detach`. Raises `CancelledError`."""
        self._cancellation = cancellation
        if cancellation is not None:
            cancellation.attach(self.shut_down)

    def detach(self) -> None:
        cancellation, self._cancellation = self._cancellation, None
        if cancellation is not None:
            cancellation.detach()

    @property
    def usable(self) -> bool:
        """Whether an idle connection looks usable: recently used and nothing to read, not even the end."""
        if self.idle_since is None or monotonic() - self.idle_since >= IDLE_SECONDS or self.reader.unread:
            return False
        poll = select.poll()
        try:
            if isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():  # decrypted: no poll shows them
                return False
            poll.register(self._socket, select.POLLIN)
            return not poll.poll(0)
        except (OSError, ValueError):
            return False

    def exchange(self, request: httpx.Request, body: bytes) -> ResponseHead:
        """Send a request and read the head of the response. Raises `StaleConnectionError` and httpx's errors."""
        timeout: Mapping[str, float | None] = request.extensions.get("timeout", {})
        send_error = self._send(_request_head(request, body) + body, timeout.get("write"))
        try:
            self.reader.begin(request.extensions.get(PACE) or Pace(None, timeout.get("read")))
            return self._read_head(request.method)
        except TimeoutError as error:
            raise httpx.ReadTimeout(str(error) or "timed out") from error
        except (MalformedResponseError, OSError, ValueError) as error:
            ended = isinstance(error, ConnectionError | MalformedResponseError)
            if self.idle_since is not None and ended and not self.reader.begun:
                raise StaleConnectionError from error
            if send_error is not None:
                raise httpx.WriteError(str(send_error)) from send_error
            kind = httpx.RemoteProtocolError if isinstance(error, MalformedResponseError) else httpx.ReadError
            raise kind(str(error) or type(error).__name__) from error

    def _read_head(self, method: str) -> ResponseHead:
        """Read the head of the final response, after any interim ones."""
        for _ in range(MAX_INTERIM):
            head = self.reader.read_head(method)
            if head.status >= 200:
                return head
            # From here on the server has begun to respond, even if the next head never arrives.
            self.idle_since = None
        raise MalformedResponseError(f"more than {MAX_INTERIM} interim responses")

    def _send(self, message: bytes, timeout: float | None) -> OSError | None:
        """Send a request. Returns an error other than a timeout: the server may have responded before it."""
        try:
            self._socket.settimeout(timeout)
            self._socket.sendall(message)
        except TimeoutError as error:
            raise httpx.WriteTimeout(str(error) or "timed out") from error
        except OSError as error:
            return error
        return None

    def shut_down(self) -> None:
        """Close the connection, even while another thread waits for data on it."""
        shut_down(self._socket)

    def close(self) -> None:
        self.shut_down()
        self._socket.close()


def _connected(address: tuple[str, int], timeout: float | None, cancellation: Cancellation | None) -> socket.socket:
    """Return a socket that is connected to one of the addresses of a host. Raises OSError."""
    if cancellation is None:
        return socket.create_connection(address, timeout)
    causes: list[OSError] = []
    for family, kind, protocol, _, resolved in socket.getaddrinfo(*address, type=socket.SOCK_STREAM):
        opened = socket.socket(family, kind, protocol)
        try:
            opened.settimeout(timeout)
            cancellation.attach(partial(shut_down, opened))
            opened.connect(resolved)
            return opened
        except BaseException as error:
            cancellation.detach()
            opened.close()
            if not isinstance(error, OSError):
                raise
            causes.append(error)
    raise causes[0] if causes else OSError("the host has no address")


def _request_head(request: httpx.Request, body: bytes) -> bytes:
    headers = [header for header in request.headers.raw if header[0].lower() not in FRAMING_HEADERS]
    if body or "content-length" in request.headers:
        headers.append((b"Content-Length", b"%d" % len(body)))
    lines = [b"%s %s HTTP/1.1" % (request.method.encode(), request.url.raw_path)]
    lines += [b"%s: %s" % header for header in headers]
    for line in lines:
        if UNSENDABLE.search(line):
            # Only the name: the value of a header may be a secret.
            name = line.partition(b":")[0][:40]
            raise httpx.LocalProtocolError(f"{name!r} in the head of a request: expected no NUL, CR or LF")
    return b"\r\n".join([*lines, b"", b""])
