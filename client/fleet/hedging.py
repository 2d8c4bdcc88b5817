"""When a late request is sent to a second server: latencies, and the budget of hedges."""

import math
from bisect import bisect_left, insort
from collections import deque

WINDOW = 128
"""Latencies of a server that count."""

ENOUGH = 10
"""Latencies from which a percentile means something."""

PERCENTILE = 0.95

SHARE = 0.05
"""Hedges per request."""

CREDIT = 5.0
"""Hedges before the first request, and the most that are saved up: a server that hangs is found with a cold start."""


class Latencies:
    """The last latencies of a server, in seconds."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque()
        self._sorted: list[float] = []

    def add(self, seconds: float) -> None:
        """Add the latency of a request that succeeded."""
        if len(self._recent) == WINDOW:
            del self._sorted[bisect_left(self._sorted, self._recent.popleft())]
        self._recent.append(seconds)
        insort(self._sorted, seconds)

    @property
    def percentile(self) -> float | None:
        """The 95th percentile in seconds; None with too few latencies."""
        count = len(self._sorted)
        return None if count < ENOUGH else self._sorted[math.ceil(PERCENTILE * count) - 1]


class HedgeBudget:
    """Hedges that may still be sent: a share of the requests, a few of which can be saved up.

    Of any number of requests in a row, at most that share plus `CREDIT` are hedged.
    """

    def __init__(self) -> None:
        self._left = CREDIT

    @property
    def is_left(self) -> bool:
        """Whether a hedge may be sent."""
        return self._left >= 1.0

    def earn(self) -> None:
        """Count a request."""
        self._left = min(self._left + SHARE, CREDIT)

    def spend(self) -> None:
        """Count a hedge. Only if one is left."""
        self._left -= 1.0

    def refund(self, hedges: int) -> None:
        """Count hedges no longer, because the server that caused them was ejected."""
        self._left = min(self._left + hedges, CREDIT)
