"""Counters and histograms of what the server does, as plain numbers of its event loop.

`service/metrics.py` gives them names and shows them to Prometheus. Those of Prometheus's library take a lock and a
microsecond for each call, which a piece of a response would meet several times. These take a tenth of that.
"""

from bisect import bisect_left
from collections.abc import Hashable, Sequence
from itertools import accumulate
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Counter(Generic[K]):
    """A number for each key, such as a combination of labels.

    Attributes:
        values: The numbers by key.
    """

    __slots__ = ("values",)

    def __init__(self, *known: K) -> None:
        """Begin with 0 for keys that are known, so that they are shown before anything happens."""
        self.values: dict[K, float] = dict.fromkeys(known, 0)

    def add(self, key: K, amount: float = 1) -> None:
        """Add to the number of a key."""
        self.values[key] = self.values.get(key, 0) + amount

    def total(self) -> float:
        """Return the sum of all numbers."""
        return sum(self.values.values())


class Times:
    """A histogram of durations.

    Attributes:
        bounds: Upper bounds of the buckets in seconds, ascending.
        counts: How many durations each bucket has. The last bucket has those above all bounds.
        seconds: The sum of all durations.
    """

    __slots__ = ("bounds", "counts", "seconds")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.seconds = 0.0

    def observe(self, seconds: float) -> None:
        """Count a duration."""
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.seconds += seconds

    @property
    def count(self) -> int:
        """The number of durations."""
        return sum(self.counts)

    def buckets(self) -> list[tuple[str, float]]:
        """Return the cumulative buckets as Prometheus has them: upper bound and number of durations up to it."""
        names = [*(str(float(bound)) for bound in self.bounds), "+Inf"]
        return list(zip(names, accumulate(self.counts), strict=True))


class Histogram(Generic[K]):
    """A histogram of durations for each key.

    Attributes:
        values: The histograms by key.
    """

    __slots__ = ("_bounds", "values")

    def __init__(self, bounds: Sequence[float], *known: K) -> None:
        """bounds: Upper bounds of the buckets in seconds, ascending. known: Keys to show from the beginning."""
        self._bounds = bounds
        self.values: dict[K, Times] = {key: Times(bounds) for key in known}

    def of(self, key: K) -> Times:
        """Return the histogram of a key."""
        times = self.values.get(key)
        if times is None:
            times = self.values[key] = Times(self._bounds)
        return times
