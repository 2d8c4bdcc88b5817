"""Attempts and waits."""

import logging
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from client.errors import ClientError, ServerUnavailableError, TransferError
from sampler.checks import require_integer, require_number

if TYPE_CHECKING:  # a loader checks its settings before it loads these
    import stamina

CallerT = TypeVar("CallerT", "stamina.RetryingCaller", "stamina.AsyncRetryingCaller")

log = logging.getLogger("saccade_client")

ATTEMPTS = 10
"""With `MAX_WAIT` about 45 seconds in all, so that a training run survives a restart of the server."""
MAX_WAIT = 10.0
BATCH_SECONDS = 300.0
"""For one batch over all attempts: those waits, and several read timeouts of a slow server."""
MAX_ATTEMPTS = 1 << 31
FIRST_WAIT = 0.2
JITTER = 0.5
"""Random seconds added to each wait, so that many clients do not return at once."""

RETRIED = (ServerUnavailableError, TransferError)
"""The errors that another attempt may help."""


def require_timeout(timeout: float) -> float:
    """Return a timeout in seconds. Raises `InvalidRequestError` unless it is above 0."""
    return require_number("timeout", timeout, 1e-3)


def require_batch_seconds(seconds: float | None) -> float | None:
    """Return a limit in seconds, or None. Raises `InvalidRequestError` unless it is above 0."""
    return None if seconds is None else require_number("batch_seconds", seconds, 1e-3)


class RetrySettings:
    """Checked settings of a client's retries.

    attempts: ≥ 1, of one operation in all. max_wait: ≥ 0, the longest wait between two attempts in seconds.
    batch_seconds: above 0, for all attempts together; None for no limit.
    """

    def __init__(self, attempts: int, max_wait: float, batch_seconds: float | None = BATCH_SECONDS) -> None:
        self.batch_seconds = require_batch_seconds(batch_seconds)
        self.attempts = require_integer("attempts", attempts, 1, MAX_ATTEMPTS)
        self.max_wait = require_number("max_wait", max_wait, 0.0)
        logging.getLogger("stamina").addFilter(_not_logged_here)  # adding the same filter again has no effect

    def caller(self, kind: type[CallerT]) -> CallerT:
        """Return a caller of the given kind, limited by the number of attempts only."""
        return kind(
            attempts=self.attempts,
            timeout=None,
            wait_initial=min(FIRST_WAIT, self.max_wait),
            wait_max=self.max_wait,
            wait_jitter=min(JITTER, self.max_wait),
        )

    def once(self) -> "RetrySettings":
        """Return the same settings for a single attempt."""
        return RetrySettings(1, self.max_wait, self.batch_seconds)

    def hook(self, seconds_left: Callable[[], float] = lambda: math.inf) -> "RetryHook":
        """Return the decision on each error of one operation. seconds_left: until its deadline."""
        return RetryHook(self.attempts, self.max_wait, seconds_left, self.batch_seconds)


class RetryHook:
    """Decides whether to try again after an error, and after what wait; counts the attempts of one operation."""

    def __init__(
        self,
        attempts: int,
        max_wait: float,
        seconds_left: Callable[[], float] = lambda: math.inf,
        limit: float | None = None,
    ) -> None:
        """seconds_left: until the deadline. limit: seconds of the operation, for messages."""
        self._attempts = attempts
        self._max_wait = max_wait
        self._seconds_left = seconds_left
        self._limit = limit
        self._cause = ""
        self._made = 0
        self._damaged = 0

    def __call__(self, error: Exception) -> bool | float:
        """Return False (give up), True (wait as the backoff says), or the seconds to wait."""
        return self.decide(error, self._seconds_left())

    def decide(self, error: Exception, left: float) -> bool | float:
        """Do the same with `left` seconds until the deadline."""
        self._made += 1
        if isinstance(error, ClientError):
            error.attempts = self._made
        if isinstance(error, TransferError):
            self._damaged += error.damaged
            error.damaged = self._damaged
        if not isinstance(error, RETRIED):
            return False
        if left <= 0:
            before = f"; the attempt before: {self._cause}" if self._cause else ""
            error.args = (f"{error.args[0]}; gave up after batch_seconds = {self._limit}{before}",)
            return False
        attempts = self._attempts
        if is_unknown_host(error):  # probably mistyped
            attempts = -(-attempts // 2)
        if self._made >= attempts:
            return False
        cause, before = str(error.args[0]), self._cause
        self._cause = cause
        if not is_unknown_host(error) or cause != before:
            log.warning("attempt %d of %d: %s; trying again", self._made, attempts, cause)
        asked = error.retry_after if isinstance(error, ServerUnavailableError) else None
        if asked is not None:
            return min(asked, self._max_wait, left)
        longest = min(self._max_wait, FIRST_WAIT * 2.0 ** min(self._made, 64) + JITTER)
        return True if longest < left else left


def is_unknown_host(error: Exception) -> bool:
    """Return whether a host name does not exist, and the client has never reached its server."""
    return isinstance(error, ServerUnavailableError) and error.unknown_host


def _not_logged_here(record: logging.LogRecord) -> bool:
    """Drop stamina's log lines about this package's errors: `RetryHook` logs them with number and cause."""
    cause = str(getattr(record, "stamina.caused_by", ""))
    return not cause.startswith(tuple(f"{kind.__name__}(" for kind in RETRIED))
