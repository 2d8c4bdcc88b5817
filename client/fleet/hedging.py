"""When a late request is sent to a second server: latencies, limits derived from them, and the budget of hedges."""

import math
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Sequence

from client.fleet.health import EJECT_AFTER

WINDOW = 128
"""Latencies of a server that count."""

ENOUGH = 10
"""Latencies from which a percentile means something."""

PERCENTILE = 0.95

LATE_FACTOR = 2.0
"""A request is late after this multiple of its server's 95th percentile."""

TYPICAL_FACTOR = 5.0
"""The same for the typical latency of all servers, if that is less or the server's own is unknown."""

LEAST_SECONDS = 0.05
"""No request is late before. Such a delay is nothing to a trainer with a few batches ahead."""

COLD_SECONDS = 1.0
"""When a request is late, as long as no server has enough latencies."""

STALL_FACTOR = 10.0
"""A request has stalled after this multiple of the typical latency."""

STALL_SECONDS = 1.0
"""No request has stalled before."""

REQUESTS_PER_HEDGE = 20
"""The budget: 5 % of the requests."""

CREDIT = 2 * EJECT_AFTER
"""Hedges before the first request, and the most that are saved up: enough to eject two servers that hang."""


class Latencies:
    """The last latencies of a server, in seconds."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque()
        self._sorted: list[float] = []
        self.percentile: float | None = None
        """The 95th percentile in seconds; None with too few latencies."""
        self.median: float | None = None
        """In seconds; None with too few latencies."""

    def add(self, seconds: float) -> None:
        """Add the latency of a request that succeeded."""
        if len(self._recent) == WINDOW:
            del self._sorted[bisect_left(self._sorted, self._recent.popleft())]
        self._recent.append(seconds)
        insort(self._sorted, seconds)
        count = len(self._sorted)
        if count >= ENOUGH:
            self.percentile = self._sorted[math.ceil(PERCENTILE * count) - 1]
            self.median = self._sorted[(count - 1) // 2]


class LatenciesByKind:
    """The latencies of a server by kind of request, because requests that differ in work are late at different times.

    Attributes:
        latest: the kind whose latency was added last.
    """

    def __init__(self) -> None:
        self._kinds: dict[str, Latencies] = {}
        self.latest = ""

    def add(self, kind: str, seconds: float) -> None:
        """Add the latency of a request that succeeded."""
        self._kinds.setdefault(kind, Latencies()).add(seconds)
        self.latest = kind

    def percentile(self, kind: str) -> float | None:
        """Return the 95th percentile of a kind in seconds; None with too few latencies."""
        latencies = self._kinds.get(kind)
        return None if latencies is None else latencies.percentile

    def median(self, kind: str) -> float | None:
        """Return the median of a kind in seconds; None with too few latencies."""
        latencies = self._kinds.get(kind)
        return None if latencies is None else latencies.median


def typical_latency(percentiles: Sequence[float | None]) -> float | None:
    """Return the median of the servers' 95th percentiles, the lower one of two; None if most are unknown."""
    known = sorted(seconds for seconds in percentiles if seconds is not None)
    return known[(len(known) - 1) // 2] if known and 2 * len(known) >= len(percentiles) else None


def late_after(own: float | None, typical: float | None) -> float:
    """Return after how many seconds a request is late.

    Args:
        own: 95th percentile of its server's latencies; None if unknown.
        typical: of all servers; None if unknown.
    """
    limits = [] if own is None else [LATE_FACTOR * own]
    if typical is not None:
        limits.append(TYPICAL_FACTOR * typical)
    return max(LEAST_SECONDS, min(limits)) if limits else COLD_SECONDS


def stalled_after(typical: float | None) -> float | None:
    """Return after how many seconds without a byte a request has failed; None if too little is known."""
    return None if typical is None else max(STALL_SECONDS, STALL_FACTOR * typical)


class HedgeBudget:
    """Hedges that may still be sent: a share of the requests, a few of which can be saved up.

    Of any requests in a row, at most that share plus `CREDIT` are hedged, refunded hedges not counted.
    """

    def __init__(self) -> None:
        self._requests = self._most = CREDIT * REQUESTS_PER_HEDGE

    @property
    def is_left(self) -> bool:
        """Whether a hedge may be sent."""
        return self._requests >= REQUESTS_PER_HEDGE

    def earn(self) -> None:
        """Count a request."""
        self._requests = min(self._requests + 1, self._most)

    def spend(self) -> None:
        """Count a hedge, if one is left."""
        self._requests -= REQUESTS_PER_HEDGE

    def refund(self, hedges: int) -> None:
        """Count hedges no longer, because the server that caused them was ejected."""
        self._requests = min(self._requests + hedges * REQUESTS_PER_HEDGE, self._most)
