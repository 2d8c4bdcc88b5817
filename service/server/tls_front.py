"""Connections that begin with a TLS handshake, which has the same limits as the head of a request.

uvicorn would let the event loop make the handshake, and neither know such a connection nor close it.
"""

import asyncio
import logging
import ssl
from typing import Any, cast

from uvicorn.protocols.utils import get_remote_addr

from service.server.connections import Connections
from service.server.protocol import LimitedProtocol
from service.server.refusals import FULL, LATE_HEAD

log = logging.getLogger("saccade_sampler.connections")

SHUTDOWN_SECONDS = 3.0
"""Time for a client to confirm the end of a TLS connection."""


CLIENT_REFUSES = frozenset({
    "TLSV1_ALERT_UNKNOWN_CA", "SSLV3_ALERT_BAD_CERTIFICATE", "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED",
})  # fmt: skip
"""OpenSSL's reasons for alerts with which a client refuses a server's certificate."""


class TlsFront(asyncio.Protocol):
    """A connection until its handshake is complete; then it belongs to the HTTP protocol."""

    def __init__(self, table: Connections, context: ssl.SSLContext, http: LimitedProtocol) -> None:
        self._table = table
        self._context = context
        self._http = http
        self._early = bytearray()  # received before the protocol for it was in place
        self._ended = False
        self._address = "-"  # of the client; a transport that is closed does not know it any more
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None

    # Called by the event loop: first for the connection, then by its TLS layer.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._address = (get_remote_addr(self._transport) or (self._address,))[0]
        if self._table.add(self):
            self._task = asyncio.get_running_loop().create_task(self._shake_hands(self._transport))
        else:  # no response: it would have to be encrypted first
            self._table.count_closed(FULL)
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._early += data

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the handshake reports it
        self._ended = True
        self._table.remove(self)

    # Called by the table of connections.

    def is_flushed(self) -> bool:
        return True

    def evict(self) -> None:
        self.cut()

    def head_is_late(self) -> None:
        self._table.count_closed(LATE_HEAD)
        self.cut()

    def cut(self) -> None:
        self._ended = True
        if self._transport is not None:
            self._transport.abort()

    async def _shake_hands(self, plain: asyncio.Transport) -> None:
        loop = asyncio.get_running_loop()
        starting = loop.create_task(
            loop.start_tls(
                plain, self, self._context, server_side=True, ssl_shutdown_timeout=SHUTDOWN_SECONDS,
                ssl_handshake_timeout=self._table.limits.head_seconds + 1,  # the table is first
            )
        )  # fmt: skip
        # Twice, because the TLS layer is connected in the step after the one in which it is made.
        loop.call_soon(loop.call_soon, self._pass_on_early, plain)
        try:
            encrypted = await starting
        except OSError as error:  # includes every error of TLS, and a client that disconnects
            self._fail(error)
            return
        self._table.remove(self)
        # A connection that is cut during the handshake ends it without an error.
        if self._ended or encrypted is None or encrypted.get_extra_info("cipher") is None:
            plain.abort()
            return
        encrypted.set_protocol(self._http)
        self._http.connection_made(encrypted)
        if self._early:
            self._http.data_received(bytes(self._early))

    def _pass_on_early(self, plain: asyncio.Transport) -> None:
        """Pass on the bytes that arrived before the TLS layer, which uvloop reads whether reading is paused or not."""
        layer: Any = plain.get_protocol()  # it has the methods of asyncio.BufferedProtocol
        try:
            while self._early and not self._ended and layer not in (None, self):
                room = memoryview(layer.get_buffer(len(self._early)))
                size = min(len(room), len(self._early))
                room[:size] = self._early[:size]
                del self._early[:size]
                layer.buffer_updated(size)
        except OSError as error:  # the event loop would catch it
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        log.info("%s: no TLS connection: %s", self._address, _cause(error))
        self._table.remove(self)
        self.cut()


def _cause(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        if error.reason == "HTTP_REQUEST":
            return "the client speaks http to this port, which speaks https"
        reason = (error.reason or "failed handshake").replace("_", " ").lower()
        refused = error.reason in CLIENT_REFUSES
        return f"the client does not accept the certificate of this server ({reason})" if refused else reason
    return error.strerror or str(error) or type(error).__name__
