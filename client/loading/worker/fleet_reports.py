"""What the loader worker tells the trainer about its servers."""

from time import monotonic

from client.fleet.statistics import FleetStatistics
from client.protocol.requests import StreamRequest
from client.sync_client import SamplerClient

REPORT_SECONDS = 1.0
"""How often. The counts of hundreds of servers take more time than those of a batch."""


class FleetReports:
    """The statistics of several servers, with one batch of each `REPORT_SECONDS` and with the last batch."""

    def __init__(self, client: SamplerClient, request: StreamRequest) -> None:
        self._client = client
        self._stop = request.stop
        self._due = 0.0

    def at(self, step: int) -> FleetStatistics | None:
        """Return what to send with the batch of a step; None for nothing, as always with one server."""
        if monotonic() < self._due and step + 1 != self._stop:
            return None
        self._due = monotonic() + REPORT_SECONDS
        return self._client.statistics
