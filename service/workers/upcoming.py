"""The jobs of a worker in the order of their arrival. Remote images of later jobs are fetched during earlier ones."""

from collections import deque
from collections.abc import Callable
from contextlib import suppress

from sampler.errors import SamplerError
from sampler.ipc.frames import FrameSocket
from service.workers.protocol import Job, decode_job


class UpcomingJobs:
    """Jobs from the server."""

    def __init__(self, server: FrameSocket, read_ahead: Callable[[Job], None]) -> None:
        """read_ahead: Begins to fetch the images of a job; called once for each, when it arrives."""
        self._server = server
        self._read_ahead = read_ahead
        self._waiting: deque[tuple[int, Job]] = deque()

    def next(self) -> tuple[int, Job] | None:
        """Wait for the next job and return it with its number; None if the server is gone."""
        self.look()
        if not self._waiting:
            message = self._server.read()
            if message is None:
                return None
            self._add(message)
        return self._waiting.popleft()

    def look(self) -> None:
        """Begin to fetch the images of jobs that have arrived. Does not wait."""
        while (message := self._server.read_arrived()) is not None:
            self._add(message)

    def _add(self, message: bytes) -> None:
        number, job = decode_job(message)
        with suppress(SamplerError):  # reported when the job is done
            self._read_ahead(job)
        self._waiting.append((number, job))
