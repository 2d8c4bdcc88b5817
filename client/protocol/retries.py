"""How often a client tries, how long it waits, and for what."""

import logging
import math
from typing import TypeVar

import httpx
import stamina

from client.errors import ClientError, ServerUnavailableError, TransferError
from sampler.checks import require_integer
from sampler.errors import InvalidRequestError

CallerT = TypeVar("CallerT", stamina.RetryingCaller, stamina.AsyncRetryingCaller)

log = logging.getLogger("saccade_client")

ATTEMPTS = 10
"""With `MAX_WAIT`, some 45 seconds in all: a server may be restarted without a training run noticing."""
MAX_WAIT = 10.0
MOST_ATTEMPTS = 1 << 31
FIRST_WAIT = 0.2
JITTER = 0.5
"""Seconds at random on top of each wait, so that many clients do not come back at once."""

TOLD_HERE = tuple(f"{kind.__name__}(" for kind in (ServerUnavailableError, TransferError))
"""How errors that another attempt may help begin when they are shown."""

TIMEOUT = httpx.Timeout(connect=5.0, read=60.0, write=30.0, pool=60.0)
"""Seconds to connect, between two pieces of an answer, and for sending: `read` covers a server making a batch."""


def told_here(record: logging.LogRecord) -> bool:
    """Keep what stamina logs of retries, unless they are those of this package's errors.

    Those are told by the logger "saccade_client" with number and cause, where stamina's line says neither.
    """
    return not str(getattr(record, "stamina.caused_by", "")).startswith(TOLD_HERE)


class RetrySettings:
    """The checked settings of a client's retries: `attempts` ≥ 1, and `max_wait` ≥ 0, the longest wait in seconds."""

    def __init__(self, attempts: int, max_wait: float) -> None:
        """Raise `InvalidRequestError` that names field, value and range."""
        self.attempts = require_integer("attempts", attempts, 1, MOST_ATTEMPTS)
        self.max_wait = _seconds("max_wait", max_wait, 0.0)
        logging.getLogger("stamina").addFilter(told_here)  # adding it again changes nothing

    def caller(self, kind: type[CallerT]) -> CallerT:
        """Return stamina's caller of the given kind. The number of attempts is the one bound there is."""
        return kind(
            attempts=self.attempts,
            timeout=None,
            wait_initial=min(FIRST_WAIT, self.max_wait),
            wait_max=self.max_wait,
            wait_jitter=min(JITTER, self.max_wait),
        )

    def hook(self) -> "RetryHook":
        """Return the decision on each error of one operation."""
        return RetryHook(self.attempts, self.max_wait)


class RetryHook:
    """Says of each error whether another attempt may help, and after what wait; counts the attempts.

    Helped by trying again: a server that cannot be reached or asks to come back, and an answer that was cut. All
    else would come out the same.
    """

    def __init__(self, most: int, max_wait: float) -> None:
        """most: how often the operation is tried. max_wait: bound in seconds on what a server may ask for."""
        self._most = most
        self._max_wait = max_wait
        self._attempts = 0

    def __call__(self, error: Exception) -> bool | float:
        """Return False, True (wait as the backoff has it), or seconds to wait."""
        self._attempts += 1
        if isinstance(error, ClientError):
            error.attempts = self._attempts
        if not isinstance(error, ServerUnavailableError | TransferError):
            return False
        if self._attempts < self._most:  # the last one's error is raised, and so told
            log.warning("attempt %d of %d: %s; trying again", self._attempts, self._most, error.args[0])
        wait = error.retry_after if isinstance(error, ServerUnavailableError) else None
        return True if wait is None else min(wait, self._max_wait)


def timeouts(timeout: float | httpx.Timeout) -> httpx.Timeout:
    """Return the timeouts: a number of seconds stands for connect, read and write each.

    Raises `InvalidRequestError` for a number that is not above 0.
    """
    return timeout if isinstance(timeout, httpx.Timeout) else httpx.Timeout(_seconds("timeout", timeout, 1e-3))


def _seconds(field: str, value: object, low: float) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value < low:  # type: ignore[arg-type,operator] # a number by now
        raise InvalidRequestError(field, value, f"seconds, at least {low:g}")
    return float(value)  # type: ignore[arg-type] # a number by now
