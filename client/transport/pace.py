"""When to give up on a response: at the deadline of its batch, or when too few bytes arrive."""

import math
from time import monotonic

import httpx

MIN_BYTES = 256
"""Bytes that must arrive within the read timeout, counted from the first of them. A sample has more in any layout."""

FINISH_SECONDS = 0.5
"""Limit for the end of a response whose batches have all arrived. Opening another connection takes less time."""

PACE = "pace"
"""Request extension with the `Pace` that a direct transport keeps to."""


class OutOfTimeError(Exception):
    """The deadline of an operation has passed."""


class Pace:
    """The time that is left for a batch, or for a document, over all attempts.

    One operation at a time. Time between two operations does not count.
    """

    def __init__(self, seconds: float | None, read_timeout: float | None = None) -> None:
        """seconds: for one operation; None for no limit. read_timeout: in seconds; None for no limit."""
        self.seconds = seconds
        self._read_timeout = read_timeout
        self.begin()

    def begin(self, most: float = math.inf) -> None:
        """Begin an operation. most: seconds that it may take at most."""
        seconds = math.inf if self.seconds is None else self.seconds
        self._deadline = monotonic() + min(seconds, most)
        self._bytes = 0  # since the window began
        self._window: float | None = None

    @property
    def left(self) -> float:
        """Seconds until the deadline; infinite without one."""
        return self._deadline - monotonic()

    def wait(self) -> float | None:
        """Return the longest wait for the next bytes in seconds. Raises `OutOfTimeError` after the deadline."""
        left, most = self._deadline - monotonic(), self._read_timeout
        if left <= 0:
            raise OutOfTimeError
        if most is not None and most <= left:
            return most
        return None if left == math.inf else left

    def received(self, count: int) -> None:
        """Count bytes that have arrived. Raises TimeoutError if they are too few for a read timeout."""
        if count >= MIN_BYTES or self._read_timeout is None:
            self._window = None
            return
        now = monotonic()
        if self._window is None:
            self._window, self._bytes = now, count
            return
        self._bytes += count
        if self._bytes >= MIN_BYTES:
            self._window = None
        elif now - self._window > self._read_timeout:
            raise TimeoutError(f"only {self._bytes} bytes within {now - self._window:.1f} s")

    def attempt(self, timeout: httpx.Timeout) -> httpx.Timeout:
        """Begin an attempt; return the timeouts of its request. Raises `OutOfTimeError` after the deadline."""
        left, self._window = self.left, None
        if left <= 0:
            raise OutOfTimeError
        parts = timeout.as_dict()
        if all(part is not None and part <= left for part in parts.values()) or left == math.inf:
            return timeout
        return httpx.Timeout(**{name: left if part is None else min(part, left) for name, part in parts.items()})


def count_piece(pace: Pace, size: int) -> None:
    """Count a piece of a body that httpx received. Raises `httpx.ReadTimeout` if too few bytes arrive."""
    try:
        pace.received(size)
    except TimeoutError as error:
        raise httpx.ReadTimeout(str(error)) from error


def head_seconds(timeout: httpx.Timeout) -> float | None:
    """Return a limit for sending a request and receiving the head of its response: httpx limits each read only."""
    if timeout.connect is None or timeout.read is None or timeout.write is None or timeout.pool is None:
        return None
    return timeout.pool + timeout.connect + timeout.write + 2 * timeout.read
