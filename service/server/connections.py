"""The open connections of a server, by what they wait for.

A connection waits for the head of a request, or has a request under way, or rests between two. When there are too many,
the one that has waited or rested longest is closed. So a client that holds many connections without using them keeps
nobody else out.
"""

import asyncio
from dataclasses import dataclass
from typing import Protocol

from service.metrics import Metrics

MOST_LINGERING = 32
"""Refused connections that stay open for a moment, so that their clients can read why."""

UNREAD_SECONDS = 30.0
"""Time for a client to read the rest of a complete response while others find no place."""

SHORTEST_CHECK = 0.05


class Connection(Protocol):
    """What the table does with a connection."""

    def is_flushed(self) -> bool:
        """Return whether the client has read everything that was sent to it."""

    def evict(self) -> None:
        """Close it, although its client did nothing wrong."""

    def head_is_late(self) -> None:
        """Close it, because the head of its request did not arrive in time."""

    def cut(self) -> None:
        """Close it at once."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """How many connections may be open, and for how long without a request."""

    most: int
    head_seconds: float  # from the first byte of a head, or from the connection, to its last
    idle_seconds: float  # between a response and the next request
    stall_seconds: float  # for a client to read the rest of a response
    retry_after: int  # seconds, for clients that find no place


class Connections:
    """The table of all connections. Each belongs to at most one of: waiting for a head, resting, lingering."""

    def __init__(self, limits: ConnectionLimits, metrics: Metrics) -> None:
        self.limits = limits
        self._metrics = metrics
        self._open: set[Connection] = set()
        # In the order of time: the first of each is the oldest.
        self._heads: dict[Connection, float] = {}
        self._resting: dict[Connection, float] = {}
        self._lingering: dict[Connection, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        metrics.open_connections = self._open.__len__

    def add(self, connection: Connection) -> bool:
        """Add a new connection, which waits for a head. Returns False if there is no place for it."""
        if len(self._open) >= self.limits.most and not self._evict_oldest():
            return False
        self._open.add(connection)
        self.await_head(connection)
        return True

    def await_head(self, connection: Connection) -> None:
        """Begin the time in which the connection must receive a complete head."""
        if connection not in self._open:
            return
        self._resting.pop(connection, None)
        loop = asyncio.get_running_loop()
        self._heads[connection] = loop.time()
        if self._timer is None:
            self._timer = loop.call_later(self._interval, self._check)

    def work(self, connection: Connection) -> None:
        """Note that the connection has a request under way."""
        self._heads.pop(connection, None)
        self._resting.pop(connection, None)

    def rest(self, connection: Connection) -> None:
        """Note that the connection has a complete response and waits for the next request."""
        if connection in self._open:
            self._resting[connection] = asyncio.get_running_loop().time()

    def linger(self, connection: Connection) -> None:
        """Note that the connection is refused and will be closed in a moment."""
        self.work(connection)
        self._lingering[connection] = None
        if len(self._lingering) > MOST_LINGERING:
            oldest = next(iter(self._lingering))
            del self._lingering[oldest]
            oldest.cut()

    def remove(self, connection: Connection) -> None:
        """Forget a connection that is closed."""
        self.work(connection)
        self._lingering.pop(connection, None)
        self._open.discard(connection)

    def count_closed(self, reason: str) -> None:
        """Count a connection that was closed or refused because of a limit."""
        self._metrics.connections_closed.add((reason,))

    @property
    def _interval(self) -> float:
        return max(SHORTEST_CHECK, min(1.0, self.limits.head_seconds / 4))

    def _evict_oldest(self) -> bool:
        """Close the connection that has been without a request for longest. Returns False if there is none."""
        lingering = next(iter(self._lingering), None)
        if lingering is not None and lingering in self._open:
            self.remove(lingering)
            lingering.cut()
            return True
        found = [next(iter(self._heads.items()), None), self._first_flushed()]
        oldest = min((item for item in found if item is not None), key=lambda item: item[1], default=None)
        oldest = oldest or self._oldest_unread()
        if oldest is None:
            return False
        self.remove(oldest[0])
        self.count_closed("evicted")
        oldest[0].evict()
        return True

    def _first_flushed(self) -> tuple[Connection, float] | None:
        """Return the oldest resting connection whose client has the whole response."""
        return next((item for item in self._resting.items() if item[0].is_flushed()), None)

    def _oldest_unread(self) -> tuple[Connection, float] | None:
        """Return the oldest connection whose client did not read the rest of its response for long."""
        oldest = next(iter(self._resting.items()), None)
        latest = asyncio.get_running_loop().time() - UNREAD_SECONDS
        return oldest if oldest is not None and oldest[1] < latest else None

    def _check(self) -> None:
        """Close connections whose head is late."""
        loop = asyncio.get_running_loop()
        self._timer = None
        latest = loop.time() - self.limits.head_seconds
        late = []
        for connection, since in self._heads.items():
            if since > latest:
                break
            late.append(connection)
        for connection in late:
            self._heads.pop(connection, None)
            connection.head_is_late()
        if self._heads:
            self._timer = loop.call_later(self._interval, self._check)
