"""Timeouts of a client."""

import httpx

from client.protocol.retries import require_timeout

TIMEOUT = httpx.Timeout(connect=5.0, read=60.0, write=30.0, pool=60.0)
"""Seconds. `read` is the time between two pieces of a response and includes the time to make a batch."""


def timeouts(timeout: float | httpx.Timeout) -> httpx.Timeout:
    """Return the timeouts: a number of seconds applies to connect, read and write each.

    Raises `InvalidRequestError` for a number that is not above 0.
    """
    return timeout if isinstance(timeout, httpx.Timeout) else httpx.Timeout(require_timeout(timeout))
