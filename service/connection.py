"""The connection behind a request, as far as the HTTP server lets the app reach it."""

from typing import Any

from starlette.types import Scope, Send
from uvicorn.protocols.utils import get_remote_addr

from service.activity.sending_times import sending_times
from service.activity.streams import SendingTimes

KEY = "saccade_sampler.connection"
"""Where the scope of a request has its connection."""

HIGH_WATER = 65536
"""Unsent bytes above which messages wait, as without a change."""


class Connection:
    """A connection of uvicorn. Of any other server, its methods do nothing and know nothing."""

    def __init__(self, cycle: Any = None) -> None:
        """cycle: uvicorn's object for one request and its response."""
        self._cycle = cycle

    @classmethod
    def behind(cls, send: Send) -> "Connection":
        """Return the connection behind the `send` that the HTTP server gave to the app."""
        cycle = getattr(send, "__self__", None)
        return cls(cycle if hasattr(cycle, "transport") and hasattr(cycle, "body") else None)

    @classmethod
    def of(cls, scope: Scope) -> "Connection":
        """Return the connection of a request."""
        found = scope.get(KEY)
        return found if isinstance(found, cls) else cls()

    def peer(self) -> str | None:
        """Return the address at the other end: of a proxy, if there is one. None if unknown, as for Unix sockets.

        The client's address in the scope of a request is what a trusted proxy says that it is.
        """
        address = None if self._cycle is None else get_remote_addr(self._cycle.transport)
        return address[0] if address else None

    def sending_times(self) -> SendingTimes | None:
        """Return how long this connection had data to send since it was opened; None if unknown."""
        return None if self._cycle is None else sending_times(self._cycle.transport.get_extra_info("socket"))

    def hold_nothing_back(self) -> None:
        """From now on, a message waits until the system has taken all of what was sent before, not only most of it."""
        if self._cycle is not None:
            self._cycle.transport.set_write_buffer_limits(high=HIGH_WATER, low=0)

    def drop_body(self) -> None:
        """Free what has arrived of the request's body and was not read."""
        if self._cycle is not None:
            self._cycle.body = bytearray()

    def is_closed(self) -> bool:
        """Return whether nothing reaches the client any more.

        uvicorn reports a disconnect to the last request only. If a client had sent another one in advance, the response
        to the first would otherwise go on without end, at a transport that drops all of it.
        """
        return self._cycle is not None and bool(self._cycle.transport.is_closing())

    def abort(self) -> None:
        """Close the connection at once. To close it in order would wait for the client to read what was sent."""
        if self._cycle is not None:
            self._cycle.transport.abort()


def client_address(scope: Scope) -> str:
    """Return the address of a client, or what a proxy says that it is (X-Forwarded-For), which may be any text."""
    client = scope.get("client")
    return str(client[0]) if client else ""
