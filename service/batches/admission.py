"""Admission: a bounded number of requests are served at once, and none once the server shuts down."""

from collections.abc import Iterator
from contextlib import contextmanager

from service.errors.problems import ServiceError
from service.shutdown import Shutdown


class Admission:
    """Admits requests. retry_after: seconds that a refused client is asked to wait."""

    def __init__(self, max_requests: int, retry_after: int, shutdown: Shutdown) -> None:
        self.in_flight = 0
        self._max_requests = max_requests
        self._retry_after = retry_after
        self._shutdown = shutdown

    @contextmanager
    def admit(self) -> Iterator[None]:
        """Count a request as in flight within the `with` block. Raises `ServiceError` (503) if it is refused."""
        if self._shutdown.begun:
            detail = "the server is shutting down; use another server or try again later"
            raise ServiceError("shutting-down", detail, retry_after=self._retry_after)
        if self.in_flight >= self._max_requests:
            detail = f"{self._max_requests} requests are in flight, which is the limit; try again later"
            raise ServiceError("overloaded", detail, retry_after=self._retry_after)
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1
