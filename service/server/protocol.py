"""uvicorn's HTTP protocol with limits for what a client sends before, between and around requests.

Only the reading side is changed; sending responses costs nothing more. What uvicorn's class does is left to it.
"""

import asyncio
import logging
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from service.server.connections import Connections
from service.server.refusals import (
    HEAD_TOO_LARGE,
    HTTPS_TO_HTTP,
    LATE_HEAD,
    MALFORMED,
    MAX_HEAD,
    MAX_HEADERS,
    MAX_PIPELINED,
    MAX_URL,
    TOO_MANY_PIPELINED,
    URL_TOO_LONG,
    Refusal,
    full,
    late_head,
)

log = logging.getLogger("saccade_sampler.connections")

LINGER_SECONDS = 1.0
"""Time for a refused client to read why, before its connection is closed. Nothing more of it is read."""

TLS_HELLO = b"\x16\x03"
"""The first bytes of a client that speaks TLS."""


class RefusedError(Exception):
    """The parser must stop."""


class LimitedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(
        self,
        connections: Connections,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._table = connections
        self._pending = 0  # bytes received since the last progress: a complete head, a part of a body, or its end
        self._head_size = 0
        self._header_count = 0
        self._in_head = True  # or before it
        self._resting = False
        self._begun = False
        self._refused = False
        self._refusal: Refusal | None = None  # why the parser was stopped
        self._stalled_since: float | None = None

    # Called by the event loop.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in the base class
        super().connection_made(transport)
        if not self._table.add(self):
            self._refuse(full(self._table.limits.most, self._table.limits.retry_after))

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._table.remove(self)
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._pending += len(data)
        if not self._begun and data.startswith(TLS_HELLO):
            self._refusal = HTTPS_TO_HTTP
        self._begun = True
        super().data_received(data)
        if self._pending > MAX_HEAD:
            self._refuse(HEAD_TOO_LARGE)
        elif self._resting:
            self._resting = False
            self._table.await_head(self)

    # Called by the parser.

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_size = self._header_count = 0

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._head_size += len(url)
        if self._head_size > MAX_URL:
            self._stop(URL_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_count += 1
        self._head_size += len(name) + len(value) + 4
        if self._head_size > MAX_HEAD or self._header_count > MAX_HEADERS:
            self._stop(HEAD_TOO_LARGE)
        if self._in_head:  # trailers come after the app has the headers, and nobody reads them
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if len(self.pipeline) >= MAX_PIPELINED:
            self._stop(TOO_MANY_PIPELINED)
        self._in_head = self._resting = False
        self._pending = self._head_size = self._header_count = 0
        self._table.work(self)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._pending = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._pending = 0
        self._in_head = True
        super().on_message_complete()

    # Called by uvicorn.

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.cycle.response_complete:
            return  # of a pipelined request
        self._stalled_since = None
        if self.transport.is_closing():
            self._table.rest(self)
            if not self.is_flushed():  # it closes when the client has read everything, which may be never
                self._wait_for_client()
        elif self._in_head and not self._pending:
            self._resting = True
            self._table.rest(self)
        else:  # a body that nobody reads must end in time, too
            self._table.await_head(self)

    def timeout_keep_alive_handler(self) -> None:
        if self.is_flushed() or self._is_stalled():
            self._table.count_closed("idle")
            self.cut()
        else:
            self._wait_for_client()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's only message
        self._refuse(self._refusal or MALFORMED)

    # Called by the table of connections.

    def is_flushed(self) -> bool:
        return self.transport.get_write_buffer_size() == 0

    def evict(self) -> None:
        self.cut()

    def head_is_late(self) -> None:
        if self._in_head and self._pending:
            self._refuse(late_head(self._table.limits.head_seconds))
        else:
            self._table.count_closed(LATE_HEAD)
            self.cut()

    def cut(self) -> None:
        self.transport.abort()

    # Refusing.

    def _stop(self, refusal: Refusal) -> None:
        """Stop the parser, which makes uvicorn call `send_400_response`."""
        self._refusal = refusal
        raise RefusedError

    def _refuse(self, refusal: Refusal) -> None:
        """Send a response that ends the connection, and read nothing more of it."""
        if self._refused:
            return
        self._refused = True
        log.info("%s: refused, %s: %s", (self.client or ("-",))[0], refusal.kind, refusal.detail)
        self._table.count_closed(refusal.reason)
        cycle = self.cycle
        if self.pipeline or (cycle is not None and not cycle.response_complete and cycle.response_started):
            self.cut()  # it would become part of another response
            return
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
        self.flow.pause_reading()
        self.transport.write(refusal.response(self.server_state.default_headers))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._table.linger(self)
        self.loop.call_later(LINGER_SECONDS, self.cut)

    def _wait_for_client(self) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def _is_stalled(self) -> bool:
        """Return whether the client has not read the end of a response for too long."""
        now = self.loop.time()
        if self._stalled_since is None:
            self._stalled_since = now - self.timeout_keep_alive
        return now - self._stalled_since >= self._table.limits.stall_seconds
