"""How long a worker may take for a sample before it is considered stopped or hung.

The limit follows the times of recent samples of all workers, which read the same disks: slow storage raises it. Only
time in which the server itself runs counts.
"""

import time
from collections import deque
from collections.abc import Callable

LEAST_SECONDS = 5.0
"""No sample is late before this time, unless its image may come from another host."""

LEAST_VIEW_SECONDS = 30.0
"""No view is late before this time: it may draw a large image, which takes far longer than to make a sample of it."""

FACTOR = 20.0
"""A sample is late if it takes this many times as long as nearly all recent ones."""

GROWTH = 4.0
"""How much longer a sample may take each time it is made again because it was late."""

RECENT = 1000
"""Number of samples whose times are remembered."""

LOOK_SECONDS = 0.5
"""Interval at which the server looks for late samples."""


class RunningClock:
    """Seconds in which the event loop runs.

    `now` must be called every `LOOK_SECONDS`. A longer interval means that the process was stopped or suspended and did
    not read the replies of its workers, so it counts as a short one.
    """

    LONGEST = 2 * LOOK_SECONDS

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._before = clock()
        self._stopped = 0.0

    def now(self) -> float:
        """Return the seconds in which the loop ran, since an arbitrary moment."""
        now = self._clock()
        self._stopped += max(0.0, now - self._before - self.LONGEST)
        self._before = now
        return now - self._stopped


class SampleTimes:
    """The times of recent samples, and the limit that follows from them.

    Attributes:
        longest: the limit in seconds for any sample, however slow others are.
        least: no sample is late before this time, in seconds.
    """

    def __init__(self, longest: float, least: float = LEAST_SECONDS) -> None:
        """Know no times yet."""
        self.longest = longest
        self.least = least
        self._recent: deque[tuple[float, int]] = deque()
        self._count = 0

    def add(self, seconds: float, samples: int) -> None:
        """Note that consecutive samples took so many seconds together. Each is taken to have an equal share."""
        self._recent.append((seconds / samples, samples))
        self._count += samples
        while self._count - self._recent[0][1] >= RECENT:
            self._count -= self._recent.popleft()[1]

    def limit(self, repetitions: int = 0) -> float:
        """Return after how many seconds a sample is late that was late `repetitions` times before."""
        least = max(self.least, FACTOR * self.percentile())
        return min(self.longest, least * GROWTH**repetitions)

    def is_late(self, seconds: float, repetitions: int = 0) -> bool:
        """Return whether a sample is late that has taken `seconds` so far."""
        # The second limit takes a sort to compute, which the first makes rare.
        return seconds > min(self.least, self.longest) and seconds > self.limit(repetitions)

    def is_view_late(self, seconds: float, *, leisurely: bool, was_late: bool = False) -> bool:
        """Return whether a view is late that has taken `seconds` so far.

        Args:
            seconds: The time.
            leisurely: Whether training does not wait for it.
            was_late: Whether such a view was ended before because training waited, which does not wait for it again.
        """
        if not leisurely and (was_late or self.is_late(seconds)):
            return True
        return seconds > min(self.least, self.longest) and seconds > self.view_limit()

    def view_limit(self) -> float:
        """Return after how many seconds a view is late in any case."""
        return min(self.longest, max(LEAST_VIEW_SECONDS, self.limit()))

    def percentile(self) -> float:
        """Return the time that 99 % of the recent samples do not exceed; 0 if there are none."""
        above = self._count / 100
        for seconds, samples in sorted(self._recent, reverse=True):
            above -= samples
            if above < 0:
                return seconds
        return 0.0
